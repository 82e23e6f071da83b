"""Which of two arms drives the actuators: the original, unless both have agreed for a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lk_dataset_ros.component import Component, option
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

Side = Literal['original', 'compiled']
ORIGINAL: Final = 'original'
COMPILED: Final = 'compiled'
SIDES: Final = (ORIGINAL, COMPILED)


@dataclass(slots=True)
class _Message:
    cdr: bytes
    arrived_ns: int
    #: It, or its partner, has been published.
    is_out: bool = False


class ActuatorSwitch(Component):
    """Hand on one message per pair: the original's, or the compiled's once it may drive.

    The compiled may drive when it is wanted, and every pair has agreed for `hold_s`. Then each of
    its messages is handed on as soon as the original's of the same stamp has shown that it
    agrees. One that disagrees is never handed on: the original's is, at once, and all that come
    after it, until the compiled is wanted again and has agreed for `hold_s`. The same happens when
    the compiled has not answered `limit_s` after the original.

    Nothing waits: `original`, `compiled` and `advance` return what is to be published now.

    Args:
        agrees: Tells whether the compiled's message (second) is within tolerance of the
            original's (first), both serialized.
    """

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of the switch."""

        hold_s: float = option(
            5.0,
            'how long all pairs have to agree before the compiled may drive',
            minimum=0.0,
            maximum=86400.0,
        )
        limit_s: float = option(
            0.02,
            'how much later than the original the compiled may answer',
            minimum=0.0001,
            maximum=60.0,
        )
        rearm: bool = option(
            False,
            'let the compiled drive again by itself after it fell back and has agreed for hold_s; '
            'otherwise it has to be wanted anew',
        )
        max_waiting: int = option(
            1000, 'most messages that wait for their partner', minimum=1, maximum=1_000_000
        )

    def __init__(self, agrees: Callable[[bytes, bytes], bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._agrees = agrees
        self._waiting: dict[Side, OrderedDict[int, _Message]] = {
            'original': OrderedDict(),
            'compiled': OrderedDict(),
        }
        self._agreed_since_ns: int | None = None
        self.active: Side = 'original'
        self.wanted: Side = 'original'
        self.reason = ''
        self.forwarded = 0
        self.fallbacks = 0

    def want(self, side: str, now_ns: int) -> str:
        """Ask for a side; return why it does not drive at once, or nothing.

        Args:
            side: `original` or `compiled`.
            now_ns: The time, of the same clock as everywhere here.

        Raises:
            ComponentError: If there is no such side.
        """
        if side not in SIDES:
            raise ComponentError(f'{side!r} cannot drive; original and compiled can')
        self.wanted = 'compiled' if side == COMPILED else 'original'
        if self.wanted == COMPILED:
            self._consider(now_ns)
        else:
            # What is held back goes out with the next call: nothing is published from here.
            self.active, self.reason = 'original', ''
        return self.reason

    def agreed_s(self, now_ns: int) -> float:
        """Return for how long all pairs have agreed, s."""
        if self._agreed_since_ns is None:
            return 0.0
        return max(now_ns - self._agreed_since_ns, 0) / NS_PER_S

    def original(self, cdr: bytes, stamp_ns: int, now_ns: int) -> list[bytes]:
        """Take a message of the original; return what is to be published.

        Args:
            cdr: The message.
            stamp_ns: What pairs are made by: its stamp, or its number.
            now_ns: The time.
        """
        due = self.advance(now_ns)
        message = _Message(cdr, now_ns)
        if self.active == ORIGINAL:
            due += self._forward(message)
        partner = self._waiting['compiled'].pop(stamp_ns, None)
        if partner is not None:
            return due + self._judge(message, partner, now_ns)
        return due + self._wait('original', stamp_ns, message)

    def compiled(self, cdr: bytes, stamp_ns: int, now_ns: int) -> list[bytes]:
        """Take a message of the compiled; return what is to be published."""
        due = self.advance(now_ns)
        message = _Message(cdr, now_ns)
        partner = self._waiting['original'].pop(stamp_ns, None)
        if partner is not None:
            return due + self._judge(partner, message, now_ns)
        return due + self._wait('compiled', stamp_ns, message)

    def advance(self, now_ns: int) -> list[bytes]:
        """Give up on partners that are due; return what is to be published."""
        due = [] if self.active == COMPILED else self._release()
        limit_s = self.config.limit_s
        for message in self._overdue('original', now_ns):
            due += self._forward(message)
            due += self._break(f'the compiled has not answered within {limit_s:g} s')
        for _ in self._overdue('compiled', now_ns):
            due += self._break(f'the original has not answered within {limit_s:g} s')
        self._consider(now_ns)
        return due

    def next_due_ns(self) -> int | None:
        """Return when `advance` has to be called at the latest, None if nothing waits."""
        first = [next(iter(each.values())) for each in self._waiting.values() if each]
        limit_ns = round(self.config.limit_s * NS_PER_S)
        return min(each.arrived_ns for each in first) + limit_ns if first else None

    def _judge(self, original: _Message, compiled: _Message, now_ns: int) -> list[bytes]:
        """Judge a pair, and publish one of them if none was published yet."""
        left_out = self._take_before(original)
        if left_out:
            # Waiting for their limit would hand them on behind later ones.
            due = [cdr for message in (*left_out, original) for cdr in self._forward(message)]
            return due + self._break('the compiled has left out a message')
        if not self._agrees(original.cdr, compiled.cdr):
            return self._forward(original) + self._break('the compiled disagrees')
        if self._agreed_since_ns is None:
            self._agreed_since_ns = now_ns
        due = [] if original.is_out else self._forward(compiled)
        self._consider(now_ns)
        return due

    def _take_before(self, original: _Message) -> list[_Message]:
        """Take the messages of the original that wait and came before one that was answered."""
        waiting, found = self._waiting['original'], list[_Message]()
        while waiting:
            stamp_ns, first = next(iter(waiting.items()))
            if first.arrived_ns >= original.arrived_ns:
                break
            found.append(waiting.pop(stamp_ns))
        return found

    def _break(self, reason: str) -> list[bytes]:
        """End the agreement; return the original's messages that were held back."""
        self._agreed_since_ns = None
        if self.wanted == COMPILED:
            self.reason = reason
        if self.active == ORIGINAL:
            return []
        self.active = 'original'
        self.fallbacks += 1
        self.reason = reason
        self.log.warning(f'back to the original: {reason}')
        if not self.config.rearm:
            self.wanted = 'original'
        return self._release()

    def _release(self) -> list[bytes]:
        """Return the original's messages that were held back."""
        held = self._waiting['original'].values()
        return [cdr for message in held for cdr in self._forward(message)]

    def _consider(self, now_ns: int) -> None:
        """Let the compiled drive if it may."""
        if self.wanted != COMPILED or self.active == COMPILED:
            return
        agreed_s = self.agreed_s(now_ns)
        if self._agreed_since_ns is not None and agreed_s >= self.config.hold_s:
            self.active, self.reason = 'compiled', ''
        elif self._agreed_since_ns is not None:
            self.reason = f'agreed for {agreed_s:.3g} of {self.config.hold_s:g} s'
        elif not self.reason:
            self.reason = 'no pair has agreed yet'

    def _forward(self, message: _Message) -> list[bytes]:
        if message.is_out:
            return []
        message.is_out = True
        self.forwarded += 1
        return [message.cdr]

    def _wait(self, side: Side, stamp_ns: int, message: _Message) -> list[bytes]:
        waiting, due = self._waiting[side], list[bytes]()
        replaced = waiting.pop(stamp_ns, None)
        waiting[stamp_ns] = message
        dropped = [] if replaced is None else [replaced]
        while len(waiting) > self.config.max_waiting:
            dropped.append(waiting.popitem(last=False)[1])
        for each in dropped:
            if side == ORIGINAL:
                due += self._forward(each)
            due += self._break('more messages wait for their partners than max_waiting')
        return due

    def _overdue(self, side: Side, now_ns: int) -> Iterator[_Message]:
        waiting, limit_ns = self._waiting[side], round(self.config.limit_s * NS_PER_S)
        while waiting:
            stamp_ns = next(iter(waiting))
            if now_ns - waiting[stamp_ns].arrived_ns < limit_ns:
                return
            yield waiting.pop(stamp_ns)
