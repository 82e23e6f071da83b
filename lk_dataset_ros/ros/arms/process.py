"""The processes of one arm: started, watched, ended."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.process import GuardedProcess
from lk_dataset_ros.process.usage import Usage, descendants, usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: How long a process may take to end after SIGINT, s.
END_LIMIT_S: Final = 5.0
#: How often what the processes use is looked at, s: those that crash cannot be asked any more.
_PERIOD_S: Final = 0.5


class ArmProcess:
    """An arm behind a guard.

    Args:
        command: What is started.
        environment: Its variables.
        directory: Where it is started; here if empty.
        log: File that takes what it says.

    Attributes:
        ending: How it has ended by itself, or empty.
        start_up_s: From its start until it was ready, s.
    """

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], directory: str, log: Path
    ) -> None:
        self.ending = ''
        self._is_ended = False
        self.start_up_s = math.nan
        self._begun_s = self._ended_s = math.nan
        self._first = self._last = Usage()
        self._next_look_s = 0.0
        self._started_s = time.monotonic()
        self._process = GuardedProcess(command, env=environment, log=log, directory=directory)

    @property
    def pid(self) -> int:
        """Number of the guard: the arm's processes are its descendants."""
        return self._process.pid

    def look(self) -> None:
        """Notice that it has ended; look at what it uses, from time to time."""
        code = self._process.poll()
        if code is not None:
            self.ending = _say(code)
        elif time.monotonic() >= self._next_look_s:
            self._next_look_s = time.monotonic() + _PERIOD_S
            self._look_at_usage()

    def is_ready(self) -> None:
        """Note that it is ready."""
        self.start_up_s = time.monotonic() - self._started_s

    def begin(self) -> None:
        """Note that the first input comes next."""
        self._look_at_usage()
        self._first = self._last
        self._begun_s = time.monotonic()

    def note_end(self) -> None:
        """Note that the last output has come."""
        self._ended_s = time.monotonic()
        self._look_at_usage()

    def _look_at_usage(self) -> None:
        used = usage_of(self.pid)
        if not math.isnan(used.cpu_s):
            self._last = used

    @property
    def cpu_s(self) -> float:
        """Processor time since the first input, s."""
        return self._last.cpu_s - self._first.cpu_s

    @property
    def peak_bytes(self) -> float:
        """The most memory that it had."""
        return self._last.peak_bytes

    @property
    def wall_s(self) -> float:
        """From the first input to the last output, s."""
        return self._ended_s - self._begun_s

    def kill(self) -> None:
        """End it at once, without waiting for that: it may be busy for ever."""
        self._process.signal('KILL')

    def end(self) -> None:
        """End it; notice if it has crashed before."""
        if self._is_ended:
            return
        self._is_ended = True
        is_gone = not descendants(self.pid)
        code = self._process.end(END_LIMIT_S)
        if is_gone and code and not self.ending:
            self.ending = _say(code)


def _say(code: int) -> str:
    if code > 128:
        return f'crashed (signal {code - 128})'
    return f'ended by itself with exit code {code}'
