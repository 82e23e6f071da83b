"""Lay out plain CDR for generated code: blocks of numbers, and what is known of the alignment.

Serialized numbers that lie at known distances from each other are one block, coded by one call of
`struct`. A string or a sequence ends a block; behind it the alignment is known again as soon as
something has been aligned.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Codes of `struct`.
FORMATS: Final = {
    'bool': '?',
    'int8': 'b',
    'uint8': 'B',
    'int16': 'h',
    'uint16': 'H',
    'int32': 'i',
    'uint32': 'I',
    'int64': 'q',
    'uint64': 'Q',
    'float32': 'f',
    'float64': 'd',
}
#: A function codes nested types itself up to so many field paths; beyond, each by a call.
MOST_PATHS: Final = 256
#: The generated code views arrays in the machine's own byte order.
IS_POSSIBLE: Final = sys.byteorder == 'little'


class UnfitError(Exception):
    """Raise in generated code where the thorough way has to take over."""


def unfit(_value: Any) -> Any:
    """Stand where nothing could be generated."""
    raise UnfitError


class Lines:
    """The source of a function in the making, and the names that it refers to.

    Attributes:
        lines: The source so far.
        names: Its global names and what they stand for.
        depth: Indentation.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {'UnfitError': UnfitError}
        self.depth = 1
        self._count = 0

    def add(self, *lines: str) -> None:
        """Add lines."""
        self.lines += ['    ' * self.depth + line for line in lines]

    def fresh(self, prefix: str) -> str:
        """Return a name that is not in use."""
        self._count += 1
        return f'{prefix}{self._count}'

    def constant(self, prefix: str, value: Any) -> str:
        """Return a global name that stands for a value."""
        name = self.fresh(prefix)
        self.names[name] = value
        return name

    def function(self, head: str, name: str) -> Callable[..., Any]:
        """Compile the function."""
        source = '\n'.join([f'def function({head}):', *self.lines])
        exec(compile(source, f'<{name}>', 'exec'), self.names)  # noqa: S102
        made: Callable[..., Any] = self.names['function']
        return made


class Place:
    """A place in a message: a variable plus a number, as far as it is known aligned.

    Attributes:
        offset: Bytes behind the variable `pos`.
        modulus: The place from the message's beginning is known modulo this: 8, 4, 2 or 1.
        rest: What it is modulo that.
    """

    def __init__(self, modulus: int) -> None:
        self.offset = 0
        self.modulus = modulus
        self.rest = 0

    def gap(self, size: int) -> int | None:
        """Return the padding before a number of a size, or None where it is not known."""
        return -self.rest % size if self.modulus >= size else None

    def skip(self, count: int) -> None:
        """Go on by some bytes."""
        self.offset += count
        self.rest = (self.rest + count) % self.modulus

    def restart(self, modulus: int) -> None:
        """Be where `pos` is, at a multiple of the modulus."""
        self.offset, self.modulus, self.rest = 0, modulus, 0

    def __str__(self) -> str:
        """Return the expression."""
        return f'pos + {self.offset}' if self.offset else 'pos'


class Block:
    """Numbers at known distances.

    Attributes:
        begin: The expression of the place where it begins.
        names: Variables of the numbers.
    """

    def __init__(self) -> None:
        self.begin = ''
        self.names: list[str] = []
        self._codes: list[str] = []

    def __bool__(self) -> bool:
        """Tell whether it has numbers or padding."""
        return bool(self._codes)

    @property
    def is_only_padding(self) -> bool:
        """Tell whether it has no numbers."""
        return not self.names

    def pad(self, count: int) -> None:
        """Add bytes that are none of the numbers."""
        if count:
            self._codes.append(f'{count}x')

    def put(self, code: str, name: str) -> None:
        """Add a number."""
        self._codes.append(code)
        self.names.append(name)

    def take(self) -> tuple[struct.Struct, list[str], str]:
        """Return format, names and beginning, and start afresh."""
        made = struct.Struct('<' + ''.join(self._codes)), self.names, self.begin
        self.__init__()  # type: ignore[misc]
        return made
