"""Prove what was lost: every publisher numbers its messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.recording.arrivals import NO_SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.recording.arrivals import Arrivals

#: Publishers of one topic that are told apart; a graph whose nodes restart for ever has more.
MAX_PUBLISHERS = 10_000


@dataclass(slots=True)
class _Heard:
    """What was heard of one publisher: numbers from `first` to `highest`, so many of them."""

    first: int
    highest: int
    received: int = 0

    @property
    def lost(self) -> int:
        # A message that overtook another makes no loss, and none is counted twice.
        return max(self.highest - self.first + 1 - self.received, 0)

    @property
    def before(self) -> int:
        return max(self.first - 1, 0)


class Sequences:
    """The sequence numbers of one topic's publishers."""

    def __init__(self) -> None:
        self._heard: dict[bytes, _Heard] = {}
        self._forgotten = 0
        self._lost_of_forgotten = 0
        self._before_forgotten = 0
        self.is_numbered = True

    @property
    def publishers(self) -> int:
        """Publishers heard so far."""
        return len(self._heard) + self._forgotten

    @property
    def lost(self) -> int:
        """Messages that were sent after the first and before the last one heard, and not heard."""
        return self._lost_of_forgotten + sum(each.lost for each in self._heard.values())

    @property
    def before(self) -> int:
        """Messages that publishers had sent before they were heard first."""
        return self._before_forgotten + sum(each.before for each in self._heard.values())

    @property
    def doubt(self) -> str:
        """Why `lost` may not be everything; empty if it is."""
        if not self.is_numbered:
            return 'the middleware does not number messages: only what it reports as lost is known'
        if self.before:
            return f'{self.before} messages had been sent before the first one that was received'
        return ''

    def take(self, arrivals: Arrivals) -> None:
        """Take note of messages."""
        for publisher, sequence in _by_publisher(arrivals):
            low, high = int(sequence.min()), int(sequence.max())
            if high == NO_SEQUENCE:
                self.is_numbered = False
                low = high = 0
            heard = self._heard.get(publisher)
            if heard is None:
                heard = self._heard[publisher] = _Heard(low, high)
                self._forget_oldest()
            heard.first = min(heard.first, low)
            heard.highest = max(heard.highest, high)
            heard.received += len(sequence)

    def _forget_oldest(self) -> None:
        if len(self._heard) > MAX_PUBLISHERS:
            oldest = self._heard.pop(next(iter(self._heard)))
            self._forgotten += 1
            self._lost_of_forgotten += oldest.lost
            self._before_forgotten += oldest.before


def _by_publisher(arrivals: Arrivals) -> Iterator[tuple[bytes, NDArray[np.uint64]]]:
    """Yield each publisher and the numbers of its messages."""
    publisher = arrivals.publisher
    first = publisher[0].tobytes()
    if len(publisher) == 1 or publisher.tobytes() == first * len(publisher):
        yield first, arrivals.sequence
        return
    names, which = np.unique(
        np.ascontiguousarray(publisher).view('<u8').reshape(-1, 2), axis=0, return_inverse=True
    )
    which = which.reshape(-1)
    for place, name in enumerate(names):
        yield name.tobytes(), arrivals.sequence[which == place]
