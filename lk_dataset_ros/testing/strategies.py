"""Hypothesis strategies: random message types, and random messages of a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from rosbags.interfaces import Nodetype

from lk_dataset_ros.message import Codec, Schema, codec_for
from lk_dataset_ros.message.definitions.definition import STRINGS

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

#: Primitive types that are numbers.
NUMBERS = (
    'bool',
    'byte',
    'char',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
    'float32',
    'float64',
)
_SUFFIXES = ('', '', '[3]', '[]', '[<=4]')
_STRINGS = ('', 'a', 'map', 'äöü', 'base_link')
_SEPARATOR = '=' * 80


@st.composite
def schemas(draw: DrawFn) -> Schema:
    """Draw a message type: all primitives, strings of both kinds, arrays of each kind, two nested types.

    Single values, fixed arrays (`[3]`), bounded (`[<=4]`) and unbounded sequences (`[]`) occur of
    numbers, strings, and nested types; the nested types contain such fields themselves.
    """

    def members(names: list[str], nested: list[str]) -> str:
        lines = []
        for name in names:
            kind = draw(st.sampled_from([*NUMBERS, 'string', 'wstring', *nested]))
            suffix = draw(st.sampled_from(_SUFFIXES))
            lines.append(f'{kind}{suffix} {name}')
        return '\n'.join(lines) + '\n'

    count = draw(st.integers(1, 5))
    root = members([f'f{i}' for i in range(count)], ['Inner', 'Leaf'])
    inner = members(['a', 'b'], ['Leaf'])
    leaf = members(['x', 'y'], [])
    text = f'{root}{_SEPARATOR}\nMSG: p/Inner\n{inner}{_SEPARATOR}\nMSG: p/Leaf\n{leaf}'
    return Schema('p/msg/Root', text)


def messages(schema: Schema) -> SearchStrategy[Any]:
    """Draw messages of a type, NaN and the ends of every number's range included."""
    return _messages(codec_for(schema))


@st.composite
def _messages(draw: DrawFn, codec: Codec) -> Any:
    return _filled(codec.new(), codec, codec.schema.name, draw)


def _filled(message: Any, codec: Codec, name: str, draw: DrawFn) -> Any:
    for field, node in codec.definition(name):
        setattr(message, field, _value(getattr(message, field), codec, node, draw))
    return message


def _value(empty: Any, codec: Codec, node: Any, draw: DrawFn) -> Any:
    kind, detail = node
    if kind == Nodetype.BASE:
        return draw(_scalars(detail[0]))
    if kind == Nodetype.NAME:
        return _filled(empty, codec, detail, draw)
    (element_kind, element), size = detail
    length = size if kind == Nodetype.ARRAY else draw(st.integers(0, min(size or 3, 3)))
    if element_kind == Nodetype.NAME:
        new = codec.classes[element]
        return [_filled(new(), codec, element, draw) for _ in range(length)]
    items = [draw(_scalars(element[0])) for _ in range(length)]
    return items if element[0] in STRINGS else np.array(items, dtype=element[0])


def _scalars(base: str) -> SearchStrategy[Any]:
    if base in STRINGS:
        return st.sampled_from(_STRINGS)
    if base == 'bool':
        return st.booleans()
    if base.startswith('float'):
        return st.floats(width=32 if base == 'float32' else 64)
    info = np.iinfo(base)
    return st.integers(int(info.min), int(info.max))
