"""Playing on a thread: on time by a clock in the test's hand, controlled from other threads."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest

from lk_dataset_ros.dataset import DataPlayback, Dataset, Finished, MemoryDatabase, Wait
from lk_dataset_ros.dataset.playback.player import LEAST_SPIN_NS, MOST_SPIN_NS, Margin, PlayThread
from lk_dataset_ros.dataset.playback.read_ahead import BLOCK_ITEMS, ReadAhead
from lk_dataset_ros.dataset.threads import SWITCH_INTERVAL_S
from lk_dataset_ros.errors import BagFormatError, ComponentError
from lk_dataset_ros.message import builtin_schema
from lk_dataset_ros.testing import FakeClock

MS = 1_000_000
S = 1000 * MS
INT32 = builtin_schema('std_msgs/msg/Int32')
#: Longest wait for a thread; reached by a test that fails only.
LIMIT_S = 20.0


def numbered(count: int, step_ns: int = 10 * MS) -> Dataset:
    """Make a dataset of numbered messages."""
    database = MemoryDatabase()
    database.declare('/n', INT32, '- durability: volatile')
    for number in range(count):
        cdr = b'\x00\x01\x00\x00' + number.to_bytes(4, 'little')
        database.write_serialized('/n', cdr, number * step_ns, number * step_ns, number)
    return Dataset(database)


class Taker:
    """Takes messages, and lets the test wait for them."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self._changed = threading.Condition()

    def __call__(self, message: Any) -> None:
        """Take one."""
        with self._changed:
            self.sequences.append(message.sequence)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.sequences) >= count, LIMIT_S)


@pytest.mark.parametrize('read_ahead_bytes', [0, 1, 5000, 10**8])
@pytest.mark.parametrize('rtf', [0.0, 1.0, 20.0])
def test_play_publishes_at_the_time(rtf: float, read_ahead_bytes: int) -> None:
    """Promise: play publishes everything, in order, each at its time; and tells how it went."""
    clock = FakeClock()
    start = clock.now_ns
    log: list[tuple[int, int]] = []
    playback = DataPlayback(
        numbered(300), now_ns=clock, rtf=rtf, read_ahead_bytes=read_ahead_bytes
    )
    status = playback.play(
        lambda message: log.append((clock.now_ns - start, message.log_time_ns)), sleep=clock.sleep
    )
    assert [each for _, each in log] == [n * 10 * MS for n in range(300)]
    if rtf:
        assert all(abs(wall - each / rtf) <= 2 for wall, each in log)
    assert (status.state, status.count, status.total, status.starved) == ('finished', 300, 300, 0)
    assert not playback.is_playing
    assert playback.wait(0.0)


def test_play_without_blocking_is_waited_for() -> None:
    """Promise: without blocking play returns at once, is not begun twice, and wait ends it."""
    gate = threading.Event()
    playback = DataPlayback(numbered(3), rtf=0.0)
    status = playback.play(lambda _: gate.wait(LIMIT_S), blocking=False)
    assert status.state in ('waiting', 'playing')
    assert playback.is_playing
    assert not playback.wait(0.0)
    with pytest.raises(ComponentError, match='already'):
        playback.play(print)
    with pytest.raises(ComponentError, match='stop it first'):
        playback.restart()
    gate.set()
    assert playback.wait(LIMIT_S)
    assert playback.is_finished


def test_play_needs_somebody_who_publishes() -> None:
    """Promise: play without a publisher says so; one given at the start serves auto_play."""
    with pytest.raises(ComponentError, match='play needs'):
        DataPlayback(numbered(1)).play()
    taker = Taker()
    playback = DataPlayback(numbered(5), rtf=0.0, publish=taker, auto_play=True)
    assert taker.sequences == [0, 1, 2, 3, 4]
    playback.restart()
    assert playback.play().count == 5
    assert taker.sequences == [0, 1, 2, 3, 4] * 2


def test_an_error_of_the_publisher_ends_the_playback() -> None:
    """Promise: what publish raises is raised by play and by wait, once, and nothing more comes."""
    taken: list[int] = []

    def publish(message: Any) -> None:
        taken.append(message.sequence)
        if message.sequence == 2:
            raise RuntimeError('no publisher')

    playback = DataPlayback(numbered(10), rtf=0.0)
    with pytest.raises(RuntimeError, match='no publisher'):
        playback.play(publish)
    assert taken == [0, 1, 2]
    assert playback.is_finished
    playback.restart()
    playback.play(publish, blocking=False)
    with pytest.raises(RuntimeError, match='no publisher'):
        playback.wait(LIMIT_S)
    assert playback.wait(LIMIT_S)


@pytest.mark.parametrize('read_ahead_bytes', [0, 10**6])
def test_an_error_of_the_bag_comes_behind_what_could_be_read(
    monkeypatch: pytest.MonkeyPatch, read_ahead_bytes: int
) -> None:
    """Promise: of a bag that is damaged in the middle all before it is played, then it is told."""
    dataset = numbered(500)
    whole = dataset.iterate_serialized

    def damaged(*bounds: Any) -> Any:
        for message in whole(*bounds):
            if message.sequence == 333:
                raise BagFormatError('chunk 7 is damaged')
            yield message

    monkeypatch.setattr(dataset, 'iterate_serialized', damaged)
    taker = Taker()
    playback = DataPlayback(dataset, rtf=0.0, read_ahead_bytes=read_ahead_bytes)
    with pytest.raises(BagFormatError, match='chunk 7'):
        playback.play(taker)
    assert taker.sequences == list(range(333))
    assert isinstance(playback.advance(), Finished)


def test_controls_take_effect_while_the_thread_sleeps() -> None:
    """Promise: a seek, a rate and a stop from another thread end a sleep of a day."""
    taker = Taker()
    day_ns = 86_400 * S
    playback = DataPlayback(numbered(4, day_ns))
    playback.play(taker, blocking=False)
    taker.wait_for(1)
    playback.seek(2 * day_ns)
    taker.wait_for(2)
    playback.set_rate(0.0)
    taker.wait_for(3)
    assert playback.wait(LIMIT_S)
    assert taker.sequences == [0, 2, 3]
    playback.restart()
    playback.set_rate(1.0)
    playback.play(taker, blocking=False)
    taker.wait_for(4)
    playback.stop()
    assert playback.wait(LIMIT_S)
    assert taker.sequences[3:] == [0]


def test_steps_and_bursts_are_published_by_the_thread() -> None:
    """Promise: paused, play_next and burst return when the thread has published."""
    taker = Taker()
    playback = DataPlayback(numbered(10, S), start_paused=True)
    playback.play(taker, blocking=False)
    found = playback.play_next()
    assert found is not None
    assert found.message.sequence == 0
    assert taker.sequences == [0]
    assert playback.burst(3) == 3
    assert taker.sequences == [0, 1, 2, 3]
    assert playback.position_ns == 3 * S
    for wrong in (-1, True, 1.5):
        with pytest.raises(ComponentError, match='burst of'):
            playback.burst(wrong)  # type: ignore[arg-type]
    assert playback.burst() == 6
    assert playback.wait(LIMIT_S)
    assert taker.sequences == list(range(10))
    assert playback.play_next() is None


def test_a_burst_from_the_publisher_itself_is_refused() -> None:
    """Promise: what publishes cannot wait for itself: it gets an error, not a deadlock."""
    playback = DataPlayback(numbered(10), rtf=0.0)

    def publish(message: Any) -> None:
        playback.pause()
        playback.burst(1)

    with pytest.raises(ComponentError, match='by what publishes'):
        playback.play(publish)


def test_the_publisher_may_use_the_controls() -> None:
    """Promise: pause, seek, rate and stop may be called by what publishes."""
    taken: list[int] = []
    playback = DataPlayback(numbered(100), rtf=0.0)

    def publish(message: Any) -> None:
        taken.append(message.sequence)
        playback.pause()
        playback.resume()
        if len(taken) == 3:
            playback.seek(50 * 10 * MS)
        if len(taken) == 5:
            playback.stop()

    playback.play(publish)
    assert taken == [0, 1, 2, 50, 51]


def test_controls_from_many_threads_lose_nothing() -> None:
    """Promise: pauses, rates and questions from several threads leave the messages as they are."""
    taker = Taker()
    playback = DataPlayback(numbered(20_000), rtf=0.0, read_ahead_bytes=100_000)
    errors: list[BaseException] = []

    def disturb(number: int) -> None:
        try:
            while not playback.is_finished:
                (playback.pause, playback.resume, playback.status, playback.toggle)[number]()
                playback.set_rate(float(number) * 1e5)
                playback.resume()
                assert playback.position_ns >= 0
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            errors.append(error)

    threads = [threading.Thread(target=disturb, args=(number,)) for number in range(4)]
    playback.play(taker, blocking=False)
    for each in threads:
        each.start()
    for each in threads:
        each.join(LIMIT_S)
    assert playback.wait(LIMIT_S)
    assert not errors
    assert taker.sequences == list(range(20_000))


def test_seeks_from_another_thread_lead_where_they_say() -> None:
    """Promise: after each of many seeks, what comes next is what lies there."""
    taken: list[tuple[int, int]] = []
    playback = DataPlayback(numbered(5000), rtf=0.0, loop=True, read_ahead_bytes=50_000)
    target = [0]
    playback.play(lambda message: taken.append((target[0], message.sequence)), blocking=False)
    for place in range(4900, 0, -100):
        playback.pause()
        playback.seek(place * 10 * MS)
        target[0] = place
        count = len(taken)
        playback.burst(2)
        assert [sequence for _, sequence in taken[-2:]] == [place, place + 1]
        assert len(taken) <= count + 3
        playback.resume()
    playback.close()
    assert not playback.is_playing


def test_progress_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: progress gets the status, at least at the end; True writes a line of it."""
    told: list[Any] = []
    DataPlayback(numbered(10), rtf=0.0).play(lambda _: None, progress=told.append)
    assert told[-1].count == 10
    DataPlayback(numbered(101), rtf=0.0).play(lambda _: None, progress=True)
    last = capsys.readouterr().err.rpartition('\r')[2]
    assert last.startswith(f'[{"#" * 30}] 1.0 of 1.0 s, RTF ')
    assert last.endswith('\n')


def test_the_clock_goes_to_its_publisher() -> None:
    """Promise: on_clock gets the times for /clock, in order with the messages."""
    log: list[int] = []
    playback = DataPlayback(numbered(3), rtf=0.0, clock_hz=10.0)
    playback.play(lambda message: log.append(-message.sequence), on_clock=log.append)
    assert log == [0, 0, 10 * MS, -1, 20 * MS, -2]


def test_a_followed_clock_drives_the_thread() -> None:
    """Promise: a tick from another thread wakes the one that plays."""
    taker = Taker()
    playback = DataPlayback(numbered(10), follow='absolute')
    playback.play(taker, blocking=False)
    playback.follow_clock(0)
    taker.wait_for(1)
    playback.follow_clock(45 * MS)
    taker.wait_for(5)
    assert taker.sequences == [0, 1, 2, 3, 4]
    playback.follow_clock(S)
    assert playback.wait(LIMIT_S)


def test_the_interpreter_is_given_back() -> None:
    """Promise: how long threads keep the interpreter is short while playing, as before after it."""
    before = sys.getswitchinterval()
    seen: list[float] = []
    playback = DataPlayback(numbered(1), rtf=0.0)
    playback.play(lambda _: seen.append(sys.getswitchinterval()))
    assert seen == [pytest.approx(SWITCH_INTERVAL_S)]
    assert sys.getswitchinterval() == before


def test_a_with_statement_ends_the_threads() -> None:
    """Promise: leaving the context stops a playback without end."""
    with DataPlayback(numbered(10), rtf=0.0, loop=True) as playback:
        playback.play(lambda _: None, blocking=False)
    assert not playback.is_playing
    assert playback.wait(0.0)
    playback.close()


def test_the_read_ahead_is_bounded() -> None:
    """Promise: the reader stops at its bytes, goes on when some are taken, and can be closed."""
    read: list[int] = []

    def source() -> Any:
        for number in range(10_000):
            read.append(number)
            yield number

    ahead = ReadAhead(source(), lambda _: 100, 1000 * BLOCK_ITEMS // 10)
    ahead.may_rest = False
    ahead.wait_until_filled(1.0, LIMIT_S)
    # One that reads on is at the end of its source long before.
    ahead._thread.join(0.1)
    assert ahead._thread.is_alive()
    assert len(read) <= 2 * BLOCK_ITEMS
    taken = next(ahead)
    assert taken == list(range(BLOCK_ITEMS))
    ahead.close()
    assert len(read) <= 4 * BLOCK_ITEMS
    assert list(ahead) == []


def test_the_read_ahead_hands_on_everything() -> None:
    """Promise: whatever the room, blocks together are what the source gave."""
    for limit in (1, 100, 10**9):
        blocks = list(ReadAhead(iter(range(1000)), lambda _: 10, limit))
        assert [each for block in blocks for each in block] == list(range(1000))


def test_a_wake_ends_one_sleep() -> None:
    """Promise: after it was woken, the thread sleeps again as long as it is told."""
    waits: list[int] = []

    def advance() -> Wait | Finished:
        waits.append(time.monotonic_ns())
        return Wait(10 * MS) if len(waits) < 5 else Finished()

    def nothing(*_: Any) -> None:
        pass

    thread = PlayThread(
        advance,
        nothing,
        on_clock=None,
        now_ns=time.monotonic_ns,
        sleep=None,
        at_start=nothing,
        at_end=nothing,
    )
    thread.wake()
    thread.start()
    assert thread.join(LIMIT_S)
    assert waits[-1] - waits[0] >= 30 * MS


def test_the_margin_becomes_as_long_as_sleeps_end_late() -> None:
    """Promise: a thread wakes early enough for nearly all sleeps, and no earlier than it must."""
    margin = Margin()
    for number in range(20_000):
        # One sleep of 100 ends so late that it does not fit into the shortest margin.
        margin.learn(400_000 if number % 100 == 0 else 50_000)
    assert 300_000 < margin.ns <= 500_000
    for _ in range(20_000):
        margin.learn(10 * MOST_SPIN_NS)
    assert margin.ns == MOST_SPIN_NS
    for _ in range(20_000):
        margin.learn(0)
    assert margin.ns == LEAST_SPIN_NS


def test_the_end_is_told_whatever_ended_it() -> None:
    """Promise: `on_end` is called once, behind everything, also where publishing failed."""
    ends: list[bool] = []

    def fail(message: Any) -> None:
        raise ValueError(message.key)

    playback = DataPlayback(numbered(3), rtf=0.0)
    playback.play(lambda _: None, on_end=lambda: ends.append(playback.is_playing))
    assert ends == [False]
    failing = DataPlayback(numbered(3), rtf=0.0)
    with pytest.raises(ValueError, match='/n'):
        failing.play(fail, on_end=lambda: ends.append(failing.is_playing))
    assert ends == [False, False]
