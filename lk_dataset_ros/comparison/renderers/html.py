"""A comparison as one HTML page that opens without any network."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lk_dataset_ros.comparison.renderers import _format, _series
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

#: Charts that are unfolded at once; those of further differing fields are opened one by one.
OPEN_CHARTS = 24
STAMPS = 20
SAMPLES = 10
LOG_LINES = 50
LOG_WIDTH = 400
ICONS = {
    Verdict.EQUIVALENT: '\u2713',
    Verdict.DIFFERS: '\u2717',
    Verdict.INCONCLUSIVE: '?',
    Verdict.ERROR: '!',
}
_REPORT = files('lk_dataset_ros.comparison.renderers') / 'report'


@dataclass(frozen=True, slots=True)
class Arm:
    """One implementation that was compared with the original.

    Attributes:
        name: What it is called.
        verdict: The verdict on it, which may be harsher than its comparison's.
        comparison: Its comparison with the original, None if there is none.
        facts: What else to say of it, by name.
        problem: Why it could not be judged, or empty.
        log_tail: The last lines of its log, shown when there is a problem.
    """

    name: str
    verdict: Verdict
    comparison: DatasetComparison | None
    facts: Mapping[str, str]
    problem: str = ''
    log_tail: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _FieldView:
    field: FieldComparison
    id: str
    data: Markup
    note: str
    unfolded: bool
    samples: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class _KeyView:
    key: KeyComparison
    differing: list[_FieldView]
    equal: list[_FieldView]
    ignored: list[FieldComparison]


def to_html(comparisons: Mapping[str, DatasetComparison], title: str) -> str:
    """Return a page over plain comparisons, by name of the compiled side."""
    arms = [
        Arm(
            name,
            each.verdict,
            each,
            {'original': each.original_name, 'compiled': each.compiled_name},
        )
        for name, each in comparisons.items()
    ]
    order = (Verdict.ERROR, Verdict.DIFFERS, Verdict.INCONCLUSIVE, Verdict.EQUIVALENT)
    verdict = min((arm.verdict for arm in arms), key=order.index, default=Verdict.INCONCLUSIVE)
    return report_html(arms, title, verdict, {})


def report_html(
    arms: Sequence[Arm], title: str, verdict: Verdict, facts: Mapping[str, str]
) -> str:
    """Return a page over an experiment: verdict, facts, and one section per arm.

    Whatever comes out of a bag is text to the page, never markup; the page forbids itself every
    request and every script but its own.

    Args:
        arms: The compiled arms.
        title: The page's title.
        verdict: The verdict over all arms.
        facts: What to say of the run (bag, topics, real-time factor), by name.
    """
    every = [
        each
        for arm in arms
        if arm.comparison
        for key in arm.comparison.keys
        for each in key.fields
    ]
    views = _Views(_series.Budget(every))
    script = _script()
    style = _read('uPlot.min.css') + _read('report.css')
    page: str = _template().render(
        arms=[(arm, views.of(number, arm)) for number, arm in enumerate(arms)],
        title=title,
        verdict=verdict,
        facts=facts,
        script=script,
        script_hash=_hash(script),
        style=style,
        style_hash=_hash(style),
    )
    return page


class _Views:
    """Prepare what the template shows, charts within one budget."""

    def __init__(self, budget: _series.Budget) -> None:
        self._budget = budget
        self._unfolded = 0

    def of(self, number: int, arm: Arm) -> list[_KeyView]:
        """Return an arm's keys."""
        if arm.comparison is None:
            return []
        return [
            self._key(f'f{number}-{place}', key) for place, key in enumerate(arm.comparison.keys)
        ]

    def _key(self, prefix: str, key: KeyComparison) -> _KeyView:
        differing = sorted(key.differing, key=_severity, reverse=True)
        compared = [each for each in key.fields if not each.ignored_because]
        equal = [each for each in compared if each.is_equal]
        ids = {id(each): f'{prefix}-{place}' for place, each in enumerate(key.fields)}
        return _KeyView(
            key,
            [self._field(ids[id(each)], key, each) for each in differing],
            [self._field(ids[id(each)], key, each) for each in equal],
            [each for each in key.fields if each.ignored_because],
        )

    def _field(self, name: str, key: KeyComparison, field: FieldComparison) -> _FieldView:
        if not _series.is_chartable(field):
            return _FieldView(field, name, Markup(), '', True, list(_samples(key, field)))
        if field.is_equal and _series.is_constant(field):
            values = np.asarray(field.original).ravel()
            return _FieldView(field, name, Markup(), f'constant {plain(values[0])}', False)
        points = self._budget.points(field)
        if not points:
            note = 'no charts, to keep this page small'
            return _FieldView(field, name, Markup(), note, False)
        data = _series.chart_data(key, field, points)
        self._budget.spend(field, data)
        unfolded = not field.is_equal and self._unfolded < OPEN_CHARTS
        self._unfolded += unfolded
        return _FieldView(field, name, to_script_json(data), _note(field, data), unfolded)


def _severity(field: FieldComparison) -> tuple[int, float]:
    return field.mismatched, np.nan_to_num(field.max_relative_error, nan=np.inf)


def _note(field: FieldComparison, data: Mapping[str, Any]) -> str:
    parts = [f'{len(data["x"])} of {data["total"]} points shown']
    element = _series.element_of(field)
    if element:
        parts.append(f'element {list(element)}, the worst')
    for side, count in data['not_finite'].items():
        if count:
            parts.append(f'{count} values of the {side} are not finite')
    return '; '.join(parts)


def _samples(key: KeyComparison, field: FieldComparison) -> Iterator[tuple[str, str, str]]:
    """Yield stamp and both values of the first pairs that differ."""
    if field.over is None or field.original is None or field.compiled is None:
        return
    for pair in np.flatnonzero(field.over)[:SAMPLES]:
        left, right = (
            _format.value(side[pair : pair + 1].tolist()[0])
            for side in (field.original, field.compiled)
        )
        yield _format.stamp(int(key.stamps_ns[pair])), left, right


def plain(value: Any, other: Any = None) -> str:
    """Write a value compactly, with every digit only where fewer would hide a difference."""
    if not isinstance(value, float):
        return _format.value(value)
    short = f'{value:.6g}'
    hides = isinstance(other, float) and other != value and f'{other:.6g}' == short
    return _format.value(value) if hides else short


def to_script_json(content: Any) -> Markup:
    """Write JSON that cannot end the script element that holds it."""
    text = json.dumps(content, allow_nan=False, separators=(',', ':'))
    for character in '<>&':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return Markup(text)  # noqa: S704


def _script() -> str:
    licence = _read('uPlot.LICENSE').strip()
    return f'/*\nuPlot: {licence}\n*/\n{_read("uPlot.iife.min.js")}\n{_read("report.js")}'


def _hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        'stamp': _format.stamp,
        'number': _format.number,
        'plain': plain,
        'limit': _format.limit,
        'icon': ICONS.__getitem__,
    }
    environment.globals |= {'STAMPS': STAMPS, 'LOG_LINES': LOG_LINES, 'LOG_WIDTH': LOG_WIDTH}
    return environment.from_string(_read('template.html.j2'))


@lru_cache
def _read(name: str) -> str:
    return (_REPORT / name).read_text('utf-8')
