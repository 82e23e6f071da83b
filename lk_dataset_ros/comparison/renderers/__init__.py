"""Renderers: a comparison as text, JSON, HTML. Formatting only, no numbers are made here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.renderers.diffdiff import to_diffdiff
from lk_dataset_ros.comparison.renderers.html import Arm, report_html, to_html
from lk_dataset_ros.comparison.renderers.json import to_dict, to_json
from lk_dataset_ros.comparison.renderers.text import table_of, to_str
from lk_dataset_ros.errors import BagWriteError

if TYPE_CHECKING:
    from os import PathLike

    from lk_dataset_ros.comparison.result import DatasetComparison

__all__ = [
    'Arm',
    'report_html',
    'save',
    'table_of',
    'to_dict',
    'to_diffdiff',
    'to_html',
    'to_json',
    'to_str',
]


def save(comparison: DatasetComparison, path: str | PathLike[str]) -> None:
    """Save a comparison in the format that the ending names: `.json`, `.html`, or text.

    Raises:
        BagWriteError: If the file cannot be written.
    """
    target = Path(path)
    render = {'.json': comparison.to_json, '.html': comparison.to_html}.get(
        target.suffix, comparison.to_str
    )
    try:
        target.write_text(render(), encoding='utf-8')
    except OSError as error:
        raise BagWriteError(f'{target} cannot be written: {error.strerror}') from error
