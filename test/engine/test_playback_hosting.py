"""What stands around a playback and needs no ROS: keys, readiness, acknowledgement, progress."""

from __future__ import annotations

import io
import logging
import os
import pty
import termios
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.dataset import SerializedMessage
from lk_dataset_ros.dataset.playback import PlaybackStats
from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.ros import background as background_module
from lk_dataset_ros.ros.acknowledgement import (
    ANSWERED_S,
    BURST_BYTES,
    BUSY_S,
    DEFAULT_EVERY,
    PATIENCE_S,
    UNKNOWN_S,
    WATCHED_EVERY,
    Acknowledgement,
)
from lk_dataset_ros.ros.background import LARGE_BYTES, BackgroundPublishing
from lk_dataset_ros.ros.keyboard import Keyboard, split_keys
from lk_dataset_ros.ros.progress_line import ProgressLine, progress_text
from lk_dataset_ros.ros.readiness import SETTLE_S, Readiness
from lk_dataset_ros.ros.sending import HOLD_BYTES, Sending

if TYPE_CHECKING:
    from collections.abc import Collection

LOG = logging.getLogger('test')


class Clock:
    """A clock that is set by hand, and moves while somebody sleeps."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s

    def sleep(self, s: float) -> None:
        """Let time pass."""
        self.s += s


class Subscribers:
    """Says who subscribes, what is acknowledged and who is idle, as it is told."""

    def __init__(self, clock: Clock) -> None:
        self.counts: dict[str, int] = {}
        self.is_watching = False
        self.depth = 10
        self.busy_looks = 0
        self.looks = 0
        self.refusals = 0
        self.waits: list[set[str]] = []
        self._clock = clock

    def subscription_count(self, topic: str) -> int:
        """Return how many were set."""
        return self.counts.get(topic, 0)

    def wait_for_acknowledgement(
        self, limit_s: float, topics: Collection[str] | None = None
    ) -> bool:
        """Refuse so often as was set."""
        self.waits.append(set(topics or ()))
        if not self.refusals:
            return True
        self.refusals -= 1
        self._clock.sleep(limit_s)
        return False

    def are_idle(self) -> bool:
        """Be busy for so many looks as was set."""
        self.looks += 1
        if not self.busy_looks:
            return True
        self.busy_looks -= 1
        return False


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def subscribers(clock: Clock) -> Subscribers:
    """Make subscribers that acknowledge at once."""
    return Subscribers(clock)


def acknowledgement(
    clock: Clock,
    subscribers: Subscribers,
    every: int = 0,
    depths: dict[str, int] | None = None,
    *,
    is_stopping: bool = False,
) -> Acknowledgement:
    """Make one."""
    return Acknowledgement(
        subscribers,
        every,
        depths or {},
        subscribers=subscribers,
        is_stopping=lambda: is_stopping,
        log=LOG,
        now_s=clock,
        sleep=clock.sleep,
    )


# Keys


@pytest.mark.parametrize(
    ('sent', 'keys', 'rest'),
    [
        (b' ', ['space'], b''),
        (b'\x1b[A\x1b[B\x1b[C\x1b[D', ['up', 'down', 'right', 'left'], b''),
        (b'\x1bOA', ['up'], b''),
        (b'q\x1b', ['q'], b'\x1b'),
        (b'\x1b[', [], b'\x1b['),
        (b'\x1b[1;5Cq', ['q'], b''),  # ctrl and arrow: no key of ours
        (b'\x1b[15~', [], b''),
        (b'\xc3\xa4\x00\x03\n', ['enter'], b''),
        (b'\x1b[' + b'1' * 30, [], b''),  # no end in sight
    ],
)
def test_keys_are_told_apart(sent: bytes, keys: list[str], rest: bytes) -> None:
    """Promise: arrows of both kinds have names; half a key waits for its end; the rest is quiet."""
    assert split_keys(sent) == (keys, rest)


@given(
    st.lists(st.sampled_from([b' ', b'\x1b[A', b'\x1bOB', b'x', b'\x1b[5~']), max_size=20),
    st.data(),
)
def test_keys_may_come_in_pieces(sent: list[bytes], data: st.DataObject) -> None:
    """Promise: wherever a read cuts what was sent, the same keys are found."""
    whole = b''.join(sent)
    cut = data.draw(st.integers(0, len(whole)))
    first, rest = split_keys(whole[:cut])
    second, _ = split_keys(rest + whole[cut:])
    assert first + second == split_keys(whole)[0]


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(sent: bytes) -> None:
    """Promise: nothing that a terminal sends raises, and what is kept back is bounded."""
    assert len(split_keys(sent)[1]) <= 16


def test_where_there_is_no_terminal_there_are_no_keys() -> None:
    """Promise: a pipe, a closed file or nothing is no keyboard."""
    closed = io.StringIO()
    closed.close()
    for stream in (io.StringIO('x'), closed):
        with Keyboard(stream) as keyboard:
            assert not keyboard.is_there
            assert keyboard.pressed() == []


def test_a_terminal_of_others_is_left_alone() -> None:
    """Promise: in the background nothing is read and nothing is set."""
    _, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with os.fdopen(terminal) as stream, Keyboard(stream) as keyboard:
        assert keyboard.is_there
        assert keyboard.pressed() == []
        assert termios.tcgetattr(terminal) == before


# Readiness


def test_demanded_topics_are_waited_for(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: it begins a moment after the last demanded topic is matched, not before."""
    subscribers.counts['/a'] = 1
    readiness = Readiness(subscribers, ['/a', '/b'], [], now_s=clock)
    assert not readiness.is_ready()
    assert readiness.missing == ['/b']
    clock.s += 10.0
    subscribers.counts['/b'] = 1
    assert not readiness.is_ready()
    clock.s += 1.01 * SETTLE_S
    assert readiness.is_ready()
    assert readiness.missing == []


def test_a_match_that_goes_away_counts_anew(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: the moment after the match begins again when a subscriber comes back."""
    subscribers.counts['/a'] = 1
    readiness = Readiness(subscribers, ['/a'], [], now_s=clock)
    assert not readiness.is_ready()
    subscribers.counts['/a'] = 0
    clock.s += 1.01 * SETTLE_S
    assert not readiness.is_ready()
    subscribers.counts['/a'] = 1
    assert not readiness.is_ready()


def test_the_limit_names_topics_and_time(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: a demanded subscriber that never comes is an error that says which."""
    subscribers.counts['/b'] = 1
    readiness = Readiness(subscribers, ['/a', '/b'], [], count=2, limit_s=5.0, now_s=clock)
    clock.s += 5.1
    with pytest.raises(ArmError, match='/a, /b have fewer than 2 subscribers after 5 s'):
        readiness.is_ready()


def test_other_topics_get_the_time_of_discovery(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: topics that nobody has asked for hold up the start for discovery_s and no longer."""
    readiness = Readiness(subscribers, [], ['/a', '/b'], discovery_s=3.0, now_s=clock)
    clock.s += 2.9
    assert not readiness.is_ready()
    clock.s += 0.1
    assert readiness.is_ready()
    assert readiness.missing == ['/a', '/b']


def test_discovery_ends_when_all_are_there(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: with a subscriber on every topic nothing is waited for but the match itself."""
    subscribers.counts = {'/a': 1, '/b': 1}
    readiness = Readiness(subscribers, [], ['/a', '/b'], now_s=clock)
    assert not readiness.is_ready()
    clock.s += 1.01 * SETTLE_S
    assert readiness.is_ready()


def test_no_limit_waits_for_nobody(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: with both limits 0 it begins at once."""
    readiness = Readiness(subscribers, ['/a'], ['/b'], limit_s=0.0, discovery_s=0.0, now_s=clock)
    assert readiness.is_ready()


# Acknowledgement


def send(held: Acknowledgement, count: int, topic: str = '/a', size: int = 100) -> None:
    """Send messages, in bursts where that is allowed."""
    for index in range(count):
        if index % held.burst == 0:
            held.make_way()
        held.count(topic, size)


def test_as_many_as_asked_for_are_on_their_way(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: with acknowledge_every all topics that were used are waited for, so often."""
    subscribers.is_watching = True
    held = acknowledgement(clock, subscribers, 4)
    for index in range(9):
        send(held, 1, '/a' if index % 2 else '/b')
    assert subscribers.waits == [{'/a', '/b'}] * 2
    held.complete()
    held.complete()
    assert subscribers.waits[2:] == [{'/b'}]
    assert subscribers.looks == 0


def test_few_are_on_their_way_to_unknown_subscribers(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: where nobody can be watched, not more than ROS 2's default depth are unacknowledged."""
    held = acknowledgement(clock, subscribers)
    send(held, DEFAULT_EVERY)
    assert len(subscribers.waits) == 0
    send(held, 3 * DEFAULT_EVERY)
    assert len(subscribers.waits) == 3


def test_watched_subscribers_get_more_when_they_are_idle(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: before each burst of their depth it waits until they are idle, for no longer."""
    subscribers.is_watching = True
    held = acknowledgement(clock, subscribers)
    send(held, 10)
    assert subscribers.looks == 1
    subscribers.busy_looks = 5
    send(held, 10)
    assert subscribers.looks == 7


def test_the_way_is_trusted_more_the_longer_it_works(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: acknowledgements get rare while they are prompt; what is slow was sent again."""
    subscribers.is_watching = True
    held = acknowledgement(clock, subscribers)
    send(held, 100_000)
    waits = len(subscribers.waits)
    assert waits < 100
    send(held, WATCHED_EVERY)
    assert len(subscribers.waits) == waits + 1
    subscribers.refusals = 1
    while subscribers.refusals:
        send(held, 10)
    waits = len(subscribers.waits)
    send(held, 3 * DEFAULT_EVERY)
    assert len(subscribers.waits) > waits


def test_best_effort_subscribers_get_smaller_bursts(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: a burst is as long as the depth that is taken for granted."""
    subscribers.is_watching, subscribers.depth = True, 5
    held = acknowledgement(clock, subscribers)
    assert held.burst == 5
    send(held, 20)
    assert subscribers.looks == 4


def test_busy_subscribers_are_asked_to_acknowledge(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: a process that is never idle is held back by acknowledgement, soon at once."""
    subscribers.is_watching = True
    held = acknowledgement(clock, subscribers)
    send(held, 5)
    subscribers.busy_looks = 10**9
    since_s = clock.s
    send(held, 1)
    assert subscribers.waits == [{'/a'}]
    assert clock.s - since_s >= BUSY_S
    since_s = clock.s
    send(held, 1)
    assert len(subscribers.waits) == 2
    assert clock.s - since_s < 0.1 * BUSY_S
    subscribers.busy_looks = 0
    send(held, 1)
    subscribers.busy_looks = 1000
    send(held, 1)
    assert len(subscribers.waits) == 2


def test_who_neither_acknowledges_nor_can_be_watched_gets_time(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: best effort from another machine gets few messages per time."""
    subscribers.depth = 5
    held = acknowledgement(clock, subscribers)
    since_s = clock.s
    send(held, 50)
    assert clock.s - since_s >= 8.9 * UNKNOWN_S
    subscribers.depth = 10
    since_s = clock.s
    send(held, 50)
    assert clock.s == since_s


def test_room_is_told_of_at_once(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: what is held back is sent when subscribers are idle, or have acknowledged."""
    held = acknowledgement(clock, subscribers)
    send(held, 1)
    subscribers.refusals = 1
    assert not held.has_room()
    assert held.has_room()
    subscribers.is_watching, subscribers.refusals = True, 10**9
    assert held.has_room()
    subscribers.busy_looks = 1
    assert not held.has_room()


def test_large_messages_are_acknowledged_before_the_transport_is_full(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: images do not go out by tens on the word of a process that looks idle."""
    subscribers.is_watching = True
    held = acknowledgement(clock, subscribers)
    send(held, 3, '/image', BURST_BYTES)
    assert len(subscribers.waits) == 3


def test_a_slow_acknowledgement_is_told_once(
    clock: Clock, subscribers: Subscribers, caplog: pytest.LogCaptureFixture
) -> None:
    """Promise: waiting goes on as long as it takes, and says for whom after a while."""
    held = acknowledgement(clock, subscribers, 1)
    subscribers.refusals = 200
    with caplog.at_level(logging.WARNING):
        send(held, 2)
    assert subscribers.refusals == 0
    assert caplog.messages == [
        f'/a: a subscriber has not acknowledged for {PATIENCE_S:g} s; the playback waits for it'
    ]
    assert held.waiting_for == ()


def test_a_stop_ends_waiting(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: ctrl-C is not held up by a subscriber that has died."""
    held = acknowledgement(clock, subscribers, 1, is_stopping=True)
    subscribers.refusals = 10**6
    send(held, 2)
    assert len(subscribers.waits) == 1


def test_a_latched_message_is_not_pushed_out_by_the_next(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: a publisher that keeps one message waits for room, but not for an old one."""
    held = acknowledgement(clock, subscribers, 0, {'/map': 2})
    held.make_room('/map')
    held.make_room('/map')
    held.make_room('/odom')
    assert subscribers.waits == []
    held.make_room('/map')
    assert subscribers.waits == [{'/map'}]
    held.make_room('/map')
    assert subscribers.waits == [{'/map'}]
    clock.s += 1.01 * ANSWERED_S
    held.make_room('/map')
    assert len(subscribers.waits) == 1
    subscribers.refusals = 10**6
    held.make_room('/map', limit_s=0.05)
    held.make_room('/map', limit_s=0.05)
    assert len(subscribers.waits) <= 3


# Sending


class Background:
    """Stands for the thread that publishes large messages."""

    def __init__(self, told: list[tuple[str, str]]) -> None:
        self.is_possible = True
        self._told = told

    def publish(self, publisher: str, cdr: bytes) -> None:
        """Take note."""
        self._told.append((f'large {publisher}', cdr.decode()[:2]))

    def drain(self) -> bool:
        """Take note."""
        self._told.append(('drain', ''))
        return True


class Outputs:
    """Stands for engine, publishers, requests and announcements, and notes what they are told."""

    def __init__(self) -> None:
        self.rtf = 0.0
        self.is_paused = False
        self.topics = ['/call']
        self.told: list[tuple[str, str]] = []
        self.background = Background(self.told)

    def publisher(self, topic: str) -> str:
        """Return the topic for it."""
        return topic

    def publish(self, message: SerializedMessage) -> None:
        """Take note."""
        self.told.append(('publish', message.cdr.decode()[:2]))

    def send(self, message: SerializedMessage) -> None:
        """Take note."""
        self.told.append(('call', message.cdr.decode()))

    def note(self, message: SerializedMessage) -> None:
        """Take note."""
        self.told.append(('announce', message.cdr.decode()))


def sending(
    clock: Clock, subscribers: Subscribers, *, played: bool = False, may_hold: bool = True
) -> tuple[Sending, Outputs]:
    """Make one whose subscribers are watched."""
    subscribers.is_watching = True
    outputs: Any = Outputs()
    held = acknowledgement(clock, subscribers, 0, {'/map': 1})
    send_it = Sending(
        outputs,
        outputs,
        held,
        outputs,
        outputs if played else None,
        background=outputs.background,
        may_hold=may_hold,
    )
    return send_it, outputs


def message_of(text: str, topic: str = '/a') -> SerializedMessage:
    """Return a message."""
    return SerializedMessage(topic, text.encode(), 0, 0)


def test_bursts_are_sent_in_order_and_the_rest_is_flushed(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: at RTF 0 messages go out by tens, the last ones when the subscribers have room."""
    send_it, outputs = sending(clock, subscribers)
    for index in range(25):
        send_it(message_of(str(index)))
    assert outputs.told == [('publish', str(index)) for index in range(20)]
    subscribers.busy_looks, subscribers.refusals = 1, 1
    assert not send_it.flush()
    assert send_it.flush()
    assert outputs.told == [('publish', str(index)) for index in range(25)]
    assert send_it.flush()


def test_nothing_is_held_back_that_matters_now(clock: Clock, subscribers: Subscribers) -> None:
    """Promise: with a rate, a clock, while paused, large or latched, a message goes out at once."""
    send_it, outputs = sending(clock, subscribers)
    send_it(message_of('0'))
    assert outputs.told == []
    send_it(message_of('1', '/map'))
    assert outputs.told == [('publish', '0'), ('publish', '1')]
    send_it(message_of('2' * HOLD_BYTES))
    assert outputs.told[2:] == [('publish', '22')]
    outputs.is_paused = True
    send_it(message_of('3'))
    assert outputs.told[3:] == [('publish', '3')]
    outputs.is_paused, outputs.rtf = False, 1.0
    send_it(message_of('4'))
    assert outputs.told[4:] == [('publish', '4')]
    send_it, outputs = sending(clock, subscribers, may_hold=False)
    send_it(message_of('5'))
    assert outputs.told == [('publish', '5')]


def test_a_message_is_announced_before_it_is_published(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: a recorder hears of a message in the order of publishing; requests are not told."""
    send_it, outputs = sending(clock, subscribers, played=True)
    outputs.rtf = 2.0
    send_it(message_of('0'))
    send_it(message_of('1', '/call'))
    assert outputs.told == [('announce', '0'), ('publish', '0'), ('call', '1')]


def test_large_messages_go_another_way_and_stay_in_order(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: a topic with large messages is published apart, all of it from the first one on."""
    send_it, outputs = sending(clock, subscribers)
    outputs.rtf = 1.0
    send_it(message_of('0', '/image'))
    send_it(message_of('1' * LARGE_BYTES, '/image'))
    send_it(message_of('2', '/image'))
    send_it(message_of('3'))
    assert outputs.told == [
        ('publish', '0'),
        ('large /image', '11'),
        ('large /image', '2'),
        ('publish', '3'),
    ]
    outputs.told.clear()
    outputs.rtf = 0.0
    send_it(message_of('4' * LARGE_BYTES, '/image'))
    assert outputs.told == [('drain', ''), ('publish', '44')]


def test_where_it_is_not_possible_they_go_the_same_way(
    clock: Clock, subscribers: Subscribers
) -> None:
    """Promise: without rcl's library large messages are published like all others."""
    send_it, outputs = sending(clock, subscribers)
    outputs.rtf, outputs.background.is_possible = 1.0, False  # type: ignore[attr-defined]
    send_it(message_of('1' * LARGE_BYTES, '/image'))
    assert outputs.told == [('publish', '11')]


def test_the_background_publishes_in_order_and_bounds_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Promise: all is published in order before a drain or a close ends; too much has to wait."""
    published: list[bytes] = []
    may_publish = threading.Event()

    def publish(publisher: object, cdr: bytes) -> None:
        del publisher
        may_publish.wait(10.0)
        published.append(cdr)

    monkeypatch.setattr(background_module, 'publish_apart', publish)
    monkeypatch.setattr(background_module, 'MAX_WAITING_BYTES', 20)
    background: Any = BackgroundPublishing()
    assert background.drain(0.0)
    background.publish(None, b'0' * 10)
    background.publish(None, b'1' * 10)
    assert not background.drain(0.0)
    third = threading.Thread(target=background.publish, args=(None, b'2'))
    third.start()
    assert third.is_alive()
    may_publish.set()
    third.join(10.0)
    assert background.drain(10.0)
    assert published == [b'0' * 10, b'1' * 10, b'2']
    background.publish(None, b'3')
    background.close()
    assert published[-1] == b'3'


def test_an_error_of_the_background_is_raised_where_somebody_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Promise: what rcl refuses ends the playback, and is not passed over."""

    def publish(publisher: object, cdr: bytes) -> None:
        raise RuntimeError(f'{publisher} {cdr!r}')

    monkeypatch.setattr(background_module, 'publish_apart', publish)
    background: Any = BackgroundPublishing()
    background.publish('/a', b'0')
    with pytest.raises(RuntimeError, match='/a'):
        background.drain()
    background.close()


# Progress

STATS = PlaybackStats(
    state='playing',
    position_ns=12_500_000_000,
    start_ns=10_000_000_000,
    end_ns=20_000_000_000,
    round=0,
    requested_rtf=2.0,
    achieved_rtf=1.9999,
    count=100,
    total=400,
    lateness_p50_s=0.0,
    lateness_p99_s=0.0,
    lateness_max_s=0.0,
    late=0,
    dropped=0,
    starved=0,
    topics={},
)


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        ({}, '[R] [12.500000000] 2.50/10.00 s [=====               ]  25% RTF 2 (2)'),
        ({'state': 'paused', 'late': 3}, '[P] .* late 3'),
        ({'requested_rtf': 0.0, 'achieved_rtf': float('nan')}, '25% RTF max$'),
        ({'position_ns': 0}, '   0% '),
        ({'position_ns': 99_000_000_000, 'round': 2}, ' 100% RTF 2 .* round 3'),
        ({'end_ns': 10_000_000_000}, '0.00/0.00 s'),
    ],
)
def test_progress_is_one_line(changes: dict[str, object], says: str) -> None:
    """Promise: state, time, share and rates, whatever the numbers are."""
    text = progress_text(replace(STATS, **changes))  # type: ignore[arg-type]
    assert '\n' not in text
    first, _, last = says.partition('.*')
    assert first in text or text.endswith(first.rstrip('$'))
    assert last.strip().rstrip('$') in text


def test_progress_goes_to_a_terminal_only() -> None:
    """Promise: a file or a pipe gets no progress, a terminal the rate that was asked for."""
    assert not ProgressLine(10.0, io.StringIO()).is_due()
    master, terminal = pty.openpty()
    with os.fdopen(terminal, 'w') as stream:
        line = ProgressLine(10.0, stream)
        assert line.is_due()
        line.show(STATS, 'note')
        assert not line.is_due()
        assert not ProgressLine(0.0, stream).is_due()
        assert b'[R]' in os.read(master, 1000)
        line.clear()
        line.clear()
        assert os.read(master, 1000) == b'\r\x1b[K'
    os.close(master)
