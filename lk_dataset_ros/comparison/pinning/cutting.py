"""What is taken of a recording: the first inputs, and the outputs that answer them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.copying import Source
from lk_dataset_ros.errors import ComparisonError, KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Dataset, SerializedMessage

_STAMP = ('header.stamp.sec', 'header.stamp.nanosec')


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is taken of a recording.

    Attributes:
        start_ns: First log time; None for the beginning.
        duration_ns: For how long; None to the end.
        max_messages: Inputs that are taken at most (outputs, where there are no inputs). All
            messages of one log time are taken, or none.
    """

    start_ns: int | None = None
    duration_ns: int | None = None
    max_messages: int = 2_000

    def __post_init__(self) -> None:
        """Refuse what takes nothing.

        Raises:
            ComparisonError: If a bound is not above 0.
        """
        for name in ('duration_ns', 'max_messages'):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ComparisonError(f'{name} is {value}; it has to be above 0')


class Cut:
    """The messages that are taken.

    Outputs belong to the inputs if they lie within their span: by header stamp where both have
    one, otherwise by log time, up to the first input that was left out. Of inputs that are
    latched, such as `/tf_static`, the last ones before the start are taken too.

    Args:
        dataset: Where from.
        inputs: Keys of the inputs.
        outputs: Keys of the outputs.
        start_ns: First log time.
        stop_ns: First log time of inputs that is left out; None to the end.
    """

    def __init__(
        self,
        dataset: Dataset,
        inputs: Sequence[str],
        outputs: Sequence[str],
        start_ns: int,
        stop_ns: int | None,
    ) -> None:
        self._dataset = dataset
        self._inputs = Source(
            dataset, {key: key for key in inputs}, start_ns, stop_ns, latched=True
        )
        self._start_ns, self._stop_ns = start_ns, stop_ns
        stamps_ns = [_stamps(dataset, key, start_ns, stop_ns) for key in inputs]
        # Stamps that are all 0 were never set.
        known = [each for each in stamps_ns if each is not None and each.any()]
        self._span = None
        if known and stop_ns is not None:
            least, most = min(each.min() for each in known), max(each.max() for each in known)
            self._span = int(least), int(most)
        self._taken = {key: self._kept(key) for key in outputs}

    def copy_into(self, target: Dataset) -> dict[str, int]:
        """Write the messages in order of log time; return how many of each key."""
        keys = [*self._inputs.topics(), *self._taken]
        for key in keys:
            topic = self._dataset.topic(key)
            target.declare(key, topic.schema, topic.qos)
        counts = dict.fromkeys(keys, 0)
        streams = (self._inputs.messages(), self._outputs())
        for message in heapq.merge(*streams, key=lambda message: message.log_time_ns):
            target.write_serialized(*message)
            counts[message.key] += 1
        return counts

    def _outputs(self) -> Iterator[SerializedMessage]:
        places = dict.fromkeys(self._taken, 0)
        if not places:
            return
        for message in self._dataset.iterate_serialized(list(places), self._start_ns):
            place = places[message.key]
            places[message.key] += 1
            if self._taken[message.key][place]:
                yield message

    def _kept(self, key: str) -> NDArray[np.bool_]:
        """Return which outputs from the start on are taken."""
        times_ns = self._dataset.heads(key, self._start_ns).log_time_ns
        if self._stop_ns is None:
            return np.ones(len(times_ns), np.bool_)
        stamps_ns = _stamps(self._dataset, key, self._start_ns) if self._span else None
        if self._span is not None and stamps_ns is not None:
            taken = np.asarray((stamps_ns >= self._span[0]) & (stamps_ns <= self._span[1]))
            # None at all: the stamps are of another clock.
            if taken.any():
                return taken
        return np.asarray(times_ns < self._stop_ns)


def cut_of(dataset: Dataset, inputs: Sequence[str], outputs: Sequence[str], bounds: Bounds) -> Cut:
    """Return what lies within bounds.

    Args:
        dataset: Where from.
        inputs: Keys of the inputs; may be empty.
        outputs: Keys of the outputs that are in the dataset.
        bounds: How much is taken.

    Raises:
        KeyNotFoundError: If a key is not there.
        ComparisonError: If nothing lies within.
    """
    for key in (*inputs, *outputs):
        dataset.topic(key)
    stop_ns = None
    if bounds.duration_ns is not None:
        span = dataset.time_range_ns()
        start_ns = bounds.start_ns if bounds.start_ns is not None else (span or (0, 0))[0]
        stop_ns = start_ns + bounds.duration_ns
    leading = inputs or outputs
    found = [dataset.heads(key, bounds.start_ns, stop_ns).log_time_ns for key in leading]
    times_ns = np.sort(np.concatenate([np.zeros(0, np.int64), *found]))
    if not len(times_ns):
        raise ComparisonError(
            f'{dataset.name} has no message of {", ".join(leading) or "any key"} within the bounds'
        )
    if len(times_ns) > bounds.max_messages:
        # What has the time of the first that is left out goes too, unless nothing was left then.
        stop_ns = int(times_ns[bounds.max_messages])
        if stop_ns == times_ns[0]:
            later = times_ns[times_ns > stop_ns]
            stop_ns = int(later[0]) if len(later) else None
    start_ns = int(times_ns[0]) if bounds.start_ns is None else bounds.start_ns
    if stop_ns is not None:
        stop_ns = _next(dataset, leading, stop_ns)
    return Cut(dataset, inputs, outputs, start_ns, stop_ns)


def _next(dataset: Dataset, keys: Sequence[str], stop_ns: int) -> int | None:
    """Return the first log time from a time on, None where everything is before it."""
    later = [dataset.heads(key, stop_ns).log_time_ns[:1] for key in keys]
    times_ns = np.concatenate(later)
    return int(times_ns.min()) if len(times_ns) else None


def _stamps(
    dataset: Dataset, key: str, start_ns: int, stop_ns: int | None = None
) -> NDArray[np.int64] | None:
    """Return header stamps in order of log time, None for a type without."""
    try:
        batches = list(
            dataset.column_batches(key, fields=_STAMP, start_ns=start_ns, stop_ns=stop_ns)
        )
    except KeyNotFoundError:
        return None
    found = [each.stamp_ns for each in batches if each.stamp_ns is not None]
    return np.concatenate(found) if found else np.zeros(0, np.int64)
