"""A live view, looked at by a WebSocket client of Foxglove's protocol that is not the SDK's."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
from contextlib import suppress

import aiohttp
import pytest

from lk_dataset_ros.dataset import Dataset, MemoryDatabase
from lk_dataset_ros.dataset.databases._foxglove_latched import Latch, latched_depth
from lk_dataset_ros.dataset.databases.foxglove import FoxgloveDatabase
from lk_dataset_ros.errors import (
    BagTimeError,
    CapabilityError,
    ExtraMissingError,
    KeyNotFoundError,
    ServerError,
)
from lk_dataset_ros.message import ROS2IDL, Schema, builtin_schema
from lk_dataset_ros.testing import DatabaseConformance

T0 = 1_700_000_000_123_456_789
INT32 = builtin_schema('std_msgs/msg/Int32')
LATCHED = '- history: keep_last\n  depth: 1\n  durability: transient_local\n'


def int32(value):
    """Return a serialized `std_msgs/msg/Int32`."""
    return b'\0\1\0\0' + value.to_bytes(4, 'little', signed=True)


class Viewer:
    """A client of the protocol `foxglove.sdk.v1`, which shares its messages with websocket.v1."""

    def __init__(self, ws):
        self.ws = ws
        self.channels = {}
        self.subscribed = {}
        self.texts = []
        self.times = []
        self.messages = []

    async def receive(self):
        """Take in one frame."""
        frame = await asyncio.wait_for(self.ws.receive(), 10)
        if frame.type is aiohttp.WSMsgType.TEXT:
            told = frame.json()
            self.texts.append(told)
            for channel in told.get('channels', ()):
                self.channels[channel['topic']] = channel
        elif frame.type is aiohttp.WSMsgType.BINARY and frame.data[0] == 1:
            number, time_ns = struct.unpack_from('<IQ', frame.data, 1)
            self.messages.append((self.subscribed[number], time_ns, frame.data[13:]))
        elif frame.type is aiohttp.WSMsgType.BINARY and frame.data[0] == 2:
            self.times.append(*struct.unpack_from('<Q', frame.data, 1))
        else:
            raise ConnectionError(frame)

    async def until(self, condition):
        """Take in frames until something is so."""
        while not condition():
            await self.receive()

    async def subscribe(self, *topics):
        """Subscribe to topics, once they are advertised."""
        await self.until(lambda: set(topics) <= set(self.channels))
        asked = []
        for topic in topics:
            number = 100 + len(self.subscribed)
            self.subscribed[number] = topic
            asked.append({'id': number, 'channelId': self.channels[topic]['id']})
        await self.ws.send_json({'op': 'subscribe', 'subscriptions': asked})


def view(database, look):
    """Connect a viewer and let it look."""

    async def run():
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(database.name, protocols=['foxglove.sdk.v1']) as ws,
        ):
            assert ws.protocol == 'foxglove.sdk.v1'
            return await look(Viewer(ws))

    return asyncio.run(run())


async def subscribed(viewer, database, key):
    """Subscribe, and wait until that works: write until something arrives."""
    await viewer.subscribe(key)
    number = 0
    while not viewer.messages:
        database.write_serialized(key, int32(-1), number)
        number += 1
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(viewer.until(lambda: viewer.messages), 0.05)
    viewer.messages.clear()


@pytest.fixture
def live():
    """Return a live view at a free port."""
    with FoxgloveDatabase(port=0) as database:
        yield database


class TestFoxgloveConformance(DatabaseConformance):
    """The contract of all databases, as far as it holds for one that is only looked at."""

    examples = 3
    steps = 0

    def make(self, folder):
        """Make one at a free port."""
        return FoxgloveDatabase(port=0, title=folder.name)


def test_viewers_get_what_is_written(live):
    """Promise: a viewer gets the same bytes with the same log times, and type and QoS before."""
    live.declare('/n', INT32, LATCHED)

    async def look(viewer):
        await subscribed(viewer, live, '/n')
        written = [('/n', T0 + number, int32(number)) for number in range(200)]
        for key, time_ns, cdr in written:
            live.write_serialized(key, cdr, time_ns, 5, 9)
        await viewer.until(lambda: len([each for each in viewer.messages if each[1] >= T0]) >= 200)
        assert [each for each in viewer.messages if each[1] >= T0] == written
        return viewer

    viewer = view(live, look)
    channel = viewer.channels['/n']
    assert channel['encoding'] == 'cdr'
    assert channel['schemaName'] == 'std_msgs/msg/Int32'
    assert channel['schemaEncoding'] == 'ros2msg'
    assert channel['schema'] == INT32.text
    assert channel['metadata']['offered_qos_profiles'] == LATCHED
    assert viewer.texts[0]['op'] == 'serverInfo'
    assert 'time' in viewer.texts[0]['capabilities']
    assert 'cdr' in viewer.texts[0]['supportedEncodings']


def test_keys_declared_later_appear(live):
    """Promise: a key that is declared while a viewer looks is announced, IDL as IDL."""

    async def look(viewer):
        await viewer.receive()
        live.declare('/late', Schema('p/msg/X', 'module p {};', ROS2IDL))
        await viewer.until(lambda: '/late' in viewer.channels)
        assert viewer.channels['/late']['schemaEncoding'] == 'ros2idl'
        live.write_serialized('/late', b'', 1)

    view(live, look)


def test_latched_topics_are_shown_to_late_viewers(live):
    """Promise: what is latched is shown to whoever subscribes later; what is not is gone."""
    live.declare('/map', INT32, LATCHED)
    live.declare('/tf_static', INT32, LATCHED * 2)
    live.declare('/odom', INT32, LATCHED.replace('transient_local', 'volatile'))
    for number in range(5):
        for key in ('/map', '/tf_static', '/odom'):
            live.write_serialized(key, int32(number), T0 + number)

    async def look(viewer):
        await viewer.subscribe('/odom')
        await viewer.subscribe('/map', '/tf_static')
        await viewer.until(lambda: len(viewer.messages) >= 3)
        assert viewer.times == [T0] * len(viewer.times)
        return viewer.messages

    wanted = {('/map', T0 + 4, int32(4))}
    wanted |= {('/tf_static', T0 + number, int32(number)) for number in (3, 4)}
    assert set(view(live, look)) == wanted
    assert set(view(live, look)) == wanted


def test_late_viewers_see_the_newest_last(live):
    """Promise: while others write, what a late viewer sees of a latched topic never goes back."""
    live.declare('/map', INT32, LATCHED)
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            live.write_serialized('/map', int32(number), T0 + number)
            number += 1

    async def look(viewer):
        await viewer.subscribe('/map')
        await viewer.until(lambda: len(viewer.messages) >= 300)
        return [time_ns for _, time_ns, _ in viewer.messages]

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            times = view(live, look)
            assert times == sorted(times)
    finally:
        stop.set()
        writer.join(10)
    assert not writer.is_alive()


def test_nothing_is_written_while_latched_messages_are_shown(live):
    """Promise: a newer message that is written meanwhile is shown after the kept ones."""
    live.declare('/map', INT32, LATCHED)
    live.write_serialized('/map', int32(1), T0)
    shown = []
    writer = threading.Thread(target=live.write_serialized, args=('/map', int32(2), T0 + 1))

    class Channel:
        def log(self, message, log_time):
            if not writer.ident:
                writer.start()
                writer.join(0.1)
            shown.append(log_time)

        def close(self):
            pass

    live._shown['/map'].channel = Channel()
    live._show_again('/map')
    writer.join(10)
    assert shown == [T0, T0 + 1]


def test_the_clock_is_the_log_time(live):
    """Promise: viewers are told the log time, forwards and back, in steps of 10 ms and more."""
    live.declare('/n', INT32)

    async def look(viewer):
        await subscribed(viewer, live, '/n')
        viewer.times.clear()
        for time_ns in (T0, T0 + 1, T0 + 9_999_999, T0 + 10_000_000, T0, 7):
            live.write_serialized('/n', int32(0), time_ns)
        await viewer.until(lambda: viewer.times and viewer.times[-1] == 7)
        assert [each for each in viewer.times if each >= T0] == [T0, T0 + 10_000_000, T0]

    view(live, look)


def test_a_dataset_is_shown_while_it_is_written(live):
    """Promise: behind a dataset, reading comes from what can be read, writing goes to both."""
    from lk_dataset_ros.message import new_message

    dataset = Dataset(MemoryDatabase(), live)
    message = new_message('std_msgs/msg/Int32')
    message.data = 5
    dataset.write('/n', message, timestamp_ns=T0)
    assert dataset['/n'][0].data == 5
    assert live.topic('/n').count == 1
    assert 'app.foxglove.dev' in live.app_url


def test_a_port_that_is_taken_is_told(live):
    """Promise: a port in use, no port and no host are one line each."""
    for host, port in (('127.0.0.1', live.port), ('nowhere.invalid', 0), ('127.0.0.1', 65536)):
        with pytest.raises(ServerError, match=r'0 \(?t?a') as error:
            FoxgloveDatabase(host, port)
        assert '\n' not in str(error.value)
        assert str(port) in str(error.value)
    with pytest.raises(ServerError, match='backlog'):
        FoxgloveDatabase(port=0, backlog=0)


def test_closing_stops_the_server():
    """Promise: once closed, viewers are gone, the port is free and writing is refused."""
    database = FoxgloveDatabase(port=0)
    database.declare('/n', INT32)

    async def look(viewer):
        await viewer.receive()
        database.close()
        with pytest.raises(ConnectionError):
            await viewer.until(lambda: False)

    view(database, look)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(('127.0.0.1', database.port))
    assert not database.can_write
    assert database.app_url == ''
    with pytest.raises(CapabilityError):
        database.write_serialized('/n', int32(1), T0)


def test_what_cannot_be_shown_is_refused(live):
    """Promise: undeclared keys and times that are no uint64 are refused, and nothing is counted."""
    with pytest.raises(KeyNotFoundError):
        live.write_serialized('/n', int32(1), T0)
    live.declare('/n', INT32)
    for time_ns in (-1, 2**64):
        with pytest.raises(BagTimeError):
            live.write_serialized('/n', int32(1), time_ns)
    assert live.topic('/n').count == 0


def test_locations():
    """Promise: `foxglove://host:port` is recognised and opened; what is wrong gets the form."""
    assert FoxgloveDatabase.recognises('foxglove://127.0.0.1:0')
    with FoxgloveDatabase.open('foxglove://127.0.0.1:0', 'w') as database:
        assert database.port > 0
        assert database.name == f'ws://127.0.0.1:{database.port}'
    with pytest.raises(CapabilityError, match='cannot be read'):
        FoxgloveDatabase.open('foxglove://127.0.0.1:0', 'r')
    for wrong in (
        'foxglove://',
        'foxglove://h:99999',
        'foxglove://h/b',
        'foxglove://[::1',
        'ws://h',
    ):
        with pytest.raises(ServerError, match='foxglove://host'):
            FoxgloveDatabase.open(wrong, 'w')


@pytest.mark.parametrize(
    ('qos', 'depth'),
    [
        ('', 0),
        (LATCHED, 1),
        (LATCHED * 3, 3),
        ('- history: 1\n  depth: 7\n  durability: 1\n', 7),
        ('- history: keep_all\n  depth: 0\n  durability: transient_local\n', 1000),
        ('- depth: 99999999\n  durability: transient_local\n', 1000),
        ('- depth: many\n  durability: transient_local\n', 1),
        ('- durability: 2\n', 0),
        ('- durability: [1]\n- 3\n', 0),
        ('{', 0),
        ('a: 1', 0),
        ('[' * 1000, 0),
        (LATCHED * 5000, 0),
    ],
)
def test_qos_says_what_is_latched(qos, depth):
    """Promise: the depth is the sum over the latching publishers, bounded; no QoS is harmful."""
    assert latched_depth(qos) == depth


def test_what_is_kept_is_bounded():
    """Promise: what is kept for late viewers is bounded in number and bytes, the last one stays."""
    latch = Latch(3)
    for number in range(5):
        latch.add(bytes([number]), number)
    assert latch.messages() == [(bytes([number]), number) for number in (2, 3, 4)]
    latch.add(bytes(70 * 2**20), 9)
    assert [time_ns for _, time_ns in latch.messages()] == [9]


def test_a_missing_library_is_named(monkeypatch):
    """Promise: without foxglove-sdk the extra to install is named."""
    monkeypatch.setitem(sys.modules, 'foxglove', None)
    with pytest.raises(ExtraMissingError, match=r'lk_dataset_ros\[foxglove\]'):
        FoxgloveDatabase(port=0)
