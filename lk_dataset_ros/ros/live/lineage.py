"""Which output answers which input, and after how long."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Arrivals
    from lk_dataset_ros.message import Schema
    from lk_dataset_ros.ros.live.job import LiveOutput

#: Bytes before the first field.
_ENCAPSULATION: Final = 4
_STAMP: Final = 8
NS_PER_S: Final = 1_000_000_000


def has_header(schema: Schema) -> bool:
    """Tell whether a message begins with a `std_msgs/Header`, and so with a stamp."""
    for line in schema.text.splitlines():
        words = line.partition('#')[0].split()
        if words:
            return words[0] in ('std_msgs/Header', 'std_msgs/msg/Header', 'Header')
    return False


def stamps_of(arrivals: Arrivals) -> NDArray[np.int64]:
    """Return the stamp that each message begins with, ns; int64, (n,)."""
    batch = arrivals.batch
    places = batch.start[:, None] + np.arange(_ENCAPSULATION + _STAMP)
    # A message that is too short is none of its type: what follows it makes its stamp.
    raw = batch.buffer[np.minimum(places, len(batch.buffer) - 1)]
    stamps = np.empty(len(arrivals), np.int64)
    for order, which in (('<', raw[:, 1] & 1 == 1), ('>', raw[:, 1] & 1 == 0)):
        fields = np.ascontiguousarray(raw[which, _ENCAPSULATION:])
        sec = fields[:, :4].copy().view(f'{order}i4')[:, 0].astype(np.int64)
        nanosec = fields[:, 4:].copy().view(f'{order}u4')[:, 0].astype(np.int64)
        stamps[which] = sec * NS_PER_S + nanosec
    return stamps


@dataclass(slots=True)
class _Input:
    received_ns: int
    answers: int = 0


class _Open:
    """Inputs that may still be answered, by what leads to them."""

    def __init__(self, output: LiveOutput) -> None:
        self._least, self._most = output.least, output.most
        self.latencies_ns: list[tuple[int, int]] = []
        self.unanswered = 0
        self.hits = 0

    def answer(self, found: _Input, received_ns: int) -> bool:
        """Note an answer; return whether no more is expected."""
        self.hits += 1
        if not found.answers:
            latency_ns = max(received_ns - found.received_ns, 0)
            self.latencies_ns.append((found.received_ns, latency_ns))
        found.answers += 1
        return found.answers >= self._most

    def give_up(self, found: _Input) -> None:
        """Wait for no more answers."""
        self.unanswered += found.answers < self._least

    def is_waiting(self, found: _Input) -> bool:
        """Tell whether answers are owed."""
        return found.answers < self._least


class _ByStamp(_Open):
    """An answer carries the stamp of its input."""

    def __init__(self, output: LiveOutput) -> None:
        super().__init__(output)
        self._open: dict[int, _Input] = {}

    def ask(self, stamp: int, received_ns: int) -> None:
        self._open[stamp] = _Input(received_ns)

    def take(self, stamp: int, received_ns: int) -> None:
        found = self._open.get(stamp)
        if found is not None and self.answer(found, received_ns):
            del self._open[stamp]

    def forget(self, before_ns: int) -> None:
        while self._open:
            stamp, first = next(iter(self._open.items()))
            if first.received_ns >= before_ns:
                return
            self.give_up(self._open.pop(stamp))

    def owed(self) -> int:
        return sum(map(self.is_waiting, self._open.values()))


class _ByOrder(_Open):
    """Answers come in the order of their inputs; one that may stay away answers the last."""

    def __init__(self, output: LiveOutput) -> None:
        super().__init__(output)
        self._may_stay_away = output.least == 0
        self._open: deque[_Input] = deque()

    def ask(self, received_ns: int) -> None:
        self._open.append(_Input(received_ns))

    def take(self, received_ns: int) -> None:
        if self._may_stay_away:
            while len(self._open) > 1 and self._open[1].received_ns <= received_ns:
                self._open.popleft()
        if self._open and self.answer(self._open[0], received_ns):
            self._open.popleft()

    def forget(self, before_ns: int) -> None:
        while self._open and self._open[0].received_ns < before_ns:
            self.give_up(self._open.popleft())

    def owed(self) -> int:
        return sum(map(self.is_waiting, self._open))


class Lineage:
    """The answers of one output topic of one arm.

    By the stamps that inputs and outputs begin with, where most outputs carry the stamp of an
    input; by order otherwise.

    Args:
        output: What is expected.
        by_stamp: The outputs begin with a header.
        limit_s: After so long an input is not answered any more.
        warm_up_s: Inputs of so much time at the beginning are not in the latencies.
    """

    def __init__(
        self, output: LiveOutput, *, by_stamp: bool, limit_s: float, warm_up_s: float = 0.0
    ) -> None:
        self._stamped = _ByStamp(output) if by_stamp else None
        self._ordered = _ByOrder(output)
        self._limit_ns = round(limit_s * NS_PER_S)
        self._warm_up_ns = round(warm_up_s * NS_PER_S)
        self._first_ns: int | None = None
        self._first_stamp: int | None = None
        self._last_stamp = 0
        self._outputs = 0

    @property
    def looks_at_stamps(self) -> bool:
        """Whether outputs are taken by their stamps."""
        return self._stamped is not None

    def go_by_order(self) -> None:
        """Look at no stamps: inputs have none, or outputs have others."""
        self._stamped = None

    def ask(self, arrivals: Arrivals) -> None:
        """Take note of inputs."""
        received = arrivals.log_time_ns.tolist()
        if self._first_ns is None:
            self._first_ns = received[0]
        for each in received:
            self._ordered.ask(each)
        before_ns = received[-1] - self._limit_ns
        if self._stamped is not None:
            stamps = stamps_of(arrivals)
            if self._first_stamp is None:
                self._first_stamp = self._last_stamp = int(stamps[0])
            self._last_stamp = max(self._last_stamp, int(stamps.max()))
            for stamp, each in zip(stamps.tolist(), received, strict=True):
                self._stamped.ask(stamp, each)
            self._stamped.forget(before_ns)
        self._ordered.forget(before_ns)

    def sort(self, arrivals: Arrivals) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tell which outputs answer inputs that were recorded, and which may still: bool, (n,).

        At both ends outputs are on their way whose inputs lie outside of what was recorded; and
        the answer to an input may be there before it.
        """
        nothing = np.zeros(len(arrivals), bool)
        if self._stamped is None:
            if self._first_ns is None:
                return nothing, nothing
            return arrivals.log_time_ns >= self._first_ns, nothing
        if self._first_stamp is None:
            return nothing, ~nothing
        stamps = stamps_of(arrivals)
        is_later = stamps > self._last_stamp
        return (stamps >= self._first_stamp) & ~is_later, is_later

    def answer(self, arrivals: Arrivals) -> None:
        """Take note of outputs that answer."""
        received = arrivals.log_time_ns.tolist()
        for each in received:
            self._ordered.take(each)
        if self._stamped is not None:
            for stamp, each in zip(stamps_of(arrivals).tolist(), received, strict=True):
                self._stamped.take(stamp, each)
        self._outputs += len(arrivals)

    @property
    def has_inputs(self) -> bool:
        """Whether any input has been noted."""
        return self._first_ns is not None

    @property
    def has_hit(self) -> bool:
        """Whether any output has carried the stamp of an input."""
        return self._stamped is not None and self._stamped.hits > 0

    @property
    def is_by_stamp(self) -> bool:
        """Whether outputs carry the stamps of inputs."""
        return self._stamped is not None and 2 * self._stamped.hits >= self._outputs

    @property
    def _open(self) -> _Open:
        return self._stamped if self._stamped is not None and self.is_by_stamp else self._ordered

    @property
    def owed(self) -> int:
        """Inputs to which an answer may still come that has to."""
        found = self._stamped if self.is_by_stamp else self._ordered
        return found.owed() if found is not None else 0

    @property
    def unanswered(self) -> int:
        """Inputs that got fewer answers than declared."""
        return self._open.unanswered + self.owed

    @property
    def latencies_s(self) -> list[float]:
        """Time from each answered input to its first answer, s, without the warm-up."""
        since_ns = (self._first_ns or 0) + self._warm_up_ns
        return [
            latency / NS_PER_S
            for received, latency in self._open.latencies_ns
            if received >= since_ns
        ]
