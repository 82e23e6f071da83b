"""A comparison as an assertion, for tests: its message says where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.engine import compare
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import Dataset


def assert_datasets_equal(original: Dataset, compiled: Dataset, **options: Any) -> None:
    """Assert that two datasets are equivalent.

        assert_datasets_equal(reference, produced, keys=['/cmd'], tolerance=Tolerance(atol=1e-6))

    Args:
        original: What is right by definition.
        compiled: What is judged.
        options: As for `compare`.

    Raises:
        AssertionError: If they differ, or nothing could be judged; it tells where they first
            diverge, what differs, and how to see all of it.
        ComparisonError: If an option makes no sense.
    """
    __tracebackhide__ = True
    comparison = compare(original, compiled, **options)
    if comparison.verdict is not Verdict.EQUIVALENT:
        # Renderers are imported when there is something to say.
        from lk_dataset_ros.comparison.renderers.explanation import explanation  # noqa: PLC0415

        raise AssertionError(explanation(comparison))
