"""Take the fields of a part that a comparator cannot do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Column


def numbers(columns: Mapping[str, Column], name: str) -> Column:
    """Return a field that has to hold numbers.

    Raises:
        ComparisonError: If it does not, or is not there.
    """
    column = columns.get(name)
    if column is None:
        raise ComparisonError(f'field {name!r} is not there; this comparator needs it')
    if column.values.dtype.kind not in 'fiub':
        raise ComparisonError(f'field {name!r} holds text; numbers are needed')
    return column


def vectors(columns: Mapping[str, Column], names: Sequence[str]) -> NDArray[np.float64]:
    """Return fields of one number each as vectors, float64, (len(names), n).

    Raises:
        ComparisonError: If one is not there, or holds text or several numbers.
    """
    found = [numbers(columns, name) for name in names]
    for name, column in zip(names, found, strict=True):
        if column.offsets is not None or column.values.ndim != 1:
            raise ComparisonError(f'field {name!r} holds an array; one number is needed')
    return np.array([column.values for column in found], np.float64)
