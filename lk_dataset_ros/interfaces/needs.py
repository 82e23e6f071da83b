"""Which message types a bag needs, and where they are: installed, built before, or nowhere."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces.carried import Carried
from lk_dataset_ros.interfaces.choosing import choose
from lk_dataset_ros.interfaces.description import type_hash
from lk_dataset_ros.interfaces.installed import Installed
from lk_dataset_ros.interfaces.interface import (
    Interface,
    closure,
    difference,
)
from lk_dataset_ros.interfaces.overlay import Overlay, built_overlays
from lk_dataset_ros.interfaces.packages import package_sources
from lk_dataset_ros.interfaces.texts import parts_of
from lk_dataset_ros.message import Schema, full_type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Lines of a difference that are kept.
_MAX_CHANGES: Final = 200


class State(str, Enum):
    """Where a type is."""

    INSTALLED = 'installed'
    BUILT = 'built'
    MISSING = 'missing'
    DIFFERS = 'differs'
    UNUSABLE = 'unusable'
    UNKNOWN = 'unknown'


@dataclass(frozen=True, slots=True)
class Need:
    """A type that a bag needs.

    Attributes:
        name: Full type name.
        state: Where it is. `missing`: it can be built; `differs`: another type of that name is
            installed; `unusable`: it is not installed, and cannot be built; `unknown`: no ROS 2
            is sourced.
        type_hash: Hash of the type that the bag has; empty if unknown.
        found_hash: Hash of the one that is installed; empty if none is.
        topics: The topics that carry it; empty for a part of another type.
        reason: Why it cannot be used as it is, in one line, or empty.
        changes: How the definitions differ: type names, and below each the fields, with `-` (the
            bag's) or `+` (the installed one's) in front where they differ.
    """

    name: str
    state: State
    type_hash: str = ''
    found_hash: str = ''
    topics: tuple[str, ...] = ()
    reason: str = ''
    changes: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Tell whether messages of it can be published and received."""
        return self.state in (State.INSTALLED, State.BUILT)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a bag needs.

    Attributes:
        types: The types by name: those that topics carry first, then parts of these as far as
            they have to be built.
        interfaces: Definitions, of types that are not installed.
        texts: Text of each as the bag has it, without those nested; `.msg` form only.
        overlays: Packages built before that hold some, in the order in which they can be loaded.
    """

    types: Mapping[str, Need]
    interfaces: Mapping[str, Interface]
    texts: Mapping[str, str]
    overlays: tuple[Overlay, ...]

    def of(self, *states: State) -> list[Need]:
        """Return the types in some states."""
        return [each for each in self.types.values() if each.state in states]


def needs_of(
    carried: Iterable[tuple[str, Schema]], *, installed: Installed | None = None
) -> Needs:
    """Find out what is needed for some topics.

    Args:
        carried: Name and schema of each topic.
        installed: What is installed; that of the sourced environment by default.

    Raises:
        EnvironmentNotReadyError: If others may write to the folder of what was built before.
    """
    place = installed or Installed()
    bag = Carried.of(carried)
    types = {name: _carried(name, bag, place) for name in bag.topics}
    definitions: dict[str, Interface] = {}
    for name, need in sorted(types.items()):
        if need.state == State.MISSING:
            types[name] = _merge(need, bag.interfaces[name], definitions)
    parts = {each for name in definitions for each in closure(name, definitions)} - types.keys()
    for name in sorted(parts):
        types[name] = _part(name, definitions, place)
    _refuse_what_cannot_be_built(types, definitions)
    missing = {need.name: need.type_hash for need in types.values() if need.state == State.MISSING}
    overlays = choose(built_overlays(place), missing, place) if missing else []
    there = {name: value for each in overlays for name, value in each.types.items()}
    for name, value in missing.items():
        if there.get(name) == value:
            types[name] = dataclasses.replace(types[name], state=State.BUILT, reason='')
    kept = {
        name: need for name, need in types.items() if need.topics or need.state != State.INSTALLED
    }
    texts: dict[str, str] = {}
    for name in bag.topics:
        if name in definitions:
            texts = parts_of(bag.schemas[name]) | texts
    return Needs(kept, definitions, texts, tuple(overlays))


def _carried(name: str, bag: Carried, place: Installed) -> Need:
    topics = tuple(bag.topics[name])
    plain = Need(name, State.INSTALLED, bag.hash_of(name), topics=topics)
    if not place.has_ros:
        return dataclasses.replace(plain, state=State.UNKNOWN)
    problem = bag.broken.get(name, '')
    try:
        full_type_name(name)
        compared = _compared(plain, bag.interfaces.get(name, {}), place)
    except MessageTypeError as error:
        return dataclasses.replace(plain, state=State.UNUSABLE, reason=str(error))
    if compared is not None:
        return compared
    if not problem:
        own = type_hash(name, bag.interfaces[name])
        if own != plain.type_hash:
            problem = (
                f'the definition of {name} in the bag has the hash {own}, but the bag says '
                f'{plain.type_hash}'
            )
    if problem:
        return dataclasses.replace(plain, state=State.UNUSABLE, reason=problem)
    return _absent(plain, place)


def _part(name: str, definitions: Mapping[str, Interface], place: Installed) -> Need:
    plain = Need(name, State.INSTALLED, type_hash(name, definitions))
    return _compared(plain, definitions, place) or _absent(plain, place)


def _compared(need: Need, definitions: Mapping[str, Interface], place: Installed) -> Need | None:
    """Compare a type with the installed one; None if none is."""
    found = place.find(need.name)
    if found is None:
        return None
    if not need.type_hash or not found.type_hash or need.type_hash == found.type_hash:
        return dataclasses.replace(need, found_hash=found.type_hash)
    names = sorted(
        definitions.keys() | found.interfaces.keys(), key=lambda each: each != need.name
    )
    changes = difference(definitions, found.interfaces, names) if definitions else []
    first = ' '.join(line.strip() for line in changes if line.startswith(('  - ', '  + ')))
    how = f': {first}' if first else ''
    return dataclasses.replace(
        need,
        state=State.DIFFERS,
        found_hash=found.type_hash,
        reason=(
            f'{need.name} in the bag is not the installed one: {need.type_hash} in the bag, '
            f'{found.type_hash} in {found.prefix}{how if len(how) < 200 else f"{how[:200]} ..."}'
        ),
        changes=tuple(changes[:_MAX_CHANGES]),
    )


def _absent(need: Need, place: Installed) -> Need:
    package = need.name.split('/')[0]
    prefix = place.package(package)
    if prefix is None:
        reason = f'{need.name} is not installed'
        return dataclasses.replace(need, state=State.MISSING, reason=reason)
    return dataclasses.replace(
        need,
        state=State.UNUSABLE,
        reason=f'{need.name} is not installed, although its package {package} is (in {prefix}); '
        'a newer version of that package may have it',
    )


def _merge(need: Need, own: Mapping[str, Interface], definitions: dict[str, Interface]) -> Need:
    """Take over the definitions of a type, unless they contradict those of another."""
    for name, interface in own.items():
        if name in definitions and definitions[name].members != interface.members:
            changes = difference(own, definitions, [name])
            return dataclasses.replace(
                need,
                state=State.UNUSABLE,
                reason=f'the bag defines {name} in two ways: {" ".join(changes)[:200]}',
            )
    for name, interface in own.items():
        definitions.setdefault(name, interface)
    return need


def _refuse_what_cannot_be_built(
    types: dict[str, Need], definitions: Mapping[str, Interface]
) -> None:
    missing = [need.name for need in types.values() if need.state == State.MISSING]
    for package in {name.split('/')[0] for name in missing}:
        try:
            package_sources(
                definitions, [name for name in missing if name.split('/')[0] == package]
            )
        except MessageTypeError as error:
            for name in missing:
                if name.split('/')[0] == package:
                    types[name] = dataclasses.replace(
                        types[name], state=State.UNUSABLE, reason=f'{name}: {error}'
                    )
    for name in missing:
        parts = (types.get(each) for each in sorted(closure(name, definitions) - {name}))
        bad = [each for each in parts if each and each.state in (State.DIFFERS, State.UNUSABLE)]
        if bad and types[name].state == State.MISSING:
            types[name] = dataclasses.replace(
                types[name],
                state=State.UNUSABLE,
                reason=f'{name} cannot be built: {bad[0].reason}',
                changes=bad[0].changes,
            )
