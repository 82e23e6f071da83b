"""Laser scans, maps and the segments that they are reduced by, against sums done one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison.comparators import grids, parts, scans
from lk_dataset_ros.comparison.judging.segments import (
    aligned,
    segment_any,
    segment_max,
    segment_sum,
    spread,
)
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.comparison.judging.judged import Judged

#: All of them are float32 numbers, as ranges are.
RANGE = st.sampled_from(
    [0.0, -1.0, 0.0625, 0.5, 1.0, 1.0625, 9.0, 11.0, 2.0**127, math.nan, math.inf, -math.inf]
)
SCAN = st.lists(RANGE, max_size=5)
LIMITS = st.builds(Limit, st.sampled_from([0.0, 0.1]), st.sampled_from([0.0, 0.07, 0.5]))
CELL = st.sampled_from([-1, 0, 1, 50, 64, 65, 100, 127, -128])


def ragged(rows: Sequence[Sequence[float]], dtype: Any = np.float32) -> Column:
    """Make a column of rows that vary in length."""
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Column(np.array([x for row in rows for x in row], dtype), np.arange(len(rows)), offsets)


def column(values: Any, dtype: Any = np.float32) -> Column:
    """Make a column of one value, or one array, to a row."""
    found = np.asarray(values, dtype)
    return Column(found, np.arange(len(found)))


def scan(
    ranges: Sequence[Sequence[float]],
    bounds: Sequence[tuple[float, float]],
    intensities: Sequence[Sequence[float]] | None = None,
) -> dict[str, Column]:
    """Make the fields of laser scans."""
    found = {
        'ranges': ragged(ranges),
        'range_min': column([low for low, _ in bounds]),
        'range_max': column([high for _, high in bounds]),
    }
    if intensities is not None:
        found['intensities'] = ragged(intensities)
    return found


def is_invalid(value: float, bounds: tuple[float, float]) -> bool:
    """Tell whether a range is to be discarded."""
    low, high = bounds
    return not math.isfinite(value) or (high > low and not low <= value <= high)


def error_of(left: float, right: float) -> float:
    """Return the error of one number."""
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    return abs(right - left) if math.isfinite(left) and math.isfinite(right) else math.inf


def is_over(error: float, left: float, limit: Limit) -> bool:
    """Judge one number."""
    return math.isinf(error) or (error > 0.0 and error > limit.atol + limit.rtol * abs(left))


def by_hand(left: dict[str, Any], right: dict[str, Any], limit: Limit) -> tuple[Any, ...]:
    """Judge one scan: error, beyond, beams valid on one side, beams beyond."""
    error, one_valid, lost = 0.0, 0.0, False
    over: set[int] = set()
    discarded: list[bool] = []
    if len(left['ranges']) == len(right['ranges']):
        for beam, (a, b) in enumerate(zip(left['ranges'], right['ranges'], strict=True)):
            bad = is_invalid(a, left['bounds']), is_invalid(b, right['bounds'])
            discarded.append(any(bad))
            found = (0.0 if bad[0] and bad[1] else math.inf) if any(bad) else error_of(a, b)
            one_valid += bad[0] != bad[1]
            error = max(error, found)
            if is_over(found, a, limit):
                over.add(beam)
    else:
        error, lost, one_valid = math.inf, True, math.nan
    if len(left['intensities']) == len(right['intensities']):
        is_like = not math.isnan(one_valid) and len(discarded) == len(left['intensities'])
        for beam, (a, b) in enumerate(zip(left['intensities'], right['intensities'], strict=True)):
            if is_like and discarded[beam]:
                continue
            found = error_of(a, b)
            error = max(error, found)
            if is_over(found, a, limit):
                over.add(beam if is_like else -1)
    else:
        error, lost = math.inf, True
    is_beyond = lost or bool(over)
    return error, is_beyond, one_valid, math.nan if math.isnan(one_valid) else len(over - {-1})


@st.composite
def scan_pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw two scans, often of the same length, often alike."""
    size = draw(st.integers(0, 5))
    of_size = st.lists(RANGE, min_size=size, max_size=size)
    bounds = st.sampled_from(
        [(0.0625, 10.0), (0.0, 0.0), (0.0, math.inf), (math.nan, 5.0), (1.0, 9.0)]
    )
    sides: list[dict[str, Any]] = []
    for _ in range(2):
        ranges = draw(st.one_of(of_size, of_size, SCAN))
        intensities = draw(st.one_of(of_size, of_size, st.just([]), SCAN))
        sides.append({'ranges': ranges, 'intensities': intensities, 'bounds': draw(bounds)})
    if draw(st.booleans()):
        sides[1]['ranges'] = list(sides[0]['ranges'])
    return sides[0], sides[1]


@settings(deadline=None, max_examples=400)
@given(st.lists(scan_pairs(), min_size=1, max_size=5), LIMITS)
def test_scans_are_judged_beam_by_beam(pairs: list[Any], limit: Limit) -> None:
    """Promise: whatever the values and lengths, scans are judged as beams one by one would be."""
    original, compiled = (
        scan(
            *([pair[side][name] for pair in pairs] for name in ('ranges', 'bounds', 'intensities'))
        )
        for side in (0, 1)
    )
    judged = scans.laser_scan(original, compiled, limit)
    for place, (left, right) in enumerate(pairs):
        error, is_beyond, one_valid, beams = by_hand(left, right, limit)
        assert judged.errors[place] == pytest.approx(error, rel=1e-12)
        assert judged.over[place] == is_beyond
        found = [judged.measures[name][place] for name in ('invalid_differ', 'beams_over')]
        assert found == pytest.approx([one_valid, beams], nan_ok=True)


def test_which_invalid_value_a_driver_takes_does_not_matter() -> None:
    """Promise: NaN, infinity and ranges out of bounds are equal; one against a range is not."""
    bounds = [(0.1, 10.0)] * 3
    left = scan([[math.nan, math.inf, 0.05, 3.0], [1.0, 2.0], [5.0]], bounds)
    right = scan([[math.inf, 11.0, -math.inf, 3.0078125], [1.0, math.inf], [5.0, 6.0]], bounds)
    judged = scans.laser_scan(left, right, Limit(0.0, 0.01))
    assert judged.errors.tolist() == [0.0078125, math.inf, math.inf]
    assert judged.over.tolist() == [False, True, True]
    assert judged.measures['invalid_differ'].tolist() == pytest.approx(
        [0, 1, math.nan], nan_ok=True
    )
    assert judged.measures['beams_over'].tolist() == pytest.approx([0, 1, math.nan], nan_ok=True)


def test_bounds_that_a_driver_left_at_zero_hide_nothing() -> None:
    """Promise: with range_min and range_max both 0 (or none), ranges still count."""
    for bounds in ((0.0, 0.0), (math.nan, math.nan)):
        left, right = scan([[1.0, 2.0]], [bounds]), scan([[1.0, 2.5]], [bounds])
        assert scans.laser_scan(left, right, Limit(0.0, 0.1)).over.all()
        bare = {'ranges': left['ranges']}, {'ranges': right['ranges']}
        assert scans.laser_scan(*bare, Limit(0.0, 0.1)).errors.tolist() == [0.5]


def test_an_intensity_without_a_range_is_not_compared() -> None:
    """Promise: intensities count where both ranges are valid, and only there."""
    bounds = [(0.1, 10.0)] * 3
    left = scan([[math.nan, 2.0]] * 3, bounds, [[7.0, 8.0], [7.0, 8.0], []])
    right = scan([[math.nan, 2.0]] * 3, bounds, [[9.0, 8.0], [7.0, 9.0], []])
    judged = scans.laser_scan(left, right, Limit(0.0, 0.5))
    assert judged.over.tolist() == [False, True, False]
    assert judged.errors.tolist() == [0.0, 1.0, 0.0]
    assert judged.measures['beams_over'].tolist() == [0.0, 1.0, 0.0]
    fixed = {'ranges': column([[1.0, 2.0]])}, {'ranges': column([[1.0, 3.0]])}
    assert scans.laser_scan(*fixed, Limit(0.0, 0.5)).errors.tolist() == [1.0]


def judge_grids(
    left: Sequence[Sequence[int]],
    right: Sequence[Sequence[int]],
    limit: Limit,
    sizes: tuple[Any, Any] | None = None,
) -> Judged:
    """Judge maps of one row each, or of given sizes (width, height)."""
    sides: list[dict[str, Column]] = []
    for place, rows in enumerate((left, right)):
        fields = {'data': ragged(rows, np.int8)}
        if sizes is not None:
            for at, name in enumerate(('info.width', 'info.height')):
                fields[name] = column([each[at] for each in sizes[place]], np.uint32)
        sides.append(fields)
    return grids.occupancy_grid(sides[0], sides[1], limit)


@settings(deadline=None, max_examples=300)
@given(st.data(), LIMITS | st.just(Limit(0.0, 2.0)))
def test_maps_are_judged_cell_by_cell(data: st.DataObject, limit: Limit) -> None:
    """Promise: whatever the cells and sizes, maps are judged as cells one by one would be."""
    pairs = []
    for size in data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=5)):
        of_size = st.lists(CELL, min_size=size, max_size=size)
        left = data.draw(of_size)
        pairs.append((left, data.draw(st.one_of(st.just(left), of_size, st.lists(CELL)))))
    judged = judge_grids([left for left, _ in pairs], [right for _, right in pairs], limit)
    for place, (left, right) in enumerate(pairs):
        measured = [
            judged.measures[name][place]
            for name in ('cells_differ', 'unknown_differ', 'iou_occupied')
        ]
        if len(left) != len(right):
            assert judged.errors[place] == math.inf
            assert judged.over[place]
            assert all(map(math.isnan, measured))
            continue
        errors = [
            math.inf if (a == -1) != (b == -1) else float(abs(a - b))
            for a, b in zip(left, right, strict=True)
        ]
        assert judged.errors[place] == max(errors, default=0.0)
        assert judged.over[place] == any(
            is_over(error, a, limit) for error, a in zip(errors, left, strict=True)
        )
        occupied = [{at for at, cell in enumerate(each) if cell >= 65} for each in (left, right)]
        either = len(occupied[0] | occupied[1])
        share = len(occupied[0] & occupied[1]) / either if either else math.nan
        expected = [sum(map(bool, errors)), errors.count(math.inf), share]
        assert measured == pytest.approx(expected, nan_ok=True)


def test_maps_of_another_size_are_never_within() -> None:
    """Promise: 2 by 3 cells are not 3 by 2 cells, whatever is in them and whatever is allowed."""
    cells = [[0, 0, 0, 0, 0, 0]] * 2
    judged = judge_grids(cells, cells, Limit(0.0, 100.0), ([(2, 3), (2, 3)], [(3, 2), (2, 3)]))
    assert judged.errors.tolist() == [math.inf, 0.0]
    assert judged.over.tolist() == [True, False]
    assert math.isnan(judged.measures['cells_differ'][0])
    table = {'data': column([[0, 100], [-1, 5]], np.int8)}
    other = {'data': column([[0, 98], [0, 5]], np.int8)}
    judged = grids.occupancy_grid(table, other, Limit(0.0, 5.0))
    assert judged.errors.tolist() == [2.0, math.inf]
    assert judged.over.tolist() == [False, True]
    assert judged.measures['iou_occupied'].tolist()[0] == 1.0


def test_scans_in_parts_are_judged_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: in how many parts scans are judged changes nothing."""
    numbers = np.random.default_rng(3)
    rows = [numbers.uniform(0.0, 12.0, size).tolist() for size in numbers.integers(0, 9, 100)]
    others = [
        [x + 0.01 * numbers.normal() for x in row[: 7 + 2 * (at % 3)]]
        for at, row in enumerate(rows)
    ]
    bounds = [(0.1, 10.0 - 5.0 * (at % 2)) for at in range(100)]
    original, compiled = scan(rows, bounds, rows), scan(others, bounds, others)
    found = []
    for size in (13, 1 << 30):
        monkeypatch.setattr(parts, 'VALUES', size)
        found.append(scans.laser_scan(original, compiled, Limit(0.0, 0.02)))
    assert 0 < found[0].over.sum() < 100
    for few, many in zip(found[0][:2], found[1][:2], strict=True):
        np.testing.assert_array_equal(few, many)
    for name, values in found[0].measures.items():
        np.testing.assert_array_equal(values, found[1].measures[name])


def test_text_is_no_scan_and_no_map() -> None:
    """Promise: a comparator that is named for a field of text says so."""
    text = Column(np.array(['a'], object), np.arange(1))
    with pytest.raises(ComparisonError, match="'ranges' holds text"):
        scans.laser_scan({'ranges': text}, {'ranges': text}, Limit(0.0, 0.0))
    with pytest.raises(ComparisonError, match="'data' holds text"):
        grids.occupancy_grid({'data': text}, {'data': text}, Limit(0.0, 0.0))
    with pytest.raises(ComparisonError, match="'data' is not there"):
        grids.occupancy_grid({}, {}, Limit(0.0, 0.0))


ROWS = st.one_of(
    st.lists(st.lists(st.integers(-9, 9), max_size=12), max_size=8),
    st.tuples(st.integers(0, 12), st.integers(0, 8)).flatmap(
        lambda shape: st.lists(
            st.lists(st.integers(-9, 9), min_size=shape[0], max_size=shape[0]),
            min_size=shape[1],
            max_size=shape[1],
        )
    ),
)


@settings(deadline=None, max_examples=300)
@given(ROWS, st.sampled_from([np.float64, np.float32, np.int8]), st.integers(0, 3))
def test_segments_are_reduced_each_by_itself(rows: list[Any], dtype: Any, skipped: int) -> None:
    """Promise: empty, equally long or not, first in the array or not: each segment is its own."""
    whole = ragged([[5] * skipped, *rows, [7]], dtype)
    assert whole.offsets is not None
    values, offsets = whole.values, whole.offsets[1:-1]
    assert segment_max(values, offsets).tolist() == [max(row, default=0) for row in rows]
    assert segment_sum(values, offsets).tolist() == [sum(row) for row in rows]
    flags = values > 3
    assert segment_any(flags, offsets).tolist() == [any(x > 3 for x in row) for row in rows]
    assert segment_sum(flags, offsets).tolist() == [sum(x > 3 for x in row) for row in rows]


def test_a_nan_is_the_largest_of_its_segment() -> None:
    """Promise: a NaN is not lost in a segment, short or long, and no warning comes of it."""
    for size in (3, 20):
        values = np.zeros(3 * size)
        values[size] = math.nan
        found = segment_max(values, np.arange(4) * size)
        assert np.isnan(found).tolist() == [False, True, False]


@settings(deadline=None, max_examples=200)
@given(ROWS, ROWS, st.booleans())
def test_rows_of_equal_length_are_laid_side_by_side(left: Any, right: Any, dense: bool) -> None:
    """Promise: rows of equal length keep order and values, dense or not, and none other is there."""
    count = min(len(left), len(right))
    left, right = left[:count], right[:count]
    columns = [ragged(left), ragged(right)]
    if dense and count and len({len(row) for row in right}) == 1:
        columns[1] = column(right)
    flat = aligned(columns[0], columns[1])
    same = [len(a) == len(b) for a, b in zip(left, right, strict=True)]
    assert flat[3].tolist() == same
    for found, rows in ((flat[0], left), (flat[1], right)):
        kept = [row for row, is_same in zip(rows, same, strict=True) if is_same]
        spans = zip(flat[2][:-1], flat[2][1:], strict=True)
        assert [found[first:end].tolist() for first, end in spans] == kept
    wanted = iter(range(sum(same)))
    expected = [next(wanted) if is_same else -1 for is_same in same]
    assert spread(np.arange(sum(same)), flat[3], lost=-1).tolist() == expected
