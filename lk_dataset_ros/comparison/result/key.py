"""One key of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.result.parts import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result.field import FieldComparison


@dataclass(frozen=True, slots=True)
class KeyComparison:
    """One key, or one pair of frames of a key of transforms.

    Attributes:
        key: Topic name.
        type_name: Type in the original.
        compiled_type_name: Type in the compiled.
        part: Which transforms of a `/tf`, as `parent -> child`; empty for the whole message.
        paired_by: How messages were paired: `header_stamp`, `index` (a type without header), ...
        paired: Number of pairs.
        missing_ns: int64: stamps of the original's messages that have no partner.
        extra_ns: int64: stamps of the compiled's messages that have no partner.
        late_ns: int64: stamps of the pairs whose compiled message came too late.
        reordered_ns: int64: stamps of the pairs that the compiled sent in another order.
        stamps_ns: int64, (paired,): stamp of each pair.
        indices: int64, (paired,): index of each pair's message in the original.
        lag_ns: Constant lag of the compiled that was found and taken off, None if none was.
        fields: The fields, in order of definition.
        problem: Why the key could not be compared at all, or empty.
        ignored_counts: Messages without partner do not count.
        unpaired_floor: Messages without partner that runs of the original explain.
        hint: What would explain much of the difference, or empty.
    """

    key: str
    type_name: str
    compiled_type_name: str
    part: str = ''
    paired_by: str = 'header_stamp'
    paired: int = 0
    missing_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    extra_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    late_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    reordered_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    stamps_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    indices: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    lag_ns: int | None = None
    fields: tuple[FieldComparison, ...] = ()
    problem: str = ''
    ignored_counts: bool = False
    unpaired_floor: int = 0
    hint: str = ''

    @property
    def label(self) -> str:
        """Key and part, as reports write it."""
        return f'{self.key} [{self.part}]' if self.part else self.key

    @property
    def missing(self) -> int:
        """Messages of the original without a partner."""
        return len(self.missing_ns)

    @property
    def extra(self) -> int:
        """Messages of the compiled without a partner."""
        return len(self.extra_ns)

    @property
    def late(self) -> int:
        """Pairs whose compiled message came too late."""
        return len(self.late_ns)

    @property
    def reordered(self) -> int:
        """Pairs that the compiled sent in another order."""
        return len(self.reordered_ns)

    @property
    def differing(self) -> list[FieldComparison]:
        """Fields that differ, the earliest first."""
        found = [each for each in self.fields if not each.is_equal]
        return sorted(found, key=lambda each: each.first.index if each.first else -1)

    @property
    def unpaired(self) -> int:
        """Messages without a partner that count."""
        count = self.missing + self.extra
        return 0 if self.ignored_counts or count <= self.unpaired_floor else count

    @property
    def verdict(self) -> Verdict:
        """Verdict over the key."""
        if self.problem or self.unpaired or self.late or self.reordered or self.differing:
            return Verdict.DIFFERS
        if not self.paired and all(each.is_different is None for each in self.fields):
            return Verdict.INCONCLUSIVE
        is_unclear = any(each.noise is not None and each.noise.is_unclear for each in self.fields)
        return Verdict.INCONCLUSIVE if is_unclear else Verdict.EQUIVALENT

    @property
    def first_divergence(self) -> tuple[int, str] | None:
        """Stamp of the first thing that differs, and its field path.

        Instead of a path it may be `missing`, `extra`, `late` or `reordered`.
        """
        candidates = [
            (each.first.stamp_ns, each.path) for each in self.differing if each.first is not None
        ]
        unpaired = ('missing', 'extra') if self.unpaired else ()
        for name in (*unpaired, 'late', 'reordered'):
            stamps_ns = getattr(self, f'{name}_ns')
            if len(stamps_ns):
                candidates.append((int(stamps_ns.min()), name))
        return min(candidates, key=lambda candidate: candidate[0], default=None)
