"""A comparison as one HTML page that opens without any network."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lk_dataset_ros.comparison.renderers import _facts, _format, _heat, _places
from lk_dataset_ros.comparison.renderers._charts import Budget
from lk_dataset_ros.comparison.renderers._views import MOST_KEYS, Views
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.comparison.result import DatasetComparison

#: Stamps of messages without a partner that are listed.
STAMPS = 20
LOG_LINES = 50
LOG_WIDTH = 400
ICONS = {
    Verdict.EQUIVALENT: '\u2713',
    Verdict.DIFFERS: '\u2717',
    Verdict.INCONCLUSIVE: '?',
    Verdict.ERROR: '!',
}
_HARSHEST = (Verdict.ERROR, Verdict.DIFFERS, Verdict.INCONCLUSIVE, Verdict.EQUIVALENT)
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
class Table:
    """A table of texts over all arms: what they cost, what became of their task.

    Attributes:
        caption: What it shows.
        headings: One for each column.
        rows: The cells; the first of each row is its name.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


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
    verdict = min((arm.verdict for arm in arms), key=_HARSHEST.index, default=Verdict.INCONCLUSIVE)
    return report_html(arms, title, verdict, {})


def report_html(
    arms: Sequence[Arm],
    title: str,
    verdict: Verdict,
    facts: Mapping[str, str],
    *,
    tables: Sequence[Table] = (),
) -> str:
    """Return a page over an experiment: verdict, facts, and one section per arm.

    Whatever comes out of a bag is text to the page, never markup; the page forbids itself every
    request and every script but its own. Values are read from the datasets one field at a time;
    of a comparison that was loaded without them what was kept is drawn.

    Args:
        arms: The compiled arms.
        title: The page's title.
        verdict: The verdict over all arms.
        facts: What to say of the run (bag, topics, real-time factor), by name.
        tables: What to show of all arms beside each other.
    """
    every = [
        each
        for arm in arms
        if arm.comparison
        for key in arm.comparison.keys
        for each in key.fields
    ]
    views = Views(Budget(every))
    script = _script()
    style = _read('uPlot.min.css') + _read('report.css')
    page: str = _template().render(
        arms=[(arm, views.of(number, arm.comparison)) for number, arm in enumerate(arms)],
        blame=_blame(arms),
        title=title,
        verdict=verdict,
        facts=facts,
        tables=tables,
        script=script,
        script_hash=_hash(script),
        style=style,
        style_hash=_hash(style),
    )
    return page


def _blame(arms: Sequence[Arm]) -> Arm | None:
    """Return the arm that the top of the page speaks of: the harshest verdict, the first such."""
    return min(arms, key=lambda arm: _HARSHEST.index(arm.verdict), default=None)


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
        'number': _places.number,
        'quantity': _places.quantity,
        'tolerance': _places.tolerance,
        'script_json': to_script_json,
        'icon': ICONS.__getitem__,
        'counted': '{:,}'.format,
        'short': _places.shortened,
    }
    environment.globals |= {
        'STAMPS': STAMPS,
        'LOG_LINES': LOG_LINES,
        'LOG_WIDTH': LOG_WIDTH,
        'MOST_KEYS': MOST_KEYS,
        'COLUMNS': _facts.COLUMNS,
        'LEVELS': _heat.NAMES,
        'because': _facts.because,
        'counts': _facts.counts,
        'first_place': _places.first_place,
        'noise_floor': _facts.noise_floor,
    }
    return environment.from_string(_read('template.html.j2'))


@lru_cache
def _read(name: str) -> str:
    return (_REPORT / name).read_text('utf-8')
