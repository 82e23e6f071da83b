"""Generate functions that decode little-endian CDR, one straight line of code for each type.

They read what is right. Whatever they cannot read they leave to the thorough decoder, which says
what is wrong.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.message.coding.layout import FORMATS, MOST_PATHS, Block, Lines, Place
from lk_dataset_ros.message.coding.wire import read_wide
from lk_dataset_ros.message.definitions.definition import EIGHT_BYTES, STRINGS, dtype_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.message.definitions.definition import Node, TypeDefinition

    #: Takes bytes; returns the message and how many bytes it takes, the header included.
    Read = Callable[[Any], tuple[Any, int]]
    #: Takes bytes and a place; returns the message and the place behind it.
    ReadPart = Callable[[Any, int], tuple[Any, int]]

_HEADER: Final = 4
_COUNT = struct.Struct('<I').unpack_from


class Readers:
    """The decoders of a type and of those within it, made when they are needed.

    Args:
        definitions: The types.
        classes: Their classes.
        is_bytes: Whether they read `bytes`; any other buffer otherwise.
    """

    def __init__(
        self,
        definitions: Mapping[str, TypeDefinition],
        classes: Mapping[str, type[Any]],
        *,
        is_bytes: bool,
    ) -> None:
        self.definitions = definitions
        self.classes = classes
        self.is_bytes = is_bytes
        # Arrays are views of the bytes: numbers of eight bytes lie right behind the header only
        # if that is cut off, which copies `bytes`.
        self.origin = 0 if any(map(_has_wide_arrays, definitions.values())) else _HEADER
        self._made: dict[str, ReadPart] = {}

    def whole(self, name: str) -> Read:
        """Return the decoder of a message."""
        return TypeReader(self, 8).whole(name)

    def part(self, name: str) -> ReadPart:
        """Return the decoder of a type that is an element somewhere in a message."""
        if name not in self._made:
            self._made[name] = TypeReader(self, 1).part(name)
        return self._made[name]


def _has_wide_arrays(definition: TypeDefinition) -> bool:
    return any(
        kind in (Nodetype.ARRAY, Nodetype.SEQUENCE)
        and detail[0][0] == Nodetype.BASE
        and detail[0][1][0] in EIGHT_BYTES
        for kind, detail in (each.node for each in definition.fields)
    )


class TypeReader:
    """A decoder in the making."""

    def __init__(self, readers: Readers, modulus: int) -> None:
        self._readers = readers
        self._out = Lines()
        self._out.names.update(
            new=object.__new__, view=np.frombuffer, empty=np.empty, count=_COUNT, wide=read_wide
        )
        self._place = Place(modulus)
        self._block = Block()
        #: Makes the messages, once all values are read.
        self._tail: list[str] = []
        self._paths = 0

    def whole(self, name: str) -> Read:
        """Return a decoder of whole messages: bytes in, message and end of its data out."""
        origin = self._readers.origin
        self._out.add(f'pos = {origin}' if origin else f'pos, data = 0, data[{_HEADER}:]')
        message = self._all(name)
        self._out.add(f'return {message}, {self._place} + {_HEADER - origin}')
        return self._out.function('data', f'read {name}')

    def part(self, name: str) -> ReadPart:
        """Return a decoder of a type within others: data and place in, message and place out."""
        message = self._all(name)
        self._out.add(f'return {message}, {self._place}')
        return self._out.function('data, pos', f'read {name}')

    def _all(self, name: str) -> str:
        self._paths = self._readers.definitions[name].paths
        message = self._message(name)
        self._end_block()
        self._out.add(*self._tail)
        return message

    def _message(self, name: str) -> str:
        fields = self._readers.definitions[name].fields
        values = [(each.name, self._value(each.node)) for each in fields]
        message = self._out.fresh('m')
        cls = self._out.constant('C', self._readers.classes[name])
        self._tail.append(f'{message} = new({cls})')
        self._tail += [f'{message}.{field} = {value}' for field, value in values]
        return message

    def _value(self, node: Node) -> str:
        """Read a value; return the name of its variable."""
        kind, detail = node
        if kind == Nodetype.NAME:
            if self._paths <= MOST_PATHS:
                return self._message(detail)
            return self._called(detail)
        if kind == Nodetype.BASE:
            return self._text(detail[0]) if detail[0] in STRINGS else self._number(detail[0])
        (element_kind, element), size = detail
        if element_kind == Nodetype.BASE and element[0] not in STRINGS:
            dtype = dtype_of(element[0])
            return self._array(dtype, size) if kind == Nodetype.ARRAY else self._numbers(dtype)
        return self._items(detail[0], size if kind == Nodetype.ARRAY else None)

    def _number(self, base: str) -> str:
        name = self._out.fresh('v')
        self._align(dtype_of(base).itemsize)
        self._put(FORMATS[base], name, dtype_of(base).itemsize)
        return name

    def _put(self, code: str, name: str, size: int) -> None:
        self._begin_block()
        self._block.put(code, name)
        self._place.skip(size)

    def _array(self, dtype: np.dtype[Any], count: int) -> str:
        name = self._out.fresh('a')
        self._align(dtype.itemsize)
        self._begin_block()
        kind = self._out.constant('D', dtype)
        # Behind what checks that the bytes are there; `pos` may move on before that.
        at = self._out.fresh('p')
        self._out.add(f'{at} = {self._place}')
        self._tail.insert(0, f'{name} = view(data, {kind}, {count}, {at})')
        self._block.pad(count * dtype.itemsize)
        self._place.skip(count * dtype.itemsize)
        return name

    def _numbers(self, dtype: np.dtype[Any]) -> str:
        name, kind = self._out.fresh('a'), self._out.constant('D', dtype)
        count = self._length()
        self._out.add(f'if {count}:')
        self._out.depth += 1
        if dtype.itemsize == 8:
            self._out.add(f'pos = {self._aligned("pos", 8)}')
        self._out.add(
            f'{name} = view(data, {kind}, {count}, pos)',
            f'pos += {count} * {dtype.itemsize}' if dtype.itemsize > 1 else f'pos += {count}',
        )
        self._out.depth -= 1
        self._out.add('else:', f'    {name} = empty(0, {kind})')
        # An empty sequence aligns nothing.
        self._place.restart(min(dtype.itemsize, 4))
        return name

    def _length(self) -> str:
        """Read a length; `pos` is behind it then."""
        count = self._out.fresh('n')
        self._align(4)
        self._put('I', count, 4)
        self._end_block()
        self._out.add(f'pos = {self._place}')
        self._place.restart(4)
        return count

    def _text(self, base: str) -> str:
        name = self._out.fresh('s')
        if base == 'wstring':
            self._align(4)
            self._end_block()
            self._out.add(f'{name}, pos = wide(data, {self._place}, str, None)')
            self._place.restart(4)
            return name
        count = self._length()
        self._out.add(*self._read_text(name, count))
        self._place.restart(1)
        return name

    def _read_text(self, name: str, count: str) -> list[str]:
        """Return lines that read a text whose bytes are at `pos`."""
        piece = f'data[pos:pos + {count} - 1]'
        text = f'{piece}.decode()' if self._readers.is_bytes else f'str({piece}, "utf-8")'
        return [
            f'if not {count} or data[pos + {count} - 1]:',
            '    raise UnfitError',
            f'{name} = {text}',
            f'pos += {count}',
        ]

    def _items(self, element: Node, size: int | None) -> str:
        """Read strings or messages, one after the other."""
        name, item = self._out.fresh('l'), self._out.fresh('i')
        if size is None:
            count = self._length()
            # Each takes a byte at least: a length that lies ends here.
            self._out.add(f'if {count} > len(data):', '    raise UnfitError')
        else:
            self._end_block()
            self._out.add(f'pos = {self._place}')
            count = str(size)
        self._out.add(f'{name} = []', f'for _ in range({count}):')
        self._out.depth += 1
        kind, detail = element
        if kind == Nodetype.NAME:
            read = self._out.constant('R', self._readers.part(detail))
            self._out.add(f'{item}, pos = {read}(data, pos)')
        elif detail[0] == 'wstring':
            self._out.add(f'{item}, pos = wide(data, {self._aligned("pos", 4)}, str, None)')
        else:
            length = self._out.fresh('n')
            self._out.add(
                f'pos = {self._aligned("pos", 4)}',
                f'{length}, = count(data, pos)',
                'pos += 4',
                *self._read_text(item, length),
            )
        self._out.add(f'{name}.append({item})')
        self._out.depth -= 1
        self._place.restart(1)
        return name

    def _called(self, name: str) -> str:
        message = self._out.fresh('m')
        read = self._out.constant('R', self._readers.part(name))
        self._end_block()
        self._out.add(f'{message}, pos = {read}(data, {self._place})')
        self._place.restart(1)
        return message

    def _aligned(self, place: str, size: int) -> str:
        """Return an expression for the next place that is a multiple of a size."""
        if self._readers.origin and size > _HEADER:
            return f'({place} + {size - 1 - _HEADER} & -{size}) + {_HEADER}'
        return f'{place} + {size - 1} & -{size}'

    def _align(self, size: int) -> None:
        gap = self._place.gap(size)
        if gap is None:
            self._end_block()
            self._out.add(f'pos = {self._aligned(str(self._place), size)}')
            self._place.restart(size)
        elif gap:
            self._begin_block()
            self._block.pad(gap)
            self._place.skip(gap)

    def _begin_block(self) -> None:
        if not self._block:
            self._block.begin = str(self._place)

    def _end_block(self) -> None:
        if self._block:
            code, names, begin = self._block.take()
            call = f'{self._out.constant("U", code.unpack_from)}(data, {begin})'
            self._out.add(f'{", ".join(names)}, = {call}' if names else call)
