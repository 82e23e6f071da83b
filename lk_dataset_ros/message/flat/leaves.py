"""What a type consists of, seen from a flat vector: numbers of known and of unknown count."""

from __future__ import annotations

import dataclasses
import re
import typing
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import FlatVectorError, MessageTypeError
from lk_dataset_ros.message.codec import codec_for, type_name_of
from lk_dataset_ros.message.definitions.common_types import builtin_schema
from lk_dataset_ros.message.definitions.definition import PLACEHOLDER
from lk_dataset_ros.message.fields import field_names
from lk_dataset_ros.message.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What says where and when a message is from, not what it says: left out of a vector by default.
HEADER = 'std_msgs/msg/Header'
FRAMES = ('frame_id', 'child_frame_id')

_RCLPY_ARRAY = re.compile(r'(?P<element>.+)\[(?P<size>\d+)\]')
_RCLPY_SEQUENCE = re.compile(r'sequence<(?P<element>.+?)(, \d+)?>')
_DTYPES = {
    'boolean': 'bool',
    'byte': 'uint8',
    'char': 'uint8',
    'double': 'float64',
    'float': 'float32',
    'octet': 'uint8',
}
_SCALARS: dict[Any, str] = {bool: 'bool', int: 'int64', float: 'float64'}


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """A field without fields of its own, or a sequence of messages.

    Attributes:
        path: Field path.
        dtype: Type of the numbers; None for text and for messages.
        size: Numbers of an array; None for a single one.
        varies: The length is not told by the type.
        is_label: It says where and when the message is from.
        inner: Leaves of each message of a sequence, None where they are not known.
    """

    path: str
    dtype: np.dtype[Any] | None = None
    size: int | None = None
    varies: bool = False
    is_label: bool = False
    inner: tuple[Leaf, ...] | None = None

    def under(self, prefix: str, *, is_label: bool = False) -> Leaf:
        """Return the same leaf of a nested message."""
        return dataclasses.replace(
            self, path=f'{prefix}{self.path}', is_label=self.is_label or is_label
        )


def leaves_of(what: Any) -> tuple[Leaf, ...]:
    """Return the leaves of a type: a name, a schema, a class, or a message of it.

    The definition decides for ROS types. A plain dataclass, and a message whose definition is not
    at hand, are described by their values: an array has the length that it has there.

    Raises:
        FlatVectorError: If it is nothing that has fields.
        MessageTypeError: If the name is not that of a common type.
    """
    if isinstance(what, str):
        return _of_schema(builtin_schema(what))
    if isinstance(what, Schema):
        return _of_schema(what)
    cls = what if isinstance(what, type) else type(what)
    if hasattr(cls, 'get_fields_and_field_types'):
        leaves = _of_rclpy(cls)
        return leaves if cls is what else tuple(_looked_into(what, leaf) for leaf in leaves)
    if hasattr(cls, '__msgtype__'):
        schema = _builtin(cls)
        if schema is not None:
            return _of_schema(schema)
        if cls is what:
            raise FlatVectorError(
                f'the definition of {type_name_of(cls)} does not come with its class; '
                'give its schema or a message'
            )
    if not dataclasses.is_dataclass(cls):
        raise FlatVectorError(
            f'{what!r} has no fields; give a message, a dataclass, a schema or a type name'
        )
    return tuple(_of_values(cls, None if cls is what else what))


def select(leaves: tuple[Leaf, ...], path: str) -> list[tuple[Leaf, int | None]]:
    """Return the leaves of numbers that a field path stands for.

    Args:
        leaves: Those of the type.
        path: A leaf (`pose.covariance`), one element (`pose.covariance[3]`), or a message, also
            of a sequence (`pose`, `points[0]`), which stands for all numbers inside.

    Returns:
        Each leaf, with the element of it that is wanted or None for all.

    Raises:
        FlatVectorError: If there is no such field, or it is no number.
    """
    inside = [leaf for leaf in leaves if leaf.path.startswith((f'{path}.', f'{path}['))]
    exact = [leaf for leaf in leaves if leaf.path == path]
    # The frames inside of a message that is asked for go without saying; other texts do not.
    found = exact or [leaf for leaf in inside if leaf.dtype is not None or not leaf.is_label]
    for leaf in found:
        if leaf.dtype is None:
            raise FlatVectorError(f'{leaf.path} is {describe(leaf)}, which is no number')
    if found:
        return [(leaf, None) for leaf in found]
    for leaf in leaves:
        at = re.match(rf'{re.escape(leaf.path)}\[(\d+)\](?:\.|$)', path)
        if at is None:
            continue
        index, rest = int(at[1]), path[at.end() :]
        if leaf.dtype is not None and not rest and (leaf.size is not None or leaf.varies):
            if leaf.size is not None and index >= leaf.size:
                raise FlatVectorError(f'{leaf.path} has {leaf.size} values; there is no {path}')
            return [(leaf, index)]
        if leaf.inner is not None:
            prefix = f'{leaf.path}[{index}].'
            nested = tuple(each.under(prefix) for each in leaf.inner)
            return select(nested, f'{prefix}{rest}'.rstrip('.'))
        if leaf.dtype is None:
            raise FlatVectorError(f'{leaf.path} is {describe(leaf)}; there is no {path} in it')
    known = ', '.join(leaf.path for leaf in leaves[:12])
    raise FlatVectorError(f'there is no field {path}; there is {known or "none"}')


def describe(leaf: Leaf) -> str:
    """Return in words what a leaf is."""
    if leaf.varies:
        kind = 'numbers' if leaf.dtype is not None else 'messages' if leaf.inner else 'texts'
        return f'a sequence of {kind}, whose length the type does not tell'
    return 'text' if leaf.dtype is None else 'a number'


def _builtin(cls: type) -> Schema | None:
    """Return the definition of a common type, unless the class is another version of it."""
    try:
        schema = builtin_schema(type_name_of(cls))
    except MessageTypeError:
        return None
    fields = [name for name, _ in codec_for(schema).definition(schema.name)]
    declared = [name for name in field_names(cls) if name not in fields]
    return None if declared or len(fields) != len(field_names(cls)) else schema


@lru_cache(maxsize=512)
def _of_schema(schema: Schema) -> tuple[Leaf, ...]:
    return _of_definition(schema, schema.name)


def _of_definition(schema: Schema, name: str) -> tuple[Leaf, ...]:
    leaves: list[Leaf] = []
    for field, (kind, detail) in codec_for(schema).definition(name):
        if field == PLACEHOLDER:
            continue
        if kind == Nodetype.BASE:
            leaves.append(_base(field, detail[0]))
        elif kind == Nodetype.NAME:
            inner = _of_definition(schema, detail)
            leaves += [each.under(f'{field}.', is_label=detail == HEADER) for each in inner]
        else:
            (element_kind, element), size = detail
            count = int(size) if kind == Nodetype.ARRAY else None
            if element_kind == Nodetype.NAME:
                leaves += _messages(field, _of_definition(schema, element), count)
            else:
                leaves.append(_base(field, element[0], count, varies=count is None))
    return tuple(leaves)


def _base(field: str, base: str, size: int | None = None, *, varies: bool = False) -> Leaf:
    if 'string' in base or base == 'wchar':
        is_label = field in FRAMES and size is None and not varies
        return Leaf(field, None, size, varies, is_label)
    return Leaf(field, np.dtype(_DTYPES.get(base, base)), size, varies)


def _messages(field: str, inner: tuple[Leaf, ...] | None, count: int | None) -> Iterator[Leaf]:
    if count is None:
        yield Leaf(field, varies=True, inner=inner)
        return
    for index in range(count):
        for each in inner or ():
            yield each.under(f'{field}[{index}].')


@lru_cache(maxsize=512)
def _of_rclpy(cls: Any) -> tuple[Leaf, ...]:
    leaves: list[Leaf] = []
    empty = cls()
    for field, kind in cls.get_fields_and_field_types().items():
        if field == PLACEHOLDER:
            continue
        array, sequence = _RCLPY_ARRAY.fullmatch(kind), _RCLPY_SEQUENCE.fullmatch(kind)
        size = int(array['size']) if array else None
        found = array or sequence
        element = found['element'] if found else kind
        is_label = element == 'std_msgs/Header'
        if '/' not in element:
            leaves.append(_base(field, element, size, varies=sequence is not None))
        elif sequence:
            leaves += _messages(field, None, None)
        elif size is None:
            nested: Any = type(getattr(empty, field))
            inner = _of_rclpy(nested)
            leaves += [each.under(f'{field}.', is_label=is_label) for each in inner]
        else:
            nested = type(getattr(empty, field)[0])
            leaves += _messages(field, _of_rclpy(nested), size)
    return tuple(leaves)


def _looked_into(message: Any, leaf: Leaf) -> Leaf:
    """Return a leaf that knows the messages of its sequence: rclpy names their type only."""
    if not leaf.varies or leaf.dtype is not None or '[' in leaf.path:
        return leaf
    values = attrgetter(leaf.path)(message)
    known = len(values) > 0 and _has_fields(values[0])
    return dataclasses.replace(leaf, inner=leaves_of(values[0])) if known else leaf


def _of_values(cls: Any, instance: Any) -> Iterator[Leaf]:
    """Yield the leaves of a dataclass; what its type leaves open is taken from its values."""
    hints = hints_of(cls)
    for field in dataclasses.fields(cls):
        hint = hints.get(field.name)
        if hint in _SCALARS:
            yield Leaf(field.name, np.dtype(_SCALARS[hint]))
        elif instance is not None:
            yield from _of_value(field.name, getattr(instance, field.name))
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from _nested(field.name, hint)
        elif hint is str:
            yield _base(field.name, 'string')
        else:
            yield from _of_value(field.name, default_of(cls, field))


def _nested(name: str, what: Any) -> Iterator[Leaf]:
    is_label = _type_name(what) == HEADER
    for each in leaves_of(what):
        yield each.under(f'{name}.', is_label=is_label)


def _of_value(name: str, value: Any) -> Iterator[Leaf]:
    if isinstance(value, (str, bytes)) or value is None:
        yield _base(name, 'string')
    elif isinstance(value, (bool, int, float, np.generic)):
        kind = np.result_type(value) if isinstance(value, np.generic) else _SCALARS[type(value)]
        yield Leaf(name, np.dtype(kind))
    elif isinstance(value, (list, tuple)) and value and _has_fields(value[0]):
        for index, each in enumerate(value):
            yield from _nested(f'{name}[{index}]', each)
    elif _has_fields(value):
        yield from _nested(name, value)
    else:
        yield _array(name, value)


def _array(name: str, value: Any) -> Leaf:
    try:
        numbers = np.asarray(value)
    except ValueError:
        return Leaf(name, varies=True)
    if numbers.dtype.kind not in 'biuf' or numbers.ndim != 1:
        return Leaf(name, varies=True)
    return Leaf(name, numbers.dtype, len(numbers))


def _has_fields(value: Any) -> bool:
    return dataclasses.is_dataclass(value) or hasattr(value, 'get_fields_and_field_types')


def _type_name(what: Any) -> str:
    try:
        return type_name_of(what)
    except MessageTypeError:
        return ''


def hints_of(cls: Any) -> dict[str, Any]:
    """Return the types of a dataclass' fields, those that can be looked up."""
    try:
        return typing.get_type_hints(cls)
    except (NameError, TypeError, SyntaxError, AttributeError):
        return {}


def default_of(cls: Any, field: dataclasses.Field[Any]) -> Any:
    """Return the default of a dataclass' field.

    Raises:
        FlatVectorError: If it has none.
    """
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise FlatVectorError(
        f'{cls.__name__}.{field.name} has no default that would tell its length; '
        f'give a {cls.__name__} instead of the class'
    )
