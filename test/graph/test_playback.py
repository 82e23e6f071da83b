"""The playback node and `lk play` on a real graph."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from graph_kit import LIMIT_S

from lk_dataset_ros import Dataset, Schema, new_message
from lk_dataset_ros.ros.qos import DEEP, profile_for_playback

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from graph_kit import Graph

S = 1_000_000_000
MS = 1_000_000
LATCHED = (
    '- history: keep_last\n  depth: {}\n  reliability: reliable\n  durability: transient_local'
)

#: Subscribes, tells what it got (as JSON) when so many messages came, or nothing for a while.
LISTENER = """
import json, sys, time
import rclpy
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from rosgraph_msgs.msg import Clock
# Unbuffered, what is longer than a pipe holds would be cut where a signal comes.
sys.stdout = open(1, 'w', closefd=False)
wanted = json.loads(sys.argv[1])
rclpy.init()
node = rclpy.create_node('listener')
got, clocks = [], []
def is_over():
    return any(topic == wanted['stop'] for topic, _, _ in got[-3:])
def take(topic):
    def on(message):
        if not got:
            print('hears', flush=True)
        got.append((topic, message.data, time.monotonic()))
    return on
for topic, options in wanted['topics'].items():
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST if options.get('depth', 1000) else HistoryPolicy.KEEP_ALL,
        depth=options.get('depth', 1000),
        durability=DurabilityPolicy[options.get('durability', 'VOLATILE')],
        reliability=ReliabilityPolicy[options.get('reliability', 'RELIABLE')],
    )
    node.create_subscription(String, topic, take(topic), profile)
node.create_subscription(
    Clock, '/clock', lambda m: clocks.append(m.clock.sec + m.clock.nanosec * 1e-9), 1000
)
print('listening', flush=True)
deadline = time.monotonic() + 120
while len(got) < wanted['count'] and time.monotonic() < deadline and not is_over():
    rclpy.spin_once(node, timeout_sec=0.05)
end = time.monotonic() + wanted['more_s']
while time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.05)
print(json.dumps({'got': got, 'clocks': clocks}), flush=True)
"""

#: Calls services of the playback, one per argument.
CALLS = """
import time
import rclpy
from builtin_interfaces.msg import Duration, Time
from std_srvs.srv import Trigger
from lk_dataset_ros.srv import *
rclpy.init()
node = rclpy.create_node('orders')
def call(kind, name, **request):
    client = node.create_client(kind, f'/playback/{name}')
    assert client.wait_for_service(timeout_sec=30.0)
    future = client.call_async(kind.Request(**request))
    rclpy.spin_until_future_complete(node, future, timeout_sec=30.0)
    return future.result()
"""


def write_strings(
    path: Path,
    topics: dict[str, Sequence[tuple[int, str]]],
    qos: dict[str, str] | None = None,
) -> Path:
    """Write a bag of texts: for each topic log times, ns, and texts."""
    rows = sorted((time_ns, key, text) for key, each in topics.items() for time_ns, text in each)
    with Dataset.create('mcap', path) as dataset:
        for key, offers in (qos or {}).items():
            dataset.declare(key, 'std_msgs/msg/String', offers)
        for time_ns, key, text in rows:
            message = new_message('std_msgs/msg/String')
            message.data = text
            dataset.write(key, message, timestamp_ns=time_ns)
    return path


def counted(count: int, period_ns: int = 10 * MS, start_ns: int = S) -> list[tuple[int, str]]:
    """Return times and texts `0`, `1`, ..."""
    return [(start_ns + index * period_ns, str(index)) for index in range(count)]


def listen(
    graph: Graph, count: int, more_s: float = 0.0, stop: str = '', **topics: dict[str, Any]
) -> subprocess.Popen[str]:
    """Start a subscriber, and return when it subscribes.

    Args:
        graph: Where.
        count: How many messages it waits for.
        more_s: How long it goes on then, s.
        stop: A topic whose first message ends the waiting, too.
        topics: How it subscribes to each; a depth of 0 keeps all.
    """
    wanted = {
        'count': count,
        'more_s': more_s,
        'stop': stop,
        'topics': {f'/{k}': v for k, v in topics.items()},
    }
    process = graph.start(sys.executable, '-c', LISTENER, json.dumps(wanted))
    assert process.stdout is not None
    assert process.stdout.readline() == 'listening\n'
    return process


def heard(process: subprocess.Popen[str]) -> tuple[dict[str, list[str]], list[float], list[float]]:
    """Return texts by topic, times of arrival, and what /clock said."""
    output, errors = process.communicate(timeout=LIMIT_S)
    assert output.strip(), errors
    found = json.loads(output.splitlines()[-1])
    texts: dict[str, list[str]] = {}
    for topic, text, _ in found['got']:
        texts.setdefault(topic, []).append(text)
    return texts, [each[2] for each in found['got']], found['clocks']


def calls(graph: Graph, code: str) -> None:
    """Call services, with assertions, in a process of its own."""
    exit_code, said = graph.finish(graph.start(sys.executable, '-c', CALLS + code))
    assert exit_code == 0, said


@pytest.mark.parametrize(
    ('offers', 'durability', 'depth', 'deadline_ns', 'liveliness'),
    [
        ('', 'VOLATILE', DEEP, 0, 'AUTOMATIC'),
        ('not: [a list', 'VOLATILE', DEEP, 0, 'AUTOMATIC'),
        (LATCHED.format(3), 'TRANSIENT_LOCAL', 3, 0, 'AUTOMATIC'),
        (
            '- {deadline: {sec: 1, nsec: 5}, liveliness: 3}',
            'VOLATILE',
            DEEP,
            S + 5,
            'MANUAL_BY_TOPIC',
        ),
        ('- {deadline: {sec: 1, nsec: 0}}\n- {}', 'VOLATILE', DEEP, 0, 'AUTOMATIC'),
        ('- {deadline: {sec: 9223372036, nsec: 854775807}}', 'VOLATILE', DEEP, 0, 'AUTOMATIC'),
        ('- {deadline: {sec: -1, nsec: x}}', 'VOLATILE', DEEP, 0, 'AUTOMATIC'),
    ],
)
def test_recorded_profiles_are_offered_again(
    offers: str, durability: str, depth: int, deadline_ns: int, liveliness: str
) -> None:
    """Promise: what subscribers demanded of the recorded publishers they get; nonsense is default."""
    profile = profile_for_playback(offers, keeps=3)
    assert profile.reliability.name == 'RELIABLE'
    assert profile.durability.name == durability
    assert profile.depth == depth
    assert profile.deadline.nanoseconds == deadline_ns
    assert profile.liveliness.name == liveliness


def test_nothing_is_lost_at_the_start_by_default(graph: Graph, tmp_path: Path) -> None:
    """Promise: `lk play` waits until a subscriber that is there is matched, without an option."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(500, MS)})
    listener = listen(graph, 500, a={})
    code, _, errors = graph.lk('play', bag, '-r', '2')
    assert code == 0, errors
    assert 'played 500 of 500 messages' in errors
    texts, _, _ = heard(listener)
    assert texts == {'/a': [str(index) for index in range(500)]}


def test_rtf_0_loses_nothing_that_is_kept(graph: Graph, tmp_path: Path) -> None:
    """Promise: as fast as possible, a subscriber that keeps all gets all, whatever happens."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(3000, MS), '/b': counted(1000, MS)})
    listener = listen(graph, 4000, a={'depth': 0}, b={'depth': 0})
    code, _, errors = graph.lk('play', bag, '-r', '0', '--wait-for', 'all')
    assert code == 0, errors
    texts, _, _ = heard(listener)
    assert texts['/a'] == [str(index) for index in range(3000)]
    assert texts['/b'] == [str(index) for index in range(1000)]


@pytest.mark.parametrize(
    ('options', 'arguments'),
    [
        ({'depth': 10}, []),
        ({'depth': 10}, ['--acknowledge-every', '10']),
        ({'depth': 5, 'reliability': 'BEST_EFFORT'}, []),
    ],
    ids=['default', 'acknowledged', 'sensor data'],
)
def test_rtf_0_suits_subscribers_that_keep_few(
    graph: Graph, tmp_path: Path, options: dict[str, Any], arguments: list[str]
) -> None:
    """Promise: as fast as possible, histories of the default depths do not overflow.

    Nobody can know it over DDS: on a machine that stands still now and then a few are lost.
    Without being held back the player would be through before the first hundred were taken.
    """
    count = 6000
    bag = write_strings(
        tmp_path / 'bag', {'/a': counted(count, MS), '/end': [(60 * S, 'end')] * 3}
    )
    listener = listen(graph, count + 3, 0.5, stop='/end', a=options, end={})
    code, _, errors = graph.lk('play', bag, '-r', '0', '--wait-for', 'all', *arguments)
    assert code == 0, errors
    texts, _, _ = heard(listener)
    numbers = [int(text) for text in texts['/a']]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 0.9 * count


def test_it_waits_for_named_topics_says_so_and_stops_at_sigint(
    graph: Graph, tmp_path: Path
) -> None:
    """Promise: waiting is told, and ctrl-C ends it at once with code 0; the limit with code 2."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(10)})
    playback = graph.start('lk', 'play', str(bag), '--wait-for', 'all')
    assert playback.stderr is not None
    assert 'waiting for a subscriber of /a' in playback.stderr.readline()
    since_s = time.monotonic()
    code, said = graph.finish(playback, signal.SIGINT)
    assert code == 0, said
    assert time.monotonic() - since_s < 20.0
    assert 'played 0 of 10 messages' in said
    code, _, errors = graph.lk('play', bag, '--wait-for', '/a', '--ready-limit', '0.2')
    assert code == 2
    assert '/a has no subscriber after 0.2 s' in errors


def test_sigint_ends_it_although_a_subscriber_is_stuck(graph: Graph, tmp_path: Path) -> None:
    """Promise: at RTF 0 it waits for a subscriber that stands still, says so, and ends on ctrl-C."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(50_000, MS)})
    listener = listen(graph, 100_000, a={})
    playback = graph.start('lk', 'play', str(bag), '-r', '0', '--wait-for', 'all')
    assert listener.stdout is not None
    assert listener.stdout.readline() == 'hears\n'
    listener.send_signal(signal.SIGSTOP)
    assert playback.stderr is not None
    while 'has not acknowledged for 5 s' not in (line := playback.stderr.readline()):
        assert line
    since_s = time.monotonic()
    code, said = graph.finish(playback, signal.SIGINT)
    assert code == 0, said
    assert time.monotonic() - since_s < 20.0


def test_latched_topics_come_first_after_an_offset_and_a_seek(
    graph: Graph, tmp_path: Path
) -> None:
    """Promise: who hears of a map at 30 s or after a seek to 50 s has the last map before that."""
    maps = [(S, 'first'), (20 * S, 'second'), (40 * S, 'third')]
    bag = write_strings(
        tmp_path / 'bag',
        {'/map': maps, '/a': counted(60, S)},
        {'/map': LATCHED.format(1)},
    )
    listener = listen(
        graph, 3, more_s=1.0, map={'durability': 'TRANSIENT_LOCAL', 'depth': 10}, a={}
    )
    playback = graph.start(
        'lk', 'play', str(bag), '-p', '--start-offset', '30', '--wait-for', 'all'
    )
    calls(
        graph,
        """
while not call(PlayNext, 'play_next').success:
    time.sleep(0.1)
assert call(Seek, 'seek', time=Time(sec=51)).success
assert call(Burst, 'burst', num_messages=2).actually_burst == 2
call(Trigger, 'stop')
""",
    )
    code, said = graph.finish(playback)
    assert code == 0, said
    texts, _, _ = heard(listener)
    assert texts == {'/map': ['second', 'third'], '/a': ['50']}


def test_services_at_the_wrong_moment_get_an_answer(graph: Graph, tmp_path: Path) -> None:
    """Promise: each service says what hinders it, and the node lives on, also after the end."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(2000, 100 * MS)})
    playback = graph.start('lk', 'play', str(bag), '--stay', '-p', '--discovery', '0')
    calls(
        graph,
        """
def refused(answer, text):
    assert not answer.success and text in answer.message, answer
assert call(IsPaused, 'is_paused').paused
assert call(PlayNext, 'play_next').success
burst = call(Burst, 'burst', num_messages=20)
assert burst.success and burst.actually_burst == 20
refused(call(SetRate, 'set_rate', rate=-1.0), 'rate is -1.0')
refused(call(SetRate, 'set_rate', rate=float('nan')), 'rate is nan')
assert call(SetRate, 'set_rate', rate=3.0).success
assert call(GetRate, 'get_rate').rate == 3.0
refused(call(Seek, 'seek', time=Time(sec=1000)), 'is not played')
refused(call(Seek, 'seek', time=Time(sec=-1)), 'is not played')
refused(call(Play, 'play'), 'has not finished')
assert call(Trigger, 'toggle_paused').message == 'resumed'
refused(call(PlayNext, 'play_next'), 'while paused only')
refused(call(Burst, 'burst'), 'while paused only')
assert call(Trigger, 'pause').success and call(Trigger, 'pause').success
assert call(Trigger, 'stop').success
while 'has not finished' in (answer := call(Play, 'play', start_offset=Duration(sec=1000))).message:
    time.sleep(0.05)
refused(answer, 'lasts 199.9 s')
refused(call(Trigger, 'resume'), 'has finished')
refused(call(PlayNext, 'play_next'), 'has finished')
refused(call(Seek, 'seek', time=Time(sec=2)), 'has finished')
refused(call(Trigger, 'stop'), 'has finished')
assert call(Play, 'play', start_offset=Duration(sec=199)).success
""",
    )
    code, said = graph.finish(playback, signal.SIGINT)
    assert code == 0, said
    assert 'Traceback' not in said


def test_several_bags_remapped_and_chosen(graph: Graph, tmp_path: Path) -> None:
    """Promise: bags share a time line; topics get other names; the excluded ones are not there."""
    first = write_strings(tmp_path / 'first', {'/a': [(S, '1'), (3 * S, '3')], '/no': [(S, 'x')]})
    second = write_strings(tmp_path / 'second', {'/a': [(2 * S, '2'), (4 * S, '4')]})
    listener = listen(graph, 4, more_s=0.5, c={}, no={})
    code, _, errors = graph.lk(
        *('play', first, second, '-r', '20', '-m', '/a:=/c', '--exclude-topics', '/no')
    )
    assert code == 0, errors
    assert heard(listener)[0] == {'/c': ['1', '2', '3', '4']}


def test_quality_of_service_is_overridden(graph: Graph, tmp_path: Path) -> None:
    """Promise: with the file that rosbag2 takes, a late transient-local subscriber is served."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(20)})
    overrides = tmp_path / 'qos.yaml'
    overrides.write_text(
        '/a: {history: keep_last, depth: 5, reliability: reliable, durability: transient_local}\n'
    )
    playback = graph.start(
        *('lk', 'play', str(bag), '--qos-profile-overrides-path', str(overrides)),
        *('--discovery', '0', '--stay', '-r', '100'),
    )
    assert playback.stderr is not None
    while '~/play plays it again' not in (line := playback.stderr.readline()):
        assert line
    listener = listen(graph, 5, a={'durability': 'TRANSIENT_LOCAL'})
    assert heard(listener)[0] == {'/a': ['15', '16', '17', '18', '19']}
    assert graph.finish(playback, signal.SIGINT)[0] == 0
    overrides.write_text('/a: {depth: many}\n')
    code, _, errors = graph.lk('play', bag, '--qos-profile-overrides-path', overrides)
    assert code == 2
    assert 'depth is' in errors


@pytest.mark.parametrize(
    ('option', 'most'),
    # Nobody waits for who subscribes to /clock: on a busy machine the first ones come too early.
    [(['--clock', '100'], 200), (['--clock-topics-all'], 50), (['--clock'], 60)],
)
def test_clock_options(graph: Graph, tmp_path: Path, option: list[str], most: int) -> None:
    """Promise: /clock comes at its rate, or with every message, in recorded time."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(50)})
    listener = listen(graph, 50, more_s=0.2, a={})
    code, _, errors = graph.lk('play', bag, *option)
    assert code == 0, errors
    _, _, clocks = heard(listener)
    assert 5 <= len(clocks) <= most
    assert clocks == sorted(clocks)
    assert clocks[0] >= 1.0
    assert clocks[-1] <= 1.6
    if option == ['--clock-topics-all']:
        # From the first that came on, there is one for each message.
        assert len(clocks) == round((clocks[-1] - clocks[0]) / 0.01) + 1


def test_it_follows_the_clock_of_a_simulator(graph: Graph, tmp_path: Path) -> None:
    """Promise: the position is the simulator's time: it stands while that stands."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(100, 20 * MS)})
    simulator = """
import time
import rclpy
from rosgraph_msgs.msg import Clock
rclpy.init()
node = rclpy.create_node('simulator')
publisher = node.create_publisher(Clock, '/clock', 10)
while publisher.get_subscription_count() < 2:
    time.sleep(0.01)
time.sleep(0.3)
now = 0.0
def run(to, step):
    global now
    while now < to:
        now = round(now + step, 6)
        clock = Clock()
        clock.clock.sec, clock.clock.nanosec = divmod(round(now * 10**9), 10**9)
        publisher.publish(clock)
        time.sleep(0.005)
run(2.0, 0.01)
time.sleep(1.5)
run(3.5, 0.01)
time.sleep(0.5)
"""
    listener = listen(graph, 100, a={})
    playback = graph.start('lk', 'play', str(bag), '--follow', 'absolute', '--wait-for', 'all')
    code, said = graph.finish(graph.start(sys.executable, '-c', simulator))
    assert code == 0, said
    code, said = graph.finish(playback)
    assert code == 0, said
    texts, times, _ = heard(listener)
    assert texts['/a'] == [str(index) for index in range(100)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    # The simulator stood at 2.0: after message 50, or about it.
    assert 45 <= gaps.index(max(gaps)) <= 56
    assert max(gaps) >= 1.2


def test_a_type_that_is_not_installed_is_named_and_the_rest_plays(
    graph: Graph, tmp_path: Path
) -> None:
    """Promise: one unknown type does not silence a bag."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(10)})
    other = tmp_path / 'other'
    schema = Schema('nobody_msgs/msg/Thing', 'int32 data\n', 'ros2msg', '')
    with Dataset.create('mcap', other) as dataset:
        dataset.declare('/thing', schema)
        dataset.write_serialized('/thing', b'\0\1\0\0\1\0\0\0', S, S)
    listener = listen(graph, 10, a={})
    code, _, errors = graph.lk('play', bag, other)
    assert code == 0, errors
    assert re.search(r'/thing is not played: .*nobody_msgs', errors), errors
    assert heard(listener)[0]['/a'] == [str(index) for index in range(10)]
    code, _, errors = graph.lk('play', other)
    assert code == 2
    assert 'no topic is left to play' in errors


def test_keys_and_progress_on_a_terminal(graph: Graph, tmp_path: Path) -> None:
    """Promise: space pauses, right plays one, up raises the rate; the terminal is left as it was."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(100, 100 * MS)})
    listener = listen(graph, 3, more_s=0.5, a={})
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(graph.folder)
        script = f'trap : INT; stty -a; lk play {bag} -p --wait-for all; echo code $?; stty -a'
        os.execvpe('sh', ['sh', '-c', script], graph.env)
    said = b''

    def read_until(text: bytes) -> None:
        nonlocal said
        deadline_s = time.monotonic() + 60
        while text not in said:
            assert time.monotonic() < deadline_s, said
            said += os.read(terminal, 4096)

    try:
        read_until(b'[P]')
        for _ in range(3):
            os.write(terminal, b'\x1b[C')
            time.sleep(0.2)
        os.write(terminal, b'\x1b[A')
        read_until(b'rate 1.1')
        os.write(terminal, b' ')
        read_until(b'[R]')
        os.write(terminal, b'\x03')
        read_until(b'code 0')
        with contextlib.suppress(OSError):  # until the shell has gone
            read_until(b'never')
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    assert heard(listener)[0]['/a'][:3] == ['0', '1', '2']
    settings = re.findall(rb'[-]?\b(?:icanon|echo)\b', said)
    assert settings == [b'icanon', b'echo', b'icanon', b'echo'], said


def test_status_tells_of_punctuality(graph: Graph, tmp_path: Path) -> None:
    """Promise: ~/status has position, rates, lateness and subscribers, and the state at the end."""
    bag = write_strings(tmp_path / 'bag', {'/a': counted(300)})
    watch = """
import rclpy
from lk_dataset_ros.msg import PlaybackStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
rclpy.init()
node = rclpy.create_node('watch')
seen = []
profile = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
node.create_subscription(PlaybackStatus, '/playback/status', seen.append, profile)
is_told = False
while not seen or seen[-1].state != PlaybackStatus.FINISHED:
    rclpy.spin_once(node, timeout_sec=0.1)
    if seen and not is_told and '/a' in seen[-1].waiting_for:
        print('it waits', flush=True)
        is_told = True
states = [each.state for each in seen]
assert PlaybackStatus.WAITING in states and PlaybackStatus.PLAYING in states, states
waiting = next(each for each in seen if each.state == PlaybackStatus.WAITING)
assert list(waiting.waiting_for) == ['/a'], waiting
last = seen[-1]
assert last.count == 300 and last.topics[0].count == 300, last
assert last.position_ns == last.end_ns == 3990000000, last
# How late a busy machine makes it is not its matter.
assert 0.3 < last.achieved_rtf < 1.01, last
assert 0.0 < last.lateness_p50_s <= last.lateness_p99_s <= last.lateness_max_s, last
"""
    watcher = graph.start(sys.executable, '-c', watch)
    playback = graph.start('lk', 'play', str(bag), '--wait-for', '/a')
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == 'it waits\n'
    listener = listen(graph, 300, a={})
    code, said = graph.finish(playback)
    assert code == 0, said
    assert len(heard(listener)[0]['/a']) == 300
    code, said = graph.finish(watcher)
    assert code == 0, said


def test_service_requests_are_sent_again(graph: Graph, tmp_path: Path) -> None:
    """Promise: a service is called as it was recorded, once per request, and answers are let go."""
    write = """
from rclpy.serialization import serialize_message
from std_srvs.srv import SetBool
from lk_dataset_ros import Dataset
from lk_dataset_ros.ros.types import schema_of
with Dataset.create('mcap', 'bag') as dataset:
    dataset.declare('/switch/_service_event', schema_of('std_srvs/srv/SetBool_Event'))
    for index in range(12):
        event = SetBool.Event()
        event.info.event_type = index % 4  # request sent, received, response sent, received
        if index % 4 < 2:
            event.request = [SetBool.Request(data=index < 6)]
        time_ns = 10**9 + index * 10**7
        dataset.write_serialized(
            '/switch/_service_event', bytes(serialize_message(event)), time_ns, time_ns
        )
"""
    serve = """
import rclpy
from std_srvs.srv import SetBool
rclpy.init()
node = rclpy.create_node('server')
taken = []
def switch(request, response):
    taken.append(request.data)
    response.success = True
    return response
node.create_service(SetBool, '/switch', switch)
print('serving', flush=True)
while len(taken) < 3:
    rclpy.spin_once(node, timeout_sec=0.1)
rclpy.spin_once(node, timeout_sec=0.5)
print(taken)
"""
    code, said = graph.finish(graph.start(sys.executable, '-c', write))
    assert code == 0, said
    code, _, errors = graph.lk('play', 'bag', '--publish-service-requests', '--discovery', '0')
    assert code == 0, errors
    assert 'a request to /switch was not sent: the service is not there' in errors
    server = graph.start(sys.executable, '-c', serve)
    assert server.stdout is not None
    assert server.stdout.readline() == 'serving\n'
    code, _, errors = graph.lk('play', 'bag', '--publish-service-requests', '--wait-for', 'all')
    assert code == 0, errors
    assert '[ERROR]' not in errors
    assert graph.finish(server) == (0, '[True, True, False]\n')


def test_as_recorded_waits_for_a_recorder_and_tells_it_all(graph: Graph, tmp_path: Path) -> None:
    """Promise: ~/played names every message in order, with stamps and the publisher's number."""
    times = {'/a': counted(300, MS), '/b': counted(100, 3 * MS)}
    bag = write_strings(tmp_path / 'bag', times)
    watch = """
import rclpy
from lk_dataset_ros.msg import PlayedMessages
from rclpy.qos import HistoryPolicy, QoSProfile
rclpy.init()
node = rclpy.create_node('watch')
seen = []
profile = QoSProfile(history=HistoryPolicy.KEEP_ALL, depth=1)
node.create_subscription(PlayedMessages, '/playback/played', seen.append, profile)
while not seen or not seen[-1].last:
    rclpy.spin_once(node, timeout_sec=0.1)
assert len({(each.player, each.playback) for each in seen}) == 1
assert [each.first for each in seen] == [
    sum(len(each.topic) for each in seen[:index]) for index in range(len(seen))
]
topics = list(seen[0].topics)
rows = [
    (topics[topic], number, log)
    for each in seen
    for topic, number, log in zip(each.topic, each.publication, each.log_time_ns)
]
assert len(rows) == 400 and [row[2] for row in rows] == sorted(row[2] for row in rows)
assert [row[1] for row in rows if row[0] == '/a'] == list(range(1, 301))
assert [row[1] for row in rows if row[0] == '/b'] == list(range(1, 101))
"""
    listener = listen(graph, 400, a={}, b={})
    playback = graph.start('lk', 'play', str(bag), '-r', '0', '--as-recorded')
    assert playback.stderr is not None
    assert 'waiting for a subscriber of' in playback.stderr.readline()
    code, said = graph.finish(graph.start(sys.executable, '-c', watch))
    assert code == 0, said
    assert graph.finish(playback)[0] == 0
    texts, _, _ = heard(listener)
    assert (len(texts['/a']), len(texts['/b'])) == (300, 100)


BAD: list[tuple[list[str], str]] = [
    (['nowhere'], 'there is no bag at nowhere'),
    (['empty'], 'is no dataset that any database knows'),
    (['bag', '-r', '-1'], 'not in the range'),
    (['bag', '-r', 'nan'], 'rate is nan'),
    (['bag', '-r', 'fast'], "'fast' is not a valid float"),
    (['bag', '--topics', '/b'], 'there is no /b in what is played; there is /a'),
    (['bag', '-e', '['], 'is no regular expression'),
    (['bag', '-x', '.*'], 'no topic is left to play of /a'),
    (['bag', '-m', 'a'], "remap has 'a'; it has to be /old:=/new"),
    (['bag', '--wait-for', '/b'], 'wait_for names /b, which is not played; there is /a'),
    (['bag', '--qos-profile-overrides-path', 'none'], 'QoS overrides none cannot be read'),
    (['bag', '--start-offset', '100'], 'lasts 0.09 s'),
    (['bag', '--follow', 'absolute', '--clock'], 'clock_hz'),
    ([], 'no bag is given'),
]


@pytest.mark.parametrize(('arguments', 'says'), BAD)
def test_wrong_usage_is_one_line_and_exit_code_2(
    graph: Graph, tmp_path: Path, arguments: list[str], says: str
) -> None:
    """Promise: whatever is wrong is said in one line that names the value."""
    write_strings(tmp_path / 'bag', {'/a': counted(10)})
    (tmp_path / 'empty').mkdir()
    code, _, errors = graph.lk('play', *arguments)
    assert code == 2, errors
    lines = [line for line in errors.splitlines() if not line.startswith('[INFO]')]
    assert len(lines) == 1, errors
    assert says in lines[0]
