"""What goes over the wire, where rosbags' code generation does not say it.

rosbags codes each type by a function that it generates. It knows no `wstring`, and it writes a
fixed array of strings or messages out element by element. Both are types of their own here, coded
by loops that rosbags' functions call like any other.

A `wstring` is what Fast DDS and Cyclone DDS make of it (rosidl_typesupport_fastrtps,
serialization_helpers.hpp; verified with rclpy of Jazzy): a uint32 that counts UTF-16 code units,
then each unit as a uint32, without a terminating zero. A character beyond the basic plane is two
units, its surrogates.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rosbags.interfaces import Msgdef, Nodetype
from rosbags.serde import SerdeError
from rosbags.serde.cdr import (
    generate_deserialize_cdr,
    generate_getsize_cdr,
    generate_serialize_cdr,
)
from rosbags.serde.utils import align, check_string
from rosbags.typesys.store import Typestore

from lk_dataset_ros.message.definitions.definition import STRINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.message.definitions.definition import Node, TypeDefinition

#: Refuse sequences longer than this: a flipped bit in a length must not allocate.
MAX_SEQUENCE_LENGTH: Final = 2**31
#: No type of a definition can have these names: they are not identifiers.
_WIDE: Final = '<wstring>'
#: Arrays of up to this many strings or messages are left to rosbags.
_LONGEST_UNROLLED: Final = 16
_LENGTHS = {'le': struct.Struct('<I'), 'be': struct.Struct('>I')}


def store_of(
    definitions: Mapping[str, TypeDefinition], classes: Mapping[str, type[Any]]
) -> Typestore:
    """Return a type store that codes types.

    Args:
        definitions: The types, nested ones first.
        classes: Their classes.
    """
    store = Typestore(max_sequence_length=MAX_SEQUENCE_LENGTH)
    units: Node = (Nodetype.SEQUENCE, ((Nodetype.BASE, ('uint32', 0)), 0))
    store.cache[_WIDE] = _msgdef(
        _WIDE, [('units', units)], str, 0, _wide_size, _write_wide, _read_wide
    )
    for name, definition in definitions.items():
        fields: Any = [(each.name, _wire(each.node, store)) for each in definition.fields]
        size, fixed = generate_getsize_cdr(fields, store)
        store.cache[name] = _msgdef(
            name,
            fields,
            classes[name],
            fixed,
            size,
            partial(_generated, generate_serialize_cdr, fields, store),
            partial(_generated, generate_deserialize_cdr, fields, store),
        )
        store.types[name] = classes[name]
        store.fielddefs[name] = ([], [(each.name, each.node) for each in definition.fields])
    return store


def _msgdef(
    name: str,
    fields: Any,
    cls: Any,
    fixed: int,
    size: Any,
    write: Callable[[str], Any],
    read: Callable[[str], Any],
) -> Msgdef[object]:
    none: Any = None
    return Msgdef(
        name,
        fields,
        cls,
        fixed,
        size,
        write('le'),
        write('be'),
        read('le'),
        read('be'),
        *[none] * 8,
    )


def _generated(generate: Callable[..., Any], fields: Any, store: Typestore, order: str) -> Any:
    """Generate what is used in any case at once, and the rare byte order when it is met."""
    if order == 'le':
        return generate(fields, store, order)
    made: list[Any] = []

    def call(*arguments: Any) -> Any:
        if not made:
            made.append(generate(fields, store, order))
        return made[0](*arguments)

    return call


def _wire(node: Node, store: Typestore) -> Node:
    """Return the node that rosbags codes in place of a node."""
    kind, detail = node
    if kind == Nodetype.BASE:
        return (Nodetype.NAME, _WIDE) if detail[0] == 'wstring' else node
    if kind == Nodetype.NAME:
        return node
    element, count = _wire(detail[0], store), detail[1]
    is_number = element[0] == Nodetype.BASE and element[1][0] not in STRINGS
    if kind == Nodetype.SEQUENCE or is_number or count <= _LONGEST_UNROLLED:
        return (kind, (element, count))
    return (Nodetype.NAME, _looped(element, count, store))


def _looped(element: Node, count: int, store: Typestore) -> str:
    """Add the type of a long array to a store; return its name."""
    name = f'<array {count} {element[1] if element[0] == Nodetype.NAME else "string"}>'
    if name not in store.cache:
        step = align(element, store)
        inner = store.cache[element[1]] if element[0] == Nodetype.NAME else _STRING
        store.cache[name] = _msgdef(
            name,
            [('item', element)],
            list,
            # A fixed size of the whole would leave out padding between elements; 0 means: ask.
            0,
            partial(_array_size, inner, step),
            lambda order: partial(
                _write_array, getattr(inner, f'serialize_cdr_{order}'), step, count
            ),
            lambda order: partial(
                _read_array, getattr(inner, f'deserialize_cdr_{order}'), inner.cls, step, count
            ),
        )
    return name


def _array_size(inner: Msgdef[object], step: int, pos: int, message: Any, types: Any) -> int:
    for item in message:
        pos = inner.getsize_cdr(_aligned(pos, step), item, types)
    return pos


def _write_array(
    one: Any, step: int, count: int, rawdata: memoryview, pos: int, message: Any, types: Any
) -> int:
    if len(message) != count:
        raise SerdeError(f'an array of {count} got {len(message)} values')
    for item in message:
        pos = one(rawdata, _aligned(pos, step), item, types)
    return pos


def _read_array(
    one: Any, cls: Any, step: int, count: int, rawdata: memoryview, pos: int, _cls: Any, types: Any
) -> tuple[list[Any], int]:
    values = []
    for _ in range(count):
        value, pos = one(rawdata, _aligned(pos, step), cls, types)
        values.append(value)
    return values, pos


def _aligned(pos: int, step: int) -> int:
    return (pos + step - 1) & -step


def _wide_size(pos: int, message: str, _types: Any) -> int:
    return pos + 4 + 2 * len(message.encode('utf-16-le'))


def _write_wide(order: str) -> Any:
    length = _LENGTHS[order]

    def serialize(rawdata: memoryview, pos: int, message: str, _types: Any) -> int:
        units = message.encode(f'utf-16-{order}')
        count = len(units) // 2
        length.pack_into(rawdata, pos, count)
        end = pos + 4 + 4 * count
        spread = bytearray(4 * count)
        first = 0 if order == 'le' else 2
        spread[first::4], spread[first + 1 :: 4] = units[::2], units[1::2]
        rawdata[pos + 4 : end] = spread
        return end

    return serialize


def wide_bytes(text: str) -> bytes:
    """Return the units of a `wstring`, each as a little-endian uint32, without their number."""
    units = text.encode('utf-16-le')
    spread = bytearray(2 * len(units))
    spread[::4], spread[1::4] = units[::2], units[1::2]
    return bytes(spread)


def _read_wide(order: str) -> Any:
    length = _LENGTHS[order]

    def deserialize(rawdata: memoryview, pos: int, _cls: Any, _types: Any) -> tuple[str, int]:
        count = length.unpack_from(rawdata, pos)[0]
        end = pos + 4 + 4 * count
        if end > len(rawdata):
            raise SerdeError(f'Invalid wstring length {count} at offset {pos}.')
        spread = bytes(rawdata[pos + 4 : end])
        units, first = bytearray(2 * count), 0 if order == 'le' else 2
        units[::2], units[1::2] = spread[first::4], spread[first + 1 :: 4]
        if any(spread[2 - first :: 4]) or any(spread[3 - first :: 4]):
            raise SerdeError(f'A character at offset {pos + 4} or later is no UTF-16 code unit.')
        return units.decode(f'utf-16-{order}'), end

    return deserialize


#: Reads a `wstring` of little-endian units: takes bytes, place, and two values of no meaning.
read_wide: Final = _read_wide('le')


def _string_size(pos: int, message: str, _types: Any) -> int:
    return pos + 4 + len(message.encode()) + 1


def _write_string(order: str) -> Any:
    length = _LENGTHS[order]

    def serialize(rawdata: memoryview, pos: int, message: str, _types: Any) -> int:
        data = message.encode()
        end = pos + 4 + len(data) + 1
        length.pack_into(rawdata, pos, len(data) + 1)
        rawdata[pos + 4 : end - 1] = data
        return end

    return serialize


def _read_string(order: str) -> Any:
    length = _LENGTHS[order]

    def deserialize(rawdata: memoryview, pos: int, _cls: Any, _types: Any) -> tuple[str, int]:
        size = length.unpack_from(rawdata, pos)[0]
        check_string(rawdata, pos, size, cdr=True)
        end = pos + 4 + size
        return bytes(rawdata[pos + 4 : end - 1]).decode(), end

    return deserialize


#: A string as an element of a long array.
_STRING = _msgdef('<string>', [], str, 0, _string_size, _write_string, _read_string)
