"""The switch: the original drives unless both have agreed; back within one message."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from lk_dataset_ros.dataset.consensus.switching import ActuatorSwitch
from lk_dataset_ros.errors import ComponentError

MS = 1_000_000
PERIOD_NS = 10 * MS


def agrees(original: bytes, compiled: bytes) -> bool:
    """Agree on the number that both messages carry after who sent them."""
    return original[1:] == compiled[1:]


def switch(**settings: float) -> ActuatorSwitch:
    """Make a switch that lets the compiled drive after 50 ms."""
    settings = {'hold_s': 0.05, 'limit_s': 0.015, **settings}
    return ActuatorSwitch(agrees, config=ActuatorSwitch.Config.from_mapping(settings))


def say(side: str, number: int, *, wrong: bool = False) -> bytes:
    """Return a message."""
    return f'{side}{-number if wrong else number}'.encode()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


def drive(
    it: ActuatorSwitch, numbers: range, *, delay_ns: int = MS, wrong: frozenset[int] = frozenset()
) -> list[bytes]:
    """Let both arms answer at 100 Hz; return what is published."""
    published: list[bytes] = []
    for number in numbers:
        now_ns = number * PERIOD_NS
        events = [
            (now_ns, 'o', say('o', number)),
            (now_ns + delay_ns, 'c', say('c', number, wrong=number in wrong)),
        ]
        for at_ns, side, cdr in sorted(events):
            take = it.original if side == 'o' else it.compiled
            published += take(cdr, number, at_ns)
    return published


def test_the_original_drives_unless_the_compiled_is_wanted() -> None:
    """Promise: without being asked nothing of the compiled gets out, however well it agrees."""
    it = switch()
    assert drive(it, range(100)) == [say('o', number) for number in range(100)]
    assert it.active == 'original'


def test_the_compiled_drives_after_agreeing_for_the_time() -> None:
    """Promise: wanted, it drives once all pairs have agreed for hold_s, one message per pair."""
    it = switch()
    assert it.want('compiled', 0) == 'no pair has agreed yet'
    published = drive(it, range(20))
    # The first pair agrees at 1 ms, so the one at 51 ms completes the 50 ms.
    assert published == [say('o' if n <= 5 else 'c', n) for n in range(20)]
    assert it.active == 'compiled'
    assert it.want('original', 20 * PERIOD_NS) == ''
    assert drive(it, range(20, 25)) == [say('o', number) for number in range(20, 25)]


def test_a_disagreement_never_gets_out_and_falls_back_for_good() -> None:
    """Promise: the wrong message is replaced by the original's; all later ones are the original's."""
    it = switch()
    it.want('compiled', 0)
    published = drive(it, range(30), wrong=frozenset({15}))
    assert published == [say('c' if 5 < n < 15 else 'o', n) for n in range(30)]
    assert (it.active, it.wanted, it.fallbacks) == ('original', 'original', 1)
    assert it.reason == 'the compiled disagrees'


def test_it_drives_again_by_itself_if_told_so() -> None:
    """Promise: with rearm, agreeing for hold_s again is enough."""
    it = switch(rearm=True)
    it.want('compiled', 0)
    published = drive(it, range(30), wrong=frozenset({15}))
    assert published == [say('c' if 5 < n < 15 or n > 21 else 'o', n) for n in range(30)]


def test_a_silent_compiled_is_replaced_after_the_limit() -> None:
    """Promise: when the compiled stops, the message that waited for it comes out, and the rest."""
    it = switch()
    it.want('compiled', 0)
    drive(it, range(10))
    assert it.forwarded == 10
    assert it.original(say('o', 10), 10, 10 * PERIOD_NS) == []
    assert it.next_due_ns() == 10 * PERIOD_NS + 15 * MS
    assert it.original(say('o', 11), 11, 11 * PERIOD_NS) == []
    assert it.advance(10 * PERIOD_NS + 15 * MS - 1) == []
    assert it.advance(10 * PERIOD_NS + 15 * MS) == [say('o', 10), say('o', 11)]
    assert it.fallbacks == 1
    # Its late answer changes nothing.
    assert it.compiled(say('c', 10), 10, 12 * PERIOD_NS) == []


def test_who_answers_what_the_original_did_not_does_not_agree() -> None:
    """Promise: a message without partner ends the agreement, too."""
    it = switch()
    it.want('compiled', 0)
    drive(it, range(10))
    it.compiled(say('c', 99), 99, 10 * PERIOD_NS)
    drive(it, range(11, 14))
    assert it.active == 'original'
    assert it.reason == 'the original has not answered within 0.015 s'


def test_the_compiled_may_be_first() -> None:
    """Promise: its message is handed on only when the original's has shown that it agrees."""
    it = switch()
    it.want('compiled', 0)
    published = drive(it, range(10, 40), delay_ns=-MS)
    assert published[:5] == [say('o', n) for n in range(10, 15)]
    assert published[6:] == [say('c', n) for n in range(16, 40)]


def test_wrong_side_is_refused() -> None:
    """Promise: one line that names what can drive."""
    with pytest.raises(ComponentError, match="'cpp' cannot drive; original and compiled can"):
        switch().want('cpp', 0)


def test_it_falls_back_within_one_message_in_every_trial() -> None:
    """Promise: 1,000 seeded trials: nothing wrong gets out, each pair gives one message, in order.

    Delays, the place and the kind of the fault (a wrong value, silence, both arms in either
    order) are drawn by chance.
    """
    random = np.random.default_rng(5)
    for _ in range(1000):
        it = switch(hold_s=float(random.uniform(0.01, 0.1)))
        it.want('compiled', 0)
        fault, is_silent = int(random.integers(20, 60)), bool(random.integers(2))
        events = []
        for number in range(80):
            delay_ns = int(random.integers(-4 * MS, 4 * MS))
            now_ns = (number + 1) * PERIOD_NS
            events.append((now_ns, 'o', number, say('o', number)))
            if number < fault or not is_silent:
                cdr = say('c', number, wrong=number == fault)
                events.append((now_ns + delay_ns, 'c', number, cdr))
        published: list[tuple[int, bytes]] = []
        for at_ns, side, number, cdr in sorted(events):
            due_ns = it.next_due_ns()
            if due_ns is not None and due_ns <= at_ns:
                published += [(due_ns, each) for each in it.advance(due_ns)]
            take = it.original if side == 'o' else it.compiled
            published += [(at_ns, each) for each in take(cdr, number, at_ns)]
        assert [int(each[1:]) for _, each in published] == list(range(80))
        assert published[fault - 1][1][:1] == b'c'
        assert all(each[:1] == b'o' for _, each in published[fault:])
        latest_ns = (fault + 1) * PERIOD_NS + (15 if is_silent else 4) * MS
        assert published[fault][0] <= latest_ns
        assert it.fallbacks == 1
