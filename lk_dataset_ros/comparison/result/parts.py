"""What results are made of: verdicts, divergences, values that were read again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray


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
        original: The original's value; of a long array the element that differs.
        compiled: The compiled's value.
        element: Index within the field's value, empty for a scalar.
        error: The pair's absolute error, infinite where there is no finite one.
    """

    index: int
    stamp_ns: int
    original: Any
    compiled: Any
    element: tuple[int, ...] = ()
    error: float = math.nan


class Differences(NamedTuple):
    """Some of the values beyond the limit of one field, in order of the original's messages.

    Attributes:
        positions: int64, (m,): number of the pair that each belongs to.
        elements: Index within the field's value of each, None where fields are judged as a whole.
        original: The original's values, m of them.
        compiled: The compiled's.
        errors: float64, (m,): absolute errors.
        allowed: float64, (m,): what each could have been off by.
    """

    positions: NDArray[np.int64]
    elements: list[tuple[int, ...]] | None
    original: list[Any]
    compiled: list[Any]
    errors: NDArray[np.float64]
    allowed: NDArray[np.float64]


class FieldValues(NamedTuple):
    """All values of one field, read from the datasets.

    Attributes:
        original: The original's values, first axis = pair; None if they vary in shape, are no
            numbers, or are too many to hold.
        compiled: The compiled's.
        errors: float64, (n,): largest absolute error of each pair; None if not numeric.
        over: bool, (n,): which pairs are beyond the limit.
    """

    original: NDArray[Any] | None
    compiled: NDArray[Any] | None
    errors: NDArray[np.float64] | None
    over: NDArray[np.bool_]


class Source(NamedTuple):
    """Reads one field once more; a comparison that was loaded without its bags has none.

    Attributes:
        values: Reads all of it.
        differences: Reads what is beyond the limit, in parts.
        messages: Reads the messages' fields of one pair by number, original and compiled.
        errors: Reads errors of several fields of the key at once, in parts: field path, int64
            (m,) numbers of the pairs, float64 (m,) errors.
    """

    values: Callable[[], FieldValues]
    differences: Callable[[], Iterator[Differences]]
    messages: Callable[[int], tuple[dict[str, Any], dict[str, Any]]]
    errors: Callable[[Sequence[str]], Iterator[tuple[str, NDArray[np.int64], NDArray[np.float64]]]]


class Sample(NamedTuple):
    """Values of one field, evenly taken over all pairs: what distributions are judged by.

    Attributes:
        positions: int64, (k,): number of the pair that each belongs to.
        original: float64, (k,).
        compiled: float64, (k,).
    """

    positions: NDArray[np.int64]
    original: NDArray[np.float64]
    compiled: NDArray[np.float64]
