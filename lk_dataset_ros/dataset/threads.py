"""Threads that have to have the interpreter in time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long another thread may keep the interpreter while one wants it promptly, s.
SWITCH_INTERVAL_S: Final = 0.0001

#: How much more important a thread is that must not be late (`nice`).
_NICE: Final = -10


#: Linux lets timers of a thread run late by 50 us, to save power, unless it is told otherwise.
_PR_SET_TIMERSLACK: Final = 29


def ask_for_priority() -> None:
    """Have this thread wake on time, and run before others where that is allowed: for root.

    On Linux only; elsewhere it would be the whole process.
    """
    if sys.platform == 'linux':
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, *map(ctypes.c_ulong, (1, 0, 0, 0)))
        _be_as_nice_as(_NICE)


def ask_for_priority_of(prefix: str) -> None:
    """Have threads that a library has started run before others, too.

    Args:
        prefix: What their names, which the system knows, begin with.
    """
    # A thread can end while it is looked at, and /proc need not be there.
    with contextlib.suppress(OSError):
        for thread in Path('/proc/self/task').iterdir():
            with contextlib.suppress(OSError):
                if (thread / 'comm').read_text().startswith(prefix):
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), _NICE)


def give_up_priority() -> None:
    """Have this thread run behind the one that started it, whose priority it has inherited."""
    if sys.platform == 'linux':
        _be_as_nice_as(0)


def _be_as_nice_as(nice: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)


_prompt_lock = threading.Lock()
_prompt_users = 0
_interval_before_s = 0.0


@contextlib.contextmanager
def prompt_switching() -> Iterator[None]:
    """Let threads that want the interpreter have it soon, while somebody plays or records.

    By default another thread, such as one that reads ahead, may keep it for 5 ms: too late for
    messages of 1 kHz, and longer than a short history of a fast topic lasts.
    """
    global _prompt_users, _interval_before_s  # noqa: PLW0603
    with _prompt_lock:
        if _prompt_users == 0:
            _interval_before_s = sys.getswitchinterval()
            sys.setswitchinterval(min(_interval_before_s, SWITCH_INTERVAL_S))
        _prompt_users += 1
    try:
        yield
    finally:
        with _prompt_lock:
            _prompt_users -= 1
            if _prompt_users == 0:
                sys.setswitchinterval(_interval_before_s)
