"""What rosbag2 compresses besides the chunks of MCAP: whole files, and single messages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import zstandard

from lk_dataset_ros.errors import BagFormatError, BagWriteError
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
#: Decompress in pieces of this size, so that a lying header cannot make us allocate.
PIECE = 4 * 1024 * 1024
#: A message that unpacks to more than this is refused.
MAX_MESSAGE_BYTES = 1024 * 1024 * 1024
#: Unpacking stops before the disk has less room than this.
ROOM_LEFT_BYTES = 512 * 1024 * 1024
#: Unpacked bytes of messages that are handed out at once.
BATCH_BYTES = 32 * 1024 * 1024


class Scratch:
    """A private folder for what has to be unpacked or copied before it can be read.

    It is made at first use. Where the system allows it, `forget` removes it as soon as its files
    are open, so that nothing stays behind whatever happens to the process.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made = 0

    def place(self, name: str) -> Path:
        """Return a path for a file of some name; nothing is there yet."""
        if self._folder is None:
            try:
                self._folder = tempfile.TemporaryDirectory(
                    prefix='lk_dataset_ros_', ignore_cleanup_errors=True
                )
            except OSError as error:
                raise BagWriteError(
                    f'{name} cannot be unpacked: no temporary folder can be made ({error}); '
                    'set TMPDIR to one that can be written'
                ) from error
        self._made += 1
        folder = Path(self._folder.name) / str(self._made)
        folder.mkdir()
        return folder / name

    def forget(self) -> None:
        """Remove the folder; files in it that are open stay readable where the system can."""
        if self._folder is not None:
            self._folder.cleanup()

    def fill(self, source: Path, target: Path, *, packed: bool) -> str:
        """Copy or decompress a file into the folder, piece by piece.

        Returns:
            What is wrong with it although something could be unpacked, or an empty text.

        Raises:
            BagWriteError: If there is no room for it.
            BagFormatError: If nothing of it can be unpacked.
        """
        try:
            with source.open('rb') as file, target.open('wb') as output:
                pieces = unpack_pieces(file) if packed else iter(lambda: file.read(PIECE), b'')
                try:
                    for piece in pieces:
                        _check_room(source, target, len(piece))
                        output.write(piece)
                except zstandard.ZstdError as error:
                    if not output.tell():
                        raise BagFormatError(f'{source} does not decompress ({error})') from error
                    return (
                        f'{source} is damaged ({error}): the {output.tell()} bytes that could be '
                        'unpacked are used'
                    )
        except BagWriteError:
            raise
        except OSError as error:
            raise BagWriteError(
                f'{source} cannot be unpacked to {target.parent}: {error.strerror or error}'
            ) from error
        return ''


def _check_room(source: Path, target: Path, size: int) -> None:
    room = shutil.disk_usage(target.parent).free
    if room - size < ROOM_LEFT_BYTES:
        raise BagWriteError(
            f'{source} cannot be unpacked to {target.parent}: only {room // 2**20} MiB are free '
            'there; set TMPDIR to a folder with more room'
        )


def unpack_pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the unpacked content of a zstd file in pieces, as far as it goes.

    Raises:
        zstandard.ZstdError: If it is damaged.
    """
    with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        while piece := reader.read(PIECE):
            yield piece


class MessageUnpacker:
    """Decompresses messages, each of which is a zstd frame of its own.

    Args:
        path: What error messages call the bag.
        always: Whether every message is packed; otherwise those that look like it are unpacked,
            which no CDR message does: its first byte is zero.
    """

    def __init__(self, path: Path, *, always: bool) -> None:
        self._path = path
        self._always = always
        self._zstd = zstandard.ZstdDecompressor()

    def one(self, data: bytes) -> bytes:
        """Return a message's own bytes.

        Raises:
            BagFormatError: If it does not decompress.
        """
        if not self._always and not data.startswith(ZSTD_MAGIC):
            return data
        try:
            size = zstandard.frame_content_size(data)
            if 0 <= size <= PIECE:
                # Said to be small: a lie costs no more than this.
                return self._zstd.decompress(data)
            return self._large(data, size)
        except (zstandard.ZstdError, MemoryError) as error:
            raise BagFormatError(
                f'{self._path}: a message of {len(data)} bytes does not decompress ({error})'
            ) from error

    def _large(self, data: bytes, size: int) -> bytes:
        """Decompress piece by piece: memory grows with what is really there."""
        if not 0 <= size <= MAX_MESSAGE_BYTES:
            says = 'does not say to how many bytes' if size < 0 else f'says that to {size} bytes'
            raise BagFormatError(
                f'{self._path}: a message {says} it unpacks; up to {MAX_MESSAGE_BYTES} are read'
            )
        pieces: list[bytes] = []
        total = 0
        with self._zstd.stream_reader(data) as reader:
            while piece := reader.read(PIECE):
                pieces.append(piece)
                total += len(piece)
                if total > size:
                    break
        if total != size:
            raise BagFormatError(
                f'{self._path}: a message unpacks to other than the {size} bytes its header says'
            )
        return b''.join(pieces)

    def batches(
        self, batches: Iterator[tuple[Batch, NDArray[np.int64]]]
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Unpack the messages of batches; what comes out is of bounded size, too."""
        for batch, times in batches:
            if not self._always and not self._any_packed(batch):
                yield batch, times
                continue
            buffer = batch.buffer
            parts: list[bytes] = []
            first = size = 0
            spans = zip(batch.start.tolist(), batch.length.tolist(), strict=True)
            for place, (start, length) in enumerate(spans):
                parts.append(self.one(buffer[start : start + length].tobytes()))
                size += len(parts[-1])
                if size > BATCH_BYTES:
                    yield batch_of(parts), times[first : place + 1]
                    parts, first, size = [], place + 1, 0
            if parts:
                yield batch_of(parts), times[first:]

    def _any_packed(self, batch: Batch) -> bool:
        there = batch.start[batch.length >= len(ZSTD_MAGIC)]
        return bool((batch.buffer[there] == ZSTD_MAGIC[0]).any())


def batch_of(parts: list[bytes]) -> Batch:
    """Return serialized messages as one batch."""
    length = np.fromiter(map(len, parts), np.int64, len(parts))
    return Batch(np.frombuffer(b''.join(parts), np.uint8), np.cumsum(length) - length, length)
