"""Health: rates, ages, tasks, what outweighs what."""

from __future__ import annotations

import math

import pytest

from lk_dataset_ros.component import Component, Diagnostics, Frequency, Health, Level, StampAge
from lk_dataset_ros.component.health import gravest
from lk_dataset_ros.errors import ComponentError

S = 1_000_000_000


@pytest.mark.parametrize(
    ('period_ns', 'level', 'says'),
    [
        (S // 100, Level.OK, '100.'),
        (S // 94, Level.OK, '94'),
        (S // 80, Level.WARN, 'too slow: 80'),
        (S // 150, Level.WARN, 'too fast: 150'),
    ],
)
def test_a_rate_is_judged_within_its_tolerance(period_ns: int, level: Level, says: str) -> None:
    """Promise: 100 Hz with a tenth of tolerance: 94 is well, 80 and 150 are not."""
    rate = Frequency(100.0, 100.0, tolerance=0.1, window_s=2.0)
    end_ns = 10 * S
    for now_ns in range(0, end_ns, period_ns):
        rate.tick(now_ns)
    found = rate(end_ns)
    assert found.level is level
    assert says.rstrip('.') in found.message
    assert float(found.values['rate_hz']) == pytest.approx(S / period_ns, rel=0.01)


def test_a_rate_goes_stale_and_recovers() -> None:
    """Promise: nothing at all, or nothing any more, is stale; a clock that jumps back is no matter."""
    rate = Frequency(10.0, window_s=1.0)
    assert rate(0).level is Level.STALE
    for number in range(20):
        rate.tick(number * S // 10)
    assert rate(2 * S).level is Level.OK
    assert rate(4 * S).level is Level.STALE
    for number in range(20):
        rate.tick(number * S // 10)
    assert rate(2 * S).level is Level.OK
    assert rate.count == 40


def test_a_rate_remembers_little() -> None:
    """Promise: a million ticks in a window take no more room than 513, and the rate is right."""
    rate = Frequency(window_s=1.0)
    for now_ns in range(0, S, 1000):
        rate.tick(now_ns)
    assert len(rate._marks) <= 513
    assert rate.rate_hz(S) == pytest.approx(1e6, rel=0.01)


def test_ages_of_stamps() -> None:
    """Promise: the oldest and the newest since the last look are judged, then forgotten."""
    age = StampAge(-0.1, 0.5)
    assert age(0).level is Level.OK
    age.tick(S, S + S // 4)
    assert age(0).level is Level.OK
    age.tick(S, 2 * S)
    assert 'is 1 s old' in age(0).message
    age.tick(2 * S, S)
    assert '1 s in the future' in age(0).message
    assert age(0).level is Level.OK
    assert age(0).values['outside'] == 2


@pytest.mark.parametrize(
    'make',
    [
        lambda: Frequency(5.0, 1.0),
        lambda: Frequency(math.nan),
        lambda: Frequency(tolerance=-1.0),
        lambda: Frequency(window_s=0.0),
        lambda: StampAge(1.0, 0.0),
    ],
)
def test_wrong_bounds(make: type) -> None:
    """Promise: bounds that make no sense are refused."""
    with pytest.raises(ComponentError):
        make()


def test_tasks_are_asked_at_every_update() -> None:
    """Promise: own health first, with the worst of all; then each task's; one that fails is an error."""
    now = [0]
    dx = Diagnostics(name='arm', monotonic_ns=lambda: now[0])
    dx.frequency('input', minimum_hz=10.0, window_s=1.0)
    dx.add_task('battery', lambda now_ns: Health(Level.WARN, 'low', {'at': now_ns, 'v': 11.0}))
    for number in range(21):
        now[0] = number * S // 10
        dx.tick('input')
    own, rate, battery = dx.update()
    assert (own.level, own.message) == (Level.WARN, 'battery: low')
    assert (rate.name, rate.level) == ('arm: input', Level.OK)
    assert battery.values == {'at': str(2 * S), 'v': '11'}

    def fails(now_ns: int) -> Health:
        raise ValueError('no\nsensor')

    dx.add_task('broken', fails)
    assert dx.update()[-1].message == 'its task failed: ValueError: no'
    assert dx.status().level is Level.ERROR
    dx.remove_task('broken')
    dx.remove_task('battery')
    assert dx.update()[0].level is Level.OK


def test_wrong_names_of_tasks() -> None:
    """Promise: a task that is there already, and a rate that nobody watches, are refused."""
    dx = Diagnostics(name='arm')
    dx.add_task('a', lambda _: Health())
    with pytest.raises(ComponentError, match="there is a task 'a' already"):
        dx.add_task('a', lambda _: Health())
    with pytest.raises(ComponentError, match="no frequency 'a' is watched"):
        dx.tick('a')


def test_an_error_outweighs_silence() -> None:
    """Promise: error, stale, warning, ok."""
    assert gravest([Level.STALE, Level.ERROR, Level.WARN]) is Level.ERROR
    assert gravest([Level.STALE, Level.WARN]) is Level.STALE
    assert gravest([]) is Level.OK


def test_diagnostics_are_a_component_with_diagnostics() -> None:
    """Promise: the circle is closed: diagnostics carry a log and diagnostics of their own."""
    dx = Component().dx
    assert isinstance(dx, Component)
    assert isinstance(dx.dx, Diagnostics)
    assert dx.dx.status().level is Level.OK
