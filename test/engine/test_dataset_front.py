"""The front end: made by kind, loaded from what is there, writing to all, reading from one."""

from __future__ import annotations

import logging
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros import Dataset, McapDatabase, MemoryDatabase, PickleDatabase, new_message
from lk_dataset_ros.dataset.databases import registry
from lk_dataset_ros.dataset.time import to_ns
from lk_dataset_ros.errors import (
    BagFormatError,
    BagNotFoundError,
    BagTimeError,
    CapabilityError,
    DatasetError,
    DatasetFormatError,
    LkError,
    MessageTypeError,
)
from lk_dataset_ros.message import builtin_schema

INT32 = builtin_schema('std_msgs/msg/Int32')
LOG = 'lk_dataset_ros.Dataset'


def number(value: int) -> Any:
    """Return a std_msgs/msg/Int32."""
    message = new_message('std_msgs/msg/Int32')
    message.data = value
    return message


class Failing(MemoryDatabase):
    """A database whose disk fails from a certain message on."""

    kind = 'failing'

    def __init__(self, error: BaseException, *calls: str, after: int = 0) -> None:
        super().__init__()
        self.error, self.calls, self.left = error, calls, after

    def _fail(self, call: str) -> None:
        if call in self.calls:
            if not self.left:
                raise self.error
            self.left -= 1

    def declare(self, *args: Any, **kwargs: Any) -> None:
        self._fail('declare')
        super().declare(*args, **kwargs)

    def write_serialized(self, *args: Any, **kwargs: Any) -> None:
        self._fail('write')
        super().write_serialized(*args, **kwargs)

    def flush(self) -> None:
        self._fail('flush')

    def close(self) -> None:
        self._fail('close')


class Closing(MemoryDatabase):
    """A database that knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


# Made and loaded.


@pytest.mark.parametrize(('kind', 'name'), [('mcap', 'bag'), ('pickle', 'x.pkl')])
def test_what_is_created_is_loaded(kit: Any, kind: str, name: str) -> None:
    """Promise: `load` finds the database by what is at the path."""
    path = kit.folder / name
    with Dataset.create(kind, path) as dataset:
        for key, message, time_ns in kit.drive(3):
            dataset.write(key, message, timestamp_ns=time_ns)
    for location in (path, str(path)):
        with Dataset.load(location) as dataset:
            assert dataset.databases[0].kind == kind
            assert len(dataset['/odom']) == 3


def test_content_counts_more_than_a_name(kit: Any) -> None:
    """Promise: a bag or a pickle under another name is recognised by how it begins."""
    kit.memory(kit.drive(3)).to_pickle(kit.folder / 'x.pkl')
    (kit.folder / 'x.pkl').rename(kit.folder / 'x.data')
    kit.bare('y.mcap', kit.drive(3)).rename(kit.folder / 'y.data')
    for name, kind in (('x.data', 'pickle'), ('y.data', 'mcap')):
        with Dataset.load(kit.folder / name) as dataset:
            assert dataset.databases[0].kind == kind
            assert len(dataset['/odom']) == 3


def test_what_is_not_recognised_says_what_was_looked_for(kit: Any) -> None:
    """Promise: the error lists the kinds with what their locations look like."""
    (kit.folder / 'x.txt').write_text('hello')
    with pytest.raises(BagNotFoundError, match=r'nowhere.*\.pkl.*rosbag2 folder'):
        Dataset.load(kit.folder / 'nowhere')
    with pytest.raises(DatasetFormatError, match=r'x\.txt.*pickle.*mcap.*reductstore://host'):
        Dataset.load(kit.folder / 'x.txt')
    with pytest.raises(DatasetFormatError, match='s3://bucket/x'):
        Dataset.load('s3://bucket/x')
    for wrong in (None, 5, b'x', ''):
        with pytest.raises(DatasetError, match='is no location'):
            Dataset.load(wrong)  # type: ignore[arg-type]


def test_broken_files_stay_with_their_kind(kit: Any) -> None:
    """Promise: a file with a known name but other content is an error of that kind."""
    (kit.folder / 'x.mcap').write_text('hello, I am no bag')
    (kit.folder / 'x.pkl').write_text('hello')
    with pytest.raises(BagFormatError):
        Dataset.load(kit.folder / 'x.mcap')
    with pytest.raises(DatasetFormatError, match=r'x\.pkl'):
        Dataset.load(kit.folder / 'x.pkl')


def test_wrong_kinds_and_options_are_named(kit: Any) -> None:
    """Promise: unknown kinds list the known, missing locations and unknown options are named."""
    with pytest.raises(DatasetError, match=r"no kind of database 'csv'; there is memory, pickle"):
        Dataset.create('csv', kit.folder / 'x')
    with pytest.raises(DatasetError, match='mcap needs a location'):
        Dataset.create('mcap')
    with pytest.raises(DatasetError, match="mcap has no option 'squeeze'"):
        Dataset.create('mcap', kit.folder / 'x', squeeze=True)
    with pytest.raises(DatasetError, match='memory database takes no location'):
        Dataset.create('memory', kit.folder / 'x')
    with Dataset.create('mcap', kit.folder / 'bag', compression='none') as dataset:
        dataset.write('/n', number(1), 1)


class Tape(MemoryDatabase):
    """A third party's database."""

    kind = 'tape'

    @classmethod
    def recognises(cls, location: str) -> bool:
        return location.startswith('tape://')

    @classmethod
    def open(cls, location: str, mode: Any, **options: Any) -> Tape:
        database = cls()
        database.declare('/n', INT32)
        if mode == 'r':
            database.write_serialized('/n', b'\0\1\0\0\7\0\0\0', len(location))
        return database


class Upset(Tape):
    """A third party's database that fails when it is asked."""

    kind = 'upset'

    @classmethod
    def recognises(cls, location: str) -> bool:
        raise RuntimeError(f'no tape\nin {location}')


@pytest.fixture
def third_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install third parties' databases: a sound one, an upset one, and broken ones."""
    monkeypatch.setattr(registry, '_reported', set())
    registry.test_classes = SimpleNamespace(  # type: ignore[attr-defined]
        Tape=Tape, Upset=Upset, number=3
    )
    here = 'lk_dataset_ros.dataset.databases.registry:test_classes'
    entries = [
        EntryPoint(name, value, registry.GROUP)
        for name, value in [
            ('mcap', f'{here}.Tape'),
            ('gone', 'no_such_package.x:Y'),
            ('lacking', f'{here}.Missing'),
            ('wrong', f'{here}.number'),
            ('upset', f'{here}.Upset'),
            ('tape', f'{here}.Tape'),
            ('tape', f'{here}.Upset'),
        ]
    ]
    monkeypatch.setattr(registry, 'entry_points', lambda group: entries)
    yield
    del registry.test_classes  # type: ignore[attr-defined]


@pytest.mark.usefixtures('third_parties')
def test_third_parties_databases_are_found(caplog: pytest.LogCaptureFixture, kit: Any) -> None:
    """Promise: an entry point brings a kind; broken ones are named in a line each, once."""
    for _ in range(2):
        assert Dataset.load('tape://x')['/n'][0].data == 7
    assert isinstance(Dataset.create('tape', 'tape://y').databases[0], Tape)
    assert 'tape' in registry.kinds()
    lines = [record.getMessage() for record in caplog.records]
    for named in ("'mcap', which is one of our own", 'gone', 'lacking', 'wrong', 'upset'):
        assert len([line for line in lines if named in line]) == 1, named
    assert not any('\n' in line for line in lines)
    with pytest.raises(CapabilityError, match=r'gone \(no_such_package.x:Y of .*ModuleNotFound'):
        Dataset.create('gone', 'x')
    with pytest.raises(CapabilityError, match='is no Database class'):
        Dataset.create('wrong', 'x')
    # A third party does not replace ours.
    with Dataset.create('mcap', kit.folder / 'bag') as dataset:
        assert isinstance(dataset.databases[0], McapDatabase)
    with pytest.raises(DatasetFormatError, match=r'foxglove.*tape'):
        Dataset.load('other://x')


# Writing to all.


def test_a_failing_database_is_reported_once_and_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Promise: a full disk is one line in the log and a count in `failures`; the others go on."""
    sound = MemoryDatabase()
    dataset = Dataset(Failing(OSError(28, 'No space left\non device'), 'write', after=2), sound)
    for index in range(100):
        dataset.write('/n', number(index), timestamp_ns=index)
    assert sound.topic('/n').count == 100
    (failure,) = dataset.failures
    assert (failure.action, failure.count, failure.database) == ('write', 98, 'Failing')
    assert isinstance(failure.error, OSError)
    assert '98 times' in str(failure)
    (record,) = caplog.records
    assert (record.name, record.levelname) == (LOG, 'ERROR')
    assert '\n' not in record.getMessage()
    assert 'Failing: write failed: [Errno 28] No space left' in record.getMessage()


def test_each_kind_of_failure_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Promise: another action, another error or another database is a report of its own."""
    first = Failing(OSError('a'), 'write', 'flush')
    second = Failing(RuntimeError('b'), 'write')
    dataset = Dataset(first, second, MemoryDatabase())
    for _ in range(3):
        dataset.write('/n', number(1), 1)
        dataset.flush()
    first.error = ValueError('c')
    dataset.write('/n', number(1), 1)
    assert [(each.action, str(each.error), each.count) for each in dataset.failures] == [
        ('write', 'a', 3),
        ('write', 'b', 4),
        ('flush', 'a', 3),
        ('write', 'c', 1),
    ]
    assert len(caplog.records) == 4


def test_all_failing_is_the_first_error() -> None:
    """Promise: when no database takes a message, the first one's error is raised, whatever it is."""
    dataset = Dataset(Failing(OSError('first'), 'write'), Failing(RuntimeError('second'), 'write'))
    with pytest.raises(OSError, match='first'):
        dataset.write('/n', number(1), 1)
    with pytest.raises(OSError, match='flush it'):
        Dataset(Failing(OSError('flush it'), 'flush')).flush()


def test_a_database_that_comes_back_gets_its_keys() -> None:
    """Promise: a database that could not be reached when a key was declared gets it later."""
    shaky = Failing(ConnectionError('down'), 'declare')
    dataset = Dataset(MemoryDatabase(), shaky)
    dataset.declare('/n', INT32, 'a qos')
    dataset.write('/n', number(1), 1)
    shaky.calls = ()
    dataset.write('/n', number(2), 2)
    assert [message.data for message in shaky.read_all('/n')] == [2]
    assert shaky.topic('/n').qos == 'a qos'


def test_a_database_with_another_type_is_never_written_to() -> None:
    """Promise: a key that one database has with another type is refused there, and only there."""
    other, sound = MemoryDatabase(), MemoryDatabase()
    other.declare('/n', builtin_schema('std_msgs/msg/String'))
    dataset = Dataset(sound, other)
    dataset.declare('/n', INT32)
    dataset.write('/n', number(1), timestamp_ns=1)
    dataset.write_serialized('/n', b'\0\1\0\0\2\0\0\0', 2)
    assert [message.data for message in sound.read_all('/n')] == [1, 2]
    assert other.topic('/n').count == 0
    assert {type(each.error) for each in dataset.failures} == {MessageTypeError}


def test_close_closes_all() -> None:
    """Promise: every database is closed, also behind one that fails or is interrupted."""
    last = Closing()
    Dataset(Failing(OSError('x'), 'close'), last).close()
    assert last.is_closed
    last = Closing()
    with pytest.raises(KeyboardInterrupt):
        Dataset(Failing(KeyboardInterrupt(), 'close'), last).close()
    assert last.is_closed
    with pytest.raises(OSError, match='only'):
        Dataset(Failing(OSError('only'), 'close')).close()


def test_an_error_of_the_message_is_raised(kit: Any) -> None:
    """Promise: what no database can take is refused, and nothing is half written."""
    first, second = MemoryDatabase(), MemoryDatabase()
    dataset = Dataset(first, second)
    dataset.write('/n', number(1), 1)
    with pytest.raises(MessageTypeError):
        dataset.write('/n', new_message('std_msgs/msg/String'), 2)
    assert first.topic('/n').count == second.topic('/n').count == 1
    assert dataset.failures == ()
    with PickleDatabase(kit.folder / 'x.pkl', 'w') as database:
        database.declare('/n', INT32)
    with pytest.raises(CapabilityError, match='can be written'):
        Dataset.load(kit.folder / 'x.pkl').write('/n', number(1), 1)


def test_reading_comes_from_the_first_that_can(kit: Any) -> None:
    """Promise: a bag being written is passed over, the memory behind it read."""
    with Dataset(McapDatabase(kit.folder / 'bag', 'w'), MemoryDatabase()) as dataset:
        dataset['/n'] = number(5)
        assert dataset['/n'][0].data == 5
        assert '/n' in dataset
        assert list(dataset) == ['/n']
        assert len(dataset) == 1
    with (
        Dataset(McapDatabase(kit.folder / 'other', 'w')) as dataset,
        pytest.raises(CapabilityError, match='can be read now'),
    ):
        dataset.keys()


def test_what_a_database_knew_before_is_kept_to(kit: Any) -> None:
    """Promise: a type that came with a database is used for message objects of the same name."""
    database = MemoryDatabase()
    database.declare('/own', kit.schema('my/msg/Own', 'int8 x\n'))
    Dataset(database).write('/own', SimpleNamespace(x=3), 1)
    assert database.read('/own').x == 3


# Time.


@pytest.mark.parametrize(
    ('timestamp', 'time_ns'),
    [
        (0.1, 100_000_000),
        (1_700_000_000, 1_700_000_000 * 10**9),
        (np.int64(2**33 + 1), (2**33 + 1) * 10**9),
        (np.float32(0.5), 500_000_000),
        (np.float64(-1.5), -1_500_000_000),
        (Decimal('1700000000.123456789'), 1_700_000_000_123_456_789),
        (Fraction(1, 3), 333_333_333),
        (SimpleNamespace(sec=-1, nanosec=500_000_000), -500_000_000),
        (SimpleNamespace(nanoseconds=2**62 + 1), 2**62 + 1),
    ],
)
def test_times_become_nanoseconds(timestamp: Any, time_ns: int) -> None:
    """Promise: whatever a user has at hand is taken exactly, rounded to the nanosecond once."""
    assert to_ns(timestamp) == time_ns


@pytest.mark.parametrize(
    'timestamp',
    [
        *('now', b'1', True, np.bool_(1), object(), float('nan'), float('inf'), 1e10, -(2**63)),
        *(SimpleNamespace(nanoseconds=2**63), 1j, [1.0], np.array([1.0, 2.0])),
    ],
)
def test_what_is_no_time_is_refused(timestamp: Any) -> None:
    """Promise: what is no time, or none that fits into 64 bits, is a BagTimeError."""
    with pytest.raises(BagTimeError):
        to_ns(timestamp)
    with pytest.raises(LkError):
        Dataset().write('/n', number(1), timestamp)


@given(st.integers(-(2**63), 2**63 - 1))
def test_nanoseconds_are_never_rounded(time_ns: int) -> None:
    """Promise: `timestamp_ns` comes back as it was given; a ROS time of it, too."""
    dataset = Dataset()
    dataset.write('/n', number(1), timestamp_ns=time_ns)
    dataset.write('/n', number(1), SimpleNamespace(sec=time_ns // 10**9, nanosec=time_ns % 10**9))
    assert dataset.timestamps('/n').tolist() == [time_ns, time_ns]


def test_one_time_only() -> None:
    """Promise: two times for one thing are refused, as are nanoseconds that are no integer."""
    dataset = Dataset()
    with pytest.raises(DatasetError, match='give timestamp or timestamp_ns, not both'):
        dataset.write('/n', number(1), 1.0, timestamp_ns=5)
    with pytest.raises(BagTimeError, match='give an int'):
        dataset.write('/n', number(1), timestamp_ns=1.5)  # type: ignore[arg-type]
    with pytest.raises(BagTimeError):
        dataset.write('/n', number(1), timestamp_ns=2**63)


def test_columns_take_seconds_and_ros_times() -> None:
    """Promise: `start` and `stop` of columns are seconds or ROS times; not both forms at once."""
    dataset = Dataset()
    for index in range(10):
        dataset.write('/n', number(index), index / 10)
    stop = SimpleNamespace(sec=0, nanosec=500_000_000)
    wanted = dataset.columns('/n', start_ns=200_000_000, stop_ns=500_000_000)
    found = dataset.columns('/n', start=0.2, stop=stop)
    assert found['data'].values.tolist() == wanted['data'].values.tolist() == [2, 3, 4]
    with pytest.raises(DatasetError, match='start or start_ns'):
        dataset.columns('/n', start=1, start_ns=1)


# What it says.


def test_repr_tells_what_is_in_it(kit: Any) -> None:
    """Promise: keys, types, counts and duration; and never an error."""
    dataset = kit.memory(kit.drive(10))
    text = repr(dataset)
    assert text == '<Dataset MemoryDatabase: /odom nav_msgs/msg/Odometry 10; 0.900 s>'
    assert repr(Dataset()) == '<Dataset MemoryDatabase: empty>'
    path = kit.folder / 'bag'
    with Dataset(McapDatabase(path, 'w')) as dataset:
        assert repr(dataset) == f'<Dataset {path}>'

    class Broken(MemoryDatabase):
        def topics(self) -> Any:
            raise OSError('gone')

    assert repr(Dataset(Broken())) == '<Dataset Broken>'


def test_warnings_of_what_is_loaded_are_logged(kit: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Promise: what a reader should know about a damaged bag is said when it is loaded."""
    path = kit.bag('bag', kit.drive(3))
    (path / 'metadata.yaml').unlink()
    with caplog.at_level(logging.WARNING, LOG), Dataset.load(path) as dataset:
        assert len(dataset.warnings) == 1
        assert [record.getMessage() for record in caplog.records] == dataset.warnings
