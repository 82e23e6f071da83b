"""Threads that have to have the interpreter in time."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long another thread may keep the interpreter while one wants it promptly, s.
SWITCH_INTERVAL_S: Final = 0.0001

#: How much more important a thread is that must not be late (`nice`).
_NICE: Final = -10


def ask_for_priority() -> None:
    """Have this thread run before others, where the system allows that: for root, on Linux."""
    if sys.platform == 'linux':  # elsewhere it would be the whole process
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)


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
