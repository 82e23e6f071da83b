"""Repair one MCAP file of a bag, in place or as a copy."""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from lk_dataset_ros.dataset.databases.mcap_files.assembly import Kept
from lk_dataset_ros.dataset.databases.mcap_files.chunks import ChunkReader
from lk_dataset_ros.dataset.databases.mcap_files.output import lock
from lk_dataset_ros.dataset.databases.mcap_files.records import MAGIC
from lk_dataset_ros.dataset.databases.mcap_files.repair import Repair
from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.databases.rosbag2.own_record import own_record
from lk_dataset_ros.dataset.records import Topic
from lk_dataset_ros.errors import BagFormatError, BagWriteError
from lk_dataset_ros.message import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lk_dataset_ros.dataset.databases.mcap_files.summary import Summary

#: Bytes that are copied at once.
_PIECE: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RecoveredFile:
    """What was done to a file.

    Attributes:
        path: The whole file.
        messages: Messages in it.
        problems: What was wrong with it; empty if it was whole.
        rescued: Messages out of a chunk that was cut.
        left_out: Bytes of its data that could not be used.
        kept_in: Name of the file beside it that has what was taken out; empty if nothing was.
    """

    path: Path
    messages: int
    problems: tuple[str, ...]
    rescued: int
    left_out: int
    kept_in: str = ''


def recovered_in_place(path: Path) -> RecoveredFile:
    """Repair a file where it is.

    Raises:
        BagFormatError: If it is no MCAP file, or an empty one.
        BagWriteError: If somebody is writing to it.
        OSError: If it cannot be written; it holds what it held before.
    """
    with path.open('r+b') as file:
        if not lock(file):
            raise BagWriteError(f'{path} is being written: stop its recorder first')
        with _opened(path, file) as repair:
            if not repair.problems:
                return _done(path, repair)
            end = repair.end(lambda summary: _told(summary, path.name, repair.records))
            if repair.is_at_end:
                kept_in = _with_new_end(path, file, repair, end)
                return _done(path, repair, kept_in)
            made = beside(path, 'partial')
            try:
                _write(made, file, repair, end)
                damaged = beside(path, 'damaged')
                path.rename(damaged)
                made.rename(path)
            finally:
                made.unlink(missing_ok=True)
            return _done(path, repair, damaged.name)


def recovered_copy(path: Path, target: Path) -> RecoveredFile:
    """Make a whole copy of a file.

    Raises:
        BagFormatError: If it is no MCAP file, or an empty one.
        OSError: If the copy cannot be written.
    """
    with path.open('rb') as file, _opened(path, file) as repair:
        end = repair.end(lambda summary: _told(summary, target.name, repair.records))
        if not repair.problems:
            repair.whole.steps = [Kept(0, os.fstat(file.fileno()).st_size)]
            end = b''
        _write(target, file, repair, end)
        return _done(target, repair)


def _done(path: Path, repair: Repair, kept_in: str = '') -> RecoveredFile:
    counts = repair.whole.summary.counts
    known = repair.whole.summary.channels
    return RecoveredFile(
        path,
        sum(count for channel, count in counts.items() if channel in known),
        tuple(repair.problems),
        repair.rescued,
        repair.left_out,
        kept_in,
    )


@contextlib.contextmanager
def _opened(path: Path, file: IO[bytes]) -> Iterator[Repair]:
    """Look at a file, and let go of it at the end."""
    head = file.read(len(MAGIC))
    if head != MAGIC:
        what = f'it starts with {head!r}' if head else 'it is empty'
        raise BagFormatError(f'{path} is not an MCAP file ({what}): there is nothing to recover')
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = ChunkReader(path, data)
        try:
            yield Repair(reader)
        finally:
            reader.view.release()


def _told(
    summary: Summary, name: str, records: list[tuple[str, dict[str, str]]]
) -> dict[str, str]:
    """Return what rosbag2's metadata record says of a file."""
    topics = []
    for key, channel in summary.channels.items():
        schema = summary.schemas.get(channel.schema_id)
        if schema is not None and channel.message_encoding == 'cdr':
            text = schema.data.decode(errors='replace')
            type_hash = channel.metadata.get('topic_type_hash', '')
            definition = Schema(schema.name, text, schema.encoding, type_hash)
            qos = channel.metadata.get('offered_qos_profiles', '')
            topics.append(Topic(channel.topic, definition, qos, summary.counts.get(key, 0)))
    start_ns = summary.start_ns or 0
    count = sum(topic.count for topic in topics)
    duration_ns = summary.end_ns - start_ns if count else 0
    file = metadata.BagFile(name, start_ns, duration_ns, count)
    own = own_record(records)
    information = metadata.information_of(
        [file], topics, custom_data=own.custom_data, distro=own.ros_distro
    )
    return {'serialized_metadata': metadata.dump(information)}


def _with_new_end(path: Path, file: IO[bytes], repair: Repair, end: bytes) -> str:
    """Write another end to a file; return the name of the file that has what was there."""
    kept = repair.whole.steps[0]
    assert isinstance(kept, Kept)
    new = b''.join(step for step in repair.whole.steps[1:] if isinstance(step, bytes)) + end
    rest = beside(path, 'rest')
    with rest.open('x+b') as output:
        _copy(file, output, kept.stop)
        _to_disk(output)
        try:
            file.seek(kept.stop)
            file.write(new)
            file.truncate()
            _to_disk(file)
        except OSError:
            # There was room for it before.
            output.seek(0)
            file.seek(kept.stop)
            _copy(output, file, 0)
            file.truncate()
            _to_disk(file)
            rest.unlink()
            raise
    if not repair.left_out:
        # A torn summary, which is made of the data.
        rest.unlink()
        return ''
    return rest.name


def _write(target: Path, file: IO[bytes], repair: Repair, end: bytes) -> None:
    """Write a new file of what a repair consists of."""
    with target.open('xb') as output:
        for step in repair.whole.steps:
            if isinstance(step, bytes):
                output.write(step)
            else:
                _copy(file, output, step.start, step.stop)
        output.write(end)
        _to_disk(output)


def _copy(source: IO[bytes], target: IO[bytes], start: int, stop: int | None = None) -> None:
    """Copy a part of a file, piece by piece."""
    source.seek(start)
    left = stop - start if stop is not None else None
    while left is None or left > 0:
        piece = source.read(_PIECE if left is None else min(left, _PIECE))
        if not piece:
            return
        target.write(piece)
        left = None if left is None else left - len(piece)


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def beside(path: Path, suffix: str) -> Path:
    """Return a path beside another one where nothing is: `NAME.SUFFIX`, `NAME.SUFFIX2`, ..."""
    place, number = path.with_name(f'{path.name}.{suffix}'), 2
    while os.path.lexists(place):
        place = path.with_name(f'{path.name}.{suffix}{number}')
        number += 1
    return place
