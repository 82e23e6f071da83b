"""Prepare what the page shows of a comparison: what differs, worst first, then the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.renderers import _facts, _format, _heat, _places, pictures
from lk_dataset_ros.comparison.renderers._charts import Budget, chart_data
from lk_dataset_ros.comparison.renderers._series import is_constant, is_drawable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

#: Fields whose charts are unfolded at once; those of further ones are opened one by one.
OPEN_CARDS = 12
#: Differing fields with charts and statistics; further ones have a row in the table.
MOST_CARDS = 300
#: Rows of all tables of fields together.
MOST_ROWS = 2_000
#: Keys of each arm with a heatmap.
MOST_HEATS = 20
#: Keys that are listed, of each arm.
MOST_KEYS = 300
SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Card:
    """One field as the page shows it.

    Attributes:
        key: Its key.
        field: The field.
        id: Of its element in the page, empty where it has none.
        first: Where it first differs.
        worst: Where the largest error is.
        data: What its charts show, None if it has none.
        growth: How the error goes on.
        rows: Statistics.
        distribution: What the tests say.
        samples: Stamp and both values of the first pairs that differ, of what is not drawn.
        pictures: Images of pairs that differ.
        note: Why there are no charts, or what a constant is.
        unfolded: Whether it is open.
    """

    key: KeyComparison
    field: FieldComparison
    id: str = ''
    first: _places.Place | None = None
    worst: _places.Place | None = None
    data: dict[str, Any] | None = None
    growth: str = ''
    rows: Sequence[_facts.Row] = ()
    distribution: str = ''
    samples: Sequence[tuple[str, str, str]] = ()
    pictures: Sequence[pictures.Picture] = ()
    note: str = ''
    unfolded: bool = False

    @property
    def share(self) -> float:
        """Share of the pairs beyond the limit."""
        return self.field.mismatched / max(self.field.matched + self.field.mismatched, 1)


@dataclass(slots=True)
class View:
    """One arm as the page shows it.

    Attributes:
        cards: Fields that differ, the worst first.
        heats: Heatmaps, time by field, with the keys they belong to.
        equal: Fields that do not differ, by key; only so many rows.
        equal_counts: How many there are of each key.
        ignored: Fields that were not compared, by key; only so many.
        ignored_count: How many there are.
    """

    cards: list[Card] = field(default_factory=list)
    heats: list[tuple[KeyComparison, dict[str, Any]]] = field(default_factory=list)
    equal: list[tuple[KeyComparison, list[Card]]] = field(default_factory=list)
    equal_counts: list[int] = field(default_factory=list)
    ignored: list[tuple[KeyComparison, list[FieldComparison]]] = field(default_factory=list)
    ignored_count: int = 0


class Views:
    """Prepare arms within one budget of numbers, rows and bytes."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._album = pictures.Album()
        self._unfolded = 0
        self._cards = MOST_CARDS
        self._rows = MOST_ROWS

    def of(self, number: int, comparison: DatasetComparison | None) -> View:
        """Return an arm's view."""
        view = View()
        if comparison is None:
            return view
        differing = comparison.differing
        for place, (key, each) in enumerate(differing):
            if self._rows <= 0:
                break
            view.cards.append(self._differing(f'f{number}-{place}', key, each))
        for place, key in enumerate(comparison.keys):
            of_key = [each for owner, each in differing if owner is key]
            heat = _heat.of_key(key, of_key) if len(view.heats) < MOST_HEATS else None
            if heat:
                ids = {
                    card.field.path[: _heat.NAME]: card.id
                    for card in view.cards
                    if card.key is key
                }
                heat['links'] = [ids.get(path, '') for path in heat['rows']]
                view.heats.append((key, heat))
            equal = [each for each in key.fields if each.is_equal and not each.ignored_because]
            if equal:
                view.equal.append((key, list(self._equal(f'e{number}-{place}', key, equal))))
                view.equal_counts.append(len(equal))
            ignored = [each for each in key.fields if each.ignored_because]
            view.ignored_count += len(ignored)
            if ignored and self._rows > 0:
                view.ignored.append((key, ignored[: self._rows]))
                self._rows -= len(ignored)
        return view

    def _differing(self, name: str, key: KeyComparison, each: FieldComparison) -> Card:
        self._rows -= 1
        places = [
            None if found is None else _places.place_of(key, each, found)
            for found in (each.first, each.worst)
        ]
        if self._cards <= 0:
            return Card(key, each, first=places[0], worst=places[1])
        self._cards -= 1
        unfolded = self._unfolded < OPEN_CARDS
        self._unfolded += unfolded
        data, note = None, ''
        if is_drawable(each):
            points = self._budget.points(each, unfolded=unfolded)
            note = '' if points else 'no charts, to keep this page small'
            if points:
                data = chart_data(key, each, points, again=self._budget.may_read(key))
                self._budget.spend(each, data or {})
        return Card(
            key,
            each,
            name,
            places[0],
            places[1],
            data,
            _facts.growth(key, each),
            _facts.statistics_rows(each),
            _facts.distribution(each),
            list(self._samples(key, each)) if data is None else (),
            self._album.of(key, each),
            note,
            unfolded,
        )

    def _equal(
        self, prefix: str, key: KeyComparison, fields: Sequence[FieldComparison]
    ) -> Iterator[Card]:
        for place, each in enumerate(fields):
            if self._rows <= 0:
                return
            self._rows -= 1
            if is_constant(each) and each.sample is not None:
                yield Card(key, each, note=f'constant {each.sample.original[0]:.6g}')
                continue
            points = self._budget.points(each) if is_drawable(each) else 0
            data = chart_data(key, each, points, again=False) if points else None
            if data is not None:
                self._budget.spend(each, data)
            drawn = data is not None and (data['x'] or data['error'])
            yield Card(
                key, each, f'{prefix}-{place}' if drawn else '', data=data if drawn else None
            )

    def _samples(
        self, key: KeyComparison, each: FieldComparison
    ) -> Iterator[tuple[str, str, str]]:
        """Yield stamp and both values of the first pairs that differ."""
        if each.source is None or not self._budget.may_read(key):
            return
        for found in islice(each.differences(), 1):
            for place, position in enumerate(found.positions[:SAMPLES].tolist()):
                original, compiled = found.original[place], found.compiled[place]
                stamp = _format.stamp(int(key.stamps_ns[position]))
                yield stamp, *_places.shown(original, compiled)
