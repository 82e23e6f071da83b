"""What was learned from one batch: messages that agree with it are read without a walk.

Most topics have messages of one size whose strings and lengths never change: a frame name, joint
names, a number of ranges. Where these are in a message is known after the first batch. A later
batch whose messages have the same bytes there has its numbers at the same places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.message.columnar.target import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.message.columnar.batch import Batch
    from lk_dataset_ros.message.columnar.target import Target

_WORDS = (8, 4, 2, 1)


@dataclass(slots=True)
class Plan:
    """Where everything is in messages of one layout.

    Attributes:
        size: Bytes of each message.
        same: Bytes that decide about the layout, by their place in a message.
        numbers: Field path, shape, type, place in a message and type there.
        texts: Field path, shape, index into it, and the text that all messages have.
        lengths: Field path and length of sequences of messages.
    """

    size: int
    same: list[tuple[int, bytes]] = field(default_factory=list)
    numbers: list[tuple[str, tuple[int, ...], np.dtype[Any], int, np.dtype[Any]]] = field(
        default_factory=list
    )
    texts: list[tuple[str, tuple[int, ...], int, str]] = field(default_factory=list)
    lengths: list[tuple[str, int]] = field(default_factory=list)
    _words: list[tuple[int, np.dtype[Any], Any]] = field(default_factory=list)

    def fits(self, batch: Batch) -> bool:
        """Tell whether the messages of a batch have this layout."""
        if batch.size != self.size or batch.runs is None:
            return False
        self._words = self._words or list(_words_of(self.same))
        for first, end, distance in batch.runs:
            place = int(batch.start[first])
            for at, dtype, value in self._words:
                found = np.ndarray((end - first,), dtype, batch.buffer, place + at, (distance,))
                if not (found == value).all():
                    return False
        return True

    def read(self, batch: Batch, target: Target, first: int) -> None:
        """Read the messages of a batch that fits.

        Args:
            batch: The messages.
            target: Takes the fields.
            first: Row of the first message.
        """
        count = len(batch)

        def new(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
            values = target.place(path, shape, dtype)
            if values is None:
                values = np.empty((count, *shape), dtype)
                rows = np.arange(first, first + count, dtype=np.int64)
                target.put(path, Piece(values, rows))
            return values

        for path, shape, kept, at, dtype in self.numbers:
            values = new(path, shape, kept)
            if values.size:
                target.fill(batch, path, values.reshape(count, -1), at, dtype)
        texts: dict[str, NDArray[Any]] = {}
        for path, shape, index, text in self.texts:
            if path not in texts:
                texts[path] = new(path, shape, np.dtype(object))
            if shape:
                texts[path][:, index] = text
            else:
                texts[path][:] = text
        for path, length in self.lengths:
            new(path, (), np.dtype(np.int64))[:] = length


def _words_of(same: list[tuple[int, bytes]]) -> Iterator[tuple[int, np.dtype[Any], Any]]:
    """Cut bytes into words that are compared at once; neighbours are joined before."""
    spans: list[tuple[int, bytes]] = []
    for at, data in sorted(same):
        if spans and spans[-1][0] + len(spans[-1][1]) == at:
            spans[-1] = (spans[-1][0], spans[-1][1] + data)
        elif data:
            spans.append((at, data))
    for at, data in spans:
        size = next(each for each in _WORDS if each <= len(data))
        places = [*range(0, len(data) - size, size), len(data) - size]
        for place in places:
            dtype = np.dtype(f'<u{size}')
            yield at + place, dtype, np.frombuffer(data, dtype, 1, place)[0]
