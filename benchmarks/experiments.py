"""Experiments as ROS processes: how fast, how exact, and what a kill leaves behind.

    make build && source env.sh && python benchmarks/experiments.py [--rows lockstep,realtime,kills]

lockstep: the example pair on a recording, each arm a ROS process; inputs per second through both,
and whether all runs gave the same bytes; `--busy` keeps one core busy meanwhile. realtime: the
achieved real-time factor at 1, 2 and 10. kills: the runner, an arm or `lk ab` itself is killed by
SIGKILL at a random moment; no process may be left, no verdict may be wrong, all bags readable.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import bench, busy_share, options_of

from lk_dataset_ros import Dataset
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.experiment.running import ArmRun, Place
from lk_dataset_ros.experiment.running.graph import run_on_graph
from lk_dataset_ros.experiment.specification import Arm, BagInputs, Mode, Output, Specification

if TYPE_CHECKING:
    from processes import Bench

ARMS = {
    'original': 'odometry_smoother.original:OdometrySmoother',
    'cpp': 'odometry_smoother.compiled:OdometrySmootherCpp',
}
REAL_BAG = Path(__file__).resolve().parents[2] / 'shared' / 'bags' / 'nav2_turtlebot.mcap'
MARK = 'LK_BENCH_MARK'
TEXT = """
version: 1
name: kills
mode: lockstep
inputs: {{bag: {bag}, topics: [{topic}]}}
original: {{component: '{original}', remappings: {{odom: {topic}}}}}
compiled:
  cpp: {{component: '{cpp}', remappings: {{odom: {topic}}}}}
outputs: [{{topic: /smoothed}}]
tolerance: {{rtol: 1.0e-12, atol: 0.0}}
"""


class Quiet:
    """Watches a run and says nothing."""

    def arm_starts(self, label: str) -> None:
        """Say nothing."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Say nothing."""

    def arm_ends(self, run: ArmRun) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Pass it on."""
        print(text, file=sys.stderr)


def specification_of(options: Any, mode: Mode, rtf: float = 0.0, seconds: float = 0.0) -> Any:
    """Return the experiment with the example pair."""
    arms = [
        Arm(name, component=path, remappings={'odom': options.topic})
        for name, path in ARMS.items()
    ]
    inputs = BagInputs(options.bag, (options.topic,))
    if seconds:
        inputs = BagInputs(options.bag, (options.topic,), duration_s=seconds)
    return Specification(
        name='bench',
        path=Path('experiment.yaml'),
        mode=mode,
        inputs=inputs,
        original=arms[0],
        compiled=tuple(arms[1:]),
        outputs=(Output('/smoothed', options.topic),),
        rtf=rtf,
    )


def run(bench: Bench, specification: Specification) -> tuple[Path, list[ArmRun]]:
    """Run all arms beside each other once."""
    folder = bench.folder / uuid.uuid4().hex
    (folder / 'logs').mkdir(parents=True)
    places = [Place(arm, arm.name) for arm in specification.arms]
    return folder, run_on_graph(specification, places, folder, Quiet(), environment={})


def outputs_of(bag: Path) -> str:
    """Return a hash of all that an arm has answered, and when."""
    digest = hashlib.sha256()
    with Dataset.load(bag) as dataset:
        for message in dataset.iterate_serialized():
            digest.update(repr((message.key, message.log_time_ns)).encode() + message.cdr)
    return digest.hexdigest()


def lockstep(bench: Bench) -> bool:
    """Run the pair in lockstep many times; print a row per way of running it."""
    options = bench.options
    specification = specification_of(options, Mode.LOCKSTEP)
    is_good = True
    for is_busy in (False, True) if options.busy else (False,):
        load = _load() if is_busy else None
        before = busy_share()
        rates, hashes, whole, latencies = [], set(), 0, []
        try:
            for _ in range(options.runs):
                folder, runs = run(bench, specification)
                whole += all(
                    not each.problem and each.received == {'/smoothed': each.sent[options.topic]}
                    for each in runs
                )
                hashes.add(tuple(outputs_of(folder / each.place.label) for each in runs))
                rates.append(runs[0].sent[options.topic] / max(each.cost.wall_s for each in runs))
                latencies += [statistics.median(each.cost.latencies_s) for each in runs]
                shutil.rmtree(folder)
        finally:
            if load is not None:
                load.kill()
                load.wait()
        bench.row(
            work='lockstep, pair of ROS processes',
            **{
                'other core': 'busy' if is_busy else 'idle',
                'runs': options.runs,
                'complete': whole,
                'different': len(hashes) - 1,
                'inputs/s, median': statistics.median(rates),
                'inputs/s, most': max(rates),
                'latency, median us': statistics.median(latencies) * 1e6,
                'busy before, %': round(before),
            },
        )
        is_good &= whole == options.runs and len(hashes) == 1
    return is_good


def _load() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, '-S', '-c', 'while True: pass'])


def realtime(bench: Bench) -> bool:
    """Play at several factors; print a row each."""
    is_good = True
    for rtf in (1.0, 2.0, 10.0):
        specification = specification_of(
            bench.options, Mode.REALTIME, rtf, min(10.0 * rtf, bench.options.seconds)
        )
        before = busy_share()
        _, runs = run(bench, specification)
        off = max(abs(each.achieved_rtf / rtf - 1.0) for each in runs)
        bench.row(
            work='realtime, pair of ROS processes',
            rtf=rtf,
            achieved=f'{runs[0].achieved_rtf:.4f}',
            **{
                'off by, %': f'{100.0 * off:.3f}',
                'answered': ', '.join(
                    f'{each.received["/smoothed"]} of {sum(each.sent.values())}' for each in runs
                ),
                'latency p99, us': max(
                    statistics.quantiles(each.cost.latencies_s, n=100)[-1] for each in runs
                )
                * 1e6,
                'busy before, %': round(before),
            },
        )
        is_good &= off < 0.005
    return is_good


def kills(bench: Bench) -> bool:
    """Kill something at a random moment, many times; print a row per victim."""
    options, chance = bench.options, random.Random(bench.options.seed)
    path = bench.folder / 'experiment.yaml'
    path.write_text(TEXT.format(bag=options.bag.resolve(), topic=options.topic, **ARMS))
    is_good = True
    for victim in ('runner', 'arm', 'lk ab'):
        told = {'orphans': 0, 'wrong verdicts': 0, 'unreadable bags': 0, 'hit': 0}
        for _ in range(options.kills):
            _kill_once(bench, path, victim, chance, told)
        bench.row(work='kill -9', victim=victim, times=options.kills, **told)
        is_good &= not (told['orphans'] or told['wrong verdicts'] or told['unreadable bags'])
    return is_good


def _kill_once(
    bench: Bench, path: Path, victim: str, chance: random.Random, told: dict[str, int]
) -> None:
    mark, folder = uuid.uuid4().hex, bench.folder / uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, '-m', 'lk_dataset_ros.cli', 'ab', str(path), '--output', str(folder)],
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    deadline_s = time.monotonic() + 60.0
    found: list[int] = []
    while not found and process.poll() is None and time.monotonic() < deadline_s:
        found = _marked(mark, victim) if victim != 'lk ab' else [process.pid]
    time.sleep(chance.uniform(0.0, 3.0))
    found = [process.pid] if victim == 'lk ab' else _marked(mark, victim)
    is_hit = bool(found) and process.poll() is None
    if is_hit:
        told['hit'] += 1
        os.kill(chance.choice(found), signal.SIGKILL)
    process.wait(120.0)
    deadline_s = time.monotonic() + 15.0
    while _marked(mark) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    told['orphans'] += len(_marked(mark))
    told['wrong verdicts'] += not _is_right(folder / 'comparison.json')
    for bag in (folder / name for name in ARMS):
        told['unreadable bags'] += bag.exists() and not _is_readable(bag)
    shutil.rmtree(folder, ignore_errors=True)


def _is_right(result: Path) -> bool:
    """Tell whether a verdict is right, or there is none: the pair is equivalent."""
    if not result.exists():
        return True
    verdict = json.loads(result.read_text())['verdict']
    return verdict in ('equivalent', 'inconclusive', 'error')


def _is_readable(bag: Path) -> bool:
    if not any(bag.glob('*.mcap')):
        return True
    try:
        with Dataset.load(bag) as dataset:
            for _ in dataset.iterate_serialized():
                pass
    except LkError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _marked(mark: str, victim: str = '') -> list[int]:
    """Return the processes that were started under a mark; of them the runner, or the arms."""
    wanted = {'runner': b'/arm_runner', 'arm': b'/component'}.get(victim, b'')
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if f'{MARK}={mark}'.encode() not in (folder / 'environ').read_bytes():
                continue
            words = (folder / 'cmdline').read_bytes().split(b'\0')
        except OSError:
            continue
        if not wanted or (
            any(each.endswith(wanted) for each in words)
            and not any(each.endswith(b'_guard.py') for each in words)
        ):
            found.append(int(folder.name))
    return found


ROWS = {'lockstep': lockstep, 'realtime': realtime, 'kills': kills}


def main() -> int:
    """Run the rows that are asked for."""
    parser = options_of(__doc__)
    parser.add_argument('--rows', default='lockstep,realtime')
    parser.add_argument('--bag', type=Path, default=REAL_BAG)
    parser.add_argument('--topic', default='/odom')
    parser.add_argument('--runs', type=int, default=50, help='in lockstep')
    parser.add_argument('--busy', action='store_true', help='again with one core kept busy')
    parser.add_argument('--seconds', type=float, default=90.0, help='most that is played')
    parser.add_argument('--kills', type=int, default=17, help='of each victim')
    parser.add_argument('--seed', type=int, default=1, help='of the moments')
    options = parser.parse_args()
    with bench(options) as found:
        good = [ROWS[name](found) for name in options.rows.split(',')]
    return 0 if all(good) else 1


if __name__ == '__main__':
    sys.exit(main())
