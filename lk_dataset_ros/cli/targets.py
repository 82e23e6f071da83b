"""Files that a verb is to write: what is wrong with them is told before the long work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import BagExistsError, BagWriteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def check_files(
    files: Sequence[Path], endings: Sequence[str] = (), *, overwrite: bool = False
) -> None:
    """Check that files can be written.

    Args:
        files: The files.
        endings: Those that are known; none for any.
        overwrite: They may be there.

    Raises:
        BagExistsError: If one is there, or is named twice.
        BagWriteError: If one has another ending, or cannot be where it should.
    """
    for place, file in enumerate(files):
        if endings and file.suffix not in endings:
            raise BagWriteError(
                f'{file} is of no known format; its name has to end in {", ".join(endings)}'
            )
        if file.is_dir():
            raise BagExistsError(f'{file} is a folder; give the name of a file')
        if os.path.lexists(file) and not overwrite:
            raise BagExistsError(f'{file} exists; it is not overwritten without --overwrite')
        if file in files[:place]:
            raise BagExistsError(f'{file} is named twice')
        _check_folder_above(file, file.parent)


def check_folder(folder: Path, names: Sequence[str], *, overwrite: bool = False) -> None:
    """Check that a folder of files can be written.

    Args:
        folder: It need not be there, nor what is above it; it may be empty.
        names: The files.
        overwrite: They may be there; what else is in the folder stays.

    Raises:
        BagExistsError: If something is in the way.
        BagWriteError: If the folder cannot be made.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise BagExistsError(f'{folder} is no folder')
    if folder.is_dir():
        if any(folder.iterdir()) and not overwrite:
            raise BagExistsError(f'{folder} is not empty; --overwrite replaces the files in it')
        check_files([folder / name for name in names], overwrite=True)
        return
    above = folder.absolute().parent
    while not os.path.lexists(above):
        above = above.parent
    _check_folder_above(folder, above)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        BagWriteError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagWriteError(f'{folder} cannot be made: {error.strerror}') from error


def _check_folder_above(target: Path, above: Path) -> None:
    if not above.is_dir():
        raise BagWriteError(f'{target} cannot be written: {above} is no folder that is there')
    if not os.access(above, os.W_OK | os.X_OK):
        raise BagWriteError(f'{target} cannot be written: {above} is read-only')
