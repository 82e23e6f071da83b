"""What waits for the writer: a bounded double buffer, and what happens when it is full."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

WhenFull = Literal['block', 'drop_newest', 'drop_oldest']
Item = TypeVar('Item')


class Cache(Generic[Item]):
    """Items that one side puts in and one writer takes out, all at once.

    While the writer works on what it took, new items are collected; both together are bounded.

    Args:
        limit_bytes: Most bytes; a single item may always come in when there is nothing else.
        when_full: `block` waits for the writer, `drop_newest` leaves the new item out,
            `drop_oldest` leaves out items that wait longest.
        on_drop: Called with each item that is left out.
    """

    def __init__(
        self, limit_bytes: int, when_full: WhenFull, on_drop: Callable[[Item], None]
    ) -> None:
        self.limit_bytes = limit_bytes
        self._when_full = when_full
        self._on_drop = on_drop
        self._waiting: list[tuple[Item, int]] = []
        self._waiting_bytes = 0
        self._taken_bytes = 0
        self._condition = threading.Condition()
        self._is_closed = False

    @property
    def used_bytes(self) -> int:
        """Bytes that wait or are being written."""
        return self._waiting_bytes + self._taken_bytes

    def put(self, item: Item, size: int, *, must_stay: bool = False) -> None:
        """Put an item in.

        Args:
            item: The item.
            size: Its bytes.
            must_stay: It is never left out: an order to the writer, not a message.
        """
        with self._condition:
            if self._is_closed:
                self._on_drop(item)
                return
            if not must_stay and not self._make_room(size):
                self._on_drop(item)
                return
            # An order takes no room, and has no size by which it could be left out.
            self._waiting.append((item, 0 if must_stay else size))
            self._waiting_bytes += 0 if must_stay else size
            self._condition.notify_all()

    def _make_room(self, size: int) -> bool:
        while self.used_bytes and self.used_bytes + size > self.limit_bytes:
            if self._when_full == 'drop_newest':
                return False
            if self._when_full == 'drop_oldest':
                if not self._drop_oldest():
                    return False
            else:
                self._condition.wait()
                if self._is_closed:
                    return False
        return True

    def _drop_oldest(self) -> bool:
        for place, (item, size) in enumerate(self._waiting):
            if size:
                del self._waiting[place]
                self._waiting_bytes -= size
                self._on_drop(item)
                return True
        return False

    def take(self, timeout_s: float | None) -> list[Item]:
        """Take all items, when there is one or the time is over; the last taken are done with."""
        with self._condition:
            self._taken_bytes = 0
            self._condition.notify_all()
            if not self._waiting and not self._is_closed:
                self._condition.wait(timeout_s)
            taken, self._waiting = self._waiting, []
            self._taken_bytes, self._waiting_bytes = self._waiting_bytes, 0
            return [item for item, _ in taken]

    def written(self, size: int) -> None:
        """Tell that bytes of what was taken are done with: there is room for as many."""
        with self._condition:
            self._taken_bytes = max(self._taken_bytes - size, 0)
            self._condition.notify_all()

    def close(self) -> None:
        """Take nothing in any more; who waits for room goes on."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._is_closed
