"""The databases of the package keep the promises of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import McapDatabase, MemoryDatabase, PickleDatabase
from lk_dataset_ros.errors import BagTimeError
from lk_dataset_ros.message import builtin_schema
from lk_dataset_ros.testing import DatabaseConformance


class TestMemory(DatabaseConformance):
    """The memory database; against itself in the stateful test, which then tests the model."""

    def make(self, folder: Any) -> MemoryDatabase:
        return MemoryDatabase()


class TestMcap(DatabaseConformance):
    """A rosbag2 bag."""

    refused_times_ns = (-1, 2**64)

    def make(self, folder: Any) -> McapDatabase:
        return McapDatabase(folder / 'bag', 'w', chunk_size=200)

    def reopen(self, database: Any) -> McapDatabase:
        return McapDatabase(database.path, 'r')


class TestPickle(DatabaseConformance):
    """A pickle file."""

    refused_times_ns = (-(2**63) - 1, 2**63)

    def make(self, folder: Any) -> PickleDatabase:
        return PickleDatabase(folder / 'data.pkl', 'w')

    def reopen(self, database: Any) -> PickleDatabase:
        return PickleDatabase(database.path, 'r')


@settings(max_examples=100, deadline=None)
@given(
    written=st.lists(st.tuples(st.sampled_from('abc'), st.integers(0, 9)), max_size=30),
    more=st.lists(st.tuples(st.sampled_from('abc'), st.integers(0, 9)), max_size=10),
    keys=st.none() | st.sets(st.sampled_from('abc')),
    span=st.tuples(st.none() | st.integers(-1, 11), st.none() | st.integers(-1, 11)),
)
def test_the_model_itself_is_right(
    written: list[tuple[str, int]],
    more: list[tuple[str, int]],
    keys: set[str] | None,
    span: tuple[int | None, int | None],
) -> None:
    """Promise: the memory database is a stable sort by time, also when written between reads."""
    memory = MemoryDatabase()
    for key in 'abc':
        memory.declare(key, builtin_schema('std_msgs/msg/String'))
    first, end = span
    everything: list[tuple[str, int, bytes]] = []
    for part in (written, more):
        for key, time_ns in part:
            everything.append((key, time_ns, b'%d' % len(everything)))
            memory.write_serialized(key, everything[-1][2], time_ns)
        wanted = [
            each
            for each in sorted(everything, key=lambda each: each[1])
            if (keys is None or each[0] in keys)
            and (first is None or each[1] >= first)
            and (end is None or each[1] < end)
        ]
        chosen = None if keys is None else sorted(keys)
        found = memory.iterate_serialized(chosen, first, end)
        assert [(each.key, each.log_time_ns, each.cdr) for each in found] == wanted
        times = sorted(each[1] for each in everything)
        assert memory.time_range_ns() == ((times[0], times[-1]) if times else None)


def test_a_reader_does_not_see_what_is_written_meanwhile() -> None:
    """Promise: a reader of the memory database gets what was there when it began, in order."""
    memory = MemoryDatabase()
    memory.declare('/n', builtin_schema('std_msgs/msg/String'))
    for time_ns in (5, 6, 7):
        memory.write_serialized('/n', b'', time_ns)
    for keys in (None, ['/n']):
        reader = memory.iterate_serialized(keys)
        count = memory.topic('/n').count
        seen = [next(reader).log_time_ns]
        memory.write_serialized('/n', b'', 1)
        memory.timestamps('/n')
        seen += [each.log_time_ns for each in reader]
        assert seen == sorted(seen)
        assert len(seen) == count


def test_times_beyond_arrays_are_named() -> None:
    """Promise: a bag's time beyond 2^63 ns is kept; asking for it as an array says why not."""
    memory = MemoryDatabase()
    memory.declare('/n', builtin_schema('std_msgs/msg/String'))
    memory.write_serialized('/n', b'', 2**63)
    assert memory.time_range_ns() == (2**63, 2**63)
    with pytest.raises(BagTimeError, match='/n has the time 9223372036854775808 ns'):
        memory.timestamps('/n')
