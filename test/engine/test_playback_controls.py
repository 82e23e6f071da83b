"""Seek, loop, late policies, other clocks: every timing rule, by a clock in the test's hand."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import (
    DataPlayback,
    Dataset,
    Finished,
    MemoryDatabase,
    Publish,
    PublishClock,
    Wait,
)
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import builtin_schema
from lk_dataset_ros.testing import FakeClock

MS = 1_000_000
S = 1000 * MS
INT32 = builtin_schema('std_msgs/msg/Int32')
LATCHED = '- {history: keep_last, depth: 1, durability: transient_local}'
VOLATILE = '- {history: keep_last, depth: 1, durability: volatile}'


def numbered(times_ns: list[int], key: str = '/n', latched_ns: list[int] | None = None) -> Dataset:
    """Make a dataset of numbered messages, and of latched ones on `/map`."""
    database = MemoryDatabase()
    database.declare(key, INT32, VOLATILE)
    database.declare('/map', INT32, LATCHED)
    for name, times in ((key, times_ns), ('/map', latched_ns or [])):
        for number, time_ns in enumerate(times):
            cdr = b'\x00\x01\x00\x00' + number.to_bytes(4, 'little')
            database.write_serialized(name, cdr, time_ns, time_ns, number)
    return Dataset(database)


def play(
    playback: DataPlayback, clock: FakeClock, *, until_ns: int | None = None, limit: int = 10_000
) -> list[tuple[int, Any]]:
    """Do what the engine says until the end (or a wall time); return (wall time, action)."""
    log: list[tuple[int, Any]] = []
    for _ in range(limit):
        action = playback.advance()
        if isinstance(action, Finished):
            return log
        if isinstance(action, Wait):
            assert action.ns > 0, 'a wait of nothing would spin'
            if until_ns is not None and clock.now_ns + action.ns > until_ns:
                clock.now_ns = max(until_ns, clock.now_ns)
                return log
            clock.now_ns += action.ns
        else:
            log.append((clock.now_ns, action))
    raise AssertionError('the playback does not come to an end')


def messages(log: list[tuple[int, Any]], start_ns: int = 0) -> list[tuple[int, str, int]]:
    """Return wall time after the start, topic and log time of what was published."""
    return [
        (wall - start_ns, each.message.key, each.message.log_time_ns)
        for wall, each in log
        if isinstance(each, Publish)
    ]


# A model: position is piecewise linear in wall time, a message is due when it is reached.


class Model:
    """The rules in exact arithmetic, stepped from event to event."""

    def __init__(self, times_ns: list[int], start_ns: int) -> None:
        self.times = sorted(times_ns)
        self.wall = Fraction(start_ns)
        self.position = Fraction(self.times[0])
        self.rate = Fraction(1)
        self.paused = False
        self.left = list(self.times)
        self.published: list[tuple[Fraction, int]] = []

    def run(self, wall_ns: int) -> None:
        """Let time pass."""
        rate = Fraction(0) if self.paused else self.rate
        while self.left and not self.paused and self.rate:
            due = self.wall + max(Fraction(0), (self.left[0] - self.position) / self.rate)
            if due > wall_ns:
                break
            self.published.append((due, self.left.pop(0)))
        if self.left:
            self.position += (wall_ns - self.wall) * rate
        self.wall = Fraction(wall_ns)

    def seek(self, time_ns: int) -> None:
        """Go elsewhere."""
        self.position = Fraction(time_ns)
        self.left = [each for each in self.times if each >= time_ns]


steps = st.lists(
    st.tuples(st.sampled_from(['pause', 'resume', 'rate', 'seek']), st.integers(1, 3 * S)),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(times=st.lists(st.integers(0, 3 * S), min_size=1, max_size=15), course=steps)
def test_any_course_follows_the_model(times: list[int], course: list[tuple[str, int]]) -> None:
    """Promise: through pauses, rates and seeks, each message comes when exact arithmetic says."""
    clock = FakeClock()
    playback = DataPlayback(numbered(times), now_ns=clock)
    model = Model(times, clock.now_ns)
    log = []
    for what, amount in course:
        log += play(playback, clock, until_ns=clock.now_ns + amount)
        # What finished early did so before the step's end.
        clock.now_ns = max(clock.now_ns, int(model.wall) + amount)
        model.run(clock.now_ns)
        if what == 'pause':
            playback.pause()
            model.paused = True
        elif what == 'resume':
            playback.resume()
            model.paused = False
        elif what == 'rate':
            rate = Fraction(1 + amount % 7, 4)
            playback.set_rate(float(rate))
            model.rate = rate
        else:
            target = min(times) + amount % (max(times) - min(times) + 1)
            playback.seek(target)
            model.seek(target)
    playback.resume()
    model.paused = False
    log += play(playback, clock)
    model.run(clock.now_ns + 100 * S)
    assert [log_ns for _, _, log_ns in messages(log)] == [each for _, each in model.published]
    for (wall, _, _), (due, _) in zip(messages(log), model.published, strict=True):
        # Each change of the course rounds once, to a nanosecond of recorded time.
        assert abs(wall - due) <= 4 * (len(course) + 1)


def test_seek_goes_on_from_there_at_once() -> None:
    """Promise: after a seek messages from there on come at their distances, forward and back."""
    clock = FakeClock()
    start = clock.now_ns
    playback = DataPlayback(numbered([n * 100 * MS for n in range(11)]), now_ns=clock)
    play(playback, clock, until_ns=start + 250 * MS)
    playback.seek(850 * MS)
    assert playback.position_ns == 850 * MS
    log = play(playback, clock, until_ns=start + 350 * MS)
    playback.seek(0)
    log += play(playback, clock, until_ns=start + 450 * MS)
    assert messages(log, start) == [
        (300 * MS, '/n', 900 * MS),
        (350 * MS, '/n', 0),
        (450 * MS, '/n', 100 * MS),
    ]
    assert playback.status().lateness_max_s == 0.0


@pytest.mark.parametrize('rtf', [0.0, 1.0])
def test_seek_brings_the_latched_state(rtf: float) -> None:
    """Promise: after a seek the last latched message before it comes first, with its bag time."""
    clock = FakeClock()
    dataset = numbered([n * 100 * MS for n in range(11)], latched_ns=[0, 420 * MS, 910 * MS])
    playback = DataPlayback(dataset, now_ns=clock, rtf=rtf)
    playback.seek(500 * MS)
    start = clock.now_ns
    log = messages(play(playback, clock), start)
    assert log[:2] == [(0, '/map', 420 * MS), (0, '/n', 500 * MS)]
    assert log[-2:] == [(round(410 * MS * rtf), '/map', 910 * MS), (500 * MS * rtf, '/n', S)]


def test_seek_is_possible_at_any_moment() -> None:
    """Promise: before the first message, while paused and after the end a seek works as well."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, S, 2 * S]), now_ns=clock)
    playback.seek(S)
    start = clock.now_ns
    assert messages(play(playback, clock), start) == [(0, '/n', S), (S, '/n', 2 * S)]
    assert playback.is_finished
    playback.pause()
    playback.seek(1500 * MS)
    assert not playback.is_finished
    assert playback.position_ns == 1500 * MS
    start = clock.now_ns
    assert messages(play(playback, clock, until_ns=start + 5 * S)) == []
    playback.resume()
    assert messages(play(playback, clock), start) == [(5500 * MS, '/n', 2 * S)]


def test_seek_beyond_the_ends_is_refused() -> None:
    """Promise: a seek to what is not played says what is, and changes nothing."""
    playback = DataPlayback(numbered([S, 2 * S]), now_ns=FakeClock())
    for time_ns in (S - 1, 2 * S + 1, -5):
        with pytest.raises(ComponentError, match=f'{S} to {2 * S} ns'):
            playback.seek(time_ns)
    assert playback.position_ns == S
    playback.stop()
    with pytest.raises(ComponentError, match='stopped'):
        playback.seek(S)


@pytest.mark.parametrize('rtf', [0.5, 1.0, 3.0])
def test_a_loop_keeps_the_time_of_its_rounds(rtf: float) -> None:
    """Promise: rounds follow each other without a gap or drift; round and position are told."""
    clock = FakeClock()
    start = clock.now_ns
    times = [S, S + 10 * MS, S + 90 * MS]
    playback = DataPlayback(numbered(times), now_ns=clock, loop=True, rtf=rtf, clock_hz=0.0)
    log = messages(play(playback, clock, until_ns=start + round(200 * MS / rtf)), start)
    expected = [(n * 90 * MS + each - S, each) for n in range(3) for each in times]
    within = [(due, each) for due, each in expected if due <= 200 * MS]
    assert [each for _, _, each in log] == [each for _, each in within]
    for (wall, _, _), (due, _) in zip(log, within, strict=True):
        assert abs(wall - due / rtf) <= 1
    assert playback.status().round == 2
    assert playback.position_ns == pytest.approx(S + 20 * MS, abs=3)
    assert playback.achieved_rtf == pytest.approx(rtf, rel=1e-6)
    assert not playback.is_finished


def test_a_loop_of_a_part_lasts_as_long_as_the_part() -> None:
    """Promise: a part of 1 s is played every second, its latched state at each beginning."""
    clock = FakeClock()
    start = clock.now_ns
    dataset = numbered([0, 1500 * MS, 1900 * MS, 3 * S], latched_ns=[200 * MS])
    playback = DataPlayback(dataset, now_ns=clock, loop=True, start_offset_s=1.0, duration_s=1.0)
    log = messages(play(playback, clock, until_ns=start + 2600 * MS), start)
    one = [(0, '/map', 200 * MS), (500 * MS, '/n', 1500 * MS), (900 * MS, '/n', 1900 * MS)]
    assert log == [(n * S + wall, *rest) for n in range(3) for wall, *rest in one][:8]
    # Nobody has asked for the next round yet.
    clock.advance(10.0)
    assert playback.position_ns == playback.end_ns == 2 * S


def test_a_loop_of_one_message_does_not_spin() -> None:
    """Promise: a bag of no duration is repeated once per second of recorded time."""
    clock = FakeClock()
    start = clock.now_ns
    playback = DataPlayback(numbered([5 * S]), now_ns=clock, loop=True)
    log = messages(play(playback, clock, until_ns=start + 2500 * MS), start)
    assert [wall for wall, _, _ in log] == [0, S, 2 * S]


def test_a_loop_without_pace_goes_round_at_once() -> None:
    """Promise: at factor 0 the next round follows at once, and a stop ends it."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, S]), now_ns=clock, loop=True, rtf=0.0)
    found = [playback.advance() for _ in range(6)]
    assert [each.message.log_time_ns for each in found if isinstance(each, Publish)] == [0, S] * 3
    assert playback.status().round == 2
    playback.stop()
    assert isinstance(playback.advance(), Finished)
    assert playback.is_finished


def test_the_clock_runs_back_with_a_round_and_only_then() -> None:
    """Promise: the time on /clock grows within a round and starts again with the next."""
    clock = FakeClock()
    start = clock.now_ns
    playback = DataPlayback(numbered([S, 2 * S]), now_ns=clock, loop=True, clock_hz=10.0)
    log = play(playback, clock, until_ns=start + 2950 * MS)
    ticks = [each.time_ns for _, each in log if isinstance(each, PublishClock)]
    assert all(S <= each <= 2 * S for each in ticks)
    assert sum(late < early for early, late in pairwise(ticks)) == 2


def test_a_delay_comes_once_before_everything() -> None:
    """Promise: after delay_s the first message comes, also with a pause in the meantime."""
    clock = FakeClock()
    start = clock.now_ns
    playback = DataPlayback(
        numbered([0, S]), now_ns=clock, delay_s=2.0, rtf=2.0, clock_hz=1.0, loop=True
    )
    assert playback.status().state == 'waiting'
    log = play(playback, clock, until_ns=start + S)
    assert log == []
    playback.pause()
    playback.resume()
    log = messages(play(playback, clock, until_ns=start + 3 * S), start)
    assert [wall for wall, _, _ in log] == [2000 * MS, 2500 * MS, 2500 * MS, 3000 * MS, 3000 * MS]


def late_by(policy: str, lateness_ns: int, **options: Any) -> tuple[DataPlayback, FakeClock]:
    """Start a playback of 10 ms steps whose host comes back late."""
    clock = FakeClock()
    dataset = numbered([n * 10 * MS for n in range(101)], latched_ns=[205 * MS])
    playback = DataPlayback(dataset, now_ns=clock, late_policy=policy, late_limit_s=0.1, **options)
    play(playback, clock, until_ns=clock.now_ns + 100 * MS)
    clock.now_ns += lateness_ns
    return playback, clock


def test_catch_up_publishes_all_at_once() -> None:
    """Promise: catch_up leaves nothing out, counts what is late and is in time again after it."""
    playback, clock = late_by('catch_up', 500 * MS)
    now = clock.now_ns
    log = messages(play(playback, clock), now)
    assert [each for wall, _, each in log if wall == 0] == sorted(
        [n * 10 * MS for n in range(11, 61)] + [205 * MS]
    )
    assert [wall for wall, _, _ in log if wall > 0] == [n * 10 * MS for n in range(1, 41)]
    status = playback.status()
    # 110 to 490 ms were due more than 100 ms ago.
    assert (status.late, status.dropped) == (40, 0)
    assert status.lateness_max_s == pytest.approx(0.49)
    assert status.topics['/map'].late == 1


def test_slow_down_keeps_the_distances() -> None:
    """Promise: slow_down puts off what follows: nothing is left out, distances are as recorded."""
    playback, clock = late_by('slow_down', 500 * MS)
    now = clock.now_ns
    log = messages(play(playback, clock), now)
    assert [(wall, each) for wall, key, each in log if key == '/n'] == [
        ((n - 11) * 10 * MS, n * 10 * MS) for n in range(11, 101)
    ]
    assert playback.status().late == 1
    assert playback.achieved_rtf == pytest.approx(1.0 / 1.49, rel=0.01)


def test_slow_down_does_not_mind_what_is_within_the_limit() -> None:
    """Promise: lateness within the limit is caught up with."""
    playback, clock = late_by('slow_down', 50 * MS)
    now = clock.now_ns
    log = messages(play(playback, clock), now)
    assert log[-1] == (850 * MS, '/n', S)
    assert playback.status().late == 0


def test_drop_late_leaves_out_and_tells() -> None:
    """Promise: drop_late leaves out what is later than the limit, but no latched message."""
    playback, clock = late_by('drop_late', 500 * MS)
    now = clock.now_ns
    log = messages(play(playback, clock), now)
    at_once = [(key, each) for wall, key, each in log if wall == 0]
    assert at_once == [('/map', 205 * MS)] + [('/n', n * 10 * MS) for n in range(50, 61)]
    status = playback.status()
    assert (status.topics['/n'].dropped, status.topics['/map'].dropped) == (39, 0)
    assert (status.dropped, status.late) == (39, 40)
    assert status.count == sum(playback.counts.values()) == 102 - 39


def test_dropping_without_end_gives_the_host_a_turn() -> None:
    """Promise: a playback that is late by a million messages can still be stopped."""
    clock = FakeClock()
    dataset = numbered([n * MS for n in range(5000)])
    playback = DataPlayback(dataset, now_ns=clock, late_policy='drop_late', late_limit_s=0.0)
    playback.advance()
    clock.now_ns += 100 * S
    assert playback.advance() == Wait(1)
    play(playback, clock)
    assert playback.status().dropped == 4999


def test_the_clock_is_told_before_messages() -> None:
    """Promise: clock_on_messages tells the time before each message, clock_topics before some."""
    clock = FakeClock()
    dataset = numbered([0, 10 * MS, 10 * MS], latched_ns=[20 * MS])

    def course(**options: Any) -> list[Any]:
        log = play(DataPlayback(dataset, now_ns=clock, **options), clock)
        return [
            each.time_ns if isinstance(each, PublishClock) else each.message.key for _, each in log
        ]

    for rtf in (0.0, 1.0):
        assert course(clock_on_messages=True, rtf=rtf) == [
            0, '/n', 10 * MS, '/n', 10 * MS, '/n', 20 * MS, '/map',
        ]  # fmt: skip
        assert course(clock_topics=['/map'], rtf=rtf) == ['/n', '/n', '/n', 20 * MS, '/map']


def test_the_clock_never_runs_back_with_late_messages() -> None:
    """Promise: ticks and the times before messages together never run back."""
    clock = FakeClock()
    playback = DataPlayback(
        numbered([n * 7 * MS for n in range(100)]),
        now_ns=clock,
        clock_hz=100.0,
        clock_on_messages=True,
        late_policy='slow_down',
        late_limit_s=0.05,
    )
    log = play(playback, clock, until_ns=clock.now_ns + 100 * MS)
    clock.now_ns += 333 * MS
    log += play(playback, clock)
    ticks = [each.time_ns for _, each in log if isinstance(each, PublishClock)]
    assert ticks == sorted(ticks)


def test_play_next_hands_out_one_and_goes_on_from_there() -> None:
    """Promise: paused, play_next gives the next message; resume goes on from its time."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, S, 3 * S]), now_ns=clock, start_paused=True)
    with pytest.raises(ComponentError, match='call play first'):
        playback.burst(2)
    for time_ns in (0, S):
        found = playback.play_next()
        assert found is not None
        assert found.message.log_time_ns == playback.position_ns == time_ns
        clock.advance(5.0)
    playback.resume()
    with pytest.raises(ComponentError, match='pause first'):
        playback.play_next()
    start = clock.now_ns
    assert messages(play(playback, clock), start) == [(2 * S, '/n', 3 * S)]
    playback.pause()
    assert playback.play_next() is None
    assert playback.counts['/n'] == 3
    assert playback.toggle() is False
    assert playback.toggle() is True


def test_steps_do_not_count_as_speed() -> None:
    """Promise: recorded time that was stepped over does not make the achieved factor better."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, S, 50 * S, 51 * S]), now_ns=clock)
    play(playback, clock, until_ns=clock.now_ns + 1500 * MS)
    playback.pause()
    playback.play_next()
    playback.resume()
    play(playback, clock)
    assert playback.achieved_rtf == pytest.approx(1.0)
    playback.seek(0)
    play(playback, clock, until_ns=clock.now_ns + 1500 * MS)
    assert playback.achieved_rtf == pytest.approx(1.0)


def test_the_clock_stands_where_a_change_of_pace_sets_back() -> None:
    """Promise: from paced to unpaced and back, the time on /clock does not run back."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, S, 2 * S]), now_ns=clock, clock_hz=10.0)
    log = play(playback, clock, until_ns=clock.now_ns + 550 * MS)
    playback.set_rate(0.0)
    playback.set_rate(1.0)
    log += play(playback, clock)
    ticks = [each.time_ns for _, each in log if isinstance(each, PublishClock)]
    assert ticks == sorted(ticks)
    assert len(ticks) > 15


def test_play_next_goes_through_a_loop() -> None:
    """Promise: stepping past the end of a round begins the next."""
    playback = DataPlayback(numbered([S, 2 * S]), now_ns=FakeClock(), loop=True, start_paused=True)
    found = [playback.play_next() for _ in range(5)]
    assert [each.message.log_time_ns // S for each in found if each] == [1, 2, 1, 2, 1]
    assert playback.position_ns == S
    assert playback.status().round == 2


def test_a_stopped_playback_can_be_played_again() -> None:
    """Promise: restart plays again or another part, with nothing counted, and not before."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, S, 2 * S, 3 * S]), now_ns=clock)
    play(playback, clock, until_ns=clock.now_ns + S)
    with pytest.raises(ComponentError, match='stop it first'):
        playback.restart()
    playback.pause()
    playback.stop()
    assert playback.advance() == Finished()
    with pytest.raises(ComponentError, match='lasts 3 s'):
        playback.restart(start_offset_s=10.0)
    playback.restart(start_offset_s=1.0, duration_s=1.5)
    assert (playback.start_ns, playback.end_ns) == (S, 2500 * MS)
    assert not playback.is_paused
    assert sum(playback.counts.values()) == 0
    start = clock.now_ns
    assert messages(play(playback, clock), start) == [(0, '/n', S), (S, '/n', 2 * S)]
    playback.restart(until_ns=S)
    assert [each for _, _, each in messages(play(playback, clock))] == [0, S]


def ticked(playback: DataPlayback, clock: FakeClock, time_ns: int) -> list[int]:
    """Let the followed clock tick; return log times of what comes at once."""
    playback.follow_clock(time_ns)
    log = play(playback, clock, until_ns=clock.now_ns)
    return [each for _, _, each in messages(log)]


def test_a_followed_clock_decides_alone() -> None:
    """Promise: nothing comes ahead of the followed clock, whatever wall time passes."""
    clock = FakeClock()
    playback = DataPlayback(
        numbered([n * 100 * MS for n in range(11)]), now_ns=clock, follow='absolute'
    )
    assert play(playback, clock, until_ns=clock.now_ns + 10 * S) == []
    assert playback.status().state == 'waiting'
    assert ticked(playback, clock, 0) == [0]
    clock.advance(3.0)
    assert ticked(playback, clock, 50 * MS) == []
    assert ticked(playback, clock, 310 * MS) == [100 * MS, 200 * MS, 300 * MS]
    assert playback.position_ns == 310 * MS
    clock.advance(3.0)
    assert ticked(playback, clock, 310 * MS) == []
    assert ticked(playback, clock, 10 * S)[-1] == S
    assert playback.is_finished
    assert playback.status().late == 0
    with pytest.raises(ComponentError, match='rate'):
        playback.set_rate(2.0)
    with pytest.raises(ComponentError, match='position'):
        playback.seek(0)


def test_a_followed_clock_that_starts_late_gets_the_state() -> None:
    """Promise: the first tick within the bag begins there, with the latched state before it."""
    clock = FakeClock()
    dataset = numbered([n * 100 * MS for n in range(11)], latched_ns=[120 * MS, 720 * MS])
    playback = DataPlayback(dataset, now_ns=clock, follow='absolute')
    assert ticked(playback, clock, 500 * MS) == [120 * MS, 500 * MS]
    assert ticked(playback, clock, 750 * MS) == [600 * MS, 700 * MS, 720 * MS]


def test_a_followed_clock_that_jumps_back_is_followed() -> None:
    """Promise: a tick that goes back is a seek, with the latched state; a reset begins again."""
    clock = FakeClock()
    dataset = numbered([n * 100 * MS for n in range(11)], latched_ns=[120 * MS])
    playback = DataPlayback(dataset, now_ns=clock, follow='absolute')
    ticked(playback, clock, 0)
    assert ticked(playback, clock, 800 * MS)[-1] == 800 * MS
    assert ticked(playback, clock, 400 * MS) == [120 * MS, 400 * MS]
    assert ticked(playback, clock, 0) == [0]
    assert ticked(playback, clock, 100 * MS) == [100 * MS]


def test_a_relative_clock_begins_with_the_bag() -> None:
    """Promise: relative, the first tick stands for the start; resets and jumps back keep to it."""
    clock = FakeClock()
    playback = DataPlayback(
        numbered([70 * S + n * 100 * MS for n in range(11)]), now_ns=clock, follow='relative'
    )
    at = [70 * S + n * 100 * MS for n in range(11)]
    assert ticked(playback, clock, 5 * S) == at[:1]
    assert ticked(playback, clock, 5 * S + 250 * MS) == at[1:3]
    assert ticked(playback, clock, 5 * S + 100 * MS) == at[1:2]
    # A simulator that was reset starts at a time before its first one.
    assert ticked(playback, clock, 1 * S) == at[:1]
    assert ticked(playback, clock, 1 * S + 100 * MS) == at[1:2]
    playback.seek(at[7])
    assert ticked(playback, clock, 1 * S + 100 * MS) == at[7:8]
    assert ticked(playback, clock, 1 * S + 200 * MS) == at[8:9]


@pytest.mark.parametrize('follow', ['absolute', 'relative'])
def test_a_pause_holds_against_a_followed_clock(follow: str) -> None:
    """Promise: paused, ticks bring nothing; then relative goes on from there, absolute to it."""
    clock = FakeClock()
    at = [n * 100 * MS for n in range(11)]
    playback = DataPlayback(numbered(at), now_ns=clock, follow=follow)
    ticked(playback, clock, 0)
    playback.follow_clock(150 * MS)
    # What a tick has reached is held back as well.
    playback.pause()
    assert play(playback, clock, until_ns=clock.now_ns) == []
    playback.resume()
    playback.pause()
    assert ticked(playback, clock, 250 * MS) == []
    clock.advance(0.25)
    playback.resume()
    due = messages(play(playback, clock, until_ns=clock.now_ns))
    assert [each for _, _, each in due] == (at[1:3] if follow == 'absolute' else at[1:2])
    assert ticked(playback, clock, 350 * MS) == (at[3:4] if follow == 'absolute' else at[2:3])
    assert playback.status().late == 0


def test_only_a_follower_takes_ticks() -> None:
    """Promise: a tick for a playback that follows nothing is refused."""
    with pytest.raises(ComponentError, match='follow'):
        DataPlayback(numbered([0]), now_ns=FakeClock()).follow_clock(0)


def test_what_is_due_can_be_taken_together() -> None:
    """Promise: take_due gives what advance would, and leaves the clock's turn to it."""
    clock = FakeClock()
    playback = DataPlayback(numbered([0, 0, 0, S]), now_ns=clock)
    assert [each.sequence for each in playback.take_due(2)] == [0, 1]
    assert [each.sequence for each in playback.take_due()] == [2]
    assert playback.take_due() == []
    clock.advance(1.0)
    assert [each.sequence for each in playback.take_due()] == [3]
    assert isinstance(playback.advance(), Finished)
    with_clock = DataPlayback(numbered([0, S]), now_ns=clock, clock_on_messages=True, rtf=0.0)
    assert with_clock.take_due() == []
    assert with_clock.take_due() == []
    assert with_clock.advance() == PublishClock(0)
    assert [each.sequence for each in with_clock.take_due()] == [0]
    assert not with_clock.is_finished
