"""Decode and encode rclpy's messages as our own: the conversion of rclpy takes ten times as long.

That is more than most callbacks take.
"""

from __future__ import annotations

import contextlib
import struct
from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import AbstractNestedType, AbstractSequence, BasicType

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.message import codec_for
from lk_dataset_ros.message.codec import raw_types
from lk_dataset_ros.message.coding.layout import IS_POSSIBLE
from lk_dataset_ros.message.coding.reading import Readers, TypeReader
from lk_dataset_ros.message.definitions.resolution import resolved
from lk_dataset_ros.ros.types import message_class, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    import numpy as np

    from lk_dataset_ros.message.codec import Codec
    from lk_dataset_ros.message.coding.reading import Read, ReadPart
    from lk_dataset_ros.message.definitions.definition import TypeDefinition

_PLAIN: Final = b'\x00\x01'
_CHECKING: Final = '_check_fields'
#: Codes of `array` by those of numpy.
_CODES: Final = {
    'int8': 'b', 'uint8': 'B', 'int16': 'h', 'uint16': 'H', 'int32': 'i', 'uint32': 'I',
    'int64': 'q', 'uint64': 'Q', 'float32': 'f', 'float64': 'd',
}  # fmt: skip
#: Bytes of numbers by their names in IDL.
_SIZES: Final = {
    'boolean': 1, 'octet': 1, 'char': 1, 'wchar': 2, 'float': 4, 'double': 8, 'long double': 16,
    **{f'{sign}int{bits}': bits // 8 for sign in ('', 'u') for bits in (8, 16, 32, 64)},
}  # fmt: skip


class QuickMessages:
    """Messages of one installed type, as objects of rclpy's class.

    What is not plain little-endian CDR, or not right, goes through rclpy; so does all of a type
    whose class is not laid out as expected.

    Args:
        type_name: The type.

    Attributes:
        new: Makes a message with its default values.
        is_quickly_encoded: `encode` is quicker than rclpy.

    Raises:
        MessageTypeError: If the type is not installed.
    """

    def __init__(self, type_name: str) -> None:
        self._class: Any = message_class(type_name)
        found = _types_of(type_name)
        self._codec: Codec | None = None
        self._read: Read | None = None
        self.new: Callable[[], Any] = self._class
        self.is_quickly_encoded = found is not None and not _has_numbers(found[1], sizes=range(9))
        if found is not None:
            self._codec = codec_for(schema_of(type_name))
            self._read = _reader_of(type_name, *found)
        if self._read is not None:
            fresh = bytes(self.encode(self._class()))
            if _is_same(self.decode(fresh), self._class()):
                self.new = lambda: self.decode(fresh)
            else:
                self._read = None

    @property
    def is_quickly_decoded(self) -> bool:
        """Whether rclpy is not needed as a rule."""
        return self._read is not None

    def encode(self, message: Any) -> bytes:
        """Serialize a message.

        Raises:
            MessageTypeError: If it does not fit its type.
        """
        if self._codec is None:
            return bytes(serialize_message(message))
        return self._codec.encode(message)

    def decode(self, cdr: bytes) -> Any:
        """Turn serialized bytes into a message."""
        if self._read is not None and cdr[:2] == _PLAIN:
            # What is wrong, if something is, rclpy says.
            with contextlib.suppress(Exception):
                return self._read(cdr)[0]
        return deserialize_message(cdr, self._class)


def _is_same(mine: Any, other: Any) -> bool:
    """Tell whether two messages are made of the same, down to the types of their values."""
    if type(mine) is not type(other):
        return False
    slots = getattr(mine, '__slots__', None)
    if slots is None or not hasattr(mine, 'SLOT_TYPES'):
        return getattr(mine, 'dtype', None) == getattr(other, 'dtype', None) and getattr(
            mine, 'typecode', None
        ) == getattr(other, 'typecode', None)
    return all(_is_same(getattr(mine, each), getattr(other, each)) for each in slots)


def _types_of(type_name: str) -> tuple[dict[str, TypeDefinition], dict[str, Any]] | None:
    """Return definitions and classes of a type, None if they do not fit each other."""
    with contextlib.suppress(LkError, AttributeError, OSError):
        schema = schema_of(type_name)
        types = resolved(raw_types(schema), schema.name)
        classes = {name: message_class(name) for name in types}
        if all(_is_fit(definition, classes[name]) for name, definition in types.items()):
            return types, classes
    return None


def _reader_of(
    type_name: str, types: Mapping[str, TypeDefinition], classes: Mapping[str, Any]
) -> Read | None:
    """Return what decodes a type, None where that is not possible, or no quicker."""
    # Large messages are better copied once less.
    if not IS_POSSIBLE or _has_numbers(classes, sizes=(1,)):
        return None
    slots = {
        name: replace(
            each,
            fields=tuple(replace(field, name=f'_{field.name}') for field in each.fields),
        )
        for name, each in types.items()
    }
    with contextlib.suppress(struct.error, OverflowError, MemoryError):
        return _RosReaders(slots, classes, is_bytes=True).whole(schema_of(type_name).name)
    return None


def _has_numbers(classes: Mapping[str, Any], *, sizes: Container[int]) -> bool:
    """Tell whether a type has sequences of numbers of some sizes, bytes."""
    return any(
        isinstance(kind, AbstractSequence)
        and isinstance(kind.value_type, BasicType)
        and _SIZES[kind.value_type.typename] in sizes
        for cls in classes.values()
        for kind in cls.SLOT_TYPES
    )


def _is_fit(definition: TypeDefinition, cls: Any) -> bool:
    names = [f'_{each.name}' for each in definition.fields]
    return [each for each in cls.__slots__ if each != _CHECKING] == names and not any(
        map(_is_unlike, cls.SLOT_TYPES)
    )


def _is_unlike(kind: Any) -> bool:
    """Tell whether rclpy makes something else of a value: bytes of octets, lists of truths."""
    element = kind.value_type if isinstance(kind, AbstractNestedType) else kind
    if not isinstance(element, BasicType):
        return False
    return element.typename == 'octet' or (element is not kind and element.typename == 'boolean')


class _RosReaders(Readers):
    """The decoders of a type, into objects of rclpy's classes."""

    def whole(self, name: str) -> Read:
        return _RosReader(self, 8).whole(name)

    def part(self, name: str) -> ReadPart:
        if name not in self._made:
            self._made[name] = _RosReader(self, 1).part(name)
        return self._made[name]


class _RosReader(TypeReader):
    """A decoder in the making: numbers go into arrays that are the message's own."""

    def _message(self, name: str) -> str:
        message = super()._message(name)
        cls = self._readers.classes[name]
        if _CHECKING in cls.__slots__:
            self._tail.append(f'{message}.{_CHECKING} = {getattr(cls(), _CHECKING)!r}')
        return message

    def _array(self, dtype: np.dtype[Any], count: int) -> str:
        name = super()._array(dtype, count)
        self._tail[0] += '.copy()'
        return name

    def _numbers(self, dtype: np.dtype[Any]) -> str:
        name = super()._numbers(dtype)
        made = self._out.constant('A', array)
        self._out.add(f'{name} = {made}({_CODES[dtype.name]!r}, {name}.tobytes())')
        return name
