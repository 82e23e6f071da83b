"""Choose among the packages that were built: one version of each, and what these need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.interfaces.installed import Installed
    from lk_dataset_ros.interfaces.overlay import Overlay


def choose(
    overlays: Sequence[Overlay], wanted: Mapping[str, str], installed: Installed
) -> list[Overlay]:
    """Choose packages that hold types, one version of each, and what these need.

    Args:
        overlays: What there is, the newest first.
        wanted: Type hash by type name; packages of which a type is not there are left out.
        installed: What is installed.

    Returns:
        The packages in the order in which they can be loaded.
    """
    choice = _Choice(overlays, installed, _by_package(wanted))
    for package in choice.wanted:
        choice.add(package, {})
    return _in_order(choice.chosen)


def newest(overlays: Sequence[Overlay], installed: Installed) -> list[Overlay]:
    """Choose the newest version of every package, as far as they fit together."""
    choice = _Choice(overlays, installed, {})
    for overlay in overlays:
        choice.add(overlay.package, {})
    return _in_order(choice.chosen)


@dataclass(slots=True)
class _Choice:
    """Packages chosen so far, one version of each."""

    overlays: Sequence[Overlay]
    installed: Installed
    wanted: Mapping[str, Mapping[str, str]]
    chosen: dict[str, Overlay] = field(default_factory=dict)

    def add(self, package: str, types: Mapping[str, str]) -> bool:
        """Choose a version of a package that holds types, and what it needs; tell if there is."""
        if package in self.chosen:
            return _holds(self.chosen[package].types, types)
        both = {**self.wanted.get(package, {}), **types}
        for overlay in self.overlays:
            if overlay.package == package and _holds(overlay.types, both):
                before = dict(self.chosen)
                self.chosen[package] = overlay
                if self._add_needs(overlay):
                    return True
                self.chosen = before
        return False

    def _add_needs(self, overlay: Overlay) -> bool:
        absent = {}
        for name, type_hash in overlay.requires.items():
            found = self.installed.find(name)
            if found is None:
                absent[name] = type_hash
            elif found.type_hash != type_hash:
                return False
        return all(self.add(package, types) for package, types in _by_package(absent).items())


def _by_package(types: Mapping[str, str]) -> dict[str, dict[str, str]]:
    grouped: dict[str, dict[str, str]] = {}
    for name, type_hash in types.items():
        grouped.setdefault(name.split('/')[0], {})[name] = type_hash
    return grouped


def _holds(has: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(has.get(name) == type_hash for name, type_hash in wanted.items())


def _in_order(chosen: Mapping[str, Overlay]) -> list[Overlay]:
    ordered: list[Overlay] = []

    def add(package: str) -> None:
        overlay = chosen.get(package)
        if overlay is not None and overlay not in ordered:
            for each in overlay.depends:
                add(each)
            ordered.append(overlay)

    for package in sorted(chosen):
        add(package)
    return ordered
