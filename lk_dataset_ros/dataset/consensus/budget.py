"""How much may be written: events in a minute, bytes in an hour, the most different first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.dataset.consensus.windows import Window

MINUTE_NS: Final = 60 * NS_PER_S
_HOUR_NS: Final = 60 * MINUTE_NS
#: Windows that wait for room.
_MOST_WAITING: Final = 10_000


class Spent:
    """What was spent in a span of time, summed up by its sixtieths.

    Args:
        most: What may be spent in any such span; 0 is no limit.
        span_ns: The span.
    """

    def __init__(self, most: int, span_ns: int) -> None:
        self.most = most
        self._span_ns, self._step_ns = span_ns, max(span_ns // 60, 1)
        self._parts: deque[tuple[int, int]] = deque()
        self._sum = 0

    def room(self, now_ns: int) -> int:
        """Return what may still be spent."""
        self._forget(now_ns)
        return self.most - self._sum

    def has_room(self, amount: int, now_ns: int) -> bool:
        """Tell whether something may be spent."""
        return not self.most or amount <= self.room(now_ns)

    def spend(self, amount: int, now_ns: int) -> None:
        """Spend."""
        if not self.most:
            return
        step = now_ns // self._step_ns
        if self._parts and self._parts[-1][0] == step:
            self._parts[-1] = (step, self._parts[-1][1] + amount)
        else:
            self._parts.append((step, amount))
        self._sum += amount

    def _forget(self, now_ns: int) -> None:
        parts = self._parts
        if parts and parts[-1][0] * self._step_ns > now_ns + self._span_ns:
            # The clock was put back: what lies in the future was spent in the past.
            parts.clear()
            parts.append((now_ns // self._step_ns, self._sum))
        # A part ends one step after its beginning, and counts for a span from then on.
        while parts and (parts[0][0] + 1) * self._step_ns + self._span_ns <= now_ns:
            self._sum -= parts.popleft()[1]


class Keeping:
    """Decides which windows get into the bag, and when.

    Args:
        bytes_per_hour: Most bytes; 0 is no limit.
        events_per_minute: Most disagreements; 0 is no limit.
        waiting_bytes: Most bytes of windows that wait for room.
        write: Writes a window.
        drop: Is handed a window that is not written.
    """

    def __init__(
        self,
        bytes_per_hour: int,
        events_per_minute: int,
        waiting_bytes: int,
        *,
        write: Callable[[Window], None],
        drop: Callable[[Window], None],
    ) -> None:
        self.bytes = Spent(bytes_per_hour, _HOUR_NS)
        self._events = Spent(events_per_minute, MINUTE_NS)
        self._most_waiting = waiting_bytes
        self._write, self._drop = write, drop
        self._waiting: list[Window] = []
        self._waiting_bytes = 0

    @property
    def windows(self) -> Sequence[Window]:
        """Windows that wait for room."""
        return self._waiting

    def admits(self, now_ns: int) -> bool:
        """Tell whether a disagreement that begins now may be recorded; it counts then."""
        if not self._events.has_room(1, now_ns):
            return False
        self._events.spend(1, now_ns)
        return True

    def offer(self, window: Window, now_ns: int) -> None:
        """Take a complete window: it is written now or later, or dropped."""
        self._waiting.append(window)
        self._waiting_bytes += window.size
        self.serve(now_ns)
        while self._waiting and (
            self._waiting_bytes > self._most_waiting or len(self._waiting) > _MOST_WAITING
        ):
            self._leave_out(min(self._waiting, key=_rank))

    def serve(self, now_ns: int) -> None:
        """Write what there is room for now, the most different first."""
        while self._waiting:
            window = max(self._waiting, key=_rank)
            # Room is made by what others have written of this window in the meantime, too.
            size = sum(len(each.message.cdr) for each in window.unwritten())
            if self.bytes.most and size > self.bytes.most:
                self._leave_out(window)
                continue
            if not self.bytes.has_room(size, now_ns):
                return
            self.bytes.spend(size, now_ns)
            self._forget(window)
            self._write(window)

    def close(self) -> None:
        """Drop what still waits."""
        for window in list(self._waiting):
            self._leave_out(window)

    def _leave_out(self, window: Window) -> None:
        self._forget(window)
        self._drop(window)

    def _forget(self, window: Window) -> None:
        self._waiting.remove(window)
        self._waiting_bytes -= window.size


def _rank(window: Window) -> tuple[float, int]:
    """Return what is kept first: the most different, of equal ones the earlier."""
    return window.disagreement.severity, -window.disagreement.number
