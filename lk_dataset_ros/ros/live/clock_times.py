"""Simulated time of messages, from when they and the clock's were received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.ros.live.lineage import stamps_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Arrivals

CLOCK: Final = '/clock'
#: Messages of the clock that are kept: those of some seconds.
_KEPT: Final = 20_000


class ClockTimes:
    """What `/clock` said, and when it was received.

    Attributes:
        now_ns: The newest time; None before the first.
        jumps: How often it has gone back.
        begun_ns: When the first message since the last jump was received, by the wall's clock.
        begun_at_ns: What that said.
    """

    def __init__(self) -> None:
        self._received = np.zeros(0, np.int64)
        self._values = np.zeros(0, np.int64)
        self.now_ns: int | None = None
        self.jumps = 0
        self.begun_ns = 0
        self.begun_at_ns = 0

    def take(self, arrivals: Arrivals) -> None:
        """Take messages of the clock."""
        values, received = stamps_of(arrivals), arrivals.log_time_ns.copy()
        before = values[0] if self.now_ns is None else self.now_ns
        back = np.flatnonzero(np.diff(values, prepend=before) < 0)
        self.jumps += len(back)
        if self.now_ns is None or len(back):
            place = int(back[-1]) if len(back) else 0
            self.begun_ns, self.begun_at_ns = int(received[place]), int(values[place])
        self.now_ns = int(values[-1])
        self._received = np.concatenate([self._received, received])[-_KEPT:]
        self._values = np.concatenate([self._values, values])[-_KEPT:]

    def at(self, received_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the simulated time at which messages were received, ns; -1 before the first."""
        place = np.searchsorted(self._received, received_ns, side='right') - 1
        return np.where(place >= 0, self._values[np.maximum(place, 0)], -1)
