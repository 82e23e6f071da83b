"""Single messages with every bit of their floats, which a Python float does not keep.

CPython makes a double of a single float32, which turns a signalling NaN into a quiet one. The CDR
of one float32 and of an array of one are the same bytes, and the latter never leaves NumPy: so
messages are coded as a type of the same bytes that has such arrays instead.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.message import Schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATOR = '=' * 80


class Fields(SimpleNamespace):
    """A message as plain attributes."""


class ExactCoder:
    """Encoder and decoder of one message type.

    Args:
        schema: Its definition.

    Raises:
        MessageTypeError: If the definition is not sound.
    """

    def __init__(self, schema: Schema) -> None:
        self._declared = codec_for(schema)
        self.name = self._declared.schema.name
        self._types = _types_of(self.definition, self.name)
        self._is_plain = not any(
            _is_float32(node) for name in self._types for _, node in self.definition(name)
        )
        self._codec = self._declared if self._is_plain else codec_for(self._substitute())

    def definition(self, name: str) -> Sequence[tuple[str, Any]]:
        """Return field names and nodes of this type or a nested one, as they are declared."""
        return self._declared.definition(name)

    def decode(self, cdr: bytes) -> Any:
        """Decode a message, for `values`."""
        return self._codec.decode(cdr)

    def values(self, message: Any, name: str) -> list[Any]:
        """Return the values of a decoded message; a single float32 is an array of one."""
        if self._is_plain:
            return [getattr(message, field) for field, _ in self.definition(name)]
        return [getattr(message, f'f{i}') for i in range(len(self.definition(name)))]

    def encode(self, message: Fields) -> bytes:
        """Encode a message.

        Raises:
            MessageTypeError: If a value does not fit.
        """
        cdr = self._declared.encode(message)
        if self._is_plain or not self._has_nan(message, self.name):
            return cdr
        return self._codec.encode(self._substituted(message, self.name))

    def _has_nan(self, message: Any, name: str) -> bool:
        for field, node in self.definition(name):
            value, (kind, detail) = getattr(message, field), node
            if _is_float32(node):
                found = bool(np.isnan(value))
            elif kind == Nodetype.NAME:
                found = self._has_nan(value, detail)
            elif kind != Nodetype.BASE and detail[0][0] == Nodetype.NAME:
                found = any(self._has_nan(item, detail[0][1]) for item in value)
            else:
                continue
            if found:
                return True
        return False

    def _substituted(self, message: Any, name: str) -> Fields:
        def other(value: Any, node: Any) -> Any:
            kind, detail = node
            if kind == Nodetype.NAME:
                return self._substituted(value, detail)
            if kind != Nodetype.BASE:
                return [other(item, detail[0]) for item in value] if _nests(node) else value
            return np.array([value], np.float32) if _is_float32(node) else value

        fields = enumerate(self.definition(name))
        return Fields(
            **{f'f{i}': other(getattr(message, field), node) for i, (field, node) in fields}
        )

    def _substitute(self) -> Schema:
        """Return the type of the same bytes; its names are made up, so that any are allowed."""
        texts = []
        for name in self._types:
            lines = [
                f'{self._spelled(node)} f{i}' for i, (_, node) in enumerate(self.definition(name))
            ]
            texts.append('\n'.join(lines) + '\n')
        nested = [f'{_SEPARATOR}\nMSG: exact/T{i}\n{text}' for i, text in enumerate(texts) if i]
        return Schema('exact/msg/T0', texts[0] + ''.join(nested))

    def _spelled(self, node: Any) -> str:
        kind, detail = node
        if kind == Nodetype.NAME:
            return f'exact/T{self._types.index(detail)}'
        if kind == Nodetype.BASE:
            base, bound = detail
            return 'float32[1]' if base == 'float32' else f'{base}<={bound}' if bound else base
        element, size = detail
        spelled = element[1][0] if _is_float32(element) else self._spelled(element)
        if kind == Nodetype.ARRAY:
            return f'{spelled}[{size}]'
        return f'{spelled}[<={size}]' if size else f'{spelled}[]'


@lru_cache(maxsize=128)
def coder_for(schema: Schema) -> ExactCoder:
    """Return the coder of a schema; it is made once."""
    return ExactCoder(schema)


def _types_of(definition: Any, root: str) -> list[str]:
    """Return a type and all types in it."""
    found = [root]
    for name in found:
        for _, (kind, detail) in definition(name):
            inner, what = (kind, detail) if kind in (1, 2) else detail[0]
            if inner == Nodetype.NAME and what not in found:
                found.append(what)
    return found


def _nests(node: Any) -> bool:
    return bool(node[1][0][0] == Nodetype.NAME)


def _is_float32(node: Any) -> bool:
    return bool(node[0] == Nodetype.BASE and node[1][0] == 'float32')
