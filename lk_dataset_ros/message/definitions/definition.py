"""The definition of a message type: its fields, constants and defaults, checked before use.

The texts come out of bags: whatever they say, checking them takes bounded time and memory, and
only plain identifiers reach the code generation of the libraries that code the messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.errors import MessageTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: `(Nodetype, detail)` as in rosbags: BASE (name, bound), NAME type, ARRAY and SEQUENCE
#: (element, size).
Node = tuple[Any, Any]

#: Fields and constants of one type, and types within types.
MAX_FIELDS: Final = 2048
MAX_DEPTH: Final = 64
#: Field paths of a type, nested ones included.
MAX_PATHS: Final = 2**16
#: A longer message cannot be serialized: lengths are 32-bit numbers.
MAX_MESSAGE_BYTES: Final = 2**32 - 1
#: The only member of a type without fields: IDL wants one.
PLACEHOLDER: Final = 'structure_needs_at_least_one_member'

STRINGS: Final = ('string', 'wstring')
#: `byte` and `octet` are 0 to 255, and so is `char`, which is a number in ROS 2.
OCTETS: Final = frozenset(['byte', 'char', 'octet'])
NUMBERS: Final = frozenset(
    ['bool', 'float32', 'float64', *(f'{s}int{n}' for s in ('', 'u') for n in (8, 16, 32, 64))]
)
EIGHT_BYTES: Final = frozenset(['float64', 'int64', 'uint64'])


@dataclass(frozen=True, slots=True)
class RawType:
    """A type as its text says it.

    Attributes:
        name: Full name, or `package/Type`.
        constants: Type, name and value of each constant.
        fields: Name, node and default (None without) of each field.
    """

    name: str
    constants: list[tuple[str, str, Any]]
    fields: list[tuple[str, Node, Any]]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message type.

    Attributes:
        name: Name of the attribute; a Python keyword gets an underscore behind it.
        node: What the field holds.
        default: Its default value; None where the definition gives none.
    """

    name: str
    node: Node
    default: Any = None


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A checked type.

    Attributes:
        name: Full type name.
        constants: Value of each constant.
        fields: The fields, in order.
        least_bytes: What a serialized message has at least.
        fresh_bytes: Estimate of what a new message takes in memory.
        paths: Number of field paths.
        may_exceed: Whether it holds, or a nested type does, what rclpy reserves too much for:
            a `wstring`, or a sequence of numbers of eight bytes.
    """

    name: str
    constants: Mapping[str, Any]
    fields: tuple[Field, ...]
    least_bytes: int
    fresh_bytes: int
    paths: int
    may_exceed: bool


def dtype_of(base: str) -> np.dtype[Any]:
    """Return the type of a number."""
    return np.dtype(base)


def value_of(base: str, value: Any, where: str) -> Any:
    """Return a constant or a default as its type has it.

    Raises:
        MessageTypeError: If the value does not fit the type.
    """
    if base in STRINGS:
        fits = isinstance(value, str)
    elif base == 'bool':
        fits = isinstance(value, int) and value in (0, 1)
        value = bool(value) if fits else value
    elif base.startswith('float'):
        fits = isinstance(value, (int, float))
        value = _as_float(value) if fits else value
    else:
        limits = np.iinfo(base)
        fits = isinstance(value, int) and limits.min <= value <= limits.max
        value = int(value) if fits else value
    if not fits:
        raise MessageTypeError(f'{where}: {shown(value)} is not a value of {base}')
    return value


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float('inf') if value > 0 else float('-inf')


def shown(value: Any) -> str:
    """Return a value as an error shows it."""
    text = ' '.join(repr(value).split())
    return text if len(text) <= 80 else f'{text[:77]}...'
