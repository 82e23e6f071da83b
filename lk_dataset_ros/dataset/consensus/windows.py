"""What is recorded around disagreements: the newest messages, and windows cut out of them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.consensus.kept import Kept, release

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset.consensus.tracking import Disagreement


class Window:
    """The messages around one disagreement.

    Attributes:
        disagreement: Which.
        messages: In the order in which they were taken.
        size: Bytes that they take, about.
        is_full: It takes no more, though the disagreement may go on.
        is_written: It is in the bag.
        is_told: The message of the event is in the bag.
        is_dropped: It does not get into the bag.
    """

    def __init__(self, disagreement: Disagreement) -> None:
        self.disagreement = disagreement
        self.messages: list[Kept] = []
        self.size = 0
        self.is_full = self.is_written = self.is_told = self.is_dropped = False

    def take(self, kept: Kept) -> None:
        """Hold a message."""
        kept.holders += 1
        self.messages.append(kept)
        self.size += kept.size

    def unwritten(self) -> list[Kept]:
        """Return what is not in the bag yet, in order of time."""
        rest = [each for each in self.messages if not each.is_written]
        return sorted(rest, key=lambda each: each.time_ns)

    def let_go(self, on_free: Callable[[Kept], None]) -> None:
        """Hold nothing any more."""
        messages, self.messages, self.size = self.messages, [], 0
        for each in messages:
            release(each, on_free)


class Windows:
    """The newest messages, bounded by seconds and bytes, and the windows that are open.

    Args:
        keep_ns: How long messages are kept.
        most_bytes: Most bytes of what is kept, and of one window.
        pre_ns: What belongs to a window before its disagreement.
        post_ns: What belongs to it after.
        longest_ns: Most time of a window after the beginning of the disagreement.
        on_free: Is handed messages that no window wants.
    """

    def __init__(
        self,
        keep_ns: int,
        most_bytes: int,
        *,
        pre_ns: int,
        post_ns: int,
        longest_ns: int,
        on_free: Callable[[Kept], None],
    ) -> None:
        self._keep_ns, self._most_bytes = keep_ns, most_bytes
        self._pre_ns, self._post_ns, self._longest_ns = pre_ns, post_ns, longest_ns
        self._on_free = on_free
        self._ring: deque[Kept] = deque()
        self._size = 0
        #: All that came up to then may be forgotten.
        self._forgotten_ns: int | None = None
        self.open: list[Window] = []

    @property
    def size(self) -> int:
        """Bytes that the newest messages take, about."""
        return self._size

    def put(self, kept: Kept) -> None:
        """Keep a message, let go of the oldest."""
        kept.holders += 1
        self._ring.append(kept)
        self._size += kept.size
        for window in self.open:
            if not window.is_full and kept.time_ns <= window.disagreement.first_ns + (
                self._longest_ns
            ):
                if window.size + kept.size > self._most_bytes:
                    window.is_full = True
                    self._cut(window, kept.time_ns)
                    continue
                window.take(kept)
        self._forget(kept.time_ns)

    def _forget(self, now_ns: int) -> None:
        ring = self._ring
        while ring and (
            self._size > self._most_bytes
            or not now_ns - self._keep_ns <= ring[0].time_ns <= now_ns + self._keep_ns
        ):
            oldest = ring.popleft()
            self._size -= oldest.size
            self._forgotten_ns = oldest.time_ns
            release(oldest, self._on_free)

    def begin(self, disagreement: Disagreement) -> Window:
        """Open a window."""
        first_ns = disagreement.first_ns - self._pre_ns
        last_ns = disagreement.first_ns + self._longest_ns
        window = Window(disagreement)
        newest = [each for each in self._ring if first_ns <= each.time_ns <= last_ns]
        for each in newest:
            window.take(each)
        if self._forgotten_ns is not None and first_ns <= self._forgotten_ns <= last_ns:
            first_ns = min((each.time_ns for each in newest), default=disagreement.first_ns)
        disagreement.window_ns = (first_ns, last_ns)
        self.open.append(window)
        return window

    def closed(self, now_ns: int, *, all_of_them: bool = False) -> list[Window]:
        """Return the windows that are complete, cut to what belongs to them."""
        done = []
        for window in list(self.open):
            each = window.disagreement
            end_ns = min(each.last_ns + self._post_ns, each.first_ns + self._longest_ns)
            is_long = now_ns > each.first_ns + self._longest_ns
            is_done = all_of_them or window.is_full or is_long
            if is_done or (each.is_over and now_ns > end_ns):
                if window.is_full:
                    end_ns = min(end_ns, each.window_ns[1])
                each.window_ns = (each.window_ns[0], end_ns)
                self.open.remove(window)
                self._trim(window, end_ns)
                done.append(window)
        return done

    def _cut(self, window: Window, end_ns: int) -> None:
        start_ns = window.disagreement.window_ns[0]
        window.disagreement.window_ns = (start_ns, end_ns)

    def _trim(self, window: Window, end_ns: int) -> None:
        messages, window.messages, window.size = window.messages, [], 0
        for each in messages:
            if each.time_ns <= end_ns:
                window.messages.append(each)
                window.size += each.size
            else:
                release(each, self._on_free)

    def next_due_ns(self) -> int | None:
        """Return when a window may be complete."""
        ends = [
            min(
                each.disagreement.first_ns + self._longest_ns,
                each.disagreement.last_ns + self._post_ns
                if each.disagreement.is_over
                else each.disagreement.first_ns + self._longest_ns,
            )
            for each in self.open
        ]
        return min(ends) + 1 if ends else None

    def empty(self) -> None:
        """Let go of everything."""
        while self._ring:
            release(self._ring.popleft(), self._on_free)
        self._size = 0
