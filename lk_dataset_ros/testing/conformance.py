"""The promises of the `Database` contract as tests that any database can inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import Database, MemoryDatabase, SerializedMessage
from lk_dataset_ros.errors import (
    CapabilityError,
    KeyNotFoundError,
    LkError,
    MessageTypeError,
)
from lk_dataset_ros.message import builtin_schema, codec_for, new_message
from lk_dataset_ros.testing.strategies import messages, schemas

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lk_dataset_ros.message import Columns

#: A time of day whose nanoseconds a float cannot hold.
T0 = 1_700_000_000_123_456_789
QOS = '- history: keep_last\n  depth: 1\n  reliability: reliable\n  durability: transient_local\n'
INT32 = builtin_schema('std_msgs/msg/Int32')
STRING = builtin_schema('std_msgs/msg/String')


def int32(value: int) -> bytes:
    """Return a serialized `std_msgs/msg/Int32`."""
    return b'\0\1\0\0' + value.to_bytes(4, 'little', signed=True)


def records_of(database: Database, **options: Any) -> list[SerializedMessage]:
    """Return a database's messages with plain values, whatever sequence types it uses."""
    return [
        SerializedMessage(each.key, bytes(each.cdr), *(int(value) for value in each[2:]))
        for each in database.iterate_serialized(**options)
    ]


def assert_same_columns(found: Columns, wanted: Columns) -> None:
    """Promise that two sets of columns are bit for bit the same."""
    assert set(found) == set(wanted)
    assert found.log_time_ns.tolist() == wanted.log_time_ns.tolist()
    for path in wanted:
        ours, theirs = found[path], wanted[path]
        assert ours.rows.tolist() == theirs.rows.tolist(), path
        # A type of varying length that happens to have one length may be dense on either side.
        for row in range(len(theirs)):
            a, b = np.asarray(ours.row(row)), np.asarray(theirs.row(row))
            assert a.shape == b.shape, path
            if b.dtype.kind in 'OUb':
                assert a.tolist() == b.tolist(), path
            elif b.size:
                assert a.dtype == b.dtype, path
                assert a.tobytes() == b.tobytes(), path


class DatabaseConformance:
    """The tests of a database; inherit them and say how yours is made.

        from lk_dataset_ros.testing import DatabaseConformance

        class TestMyDatabase(DatabaseConformance):
            def make(self, folder):
                return MyDatabase(folder / 'data.my', 'w')

            def reopen(self, database):
                return MyDatabase(database.path, 'r')

    What a test asks for depends on the capability properties: reading is tested where `can_read`
    is true of a database just made or, for one that `is_persistent`, of one reopened; without
    either, that reading is refused. A server that the databases need is a fixture of your own with
    `autouse=True`, which keeps its address on `self`.

    Attributes:
        examples: Examples of each property test.
        steps: Steps of each example of the stateful test; 0 leaves it out.
        refused_times_ns: Log times that cannot be held and must be refused.
    """

    examples = 15
    steps = 20
    refused_times_ns: Sequence[int] = (-(2**64), 2**64)

    def make(self, folder: Path) -> Database:
        """Make an empty database that can be written.

        Args:
            folder: An empty folder, another one at each call; its name is unique in a test.
        """
        raise NotImplementedError

    def reopen(self, database: Database) -> Database:
        """Return a database for reading what a closed one has stored.

        Only a persistent database needs it.
        """
        raise NotImplementedError

    @pytest.fixture
    def folders(self, tmp_path: Path) -> Folders:
        """Return a source of empty folders."""
        return Folders(tmp_path)

    def readable(self, database: Database) -> Database:
        """Finish writing and return a database to read from; skip where there is none."""
        if database.is_persistent:
            database.close()
            return self.reopen(database)
        database.flush()
        if not database.can_read:
            database.close()
            pytest.skip(f'{database.name} cannot be read')
        return database

    def stored(self, folder: Path, records: Sequence[SerializedMessage]) -> Database:
        """Write numbers to a new database and return it, ready to be read."""
        database = self.make(folder)
        for key in dict.fromkeys(record.key for record in records):
            database.declare(key, INT32, QOS)
        for record in records:
            database.write_serialized(*record)
        return self.readable(database)

    # What it says of itself.

    def test_it_says_what_it_is(self, folders: Folders) -> None:
        """Promise: kind, name and capabilities are told, and do not contradict each other."""
        with self.make(folders.new()) as database:
            assert isinstance(database, Database)
            assert database.kind
            assert database.kind == type(database).kind
            assert database.name
            assert database.can_write is True
            for capability in ('can_read', 'is_persistent', 'is_live', 'can_seek_time'):
                assert isinstance(getattr(database, capability), bool), capability
            assert database.can_read or database.is_persistent or database.is_live
            assert list(database.warnings) == []

    @pytest.mark.parametrize(
        'location', ['', 'no/such/place', 'noscheme://host:1/x', '/dev/null', '\0', 'a' * 5000]
    )
    def test_what_is_not_its_own_is_not_recognised(self, location: str, folders: Folders) -> None:
        """Promise: `recognises` says no to what is nothing, and raises nothing."""
        with self.make(folders.new()) as database:
            assert type(database).recognises(location) is False

    def test_an_empty_one_is_empty(self, folders: Folders) -> None:
        """Promise: nothing written is nothing there, also once it is reopened."""
        database = self.make(folders.new())
        assert database.keys() == []
        assert database.topics() == {}
        with self.readable(database) as database:
            assert database.keys() == []
            assert records_of(database) == []
            assert database.time_range_ns() is None

    def test_a_key_without_messages_is_a_key(self, folders: Folders) -> None:
        """Promise: a declared key is there although nothing was written to it."""
        database = self.make(folders.new())
        database.declare('/n', INT32)
        assert database.topic('/n').count == 0
        with self.readable(database) as database:
            assert database.keys() == ['/n']
            assert database.topic('/n').count == 0
            assert records_of(database, keys=['/n']) == []
            assert database.read_all('/n') == []
            assert database.timestamps('/n').tolist() == []
            assert len(database.heads('/n')) == 0
            assert len(database.columns('/n').log_time_ns) == 0
            assert database.time_range_ns() is None

    def test_closing_twice_is_no_error(self, folders: Folders) -> None:
        """Promise: `flush` and `close` may come at any time before the end, `close` after it."""
        database = self.make(folders.new())
        database.flush()
        database.close()
        database.close()

    # Writing.

    def test_types_are_held_to(self, folders: Folders) -> None:
        """Promise: a key keeps its type, the same declaration twice is none, others refused."""
        with self.make(folders.new()) as database:
            database.declare('/n', INT32)
            database.declare('/n', INT32)
            with pytest.raises(MessageTypeError, match='/n'):
                database.declare('/n', STRING)
            assert database.topic('/n').schema.name == INT32.name
            with pytest.raises(MessageTypeError):
                database.write('/n', new_message('std_msgs/msg/String'), timestamp_ns=T0)
            with pytest.raises(MessageTypeError):
                database.write('/m', object(), timestamp_ns=T0)

    def test_undeclared_keys_are_refused(self, folders: Folders) -> None:
        """Promise: writing to or asking for a key that is not there names it."""
        with self.make(folders.new()) as database:
            with pytest.raises(KeyNotFoundError, match='/other'):
                database.write_serialized('/other', int32(1), T0)
            with pytest.raises(KeyNotFoundError, match='/other'):
                database.topic('/other')

    def test_counts_grow_with_writing(self, folders: Folders) -> None:
        """Promise: the count of a key is what was written, of that key."""
        with self.make(folders.new()) as database:
            for key in ('/a', '/b'):
                database.declare(key, INT32)
            for number in range(3):
                database.write_serialized('/a', int32(number), T0 + number)
            assert {key: topic.count for key, topic in database.topics().items()} == {
                '/a': 3,
                '/b': 0,
            }

    def test_times_out_of_range_are_refused(self, folders: Folders) -> None:
        """Promise: a time that cannot be held is an LkError, and the rest stays whole."""
        database = self.make(folders.new())
        database.declare('/n', INT32)
        database.write_serialized('/n', int32(1), T0)
        for time_ns in self.refused_times_ns:
            with pytest.raises(LkError):
                database.write_serialized('/n', int32(2), time_ns)
        database.write_serialized('/n', int32(3), T0 + 1)
        with self.readable(database) as database:
            assert [message.data for message in database.read_all('/n')] == [1, 3]

    def test_message_objects_are_written(self, folders: Folders) -> None:
        """Promise: a message object comes back with its values, its type is declared for it."""
        message = new_message('geometry_msgs/msg/PoseStamped')
        message.header.frame_id = 'map ∞'
        message.pose.position.x = 0.1
        database = self.make(folders.new())
        database.write('/pose', message, timestamp_ns=T0)
        database.write('/pose', message, 2.5, timestamp_ns=0)
        with self.readable(database) as database:
            assert database.topic('/pose').schema.name == 'geometry_msgs/msg/PoseStamped'
            assert database.timestamps('/pose').tolist() == [2_500_000_000, T0]
            for found in database.read_all('/pose'):
                assert found.header.frame_id == 'map ∞'
                assert found.pose.position.x == 0.1

    # What comes back.

    def test_everything_given_comes_back(self, folders: Folders) -> None:
        """Promise: bytes, both times and sequence are kept, in order of log time."""
        written = [
            SerializedMessage('/a', int32(1), T0 + 3, T0 + 1, 7),
            SerializedMessage('/b', int32(2), T0 + 1, T0 + 9, 2**32 - 1),
            SerializedMessage('/a', int32(3), T0 + 2, T0 + 2, 0),
            SerializedMessage('/a', int32(-1), T0 + 4, T0 + 4, 1),
        ]
        with self.stored(folders.new(), written) as database:
            in_order = sorted(written, key=lambda each: each.log_time_ns)
            assert records_of(database) == in_order
            assert database.time_range_ns() == (T0 + 1, T0 + 4)
            assert records_of(database, keys=['/b']) == [written[1]]
            assert database.topic('/a').count == 3

    def test_publish_time_is_log_time_if_unknown(self, folders: Folders) -> None:
        """Promise: without a publish time the log time stands for it, and sequence is 0."""
        database = self.make(folders.new())
        database.declare('/n', INT32)
        database.write_serialized('/n', int32(5), T0)
        with self.readable(database) as database:
            assert records_of(database) == [SerializedMessage('/n', int32(5), T0, T0, 0)]

    def test_what_a_topic_is_comes_back(self, folders: Folders) -> None:
        """Promise: definition, encoding, type hash and QoS are kept."""
        database = self.make(folders.new())
        database.declare('/n', INT32, QOS)
        with self.readable(database) as database:
            topic = database.topic('/n')
            assert topic.name == '/n'
            assert topic.schema == INT32
            assert topic.qos == QOS

    def test_keys_that_look_alike_are_apart(self, folders: Folders) -> None:
        """Promise: keys that differ in one character only are different keys."""
        keys = ['/a/b', '/a_b', '/a__b', '/A/b', 'a/b', '/a/b/c', '/a_2Fb', '/' + 'x' * 200]
        written = [
            SerializedMessage(key, int32(number), T0 + number, T0 + number)
            for number, key in enumerate(keys)
        ]
        with self.stored(folders.new(), written) as database:
            assert sorted(database.keys()) == sorted(keys)
            for number, key in enumerate(keys):
                assert database.read(key).data == number

    def test_nanoseconds_are_exact(self, folders: Folders) -> None:
        """Promise: neighbouring nanoseconds stay apart, at both ends of what clocks show."""
        times = [0, 1, 999, 1000, T0, T0 + 1, 2**62 + 1, 2**63 - 1]
        written = [SerializedMessage('/n', int32(1), time_ns, time_ns) for time_ns in times]
        with self.stored(folders.new(), written) as database:
            assert [each.log_time_ns for each in records_of(database)] == times
            found = database.timestamps('/n')
            assert found.dtype == np.int64
            assert found.tolist() == times
            for time_ns in times[:-1]:
                span = records_of(database, start_ns=time_ns, stop_ns=time_ns + 1)
                assert [each.log_time_ns for each in span] == [time_ns]

    def test_equal_times_keep_the_order_of_writing(self, folders: Folders) -> None:
        """Promise: messages of one key and one log time come in the order of writing."""
        written = [SerializedMessage('/n', int32(number), T0, T0) for number in range(30)]
        with self.stored(folders.new(), written) as database:
            assert [message.data for message in database.read_all('/n')] == list(range(30))

    def test_spans_of_time_include_the_start_only(self, folders: Folders) -> None:
        """Promise: `start_ns` is included, `stop_ns` is not; either may be left out."""
        written = [
            SerializedMessage('/a' if number % 3 else '/b', int32(number), T0 + number, T0)
            for number in range(12)
        ]
        with self.stored(folders.new(), written) as database:
            for keys in (None, ['/a'], ['/b', '/a']):
                for first, end in ((3, 9), (None, 5), (7, None), (5, 5), (9, 3), (-5, 100)):
                    wanted = [
                        each
                        for number, each in enumerate(written)
                        if (keys is None or each.key in keys)
                        and (first is None or number >= first)
                        and (end is None or number < end)
                    ]
                    start_ns = None if first is None else T0 + first
                    stop_ns = None if end is None else T0 + end
                    span = {'keys': keys, 'start_ns': start_ns, 'stop_ns': stop_ns}
                    assert records_of(database, **span) == wanted, span

    def test_unknown_keys_are_refused(self, folders: Folders) -> None:
        """Promise: reading a key that is not there is a KeyNotFoundError that names it."""
        written = [SerializedMessage('/n', int32(1), T0, T0)]
        with self.stored(folders.new(), written) as database:
            for read in (
                lambda: records_of(database, keys=['/n', '/other']),
                lambda: database.read('/other'),
                lambda: database.read_all('/other'),
                lambda: database.timestamps('/other'),
                lambda: database.columns('/other'),
                lambda: database.heads('/other'),
            ):
                with pytest.raises(KeyNotFoundError, match='/other'):
                    read()

    def test_messages_are_read_by_index(self, folders: Folders) -> None:
        """Promise: indices count from the start or the end; none is the last; others refused."""
        written = [
            SerializedMessage('/n', int32(number), T0 + number, T0) for number in (2, 0, 3, 1)
        ]
        with self.stored(folders.new(), written) as database:
            assert [database.read('/n', index).data for index in range(-4, 4)] == [0, 1, 2, 3] * 2
            assert database.read('/n').data == 3
            for wrong in (4, -5):
                with pytest.raises(IndexError):
                    database.read('/n', wrong)

    def test_small_and_large_messages(self, folders: Folders) -> None:
        """Promise: a message of no bytes, of the header only, of 3 MB: the same bytes again."""
        parts = [b'', b'\0\1\0\0', bytes(range(256)) * 12_000, b'x']
        written = [
            SerializedMessage('/n', cdr, T0 + number, T0) for number, cdr in enumerate(parts)
        ]
        with self.stored(folders.new(), written) as database:
            assert [each.cdr for each in records_of(database)] == parts
            assert database.heads('/n').size.tolist() == [len(cdr) for cdr in parts]

    def test_what_was_handed_in_may_change(self, folders: Folders) -> None:
        """Promise: bytes are copied; a buffer that its owner uses again does no harm."""
        buffer = bytearray(int32(1))
        database = self.make(folders.new())
        database.declare('/n', INT32)
        database.write_serialized('/n', buffer, T0)  # type: ignore[arg-type]
        buffer[4] = 9
        with self.readable(database) as database:
            assert database.read('/n').data == 1

    def test_arrays_equal_messages(self, folders: Folders) -> None:
        """Promise: times, heads and columns say what the messages say one by one."""
        written = [
            SerializedMessage('/n', int32(number * number), T0 + number % 7, T0 - number, number)
            for number in range(40)
        ]
        with self.stored(folders.new(), written) as database:
            single = records_of(database)
            assert database.timestamps('/n').tolist() == [each.log_time_ns for each in single]
            for first, end in ((None, None), (2, 5)):
                start_ns = None if first is None else T0 + first
                stop_ns = None if end is None else T0 + end
                part = records_of(database, start_ns=start_ns, stop_ns=stop_ns)
                heads = database.heads('/n', start_ns, stop_ns)
                assert heads.log_time_ns.tolist() == [each.log_time_ns for each in part]
                assert heads.publish_time_ns.tolist() == [each.publish_time_ns for each in part]
                assert heads.sequence.tolist() == [each.sequence for each in part]
                assert heads.size.tolist() == [len(each.cdr) for each in part]
                columns = database.columns('/n', start_ns=start_ns, stop_ns=stop_ns)
                values = [codec_for(INT32).decode(each.cdr).data for each in part]
                assert columns['data'].values.tolist() == values
                assert columns.log_time_ns.tolist() == [each.log_time_ns for each in part]
            third = database.columns('/n', every=3)
            assert third['data'].values.tolist() == [
                codec_for(INT32).decode(each.cdr).data for each in single[::3]
            ]

    def test_a_reader_that_stops_early_does_no_harm(self, folders: Folders) -> None:
        """Promise: an iteration given up half-way hinders neither the next one nor closing."""
        written = [SerializedMessage('/n', int32(n), T0 + n, T0 + n) for n in range(20)]
        with self.stored(folders.new(), written) as database:
            halfway = iter(database.iterate_serialized())
            assert next(halfway).log_time_ns == T0
            assert records_of(database) == written
            assert next(halfway).log_time_ns == T0 + 1

    # What it cannot do.

    def test_what_it_cannot_do_is_refused(self, folders: Folders) -> None:
        """Promise: a capability that is denied is a CapabilityError, at once and later."""
        database = self.make(folders.new())
        database.declare('/n', INT32)
        database.write_serialized('/n', int32(1), T0)
        if not database.can_read:
            with pytest.raises(CapabilityError):
                list(database.iterate_serialized())
        database.close()
        if database.is_persistent:
            with self.reopen(database) as again:
                assert again.can_read
                if not again.can_write:
                    with pytest.raises(CapabilityError):
                        again.declare('/m', INT32)
                    with pytest.raises(CapabilityError):
                        again.write_serialized('/n', int32(2), T0)

    def test_what_is_stored_survives(self, folders: Folders) -> None:
        """Promise: a persistent database reopens as often as one likes, with the same content."""
        database = self.make(folders.new())
        if not database.is_persistent:
            database.close()
            pytest.skip(f'{database.name} is not persistent')
        database.declare('/n', INT32)
        database.write_serialized('/n', int32(1), T0)
        database.flush()
        database.write_serialized('/n', int32(2), T0 + 1)
        database.close()
        for _ in range(2):
            with self.reopen(database) as again:
                assert [message.data for message in again.read_all('/n')] == [1, 2]

    # Whatever is written.

    def test_any_type_survives(self, folders: Folders) -> None:
        """Promise: messages of any type come back bit for bit, as messages and as columns."""

        @settings(
            max_examples=self.examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(data=st.data(), schema=schemas())
        def check(data: st.DataObject, schema: Any) -> None:
            codec = codec_for(schema)
            drawn = data.draw(st.lists(messages(schema), min_size=1, max_size=4))
            database, model = self.make(folders.new()), MemoryDatabase()
            for each in (database, model):
                each.declare('/any', schema)
                for number, message in enumerate(drawn):
                    each.write_serialized('/any', codec.encode(message), T0 + number)
            with self.readable(database) as database:
                assert database.topic('/any').schema == schema
                assert records_of(database) == records_of(model)
                assert_same_columns(database.columns('/any'), model.columns('/any'))

        check()

    def test_any_sequence_of_calls(self, folders: Folders) -> None:
        """Promise: whatever is called in whatever order, it behaves like the memory database."""
        if not self.steps:
            pytest.skip('steps = 0')
        from lk_dataset_ros.testing.stateful import run_against_memory  # noqa: PLC0415

        run_against_memory(
            lambda: self.make(folders.new()),
            self.reopen,
            examples=self.examples,
            steps=self.steps,
        )


class Folders:
    """A source of empty folders with names that occur once.

    Args:
        root: Where they are made.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0

    def new(self) -> Path:
        """Make the next one."""
        self._count += 1
        folder = self._root / f'{self._root.name}-{self._count}'
        folder.mkdir()
        return folder
