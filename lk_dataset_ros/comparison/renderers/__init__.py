"""Renderers: a comparison in other forms. Formatting only, no numbers are made here.

Each is imported when it is first asked for: who wants a verdict needs no page.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from os import PathLike

    from lk_dataset_ros.comparison.renderers.diffdiff import (
        save_diffdiff,
        to_diffdiff,
        write_diffdiff,
    )
    from lk_dataset_ros.comparison.renderers.html import Arm, report_html, to_html
    from lk_dataset_ros.comparison.renderers.json import from_json, load, to_dict, to_json
    from lk_dataset_ros.comparison.renderers.junit import to_junit
    from lk_dataset_ros.comparison.renderers.markdown import to_markdown
    from lk_dataset_ros.comparison.renderers.plots import (
        plot_heatmap,
        plot_histogram,
        plot_images,
        plot_timeseries,
    )
    from lk_dataset_ros.comparison.renderers.text import table_of, to_str
    from lk_dataset_ros.comparison.result import DatasetComparison

_HOMES = {
    'Arm': 'html',
    'from_json': 'json',
    'load': 'json',
    'plot_heatmap': 'plots',
    'plot_histogram': 'plots',
    'plot_images': 'plots',
    'plot_timeseries': 'plots',
    'report_html': 'html',
    'save_diffdiff': 'diffdiff',
    'table_of': 'text',
    'to_dict': 'json',
    'to_diffdiff': 'diffdiff',
    'to_html': 'html',
    'to_json': 'json',
    'to_junit': 'junit',
    'to_markdown': 'markdown',
    'to_str': 'text',
    'write_diffdiff': 'diffdiff',
}

__all__ = [
    'Arm',
    'from_json',
    'load',
    'plot_heatmap',
    'plot_histogram',
    'plot_images',
    'plot_timeseries',
    'report_html',
    'save',
    'save_diffdiff',
    'table_of',
    'to_dict',
    'to_diffdiff',
    'to_html',
    'to_json',
    'to_junit',
    'to_markdown',
    'to_str',
    'write_diffdiff',
]


def __getattr__(name: str) -> Any:
    """Import a renderer from its module when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def save(comparison: DatasetComparison, path: str | PathLike[str]) -> None:
    """Save a comparison in the format that the ending names.

    `.json` can be loaded again, `.html` is a page, `.txt` a table, `.md` a comment on a pull
    request, `.xml` JUnit for a CI server. What is there is replaced once all is written.

    Raises:
        ComparisonError: If the ending is another one.
        BagWriteError: If the file cannot be written.
    """
    formats = {
        '.json': comparison.to_json,
        '.html': comparison.to_html,
        '.txt': comparison.to_str,
        '.md': comparison.to_markdown,
        '.xml': comparison.to_junit,
    }
    render = formats.get(Path(path).suffix.lower())
    if render is None:
        *most, last = formats
        raise ComparisonError(
            f'{path} is of no known format; its name has to end in {", ".join(most)} or {last}'
        )
    content = render()
    with written(path) as stream:
        stream.write(content)
