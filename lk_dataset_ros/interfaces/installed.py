"""What is installed: packages and message types, found in the ament index by its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces.description import read_description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.interfaces.interface import Interface

#: Stands beside a package that was built from a bag.
MANIFEST = 'lk_types.json'
#: A longer description is not read.
MAX_BYTES = 64 * 1024 * 1024
_PARTS = {
    'srv': ('_Event', '_Request', '_Response'),
    'action': (
        '_SendGoal_Event',
        '_SendGoal_Request',
        '_SendGoal_Response',
        '_GetResult_Event',
        '_GetResult_Request',
        '_GetResult_Response',
        '_FeedbackMessage',
        '_Feedback',
        '_Goal',
        '_Result',
    ),
}


@dataclass(frozen=True, slots=True)
class InstalledType:
    """A type that is installed.

    Attributes:
        name: Full type name.
        prefix: Where its package is installed.
        type_hash: Its hash; empty where ROS 2 tells none (before Iron).
        interfaces: The type and all that it is made of; empty where there is no hash.
    """

    name: str
    prefix: Path
    type_hash: str
    interfaces: dict[str, Interface]


def ament_prefixes() -> list[Path]:
    """Return the prefixes of the sourced environment, the first one wins; none without ROS.

    Packages that were built from a bag are not among them, even if a parent process named them.
    """
    named = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    prefixes = [Path(prefix) for prefix in named if prefix]
    return [prefix for prefix in prefixes if not (prefix / MANIFEST).is_file()]


class Installed:
    """The types of some prefixes.

    Args:
        prefixes: Those of the sourced environment by default.
    """

    def __init__(self, prefixes: Sequence[Path] | None = None) -> None:
        self.prefixes = tuple(ament_prefixes() if prefixes is None else prefixes)
        self._known: dict[str, InstalledType | None] = {}

    @property
    def has_ros(self) -> bool:
        """Tell whether a ROS 2 is sourced at all."""
        return self.package('builtin_interfaces') is not None

    def package(self, name: str) -> Path | None:
        """Return the prefix of a package, None if it is not installed."""
        for prefix in self.prefixes:
            if (prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / name).is_file():
                return prefix
        return None

    def find(self, name: str) -> InstalledType | None:
        """Return a type, None if it is not installed.

        Args:
            name: Full type name; parts of services and actions (`..._Event`) are found too.
        """
        if name not in self._known:
            self._known[name] = self._look_up(name)
        return self._known[name]

    def _look_up(self, name: str) -> InstalledType | None:
        package, kind, own = name.split('/')
        prefix = self.package(package)
        if prefix is None:
            return None
        folder = prefix / 'share' / package / kind
        whole = next(
            (own.removesuffix(part) for part in _PARTS.get(kind, ()) if own.endswith(part)), own
        )
        for stem in dict.fromkeys((own, whole)):
            description = folder / f'{stem}.json'
            if description.is_file() and description.stat().st_size <= MAX_BYTES:
                interfaces, hashes = _read(description)
                if name in interfaces:
                    return InstalledType(name, prefix, hashes.get(name, ''), interfaces)
            if any((folder / f'{stem}.{suffix}').is_file() for suffix in (kind, 'idl')):
                return InstalledType(name, prefix, '', {})
        return None


def _read(path: Path) -> tuple[dict[str, Interface], dict[str, str]]:
    try:
        return read_description(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise MessageTypeError(f'{path} cannot be read: {error}') from error
