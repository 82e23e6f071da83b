"""Tell whether an arm has nothing more to do: all its threads sleep, and ours that receive.

A process that got a message is busy until it has dealt with it: the thread that receives wakes
the one that runs callbacks before it sleeps. (A callback that itself sleeps looks the same.)
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.process.usage import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC: Final = Path('/proc')
#: States of threads that have nothing to do: sleeping, idle in the kernel, ended.
_IDLE: Final = frozenset((b'S', b'I', b'Z', b'X'))
_HEAD: Final = 64
#: After so many looks processes and threads are searched for anew.
_LOOKS: Final = 2000


class Idleness:
    """Watches the threads of an arm's processes, and our own that receive its outputs.

    Args:
        pid: The process that has started those of the arm.

    Attributes:
        is_telling: The arm can be watched, and is idle at times.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._places: list[tuple[int, int]] = []
        self._looks = 0
        self.is_telling = True

    def is_idle(self) -> bool:
        """Tell whether nothing runs, or wants to; False where that cannot be seen."""
        if self._looks % _LOOKS == 0:
            self._find()
        self._looks += 1
        if not self.is_telling:
            return False
        try:
            # Twice: one that was seen asleep may have been woken by another that was looked at
            # later; the arm before us, who receive what it has sent.
            for _ in range(2):
                for file, place in self._places:
                    if os.pread(file, 1, place) not in _IDLE:
                        return False
        except OSError:  # a thread has ended
            self._looks = 0
            return False
        return True

    def close(self) -> None:
        """Watch no more."""
        for file, _ in self._places:
            os.close(file)
        self._places = []
        self._looks = 0

    def _find(self) -> None:
        self.close()
        for process in descendants(self._pid):
            self._places += _states(process)
        self.is_telling = self.is_telling and bool(self._places)
        # The one that looks does not sleep.
        self._places += _states(os.getpid(), without=threading.get_native_id())


def _states(process: int, *, without: int = 0) -> Iterator[tuple[int, int]]:
    """Yield an open file per thread and where in it the state stands."""
    folder = _PROC / str(process) / 'task'
    with suppress(OSError):
        for each in folder.iterdir():
            if each.name == str(without):
                continue
            with suppress(OSError, ValueError):
                file = os.open(each / 'stat', os.O_RDONLY | os.O_CLOEXEC)
                yield file, os.pread(file, _HEAD, 0).rindex(b')') + 2
