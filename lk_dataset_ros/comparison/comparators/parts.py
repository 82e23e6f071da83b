"""Judge pairs some at a time, so that what is in between stays in the processor's cache."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.message import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lk_dataset_ros.comparison.comparators.registered import Judge
    from lk_dataset_ros.comparison.tolerance import Limit

#: Values of either side that are judged at once; a single pair may have more.
VALUES: Final = 65_536


def in_parts(*names: str) -> Callable[[Judge], Judge]:
    """Make a judge of many pairs one that is handed some of them at a time.

    Args:
        *names: The fields that it looks at; it is given no others.
    """

    def decorate(judge: Judge) -> Judge:
        @wraps(judge)
        def judged(
            original: Mapping[str, Column], compiled: Mapping[str, Column], limit: Limit
        ) -> Judged:
            sides = [
                {name: side[name] for name in names if name in side}
                for side in (original, compiled)
            ]
            count = max((len(each) for each in sides[0].values()), default=0)
            size = max(sum(each.values.size for each in side.values()) for side in sides)
            step = max(VALUES * count // max(size, 1), 1)
            if step >= count:
                return judge(sides[0], sides[1], limit)
            found = []
            for first in range(0, count, step):
                left, right = (
                    {name: _sliced(each, first, first + step) for name, each in side.items()}
                    for side in sides
                )
                found.append(judge(left, right, limit))
            return _joined(found)

        return judged

    return decorate


def _sliced(column: Column, first: int, end: int) -> Column:
    rows = np.arange(len(column.rows[first:end]))
    if column.offsets is None:
        return Column(column.values[first:end], rows)
    offsets = column.offsets[first : end + 1]
    return Column(column.values[offsets[0] : offsets[-1]], rows, offsets - offsets[0])


def _joined(found: Sequence[Judged]) -> Judged:
    signed = [each.signed for each in found if each.signed is not None]
    differences = [each.differences for each in found if each.differences is not None]
    return Judged(
        np.concatenate([each.errors for each in found]),
        np.concatenate([each.over for each in found]),
        np.concatenate(signed) if len(signed) == len(found) else None,
        {
            name: np.concatenate([each.measures[name] for each in found])
            for name in found[0].measures
        },
        np.concatenate(differences) if len(differences) == len(found) else None,
    )
