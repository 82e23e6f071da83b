"""One file of a bag, whatever storage wrote it, compressed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lk_dataset_ros.dataset.databases.mcap_files.file import McapFile
from lk_dataset_ros.dataset.databases.mcap_files.records import MAGIC as MCAP_MAGIC
from lk_dataset_ros.dataset.databases.rosbag2.packed import ZSTD_MAGIC
from lk_dataset_ros.dataset.databases.rosbag2.sqlite3_file import Sqlite3File
from lk_dataset_ros.dataset.databases.rosbag2.sqlite3_tables import SQLITE_MAGIC
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.databases.mcap_files.records import (
        McapChannel,
        McapMessage,
        McapSchema,
    )
    from lk_dataset_ros.dataset.databases.rosbag2.packed import Scratch
    from lk_dataset_ros.dataset.records import Heads
    from lk_dataset_ros.message import Batch


#: What files of bags start with. A packed one is known by its name, too.
MAGICS = (MCAP_MAGIC, SQLITE_MAGIC)


class BagFile(Protocol):
    """A file of a bag, open for reading."""

    path: Path
    warning: str

    @property
    def channels(self) -> Mapping[int, McapChannel]:
        """Topics by number."""

    @property
    def schemas(self) -> Mapping[int, McapSchema]:
        """Definitions of types, by the number that the channels say."""

    @property
    def counts(self) -> Mapping[int, int]:
        """Number of messages by channel."""

    @property
    def time_range(self) -> tuple[int, int] | None:
        """First and last log time, or None for a file without messages."""

    def messages(
        self, channel_ids: Collection[int], start_ns: int, stop_ns: int
    ) -> Iterator[McapMessage]:
        """Yield the messages of some channels in order of log time."""

    def batches(
        self, channel: int, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]] | None:
        """Yield the messages of a channel in batches; None where that takes a walk."""

    def heads(self, channel: int, start_ns: int, stop_ns: int) -> Iterator[Heads] | None:
        """Yield times, sequence numbers and sizes of a channel; None as for `batches`."""

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return name and content of the metadata records of MCAP."""

    def close(self) -> None:
        """Close the file."""


def open_file(path: Path, scratch: Scratch) -> BagFile:
    """Open a file of a bag, by what it starts with.

    Args:
        path: The file.
        scratch: Where it is unpacked.

    Raises:
        BagFormatError: If it is no file of a bag.
        BagWriteError: If it cannot be unpacked.
    """
    with path.open('rb') as file:
        head = file.read(len(SQLITE_MAGIC))
    if not head.startswith(ZSTD_MAGIC):
        return _open_unpacked(path, head, scratch)
    unpacked = scratch.place(path.name.removesuffix('.zstd'))
    warning = scratch.fill(path, unpacked, packed=True)
    with unpacked.open('rb') as file:
        head = file.read(len(SQLITE_MAGIC))
    try:
        opened = _open_unpacked(unpacked, head, scratch)
    except BagFormatError as error:
        raise BagFormatError(str(error).replace(str(unpacked), str(path))) from error
    opened.path = path
    opened.warning = warning or opened.warning.replace(str(unpacked), str(path))
    return opened


def _open_unpacked(path: Path, head: bytes, scratch: Scratch) -> BagFile:
    if head.startswith(MCAP_MAGIC):
        return McapFile(path)
    if head == SQLITE_MAGIC:
        return Sqlite3File(path, scratch)
    if not head:
        raise BagFormatError(f'{path} is an empty file; nothing was written to it')
    raise BagFormatError(
        f'{path} is not a file of a bag: it starts with {head[:8]!r}; MCAP and sqlite3 files are '
        'read, also when zstd packs them'
    )
