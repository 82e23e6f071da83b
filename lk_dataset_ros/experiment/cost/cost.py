"""What arms cost, and how much less a compiled one costs than the original.

A ratio is original/compiled: above 1 the compiled is better. Intervals hold with 95 % confidence:

* Latencies follow on each other and are correlated: see `intervals`. The interval of a ratio comes
  from those of both percentiles (G. Y. Zou, A. Donner, Construction of Confidence Limits About
  Effect Measures, Statistics in Medicine 27, 2008).
* Where arms were run several times, what runs of one arm differ by goes in as well (Student's t
  distribution over the logarithms, arms taken to vary alike). Everything that is one number per
  run, such as processor time, has an interval only then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.experiment.cost.intervals import Estimate, quantile, t_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running import ArmRun

#: What there is a ratio of, and what it is called.
MEASURES: Mapping[str, str] = {
    'cpu': 'processor time per input',
    'p50': 'median latency',
    'p99': 'p99 latency',
    'wall': 'wall time',
    'peak': 'peak memory',
    'start_up': 'start-up time',
}
#: What a world says that it was sent: its beginning, once.
WORLD = 'world'
PERCENTS = (50.0, 95.0, 99.0)
_FRACTIONS = {'p50': 0.5, 'p99': 0.99}
#: What processor times are off by on systems that count ticks, s.
_TICK_S = 0.01


@dataclass(frozen=True, slots=True)
class _Group:
    """One measure over the runs of an arm, in logarithms.

    Attributes:
        values: One for each run, shape (n,).
        below: How far the interval of their mean reaches down, from what varies within runs.
        above: How far it reaches up.
        least: Runs differ by this at least, since no finer is measured.
    """

    values: NDArray[np.float64]
    below: float
    above: float
    least: float = 0.0


def cpu_per_input_s(run: ArmRun) -> float:
    """Return processor time per input sent; NaN where it is not known.

    In a world, where inputs follow from what an arm does, it is that per answered input.
    """
    sent = len(run.cost.latencies_s) if WORLD in run.sent else sum(run.sent.values())
    return run.cost.cpu_s / sent if sent else math.nan


def latency_s(run: ArmRun, percent: float) -> float:
    """Return a percentile of a run's latencies; the largest for 100, NaN if there are none."""
    found = _finite(run.cost.latencies_s)
    return float(np.percentile(found, percent)) if len(found) else math.nan


def ratios(originals: Sequence[ArmRun], runs: Sequence[ArmRun]) -> dict[str, Estimate]:
    """Return original/compiled for each of `MEASURES`.

    Args:
        originals: Runs of the original; those that failed do not count.
        runs: Runs of a compiled arm; those that failed do not count.
    """
    sides = [[run for run in each if not run.problem] for each in (originals, runs)]
    return {name: _ratio(*(_group(name, each) for each in sides)) for name in MEASURES}


def mean(runs: Sequence[ArmRun], name: str) -> float:
    """Return the geometric mean of a measure over an arm's runs, which is what ratios are of.

    Args:
        runs: Runs of the arm; those that failed do not count.
        name: One of `MEASURES`.
    """
    group = _group(name, [run for run in runs if not run.problem])
    return math.nan if group is None else math.exp(float(group.values.mean()))


def percentile_s(runs: Sequence[ArmRun], name: str) -> Estimate:
    """Return the latency of an arm at a percentile with its interval.

    Args:
        runs: Runs of the arm; those that failed do not count.
        name: `p50` or `p99`.
    """
    group = _group(name, [run for run in runs if not run.problem])
    if group is None:
        return Estimate()
    between = _between([group])
    reaches = (_larger(group.below, between), _larger(group.above, between))
    return _estimate(float(group.values.mean()), *reaches)


def _group(name: str, runs: Sequence[ArmRun]) -> _Group | None:
    """Return a measure over some runs, None if it is not known of all of them."""
    if not runs:
        return None
    fraction = _FRACTIONS.get(name)
    if fraction is not None:
        found = [quantile(_finite(run.cost.latencies_s), fraction) for run in runs]
    else:
        found = [Estimate(_number(name, run)) for run in runs]
    if not all(0.0 < each.value < math.inf for each in found):
        return None
    values = np.log([each.value for each in found])
    least = 0.0
    if name == 'cpu':
        least = _TICK_S * math.hypot(*(1.0 / run.cost.cpu_s for run in runs)) / len(runs)
    return _Group(values, *_reaches(found, values), least)


def _number(name: str, run: ArmRun) -> float:
    cost = run.cost
    numbers = {'wall': cost.wall_s, 'peak': cost.peak_bytes, 'start_up': cost.start_up_s}
    return cpu_per_input_s(run) if name == 'cpu' else numbers[name]


def _reaches(found: Sequence[Estimate], values: NDArray[np.float64]) -> tuple[float, float]:
    """Return how far the interval of the mean reaches; NaN for what has no interval by itself."""
    lows, highs = [each.low for each in found], [each.high for each in found]
    with np.errstate(divide='ignore'):
        below, above = values - np.log(lows), np.log(highs) - values
    return math.hypot(*below) / len(found), math.hypot(*above) / len(found)


def _between(groups: Sequence[_Group]) -> float:
    """Return how far runs let the (difference of the) mean reach; NaN if each arm ran once."""
    freedom = sum(len(each.values) - 1 for each in groups)
    if not freedom:
        return math.nan
    squares = sum(float(((each.values - each.values.mean()) ** 2).sum()) for each in groups)
    share = sum(1.0 / len(each.values) for each in groups)
    least = math.hypot(*(each.least for each in groups))
    return max(t_quantile(freedom) * math.sqrt(squares / freedom * share), least)


def _ratio(original: _Group | None, compiled: _Group | None) -> Estimate:
    if original is None or compiled is None:
        return Estimate()
    between = _between([original, compiled])
    reaches = [
        _reach(
            between,
            (own, len(original.values)),
            (other, len(compiled.values)),
        )
        for own, other in (
            (original.below, compiled.above),
            (original.above, compiled.below),
        )
    ]
    return _estimate(float(original.values.mean() - compiled.values.mean()), *reaches)


def _reach(between: float, original: tuple[float, int], compiled: tuple[float, int]) -> float:
    """Return how far a difference of means reaches to one side.

    Runs of the original differ by what varies within them, too: only what varies more within
    those of the compiled comes on top.
    """
    (own, count), (other, compiled_count) = original, compiled
    within = math.hypot(own, other)
    if math.isnan(between) or not math.isfinite(within):
        return _larger(within, between)
    more = max(other**2 - own**2 * count / compiled_count, 0.0)
    return max(math.sqrt(between**2 + more), within)


def _larger(one: float, other: float) -> float:
    """Return the larger of two numbers, either of which may be NaN."""
    return float(np.fmax(one, other))


def _estimate(value: float, below: float, above: float) -> Estimate:
    """Return what logarithms say; without bound on both sides there is no interval."""
    number = math.exp(value)
    if math.isnan(below) or math.isnan(above) or (math.isinf(below) and math.isinf(above)):
        return Estimate(number)
    high = math.exp(value + above) if value + above < 700.0 else math.inf
    return Estimate(number, math.exp(value - below), high)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]
