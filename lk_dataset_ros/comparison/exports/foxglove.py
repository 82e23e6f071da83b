"""One MCAP file with both sides and their errors on one axis of time, for Foxglove."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.comparison.exports.choice import (
    MOST_FIELDS,
    Exported,
    keys_of,
    numeric_fields,
    plain_name,
    slashed,
    unused,
)
from lk_dataset_ros.comparison.exports.error_messages import ErrorMessages, sides_of
from lk_dataset_ros.comparison.exports.error_types import PACKAGE
from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.dataset import SerializedMessage, Topic
from lk_dataset_ros.dataset.copying import Source
from lk_dataset_ros.dataset.databases.rosbag2.file_writer import FileWriter, WriterOptions
from lk_dataset_ros.dataset.exports.target import new_file
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from lk_dataset_ros.comparison.result import DatasetComparison, KeyComparison
    from lk_dataset_ros.dataset import Dataset

_VERDICT: Final = Schema(
    f'{PACKAGE}/msg/Verdict',
    """string verdict  # equivalent, differs or inconclusive
string original
string compiled
string first_divergence
string report
string[] notes
""",
)
#: No log time of a file is later.
_LAST_NS = 2**63 - 1


def to_foxglove(
    comparison: DatasetComparison,
    path: str | PathLike[str],
    *,
    keys: Sequence[str] | None = None,
    most_fields: int = MOST_FIELDS,
) -> Exported:
    """Write both sides and their errors into one MCAP file, which any ROS 2 tool can read.

    The messages of a key are under `/original<key>` and `/compiled<key>`, byte for byte. Under
    `/error<key>` there is one message per pair, at the log time of its original: the largest
    absolute error of each field that differs (infinite where there is no finite one, NaN without
    pair), by the path that the field has in the message, and the pair's verdict. One message on
    `/verdict` tells the whole at the start. Memory does not grow with what the messages hold.

    Times are the log times. Those of the compiled are shifted so that both sides begin together
    where they were paired by relative time, or recorded one after the other; `notes` tell it.

    Args:
        comparison: With its datasets.
        path: The file, ending in `.mcap`; nothing may be there.
        keys: The keys that are written; all that were compared when left out.
        most_fields: Fields whose errors are written, the worst ones.

    Raises:
        ComparisonError: If the comparison was loaded without its bags, a key was not compared, or
            the ending is another.
        BagExistsError: If something is at the path.
        ExportError: If it cannot be written.
    """
    if comparison.original is None or comparison.compiled is None:
        raise ComparisonError(
            'this comparison is without its bags, whose messages are to be copied; '
            'compare the bags again and export that'
        )
    if not str(path).endswith('.mcap'):
        raise ComparisonError(f'{path} does not end in .mcap, which Foxglove wants')
    chosen = keys_of(comparison, keys)
    fields, notes = numeric_fields(comparison, chosen, most_fields)
    layout = _Layout.of(comparison.original, comparison.compiled, chosen)
    notes += layout.notes()
    taken: set[str] = {'Verdict'}
    names: set[str] = set()
    with new_file(path) as file:
        streams = [
            ErrorMessages(
                unused(f'/error{slashed(_topic(each))}', names),
                each,
                [one for key, one in fields if key is each],
                sides_of(each, comparison.original, comparison.compiled),
                shift_ns=layout.shift_ns,
                taken=taken,
            )
            for each in chosen
            if not each.problem
        ]
        _write(file, comparison, layout, streams, notes)
    return Exported(Path(path), notes)


def _topic(key: KeyComparison) -> str:
    """Return what the errors of a key are called after it."""
    if not key.part:
        return key.key
    return f'{key.key}/{plain_name(key.part.replace(" -> ", "_to_"))}'


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the messages of both sides go.

    Attributes:
        sources: Both sides.
        shift_ns: Added to the log times of the compiled.
        start_ns: First log time in the file.
    """

    sources: tuple[Source, Source]
    shift_ns: int
    start_ns: int

    @classmethod
    def of(cls, original: Dataset, compiled: Dataset, keys: Sequence[KeyComparison]) -> _Layout:
        names = list(dict.fromkeys(each.key for each in keys))
        spans = [_span(each, names) for each in (original, compiled)]
        shift_ns = 0
        left, right = spans
        if left is not None and right is not None:
            is_relative = any(each.paired_by == 'relative_time' for each in keys)
            if is_relative or left[1] < right[0] or right[1] < left[0]:
                shift_ns = left[0] - right[0]
            if right[1] + shift_ns > _LAST_NS:
                raise ComparisonError(
                    f'{compiled.name} ends at {right[1]} ns, which is beyond what a file can hold '
                    f'when shifted by {shift_ns} ns'
                )
        starts = [span[0] + by for span, by in zip(spans, (0, shift_ns), strict=True) if span]
        sources = [
            Source(dataset, _renamed(dataset, names, side), shift_ns=by)
            for dataset, side, by in (
                (original, 'original', 0),
                (compiled, 'compiled', shift_ns),
            )
        ]
        return cls((sources[0], sources[1]), shift_ns, min(starts, default=0))

    def notes(self) -> tuple[str, ...]:
        if not self.shift_ns:
            return ()
        told = f'{self.shift_ns / 1e9:+.9f} s'
        return (f'log times of the compiled are shifted by {told} to those of the original',)


def _renamed(dataset: Dataset, names: Sequence[str], side: str) -> dict[str, str]:
    there = dataset.keys()
    return {name: f'/{side}{slashed(name)}' for name in names if name in there}


def _span(dataset: Dataset, names: Sequence[str]) -> tuple[int, int] | None:
    """Return first and last log time of some keys, None without messages."""
    if set(names) >= set(dataset.keys()):
        return dataset.time_range_ns()
    there = [dataset.timestamps(name) for name in names if name in dataset]
    times = [(int(each.min()), int(each.max())) for each in there if len(each)]
    return (min(first for first, _ in times), max(end for _, end in times)) if times else None


def _write(
    file: Path,
    comparison: DatasetComparison,
    layout: _Layout,
    streams: Sequence[ErrorMessages],
    notes: Sequence[str],
) -> None:
    writer = FileWriter(file, WriterOptions())
    try:
        writer.declare(Topic('/verdict', _VERDICT))
        for source in layout.sources:
            for topic in source.topics().values():
                writer.declare(topic)
        for stream in streams:
            writer.declare(Topic(stream.topic, stream.schema))
        writer.write(_verdict(comparison, layout.start_ns, notes))
        for message in _merged(layout, streams, file.parent):
            writer.write(message)
        told = {'verdict': comparison.verdict.value, 'compiled_shift_ns': str(layout.shift_ns)}
        writer.add_metadata_at_end('lk_comparison', told)
        writer.finish()
    finally:
        writer.close()


def _merged(
    layout: _Layout, streams: Sequence[ErrorMessages], folder: Path
) -> Iterator[SerializedMessage]:
    messages = [source.messages() for source in layout.sources]
    messages += [
        stream.messages(folder / f'errors_{number}') for number, stream in enumerate(streams)
    ]
    return heapq.merge(*messages, key=lambda message: message.log_time_ns)


def _verdict(
    comparison: DatasetComparison, time_ns: int, notes: Sequence[str]
) -> SerializedMessage:
    codec = codec_for(_VERDICT)
    message = codec.new()
    message.verdict = comparison.verdict.value
    message.original = comparison.original_name
    message.compiled = comparison.compiled_name
    message.first_divergence = _format.first(comparison)
    message.report = comparison.to_str()
    message.notes = list(notes)
    return SerializedMessage('/verdict', codec.encode(message), time_ns, time_ns)
