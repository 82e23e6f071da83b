"""Turn CDR bytes into messages and back, for any type whose definition is at hand.

The parsing is that of ROS 2's rosidl_adapter (`.msg`) and of rosbags (IDL), the CDR coding that of
rosbags; this package checks what they are given, and names what went wrong.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError

from lk_dataset_ros.errors import LkError, MessageFormatError, MessageTypeError
from lk_dataset_ros.message.coding.adoption import adopters
from lk_dataset_ros.message.coding.layout import IS_POSSIBLE, unfit
from lk_dataset_ros.message.coding.making import maker
from lk_dataset_ros.message.coding.message_types import message_classes
from lk_dataset_ros.message.coding.misfit import misfit
from lk_dataset_ros.message.coding.reading import Readers
from lk_dataset_ros.message.coding.wire import store_of
from lk_dataset_ros.message.coding.writing import Writers
from lk_dataset_ros.message.definitions.common_types import builtin_schema
from lk_dataset_ros.message.definitions.definition import EIGHT_BYTES, STRINGS, dtype_of
from lk_dataset_ros.message.definitions.idl import read_idl
from lk_dataset_ros.message.definitions.msg import read_msg
from lk_dataset_ros.message.definitions.resolution import resolved
from lk_dataset_ros.message.fields import Layout
from lk_dataset_ros.message.schema import ROS2IDL, ROS2MSG, Schema, full_type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rosbags.interfaces import Msgdef

    from lk_dataset_ros.message.coding.reading import Read
    from lk_dataset_ros.message.coding.writing import Write
    from lk_dataset_ros.message.definitions.definition import RawType, TypeDefinition

#: A longer definition is refused.
MAX_TEXT: Final = 2**19
_PLAIN: Final = b'\x00\x01'
_HEADERS: Final = (b'\x00\x00', _PLAIN)
#: Bytes that may follow a message: padding, and what rclpy reckons too much in a place.
_PADDING: Final = 3
_EXCESS: Final = 8


class Codec:
    """Encoder and decoder of one message type.

    Args:
        schema: The type's definition.

    Raises:
        MessageTypeError: If the definition cannot be parsed or misses a nested type.
    """

    def __init__(self, schema: Schema) -> None:
        name = full_type_name(schema.name)
        self.schema = schema if schema.name == name else dataclasses.replace(schema, name=name)
        self._types = _parse(self.schema)
        self._nodes = {
            each.name: [(field.name, field.node) for field in each.fields]
            for each in self._types.values()
        }
        self._classes = message_classes(self._types)
        try:
            self._store = store_of(self._types, self._classes)
        except Exception as error:
            raise MessageTypeError(f'{name} cannot be coded: {error}') from error
        self._adopt = adopters(self._types)[name]

    @cached_property
    def _coder(self) -> Msgdef[Any]:
        return self._store.get_msgdef(self.schema.name)

    @cached_property
    def _read_bytes(self) -> Read:
        return self._reader(is_bytes=True)

    @cached_property
    def _read_buffer(self) -> Read:
        return self._reader(is_bytes=False)

    def _reader(self, *, is_bytes: bool) -> Read:
        if IS_POSSIBLE:
            with contextlib.suppress(struct.error, OverflowError, MemoryError):
                readers = Readers(self._types, self._classes, is_bytes=is_bytes)
                return readers.whole(self.schema.name)
        return unfit

    @cached_property
    def _write(self) -> Write:
        if IS_POSSIBLE:
            with contextlib.suppress(struct.error, OverflowError, MemoryError):
                return Writers(self._types).whole(self.schema.name)
        return unfit

    @cached_property
    def new(self) -> Callable[[], Any]:
        """Make a message whose fields have their defaults, or are zero, false or empty.

        Raises:
            MessageTypeError: If it would take more memory than 256 MiB.
        """
        return maker(self._types, self._classes, self.schema.name)

    @property
    def fields(self) -> dict[str, Any]:
        """Field names of the message, with the descriptions of the parser, in order."""
        return dict(self.definition(self.schema.name))

    @property
    def message_class(self) -> type[Any]:
        """Class of the message; see `message_class`."""
        return self._classes[self.schema.name]

    @property
    def classes(self) -> Mapping[str, type[Any]]:
        """Classes of the message and of all types nested in it, by full type name."""
        return dict(self._classes)

    @property
    def constants(self) -> Mapping[str, Any]:
        """Constants of the message type by name; nested types have theirs in their class."""
        return self._types[self.schema.name].constants

    def decode(self, cdr: bytes | memoryview) -> Any:
        """Decode one message.

        A string or a sequence longer than its bound is decoded, as ROS 2 does it.

        Args:
            cdr: Encapsulation header and payload, either endianness.

        Raises:
            MessageFormatError: If the bytes are not a message of this type.
        """
        if cdr[:2] == _PLAIN:
            read = self._read_bytes if type(cdr) is bytes else self._read_buffer
            # What is wrong, if something is, the thorough way says.
            with contextlib.suppress(Exception):
                message, end = read(cdr)
                if end + _PADDING >= len(cdr) or end + self._slack(message) >= len(cdr):
                    return message
        return self._decode_thoroughly(cdr)

    def _decode_thoroughly(self, cdr: bytes | memoryview) -> Any:
        coder = self._coder
        kind = bytes(cdr[:2])
        if len(cdr) < 4 or kind not in _HEADERS:
            raise self._broken(cdr, 'they do not begin with the header of plain CDR')
        read = coder.deserialize_cdr_le if kind[1] else coder.deserialize_cdr_be
        try:
            message, end = read(cdr[4:], 0, coder.cls, self._store)
        except _UNREADABLE as error:
            raise self._broken(cdr, error) from error
        if end + 4 + _PADDING < len(cdr) and end + 4 + self._slack(message) < len(cdr):
            raise self._broken(cdr, f'{len(cdr) - end - 4} bytes are left over')
        return message

    def encode(self, message: Any) -> bytes:
        """Encode a message: any object with the attributes of the type.

        Raises:
            MessageTypeError: If the object lacks a field, or a value does not fit one: it is out
                of range, of another type, or longer than the bound of a string or sequence.
        """
        try:
            return self._write(message)
        except Exception:  # noqa: BLE001 - it may fit once adopted, or what is wrong is said below
            return self._encode_thoroughly(message)

    def _encode_thoroughly(self, message: Any) -> bytes:
        coder = self._coder
        try:
            ready = message if self._adopt is None else self._adopt(message)
            size = coder.getsize_cdr(0, ready, self._store)
            data = bytearray(4 + size)
            data[1] = 1
            end = coder.serialize_cdr_le(memoryview(data)[4:], 0, ready, self._store)
            if end != size:
                raise ValueError(f'{end} bytes instead of {size}')
        except LkError:
            raise
        except Exception as error:
            # AttributeError, TypeError, ValueError, OverflowError, struct.error and SerdeError:
            # the generated encoder has one for each kind of value.
            reason = misfit(message, self._types, self.schema.name) or str(error)
            raise MessageTypeError(
                f'{type(message).__name__} cannot be written as {self.schema.name}: {reason}'
            ) from error
        return bytes(data)

    def prepare(self) -> None:
        """Do now what is otherwise done when the first message is coded."""
        for made in (self._read_bytes, self._write, self.new):
            assert made

    @cached_property
    def layout(self) -> Layout:
        """What the definition says about field paths, for `Columns`."""
        layout = Layout()
        self._describe(self.schema.name, '', layout)
        return layout

    def _describe(self, name: str, prefix: str, layout: Layout) -> None:
        layout.parts[prefix.removesuffix('.')] = name
        for field, (kind, detail) in self.definition(name):
            path = f'{prefix}{field}'
            if kind == Nodetype.BASE:
                if detail[0] not in STRINGS:
                    layout.scalars[path] = dtype_of(detail[0])
            elif kind == Nodetype.NAME:
                self._describe(detail, f'{path}.', layout)
            elif detail[0][0] == Nodetype.NAME:
                layout.sequences.add(path)
                self._describe(detail[0][1], f'{path}[].', layout)

    def definition(self, name: str) -> Sequence[tuple[str, Any]]:
        """Return field names and nodes (as rosbags has them) of this type or a nested one."""
        return self._nodes[name]

    def _slack(self, message: Any) -> int:
        """Return how many bytes may follow a message.

        rclpy's `serialize_message` returns a buffer of the size that rosidl_typesupport_fastrtps
        reckons (Humble to Kilted), of which the end may be unused: it counts a terminating zero
        for each `wstring`, and aligns the elements that an empty sequence does not have.
        """
        return _PADDING + _EXCESS * self._excesses(message, self.schema.name)

    def _excesses(self, message: Any, name: str) -> int:
        """Count the places for which rclpy reckons up to eight bytes too many."""
        if not self._types[name].may_exceed:
            return 0
        count = 0
        for field, (kind, detail) in self.definition(name):
            value = getattr(message, field)
            several = kind in (Nodetype.ARRAY, Nodetype.SEQUENCE)
            inner, what = detail[0] if several else (kind, detail)
            if inner == Nodetype.NAME:
                items = value if several else [value]
                count += sum(self._excesses(item, what) for item in items)
            elif what[0] == 'wstring':
                count += len(value) if several else 1
            elif kind == Nodetype.SEQUENCE and what[0] in EIGHT_BYTES and not len(value):
                count += 1
        return count

    def _broken(self, cdr: bytes | memoryview, reason: Any) -> MessageFormatError:
        text = f'{len(cdr)} bytes are not a {self.schema.name}: {reason}'
        return MessageFormatError(' '.join(text.split()))


_UNREADABLE = (
    SerdeError,
    struct.error,
    ValueError,
    AssertionError,
    IndexError,
    MemoryError,
    OverflowError,
)


def raw_types(schema: Schema) -> list[RawType]:
    """Read a definition and those nested in it, as their text says them.

    Raises:
        MessageTypeError: If it is too long, or not a definition.
    """
    if len(schema.text) > MAX_TEXT:
        raise MessageTypeError(
            f'the definition of {schema.name} has {len(schema.text)} characters; '
            f'at most {MAX_TEXT} are read'
        )
    if schema.encoding == ROS2MSG:
        return read_msg(schema.text, schema.name)
    if schema.encoding == ROS2IDL:
        return read_idl(schema.text, schema.name)
    raise MessageTypeError(
        f'schema encoding {schema.encoding!r} of {schema.name} is not known; '
        f'{ROS2MSG} and {ROS2IDL} are'
    )


def _parse(schema: Schema) -> dict[str, TypeDefinition]:
    return resolved(raw_types(schema), schema.name)


@lru_cache(maxsize=512)
def codec_for(schema: Schema) -> Codec:
    """Return the codec of a schema; parsing happens once."""
    return Codec(schema)


def new_message(of: Schema | str) -> Any:
    """Make a message with its default values, without ROS.

    Args:
        of: The definition, such as the schema of a bag's topic, or the name of a common type.

    Raises:
        MessageTypeError: If the definition is broken, or the name is not that of a common type.
    """
    return _maker(of)() if isinstance(of, str) else codec_for(of).new()


@lru_cache(maxsize=512)
def _maker(name: str) -> Callable[[], Any]:
    return codec_for(builtin_schema(name)).new


def message_class(of: Schema | str) -> type[Any]:
    """Return the class of a message type, without ROS.

    Its fields are arguments by name, all with defaults; they have the attribute names that rclpy
    gives them, where a Python keyword (`from`) gets an underscore behind it. Constants are
    attributes of the class. A class is made once for each schema.

        Odometry = message_class('nav_msgs/msg/Odometry')
        message = Odometry(child_frame_id='base_link')

    Args:
        of: The definition, such as the schema of a bag's topic, or the name of a common type.

    Raises:
        MessageTypeError: If the definition is broken, or the name is not that of a common type.
    """
    return codec_for(builtin_schema(of) if isinstance(of, str) else of).message_class


def type_name_of(message: Any) -> str:
    """Return the full type name of a message object: ours, rosbags' or rclpy's.

    Raises:
        MessageTypeError: If the object does not tell.
    """
    cls = message if isinstance(message, type) else type(message)
    name = getattr(cls, '__msgtype__', None)
    if isinstance(name, str):
        return name
    module = cls.__module__.split('.')
    if hasattr(cls, 'get_fields_and_field_types') and len(module) >= 2:
        return f'{module[0]}/{module[1]}/{cls.__name__}'
    raise MessageTypeError(f'{cls.__name__} is not a ROS message; its type has to be named')
