"""Numbers that were estimated, and 95 % confidence intervals around them.

Values that are measured one after the other are correlated. The interval of a quantile comes from
the ranks around it (R. S. Woodruff, Confidence Intervals for Medians and Other Position Measures,
JASA 47, 1952), how many ranks from the means of consecutive batches (batch means; G. S. Fishman,
Principles of Discrete Event Simulation, 1978).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCHES = 20
#: Fewer values than this have no interval.
_FEWEST = 16
#: Student's t, 97.5 %, where its expansion is not exact enough.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that was estimated.

    Attributes:
        value: The number; NaN if it is not known.
        low: Where its interval begins, 0 without bound; NaN if there is no interval.
        high: Where it ends, infinity without bound; NaN if there is no interval.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


def quantile(values: NDArray[np.float64], fraction: float) -> Estimate:
    """Return a quantile of values that follow on each other and may be correlated.

    Args:
        values: Positive values in their order, shape (n,).
        fraction: Which quantile, between 0 and 1.
    """
    count = len(values)
    if not count:
        return Estimate()
    ordered = np.sort(values)
    value = float(np.quantile(ordered, fraction))
    if count < _FEWEST:
        return Estimate(value)
    batches = min(_BATCHES, count // 4)
    edges = np.arange(batches) * count // batches
    shares = np.add.reduceat(values <= value, edges, dtype=np.int64) / np.diff(edges, append=count)
    error = float(shares.std(ddof=1)) / math.sqrt(batches)
    # Never less than of values that do not depend on each other: chance may make batches alike.
    error = max(error, math.sqrt(fraction * (1.0 - fraction) / count))
    reach = t_quantile(batches - 1) * error * count
    first = math.floor(fraction * count - reach) - 1
    last = math.ceil(fraction * count + reach)
    low = float(ordered[first]) if first >= 0 else 0.0
    return Estimate(value, low, float(ordered[last]) if last < count else math.inf)


def t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t distribution.

    Source: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if freedom <= len(_T):
        return _T[max(freedom, 1) - 1]
    z = NormalDist().inv_cdf(0.975)
    n = freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
