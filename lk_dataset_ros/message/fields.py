"""Walk the fields of a message, whatever class it is of."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

STAMP = ('header.stamp.sec', 'header.stamp.nanosec')
_INDEX = re.compile(r'\[\d+\]')
_LEAVES = (bool, int, float, str, bytes, np.generic, np.ndarray)


@dataclass(slots=True)
class Layout:
    """What a type's definition says about its field paths; `[]` stands for any index.

    Attributes:
        scalars: Type of each number.
        sequences: Paths that are sequences of messages.
        parts: Full type names of the messages within, and of the message itself as `''`.
    """

    scalars: dict[str, np.dtype[Any]] = field(default_factory=dict)
    sequences: set[str] = field(default_factory=set)
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def has_stamp(self) -> bool:
        """Whether `header.stamp`, as far as is known, has the numbers of a time."""
        types = [self.scalars.get(path) for path in STAMP]
        return not self.scalars or all(
            each is not None and each.kind in 'iu' and each.itemsize <= 4 for each in types
        )


def without_index(path: str) -> str:
    """Return a field path with `[]` for every index."""
    return _INDEX.sub('[]', path)


def field_names(message: Any) -> list[str]:
    """Return the names of a message's fields, in order of definition."""
    slots = getattr(message, 'get_fields_and_field_types', None)
    if slots is not None:
        return list(slots())
    declared = getattr(message, '__dataclass_fields__', None)
    if declared is not None:
        return [
            name
            for name, item in declared.items()
            if 'ClassVar' not in str(item.type) and not name.startswith('__')
        ]
    return [name for name in vars(message) if not name.startswith('_')]


def is_leaf(value: Any) -> bool:
    """Tell whether a value has no fields of its own."""
    return isinstance(value, _LEAVES) or hasattr(value, 'typecode')


def walk(message: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield `(field path, value)` for every leaf of a message.

    A sequence of messages is walked by index: `transforms[0].header.stamp.sec`. Sequences of
    numbers or strings are one leaf.
    """
    for name in field_names(message):
        value = getattr(message, name)
        path = f'{prefix}{name}'
        if is_leaf(value):
            yield path, value
        elif isinstance(value, (list, tuple)):
            if value and not is_leaf(value[0]):
                for index, item in enumerate(value):
                    yield from walk(item, f'{path}[{index}].')
                yield f'{path}.length', len(value)
            elif value and isinstance(value[0], str):
                yield path, tuple(value)
            else:
                yield path, np.asarray(value)
        else:
            yield from walk(value, f'{path}.')


def header_stamp_ns(message: Any) -> int | None:
    """Return `header.stamp` in nanoseconds, or None for a message without header.

    What is called so but has not the numbers of builtin_interfaces/Time is none.
    """
    stamp = getattr(getattr(message, 'header', None), 'stamp', None)
    parts = getattr(stamp, 'sec', None), getattr(stamp, 'nanosec', None)
    try:
        sec, nanosec = map(operator.index, parts)  # type: ignore[arg-type]
    except TypeError:
        return None
    is_time = -(2**31) <= sec < 2**32 and 0 <= nanosec < 2**32
    return sec * 1_000_000_000 + nanosec if is_time else None
