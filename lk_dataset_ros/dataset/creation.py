"""Make a new dataset that is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.databases import registry
from lk_dataset_ros.errors import BagExistsError, BagWriteError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.dataset.database import Database

_SUFFIXES = {'.pkl': 'pickle', '.pickle': 'pickle'}
#: Files that can be read only.
_READ_ONLY = ('.db3', '.bag')


def kind_of_new(location: str) -> str:
    """Return the kind of database that a location of a new dataset suggests: mcap for most.

    Raises:
        DatasetError: If it suggests a kind that is not written.
    """
    scheme, is_url, _ = location.partition('://')
    if is_url:
        return scheme
    suffix = Path(location).suffix.lower()
    if suffix in _READ_ONLY:
        raise DatasetError(f'{location}: {suffix} files are not written; a folder is, or .mcap')
    return _SUFFIXES.get(suffix, 'mcap')


@contextlib.contextmanager
def creating(kind: str, location: str, **options: Any) -> Iterator[Database]:
    """Make a new dataset; it takes its place when the block ends, and only if it ends well.

    Until then it lies beside its place, in a hidden folder `.NAME.*.partial`, which goes away
    with an error or an interruption. A location that ends in `.mcap` becomes a bare file, any
    other of kind mcap a rosbag2 folder. What is on a server (a URL) is written in place.

        with creating('mcap', 'slice.mcap', compression='zstd') as database:
            copy([Source(dataset, start_ns=start_ns)], database)

    Args:
        kind: One of `registry.kinds()` that keeps what is written.
        location: A path where nothing is, or a URL.
        options: Of the kind.

    Yields:
        The database to write to.

    Raises:
        BagExistsError: If there is something at the path.
        BagWriteError: If nothing can be made there.
        DatasetError: If the kind is unknown, keeps nothing, or lacks an option.
    """
    if not registry.database_class(kind).is_persistent:
        kept = [each for each in registry.kinds() if registry.database_class(each).is_persistent]
        raise DatasetError(
            f'a dataset of kind {kind} is gone with this command; {", ".join(kept)} are kept'
        )
    if '://' in location:
        with registry.make(kind, location, **options) as database:
            yield database
        return
    target = Path(location)
    if os.path.lexists(target):
        raise BagExistsError(f'{target} exists; nothing is overwritten')
    if not target.name:
        raise DatasetError(f'{location!r} is not the name of a new dataset')
    with folder_beside(target) as folder:
        database = registry.make(kind, str(folder / target.name), **options)
        try:
            yield database
        except BaseException:
            with contextlib.suppress(Exception):
                database.close()
            raise
        database.close()
        put(_made(folder / target.name, kind), target)


@contextlib.contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Make a folder beside a path, and with it the folders above that are missing.

    It goes away at the end of the block, and those above with it where nothing is in them.

    Raises:
        BagWriteError: If it cannot be made.
    """
    above = reversed([target.parent, *target.parent.parents])
    made = [parent for parent in above if not parent.exists()]
    folder = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(
            tempfile.mkdtemp(prefix=f'.{target.name}.', suffix='.partial', dir=target.parent)
        )
        yield folder
    except OSError as error:
        if isinstance(error, BagWriteError | BagExistsError) or folder is not None:
            raise
        raise BagWriteError(f'{target} cannot be made: {error.strerror}') from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for parent in reversed(made):
            # Those that hold the finished dataset stay.
            with contextlib.suppress(OSError):
                parent.rmdir()


def _made(path: Path, kind: str) -> Path:
    """Return what was written: of a bag that should be a bare file, that file."""
    if kind == 'mcap' and path.suffix == '.mcap' and path.is_dir():
        files = list(path.glob('*.mcap'))
        if len(files) != 1:
            raise BagWriteError(f'{path.name} became {len(files)} files; name a folder instead')
        return files[0]
    return path


def put(source: Path, target: Path) -> None:
    """Move what was written to its place, over nothing.

    Raises:
        BagExistsError: If something has come to be there.
        BagWriteError: If it cannot be moved.
    """
    try:
        if source.is_dir():
            os.rename(source, target)  # noqa: PTH104 - replaces nothing but an empty folder
        else:
            _put_file(source, target)
    except OSError as error:
        if os.path.lexists(target):
            raise BagExistsError(f'{target} has come to exist; nothing is overwritten') from error
        raise BagWriteError(f'{target} cannot be made: {error.strerror}') from error


def _put_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links (FAT, some network drives).
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        source.rename(target)
