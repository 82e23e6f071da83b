"""What is compared block by block is what is compared at once, and what one would find by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison import Tolerance, compare, compare_columns
from lk_dataset_ros.comparison.judging import blocks
from lk_dataset_ros.comparison.judging.blocks import Budget, Side, blocks_of
from lk_dataset_ros.comparison.pairing import Pairs
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.message import Column, Columns, Schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = Schema(
    'p/msg/Mixed',
    'float64 x\nfloat32[3] three\nint32 n\nstring text\nfloat64[] some\n'
    'p/Point[] points\n' + '=' * 80 + '\nMSG: p/Point\nfloat64 x\n',
)


def mixed(seed: int, count: int, *, spoil: bool = False) -> Dataset:
    """Make messages of every kind of field; spoiled ones differ here and there."""
    numbers = np.random.default_rng(seed)
    wrong = np.random.default_rng(seed + 1)
    dataset = Dataset.create('memory')
    dataset.declare('/mixed', SCHEMA)
    codec = codec_for(SCHEMA)
    for index in range(count):
        message = codec.new()
        message.x = numbers.normal()
        message.three = numbers.normal(size=3).astype(np.float32)
        message.n = int(numbers.integers(0, 5))
        message.text = 'abc'[: int(numbers.integers(0, 4))]
        message.some = numbers.normal(size=int(numbers.integers(0, 4)))
        message.points = [codec.classes['p/msg/Point']() for _ in range(numbers.integers(0, 3))]
        for point in message.points:
            point.x = numbers.normal()
        if spoil and wrong.random() < 0.2:
            message.x += 1.0
        if spoil and wrong.random() < 0.2:
            message.three[1] += 1.0
        if spoil and wrong.random() < 0.2:
            message.text += '!'
        if spoil and wrong.random() < 0.2:
            message.some = np.append(message.some, 1.0)
        if spoil and wrong.random() < 0.2:
            message.points = message.points[:-1]
        dataset.write('/mixed', message, timestamp_ns=index * 10)
    return dataset


def summary(comparison: Any) -> Any:
    """Return everything of a comparison that should not depend on the blocks."""
    (key,) = comparison.keys
    return [
        (
            field.path,
            field.matched,
            field.mismatched,
            field.first,
            None if field.worst is None else field.worst.error,
            field.max_error,
            field.statistics.bins.tolist(),
            field.over.tolist(),
            field.profile.tolist(),
        )
        for field in sorted(key.fields, key=lambda each: each.path)
    ]


@pytest.mark.parametrize('size', [1, 300, 5000])
def test_blocks_do_not_change_the_result(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: messages read in parts of any size give what they give at once."""
    left, right = mixed(3, 60), mixed(3, 60, spoil=True)
    at_once = compare(left, right)
    monkeypatch.setattr(blocks, 'BLOCK_BYTES', size)
    monkeypatch.setattr(blocks, 'KEPT_BATCHES', 0)
    monkeypatch.setattr(Budget.__init__, '__defaults__', (0,))
    streamed = compare(left, right)
    assert at_once.verdict.value == 'differs'
    assert {each.path for each in at_once.keys[0].differing} >= {
        *('x', 'three', 'text', 'some', 'points.length')
    }
    assert repr(summary(streamed)) == repr(summary(at_once))


@pytest.mark.parametrize('path', ['x', 'three', 'text', 'some', 'points.length', 'n'])
def test_a_field_can_be_read_again(path: str) -> None:
    """Promise: values and differences of a field, read again, are those that were counted."""
    comparison = compare(mixed(5, 40), mixed(5, 40, spoil=True))
    (field,) = [each for each in comparison.keys[0].fields if each.path == path]
    values = field.values()
    assert values is not None
    assert values.over.tolist() == field.over.tolist()
    assert int(field.over.sum()) == field.mismatched
    pairs = {int(each) for part in field.differences() for each in part.positions}
    assert pairs == set(np.flatnonzero(field.over).tolist())
    if field.first is not None:
        first = next(field.differences())
        assert int(first.positions[0]) == field.first.index
        assert first.original[0] == field.first.original or path == 'some'


def columns(values: NDArray[np.float64]) -> Columns:
    """Make columns of one field."""
    rows = np.arange(len(values))
    return Columns({'x': Column(values, rows)}, rows, None)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 5), max_size=6),
    st.lists(st.integers(1, 5), max_size=6),
    st.randoms(use_true_random=False),
)
def test_every_pair_is_in_one_block(mine: list[int], theirs: list[int], random: Any) -> None:
    """Promise: however both sides are cut and paired, each pair comes once, with its values."""
    counts = sum(mine), sum(theirs)
    paired = random.randint(0, min(counts))
    original = np.sort(np.array(random.sample(range(counts[0]), paired), np.int64))
    compiled = np.array(random.sample(range(counts[1]), paired), np.int64)

    def side(parts: list[int]) -> Side:
        edges = np.cumsum([0, *parts])
        batches = [
            columns(np.arange(first, last, dtype=np.float64)) for first, last in pairwise(edges)
        ]
        times = np.arange(edges[-1])
        return Side(lambda _: iter(batches), None, (times, None))

    empty = np.zeros(0, np.int64)
    found: dict[int, tuple[float, float]] = {}
    for block in blocks_of(side(mine), side(theirs), Pairs(original, compiled, empty, empty)):
        sides = [block.column(number, 'x') for number in (0, 1)]
        for place, position in enumerate(block.positions.tolist()):
            assert position not in found
            assert sides[0] is not None
            assert sides[1] is not None
            found[position] = (float(sides[0].values[place]), float(sides[1].values[place]))
    assert found == {
        place: (float(original[place]), float(compiled[place])) for place in range(paired)
    }


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        min_size=1,
        max_size=50,
    ),
    st.floats(0.0, 10.0),
    st.floats(0.0, 1.0),
)
def test_values_are_judged_as_by_hand(
    pairs: list[tuple[float, float]], atol: float, rtol: float
) -> None:
    """Promise: each pair of numbers is judged as the definition of the tolerance says."""
    left, right = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    comparison = compare_columns(
        {'x': left}, {'x': right}, tolerance=Tolerance(rtol=rtol, atol=atol)
    )
    expected = []
    for a, b in pairs:
        same = a == b or (a != a and b != b)
        finite = abs(a) != np.inf and a == a and abs(b) != np.inf and b == b
        expected.append(not (same or (finite and abs(a - b) <= atol + rtol * abs(a))))
    (field,) = comparison.keys[0].fields
    assert field.over.tolist() == expected
    assert field.mismatched == sum(expected)


def test_arrays_of_different_lengths_are_refused() -> None:
    """Promise: columns of one side that differ in length are refused, naming the lengths."""
    with pytest.raises(ValueError, match='differ in length: a: 2, b: 3'):
        compare_columns({'a': np.zeros(2), 'b': np.zeros(3)}, {'a': np.zeros(2)})


def test_a_column_that_one_side_lacks_differs() -> None:
    """Promise: a column of one side only differs in every row."""
    comparison = compare_columns({'a': np.zeros(3), 'b': np.ones(3)}, {'a': np.zeros(3)})
    (field,) = comparison.keys[0].differing
    assert (field.path, field.mismatched) == ('b', 3)
    assert field.first is not None
    assert (field.first.original, field.first.compiled) == (1.0, None)


@pytest.mark.parametrize(
    'path', ['x', 'three', 'text', 'some', 'points.length', 'points[1].x', 'points[0].x']
)
def test_a_field_of_a_large_bag_is_read_alone(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: what is read again of a bag that was not kept is the same, whatever the field."""
    bags = []
    for name, spoil in (('left', False), ('right', True)):
        bags.append(Dataset.create('mcap', tmp_path / name))
        mixed(7, 60, spoil=spoil).combine(into=bags[-1])
        bags[-1].close()
    left, right = (Dataset.load(tmp_path / name) for name in ('left', 'right'))
    at_once = compare(left, right)
    monkeypatch.setattr(blocks, 'BLOCK_BYTES', 500)
    monkeypatch.setattr(Budget.__init__, '__defaults__', (0,))
    streamed = compare(left, right)
    found = []
    for comparison in (at_once, streamed):
        (field,) = [each for each in comparison.keys[0].fields if each.path == path]
        values = field.values()
        assert values is not None
        assert values.over.tolist() == field.over.tolist()
        parts = [part._asdict() for part in field.differences()]
        pairs = sorted(
            (int(position), repr(part['original'][place]), repr(part['compiled'][place]))
            for part in parts
            for place, position in enumerate(part['positions'])
        )
        found.append((None if values.errors is None else values.errors.tolist(), pairs))
    assert repr(found[0]) == repr(found[1])


def test_a_signalling_nan_makes_no_noise() -> None:
    """Promise: a NaN of any kind out of a bag is a NaN, not a warning of NumPy."""
    signalling = np.array([0x7F800001, 0x3F800000], np.uint32).view(np.float32)
    for other in (signalling.copy(), np.ones(2, np.float32)):
        comparison = compare_columns({'x': signalling}, {'x': other})
        assert comparison.is_equivalent == bool(np.isnan(other[0]))
