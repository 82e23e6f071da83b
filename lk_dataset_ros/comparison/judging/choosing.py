"""Which part of a message is judged by which comparator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.comparators import NAMED, registered_for
from lk_dataset_ros.comparison.tolerance import ancestors
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import without_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.comparison.comparators.registered import Comparator
    from lk_dataset_ros.comparison.tolerance import Tolerance

#: What tolerances call comparing value by value.
PLAIN = 'values'
#: What a message that is itself such a part is called.
WHOLE = '(message)'


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message that a comparator judges.

    Attributes:
        path: Field path of the result.
        comparator: What judges it.
        members: Field paths by name relative to the part.
        covered: Names of the members that are judged.
    """

    path: str
    comparator: Comparator
    members: Mapping[str, str]
    covered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is judged as a whole, and what value by value.

    Attributes:
        parts: Parts that comparators judge.
        single: Field paths that are judged value by value.
    """

    parts: tuple[Part, ...]
    single: tuple[str, ...]


class Choosing:
    """Chooses for the messages of one key.

    What the tolerance asks for comes first, then what belongs to the type of a part; of parts
    within each other the outer one is judged.

    Args:
        key: Topic name.
        types: Type names by path of the part, `[]` for any index.
        tolerance: May name other comparators, or a limit for a part itself.
    """

    def __init__(self, key: str, types: Mapping[str, str], tolerance: Tolerance) -> None:
        self._key, self._types, self._tolerance = key, types, tolerance
        self._known: dict[tuple[str, ...], Choice] = {}

    def of(self, paths: Sequence[str]) -> Choice:
        """Return the choice for messages with these field paths."""
        known = tuple(paths)
        if known not in self._known:
            self._known[known] = self._choose(known)
        return self._known[known]

    def _choose(self, paths: tuple[str, ...]) -> Choice:
        found: dict[tuple[str, str, str], tuple[Comparator, dict[str, str]]] = {}
        for path in paths:
            parts_of = (*reversed([*ancestors(path)]), path)
            if any(self._tolerance.comparator_for(self._key, each) == PLAIN for each in parts_of):
                continue
            for part in parts_of:
                for comparator in self._comparators(part):
                    what = part, comparator.name, comparator.field
                    known = found.setdefault(what, (comparator, {}))
                    known[1][_relative(path, part)] = path
        covered: set[str] = set()
        parts = []
        for (part, *_), (plain, members) in found.items():
            if any(name not in members for name in plain.needs):
                continue
            comparator = self._named(plain, part, members)
            names = members if comparator.covers is None else comparator.covers
            mine = tuple(
                name for name in names if name in members and members[name] not in covered
            )
            if comparator.is_judged:
                covered.update(members[name] for name in mine)
            if mine or not comparator.is_judged:
                path = '.'.join(each for each in (part, comparator.field) if each) or WHOLE
                parts.append(Part(path, comparator, members, mine or tuple(members)))
        return Choice(tuple(parts), tuple(each for each in paths if each not in covered))

    def _comparators(self, part: str) -> Sequence[Comparator]:
        name = self._tolerance.comparator_for(self._key, part)
        if name is not None:
            if name not in NAMED:
                raise ComparisonError(
                    f'comparator {name!r} is unknown; {", ".join(NAMED)} are not'
                )
            found = NAMED[name]
            return () if found is None else (found,)
        return registered_for(self._types.get(without_index(part), ''))

    def _named(self, comparator: Comparator, part: str, members: Mapping[str, str]) -> Comparator:
        """Return what judges a part if the tolerance has a limit for just this part."""
        if comparator.when_named is None:
            return comparator
        named = self._tolerance.named(self._key, next(iter(members.values())))
        is_named = named is not None and named[1] == part
        return comparator.when_named if is_named else comparator


def _relative(path: str, part: str) -> str:
    if not part:
        return path
    return path[len(part) + 1 :]
