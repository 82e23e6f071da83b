"""Write a draft to a file: checked first, whole or not at all, never over another."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import BagExistsError, SpecificationError
from lk_dataset_ros.experiment.drafting.text import text_of
from lk_dataset_ros.experiment.specification import Specification, load_specification

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.drafting.draft import Draft


def write_draft(draft: Draft, path: Path, *, is_forced: bool = False) -> Specification:
    """Write a draft, and return what `lk ab` reads of it.

    Args:
        draft: The draft.
        path: The file; its folder has to exist.
        is_forced: Overwrite what is there.

    Raises:
        BagExistsError: If there is something, and it is not to be overwritten.
        SpecificationError: If what was proposed is no specification.
    """
    if not path.parent.is_dir():
        raise SpecificationError(f'there is no folder {path.parent} to write {path.name} into')
    if os.path.lexists(path) and not is_forced:
        raise BagExistsError(f'{path} is there already; --force overwrites it, -o names another')
    handle, name = tempfile.mkstemp(dir=path.parent, prefix='.experiment.', suffix='.yaml')
    temporary = Path(name)
    try:
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text_of(draft, path.resolve().parent))
        temporary.chmod(0o644)
        specification = _checked(temporary, path)
        if is_forced:
            temporary.replace(path)
        else:
            _place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return specification.replace(path=path)


def _checked(temporary: Path, path: Path) -> Specification:
    try:
        return load_specification(temporary)
    except SpecificationError as error:
        reason = str(error).removeprefix(f'{temporary}:')
        raise SpecificationError(
            f'what would be written to {path} is wrong at {reason}'
        ) from error


def _place(temporary: Path, path: Path) -> None:
    """Give a file its name, unless somebody has taken it in between."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise BagExistsError(f'{path} is there already; --force overwrites it') from error
    except OSError:
        # A file system without hard links.
        temporary.rename(path)
