"""The file that is written: whole pieces or nothing, so that a full disk tears no record."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import IO, TYPE_CHECKING, Any, Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Errors that more room cures: a full disk, a quota, the largest file that there can be.
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def open_output(path: Path) -> IO[bytes]:
    """Open a new file for writing; what is written goes to the system at once.

    It is locked, as far as the file system can, so that nobody repairs it meanwhile.
    """
    file = path.open('xb', buffering=0)
    lock(file)
    return file


def lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed, or its process ends; tell whether nobody else has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks.
        return True
    return True


def is_full(error: OSError) -> bool:
    """Tell whether an error means that there is no room left."""
    return error.errno in FULL


class Output:
    """Writes to a file and knows where it is.

    Args:
        file: Open for writing, at the place where `position` is.
        position: Bytes that are there.
    """

    def __init__(self, file: IO[bytes], position: int = 0) -> None:
        self._file = file
        self.position = position

    def write(self, parts: Sequence[Any]) -> None:
        """Write pieces one after the other; all of them, or none is left.

        Raises:
            OSError: If they cannot be written; the file ends where it ended before.
        """
        begin = self.position
        try:
            for part in parts:
                self._write(part)
        except BaseException:
            self.cut(begin)
            raise

    def _write(self, data: Any) -> None:
        size = len(data)
        # A file without buffer may take a part: all that fits, or as much as one call can.
        done = self._file.write(data)
        while done < size:
            self.position += done
            data, size = memoryview(data)[done:], size - done
            done = self._file.write(data)
        self.position += done

    def cut(self, position: int) -> None:
        """Give back what was written behind a place, as far as the file allows it."""
        self.position = position
        # A pipe cannot be cut; whoever reads it finds the torn end.
        with contextlib.suppress(OSError, ValueError):
            self._file.seek(position)
            self._file.truncate(position)

    def flush(self, *, sync: bool = False) -> None:
        """Hand everything to the system, and to the disk itself if asked."""
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
