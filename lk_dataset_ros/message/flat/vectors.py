"""Messages as flat vectors of float64, as a neural network takes and gives them.

A vector holds every number of a message in order of definition. What says where and when a
message is from is left out unless it is asked for: `header`, and the texts `frame_id` and
`child_frame_id`. Other texts and sequences make a type not flattenable as a whole; `fields`
names the part that is wanted. Names of entries are those of columns: `pose.covariance[3]`.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import FlatVectorError
from lk_dataset_ros.message.codec import codec_for
from lk_dataset_ros.message.definitions.common_types import builtin_schema
from lk_dataset_ros.message.flat.leaves import (
    Leaf,
    default_of,
    describe,
    hints_of,
    leaves_of,
    select,
)
from lk_dataset_ros.message.flat.values import Entry, get, read, write
from lk_dataset_ros.message.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray


def is_flattenable(what: Any, fields: Sequence[str] | None = None) -> bool:
    """Tell whether a type, or the fields of it that are named, make a flat vector.

        >>> is_flattenable('nav_msgs/msg/Odometry')
        True
        >>> is_flattenable('sensor_msgs/msg/JointState')
        False

    Args:
        what: A type name, a schema, a message class or dataclass, or a message.
        fields: Field paths; a path of a nested message stands for all its numbers.

    Raises:
        MessageTypeError: If the name is not that of a common ROS 2 type.
    """
    return why_not_flattenable(what, fields) is None


def why_not_flattenable(what: Any, fields: Sequence[str] | None = None) -> str | None:
    """Return why a type makes no flat vector, in one line; None if it does."""
    try:
        _entries(what, fields)
    except FlatVectorError as error:
        return str(error)
    return None


def flat_names(what: Any, fields: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the name of each entry of a flat vector: `('x', 'y', 'covariance[0]', ...)`.

    Raises:
        FlatVectorError: If it is not flattenable.
    """
    return tuple(name for entry in _entries(what, fields) for name in entry.names())


def to_flat_vector(message: Any, fields: Sequence[str] | None = None) -> NDArray[np.float64]:
    """Return the numbers of a message.

        >>> to_flat_vector(new_message('geometry_msgs/msg/Point')).tolist()
        [0.0, 0.0, 0.0]

    Args:
        message: A message of any ROS class, or a dataclass.
        fields: Field paths that are wanted, in this order. A sequence may be among them: it
            gives as many entries as it has values.

    Returns:
        float64, (n,), named by `flat_names`.

    Raises:
        FlatVectorError: If the message is not flattenable, or holds an integer beyond 2^53 that
            no float64 equals.
    """
    if isinstance(message, (type, str, Schema)):
        raise FlatVectorError(f'{message!r} is a type; give a message')
    parts = [read(message, entry) for entry in _entries(message, fields)]
    return np.concatenate(parts) if parts else np.empty(0, np.float64)


def from_flat_vector(vector: ArrayLike, like: Any, fields: Sequence[str] | None = None) -> Any:
    """Return the message that a flat vector stands for.

    Args:
        vector: (n,), as `to_flat_vector` makes it with the same `fields`.
        like: A message, of which a copy gets the numbers and keeps the rest; or a type (a name,
            a schema, a class), of which a new message gets them.
        fields: Field paths that the vector consists of.

    Raises:
        FlatVectorError: If the vector is of another length, or a value does not fit its field:
            a fraction or a number out of range for an integer, a finite one too large for float32.
    """
    message = _new(like) if isinstance(like, (type, str, Schema)) else copy.deepcopy(like)
    entries = _entries(like, fields)
    names = [name for entry in entries for name in entry.names()]
    try:
        values = np.asarray(vector, np.float64)
    except (TypeError, ValueError) as error:
        raise FlatVectorError(f'this is not a vector of numbers: {error}') from error
    if values.shape != (len(names),):
        raise FlatVectorError(
            f'a vector of shape {values.shape} does not fit; it takes ({len(names)},)'
        )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FlatVectorError(f'{twice} is named twice; a message has it once')
    start = 0
    for entry in entries:
        write(message, entry, values[start : start + entry.width])
        start += entry.width
    return message


def _entries(what: Any, fields: Sequence[str] | None) -> list[Entry]:
    leaves = leaves_of(what)
    if fields is None:
        return [_whole(leaf) for leaf in leaves if not leaf.is_label]
    if isinstance(fields, str):
        raise FlatVectorError(f'fields is a list of field paths; got the text {fields!r}')
    return [entry for path in fields for entry in _asked(what, leaves, path)]


def _whole(leaf: Leaf) -> Entry:
    if leaf.dtype is None or leaf.varies:
        raise FlatVectorError(
            f'{leaf.path} is {describe(leaf)}; name the fields that are wanted (fields=[...])'
        )
    return Entry(leaf.path, leaf.dtype, leaf.size)


def _asked(what: Any, leaves: tuple[Leaf, ...], path: str) -> Iterator[Entry]:
    for leaf, element in select(leaves, path):
        kind = leaf.dtype or np.dtype(np.float64)
        if element is not None:
            yield Entry(leaf.path, kind, None, element)
        elif not leaf.varies:
            yield Entry(leaf.path, kind, leaf.size)
        elif isinstance(what, (type, str, Schema)):
            raise FlatVectorError(
                f'{leaf.path} is {describe(leaf)}; give a message, '
                f'or elements such as {leaf.path}[0]'
            )
        else:
            yield Entry(leaf.path, kind, len(get(what, leaf.path)))


def _new(like: Any) -> Any:
    if isinstance(like, (str, Schema)):
        return codec_for(builtin_schema(like) if isinstance(like, str) else like).new()
    name = getattr(like, '__msgtype__', None)
    if name is not None:
        return codec_for(builtin_schema(name)).new()
    hints = hints_of(like)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(like) if dataclasses.is_dataclass(like) else ():
        hint = hints.get(field.name)
        if not field.init:
            continue
        if hint in (bool, int, float, str):
            values[field.name] = hint()
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            values[field.name] = _new(hint)
        else:
            values[field.name] = default_of(like, field)
    try:
        return like(**values)
    except Exception as error:
        raise FlatVectorError(
            f'a new {like.__name__} cannot be made ({error}); give one as `like`'
        ) from error
