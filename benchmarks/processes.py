"""What the benchmarks of the nodes share: processes that are watched, their figures, tables."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lk_dataset_ros.experiment.environment import child_environment, own_domain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OURS = [sys.executable, '-m', 'lk_dataset_ros.cli']
PARTNERS = [sys.executable, str(Path(__file__).with_name('publishers.py'))]
TICK_S = 1.0 / os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGE_SIZE')
SAMPLE_S = 0.02
MEMORY = Path('/dev/shm')


class Sample(NamedTuple):
    """What a process had used at a time.

    Attributes:
        time_ns: Wall clock.
        cpu_s: Processor time, user and system.
        resident: Memory, bytes, mapped files included.
        own: Of it, what is not shared with a file.
    """

    time_ns: int
    cpu_s: float
    resident: int
    own: int


class Process:
    """A command that runs; its processor time and memory are sampled.

    Args:
        command: Program and arguments. It must not fork: only its own process is looked at.
        env: Environment.
        log: File for what it says; its standard output is kept apart for `result`.
    """

    def __init__(self, command: Sequence[str | Path], env: dict[str, str], log: Path) -> None:
        self.command = [str(each) for each in command]
        self.peak = 0
        self.samples: list[Sample] = []
        self._log = log
        self._errors = log.open('wb')
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            self.command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._errors,
        )
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        folder = Path(f'/proc/{self._process.pid}')
        while True:
            with contextlib.suppress(ChildProcessError):
                options = os.WEXITED | os.WNOHANG | os.WNOWAIT
                has_ended = os.waitid(os.P_PID, self._process.pid, options) is not None
            # A process that has ended still tells its processor time until it is waited for.
            fields = (folder / 'stat').read_text().rpartition(')')[2].split()
            cpu_s = (int(fields[11]) + int(fields[12])) * TICK_S
            pages = (folder / 'statm').read_text().split()
            resident, shared = int(pages[1]) * PAGE, int(pages[2]) * PAGE
            self.samples.append(Sample(time.time_ns(), cpu_s, resident, resident - shared))
            for line in (folder / 'status').read_text().splitlines():
                if line.startswith('VmHWM'):
                    self.peak = int(line.split()[1]) * 1024
            if has_ended:
                return
            time.sleep(SAMPLE_S)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def at(self, time_ns: int) -> Sample:
        """Return the last sample up to a time."""
        return next(
            (each for each in reversed(self.samples) if each.time_ns <= time_ns), self.last
        )

    @property
    def last(self) -> Sample:
        """The newest sample."""
        return self.samples[-1]

    def wait(self, limit_s: float = 600.0) -> int:
        """Wait until it ends; killed after the limit. Return the exit code."""
        self._thread.join(limit_s)
        if self._thread.is_alive():
            print(f'(killed after {limit_s:g} s: {shlex.join(self.command)})', file=sys.stderr)
            self._process.kill()
            self._thread.join()
        code = self._process.wait()
        self._errors.close()
        return code

    def stop(self, number: int = signal.SIGINT, limit_s: float = 120.0) -> int:
        """Send a signal and wait for the end; return the exit code."""
        if self.is_running:
            self._process.send_signal(number)
        return self.wait(limit_s)

    def kill(self) -> int:
        """Kill it at once; return when, on the wall clock."""
        time_ns = time.time_ns()
        self._process.kill()
        self.wait()
        return time_ns

    @property
    def output(self) -> str:
        """What it has written to standard output."""
        self._output.seek(0)
        return self._output.read().decode(errors='replace')

    @property
    def said(self) -> str:
        """The end of what it has said."""
        return self._log.read_text(errors='replace')[-2000:]

    def result(self) -> dict[str, Any]:
        """Return the last line of JSON that it has printed."""
        for line in reversed(self.output.splitlines()):
            if line.startswith('{'):
                return dict(json.loads(line))
        print(f'({shlex.join(self.command)} told nothing: {self.said})', file=sys.stderr)
        return {}


class Bench:
    """What a benchmark was told: folder, peers, a ROS domain; starts processes, keeps results."""

    def __init__(self, options: argparse.Namespace, folder: Path, env: dict[str, str]) -> None:
        self.options = options
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self._env = env
        self._count = 0
        self._columns: list[str] = []
        self._processes: list[Process] = []

    def start(self, *command: str | Path) -> Process:
        """Start a command."""
        self._count += 1
        process = Process(command, self._env, self.folder / f'{self._count}.log')
        self._processes.append(process)
        return process

    def publisher(self, *arguments: str | Path) -> Process:
        """Start a publisher."""
        named = shlex.split(self.options.publisher or '')
        return self.start(*(named or [*PARTNERS, 'publish']), *arguments)

    def subscriber(self, *arguments: str | Path, own: bool = False) -> Process:
        """Start a subscriber; ours where the time of each message is wanted."""
        named = [] if own else shlex.split(self.options.subscriber or '')
        return self.start(*(named or [*PARTNERS, 'subscribe']), *arguments)

    def watcher(self, of: str) -> Process:
        """Start to keep the last status of `recorder` or `playback`."""
        return self.start(*PARTNERS, 'watch', of)

    def bag_command(self, who: str, verb: str, *arguments: str | Path) -> Process:
        """Start `lk` or rosbag2 with the same arguments."""
        if who == 'ours':
            own = ['--no-info'] if verb == 'record' else ['--progress-bar-update-rate', '0']
            own += [*shlex.split(self.options.more), '--disable-keyboard-controls']
            return self.start(*OURS, verb, *arguments, *own)
        command = shlex.split(self.options.rosbag2)
        return self.start(*command, verb, *arguments, '--disable-keyboard-controls')

    @property
    def contenders(self) -> tuple[str, ...]:
        """Who is measured: ours, and rosbag2 where it is at hand."""
        return ('ours', 'rosbag2') if self.options.rosbag2 else ('ours',)

    def row(self, **values: Any) -> None:
        """Print a row of the table, and its head when the columns are others."""
        if list(values) != self._columns:
            self._columns = list(values)
            print('\n| ' + ' | '.join(name.replace('_', ' ') for name in values) + ' |')
            print('|' + '---|' * len(values))
        texts = (f'{v:,.2f}' if isinstance(v, float) else str(v) for v in values.values())
        print('| ' + ' | '.join(texts) + ' |', flush=True)
        self.rows.append(values)

    def close(self) -> None:
        """End what still runs, write the results."""
        for each in self._processes:
            if each.is_running:
                each.kill()
        if self.options.json:
            self.options.json.write_text(json.dumps(self.rows, indent=1))


def options_of(text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks of the nodes take."""
    lines = (text or '').splitlines()
    parser = argparse.ArgumentParser(
        description=lines[0],
        epilog='\n'.join(lines[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ros2 = 'ros2 bag' if shutil.which('ros2') else ''
    parser.add_argument(
        '--rosbag2', default=ros2, metavar='COMMAND', help=f"the peer ('{ros2 or 'none'}')"
    )
    parser.add_argument('--more', default='', metavar='OPTIONS', help='for lk record or lk play')
    parser.add_argument('--publisher', metavar='COMMAND', help='instead of ours in Python')
    parser.add_argument('--subscriber', metavar='COMMAND', help='instead of ours in Python')
    parser.add_argument('--folder', type=Path, help='where bags go for a while (a temporary one)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the results there, too')
    return parser


@contextlib.contextmanager
def bench(options: argparse.Namespace) -> Iterator[Bench]:
    """Give a folder and a ROS domain to a benchmark; nothing stays behind."""
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder))
        named = os.environ.get('ROS_DOMAIN_ID')
        domain = int(named) if named else stack.enter_context(own_domain())
        found = Bench(options, Path(where), child_environment(domain, Path(where)))
        load = ' '.join(f'{each:.2f}' for each in os.getloadavg())
        print(f'{os.cpu_count()} cores, load {load}, domain {domain}, bags in {where}')
        try:
            yield found
        except KeyboardInterrupt:
            print('interrupted')
        finally:
            found.close()


def busy_share(seconds: float = 0.5) -> float:
    """Return which share of all cores is busy, %, measured for a moment."""

    def read() -> tuple[int, int]:
        fields = [int(each) for each in Path('/proc/stat').read_text().split('\n')[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    all_before, idle_before = read()
    time.sleep(seconds)
    all_after, idle_after = read()
    return 100.0 * (1.0 - (idle_after - idle_before) / max(all_after - all_before, 1))
