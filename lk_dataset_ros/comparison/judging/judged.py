"""What a comparator says of many pairs of values at once."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

_NOTHING: Mapping[str, NDArray[np.float64]] = MappingProxyType({})


class Judged(NamedTuple):
    """Verdict and error of each pair.

    Attributes:
        errors: float64, (n,): largest absolute error of each pair; 0 where both are equal,
            infinite where there is no finite error, such as that of NaN against a number.
        over: bool, (n,): which pairs are beyond the limit.
        signed: float64, (n,): compiled - original of each pair, None where that means nothing.
        measures: Further numbers, float64, (n,), by name; NaN where a pair has none.
        differences: float64, (n, k): compiled - original of the k numbers of each pair that were
            judged; None where that means nothing.
    """

    errors: NDArray[np.float64]
    over: NDArray[np.bool_]
    signed: NDArray[np.float64] | None = None
    measures: Mapping[str, NDArray[np.float64]] = _NOTHING
    differences: NDArray[np.float64] | None = None
