"""The noise floor: what runs of the original differ by among themselves.

A compiled component is judged by its excess over it. Per field, three things are asked of the
differences compiled - original, and of the differences between any two runs of the original:

* is the largest more than three times the largest between the original's runs, and more than what
  the tail of those lets expect (a Pareto tail; B. M. Hill, A Simple General Approach to Inference
  About the Tail of a Distribution, Annals of Statistics 3(5), 1975);
* is the mean difference (a bias), or the mean absolute difference (a spread), larger than between
  any two runs of the original, beyond what chance explains. Messages follow on each other, so
  their errors may be correlated: the standard error comes from the means of 32 consecutive parts
  (batch means; G. S. Fishman, Principles of Discrete Event Simulation, 1978), the limit from
  Student's t distribution;
* is the share of the pairs beyond the tolerance larger, for what is no number, and that of the values
  without finite error (NaN against a number) for what is.

What differs between whole runs (an offset that is drawn anew for each) is seen as well as the number
of runs allows, not better.

The chance of calling an equally noisy component different is at most 0.2 % over all fields and
questions of a comparison together (Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

    Floats = NDArray[np.float64]

#: Chance of a false alarm, over all fields of a comparison.
FALSE_ALARM = 0.002
#: An error is an outlier beyond so many times the largest between the original's runs.
OUTLIER = 3.0
_PARTS = 32
#: Fewer differences than this say too little.
_FEWEST = 24
_QUESTIONS = 3


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What a field's noise floor is, and whether the compiled exceeds it.

    Attributes:
        runs: Runs of the original, the one it is compared with included.
        statistics: Errors between any two of them.
        mismatched: Pairs of theirs beyond the tolerance.
        is_exceeded: The compiled differs by more.
        is_unclear: There are too few messages to tell.
        detectable: The bias that would have been found with 95 % confidence, NaN if unknown.
        text: What was found, in one sentence.
    """

    runs: int
    statistics: Statistics
    mismatched: int
    is_exceeded: bool
    is_unclear: bool
    detectable: float
    text: str

    @property
    def largest(self) -> float:
        """Largest error between two runs of the original."""
        return self.statistics.largest


def with_noise(
    comparison: DatasetComparison, floors: Sequence[DatasetComparison], runs: int
) -> DatasetComparison:
    """Judge a comparison by its excess over a noise floor.

    Args:
        comparison: Original against compiled.
        floors: Comparisons between runs of the original.
        runs: How many runs of the original there are.
    """
    fields: dict[tuple[str, str, str], list[FieldComparison]] = {}
    unpaired: dict[tuple[str, str], int] = {}
    for key in chain.from_iterable(each.keys for each in floors):
        where = key.key, key.part
        unpaired[where] = max(unpaired.get(where, 0), key.missing + key.extra)
        for field in key.fields:
            fields.setdefault((*where, field.path), []).append(field)
    judged = sum(
        not each.ignored_because and each.is_judged
        for key in comparison.keys
        for each in key.fields
    )
    level = FALSE_ALARM / max(_QUESTIONS * judged, 1)

    def of_key(key: KeyComparison) -> KeyComparison:
        where = key.key, key.part
        found = tuple(
            _judged(each, fields.get((*where, each.path), []), runs, level) for each in key.fields
        )
        return replace(key, fields=found, unpaired_floor=_most_unpaired(unpaired.get(where, 0)))

    return replace(
        comparison, keys=tuple(of_key(each) for each in comparison.keys), noise_runs=runs - 1
    )


def _judged(
    field: FieldComparison, floors: Sequence[FieldComparison], runs: int, level: float
) -> FieldComparison:
    if field.ignored_because or not floors:
        return field
    statistics = sum((each.statistics for each in floors), Statistics())
    mismatched = sum(each.mismatched for each in floors)
    exceeded, unclear, detectable, text = _decide(field, floors, statistics, level)
    floor = NoiseFloor(runs, statistics, mismatched, exceeded, unclear, detectable, text)
    return replace(field, noise=floor)


def _decide(
    field: FieldComparison,
    floors: Sequence[FieldComparison],
    noise: Statistics,
    level: float,
) -> tuple[bool, bool, float, str]:
    """Return whether the floor is exceeded, whether that is unclear, what is detectable, why."""
    if not field.mismatched:
        return False, False, math.nan, 'within the tolerance'
    beyond = sum(each.mismatched for each in floors)
    if not beyond:
        why = 'beyond the tolerance, which no two runs of the original are'
        return True, False, math.nan, why
    columns = _columns(field)
    between_columns = [each for each in map(_columns, floors) if len(each) == len(columns)]
    if not columns or not between_columns:
        return _by_share(field, floors, level)
    lost = _lost(field.statistics, noise, level)
    if lost:
        return True, False, math.nan, lost
    largest = field.statistics.scale
    if largest > OUTLIER * noise.scale and largest > _tail(between_columns, columns, level):
        why = (
            f'the largest error is {largest:.3g}; '
            f'between runs of the original it is {noise.scale:.3g}'
        )
        return True, False, math.nan, why
    unclear, detectable, why = False, math.nan, ''
    for place, differences in enumerate(columns):
        between = [each[place] for each in between_columns]
        found = _shifted(differences, between, level / len(columns))
        if found[0]:
            return found
        unclear |= found[1]
        if not found[2] <= detectable:
            detectable, why = found[2], found[3]
    return False, unclear, detectable, why


def _shifted(
    differences: Floats, between: Sequence[Floats], level: float
) -> tuple[bool, bool, float, str]:
    """Judge bias and spread of one number."""
    if min(len(differences), *map(len, between)) < _FEWEST:
        return False, True, math.nan, f'fewer than {_FEWEST} pairs say too little'
    detectable = math.nan
    for name, change in (('mean difference', _same), ('mean absolute difference', np.abs)):
        excess, error, found, floor = _excess(change(differences), [change(e) for e in between])
        freedom = min(_PARTS, *(len(each) // 2 for each in (differences, *between))) - 1
        limit = _t_quantile(1.0 - level, freedom)
        if excess > limit * error:
            why = (
                f'the {name} is {found:.3g}, between runs of the original {floor:.3g}: '
                f'{excess / error if error else math.inf:.1f} standard errors more '
                f'(limit {limit:.1f})'
            )
            return True, False, math.nan, why
        if name == 'mean difference':
            detectable = abs(floor) + (limit + _t_quantile(0.95, freedom)) * error
    why = (
        f'no more than between runs of the original; a bias of {detectable:.3g} '
        'would have been found with 95 % confidence'
    )
    return False, False, detectable, why


def _columns(field: FieldComparison) -> list[Floats]:
    """Return finite differences, evenly taken: compiled - original, or those of a part's fields."""
    if field.sample is not None:
        with np.errstate(all='ignore'):
            found = [field.sample.compiled - field.sample.original]
    elif field.error_sample is not None:
        found = [field.error_sample]
        if field.difference_sample is not None:
            found += list(field.difference_sample.T)
    else:
        found = []
    return [each[np.isfinite(each)] for each in found]


def _lost(found: Statistics, noise: Statistics, level: float) -> str:
    """Say so if more values have no finite error than between runs of the original."""
    lost, floor = found.count - found.finite, noise.count - noise.finite
    if not lost:
        return ''
    told = f'{lost} of {found.count} values are a number on one side only'
    if not floor:
        return f'{told}, none between runs of the original'
    pooled = (lost + floor) / (found.count + noise.count)
    error = math.sqrt(pooled * (1 - pooled) * (1 / found.count + 1 / noise.count))
    excess = lost / found.count - floor / noise.count
    is_more = excess > NormalDist().inv_cdf(1.0 - level) * error
    return f'{told}, {floor} of {noise.count} between runs of the original' if is_more else ''


def _tail(between: Sequence[Sequence[Floats]], columns: Sequence[Floats], level: float) -> float:
    """Return the error that so many of one distribution exceed with a chance of the level."""
    errors = np.sort(np.abs(np.concatenate([each[0] for each in between])))[::-1]
    top = max(len(errors) // 50, 10)
    if len(errors) <= 2 * top or not errors[top] > 0.0:
        return 0.0
    weight = float(np.mean(np.log(errors[:top] / errors[top])))
    chance = len(columns[0]) * top / (len(errors) * level)
    return float(errors[top] * max(chance, 1.0) ** min(weight, 1.0))


def _most_unpaired(floor: int) -> int:
    """Return how many messages without partner chance explains, where runs have so many."""
    return math.ceil(floor + 4.0 * math.sqrt(floor) + 3.0) if floor else 0


def _excess(values: Floats, between: Sequence[Floats]) -> tuple[float, float, float, float]:
    """Return by how much a mean exceeds those between runs, its standard error, both means."""
    mean, error = _mean(values)
    means = [_mean(each) for each in between]
    floor, floor_error = max(means, key=lambda each: abs(each[0]))
    return abs(mean) - abs(floor), math.hypot(error, floor_error), mean, floor


def _mean(values: Floats) -> tuple[float, float]:
    """Return mean and standard error by batch means."""
    parts = min(_PARTS, len(values) // 2)
    edges = np.arange(parts) * len(values) // parts
    means = np.add.reduceat(values, edges) / np.diff(edges, append=len(values))
    return float(values.mean()), float(means.std(ddof=1)) / math.sqrt(parts)


def _by_share(
    field: FieldComparison, floors: Sequence[FieldComparison], level: float
) -> tuple[bool, bool, float, str]:
    """Judge what is no number by the share of pairs that are not equal."""
    counts = [
        (each.mismatched, each.matched + each.mismatched)
        for each in (field, *floors)
        if each.matched + each.mismatched
    ]
    found = counts[0][0] / counts[0][1]
    floor = max(each[0] / each[1] for each in counts[1:])
    if min(each[1] for each in counts) < _FEWEST:
        return False, True, math.nan, f'fewer than {_FEWEST} pairs say too little'
    pooled = sum(each[0] for each in counts) / sum(each[1] for each in counts)
    error = math.sqrt(pooled * (1 - pooled) * (1 / counts[0][1] + 1 / counts[1][1]))
    limit = NormalDist().inv_cdf(1.0 - level)
    told = f'{found:.2%} of the pairs differ, {floor:.2%} between runs of the original'
    return found - floor > limit * error, False, math.nan, told


def _t_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution (Cornish-Fisher expansion).

    Source: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    n = max(freedom, 1)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def _same(values: Floats) -> Floats:
    return values
