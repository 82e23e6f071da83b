"""What a tree of processes has used: processor time and memory, out of Linux's /proc."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path('/proc')
#: Numbers of fields of `/proc/<pid>/stat` behind the name: state, parent, user and system time.
_STATE, _PARENT, _USER, _SYSTEM = 0, 1, 11, 12


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used; NaN where it cannot be known.

    Attributes:
        cpu_s: Processor time, user and system, all threads, s.
        peak_bytes: The most memory that each had resident, in sum.
    """

    cpu_s: float = math.nan
    peak_bytes: float = math.nan


def usage_of(pid: int) -> Usage:
    """Return what the descendants of a process have used so far, itself left out.

    Those that have ended are no longer counted: ask before the end.

    Args:
        pid: Number of a process whose children do the work, such as a guard.
    """
    below = descendants(pid)
    if not below:
        return Usage()
    found = [each for each in below if (PROC / str(each)).exists()]
    return Usage(sum(map(_cpu_s, found)), float(sum(map(_peak_bytes, found))))


def descendants(pid: int) -> list[int]:
    """Return the numbers of the processes that a process has started, and they, and so on."""
    children: dict[int, list[int]] = {}
    for name in _names():
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = _fields(int(name))
            if fields[_STATE] != 'Z':
                children.setdefault(int(fields[_PARENT]), []).append(int(name))
    found: list[int] = []
    fresh = [pid]
    while fresh:
        fresh = [child for each in fresh for child in children.get(each, [])]
        found += fresh
    return found


def _names() -> list[str]:
    try:
        return [each.name for each in PROC.iterdir() if each.name.isdigit()]
    except OSError:  # another operating system
        return []


def _fields(pid: int) -> list[str]:
    # The name may hold anything, brackets too.
    text = (PROC / str(pid) / 'stat').read_text(errors='replace')
    return text.rpartition(')')[2].split()


def _cpu_s(pid: int) -> float:
    # Linux's clock of another process (CPUCLOCK_SCHED): in nanoseconds, where `stat` has 10 ms.
    with contextlib.suppress(OSError, OverflowError):
        return time.clock_gettime((~pid << 3) | 2)
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = _fields(pid)
        ticks = int(fields[_USER]) + int(fields[_SYSTEM])
        return ticks / os.sysconf('SC_CLK_TCK')
    return 0.0


def _peak_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in (PROC / str(pid) / 'status').read_text(errors='replace').splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    return 0
