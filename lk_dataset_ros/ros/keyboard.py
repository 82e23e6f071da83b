"""Single keys from the terminal, without Enter, and the terminal as it was afterwards."""

from __future__ import annotations

import atexit
import os
import select
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

    from typing_extensions import Self

#: What terminals send for the keys that have a name; both kinds of arrows.
NAMES = {
    b'\x1b[A': 'up',
    b'\x1b[B': 'down',
    b'\x1b[C': 'right',
    b'\x1b[D': 'left',
    b'\x1bOA': 'up',
    b'\x1bOB': 'down',
    b'\x1bOC': 'right',
    b'\x1bOD': 'left',
    b' ': 'space',
    b'\r': 'enter',
    b'\n': 'enter',
}
_ESCAPE = 0x1B
#: Longest escape sequence that is waited for; what is longer is thrown away.
_LONGEST = 16


class Keyboard:
    r"""Read keys one by one while nobody else reads the terminal.

    Ctrl-C, ctrl-Z and ctrl-\ keep their meaning. In the background (`&`, or after ctrl-Z and
    `bg`) the terminal belongs to others: nothing is read and nothing is changed then.

    Args:
        stream: Where keys come from; nothing is read where it is no terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._fd: int | None = None
        self._saved: list[Any] | None = None
        self._pending = b''
        stream = sys.stdin if stream is None else stream
        try:
            if stream is not None and stream.isatty():
                self._fd = stream.fileno()
        except (OSError, ValueError):  # closed, or not a real file
            self._fd = None
        if self._fd is not None:
            # Whatever ends the process: a shell without echo is a broken shell.
            atexit.register(self.close)

    @property
    def is_there(self) -> bool:
        """Whether keys can come at all."""
        return self._fd is not None

    def pressed(self) -> list[str]:
        """Return what was pressed since the last call, at once: `space`, `up`, `q`, ..."""
        if self._fd is None or not self._in_foreground():
            return []
        try:
            self._prepare()
            while select.select([self._fd], [], [], 0.0)[0]:
                read = os.read(self._fd, 256)
                if not read:  # the terminal has gone
                    self.close()
                    break
                self._pending += read
        except (OSError, termios.error):
            self.close()
        found, self._pending = split_keys(self._pending)
        return found

    def close(self) -> None:
        """Leave the terminal as it was."""
        atexit.unregister(self.close)
        if self._fd is None:
            return
        try:
            if self._saved is not None and self._in_foreground():
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
        except (OSError, termios.error):
            pass
        self._fd = self._saved = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    def _in_foreground(self) -> bool:
        # Setting or reading a terminal from the background stops the process (SIGTTOU, SIGTTIN).
        assert self._fd is not None
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return False

    def _prepare(self) -> None:
        """Ask for single keys without echo, again after a shell has set its own way."""
        assert self._fd is not None
        attributes = termios.tcgetattr(self._fd)
        if not attributes[3] & (termios.ICANON | termios.ECHO):
            return
        if self._saved is None:
            self._saved = attributes
        tty.setcbreak(self._fd, termios.TCSANOW)


def split_keys(data: bytes) -> tuple[list[str], bytes]:
    """Return the keys in what a terminal has sent, and the beginning of one that is not whole.

    Escape sequences without a name here (F1, Home, ...) are left out.
    """
    keys: list[str] = []
    place = 0
    while place < len(data):
        length = _length(data, place)
        if length is None:
            rest = data[place:]
            return keys, rest if len(rest) <= _LONGEST else b''
        key = data[place : place + length]
        place += length
        if key in NAMES:
            keys.append(NAMES[key])
        elif key[0] != _ESCAPE and key.isascii() and key.decode().isprintable():
            keys.append(key.decode())
    return keys, b''


def _length(data: bytes, place: int) -> int | None:
    """Return how many bytes a key has, None if some of them have not come yet."""
    if data[place] != _ESCAPE:
        return 1
    if place + 1 == len(data):
        return None
    if data[place + 1] == ord('O'):
        return 3 if place + 2 < len(data) else None
    if data[place + 1] != ord('['):
        return 1
    for end in range(place + 2, len(data)):
        if 0x40 <= data[end] <= 0x7E:
            return end - place + 1
    return None
