"""The errors of a key's pairs as messages, one for each pair, in order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison import transforms
from lk_dataset_ros.comparison.exports.error_types import VERDICTS, error_schema
from lk_dataset_ros.comparison.judging.blocks import Budget, Side
from lk_dataset_ros.dataset import SerializedMessage
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Encoder, codec_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison
    from lk_dataset_ros.dataset import Dataset

_MATCH, _MISMATCH, _LATE, _REORDERED, _MISSING, _EXTRA = range(6)
#: Messages that are encoded at once.
_AT_ONCE = 4096


def sides_of(key: KeyComparison, original: Dataset, compiled: Dataset) -> tuple[Side, Side]:
    """Return the times of both sides' messages; of one part of a `/tf` those of its transforms."""
    sides = []
    for dataset in (original, compiled):
        if key.part:
            streams = transforms.streams(dataset.column_batches(key.key))
            labels = {transforms.label(*frames): each for frames, each in streams.items()}
            sides.append(Side.of_columns(labels.get(key.part) or transforms.nothing()))
        else:
            sides.append(Side.of_key(dataset, key.key, Budget(0)))
    return sides[0], sides[1]


class ErrorMessages:
    """The errors of a key, in order of time.

    The time of a pair is the log time of its original message.

    Args:
        topic: Name of the messages.
        key: The key.
        fields: The fields whose errors are told.
        sides: Times of both sides' messages.
        shift_ns: Added to the log times of the compiled.
        taken: Names of types that are there already.

    Attributes:
        topic: Name of the messages.
        schema: Their type.
    """

    def __init__(
        self,
        topic: str,
        key: KeyComparison,
        fields: Sequence[FieldComparison],
        sides: tuple[Side, Side],
        *,
        shift_ns: int,
        taken: set[str],
    ) -> None:
        self.topic = topic
        self._fields = fields
        self.schema, self._paths = error_schema(key.label, fields, taken)
        left, right = sides
        counts = len(left), len(right)
        if counts != (key.paired + key.missing, key.paired + key.extra):
            raise ComparisonError(
                f'{key.label}: there are {counts[0]} and {counts[1]} messages, not those that were '
                'compared; compare the bags again'
            )
        missing = np.setdiff1d(np.arange(len(left)), key.indices)
        extra = _extra(key.extra_ns, right.times_ns)
        sources = (key.indices, missing, extra)
        times_ns = (
            left.log_time_ns[key.indices],
            left.log_time_ns[missing],
            right.log_time_ns[extra] + shift_ns,
        )
        count = len(key.indices)
        order = np.argsort(np.concatenate(times_ns), kind='stable')
        self._log_ns = np.concatenate(times_ns)[order]
        self._positions = np.where(order < count, order, -1)
        self._codes = np.repeat(
            np.array([_MATCH, _MISSING, _EXTRA], np.uint8), [len(each) for each in sources]
        )
        self._codes[:count] = _codes(key)
        self._codes = self._codes[order]
        self._index = np.concatenate([key.indices, missing, np.full(len(extra), -1)])[order]
        self._stamps_ns = np.concatenate(
            [key.stamps_ns, left.times_ns[missing], right.times_ns[extra]]
        )[order]

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self._log_ns)

    def messages(self, folder: Path) -> Iterator[SerializedMessage]:
        """Yield the messages in order of log time.

        Args:
            folder: Takes the errors meanwhile: those of all fields of a large bag are more than
                the memory should hold.
        """
        folder.mkdir()
        files = [folder / str(number) for number in range(len(self._fields))]
        _spool(self._fields, files)
        codec = codec_for(self.schema)
        for first in range(0, len(self), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            batch = Encoder(self._columns(rows, files), codec, len(self._log_ns[rows]))
            count = len(self._log_ns[rows])
            encoded = batch.encode(0, count, np.zeros(batch.size(0, count, 0), np.uint8), 0)
            ends = (encoded.start + encoded.length).tolist()
            for start, end, time_ns in zip(
                encoded.start.tolist(), ends, self._log_ns[rows].tolist(), strict=True
            ):
                cdr = encoded.buffer[start:end].tobytes()
                yield SerializedMessage(self.topic, cdr, time_ns, time_ns)

    def _columns(self, rows: slice, files: Sequence[Path]) -> dict[str, NDArray[Any]]:
        codes, positions = self._codes[rows], self._positions[rows]
        columns: dict[str, NDArray[Any]] = {
            'pair.verdict': np.array(VERDICTS, object)[codes],
            'pair.differs': codes != _MATCH,
            'pair.index': self._index[rows],
            'pair.stamp_ns': self._stamps_ns[rows],
        }
        paired = positions >= 0
        for path, file in zip(self._paths, files, strict=True):
            values = np.full(len(codes), np.nan)
            if paired.any():
                values[paired] = _read(file, positions[paired])
            columns[path] = values
        return columns


def _codes(key: KeyComparison) -> NDArray[np.uint8]:
    """Return what is to be said of each pair."""
    codes = np.full(key.paired, _MATCH, np.uint8)
    codes[np.isin(key.stamps_ns, key.reordered_ns)] = _REORDERED
    codes[np.isin(key.stamps_ns, key.late_ns)] = _LATE
    for each in key.differing:
        if len(each.over) == key.paired:
            codes[each.over] = _MISMATCH
    return codes


def _extra(extra_ns: NDArray[np.int64], times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which messages are those without partner: of equal stamps the last ones."""
    stamps, counts = np.unique(extra_ns, return_counts=True)
    order = np.argsort(times_ns, kind='stable')
    ends = np.searchsorted(times_ns[order], stamps, 'right')
    starts = np.repeat(ends - counts, counts)
    within = np.arange(len(extra_ns)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[starts + within])


def _spool(fields: Sequence[FieldComparison], files: Sequence[Path]) -> None:
    """Write all errors of some fields of a key, each pair's at its place; NaN where it has none."""
    for each, file in zip(fields, files, strict=True):
        count = each.matched + each.mismatched
        with file.open('wb') as stream:
            for first in range(0, count, _AT_ONCE):
                np.full(min(_AT_ONCE, count - first), np.nan).tofile(stream)
    place = {each.path: file for each, file in zip(fields, files, strict=True)}
    source = next((each.source for each in fields), None)
    if source is None:
        return
    for path, positions, errors in source.errors(list(place)):
        spooled = np.memmap(place[path], np.float64, 'r+')
        spooled[positions] = errors


def _read(file: Path, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return errors of some pairs, which lie close to each other."""
    first, last = int(positions.min()), int(positions.max())
    errors = np.fromfile(file, np.float64, last - first + 1, offset=8 * first)
    return errors[positions - first]
