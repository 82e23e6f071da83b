"""Child processes that end with the run, whatever happens to it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

_GUARD = Path(__file__).with_name('_guard.py')


class GuardedProcess:
    """A command that runs behind a guard.

    The guard ends the command and all that it has started as soon as this process is gone, even
    by SIGKILL.

    Args:
        command: The command line.
        env: Its environment.
        log: File that takes its standard error, and its standard output unless `piped`.
        piped: Make the standard output readable as `output`.
        directory: Where it is started; here if empty.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        piped: bool = False,
        directory: str = '',
    ) -> None:
        self.log = log
        with log.open('ab') as sink:
            self._guard = subprocess.Popen(
                [sys.executable, '-I', '-S', str(_GUARD), directory, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if piped else sink,
                stderr=sink,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def output(self) -> IO[bytes]:
        """The standard output of a piped process."""
        assert self._guard.stdout is not None
        return self._guard.stdout

    @property
    def pid(self) -> int:
        """The process below which everything runs that was started."""
        return self._guard.pid

    def poll(self) -> int | None:
        """Return the exit code, 128 + n for signal n, or None while it runs."""
        return self._guard.poll()

    def signal(self, name: str) -> None:
        """Send `INT`, `TERM` or `KILL`."""
        if self._guard.stdin is not None and self._guard.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(f'{name}\n'.encode())
                self._guard.stdin.flush()

    def wait(self, limit_s: float) -> int | None:
        """Wait for the end; return the exit code, or None if it still runs after the limit."""
        try:
            return self._guard.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self, grace_s: float) -> int:
        """End it: by SIGINT, and by force when that does not help in time."""
        self.signal('INT')
        code = self.wait(grace_s)
        self.close()
        return self._guard.wait() if code is None else code

    def close(self) -> None:
        """Let go of it: the guard ends what still runs."""
        if self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
        self._guard.wait()

    def log_tail(self, lines: int = 12) -> list[str]:
        """Return the last lines of the log."""
        with contextlib.suppress(OSError):
            return self.log.read_text(errors='replace').splitlines()[-lines:]
        return []

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it."""
        self.close()
        if self._guard.stdout is not None:
            self._guard.stdout.close()
