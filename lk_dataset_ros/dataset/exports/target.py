"""Targets of exports: there when they are whole, never overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import BagExistsError, ExportError, LkError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike


def check_free(path: str | PathLike[str]) -> Path:
    """Return a path that nothing is at.

    Raises:
        BagExistsError: If there is something.
    """
    target = Path(path)
    if os.path.lexists(target):
        raise BagExistsError(f'{target} exists; it is not overwritten')
    return target


def reason_of(error: Exception) -> str:
    """Return why something cannot be read or written, without the hidden name it has by then."""
    return getattr(error, 'strerror', None) or str(error)


@contextmanager
def new_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a folder to fill; it takes its name when the block ends, and is gone if that fails.

    Raises:
        BagExistsError: If there is something at the path.
        ExportError: If it cannot be written.
    """
    target = check_free(path)
    work: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f'.{target.name}.', dir=target.parent))
        work.chmod(0o755)
        yield work
        check_free(target)
        work.replace(target)
    except LkError:
        raise
    except (OSError, UnicodeEncodeError) as error:
        raise ExportError(f'{target} cannot be written: {reason_of(error)}') from error
    finally:
        if work is not None and work.exists():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def new_file(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a file to write; it takes its name when the block ends, and is gone if that fails.

    Raises:
        BagExistsError: If there is something at the path.
        ExportError: If it cannot be written.
    """
    target = check_free(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{target.name}.', dir=target.parent) as folder:
            file = Path(folder) / target.name
            yield file
            check_free(target)
            file.replace(target)
    except LkError:
        raise
    except (OSError, UnicodeEncodeError) as error:
        raise ExportError(f'{target} cannot be written: {reason_of(error)}') from error
