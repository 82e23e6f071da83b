"""Add up comparisons: of several runs, or of the parts of one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.distribution import compare_distributions
from lk_dataset_ros.comparison.judging.tally import MOST_SAMPLES, PARTS
from lk_dataset_ros.comparison.noise import NoiseFloor
from lk_dataset_ros.comparison.result import (
    DatasetComparison,
    FieldComparison,
    KeyComparison,
    Sample,
)
from lk_dataset_ros.comparison.statistics import Statistics
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.distribution import DistributionTest

    Floats = NDArray[np.float64]

#: Characters of a name that is made of several.
_NAME = 120


def add(first: DatasetComparison, second: DatasetComparison) -> DatasetComparison:
    """Return two comparisons as one, the pairs of the first before those of the second.

    Keys are added by name, fields by path: counts, statistics, messages without partner. The
    first divergence is that of the earlier comparison, the worst the larger. A key of another
    type in either becomes a problem. Values cannot be read again from a sum.

    Raises:
        ComparisonError: If a field was judged by another rule in either.
    """
    others = {(key.key, key.part): key for key in second.keys}
    keys = []
    for key in first.keys:
        other = others.pop((key.key, key.part), None)
        keys.append(_alone(key) if other is None else _key(key, other))
    keys += [_alone(key) for key in others.values()]
    return DatasetComparison(
        None,
        None,
        _name(first.original_name, second.original_name),
        _name(first.compiled_name, second.compiled_name),
        tuple(keys),
        noise_runs=first.noise_runs + second.noise_runs,
        runs=first.runs + second.runs,
    )


def _name(first: str, second: str) -> str:
    names = first.split(' + ')
    if second in names or first.endswith('...'):
        return first
    both = f'{first} + {second}'
    return both if len(both) <= _NAME else f'{first[:_NAME]} + ...'


def _alone(key: KeyComparison) -> KeyComparison:
    return replace(key, fields=tuple(replace(each, source=None) for each in key.fields))


def _key(first: KeyComparison, second: KeyComparison) -> KeyComparison:
    problem = _problem(first, second)
    if problem:
        return replace(_alone(first), fields=(), problem=problem)
    if first.ignored_counts != second.ignored_counts:
        raise ComparisonError(
            f'{first.label}: messages without partner count in one comparison only; '
            'compare with one acceptance to add up'
        )
    others = {each.path: each for each in second.fields}
    counts = first.paired, second.paired
    paths = dict.fromkeys([each.path for each in (*first.fields, *second.fields)])
    mine = {each.path: each for each in first.fields}
    fields = [_field(first.label, mine.get(path), others.get(path), counts) for path in paths]
    return KeyComparison(
        first.key,
        first.type_name,
        first.compiled_type_name,
        part=first.part,
        paired_by=first.paired_by
        if first.paired_by == second.paired_by
        else f'{first.paired_by} and {second.paired_by}',
        paired=sum(counts),
        missing_ns=np.concatenate([first.missing_ns, second.missing_ns]),
        extra_ns=np.concatenate([first.extra_ns, second.extra_ns]),
        late_ns=np.concatenate([first.late_ns, second.late_ns]),
        reordered_ns=np.concatenate([first.reordered_ns, second.reordered_ns]),
        stamps_ns=_each_pair(first, second, 'stamps_ns'),
        indices=_each_pair(first, second, 'indices'),
        lag_ns=first.lag_ns if first.lag_ns == second.lag_ns else None,
        fields=tuple(fields),
        ignored_counts=first.ignored_counts,
        # What is too much in one of them must not become little by the other.
        unpaired_floor=0
        if first.unpaired or second.unpaired
        else first.unpaired_floor + second.unpaired_floor,
        hint=first.hint or second.hint,
    )


def _problem(first: KeyComparison, second: KeyComparison) -> str:
    if first.problem or second.problem:
        return first.problem or second.problem
    for name in ('type_name', 'compiled_type_name'):
        types = getattr(first, name), getattr(second, name)
        if types[0] != types[1]:
            return f'{types[0]} in one comparison, {types[1]} in another'
    others = {each.path: each.dtype for each in second.fields}
    for each in first.fields:
        dtype = others.get(each.path, each.dtype)
        if dtype != each.dtype:
            return f'{each.path} is {each.dtype} in one comparison, {dtype} in another'
    return ''


def _each_pair(first: KeyComparison, second: KeyComparison, name: str) -> NDArray[np.int64]:
    """Return a number of each pair; none if it is not known of every one."""
    sides = [getattr(each, name) for each in (first, second)]
    if any(len(side) != key.paired for side, key in zip(sides, (first, second), strict=True)):
        return np.zeros(0, np.int64)
    return np.concatenate(sides)


def _field(
    label: str,
    first: FieldComparison | None,
    second: FieldComparison | None,
    counts: tuple[int, int],
) -> FieldComparison:
    """Add up a field; in the pairs of a comparison that lacks it there was none to differ."""
    known = first or second
    assert known is not None
    blank = _blank(known)
    one, other = sides = [
        replace(blank, matched=0 if blank.ignored_because else count) if each is None else each
        for each, count in zip((first, second), counts, strict=True)
    ]
    if _rule(one) != _rule(other):
        raise ComparisonError(
            f'{label} {one.path} is judged by another rule in either comparison '
            f'({_told(one)}; {_told(other)}); compare with one tolerance to add up'
        )
    sample = _sample(one, other, counts)
    return replace(
        _blank(one),
        matched=one.matched + other.matched,
        mismatched=one.mismatched + other.mismatched,
        statistics=one.statistics + other.statistics,
        measures={
            name: one.measures.get(name, Statistics()) + other.measures.get(name, Statistics())
            for name in dict.fromkeys([*one.measures, *other.measures])
        },
        worst=max(
            (each.worst for each in sides if each.worst is not None),
            key=lambda worst: worst.error,
            default=None,
        ),
        first=one.first or other.first,
        profile=_profile(one.profile, other.profile, counts),
        over_bits=_over(one, other),
        sample=sample,
        error_sample=_errors(one, other, counts),
        distribution=_distribution(one, other, sample),
        noise=_noise(one, other),
        is_different=None
        if one.is_different is None and other.is_different is None
        else bool(one.is_different or other.is_different),
    )


def _blank(field: FieldComparison) -> FieldComparison:
    """Return what a field was judged by, and nothing of what came out."""
    return FieldComparison(
        field.path,
        field.dtype,
        field.limit,
        ignored_because=field.ignored_because,
        comparator=field.comparator,
        unit=field.unit,
        is_judged=field.is_judged,
    )


def _rule(field: FieldComparison) -> tuple[object, ...]:
    is_ignored = bool(field.ignored_because)
    limit = None if is_ignored else field.limit
    return limit, field.comparator, field.unit, field.is_judged, is_ignored


def _told(field: FieldComparison) -> str:
    if field.ignored_because:
        return f'ignored: {field.ignored_because}'
    by = f' by {field.comparator}' if field.comparator else ''
    return f'rtol {field.limit.rtol:g}, atol {field.limit.atol:g}{by}'


def _over(one: FieldComparison, other: FieldComparison) -> NDArray[np.uint8] | None:
    if one.over_bits is None and other.over_bits is None:
        return None
    return np.packbits(np.concatenate([one.over, other.over]), bitorder='little')


def _profile(one: Floats, other: Floats, counts: tuple[int, int]) -> Floats:
    """Return the profile over the pairs of both.

    A part of the sum shows the largest of the parts that it overlaps: what is large may show in
    the neighbouring part, too, and is never lost.
    """
    if not len(one) and not len(other):
        return np.zeros(0)
    total = sum(counts)
    found = np.zeros(min(PARTS, total))
    for profile, count, start in ((one, counts[0], 0), (other, counts[1], counts[0])):
        if not len(profile) or not count:
            continue
        parts = np.arange(len(profile))
        # Part j of b holds the pairs from ceil(j n / b) on.
        begins = start - (-parts * count // len(profile))
        ends = start - (-(parts + 1) * count // len(profile))
        first = begins * len(found) // total
        last = (ends - 1) * len(found) // total
        for shift in range(int((last - first).max()) + 1):
            np.maximum.at(found, np.minimum(first + shift, last), profile)
    return found


def _shares(one: int, other: int, counts: tuple[int, int]) -> tuple[int, int]:
    """Return how many of two samples to keep so that each pair has the same chance."""
    strides = [count / kept for count, kept in zip(counts, (one, other), strict=True) if kept]
    stride = max([*strides, sum(counts) / MOST_SAMPLES])
    shares = [
        min(kept, math.floor(count / stride) or bool(kept))
        for kept, count in zip((one, other), counts, strict=True)
    ]
    return shares[0], shares[1]


def _even(count: int, wanted: int) -> NDArray[np.int64]:
    return np.arange(wanted) * count // max(wanted, 1)


def _sample(
    one: FieldComparison, other: FieldComparison, counts: tuple[int, int]
) -> Sample | None:
    samples = one.sample, other.sample
    if samples[0] is None and samples[1] is None:
        return None
    lengths = [0 if each is None else len(each.positions) for each in samples]
    parts = []
    shares = _shares(lengths[0], lengths[1], counts)
    for sample, length, share, start in zip(samples, lengths, shares, (0, counts[0]), strict=True):
        if sample is not None:
            kept = _even(length, share)
            parts.append(
                (sample.positions[kept] + start, sample.original[kept], sample.compiled[kept])
            )
    positions, original, compiled = (
        np.concatenate([each[place] for each in parts]) for place in range(3)
    )
    return Sample(positions, original, compiled)


def _errors(
    one: FieldComparison, other: FieldComparison, counts: tuple[int, int]
) -> Floats | None:
    samples = [each.error_sample for each in (one, other)]
    if all(each is None for each in samples):
        return None
    known = [np.zeros(0) if each is None else each for each in samples]
    shares = _shares(len(known[0]), len(known[1]), counts)
    return np.concatenate(
        [each[_even(len(each), share)] for each, share in zip(known, shares, strict=True)]
    )


def _distribution(
    one: FieldComparison, other: FieldComparison, sample: Sample | None
) -> DistributionTest | None:
    """Test again what is kept of both; where nothing is, tell of the one that is further apart."""
    tests = [each.distribution for each in (one, other) if each.distribution is not None]
    if not tests or sample is None:
        return max(tests, key=lambda each: each.statistic, default=None)
    return compare_distributions(sample.original, sample.compiled)


def _noise(one: FieldComparison, other: FieldComparison) -> NoiseFloor | None:
    """Add up noise floors; what differs without any still differs."""
    floors = [each.noise for each in (one, other) if each.noise is not None]
    if not floors:
        return None
    differing = [each for each in (one, other) if not each.is_equal]
    unclear = [each for each in floors if each.is_unclear]
    told = [each.noise for each in differing if each.noise is not None] or unclear or floors
    text = told[0].text
    if differing and not any(each.is_exceeded for each in floors):
        text = 'beyond the tolerance in a comparison without runs for the noise floor'
    detectable: Any = [each.detectable for each in floors if not math.isnan(each.detectable)]
    return NoiseFloor(
        runs=sum(each.runs for each in floors),
        statistics=sum((each.statistics for each in floors), Statistics()),
        mismatched=sum(each.mismatched for each in floors),
        is_exceeded=bool(differing),
        is_unclear=bool(unclear),
        detectable=max(detectable, default=math.nan),
        text=text,
    )
