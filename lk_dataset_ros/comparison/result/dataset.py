"""Two datasets, compared: the result, and the doors to all its forms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.result.parts import Verdict

if TYPE_CHECKING:
    from os import PathLike

    from lk_dataset_ros.comparison.result.field import FieldComparison
    from lk_dataset_ros.comparison.result.key import KeyComparison
    from lk_dataset_ros.dataset import Dataset


@dataclass(frozen=True, slots=True)
class DatasetComparison:
    """Two datasets, key by key.

    Comparisons of several runs add up: `sum(comparisons)`.

    Attributes:
        original: The original, None for a comparison that was loaded without its bags.
        compiled: The compiled.
        original_name: What the original is called.
        compiled_name: What the compiled is called.
        keys: The keys that were compared.
        noise_runs: Further runs of the original that the noise floor was taken from.
        runs: How many comparisons were added up.
    """

    original: Dataset | None
    compiled: Dataset | None
    original_name: str
    compiled_name: str
    keys: tuple[KeyComparison, ...]
    noise_runs: int = 0
    runs: int = 1

    @property
    def verdict(self) -> Verdict:
        """Verdict over all keys: differs if one does, inconclusive if nothing was compared."""
        verdicts = {each.verdict for each in self.keys}
        for verdict in (Verdict.DIFFERS, Verdict.INCONCLUSIVE):
            if verdict in verdicts or not verdicts:
                return verdict if verdicts else Verdict.INCONCLUSIVE
        return Verdict.EQUIVALENT

    @property
    def is_equivalent(self) -> bool:
        """Whether the verdict is `equivalent`."""
        return self.verdict is Verdict.EQUIVALENT

    @property
    def first_divergence(self) -> tuple[str, int, str] | None:
        """Key, stamp and field path of the first thing that differs."""
        found = [(each.key, *each.first_divergence) for each in self.keys if each.first_divergence]
        return min(found, key=lambda divergence: divergence[1], default=None)

    @property
    def differing(self) -> list[tuple[KeyComparison, FieldComparison]]:
        """Fields that differ with their keys, the worst first: by share of pairs, then by error."""
        found = [(key, each) for key in self.keys for each in key.differing]
        return sorted(found, key=lambda pair: _severity(pair[1]), reverse=True)

    def __add__(self, other: DatasetComparison) -> DatasetComparison:
        """Return both runs as one: counts and errors add up, the first divergence is the first.

        Values cannot be read again from a sum.
        """
        from lk_dataset_ros.comparison.adding import add  # noqa: PLC0415

        if not isinstance(other, DatasetComparison):
            return NotImplemented
        return add(self, other)

    def __radd__(self, other: object) -> DatasetComparison:
        """Let `sum` begin with 0."""
        return self if other == 0 else NotImplemented

    def plot_histogram(self, key: str, path: str | None = None, **options: Any) -> Any:
        """Draw both value distributions of a field; see `renderers.plots.plot_histogram`."""
        from lk_dataset_ros.comparison.renderers.plots import plot_histogram  # noqa: PLC0415

        return plot_histogram(self, key, path, **options)

    def plot_heatmap(self, key: str, path: str | None = None, **options: Any) -> Any:
        """Draw errors over time by field or element; see `renderers.plots.plot_heatmap`."""
        from lk_dataset_ros.comparison.renderers.plots import plot_heatmap  # noqa: PLC0415

        return plot_heatmap(self, key, path, **options)

    def plot_timeseries(self, key: str, path: str | None = None, **options: Any) -> Any:
        """Draw both sides of a field over time; see `renderers.plots.plot_timeseries`."""
        from lk_dataset_ros.comparison.renderers.plots import plot_timeseries  # noqa: PLC0415

        return plot_timeseries(self, key, path, **options)

    def plot_images(self, key: str, path: str | None = None, **options: Any) -> Any:
        """Draw both images of a pair and what differs; see `renderers.plots.plot_images`."""
        from lk_dataset_ros.comparison.renderers.plots import plot_images  # noqa: PLC0415

        return plot_images(self, key, path, **options)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> DatasetComparison:
        """Load a `comparison.json`; the bags are not needed.

        Raises:
            DatasetFormatError: If the file is none.
        """
        from lk_dataset_ros.comparison.renderers.json import load  # noqa: PLC0415

        return load(path)

    def without_sources(self) -> DatasetComparison:
        """Return the same without the datasets: small, and nothing is held open."""
        keys = tuple(
            replace(key, fields=tuple(replace(each, source=None) for each in key.fields))
            for key in self.keys
        )
        return replace(self, original=None, compiled=None, keys=keys)

    def to_str(self) -> str:
        """Return a table for a terminal."""
        from lk_dataset_ros.comparison.renderers.text import to_str  # noqa: PLC0415

        return to_str(self)

    def to_json(self) -> str:
        """Return the versioned machine format."""
        from lk_dataset_ros.comparison.renderers.json import to_json  # noqa: PLC0415

        return to_json(self)

    def to_junit(self) -> str:
        """Return JUnit XML for a CI server."""
        from lk_dataset_ros.comparison.renderers.junit import to_junit  # noqa: PLC0415

        return to_junit(self)

    def to_markdown(self) -> str:
        """Return Markdown that fits a comment on a pull request."""
        from lk_dataset_ros.comparison.renderers.markdown import to_markdown  # noqa: PLC0415

        return to_markdown(self)

    def to_html(self, title: str = '') -> str:
        """Return a page that opens without any network."""
        from lk_dataset_ros.comparison.renderers.html import to_html  # noqa: PLC0415

        return to_html({self.compiled_name: self}, title or self.compiled_name)

    def to_diffdiff(self) -> str:
        """Return every difference as text."""
        from lk_dataset_ros.comparison.renderers.diffdiff import to_diffdiff  # noqa: PLC0415

        return to_diffdiff(self)

    def to_foxglove(self, path: str | PathLike[str], **options: Any) -> Any:
        """Write both sides and their errors as one MCAP file; see `exports.to_foxglove`."""
        from lk_dataset_ros.comparison.exports import to_foxglove  # noqa: PLC0415

        return to_foxglove(self, path, **options)

    def to_rerun(self, path: str | PathLike[str], **options: Any) -> Any:
        """Write a recording for the Rerun viewer; see `exports.to_rerun`."""
        from lk_dataset_ros.comparison.exports import to_rerun  # noqa: PLC0415

        return to_rerun(self, path, **options)

    def save_to_file(self, path: str | PathLike[str]) -> None:
        """Save in the format that the ending names.

        `.json` can be loaded again, `.html` is a page, `.txt` a table, `.md` a comment on a pull
        request, `.xml` JUnit for a CI server.

        Raises:
            ComparisonError: If the ending is another one.
            BagWriteError: If the file cannot be written.
        """
        from lk_dataset_ros.comparison.renderers import save  # noqa: PLC0415

        save(self, path)


def _severity(each: FieldComparison) -> tuple[float, float]:
    share = each.mismatched / max(each.matched + each.mismatched, 1)
    return share, np.nan_to_num(each.max_relative_error, nan=0.0)
