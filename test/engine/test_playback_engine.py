"""The playback's timing, by a clock in the test's hand: nothing sleeps here."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import DataPlayback, Finished, Publish, PublishClock, Wait
from lk_dataset_ros.errors import ComponentError, KeyNotFoundError

MS = 1_000_000


def numbers(kit: Any, times_ns: list[int], key: str = '/n') -> list[Any]:
    """Make one message per time, numbered."""
    return [
        (key, kit.message('std_msgs/msg/Int32', data=number), time_ns)
        for number, time_ns in enumerate(times_ns)
    ]


def play(
    playback: DataPlayback, fake_time: Any, *, stop_ns: int | None = None, limit: int = 100_000
) -> list[tuple[int, Any]]:
    """Do what the engine says until the end (or a wall time); return (wall time, action)."""
    log = []
    for _ in range(limit):
        action = playback.advance()
        if isinstance(action, Finished):
            return log
        if isinstance(action, Wait):
            assert action.ns > 0, 'a wait of nothing would spin'
            if stop_ns is not None and fake_time.now_ns + action.ns > stop_ns:
                fake_time.now_ns = stop_ns
                return log
            fake_time.now_ns += action.ns
        else:
            log.append((fake_time.now_ns, action))
    raise AssertionError('the playback does not come to an end')


def published(log: list[tuple[int, Any]]) -> list[tuple[int, int]]:
    """Return (wall time, log time) of what was published."""
    return [
        (wall, action.message.log_time_ns) for wall, action in log if isinstance(action, Publish)
    ]


@pytest.mark.parametrize('rtf', [0.5, 1.0, 10.0])
def test_messages_come_at_their_time(kit: Any, fake_time: Any, rtf: float) -> None:
    """Promise: at a real-time factor, each message is published at its recorded time / rtf."""
    times = [10 * MS, 10 * MS, 25 * MS, 400 * MS, 401 * MS]
    start = fake_time.now_ns
    playback = DataPlayback(kit.memory(numbers(kit, times)), now_ns=fake_time, rtf=rtf)
    log = published(play(playback, fake_time))
    assert log == [(start + round((time - times[0]) / rtf), time) for time in times]
    assert playback.is_finished
    assert playback.finished
    assert playback.achieved_rtf == pytest.approx(rtf)
    assert playback.counts == {'/n': 5} == {'/n': playback.total}


def test_unpaced_playback_never_waits(kit: Any, fake_time: Any) -> None:
    """Promise: at factor 0 every message is due at once, in order."""
    times = [0, 5_000 * MS, 9_000 * MS]
    start = fake_time.now_ns
    playback = DataPlayback(kit.memory(numbers(kit, times)), now_ns=fake_time, rtf=0.0)
    assert published(play(playback, fake_time)) == [(start, time) for time in times]
    assert fake_time.now_ns == start


def test_topics_interleave_in_time_order(kit: Any, fake_time: Any) -> None:
    """Promise: several topics are merged by log time, and none is left out."""
    dataset = kit.memory(
        numbers(kit, [1, 4, 7], '/a') + numbers(kit, [2, 4, 9], '/b') + numbers(kit, [3], '/c')
    )
    playback = DataPlayback(dataset, now_ns=fake_time, rtf=0.0)
    log = [action.message for _, action in play(playback, fake_time)]
    assert [each.log_time_ns for each in log] == [1, 2, 3, 4, 4, 7, 9]
    assert playback.counts == {'/a': 3, '/b': 3, '/c': 1}


def test_only_chosen_topics_are_played(kit: Any, fake_time: Any) -> None:
    """Promise: a choice of topics is held to; an unknown one is refused by name."""
    dataset = kit.memory(numbers(kit, [1, 2], '/a') + numbers(kit, [0, 3], '/b'))
    playback = DataPlayback(dataset, now_ns=fake_time, topics=['/a'], rtf=0.0)
    assert playback.start_ns == 1
    assert {action.message.key for _, action in play(playback, fake_time)} == {'/a'}
    everything = DataPlayback(dataset, now_ns=fake_time, topics=[''])
    assert list(everything.topics) == ['/a', '/b']
    with pytest.raises(KeyNotFoundError, match='there is /a, /b'):
        DataPlayback(dataset, topics=['/c'])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    times=st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    steps=st.lists(
        st.tuples(
            st.sampled_from(['wait', 'late', 'pause', 'resume', 'rate']), st.integers(1, 10**9)
        ),
        max_size=15,
    ),
)
def test_whatever_happens_everything_is_published_in_order(
    kit: Any, times: list[int], steps: list[tuple[str, int]]
) -> None:
    """Promise: pauses, rates and delays in any order leave nothing out and never publish early."""
    wall = [0]
    playback = DataPlayback(kit.memory(numbers(kit, times)), now_ns=lambda: wall[0])
    seen: list[int] = []

    def take() -> None:
        for _ in range(len(times) + 1):
            action = playback.advance()
            if not isinstance(action, Publish):
                return
            seen.append(action.message.log_time_ns)
            if playback.rtf and not playback.is_finished:
                assert action.message.log_time_ns <= playback.position_ns + 1

    for what, amount in steps:
        take()
        if what in ('wait', 'late'):
            wall[0] += amount
        elif what == 'pause':
            playback.pause()
        elif what == 'resume':
            playback.resume()
        else:
            playback.set_rate((amount % 5) / 2)
    playback.resume()
    playback.set_rate(1.0)
    for _ in range(3):
        take()
        wall[0] += 10**10
    take()
    assert seen == sorted(times)
    assert isinstance(playback.advance(), Finished)


def test_late_playback_publishes_everything(kit: Any, fake_time: Any) -> None:
    """Promise: a host that comes back late gets all that is due at once, nothing is skipped."""
    times = [n * 10 * MS for n in range(100)]
    playback = DataPlayback(kit.memory(numbers(kit, times)), now_ns=fake_time)
    playback.advance()
    fake_time.now_ns += 505 * MS
    now = fake_time.now_ns
    log = published(play(playback, fake_time, stop_ns=now))
    assert log == [(now, time) for time in times[1:51]]


def test_pause_stands_and_resume_goes_on(kit: Any, fake_time: Any) -> None:
    """Promise: while paused nothing is due; afterwards the rest comes as much later."""
    playback = DataPlayback(kit.memory(numbers(kit, [0, 100 * MS, 200 * MS])), now_ns=fake_time)
    start = fake_time.now_ns
    log = play(playback, fake_time, stop_ns=start + 150 * MS)
    playback.pause()
    position = playback.position_ns
    assert playback.is_paused
    log += play(playback, fake_time, stop_ns=start + 1150 * MS)
    assert playback.position_ns == position == 150 * MS
    playback.resume()
    log += play(playback, fake_time)
    assert published(log) == [
        (start, 0),
        (start + 100 * MS, 100 * MS),
        (start + 1200 * MS, 200 * MS),
    ]
    assert playback.achieved_rtf == pytest.approx(1.0)


@pytest.mark.parametrize('rtf', [0.0, 1.0])
def test_a_paused_start_waits_for_resume(kit: Any, fake_time: Any, rtf: float) -> None:
    """Promise: started paused, not even the first message comes before resume."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [7, 8])), now_ns=fake_time, start_paused=True, rtf=rtf
    )
    start = fake_time.now_ns
    assert play(playback, fake_time, stop_ns=start + 1000 * MS) == []
    playback.resume()
    assert published(play(playback, fake_time)) == [
        (start + 1000 * MS, 7),
        (start + 1000 * MS + (1 if rtf else 0), 8),
    ]


def test_pausing_twice_is_pausing_once(kit: Any, fake_time: Any) -> None:
    """Promise: pause and resume may be said again without effect."""
    playback = DataPlayback(kit.memory(numbers(kit, [0, 100 * MS])), now_ns=fake_time)
    start = fake_time.now_ns
    playback.advance()
    for _ in range(2):
        playback.pause()
        fake_time.now_ns += 10 * MS
    for _ in range(2):
        playback.resume()
        fake_time.now_ns += 10 * MS
    assert published(play(playback, fake_time)) == [(start + 120 * MS, 100 * MS)]


def test_the_rate_changes_from_now_on(kit: Any, fake_time: Any) -> None:
    """Promise: a new rate holds from the moment it is set; the past is not played again."""
    playback = DataPlayback(kit.memory(numbers(kit, [0, 100 * MS, 300 * MS])), now_ns=fake_time)
    start = fake_time.now_ns
    log = play(playback, fake_time, stop_ns=start + 100 * MS)
    log += play(playback, fake_time, stop_ns=start + 200 * MS)
    playback.set_rate(10.0)
    log += play(playback, fake_time)
    assert published(log)[-1] == (start + 210 * MS, 300 * MS)


def test_the_rate_may_go_to_zero_and_back(kit: Any, fake_time: Any) -> None:
    """Promise: from paced to as fast as possible and back, the clock goes on from the last one."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [0, 100 * MS, 200 * MS, 300 * MS])), now_ns=fake_time
    )
    start = fake_time.now_ns
    playback.advance()
    playback.set_rate(0.0)
    assert isinstance(playback.advance(), Publish)
    playback.set_rate(1.0)
    assert published(play(playback, fake_time)) == [
        (start + 100 * MS, 200 * MS),
        (start + 200 * MS, 300 * MS),
    ]


def test_the_rate_may_change_while_paused(kit: Any, fake_time: Any) -> None:
    """Promise: a rate that is set while paused holds after resume."""
    playback = DataPlayback(kit.memory(numbers(kit, [0, 100 * MS])), now_ns=fake_time)
    playback.advance()
    playback.pause()
    playback.set_rate(2.0)
    fake_time.now_ns += 500 * MS
    playback.resume()
    resumed = fake_time.now_ns
    assert published(play(playback, fake_time)) == [(resumed + 50 * MS, 100 * MS)]


@pytest.mark.parametrize('rate', [-1.0, float('nan'), float('inf')])
def test_rates_that_are_none_are_refused(kit: Any, fake_time: Any, rate: float) -> None:
    """Promise: a negative or endless rate is a ComponentError and changes nothing."""
    playback = DataPlayback(kit.memory(numbers(kit, [0])), now_ns=fake_time)
    with pytest.raises(ComponentError):
        playback.set_rate(rate)
    assert playback.rtf == 1.0


@pytest.mark.parametrize('rtf', [0.5, 1.0, 4.0])
def test_the_clock_ticks_by_wall_time(kit: Any, fake_time: Any, rtf: float) -> None:
    """Promise: /clock comes clock_hz times per wall second and tells the recorded time."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [0, 1000 * MS])), now_ns=fake_time, clock_hz=100.0, rtf=rtf
    )
    start = fake_time.now_ns
    log = play(playback, fake_time)
    ticks = [(wall, each.time_ns) for wall, each in log if isinstance(each, PublishClock)]
    assert [wall for wall, _ in ticks] == [start + n * 10 * MS for n in range(len(ticks))]
    assert abs(len(ticks) - 100 / rtf) <= 1
    assert all(time == pytest.approx((wall - start) * rtf, abs=2) for wall, time in ticks)


def test_the_clock_never_runs_back(kit: Any, fake_time: Any) -> None:
    """Promise: ticks grow, through pauses and changes of rate."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [0, 3000 * MS])), now_ns=fake_time, clock_hz=50.0
    )
    start = fake_time.now_ns
    log = play(playback, fake_time, stop_ns=start + 333 * MS)
    playback.pause()
    log += play(playback, fake_time, stop_ns=start + 777 * MS)
    playback.set_rate(3.0)
    playback.resume()
    log += play(playback, fake_time)
    times = [each.time_ns for _, each in log if isinstance(each, PublishClock)]
    assert times == sorted(times)
    assert len(times) > 50


def test_the_clock_of_an_unpaced_playback_goes_with_the_messages(kit: Any, fake_time: Any) -> None:
    """Promise: at factor 0 the time of each message comes before it, once per time."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [5, 5, 9])), now_ns=fake_time, clock_hz=1.0, rtf=0.0
    )
    log = [
        each.time_ns if isinstance(each, PublishClock) else -each.message.log_time_ns
        for _, each in play(playback, fake_time)
    ]
    assert log == [5, -5, -5, 9, -9]


def test_missed_ticks_are_left_out(kit: Any, fake_time: Any) -> None:
    """Promise: after a delay of two and a half periods there is one tick, not a burst."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [0, 1000 * MS])), now_ns=fake_time, clock_hz=100.0
    )
    start = fake_time.now_ns
    play(playback, fake_time, stop_ns=start)
    fake_time.now_ns = start + 35 * MS
    log = play(playback, fake_time, stop_ns=start + 35 * MS)
    assert [wall for wall, each in log if isinstance(each, PublishClock)] == [start + 35 * MS]


def test_nothing_to_play_is_finished_at_once(kit: Any, fake_time: Any) -> None:
    """Promise: a dataset without messages is finished, also for a host that asks `finished`."""
    dataset = kit.memory([])
    playback = DataPlayback(dataset, now_ns=fake_time)
    assert isinstance(playback.advance(), Finished)
    assert playback.is_finished
    assert playback.position_ns == playback.end_ns == 0
    assert playback.finished


def test_played_as_a_component_it_gives_messages(kit: Any, fake_time: Any) -> None:
    """Promise: a call returns the message that is due by key, or nothing."""
    playback = DataPlayback(kit.memory(numbers(kit, [0, 10 * MS])), now_ns=fake_time)
    assert playback()['/n'].data == 0
    assert playback() == {}
    fake_time.now_ns += 10 * MS
    assert playback()['/n'].data == 1


def test_the_achieved_factor_counts_all_that_was_played(kit: Any, fake_time: Any) -> None:
    """Promise: changing from factor 0 to 1 does not make the achieved factor a lie."""
    playback = DataPlayback(
        kit.memory(numbers(kit, [0, 100 * MS, 200 * MS])), now_ns=fake_time, rtf=0.0
    )
    playback.advance()
    fake_time.now_ns += 100 * MS
    playback.advance()
    playback.set_rate(1.0)
    play(playback, fake_time)
    assert playback.achieved_rtf == pytest.approx(1.0)
