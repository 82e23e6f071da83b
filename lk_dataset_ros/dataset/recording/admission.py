"""Which of the messages that come in are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.recording.arrivals import Arrivals


@dataclass(slots=True)
class _Seen:
    """How far one topic is: its messages so far, those taken, and when the next may be."""

    count: int = 0
    taken: int = 0
    not_before_ns: int = -(2**63)


class Admission:
    """Thins topics out.

    Args:
        sample_every_n: Every n-th message of a topic is taken, its first included.
        max_rate: Most messages per second and topic, by log time; 0 takes all.
        max_samples: Most messages per topic; 0 takes all.
        predicate: Takes key and message and tells whether it is wanted.
        decode: Makes a message of a key's serialized one, for the predicate.
    """

    def __init__(
        self,
        sample_every_n: int,
        max_rate: float,
        max_samples: int,
        predicate: Callable[[str, Any], bool] | None,
        decode: Callable[[str, bytes], Any],
    ) -> None:
        self._every = sample_every_n
        self._period_ns = round(NS_PER_S / max_rate) if max_rate else 0
        self._most = max_samples
        self._predicate = predicate
        self._decode = decode
        self._seen: dict[str, _Seen] = {}
        self.takes_all = sample_every_n == 1 and not (max_rate or max_samples or predicate)

    def admit(self, arrivals: Arrivals) -> Arrivals:
        """Return the messages that are wanted."""
        if self.takes_all:
            return arrivals
        seen = self._seen.setdefault(arrivals.key, _Seen())
        wanted = (np.arange(len(arrivals)) + seen.count) % self._every == 0
        seen.count += len(arrivals)
        if self._predicate is not None:
            self._ask(arrivals, wanted)
        if self._period_ns:
            self._slow(seen, arrivals.log_time_ns, wanted)
        if self._most:
            wanted &= np.cumsum(wanted) <= self._most - seen.taken
        seen.taken += int(wanted.sum())
        return arrivals if wanted.all() else arrivals.chosen(wanted)

    def _ask(self, arrivals: Arrivals, wanted: NDArray[np.bool_]) -> None:
        assert self._predicate is not None
        for place, cdr in enumerate(arrivals.messages()):
            if wanted[place]:
                message = self._decode(arrivals.key, cdr)
                wanted[place] = bool(self._predicate(arrivals.key, message))

    def _slow(
        self, seen: _Seen, log_time_ns: NDArray[np.int64], wanted: NDArray[np.bool_]
    ) -> None:
        for place in np.flatnonzero(wanted).tolist():
            time_ns = int(log_time_ns[place])
            wait_ns = seen.not_before_ns - time_ns
            # Time that jumps back (a simulator that was reset) does not stop the recording.
            if 0 < wait_ns <= self._period_ns:
                wanted[place] = False
                continue
            on_grid = seen.not_before_ns + self._period_ns
            seen.not_before_ns = on_grid if on_grid > time_ns else time_ns + self._period_ns
            if wait_ns > 0:
                seen.not_before_ns = time_ns + self._period_ns
