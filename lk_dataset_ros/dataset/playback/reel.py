"""What is read of a timeline, entry by entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lk_dataset_ros.dataset.playback.timeline import Entry, Timeline
    from lk_dataset_ros.dataset.records import SerializedMessage


class Reel:
    """The entries of a timeline from a position on; the next one is read when it is asked for.

    Times on the line grow through all rounds of a loop; recorded time is that less `_shift_ns`.

    Args:
        timeline: What is played.
        read: Reads entries, perhaps ahead.
        waits: How often that came too late.
        loop: Whether the timeline goes round.

    Attributes:
        round: Rounds of a loop that are over.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        read: Callable[[Iterator[Entry]], Iterator[Entry]],
        waits: Callable[[], int],
        loop: bool,
    ) -> None:
        self.timeline = timeline
        self._read = read
        self._waits = waits
        self._loop = loop
        self.round = 0

    def _thread(self, position_ns: int) -> None:
        """Read on from another position."""
        self._shift_ns = 0
        self._failure: BaseException | None = None
        self._entries = self._read(self.timeline.entries(position_ns, loop=self._loop))
        self._waits_seen = self._waits()
        #: The next entry; no message where a round begins.
        self._next_ns = position_ns
        self._next_message: SerializedMessage | None = None
        self._is_over = False
        self._pull()

    def _pull(self) -> None:
        """Read the next entry; what goes wrong is raised when it is due."""
        self._is_pulled = True
        try:
            entry = next(self._entries, None)
        except Exception as error:  # noqa: BLE001 - it is raised behind what was read before
            self._failure, entry = error, None
        if entry is None:
            self._is_over = True
            return
        self._next_ns, self._next_message = entry
        waits = self._waits()
        if waits != self._waits_seen:
            self._waits_seen = waits
            self._has_waited()

    def _has_waited(self) -> None:
        """Take note that the next entry was not there when it was asked for."""

    def wrap(self, read: Callable[[Iterator[Entry]], Iterator[Entry]]) -> None:
        """Read what follows in another way."""
        self._entries = read(self._entries)
        self._waits_seen = self._waits()

    def _begin_round(self) -> None:
        self.round += 1
        self._shift_ns = self._next_ns - self.timeline.start_ns
