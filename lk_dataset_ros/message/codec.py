"""Turn CDR bytes into messages and back, for any type whose definition is at hand.

The parsing and the CDR coding are those of the `rosbags` library; this module decides which
definition a type name stands for, gives messages default values, and names what went wrong.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from lk_dataset_ros.errors import MessageFormatError, MessageTypeError
from lk_dataset_ros.message.fields import Layout
from lk_dataset_ros.message.schema import ROS2IDL, ROS2MSG, Schema, full_type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Refuse sequences longer than this: a flipped bit in a length must not allocate.
MAX_SEQUENCE_LENGTH = 2**31

_EMPTY = {'string': '', 'wstring': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}


class Codec:
    """Encoder and decoder of one message type.

    Args:
        schema: The type's definition.

    Raises:
        MessageTypeError: If the definition cannot be parsed or misses a nested type.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._store = _parse(schema)
        try:
            self._store.get_msgdef(schema.name)
        except (KeyError, TypesysError) as error:
            raise MessageTypeError(
                f'the definition of {schema.name} lacks the type {error}'
            ) from error

    @property
    def fields(self) -> dict[str, Any]:
        """Field names of the message, with the descriptions of the parser, in order."""
        return dict(self._store.get_msgdef(self.schema.name).fields)

    def decode(self, cdr: bytes | memoryview) -> Any:
        """Decode one message.

        Args:
            cdr: Encapsulation header and payload, either endianness.

        Raises:
            MessageFormatError: If the bytes are not a message of this type.
        """
        try:
            return self._store.deserialize_cdr(cdr, self.schema.name)
        except (SerdeError, AssertionError, IndexError, MemoryError, OverflowError) as error:
            raise MessageFormatError(
                f'{len(cdr)} bytes are not a {self.schema.name}: {error}'
            ) from error

    def encode(self, message: Any) -> bytes:
        """Encode a message: any object with the attributes of the type.

        Raises:
            MessageTypeError: If the object lacks a field, or a value does not fit one.
        """
        name = self.schema.name
        try:
            return bytes(self._store.serialize_cdr(self._adopt(message, name), name))
        except (AttributeError, TypeError, ValueError, OverflowError, AssertionError) as error:
            raise MessageTypeError(
                f'{type(message).__name__} cannot be written as {name}: {error}'
            ) from error
        except Exception as error:
            # The generated encoder reports numbers out of range as struct.error.
            raise MessageTypeError(f'a value does not fit {name}: {error}') from error

    @cached_property
    def layout(self) -> Layout:
        """What the definition says about field paths, for `Columns`."""
        layout = Layout()
        self._describe(self.schema.name, '', layout)
        return layout

    def _describe(self, name: str, prefix: str, layout: Layout) -> None:
        for field, (kind, detail) in self.definition(name):
            path = f'{prefix}{field}'
            if kind == Nodetype.BASE:
                if detail[0] not in ('string', 'wstring'):
                    layout.scalars[path] = _dtype(detail[0])
            elif kind == Nodetype.NAME:
                self._describe(detail, f'{path}.', layout)
            elif detail[0][0] == Nodetype.NAME:
                layout.sequences.add(path)
                self._describe(detail[0][1], f'{path}[].', layout)

    def new(self) -> Any:
        """Make a message whose fields are zero, false or empty."""
        return self._new(self.schema.name)

    def _new(self, name: str) -> Any:
        values = {field: self._default(node) for field, node in self.definition(name)}
        return self._store.types[name](**values)

    def definition(self, name: str) -> Sequence[tuple[str, Any]]:
        """Return field names and the parser's nodes of this type or a nested one."""
        return self._store.get_msgdef(name).fields

    def _default(self, node: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.BASE:
            return _EMPTY.get(detail[0], 0)
        if kind == Nodetype.NAME:
            return self._new(detail)
        element, size = detail
        length = size if kind == Nodetype.ARRAY else 0
        if element[0] == Nodetype.BASE and element[1][0] not in ('string', 'wstring'):
            return np.zeros(length, dtype=_dtype(element[1][0]))
        return [self._default(element) for _ in range(length)]

    def _adopt(self, message: Any, name: str) -> Any:
        """Rebuild a message out of our own classes, from any that has the same attributes."""
        values = {
            field: self._adopt_value(getattr(message, field), node)
            for field, node in self.definition(name)
        }
        return self._store.types[name](**values)

    def _adopt_value(self, value: Any, node: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.BASE:
            return _number_of_byte(value)
        if kind == Nodetype.NAME:
            return self._adopt(value, detail)
        (element_kind, element), size = detail
        if kind == Nodetype.ARRAY and len(value) != size:
            raise ValueError(f'an array of {size} got {len(value)} values')
        if element_kind == Nodetype.NAME:
            return [self._adopt(item, element) for item in value]
        if element[0] in ('string', 'wstring'):
            return list(value)
        if isinstance(value, (list, tuple)):
            value = [_number_of_byte(item) for item in value]
        return np.asarray(value, dtype=_dtype(element[0]))


def _number_of_byte(value: Any) -> Any:
    """Return the number of a `byte`, which rclpy gives as bytes of length 1."""
    return value[0] if isinstance(value, bytes) and len(value) == 1 else value


def _dtype(base: str) -> np.dtype[Any]:
    return np.dtype({'byte': 'uint8', 'char': 'uint8', 'octet': 'uint8'}.get(base, base))


def _parse(schema: Schema) -> Typestore:
    # A type support of the wrong kind fails in many ways inside the parser (KeyError, IndexError,
    # ValueError, TypesysError): all of them say that the text is not a definition.
    try:
        if schema.encoding == ROS2MSG:
            types = get_types_from_msg(schema.text, schema.name)
        elif schema.encoding == ROS2IDL:
            types = get_types_from_idl(schema.text)
        else:
            raise MessageTypeError(
                f'schema encoding {schema.encoding!r} of {schema.name} is not known; '
                f'{ROS2MSG} and {ROS2IDL} are'
            )
        store = Typestore(max_sequence_length=MAX_SEQUENCE_LENGTH)
        builtin = get_typestore(Stores.ROS2_JAZZY).fielddefs
        basics = ('builtin_interfaces/msg/Time', 'builtin_interfaces/msg/Duration')
        definitions = {**{name: builtin[name] for name in basics}, **types}
        store.register({name: _unsigned_bytes(each) for name, each in definitions.items()})
    except MessageTypeError:
        raise
    except Exception as error:
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MessageTypeError(f'the definition of {schema.name} is broken: {summary}') from error
    if schema.name not in store.types:
        raise MessageTypeError(f'the definition of {schema.name} does not define that type')
    return store


def _unsigned_bytes(definition: Any) -> Any:
    """Replace `byte`, which the parser takes for signed, and `char` by uint8."""

    def replace(node: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.BASE:
            return (kind, ('uint8', 0)) if detail[0] in ('byte', 'char') else node
        return node if kind == Nodetype.NAME else (kind, (replace(detail[0]), detail[1]))

    constants, members = definition
    return constants, [(name, replace(node)) for name, node in members]


@lru_cache(maxsize=512)
def codec_for(schema: Schema) -> Codec:
    """Return the codec of a schema; parsing happens once."""
    return Codec(schema)


@lru_cache(maxsize=512)
def builtin_schema(name: str) -> Schema:
    """Return the definition of a type of ROS 2 Jazzy's common interfaces.

    Raises:
        MessageTypeError: If it is not one of those.
    """
    full = full_type_name(name)
    store = get_typestore(Stores.ROS2_JAZZY)
    if full not in store.fielddefs:
        raise MessageTypeError(
            f'{full} is not among the common ROS 2 types; its definition has to come with it '
            '(from a bag, or a sourced workspace)'
        )
    text, _ = store.generate_msgdef(full, ros_version=2)
    return Schema(full, text, ROS2MSG, store.hash_rihs01(full))


def new_message(name: str) -> Any:
    """Make an empty message of a common ROS 2 type, without ROS."""
    return codec_for(builtin_schema(name)).new()


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
