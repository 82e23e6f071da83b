"""Recover a bag whose recorder was killed, or whose files are damaged: the engine of `lk recover`.

In place nothing is destroyed. A file of which only the end is damaged gets a new end; what was
there is kept beside it as `NAME.rest`. A file that is damaged further in front is made anew; the
old one is kept as `NAME.damaged`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset.creation import folder_beside, put
from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.databases.rosbag2.bag_file import open_file
from lk_dataset_ros.dataset.databases.rosbag2.file_recovery import (
    RecoveredFile,
    beside,
    recovered_copy,
    recovered_in_place,
)
from lk_dataset_ros.dataset.databases.rosbag2.own_record import OwnRecord, own_record
from lk_dataset_ros.dataset.databases.rosbag2.packed import Scratch
from lk_dataset_ros.dataset.databases.rosbag2.reader import BagReader
from lk_dataset_ros.errors import (
    BagExistsError,
    BagFormatError,
    BagNotFoundError,
    BagWriteError,
    LkError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SUFFIX: Final = '.mcap'


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done to a bag.

    Attributes:
        path: Where the whole bag is.
        files: What was done to its files.
        set_aside: Files that hold nothing and were given another name.
        metadata_written: Whether `metadata.yaml` was written; never for a bare file.
        topics: Topics in it.
        messages: Messages in it.
    """

    path: Path
    files: tuple[RecoveredFile, ...]
    set_aside: tuple[str, ...]
    metadata_written: bool
    topics: int
    messages: int


def recover(path: Path, out: Path | None = None) -> Recovered:
    """Make a bag whole: summaries, indexes, `metadata.yaml`.

    Args:
        path: A bag's folder, or a bare `.mcap` file.
        out: Where a whole copy is made; the bag itself is repaired if left out.

    Raises:
        BagNotFoundError: If there is nothing.
        BagFormatError: If it is no bag of MCAP files, or nothing in it can be read.
        BagExistsError: If something is where the copy should be.
        BagWriteError: If it cannot be written, or somebody is still writing to it.
    """
    if not path.exists():
        raise BagNotFoundError(f'there is no bag at {path}')
    try:
        return _in_place(path) if out is None else _copied(path, out)
    except OSError as error:
        if isinstance(error, LkError):
            raise
        where = error.filename or path
        raise BagWriteError(f'{where} cannot be recovered: {error.strerror or error}') from error


def _in_place(path: Path) -> Recovered:
    if not path.is_dir():
        _check_suffix(path)
        return _result(path, [recovered_in_place(path)], [], is_written=False)
    files, told = _content(path)
    recovered: list[RecoveredFile] = []
    empty: list[Path] = []
    first_error: BagFormatError | None = None
    for each in files:
        try:
            recovered.append(recovered_in_place(each))
        except BagFormatError as error:
            first_error = first_error or error
            empty.append(each)
    if not recovered and first_error is not None:
        raise first_error
    for each in empty:
        each.rename(beside(each, 'damaged'))
    names = [each.path for each in recovered]
    is_written = _write_metadata(path, names, told)
    return _result(path, recovered, [each.name for each in empty], is_written=is_written)


def _copied(path: Path, out: Path) -> Recovered:
    if os.path.lexists(out):
        raise BagExistsError(f'{out} exists; nothing is overwritten')
    if not out.name:
        raise BagFormatError(f"'{out}' is not the name of a new bag")
    if path.is_dir() == (out.suffix == _SUFFIX):
        kind = 'folder: give one' if path.is_dir() else f'{_SUFFIX} file: give one'
        raise BagFormatError(f'{out} cannot hold a copy of {path}, which is a {kind}')
    with folder_beside(out) as folder:
        made = folder / out.name
        if not path.is_dir():
            _check_suffix(path)
            recovered = [recovered_copy(path, made)]
            is_written = False
        else:
            files, told = _content(path)
            made.mkdir()
            recovered = []
            for each in files:
                target = made / f'{out.name}_{len(recovered)}{_SUFFIX}'
                with contextlib.suppress(BagFormatError):
                    recovered.append(recovered_copy(each, target))
            if not recovered:
                # Raises what is wrong with the first one.
                recovered_copy(files[0], made / files[0].name)
            is_written = _write_metadata(made, [each.path for each in recovered], told)
        result = _result(made, recovered, [], is_written=is_written)
        put(made, out)
    return Recovered(
        out,
        result.files,
        result.set_aside,
        result.metadata_written,
        result.topics,
        result.messages,
    )


def _result(
    path: Path, files: Sequence[RecoveredFile], set_aside: list[str], *, is_written: bool
) -> Recovered:
    reader = BagReader(path)
    try:
        counts = [topic.count for topic in reader.topics.values()]
    finally:
        reader.close()
    return Recovered(path, tuple(files), tuple(set_aside), is_written, len(counts), sum(counts))


def _check_suffix(path: Path) -> None:
    if path.suffix != _SUFFIX:
        raise BagFormatError(
            f'{path} is no {_SUFFIX} file; lk convert makes a new bag of what can be read of it'
        )


def _content(path: Path) -> tuple[tuple[Path, ...], dict[str, Any]]:
    """Return the files of a bag, and its metadata as far as they can be read."""
    told: dict[str, Any] = {}
    try:
        content = metadata.content_of(path)
    except BagFormatError:
        # A `metadata.yaml` that is cut: the files are what there is.
        files = metadata.files_in(path)
        if not files:
            raise
    else:
        files = content.files
        told = {'custom_data': content.custom_data, 'distro': content.distro}
    for each in files:
        _check_suffix(each)
    return files, told


def _write_metadata(folder: Path, files: Sequence[Path], told: dict[str, Any]) -> bool:
    """Write `metadata.yaml`, unless it is there and right."""
    scratch = Scratch()
    listed: list[metadata.BagFile] = []
    own = OwnRecord()
    for each in files:
        file = open_file(folder / each.name, scratch)
        try:
            first, last = file.time_range or (0, 0)
            count = sum(file.counts.values())
            listed.append(metadata.BagFile(each.name, first, last - first, count))
            found = own_record(file.metadata())
        finally:
            file.close()
        own = OwnRecord(
            own.ros_distro or found.ros_distro, {**found.custom_data, **own.custom_data}
        )
    place = folder / metadata.METADATA
    old = metadata.loaded(place)
    if old is None and place.exists():
        place.rename(beside(place, 'damaged'))
    reader = BagReader(folder)
    topics = list(reader.topics.values())
    reader.close()
    information = metadata.information_of(
        listed,
        topics,
        custom_data=told.get('custom_data') or own.custom_data,
        distro=told.get('distro') or own.ros_distro,
    )
    if old is not None and metadata.is_same(old, information):
        return False
    metadata.write_atomically(place, metadata.dump({metadata.OUTER_KEY: information}))
    return True
