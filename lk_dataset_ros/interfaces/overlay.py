"""The packages that were built before: one directory each, in the user's cache.

    <cache>/lk_dataset_ros/types/<ROS, Python, machine>/<package>-<content>/
        lk_types.json    what it holds and needs
        lib/ share/      as colcon installed it

A package that is installed in the sourced environment is always taken from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.errors import EnvironmentNotReadyError
from lk_dataset_ros.interfaces.installed import MANIFEST
from lk_dataset_ros.interfaces.interface import Interface, from_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lk_dataset_ros.interfaces.installed import Installed

#: Raised when what is built, or how, changes: older directories are not used any more.
_FORMAT: Final = 1
#: Packages whose versions decide whether generated code fits.
_ROOTS: Final = ('rosidl_runtime_c', 'rosidl_typesupport_c', 'rosidl_typesupport_fastrtps_c')


@dataclass(frozen=True, slots=True)
class Overlay:
    """A package that was built.

    Attributes:
        path: Its prefix.
        package: Name of the package.
        types: Type hash of each of its types.
        requires: Type hash of each type of other packages that they are made of.
        depends: The packages of these.
        interfaces: The definitions that it was built from, with all that they are made of.
        made_ns: When.
    """

    path: Path
    package: str
    types: Mapping[str, str]
    requires: Mapping[str, str]
    depends: tuple[str, ...]
    interfaces: Mapping[str, Interface]
    made_ns: int

    @property
    def python_path(self) -> Path:
        """Return the folder that Python finds the package in."""
        version = f'python{sys.version_info.major}.{sys.version_info.minor}'
        debian = self.path / 'local' / 'lib' / version / 'dist-packages'
        return debian if debian.is_dir() else self.path / 'lib' / version / 'site-packages'

    @property
    def libraries(self) -> Path:
        """Return the folder of its shared libraries."""
        return self.path / 'lib'

    def to_json(self) -> str:
        """Return what is written beside it."""
        content = {
            'format': _FORMAT,
            'package': self.package,
            'types': dict(self.types),
            'requires': dict(self.requires),
            'depends': list(self.depends),
            'interfaces': to_plain(self.interfaces),
            'made_ns': self.made_ns,
        }
        return json.dumps(content)

    @classmethod
    def load(cls, path: Path) -> Overlay | None:
        """Read what is written beside a package; None if it is not whole."""
        try:
            content: Any = json.loads((path / MANIFEST).read_text())
            if content['format'] != _FORMAT:
                return None
            return cls(
                path,
                content['package'],
                content['types'],
                content['requires'],
                tuple(content['depends']),
                from_plain(content['interfaces']),
                int(content['made_ns']),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def overlay_root(installed: Installed) -> Path:
    """Return the folder of the packages that fit this ROS 2, Python and machine.

    Raises:
        EnvironmentNotReadyError: If no ROS 2 is sourced.
    """
    prefix = installed.package(_ROOTS[0])
    if prefix is None:
        raise EnvironmentNotReadyError(
            'no ROS 2 is sourced: source /opt/ros/<distro>/setup.bash (in a checkout without ROS: '
            'source env.sh)'
        )
    facts = [str(prefix.resolve()), sys.implementation.cache_tag, platform.machine()]
    for name in _ROOTS:
        at = installed.package(name)
        if at is not None:
            facts.append((at / 'share' / name / 'package.xml').read_text(errors='replace'))
    digest = hashlib.sha256('\0'.join(facts).encode()).hexdigest()[:8]
    distro = os.environ.get('ROS_DISTRO', 'ros')
    label = distro if distro.isalnum() else 'ros'
    version = f'py{sys.version_info.major}{sys.version_info.minor}'
    return _cache() / 'lk_dataset_ros' / 'types' / f'{label}-{version}-{digest}'


def _cache() -> Path:
    named = os.environ.get('XDG_CACHE_HOME', '')
    # The XDG specification: a relative path is to be ignored.
    return Path(named) if Path(named).is_absolute() else Path.home() / '.cache'


def check_private(root: Path) -> None:
    """Check that nobody else can put code into a folder that code is loaded from.

    Raises:
        EnvironmentNotReadyError: If somebody can.
    """
    for folder in (root, root.parent, root.parent.parent):
        state = folder.stat()
        if state.st_uid != os.geteuid() or state.st_mode & 0o022:
            raise EnvironmentNotReadyError(
                f'{folder} belongs to another user or others may write to it; types that were '
                f'built are not loaded from there (chmod go-w {folder}, or set XDG_CACHE_HOME)'
            )


def built_overlays(installed: Installed) -> list[Overlay]:
    """Return the packages that were built and are not installed, the newest first.

    Raises:
        EnvironmentNotReadyError: If others may write to their folder.
    """
    if not installed.has_ros:
        return []
    root = overlay_root(installed)
    if not root.is_dir():
        return []
    check_private(root)
    found = [Overlay.load(path) for path in root.iterdir() if '-' in path.name]
    usable = [
        each for each in found if each is not None and installed.package(each.package) is None
    ]
    return sorted(usable, key=lambda each: (each.made_ns, each.path.name), reverse=True)


def variables_with(overlays: Iterable[Overlay], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in which a process finds packages, after what it finds already.

    Args:
        overlays: The packages.
        environment: The environment of the process; packages that were built and that it names
            already are taken out.

    Returns:
        The variables to set.
    """
    chosen = list(overlays)
    additions = {
        'AMENT_PREFIX_PATH': [str(each.path) for each in chosen],
        'CMAKE_PREFIX_PATH': [str(each.path) for each in chosen],
        'LD_LIBRARY_PATH': [str(each.libraries) for each in chosen],
        'PYTHONPATH': [str(each.python_path) for each in chosen],
    }
    packages = {each.package for each in chosen}
    variables = {}
    for name, paths in additions.items():
        before = [
            part
            for part in environment.get(name, '').split(os.pathsep)
            if part and part not in paths and not _is_version_of(part, packages)
        ]
        variables[name] = os.pathsep.join([*before, *paths])
    return variables


def _is_version_of(part: str, packages: set[str]) -> bool:
    """Tell whether a path leads into a package of that name that was built."""
    path = Path(part)
    return any(
        each.name.rpartition('-')[0] in packages and (each / MANIFEST).is_file()
        for each in (path, *path.parents)
    )
