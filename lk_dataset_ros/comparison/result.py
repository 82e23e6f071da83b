"""What came out of a comparison: data only, no formatting."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.dataset import Dataset


class Verdict(Enum):
    """What a comparison says."""

    EQUIVALENT = 'equivalent'
    DIFFERS = 'differs'
    INCONCLUSIVE = 'inconclusive'
    ERROR = 'error'

    @property
    def exit_code(self) -> int:
        """0 equivalent, 1 differs, 2 could not be judged."""
        return {Verdict.EQUIVALENT: 0, Verdict.DIFFERS: 1}.get(self, 2)


@dataclass(frozen=True, slots=True)
class Divergence:
    """One pair of values that differ.

    Attributes:
        index: Index of the pair's message in the original.
        stamp_ns: Stamp by which it was paired (or the log time).
        original: The original's value.
        compiled: The compiled's value.
        element: Index within the field's value, empty for a scalar.
    """

    index: int
    stamp_ns: int
    original: Any
    compiled: Any
    element: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """One field path of one key.

    Attributes:
        path: Field path.
        dtype: Type of the values.
        limit: What was allowed.
        matched: Pairs within the limit.
        mismatched: Pairs beyond it.
        ignored_because: Why the field was not compared, or empty.
        max_error: Largest absolute error, NaN where there is none to compute.
        mean_error: Mean absolute error.
        rms_error: Root of the mean square error.
        bias: Mean of compiled minus original.
        max_relative_error: Largest error relative to the original's magnitude.
        worst: Where the largest error is.
        first: The first pair beyond the limit.
        errors: float64, (n,): largest absolute error within each pair; None if not numeric.
        over: bool, (n,): which pairs are beyond the limit.
        original: The original's values of the pairs (first axis = pair), None if of no fixed shape.
        compiled: The compiled's.
        differing_values: Both values of each pair beyond the limit, where there are no arrays.
    """

    path: str
    dtype: str
    limit: Limit
    matched: int = 0
    mismatched: int = 0
    ignored_because: str = ''
    max_error: float = math.nan
    mean_error: float = math.nan
    rms_error: float = math.nan
    bias: float = math.nan
    max_relative_error: float = math.nan
    worst: Divergence | None = None
    first: Divergence | None = None
    errors: NDArray[np.float64] | None = None
    over: NDArray[np.bool_] | None = None
    original: NDArray[Any] | None = None
    compiled: NDArray[Any] | None = None
    differing_values: tuple[tuple[Any, Any], ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs beyond the limit."""
        return self.mismatched == 0


@dataclass(frozen=True, slots=True)
class KeyComparison:
    """One key.

    Attributes:
        key: Topic name.
        type_name: Type in the original.
        compiled_type_name: Type in the compiled.
        paired_by: `header_stamp`, or `index` for a type without header.
        paired: Number of pairs.
        missing_ns: int64: stamps of the original's messages that have no partner.
        extra_ns: int64: stamps of the compiled's messages that have no partner.
        stamps_ns: int64, (paired,): stamp of each pair.
        indices: int64, (paired,): index of each pair's message in the original.
        fields: The fields, in order of definition.
        problem: Why the key could not be compared at all, or empty.
    """

    key: str
    type_name: str
    compiled_type_name: str
    paired_by: str = 'header_stamp'
    paired: int = 0
    missing_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    extra_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    stamps_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    indices: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    fields: tuple[FieldComparison, ...] = ()
    problem: str = ''

    @property
    def missing(self) -> int:
        """Messages of the original without a partner."""
        return len(self.missing_ns)

    @property
    def extra(self) -> int:
        """Messages of the compiled without a partner."""
        return len(self.extra_ns)

    @property
    def differing(self) -> list[FieldComparison]:
        """Fields that differ, the earliest first."""
        found = [each for each in self.fields if not each.is_equal]
        return sorted(found, key=lambda each: each.first.index if each.first else -1)

    @property
    def verdict(self) -> Verdict:
        """Verdict over the key."""
        if self.problem or self.missing or self.extra or self.differing:
            return Verdict.DIFFERS
        return Verdict.EQUIVALENT if self.paired else Verdict.INCONCLUSIVE

    @property
    def first_divergence(self) -> tuple[int, str] | None:
        """Stamp and field path (or `missing`, `extra`) of the first thing that differs."""
        candidates = [
            (each.first.stamp_ns, each.path) for each in self.differing if each.first is not None
        ]
        if self.missing:
            candidates.append((int(self.missing_ns.min()), 'missing'))
        if self.extra:
            candidates.append((int(self.extra_ns.min()), 'extra'))
        return min(candidates, key=lambda candidate: candidate[0], default=None)


@dataclass(frozen=True, slots=True)
class DatasetComparison:
    """Two datasets, key by key.

    Attributes:
        original: The original, None for a comparison that was loaded without its bags.
        compiled: The compiled.
        original_name: What the original is called.
        compiled_name: What the compiled is called.
        keys: The keys that were compared.
    """

    original: Dataset | None
    compiled: Dataset | None
    original_name: str
    compiled_name: str
    keys: tuple[KeyComparison, ...]

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

    def to_str(self) -> str:
        """Return a table for a terminal."""
        from lk_dataset_ros.comparison.renderers.text import to_str  # noqa: PLC0415

        return to_str(self)

    def to_json(self) -> str:
        """Return the versioned machine format."""
        from lk_dataset_ros.comparison.renderers.json import to_json  # noqa: PLC0415

        return to_json(self)

    def to_html(self, title: str = '') -> str:
        """Return a page that opens without any network."""
        from lk_dataset_ros.comparison.renderers.html import to_html  # noqa: PLC0415

        return to_html({self.compiled_name: self}, title or self.compiled_name)

    def to_diffdiff(self) -> str:
        """Return every difference as text."""
        from lk_dataset_ros.comparison.renderers.diffdiff import to_diffdiff  # noqa: PLC0415

        return to_diffdiff(self)

    def save_to_file(self, path: str | PathLike[str]) -> None:
        """Save in the format that the ending names: `.json`, `.html`, or text.

        Raises:
            BagWriteError: If the file cannot be written.
        """
        from lk_dataset_ros.comparison.renderers import save  # noqa: PLC0415

        save(self, path)
