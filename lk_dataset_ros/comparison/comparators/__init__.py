"""Comparators: what judges a part of a message as a whole, by the type of that part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.comparators.builtin import BY_TYPE, NAMED
from lk_dataset_ros.comparison.comparators.registered import Comparator, from_errors
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import full_type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.comparison.comparators.registered import Errors

__all__ = ['BUILTIN', 'NAMED', 'Comparator', 'comparator', 'from_errors', 'registered_for']


def comparator(
    type_name: str = '', *, name: str = '', unit: str = '', rtol: float = 0.0, atol: float = 1e-7
) -> Callable[[Errors], Errors]:
    """Make a function the comparator of a message type.

    It gets both sides' values by field name, first axis = pair, and returns one error per pair.
    It may be named in a tolerance, too, for any part of any message.

        >>> @comparator('my_robot_msgs/msg/Heading', unit='rad', atol=0.01)
        ... def heading(original, compiled):
        ...     difference = compiled['yaw'] - original['yaw']
        ...     return np.abs(np.arctan2(np.sin(difference), np.cos(difference)))

    Args:
        type_name: Type whose parts it judges by default; none when left out.
        name: What tolerances call it; the function's name when left out.
        unit: Of the errors.
        rtol: Added to `atol`: an error has no magnitude to be relative to.
        atol: The largest error that is allowed where no tolerance names the part.

    Raises:
        ComparisonError: If the name is taken, or the limit is none.
        MessageTypeError: If the type's name is none.
    """
    full = full_type_name(type_name) if type_name else ''
    limit = Limit(rtol, atol)

    def register(function: Errors) -> Errors:
        known = name or getattr(function, '__name__', '')
        if known in BUILTIN or not known:
            raise ComparisonError(f'comparator {known!r} is there already; give another name')
        made = Comparator(known, from_errors(function), unit, limit=limit)
        NAMED[known] = made
        if full:
            BY_TYPE[full] = (made,)
        return function

    return register


def registered_for(type_name: str) -> Sequence[Comparator]:
    """Return the comparators of a message type."""
    return BY_TYPE.get(type_name, ())


#: Names that nobody else can have.
BUILTIN = frozenset(NAMED)
