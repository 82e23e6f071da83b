"""One field of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.statistics import Statistics
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.distribution import DistributionTest
    from lk_dataset_ros.comparison.noise import NoiseFloor
    from lk_dataset_ros.comparison.result.parts import (
        Differences,
        Divergence,
        FieldValues,
        Sample,
        Source,
    )
    from lk_dataset_ros.comparison.tolerance import Limit


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """One field path of one key, or a part of the message that is judged as a whole.

    Attributes:
        path: Field path.
        dtype: Type of the values.
        limit: What was allowed.
        matched: Pairs within the limit.
        mismatched: Pairs beyond it.
        ignored_because: Why the field was not compared, or empty.
        comparator: What judged it, empty for values one by one.
        unit: Of the errors, such as `rad`; empty where it is that of the field.
        is_judged: Whether it counts for the verdict; what does not is there to be looked at.
        statistics: Of the absolute errors of all values (all elements of all pairs).
        measures: Further numbers of the pairs by name, such as `psnr_db`.
        worst: Where the largest error is.
        first: The first pair beyond the limit.
        profile: float64, (b,): the largest error in each of b equal parts of the pairs, in order.
        over_bits: uint8: one bit per pair, set where it is beyond the limit (`np.packbits`,
            little); None where none is.
        sample: Values, evenly taken; None for a field that is not of numbers.
        error_sample: float64: errors of pairs, evenly taken, of what has no `sample`.
        difference_sample: float64, (m, k): compiled - original of the fields of a part that is judged
            as a whole, evenly taken; None where that means nothing.
        distribution: Whether both sides' values are of one distribution, paired or not.
        noise: What the original's own runs differ by, None if there was one run only.
        is_different: Set where all values are judged at once, by their distributions.
        source: Reads the values again.
    """

    path: str
    dtype: str
    limit: Limit
    matched: int = 0
    mismatched: int = 0
    ignored_because: str = ''
    comparator: str = ''
    unit: str = ''
    is_judged: bool = True
    statistics: Statistics = field(default_factory=Statistics)
    measures: Mapping[str, Statistics] = field(default_factory=dict)
    worst: Divergence | None = None
    first: Divergence | None = None
    profile: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    over_bits: NDArray[np.uint8] | None = None
    sample: Sample | None = None
    error_sample: NDArray[np.float64] | None = None
    difference_sample: NDArray[np.float64] | None = None
    distribution: DistributionTest | None = None
    noise: NoiseFloor | None = None
    is_different: bool | None = None
    source: Source | None = field(default=None, repr=False, compare=False)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs: no pair beyond the limit and the noise floor."""
        if not self.is_judged:
            return True
        if self.is_different is not None:
            return not self.is_different
        return self.mismatched == 0 if self.noise is None else not self.noise.is_exceeded

    @property
    def max_error(self) -> float:
        """Largest absolute error, NaN where there is none to compute."""
        return self.statistics.largest if self.statistics.count else math.nan

    @property
    def mean_error(self) -> float:
        """Mean absolute error."""
        return self.statistics.mean

    @property
    def rms_error(self) -> float:
        """Root of the mean square error."""
        return self.statistics.rms if self.statistics.count else math.nan

    @property
    def bias(self) -> float:
        """Mean of compiled minus original."""
        return self.statistics.bias

    @property
    def max_relative_error(self) -> float:
        """Largest error relative to the original's magnitude, where that is not 0."""
        return self.statistics.largest_relative if self.statistics.count else math.nan

    @property
    def over(self) -> NDArray[np.bool_]:
        """Which pairs are beyond the limit, bool, (n,)."""
        count = self.matched + self.mismatched
        if self.over_bits is None:
            return np.zeros(count, np.bool_)
        return np.unpackbits(self.over_bits, count=count, bitorder='little').astype(np.bool_)

    def values(self) -> FieldValues | None:
        """Read all values again, None for a comparison that was loaded without its bags."""
        return None if self.source is None else self.source.values()

    def differences(self) -> Iterator[Differences]:
        """Read what is beyond the limit again, in parts, nothing left out.

        Raises:
            ComparisonError: If the comparison was loaded without its bags.
        """
        if self.source is None:
            raise ComparisonError(
                f'{self.path}: the differences are in the bags; compare them to have them'
            )
        return self.source.differences()
