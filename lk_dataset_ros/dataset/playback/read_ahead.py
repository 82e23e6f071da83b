"""Read messages before they are due, on a thread of its own, within a number of bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar('Item')

#: Items and bytes that are handed over at once.
BLOCK_ITEMS: Final = 128
BLOCK_BYTES: Final = 1024 * 1024
#: Below this part of its room the thread reads without rests.
_LOW: Final = 0.25
#: Above it, the thread rests so many times as long as it took.
_REST: Final = 3.0


class ReadAhead(Generic[Item]):
    """An iterator of blocks of what a source yields, read by a thread.

    The thread rests between blocks while enough is there: the one who plays
    needs the interpreter at his time, not when it is free.

    Args:
        source: What is read.
        size_of: Bytes that an item takes.
        limit_bytes: Room for what is read; a single block may exceed it.

    Attributes:
        waits: How often the consumer came when nothing was there.
        may_rest: Cleared where throughput counts, not time.
    """

    def __init__(
        self, source: Iterator[Item], size_of: Callable[[Item], int], limit_bytes: int
    ) -> None:
        self._source = source
        self._size_of = size_of
        self._limit_bytes = limit_bytes
        self._blocks: deque[tuple[list[Item], int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._is_stopped = False
        self._error: BaseException | None = None
        self.waits = 0
        self.may_rest = True
        self._thread = threading.Thread(target=self._run, name='lk read ahead', daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[list[Item]]:
        """Return self."""
        return self

    def __next__(self) -> list[Item]:
        """Return the next block, as soon as it is there.

        Raises:
            Exception: What the source raised.
        """
        with self._changed:
            if not self._blocks and not self._is_over:
                self.waits += 1
                while not self._blocks and not self._is_over:
                    self._changed.wait()
            if not self._blocks:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                raise StopIteration
            block, size = self._blocks.popleft()
            self._bytes -= size
            self._changed.notify_all()
        return block

    def wait_until_filled(self, part: float, limit_s: float) -> None:
        """Wait until a part of the room is used or all is read, or for a limit of time."""
        deadline_s = time.monotonic() + limit_s
        with self._changed:
            while self._bytes < part * self._limit_bytes and not self._is_over:
                if not self._changed.wait(max(deadline_s - time.monotonic(), 0.0)):
                    return

    def close(self) -> None:
        """End the thread; what it has read is gone."""
        with self._changed:
            self._is_stopped = self._is_over = True
            self._blocks.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._error is None and self._has_room():
            start_s = time.perf_counter()
            block, size = self._block()
            if not block:
                break
            with self._changed:
                if self._is_stopped:
                    break
                self._blocks.append((block, size))
                self._bytes += size
                self._changed.notify_all()
                is_low = self._bytes < _LOW * self._limit_bytes
            if self.may_rest and not is_low:
                time.sleep(_REST * (time.perf_counter() - start_s))
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        with self._changed:
            while self._bytes >= self._limit_bytes and not self._is_stopped:
                self._changed.wait()
            return not self._is_stopped

    def _block(self) -> tuple[list[Item], int]:
        block: list[Item] = []
        size = 0
        try:
            for item in self._source:
                block.append(item)
                size += self._size_of(item)
                if len(block) == BLOCK_ITEMS or size >= BLOCK_BYTES or self._is_stopped:
                    break
        except BaseException as error:  # noqa: BLE001 - it is raised behind what was read before
            self._error = error
        return block, size
