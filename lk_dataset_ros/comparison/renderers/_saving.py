"""Write a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import BagWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import TextIO


@contextmanager
def written(path: str | PathLike[str]) -> Iterator[TextIO]:
    """Open a text file that takes the place of what is at a path when all is written.

    What is there stays as it was if anything goes wrong. A link is followed; what is no regular
    file, such as a pipe, is written to as it is.

    Raises:
        BagWriteError: If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    in_place = target.exists() and not target.is_file()
    part = target if in_place else target.with_name(f'.{secrets.token_hex(8)}.part')
    options = {'encoding': 'utf-8', 'errors': 'backslashreplace', 'newline': '\n'}
    try:
        with part.open('w' if in_place else 'x', **options) as stream:  # type: ignore[call-overload]
            yield stream
        if not in_place:
            part.replace(target)
    except OSError as error:
        raise BagWriteError(f'{path} cannot be written: {error.strerror or error}') from error
    finally:
        if not in_place:
            part.unlink(missing_ok=True)
