"""Many serialized messages in one buffer, and how to read the same place in all of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

#: Runs of places shorter than this on average are read place by place.
_LEAST_RUN = 16
#: Scattered messages of one size, up to this many bytes, are first brought together.
_SMALL = 4096

Runs = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Batch:
    """Serialized messages of one type.

    Attributes:
        buffer: uint8: bytes that hold the messages.
        start: int64, (n,): where each message (its encapsulation header) starts.
        length: int64, (n,): bytes of each message, header included.
        check: Given where the buffer lasts (a file that is mapped): raises an error if it can no
            longer be read. None where it may be used again for the next batch.
        forget: Given where a buffer that lasts need not stay in memory: takes first and last
            place of what was read.
    """

    buffer: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    check: Callable[[], None] | None = None
    forget: Callable[[int, int], None] | None = None

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.start)

    @cached_property
    def runs(self) -> Runs | None:
        """Runs of messages at equal distances; None where they are scattered."""
        return runs_of(self.start)

    @cached_property
    def size(self) -> int | None:
        """Bytes of each message, None where they differ (or there is none)."""
        first = int(self.length[0]) if len(self.length) else None
        return first if first is not None and (self.length == first).all() else None

    def brought_together(self) -> Batch:
        """Return scattered small messages of one size side by side."""
        size = self.size
        if size is None or size > _SMALL or len(self) < _LEAST_RUN or self.runs is not None:
            return self
        together = windows_of(self.buffer, size)[self.start].view(np.uint8)
        return Batch(together, np.arange(len(self), dtype=np.int64) * size, self.length)


def runs_of(where: NDArray[np.int64]) -> Runs | None:
    """Split ascending places into runs of equal distance: `(first, end, distance)`.

    Returns:
        None where there are so many that reading run by run would not pay.
    """
    if len(where) < 2:
        return [(0, len(where), 0)]
    distance = np.diff(where)
    if distance[0] >= 0 and (distance == distance[0]).all():
        return [(0, len(where), int(distance[0]))]
    ends = np.flatnonzero(np.diff(distance)) + 2
    if len(ends) > len(where) // _LEAST_RUN or int(distance.min()) < 0:
        return None
    bounds = [0, *ends.tolist(), len(where)]
    return [
        (first, end, int(distance[first]) if end - first > 1 else 0)
        for first, end in itertools.pairwise(bounds)
    ]


def gather(
    buffer: NDArray[np.uint8],
    where: NDArray[np.int64],
    dtype: np.dtype[Any],
    count: int = 1,
    runs: Runs | None = None,
) -> NDArray[Any]:
    """Read `count` values of a type at each of many (unaligned) places.

    Args:
        buffer: The bytes.
        where: int64, (n,): the places.
        dtype: Type of the values, in their byte order.
        count: Values at each place.
        runs: Runs of the places, if they are known.

    Returns:
        Shape (n,) for count 1, (n, count) otherwise; in the machine's byte order.
    """
    size = dtype.itemsize * count
    native = dtype.newbyteorder('=')
    if not len(where) or not size:
        return np.zeros((len(where), count) if count != 1 else len(where), native)
    if runs is None:
        found = (
            windows_of(buffer, size)[where]
            .view(dtype)
            .reshape(len(where), count)
            .astype(native, copy=False)
        )
    else:
        found = np.empty((len(where), count), native)
        for first, end, distance in runs:
            strides = (distance, dtype.itemsize)
            found[first:end] = np.ndarray(
                (end - first, count), dtype, buffer, int(where[first]), strides
            )
    values: NDArray[Any] = found[:, 0] if count == 1 else found
    return values


def windows_of(buffer: NDArray[np.uint8], size: int) -> NDArray[Any]:
    """Return every span of so many bytes of a buffer, to be read or written by its place."""
    windows: NDArray[Any] = np.ndarray((len(buffer) - size + 1,), f'V{size}', buffer, 0, (1,))
    return windows


def fill(
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    runs: Runs,
    fields: Sequence[tuple[NDArray[Any], int, np.dtype[Any]]],
) -> None:
    """Copy numbers of many messages, run by run: each part of the buffer is fetched once.

    Args:
        buffer: The bytes.
        start: int64, (n,): where the messages start.
        runs: Their runs.
        fields: For each field an array of shape (n, count), its place in a message, and its type
            there.
    """
    for first, end, distance in runs:
        place = int(start[first])
        for found, at, dtype in fields:
            shape, strides = (end - first, found.shape[1]), (distance, dtype.itemsize)
            source = np.ndarray(shape, dtype, buffer, place + at, strides)
            if found.dtype.kind == 'b':
                np.not_equal(source, 0, out=found[first:end])
            else:
                found[first:end] = source
