"""Run a command (behind the folder to run it in, or nothing) and see to it that nothing of it outlives whoever started it.

Started as a plain script (no site-packages). The standard input is a line to the parent: `INT`,
`TERM` or `KILL` are passed on to the command; when it closes - the parent ended, however it
ended - everything that the command has started is ended.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 3.0


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _descendants() -> set[int]:
    """Return the processes below this one; adopted ones too, since this one is their reaper."""
    parents = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f'/proc/{name}/stat') as stat:
                    fields = stat.read().rpartition(')')[2].split()
                if fields[0] != 'Z':
                    parents[int(name)] = int(fields[1])
    below = {os.getpid()}
    grown = True
    while grown:
        more = {child for child, parent in parents.items() if parent in below} - below
        grown = bool(more)
        below |= more
    return below - {os.getpid()}


def _signal_all(number: int) -> bool:
    """Signal every descendant; return whether there was one."""
    found = _descendants()
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return bool(found)


def _end_all() -> None:
    _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while _descendants() and time.monotonic() < deadline:
        time.sleep(0.02)
    while _signal_all(signal.SIGKILL):
        time.sleep(0.02)


def _watch(child: 'subprocess.Popen[bytes]') -> None:
    """Pass signals on until the command ends or the parent is gone."""
    os.set_blocking(0, False)
    while child.poll() is None:
        ready, _, _ = select.select([0], [], [], 0.02)
        if not ready:
            continue
        try:
            text = os.read(0, 256)
        except BlockingIOError:
            continue
        if not text:
            return
        for word in text.decode().split():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(getattr(signal, f'SIG{word}'))


def main(directory: str, command: list[str]) -> int:
    """Run the command in a folder; return its exit code, 128 + n if signal n ended it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)

    def prepare() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=prepare, cwd=directory or None
        )
    except OSError as error:
        where = f' in {directory}' if directory else ''
        print(f'{command[0]} cannot be started{where}: {error.strerror}', file=sys.stderr)
        return 127
    try:
        _watch(child)
    finally:
        _end_all()
    code = child.wait()
    return 128 - code if code < 0 else code


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2:]))
