"""Generate functions that encode messages, one straight line of code for each type.

They write what fits as it is. Whatever does not they leave to the thorough encoder, which adopts
it, or says what does not fit.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.message.coding.layout import FORMATS, MOST_PATHS, Block, Lines, Place
from lk_dataset_ros.message.coding.wire import wide_bytes
from lk_dataset_ros.message.definitions.definition import PLACEHOLDER, STRINGS, dtype_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.message.definitions.definition import Node, TypeDefinition

    #: Takes a message; returns its bytes.
    Write = Callable[[Any], bytes]
    #: Takes a message, its place, and what takes its bytes; returns the place behind it.
    WritePart = Callable[[Any, int, Callable[[bytes], None]], int]

_HEADER: Final = b'\x00\x01\x00\x00'
#: The zero behind a text is a byte of the padding before what follows.
_PADDING: Final = tuple(bytes(count) for count in range(9))
#: Larger arrays are not copied before they are joined to the rest.
_LARGE: Final = 4096
_LENGTH: Final = struct.Struct('<i').pack


class Writers:
    """The encoders of a type and of those within it, made when they are needed.

    Args:
        definitions: The types.
    """

    def __init__(self, definitions: Mapping[str, TypeDefinition]) -> None:
        self.definitions = definitions
        self._made: dict[str, WritePart] = {}

    def whole(self, name: str) -> Write:
        """Return the encoder of a message."""
        made: Write = _Writer(self, 8, is_whole=True).function(name)
        return made

    def part(self, name: str) -> WritePart:
        """Return the encoder of a type that is an element somewhere in a message."""
        if name not in self._made:
            self._made[name] = _Writer(self, 1, is_whole=False).function(name)
        return self._made[name]


class _Writer:
    """An encoder in the making."""

    def __init__(self, writers: Writers, modulus: int, *, is_whole: bool) -> None:
        self._writers = writers
        self._is_whole = is_whole
        self._out = Lines()
        self._out.names.update(ndarray=np.ndarray, pads=_PADDING, wide=wide_bytes)
        self._place = Place(modulus)
        self._block = Block()
        #: Expressions of the pieces, joined in the end.
        self._pieces: list[str] = []
        self._paths = 0

    def function(self, name: str) -> Any:
        self._paths = self._writers.definitions[name].paths
        if self._is_whole:
            self._out.add('pos = 0')
            self._pieces.append(self._out.constant('H', _HEADER))
        self._message('m', name)
        self._end_block()
        if self._is_whole:
            self._out.names['join'] = b''.join
            self._out.add(f'return join(({", ".join(self._pieces)},))')
            return self._out.function('m', f'write {name}')
        self._out.add(f'return {self._place}')
        return self._out.function('m, pos, add', f'write {name}')

    def _piece(self, expression: str) -> None:
        """Add a piece, an expression of bytes, here and now."""
        if self._is_whole:
            name = self._out.fresh('q')
            self._out.add(f'{name} = {expression}')
            self._pieces.append(name)
        else:
            self._out.add(f'add({expression})')

    def _message(self, message: str, name: str) -> None:
        for each in self._writers.definitions[name].fields:
            if each.name == PLACEHOLDER:
                self._begin(1)
                self._block.pad(1)
                self._place.skip(1)
                continue
            value = self._out.fresh('v')
            self._out.add(f'{value} = {message}.{each.name}')
            self._value(value, each.node)

    def _value(self, value: str, node: Node) -> None:
        kind, detail = node
        if kind == Nodetype.NAME:
            if self._paths <= MOST_PATHS:
                self._message(value, detail)
            else:
                self._called(value, detail)
        elif kind == Nodetype.BASE:
            self._scalar(value, *detail)
        else:
            (element_kind, element), size = detail
            is_array = kind == Nodetype.ARRAY
            if element_kind == Nodetype.BASE and element[0] not in STRINGS:
                self._numbers(value, dtype_of(element[0]), size, is_array=is_array)
            else:
                self._items(value, detail[0], size, is_array=is_array)

    def _scalar(self, value: str, base: str, bound: int) -> None:
        if base in STRINGS:
            self._text(value, base, bound)
            return
        if base == 'bool':
            self._refuse(f'{value} is not True and {value} is not False')
        self._put(FORMATS[base], value, dtype_of(base).itemsize)

    def _refuse(self, condition: str) -> None:
        self._out.add(f'if {condition}:', '    raise UnfitError')

    def _put(self, code: str, name: str, size: int) -> None:
        self._begin(size)
        self._block.put(code, name)
        self._place.skip(size)

    def _text(self, value: str, base: str, bound: int) -> None:
        self._out.add(*self._text_lines(value, base, bound))
        size = self._out.fresh('n')
        unit = 4 if base == 'wstring' else 1
        self._out.add(f'{size} = len({value})')
        self._put('i', f'{size} >> 2' if unit == 4 else f'{size} + 1', 4)
        self._end_block()
        self._piece(value)
        end = f'{self._place} + {size}'
        if unit == 4:
            self._out.add(f'pos = {end}')
            self._place.restart(4)
            return
        self._out.add(f'pos = {end}')
        self._place.restart(1)
        self._close_text()

    def _close_text(self) -> None:
        """Put the zero behind a text: a byte of padding at the beginning of what follows."""
        self._block.pad(1)
        self._place.skip(1)

    def _text_lines(self, value: str, base: str, bound: int) -> list[str]:
        """Return lines that turn a text into its bytes."""
        wrong = f'type({value}) is not str'
        if bound:
            wrong += f' or len({value}) > {bound}'
        coded = f'wide({value})' if base == 'wstring' else f'{value}.encode()'
        return [f'if {wrong}:', '    raise UnfitError', f'{value} = {coded}']

    def _numbers(self, value: str, dtype: np.dtype[Any], size: int, *, is_array: bool) -> None:
        kind = self._out.constant('D', dtype)
        wrong = f'type({value}) is not ndarray or {value}.dtype != {kind} or {value}.ndim != 1'
        count = str(size) if is_array else self._out.fresh('n')
        if is_array:
            self._refuse(f'{wrong} or len({value}) != {size}')
            self._begin(dtype.itemsize)
            self._end_block()
        else:
            self._refuse(wrong)
            self._out.add(f'{count} = len({value})')
            if size:
                self._refuse(f'{count} > {size}')
            self._put('i', count, 4)
            self._end_block()
            if dtype.itemsize == 8:
                # An empty sequence aligns nothing.
                self._out.add(f'pos = {self._place}', f'if {count} and pos & 7:')
                self._out.depth += 1
                if self._is_whole:
                    pad = self._out.fresh('q')
                    self._out.add(f'{pad} = pads[4]', 'pos += 4')
                    self._out.depth -= 1
                    self._out.add('else:', f'    {pad} = pads[0]')
                    self._pieces.append(pad)
                else:
                    self._out.add('add(pads[4])', 'pos += 4')
                    self._out.depth -= 1
                self._place.restart(4)
        whole = f'{value}.tobytes()'
        if is_array and size * dtype.itemsize <= _LARGE:
            self._piece(whole)
        else:
            self._piece(f'{whole} if {value}.nbytes <= {_LARGE} else {value}')
        if is_array:
            self._place.skip(size * dtype.itemsize)
        else:
            self._out.add(f'pos = {self._place} + {count} * {dtype.itemsize}')
            self._place.restart(min(dtype.itemsize, 4))

    def _items(self, value: str, element: Node, size: int, *, is_array: bool) -> None:
        """Write strings or messages, one after the other."""
        count = self._out.fresh('n')
        self._refuse(f'type({value}) is not list')
        self._out.add(f'{count} = len({value})')
        if is_array:
            self._refuse(f'{count} != {size}')
        else:
            if size:
                self._refuse(f'{count} > {size}')
            self._put('i', count, 4)
        self._end_block()
        add, item = 'add', self._out.fresh('i')
        if self._is_whole:
            # A list is one piece of many.
            pieces, add = self._out.fresh('q'), self._out.fresh('add')
            self._out.add(f'{pieces} = []', f'{add} = {pieces}.append')
            self._pieces.append(f'*{pieces}')
        self._out.add(f'pos = {self._place}', f'for {item} in {value}:')
        self._out.depth += 1
        kind, detail = element
        if kind == Nodetype.NAME:
            write = self._out.constant('W', self._writers.part(detail))
            self._out.add(f'pos = {write}({item}, pos, {add})')
        else:
            self._item_text(add, item, *detail)
        self._out.depth -= 1
        self._place.restart(1)

    def _item_text(self, add: str, item: str, base: str, bound: int) -> None:
        self._out.names['length'] = _LENGTH
        pad, is_wide = self._out.fresh('p'), base == 'wstring'
        self._out.add(*self._text_lines(item, base, bound))
        self._out.add(
            f'{pad} = -pos & 3',
            f'{add}(pads[{pad}])',
            f'{add}(length(len({item}) {">> 2" if is_wide else "+ 1"}))',
            f'{add}({item})',
        )
        if not is_wide:
            self._out.add(f'{add}(pads[1])')
        self._out.add(f'pos += {pad} + len({item}) + {4 if is_wide else 5}')

    def _called(self, value: str, name: str) -> None:
        write = self._out.constant('W', self._writers.part(name))
        self._end_block()
        if self._is_whole:
            pieces = self._out.fresh('q')
            self._out.add(
                f'{pieces} = []', f'pos = {write}({value}, {self._place}, {pieces}.append)'
            )
            self._pieces.append(f'*{pieces}')
        else:
            self._out.add(f'pos = {write}({value}, {self._place}, add)')
        self._place.restart(1)

    def _begin(self, size: int) -> None:
        """Align to the size of what comes next."""
        gap = self._place.gap(size)
        if gap is not None:
            self._block.pad(gap)
            self._place.skip(gap)
            return
        pad, place = self._out.fresh('p'), str(self._place)
        before = 0
        if self._block and self._block.is_only_padding and self._place.offset == 1:
            # The zero behind a text, which becomes one piece with the padding.
            self._block.take()
            before = 1
        self._end_block()
        self._out.add(f'{pad} = -({place}) & {size - 1}')
        self._piece(f'pads[{pad} + 1]' if before else f'pads[{pad}]')
        self._out.add(f'pos = {place} + {pad}')
        self._place.restart(size)

    def _end_block(self) -> None:
        if self._block:
            code, names, _ = self._block.take()
            if names:
                self._piece(f'{self._out.constant("P", code.pack)}({", ".join(names)})')
            else:
                self._piece(self._out.constant('Z', bytes(code.size)))
