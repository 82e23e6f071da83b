"""What a result says in figures, as text: the same in the terminal, in Markdown and on the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.experiment.cost.cost import MEASURES, cpu_per_input_s, latency_s, mean
from lk_dataset_ros.experiment.cost.intervals import Estimate
from lk_dataset_ros.experiment.judging import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.experiment.judging import Judged
    from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult
    from lk_dataset_ros.experiment.running import ArmRun

#: Headings of the cells of a row.
COSTS = ('cpu/input', 'p50', 'p99', 'peak', 'start', 'speed-up')
UNKNOWN = 'unknown'
ACCEPTED = {True: 'accepted', False: 'not accepted', None: 'could not be judged'}
_DEMANDS = {
    'speed_up': 'a speed-up of at least {limit}',
    'p99_latency_s': 'a p99 latency of at most {limit}',
}


class Row(NamedTuple):
    """An arm in figures.

    Attributes:
        name: The arm.
        verdict: Its verdict, empty for the original.
        outputs: How many outputs were recorded of how many.
        costs: One text for each of `COSTS`.
        remark: What has to be said: a problem, the first divergence, a demand that failed.
    """

    name: str
    verdict: str
    outputs: str
    costs: tuple[str, ...]
    remark: str


def rows(result: ExperimentResult) -> list[Row]:
    """Return the original and all compiled arms in figures."""
    total = _outputs(result, result.original)
    first = Row(
        result.original.arm.name,
        '',
        f'{total}',
        (*_costs(result.originals), ''),
        result.original.problem,
    )
    return [first, *(_row(result, arm, total) for arm in result.compiled)]


def ratio_rows(result: ExperimentResult) -> list[tuple[str, ...]]:
    """Return for each measure its name, and original/compiled of each arm."""
    return [
        (name, *(estimate(arm.ratios.get(measure, Estimate())) for arm in result.compiled))
        for measure, name in MEASURES.items()
    ]


def outcome_rows(result: ExperimentResult) -> list[tuple[str, ...]]:
    """Return what has become of the task with each arm: name, original, compiled arms."""
    runs = [result.original, *(arm.run for arm in result.compiled)]
    names = dict.fromkeys(name for run in runs for name in run.outcome)
    rows = [(name, *(_outcome(run.outcome.get(name)) for run in runs)) for name in names]
    loops = [arm.closed_loop for arm in result.compiled]
    if any(loops):
        firsts = [UNKNOWN if each is None else _when(each.first_divergence_s) for each in loops]
        rows.append(('apart from the original', '', *firsts))
    for name, value in (('off by (rms)', 'ate_m'), ('off by (most)', 'ate_max_m')):
        if any(each is not None and each.topic for each in loops):
            found = [math.nan if each is None else getattr(each, value) for each in loops]
            rows.append((name, '', *(_metres(each) for each in found)))
    return rows


def _when(seconds: float) -> str:
    return 'never' if math.isinf(seconds) else f'from {seconds:.3f} s on'


def _metres(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f'{value:.3g} m'


def estimate(found: Estimate) -> str:
    """Write a number with its interval: `5.21 [4.9, 5.52]`."""
    if not found.is_known:
        return UNKNOWN
    interval = f'{found.low:.3g}, {found.high:.3g}' if found.has_interval else UNKNOWN
    return f'{found.value:.3g} [{interval}]'


def duration(seconds: float) -> str:
    """Write a time with three digits: `12.3 us`."""
    if not math.isfinite(seconds):
        return UNKNOWN
    for scale, unit in ((1.0, 's'), (1e-3, 'ms'), (1e-6, 'us')):
        if abs(seconds) >= 0.9995 * scale:
            return f'{seconds / scale:.3g} {unit}'
    return f'{seconds / 1e-6:.3g} us'


def memory(size: float) -> str:
    """Write bytes as MB."""
    return f'{size / 1e6:.3g} MB' if math.isfinite(size) else UNKNOWN


def demand(judged: Judged) -> str:
    """Say what was demanded, what was found, and what became of it."""
    is_time = judged.name == 'p99_latency_s'
    limit = duration(judged.limit) if is_time else f'{judged.limit:g}'
    found = _times(judged.found) if is_time else estimate(judged.found)
    text = f'{_DEMANDS[judged.name].format(limit=limit)} is {judged.state.value}: {found}'
    if judged.state is State.NOT_CLEAR and judged.found.is_known and not judged.found.has_interval:
        more = 'more inputs' if is_time else 'repeats: 3 or more'
        return f'{text}; its confidence interval needs {more}'
    return text


def time_to_divergence_s(comparison: DatasetComparison) -> float:
    """Return the time from the first pair to the first divergence; infinity if there is none."""
    found = comparison.first_divergence
    stamps = [int(key.stamps_ns.min()) for key in comparison.keys if len(key.stamps_ns)]
    if found is None:
        return math.inf
    return max(found[1] - min(stamps), 0) / 1e9 if stamps else 0.0


def costs_of(run: ArmRun) -> Mapping[str, str]:
    """Return all that a run has cost, by name."""
    cost = run.cost
    found = {
        'processor time': duration(cost.cpu_s),
        'per input': duration(cpu_per_input_s(run)),
        'wall time': duration(cost.wall_s),
        'start-up': duration(cost.start_up_s),
        'peak memory': memory(cost.peak_bytes),
    }
    for percent, name in ((50.0, 'p50'), (95.0, 'p95'), (99.0, 'p99'), (100.0, 'max')):
        found[f'latency {name}'] = duration(latency_s(run, percent))
    return {name: text for name, text in found.items() if text != UNKNOWN}


def remark(arm: ArmResult) -> str:
    """Say on one line what has to be said of an arm: problem, first divergence, failed demands."""
    told = [arm.problem] if arm.problem else []
    if arm.comparison is not None:
        first = _format.divergence(arm.comparison)
        told += [first] if first else []
    if arm.outcomes:
        told.append(f'other outcome: {", ".join(arm.outcomes)}')
    told += [demand(each) for each in arm.demands if each.state is not State.MET]
    return '; '.join(told)


def _row(result: ExperimentResult, arm: ArmResult, total: int) -> Row:
    received = _outputs(result, arm.run)
    speed_up = estimate(arm.ratios.get('cpu', Estimate()))
    costs = (*_costs(arm.runs), speed_up)
    outputs = f'{received} of {total}'
    return Row(arm.name, arm.verdict.value, outputs, costs, remark(arm))


def _outputs(result: ExperimentResult, run: ArmRun) -> int:
    """Return how many outputs a run has given; a world's sensors are recorded beside them."""
    topics = {output.topic for output in result.specification.outputs}
    return sum(count for topic, count in run.received.items() if topic in topics)


def _costs(runs: Sequence[ArmRun]) -> tuple[str, ...]:
    """Return what an arm has cost, over all its runs."""
    found = (
        duration(mean(runs, 'cpu')),
        duration(mean(runs, 'p50')),
        duration(mean(runs, 'p99')),
        memory(mean(runs, 'peak')),
        duration(mean(runs, 'start_up')),
    )
    return tuple('-' if each == UNKNOWN else each for each in found)


def _times(found: Estimate) -> str:
    if not found.is_known:
        return UNKNOWN
    if not found.has_interval:
        return f'{duration(found.value)} [{UNKNOWN}]'
    high = duration(found.high) if math.isfinite(found.high) else 'inf'
    return f'{duration(found.value)} [{duration(found.low)}, {high}]'


def _outcome(value: bool | float | str | None) -> str:
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return value if isinstance(value, str) else f'{value:.6g}'
