"""What judges a part of a message as a whole, and which part it is chosen for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Judge = Callable[[Mapping[str, Column], Mapping[str, Column], Limit], Judged]
    #: Takes both sides' arrays by field, first axis = pair; returns one error for each pair.
    Errors = Callable[[Mapping[str, Any], Mapping[str, Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Comparator:
    """Judges one part of a message.

    Attributes:
        name: What a tolerance file and reports call it.
        judge: Takes the part's fields of both sides (names relative to it, one row per pair)
            and a limit.
        unit: Of the errors.
        field: The field of the part that the result belongs to; empty for the part.
        covers: Fields of the part that are not compared one by one then; None for all.
        needs: Fields without which it does not judge a part: a type of another package may have
            the same name.
        is_judged: Whether it counts for the verdict although no tolerance names the part.
        limit: What is allowed where no tolerance names the part; None for what the tolerance
            allows values of a type.
        dtype: Tells that type by the part's fields, where it is not that of the first one covered:
            an image's bytes may be pixels of floats.
        when_named: What judges instead where a tolerance names just this part.
    """

    name: str
    judge: Judge
    unit: str = ''
    field: str = ''
    covers: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    is_judged: bool = True
    limit: Limit | None = None
    dtype: Callable[[Mapping[str, Column]], np.dtype[Any]] | None = None
    when_named: Comparator | None = None


def from_errors(function: Errors) -> Judge:
    """Make a judge of a function that returns one error for each pair.

    An error may be up to `atol + rtol`; one that is not a number is beyond every limit.
    """

    def judge(
        original: Mapping[str, Column], compiled: Mapping[str, Column], limit: Limit
    ) -> Judged:
        count = len(next(iter(original.values())))
        found = function(_values(original), _values(compiled))
        errors = np.abs(np.asarray(found, np.float64))
        if errors.shape != (count,):
            raise ComparisonError(
                f'{function.__name__} returned {errors.shape} for {count} pairs; '
                f'one error for each is needed, ({count},)'
            )
        errors[np.isnan(errors)] = np.inf
        return Judged(errors, errors > limit.atol + limit.rtol)

    return judge


def _values(columns: Mapping[str, Column]) -> dict[str, Any]:
    """Return arrays; a list of arrays for a field that varies in length."""
    return {
        name: column.values
        if column.offsets is None
        else [column.row(row) for row in range(len(column))]
        for name, column in columns.items()
    }
