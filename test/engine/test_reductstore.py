"""Datasets in ReductStore: the contract against the server at `LK_REDUCT_URL`, else a fake."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import threading
import time
import uuid
from contextlib import nullcontext, suppress

import pytest
import reduct
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import MemoryDatabase
from lk_dataset_ros.dataset.databases.reduct.names import (
    TOPICS_ENTRY,
    entry_of,
    key_of,
    place_of,
    server_url,
)
from lk_dataset_ros.dataset.databases.reduct.records import Slots, StoredTopic
from lk_dataset_ros.dataset.databases.reductstore import ReductStoreDatabase
from lk_dataset_ros.errors import (
    BagExistsError,
    BagNotFoundError,
    BagTimeError,
    CapabilityError,
    ExtraMissingError,
    KeyNotFoundError,
    LkError,
    ServerError,
)
from lk_dataset_ros.message import builtin_schema
from lk_dataset_ros.testing import DatabaseConformance
from lk_dataset_ros.testing.reductstore import FakeReductStore, StoredRecord

REAL_URL, _, REAL_TOKEN = server_url(os.environ.get('LK_REDUCT_URL') or 'reductstore://none')
REAL_TOKEN = os.environ.get('LK_REDUCT_TOKEN', REAL_TOKEN)
IS_REAL = bool(os.environ.get('LK_REDUCT_URL'))
T0 = 1_700_000_000_123_456_789
INT32 = builtin_schema('std_msgs/msg/Int32')


def int32(value):
    """Return a serialized `std_msgs/msg/Int32`."""
    return b'\0\1\0\0' + value.to_bytes(4, 'little', signed=True)


@pytest.fixture
def fake():
    """Return a server in this process."""
    with FakeReductStore() as server:
        yield server


def written(fake, times, **options):
    """Write numbers at given times, in one session."""
    with ReductStoreDatabase(fake.url, 'b', **options) as database:
        database.declare('/n', INT32)
        for number, time_ns in enumerate(times):
            database.write_serialized('/n', int32(number), time_ns)


def read_back(fake, **span):
    """Return log times as they come from a server."""
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        return [each.log_time_ns for each in database.iterate_serialized(**span)]


def official(url, work, token=None):
    """Do something with reduct-py itself."""

    async def run():
        async with reduct.Client(url, token) as client:
            await client.list()
            return await work(client)

    return asyncio.run(run())


class TestReductStoreConformance(DatabaseConformance):
    """The contract of all databases, against a real server where there is one."""

    examples = 6
    steps = 12

    @pytest.fixture(autouse=True)
    def server(self):
        """Keep the server's address; remove the buckets of a real one afterwards."""
        self.made = []
        if IS_REAL:
            self.url, self.token = REAL_URL, REAL_TOKEN
            yield

            async def remove(client):
                for bucket in self.made:
                    with suppress(reduct.ReductError):
                        await (await client.get_bucket(bucket)).remove()

            official(REAL_URL, remove, REAL_TOKEN or None)
        else:
            with FakeReductStore('secret') as fake:
                self.url, self.token = fake.url, 'secret'
                yield

    def make(self, folder):
        """Make a dataset in a bucket of its own."""
        bucket = f'lk-test-{uuid.uuid4().hex}'
        self.made.append(bucket)
        return ReductStoreDatabase(self.url, bucket, token=self.token, mode='w')

    def reopen(self, database):
        """Open the same bucket for reading."""
        place = database.place
        return ReductStoreDatabase(place.url, place.bucket, token=self.token, mode='r')


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from('/-_a$')), max_size=20))
@example('/odom')
@example('')
@example('/')
@example('//')
@example('/a//b/')
@example('-/a')
@example('/-2F')
def test_keys_become_entries_and_back(key):
    """Promise: any key has an entry that the server takes, and the entry leads back to it."""
    entry = entry_of(key)
    assert re.fullmatch(r'[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*', entry)
    assert key_of(entry) == (key if key.isprintable() else key_of(entry))
    with suppress(UnicodeEncodeError):
        key.encode()
        assert key_of(entry) == key


def test_ros_topics_are_their_own_entries():
    """Promise: a ROS topic is found under its own name; what no key gives is no key's."""
    assert entry_of('/camera/image_raw') == 'camera/image_raw'
    for entry in (TOPICS_ENTRY, 'a/', '/a', 'a//b', '-2', 'x-2f', '-41', ''):
        assert key_of(entry) is None


@pytest.mark.parametrize(
    ('location', 'url', 'bucket', 'token'),
    [
        ('reductstore://host:1234/b', 'http://host:1234', 'b', ''),
        ('reductstores://t%2Fk@host/b-1', 'https://host:8383', 'b-1', 't/k'),
        ('reductstore://[::1]:5/b/', 'http://[::1]:5', 'b', ''),
    ],
)
def test_locations_are_understood(location, url, bucket, token):
    """Promise: scheme, token, host, port and bucket are taken from a location."""
    place = place_of(location)
    assert (place.url, place.bucket, place.token) == (url, bucket, token)
    assert token == '' or token not in repr(place)
    assert ReductStoreDatabase.recognises(location)


@pytest.mark.parametrize(
    'location',
    [
        'reductstore://host:99999/b',
        'reductstore://host',
        'reductstore:///b',
        'reductstore://host/a/b',
        'reductstore://host/ä',
        'ftp://host/b',
        'reductstore://[::1/b',
    ],
)
def test_wrong_locations_are_refused(location):
    """Promise: what names no server and bucket gets one line with the right form."""
    with pytest.raises(ServerError, match='reductstore://') as caught:
        ReductStoreDatabase.open(location, 'r')
    assert '\n' not in str(caught.value)


def test_messages_of_one_microsecond_survive(fake):
    """Promise: messages within a microsecond all come back, exact and in order."""
    times = [T0 + step for step in (5, 0, 3, 3, 1, 999, 2, 1000, 4)]
    written(fake, times)
    assert len(fake.buckets['b']['n']) == len(times)
    assert read_back(fake) == sorted(times)
    assert read_back(fake, start_ns=T0 + 3, stop_ns=T0 + 5) == [T0 + 3, T0 + 3, T0 + 4]


SPAN = st.one_of(st.none(), st.integers(-10, 30_000))


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck), database=None)
@given(
    sessions=st.lists(
        st.lists(st.tuples(st.sampled_from(['/a', 'b']), st.integers(0, 20_000)), max_size=40),
        max_size=3,
    ),
    batch=st.integers(1, 90),
    span=st.tuples(SPAN, SPAN),
    page=st.integers(1, 5),
)
def test_reading_is_as_from_memory(sessions, batch, span, page):
    """Promise: crowded and disordered times, several sessions: the same as from memory."""
    model = MemoryDatabase()
    with FakeReductStore(max_records=page) as fake:
        for session in sessions:
            with ReductStoreDatabase(fake.url, 'b', batch_records=batch) as database:
                for number, (key, step) in enumerate(session):
                    for each in (database, model):
                        each.declare(key, INT32)
                        each.write_serialized(key, int32(number), T0 + step, step, number)
        start_ns, stop_ns = (None if end is None else T0 + end for end in span)
        if not sessions:
            return
        with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
            for keys in (None, *([key] for key in model.topics())):
                found = list(database.iterate_serialized(keys, start_ns, stop_ns))
                wanted = list(model.iterate_serialized(keys, start_ns, stop_ns))
                assert sorted(found) == sorted(wanted)
                if keys:
                    assert found == wanted
            assert database.time_range_ns() == model.time_range_ns()
            assert database.warnings == []


def test_a_microsecond_slot_is_given_once():
    """Promise: slots are never given twice, forgotten ones are left to the server's word."""
    slots = Slots()
    given_out = [slots.take(T0) for _ in range(1000)] + [slots.take(T0 + 7) for _ in range(10)]
    assert len(set(given_out)) == 1010
    assert given_out[0] == T0 // 1000
    assert max(given_out) == T0 // 1000 + 1009
    with pytest.raises(ServerError, match='one per microsecond'):
        slots.take(T0, T0 // 1000 + 1_000_001)
    with pytest.raises(BagTimeError):
        slots.take(-1)


def test_a_later_session_finds_slots_taken(fake):
    """Promise: what others stored at the same time stays, the new messages are put beside it."""
    for _ in range(3):
        written(fake, [T0] * 50)
    assert read_back(fake) == [T0] * 150
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        assert [message.data for message in database.read_all('/n')] == [*range(50)] * 3
        assert database.topic('/n').count == 150


def test_a_time_span_costs_what_it_holds(fake):
    """Promise: a span of time is asked for as such; heads and times leave the contents there."""
    written(fake, [T0 + number * 1_000_000 for number in range(2000)])
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        fake.requests.clear()
        heads = database.heads('/n')
        assert heads.size.tolist() == [8] * 2000
        assert database.read('/n', 1000).data == 1000
        contents = [each for each in fake.requests if each == 'GET /api/v1/io/b/read']
        assert len(contents) < 10
        fake.requests.clear()
        assert len(list(database.iterate_serialized(None, T0, T0 + 5_000_000))) == 5
        assert len(fake.requests) < 6


def test_a_slow_reader_loses_nothing():
    """Promise: however long a reader takes over a message, no query expires under it."""
    now = [0.0]
    with FakeReductStore(max_records=7, clock=lambda: now[0]) as fake:
        written(fake, [T0 + number for number in range(300)])
        with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
            count = 0
            for _ in database.iterate_serialized():
                now[0] += 3600
                count += 1
        assert count == 300


def test_reduct_py_finds_what_was_written(fake):
    """Promise: labels and contents are what ReductStore's own client reads."""
    with ReductStoreDatabase(fake.url, 'b') as database:
        database.declare('/a,b/c d', INT32, 'qos')
        database.write_serialized('/a,b/c d', int32(7), T0, T0 - 5, 9)

    async def read(client):
        bucket = await client.get_bucket('b')
        entry = entry_of('/a,b/c d')
        found = [(each, await each.read_all()) async for each in bucket.query(entry)]
        return found, await bucket.read_attachments(TOPICS_ENTRY)

    ((record, content),), attachments = official(fake.url, read)
    assert content == int32(7)
    assert record.timestamp == T0 // 1000
    assert record.labels['key'] == '/a%2Cb/c%20d'
    assert record.labels['type'] == 'std_msgs/msg/Int32'
    assert record.labels['lk_time'] == str(T0)
    (topic,) = attachments.values()
    assert topic['schema'] == INT32.text
    assert topic['qos'] == 'qos'


def test_foreign_records_are_left_out(fake):
    """Promise: records without our labels, or with impossible ones, are skipped and told of."""
    written(fake, [T0])

    async def add(client):
        bucket = await client.get_bucket('b')
        batch = reduct.RecordBatch()
        batch.add('n', 5, b'mine', labels={'lk_time': 'soon'})
        lie = {'lk_time': '1', 'lk_sent': '1', 'lk_seq': '0', 'lk_n': '1'}
        batch.add('n', T0, b'lie', labels=lie)
        future = {'lk_time': '99999', 'lk_sent': '1', 'lk_seq': '0', 'lk_n': '1'}
        batch.add('n', 77, b'not yet', labels=future)
        batch.add('other', 5, b'x')
        assert await bucket.write_record_batch(batch) == {}

    official(fake.url, add)
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        assert database.warnings == []
        assert [message.data for message in database.read_all('/n')] == [0]
        assert [line for line in database.warnings if '3 records of entry n' in line]
        assert database.topic('/n').count == 1
        assert database.keys() == ['/n']
        assert database.read('/n').data == 0


@pytest.mark.parametrize(
    'content',
    [
        b'{',
        b'[' * 100_000,
        b'[]',
        b'{"version": 2}',
        b'{"version": 1, "topic": 3}',
        StoredTopic('/x', INT32, '', 0).to_json().replace(b'"shift_us": 0', b'"shift_us": -1'),
        b'\xff',
    ],
)
def test_foreign_attachments_are_left_out(fake, content):
    """Promise: an attachment that describes no topic is skipped and told of."""
    written(fake, [T0])
    fake.buckets['b'][f'{TOPICS_ENTRY}/$meta'][1] = StoredRecord(
        content, 'application/json', {'key': 'odd'}
    )
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        assert database.keys() == ['/n']
        assert any('attachment odd' in line for line in database.warnings)


def one_line(error):
    """Check the form of a message."""
    text = str(error.value)
    assert '\n' not in text
    assert len(text) < 500
    assert 'secret' not in text
    return text


def test_a_server_that_is_not_there(fake):
    """Promise: an address without a server is a ServerError that names it, and no thread stays."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        url = f'reductstore://secret@127.0.0.1:{free.getsockname()[1]}/b'
        with pytest.raises(ServerError) as error:
            ReductStoreDatabase.open(url, 'r')
    assert 'there is no ReductStore server at http://127.0.0.1:' in one_line(error)
    assert not [each for each in threading.enumerate() if each.name == 'lk-reductstore']


def test_a_server_that_is_silent(fake):
    """Promise: a server that never answers is given up after the time-out."""
    fake.before = lambda *_: 'silent'
    start = time.monotonic()
    with pytest.raises(ServerError) as error:
        ReductStoreDatabase(fake.url, 'b', timeout_s=0.2)
    assert 'does not answer within 0.2 s' in one_line(error)
    assert time.monotonic() - start < 5


def test_tokens_are_needed():
    """Promise: a missing or wrong token is told in one line that does not show it."""
    with FakeReductStore('right') as fake:
        for token in ('', 'secret'):
            with pytest.raises(ServerError) as error:
                ReductStoreDatabase(fake.url, 'b', token=token)
            assert 'refuses the token for bucket b' in one_line(error)
        location = fake.url.replace('http://', 'reductstore://right@') + '/b'
        with ReductStoreDatabase.open(location, 'w') as database:
            assert 'right' not in database.name


def test_missing_and_full_buckets(fake):
    """Promise: reading needs a bucket, `w` needs one without a dataset, `r` does not write."""
    with pytest.raises(BagNotFoundError, match='there is no bucket b at http') as error:
        ReductStoreDatabase(fake.url, 'b', mode='r')
    one_line(error)
    written(fake, [T0], mode='w')
    with pytest.raises(BagExistsError, match='holds a dataset already'):
        ReductStoreDatabase(fake.url, 'b', mode='w')
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        assert not database.can_write
        with pytest.raises(CapabilityError):
            database.declare('/m', INT32)


@pytest.mark.parametrize('api', ['1.18', '2.0'])
def test_other_apis_are_refused(api):
    """Promise: a server that is too old or too new is refused, naming its version."""
    warned = pytest.warns(UserWarning, match='too old') if api == '1.18' else nullcontext()
    with FakeReductStore(api=api) as fake, warned:
        with pytest.raises(ServerError, match=re.escape(api)) as error:
            ReductStoreDatabase(fake.url, 'b')
        one_line(error)


@pytest.mark.parametrize('fault', ['short', 'less', 'drop'])
def test_truncated_answers(fake, fault):
    """Promise: an answer that ends too early is an error at once, never half a message."""
    written(fake, [T0 + number for number in range(20)])
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        topic_reads = [1]

        def before(method, path):
            if (method, path) == ('GET', '/api/v1/io/b/read'):
                topic_reads[0] -= 1
                return None if topic_reads[0] >= 0 else fault
            return None

        fake.before = before
        with pytest.raises(ServerError) as error:
            list(database.iterate_serialized())
        one_line(error)
        fake.before = lambda *_: None
        assert len(list(database.iterate_serialized())) == 20


@pytest.mark.parametrize('value', ['-5,x', '99999999999999999999,x', 'x'])
def test_lying_sizes(fake, value, monkeypatch):
    """Promise: record sizes that contradict the answer's length are an error, not a hang."""
    written(fake, [T0, T0 + 2000])
    real = fake.answer

    def lying(*request):
        status, told, content = real(*request)
        if 'x-reduct-0-2' in told:
            told['x-reduct-0-0'] = value
        return status, told, content

    monkeypatch.setattr(fake, 'answer', lying)
    with ReductStoreDatabase(fake.url, 'b', mode='r') as database:
        with pytest.raises(ServerError) as error:
            list(database.iterate_serialized())
        one_line(error)


def test_single_refused_records_are_told_of(fake):
    """Promise: what the server refuses of a batch is an error that names it; the rest is there."""
    fake.refuse = lambda entry, slot: (422, 'no luck') if slot == T0 // 1000 + 3 else None
    database = ReductStoreDatabase(fake.url, 'b')
    database.declare('/n', INT32)
    for number in range(6):
        database.write_serialized('/n', int32(number), T0 + number * 1000)
    with pytest.raises(ServerError, match=r'refused 1 messages.*/n at .*no luck') as error:
        database.flush()
    one_line(error)
    database.write_serialized('/n', int32(6), T0 + 6000)
    database.close()
    assert read_back(fake) == [T0 + number * 1000 for number in (0, 1, 2, 4, 5, 6)]


@pytest.mark.parametrize('fault', ['drop', 'done'])
@pytest.mark.parametrize('step', [1, 1000])
def test_a_failed_batch_is_tried_again_and_stored_once(fake, fault, step):
    """Promise: after a broken connection nothing is lost or doubled, whatever had arrived."""
    database = ReductStoreDatabase(fake.url, 'b', batch_records=10)
    database.declare('/n', INT32)
    faults = [fault, fault]
    fake.before = lambda _, path: faults.pop() if path.endswith('/write') and faults else None
    failed = 0
    for number in range(25):
        for _ in range(3):
            with suppress(ServerError):
                database.write_serialized('/n', int32(number), T0 + number * step)
                break
            failed += 1
    assert failed == 2
    database.close()
    assert read_back(fake) == [T0 + number * step for number in range(25)]
    assert len(fake.buckets['b']['n']) == 25


def test_a_slot_that_another_took_meanwhile_is_left_to_it(fake):
    """Promise: a batch tried again stands beside what another writer stored in between."""
    database = ReductStoreDatabase(fake.url, 'b')
    database.declare('/n', INT32)
    database.write_serialized('/n', int32(1), T0)
    fake.before = lambda *_: 'drop'
    with pytest.raises(ServerError):
        database.flush()
    fake.before = lambda *_: None
    written(fake, [T0])
    database.close()
    assert read_back(fake) == [T0, T0]


def test_what_cannot_be_stored_at_the_end_is_told(fake):
    """Promise: closing without a server says how many messages are lost, and ends the thread."""
    database = ReductStoreDatabase(fake.url, 'b')
    database.declare('/n', INT32)
    database.write_serialized('/n', int32(0), T0)
    fake.close()
    with pytest.raises(ServerError, match='1 messages were not stored') as error:
        database.close()
    one_line(error)
    database.close()
    assert not [each for each in threading.enumerate() if each.name == 'lk-reductstore']
    with pytest.raises(LkError):
        database.topics()


def test_batches_keep_the_limits(fake):
    """Promise: batches are bounded by number and by bytes; a larger message goes alone."""
    with ReductStoreDatabase(fake.url, 'b', batch_records=1000, batch_bytes=100) as database:
        database.declare('/n', INT32)
        fake.requests.clear()
        for number in range(10):
            database.write_serialized('/n', bytes(40), T0 + number)
        database.write_serialized('/n', bytes(1000), T0 + 10)
        database.flush()
        writes = [each for each in fake.requests if each.endswith('/write')]
        assert 5 <= len(writes) <= 10
    written(fake, [T0 + number for number in range(500)], batch_records=1000)
    assert len(read_back(fake)) == 511


def test_threads_may_look_on_while_one_writes(fake):
    """Promise: topics are asked for and flushed by others while messages are written: all once."""
    with ReductStoreDatabase(fake.url, 'b', batch_records=5) as database:
        stop = threading.Event()
        failed = []

        def look():
            try:
                while not stop.is_set():
                    database.topics()
                    database.flush()
            except LkError as error:
                failed.append(error)

        lookers = [threading.Thread(target=look) for _ in range(2)]
        for looker in lookers:
            looker.start()
        for number in range(300):
            database.declare(f'/n{number % 3}', INT32)
            database.write_serialized(f'/n{number % 3}', int32(number), T0 + number)
        stop.set()
        for looker in lookers:
            looker.join(10)
        assert failed == []
    assert read_back(fake) == [T0 + number for number in range(300)]


def test_a_missing_library_is_named(fake, monkeypatch):
    """Promise: without reduct-py the extra to install is named."""
    monkeypatch.setitem(sys.modules, 'reduct', None)
    with pytest.raises(ExtraMissingError, match=r'lk_dataset_ros\[reductstore\]'):
        ReductStoreDatabase(fake.url, 'b')


def test_wrong_arguments_are_refused(fake):
    """Promise: modes, time-outs and URLs that make no sense are refused."""
    for options in ({'mode': 'x'}, {'timeout_s': 0}, {'timeout_s': float('nan')}):
        with pytest.raises(ValueError):
            ReductStoreDatabase(fake.url, 'b', **options)
    with pytest.raises(ServerError, match='too much'):
        ReductStoreDatabase(fake.url + '/x', 'b')
    with ReductStoreDatabase(fake.url, 'b') as database, pytest.raises(KeyNotFoundError):
        database.timestamps('/n')
