"""Point clouds are judged by their points, in order or as sets."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison.comparators import clouds, neighbours, packed
from lk_dataset_ros.comparison.comparators.clouds import cloud_as_set, cloud_in_order
from lk_dataset_ros.comparison.comparators.neighbours import nearest_distances, nearest_in_groups
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.message import (
    Batch,
    Column,
    Columns,
    builtin_schema,
    codec_for,
    new_message,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

EXACT = Limit(0.0, 0.0)
NUMBERS = {'i1': 1, 'u1': 2, 'i2': 3, 'u2': 4, 'i4': 5, 'u4': 6, 'f4': 7, 'f8': 8}
XYZ = ('x', 'y', 'z')


def columns_of(messages: Sequence[Any]) -> Mapping[str, Column]:
    """Return the columns of messages, encoded and decoded again."""
    codec = codec_for(builtin_schema('sensor_msgs/msg/PointCloud2'))
    parts = [bytes(codec.encode(each)) for each in messages]
    length = np.array([len(each) for each in parts], np.int64)
    batch = Batch(np.frombuffer(b''.join(parts), np.uint8), np.cumsum(length) - length, length)
    return Columns.from_batches([(batch, np.arange(len(parts), dtype=np.int64))], codec)


def cloud(
    values: Mapping[str, Any],
    *,
    height: int = 1,
    big: bool = False,
    gap: int = 0,
    padding: int = 0,
    seed: int = 0,
) -> Any:
    """Make a cloud of arrays by field name, (n,) or (n, count).

    Args:
        values: All of one length.
        height: Rows.
        big: Whether numbers begin with the highest byte.
        gap: Bytes between fields, and after the last.
        padding: Bytes at the end of each row.
        seed: Of what fills gaps and padding.
    """
    rng = np.random.default_rng(seed)
    named = {name: np.asarray(each) for name, each in values.items()}
    size = len(next(iter(named.values())))
    made = new_message('sensor_msgs/msg/PointCloud2')
    parts: list[NDArray[np.uint8]] = []
    offset = 0
    for name, array in named.items():
        count = array.shape[1] if array.ndim > 1 else 1
        field = new_message('sensor_msgs/msg/PointField')
        field.name, field.offset, field.count = name, offset, count
        field.datatype = NUMBERS[array.dtype.str[1:]]
        made.fields.append(field)
        stored = np.ascontiguousarray(array.astype(array.dtype.newbyteorder('>' if big else '<')))
        width = stored.itemsize * count
        parts += [stored.view(np.uint8).reshape(size, width), filler(rng, size, gap)]
        offset += width + gap
    made.height, made.width, made.is_bigendian = height, size // height, big
    made.point_step = offset
    made.row_step = made.width * offset + padding
    rows = np.hstack(parts).reshape(height, made.width * offset)
    made.data = np.hstack([rows, filler(rng, height, padding)]).reshape(-1)
    made.is_dense = True
    return made


def filler(rng: np.random.Generator, rows: int, width: int) -> NDArray[np.uint8]:
    """Return bytes that mean nothing."""
    return rng.integers(0, 256, (rows, width), np.uint8)


def scan(seed: int = 0, size: int = 12) -> dict[str, NDArray[Any]]:
    """Return the fields of a cloud of a lidar."""
    rng = np.random.default_rng(seed)
    found: dict[str, NDArray[Any]] = {
        axis: rng.normal(size=size).astype(np.float32) for axis in XYZ
    }
    found['ring'] = rng.integers(0, 2**16, size).astype(np.uint16)
    found['t'] = rng.normal(size=size)
    found['normal'] = rng.normal(size=(size, 3)).astype(np.float32)
    return found


def judged(
    original: Any, compiled: Any, limit: Limit = EXACT, *, judge: Any = cloud_in_order
) -> tuple[float, bool]:
    """Judge one pair of clouds: error, and whether it is over."""
    found = judge(columns_of([original]), columns_of([compiled]), limit)
    return float(found.errors[0]), bool(found.over[0])


def as_set(original: Any, compiled: Any, limit: Limit = EXACT) -> Any:
    """Judge one pair of clouds as sets."""
    return cloud_as_set(columns_of([original]), columns_of([compiled]), limit)


def test_the_same_points_in_another_layout_are_equal() -> None:
    """Promise: byte order, gaps between fields and the ends of rows do not matter."""
    plain = cloud(scan())
    for other in (
        cloud(scan(), big=True),
        cloud(scan(), gap=3),
        cloud(scan(), padding=7, seed=1),
        cloud(scan(), big=True, gap=1, padding=2, seed=2),
    ):
        assert judged(plain, other) == (0.0, False)
    rows = cloud(scan(), height=3, padding=1), cloud(scan(), height=3, padding=5, gap=2)
    assert judged(*rows) == (0.0, False)


@pytest.mark.parametrize('name', list(scan()))
@pytest.mark.parametrize('height', [1, 4])
def test_every_field_of_every_point_counts(name: str, height: int) -> None:
    """Promise: a change of any number of any point is found, and is the error."""
    values = scan()
    changed = {each: array.copy() for each, array in values.items()}
    changed[name].reshape(len(changed[name]), -1)[7, -1] += 3
    original, compiled = cloud(values, height=height), cloud(changed, height=height, padding=1)
    found = cloud_in_order(columns_of([original]), columns_of([compiled]), Limit(0.0, 1e-5))
    assert found.errors[0] == pytest.approx(3.0, rel=1e-6)
    assert (found.over[0], found.measures['points_over'][0]) == (True, 1.0)
    is_float = values[name].dtype.kind == 'f'
    assert judged(original, compiled, Limit(0.0, 4.0))[1] is not is_float


def test_points_that_are_over_are_counted_once() -> None:
    """Promise: points are counted, not numbers, and only those beyond the limit."""
    values = scan(size=40)
    changed = {each: array.copy() for each, array in values.items()}
    for name in ('x', 'y', 'normal'):
        changed[name][[3, 17]] += 0.5
    changed['z'][20] += 0.001
    for block in (1, 7, 1 << 18):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clouds, 'BLOCK', block)
            found = cloud_in_order(
                columns_of([cloud(values)]), columns_of([cloud(changed)]), Limit(0.0, 0.01)
            )
        assert found.measures['points_over'].tolist() == [2.0]
        assert found.errors[0] == pytest.approx(0.5, rel=1e-5)


def test_points_without_a_place_are_equal() -> None:
    """Promise: NaN equals NaN whatever its bits; against a number it is never within a limit."""
    values = scan()
    values['x'][3] = np.nan
    other = {**values, 'x': values['x'].copy()}
    other['x'].view(np.uint32)[3] = 0xFFC12345
    assert judged(cloud(values), cloud(other)) == (0.0, False)
    other['x'][3] = 1.0
    assert judged(cloud(values), cloud(other), Limit(1.0, 1e9)) == (math.inf, True)
    assert judged(cloud(other), cloud(values), Limit(1.0, 1e9)) == (math.inf, True)


@pytest.mark.parametrize(('name', 'dtype'), [('rgb', 'f4'), ('rgba', 'u4'), ('rgb', 'u4')])
def test_colours_are_no_floats(name: str, dtype: str) -> None:
    """Promise: colours in a float differ by their bytes, however near to 0 the float is."""
    packed_colours = np.array([0x00102030, 0xFF0000FF, 0x7FC00001], '<u4')
    changed = packed_colours.copy()
    changed[0] += 2
    both = [cloud({'x': np.zeros(3, 'f4'), name: each.view(dtype)}) for each in (packed_colours, changed)]  # fmt: skip
    assert judged(both[0], both[1], Limit(1.0, 1.0)) == (2.0, True)
    assert judged(both[0], both[0]) == (0.0, False)
    nan = packed_colours.copy()
    nan[2] += 1
    other = cloud({'x': np.zeros(3, 'f4'), name: nan.view(dtype)})
    assert judged(both[0], other, Limit(1.0, 1.0)) == (1.0, True)


def test_clouds_of_other_points_or_fields_have_no_finite_error() -> None:
    """Promise: number and rows of points, and what a point is, have to be the same."""
    values = scan()
    plain, loose = cloud(values), Limit(1.0, 1e9)
    fewer = {name: array[:-1] for name, array in values.items()}
    renamed = {('range' if name == 't' else name): array for name, array in values.items()}
    for other in (
        cloud(fewer),
        cloud(values, height=2),
        cloud(renamed),
        cloud({**values, 't': values['t'].astype(np.float32)}),
        cloud({**values, 'more': values['t']}),
        cloud({**values, 'normal': values['normal'][:, :2]}),
        cloud({name: values[name] for name in ('y', 'x', 'z', 'ring', 't', 'normal')}),
    ):
        assert judged(plain, other, loose) == (math.inf, True)
        assert judged(other, plain, loose) == (math.inf, True)
    empty = {name: array[:0] for name, array in values.items()}
    assert judged(cloud(empty), cloud(empty)) == (0.0, False)
    assert judged(cloud(empty), plain, loose) == (math.inf, True)


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        ('height', 2**32 - 1),
        ('width', 2**32 - 1),
        ('point_step', 0),
        ('point_step', 2**32 - 1),
        ('row_step', 0),
        ('row_step', 2**32 - 1),
        ('fields[0].offset', 2**32 - 1),
        ('fields[0].datatype', 0),
        ('fields[2].datatype', 9),
        ('fields[5].count', 2**32 - 1),
    ],
)
@pytest.mark.parametrize('judge', [cloud_in_order, cloud_as_set])
def test_damaged_clouds_are_compared_as_bytes(path: str, value: int, judge: Any) -> None:
    """Promise: what does not fit is no crash, takes no memory, and is equal only to itself."""
    plain, damaged = cloud(scan()), cloud(scan())
    target, _, name = path.rpartition('.')
    setattr(damaged.fields[int(target[7:-1])] if target else damaged, name or path, value)
    loose = Limit(1.0, 1e9)
    assert judged(plain, damaged, loose, judge=judge) == (math.inf, True)
    assert judged(damaged, plain, loose, judge=judge) == (math.inf, True)
    assert judged(damaged, damaged, judge=judge) == (0.0, False)


def test_a_count_of_none_is_one() -> None:
    """Promise: a field that says 0 numbers has one, as PCL reads it."""
    other = cloud(scan())
    for field in other.fields[:3]:
        field.count = 0
    other.data = other.data.copy()
    assert judged(cloud(scan()), other) == (0.0, False)
    assert judged(cloud(scan(1)), other)[1]


@pytest.mark.parametrize('judge', [cloud_in_order, cloud_as_set])
def test_many_clouds_are_judged_as_if_each_were_alone(judge: Any) -> None:
    """Promise: clouds of several sizes and fields, mixed, give what each pair gives alone."""
    rng = np.random.default_rng(3)
    sides: list[list[Any]] = [[], []]
    for index in range(40):
        values = scan(index, 4 + index % 3)
        if index % 4 == 0:
            values.pop('ring')
        other = {name: array.copy() for name, array in values.items()}
        if rng.random() < 0.5:
            other['y'] += rng.normal(size=len(other['y'])).astype(np.float32)
        sides[0].append(cloud(values))
        sides[1].append(cloud(other, big=bool(index % 2)))
    limit = Limit(0.0, 0.5)
    for step in (1, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, 'STACK', step)
            whole = judge(columns_of(sides[0]), columns_of(sides[1]), limit)
        for row, (one, other_side) in enumerate(zip(*sides, strict=True)):
            alone = judge(columns_of([one]), columns_of([other_side]), limit)
            assert (whole.errors[row], whole.over[row]) == (alone.errors[0], alone.over[0])
            for name, values in whole.measures.items():
                assert np.array_equal(values[row], alone.measures[name][0], equal_nan=True), name
    assert 5 < whole.over.sum() < 35


def test_the_order_of_a_set_does_not_matter() -> None:
    """Promise: shuffled points are equal as sets, and differ in order; other fields are left out."""
    values = scan(size=500)
    order = np.random.default_rng(1).permutation(500)
    shuffled = {name: array[order] for name, array in values.items()}
    shuffled['ring'] = values['ring']
    assert as_set(cloud(values), cloud(shuffled, height=5, big=True)).errors.tolist() == [0.0]
    assert judged(cloud(values), cloud(shuffled))[1]


def test_the_distances_of_sets_are_those_of_their_definitions() -> None:
    """Promise: Hausdorff and Chamfer distance of a set one can do by hand."""
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0]], np.float32)
    moved = np.array([[0, 0, 3], [10, 0, 0], [0, 10, 0], [14, 0, 0]], np.float32)
    sides = [cloud(dict(zip(XYZ, each.T, strict=True))) for each in (corners, moved)]
    found = as_set(sides[0], sides[1], Limit(0.0, 3.9))
    assert found.measures['hausdorff_m'].tolist() == [4.0]
    assert found.measures['chamfer_m'][0] == pytest.approx((3 / 3 + 7 / 4) / 2)
    assert (found.errors[0], found.over[0]) == (4.0, True)
    assert not as_set(sides[0], sides[1], Limit(0.0, 4.0)).over[0]
    assert as_set(sides[0], sides[1], Limit(1.0, 3.9)).over[0]


def test_points_without_a_place_are_left_out_of_sets() -> None:
    """Promise: points that are not finite are counted, not measured; an empty set is far away."""
    values = {name: scan()[name] for name in XYZ}
    holes = {name: array.copy() for name, array in values.items()}
    holes['x'][2], holes['y'][5], holes['y'][2] = np.nan, np.inf, -np.inf
    kept = {name: np.delete(array, [2, 5]) for name, array in values.items()}
    found = as_set(cloud(holes), cloud(kept))
    assert (found.errors[0], found.over[0]) == (0.0, False)
    assert found.measures['invalid_differ'].tolist() == [2.0]
    nothing = {name: np.full(4, np.nan, np.float32) for name in XYZ}
    for pair in ((cloud(nothing), cloud(kept)), (cloud(kept), cloud(nothing))):
        found = as_set(pair[0], pair[1], Limit(0.0, 1e9))
        assert (found.errors[0], found.over[0]) == (math.inf, True)
    both = as_set(cloud(nothing), cloud({name: array[:0] for name, array in values.items()}))
    assert (both.errors[0], both.over[0], both.measures['invalid_differ'][0]) == (0.0, False, 4.0)


def test_a_set_without_coordinates_is_compared_as_bytes() -> None:
    """Promise: clouds that lack x, y or z differ unless they are the same."""
    flat = {name: scan()[name] for name in ('x', 'y')}
    other = {name: array[::-1] for name, array in flat.items()}
    assert judged(cloud(flat), cloud(other), Limit(0, 1e9), judge=cloud_as_set) == (math.inf, True)
    assert judged(cloud(flat), cloud(flat), judge=cloud_as_set) == (0.0, False)


SCALES = st.sampled_from([1e-3, 1.0, 1e30])
SHAPES = st.sampled_from(['even', 'line', 'few places', 'clusters', 'far apart'])


def points(rng: np.random.Generator, size: int, shape: str, scale: float) -> NDArray[np.float64]:
    """Return points of a kind that could be difficult, (size, 3)."""
    found = rng.normal(size=(size, 3))
    if shape == 'line':
        found[:, 1:] = 0.0
    elif shape == 'few places':
        found = rng.integers(0, 3, (size, 3)).astype(np.float64)
    elif shape == 'clusters':
        found = found * 1e-3 + rng.integers(0, 4, (size, 1))
    elif shape == 'far apart':
        found = np.exp(found * 20)
    return found * scale


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), SHAPES, SHAPES, SCALES, st.integers(0, 2**32 - 1))
def test_the_nearest_is_found_without_scipy(
    count: int, others: int, mine: str, theirs: str, scale: float, seed: int
) -> None:
    """Promise: what NumPy alone finds is what comparing every point with every other finds."""
    rng = np.random.default_rng(seed)
    left, right = points(rng, count, mine, scale), points(rng, others, theirs, scale)
    squares = ((left[:, None] - right[None]) ** 2).sum(axis=-1)
    expected = np.sqrt(squares.min(axis=1))
    assert nearest_in_groups(left, right) == pytest.approx(expected, rel=1e-12)
    assert nearest_distances(left, right) == pytest.approx(expected, rel=1e-12)


def test_points_that_stayed_are_at_no_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: only points that moved are looked for, among all; without scipy as with it."""
    rng = np.random.default_rng(8)
    left = rng.normal(size=(400, 3))
    right = left.copy()
    right[[5, 80]] = left[[80, 5]] + 1e-3
    expected = np.sqrt(((left[:, None] - right[None]) ** 2).sum(axis=-1)).min(axis=1)
    assert nearest_distances(left, right) == pytest.approx(expected, rel=1e-12)
    asked = []

    class Tree:
        """Stands for scipy.spatial.cKDTree."""

        def __init__(self, others: Any, **_: Any) -> None:
            self.others = others

        def query(self, wanted: Any) -> Any:
            asked.append(len(wanted))
            return (nearest_in_groups(wanted, self.others),)

    monkeypatch.setattr(neighbours, '_tree', lambda: Tree)
    assert nearest_distances(left, right) == pytest.approx(expected, rel=1e-12)
    assert asked == [2]
    assert nearest_distances(left, left).tolist() == [0.0] * 400
    assert asked == [2]


def test_extreme_coordinates_are_no_crash() -> None:
    """Promise: distances that no float can hold are infinite, without a warning."""
    huge = np.array([[1.7e308, -1.7e308, 0.0]])
    assert nearest_in_groups(huge, -huge).tolist() == [math.inf]
    assert nearest_in_groups(huge, huge).tolist() == [0.0]
    sides = [cloud(dict(zip(XYZ, each.T, strict=True))) for each in (huge, -huge)]
    assert as_set(sides[0], sides[1], Limit(0.0, 1.0)).errors.tolist() == [math.inf]
    assert judged(sides[0], sides[1]) == (math.inf, True)


SIZES = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
SMALL = st.integers(0, 9)


@st.composite
def garbage(draw: st.DrawFn) -> Any:
    """Make a cloud that may be anything, and now and then one whose sizes fit."""
    made = new_message('sensor_msgs/msg/PointCloud2')
    fits = draw(st.booleans())
    sizes = SMALL if fits else SIZES
    for _ in range(draw(st.integers(0, 4))):
        field = new_message('sensor_msgs/msg/PointField')
        field.name = draw(st.sampled_from(['x', 'y', 'z', 'rgb', '', 'é']))
        field.offset, field.count = draw(sizes), draw(st.integers(0, 2) if fits else SIZES)
        field.datatype = draw(st.integers(0, 9) if draw(st.booleans()) else st.just(7))
        made.fields.append(field)
    made.height, made.width, made.point_step = draw(sizes), draw(sizes), draw(sizes)
    made.is_bigendian = draw(st.booleans())
    made.row_step = draw(sizes)
    data = draw(st.binary(max_size=200))
    if fits:
        made.point_step += draw(st.integers(0, 40))
        made.row_step = made.point_step * made.width + draw(SMALL)
        size = made.row_step * made.height
        data = (data * (size // max(len(data), 1) + 1)).ljust(size, b'\x7f')[:size]
    made.data = np.frombuffer(data, np.uint8)
    return made


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(garbage(), garbage(), st.integers(0, 2)), min_size=1, max_size=4),
    st.sampled_from([EXACT, Limit(0.5, 0.0), Limit(0.0, 1e300)]),
    st.sampled_from([cloud_in_order, cloud_as_set]),
    st.integers(0, 2**32 - 1),
)
def test_garbage_is_judged_too(
    rows: list[tuple[Any, Any, int]], limit: Limit, judge: Any, seed: int
) -> None:
    """Promise: whatever a message holds is judged without a crash, and is equal to itself."""
    rng = np.random.default_rng(seed)
    left, right = [], []
    for one, other, what in rows:
        left.append(one)
        if what == 2 and len(one.data):
            other = new_message('sensor_msgs/msg/PointCloud2')  # noqa: PLW2901
            for name in vars_of(one):
                setattr(other, name, getattr(one, name))
            other.data = one.data.copy()
            other.data[rng.integers(len(one.data))] ^= rng.integers(1, 256, dtype=np.uint8)
        right.append(one if what == 1 else other)
    found = judge(columns_of(left), columns_of(right), limit)
    assert not np.isnan(found.errors).any()
    assert (found.errors >= 0.0).all()
    if judge is cloud_in_order and limit is EXACT:
        assert np.array_equal(found.errors > 0.0, found.over)
    itself = judge(columns_of(left), columns_of(left), limit)
    assert not itself.over.any()
    assert not itself.errors.any()


def vars_of(made: Any) -> list[str]:
    """Return the names of a cloud's fields."""
    return [name for name in ('fields', 'height', 'width', 'point_step', 'row_step', 'is_bigendian') if hasattr(made, name)]  # fmt: skip


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_bytes_are_read_as_struct_reads_them(value: float) -> None:
    """Promise: fields at any offset are what Python's struct finds there."""
    made = cloud({'x': np.zeros(2, 'f4')})
    made.fields[0].offset, made.point_step, made.row_step = 1, 7, 14
    made.data = np.frombuffer(struct.pack('<BfHBfH', 1, 2.5, 3, 4, value, 5), np.uint8)
    other = cloud({'x': np.array([2.0, value], 'f4')})
    assert judged(made, other) == (0.5, True)
