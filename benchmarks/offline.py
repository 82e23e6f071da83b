"""Measure arms without ROS: inputs per second through both of the example, and where time goes.

    python benchmarks/offline.py                     a drive of the benchmark's own
    python benchmarks/offline.py BAG TOPIC           a recording of odometry

The recording is repeated until it is long enough to be measured. Rates are of everything: reading,
decoding, the step, encoding, writing, hashing; without the start of the processes, which is listed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.component import extend_python_path, load_component
from lk_dataset_ros.dataset import Dataset, McapDatabase
from lk_dataset_ros.experiment.running.arm_run import ArmRun, Place
from lk_dataset_ros.experiment.running.jobs import OfflineJob
from lk_dataset_ros.experiment.running.offline import run_offline
from lk_dataset_ros.experiment.running.offline_arm import OfflineArm
from lk_dataset_ros.experiment.running.offline_inputs import OfflineInputs
from lk_dataset_ros.experiment.running.offline_outputs import OutputWriter
from lk_dataset_ros.experiment.specification.parts import (
    Arm,
    BagInputs,
    Mode,
    Output,
    Specification,
)
from lk_dataset_ros.message import builtin_schema, codec_for, new_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TYPE = 'nav_msgs/msg/Odometry'
ARMS = {
    'original': 'odometry_smoother.original:OdometrySmoother',
    'cpp': 'odometry_smoother.compiled:OdometrySmootherCpp',
}
PYTHON = Path(__file__).resolve().parent.parent / 'examples' / 'odometry_smoother' / 'python'
#: Messages of the drive that is made where no recording is given.
DRIVE = 2639


class Quiet:
    """Watches and says nothing."""

    def arm_starts(self, label: str) -> None:
        """Learn nothing."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Learn nothing."""

    def arm_ends(self, run: ArmRun) -> None:
        """Learn nothing."""

    def warn(self, text: str) -> None:
        """Say it."""
        print(text, file=sys.stderr)


def drive() -> Iterator[tuple[int, bytes]]:
    """Make a drive: log time, ns, and serialized odometry."""
    codec, rng = codec_for(builtin_schema(TYPE)), np.random.default_rng(1)
    message = new_message(TYPE)
    message.header.frame_id, message.child_frame_id = 'odom', 'base_footprint'
    for index in range(DRIVE):
        time_ns = 1_700_000_000_000_000_000 + index * 50_000_000
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, 10**9)
        message.twist.twist.linear.x, message.twist.twist.angular.z = rng.normal(size=2)
        yield time_ns, codec.encode(message)


def repeat(bag: Path | None, topic: str, path: Path, times: int) -> int:
    """Write a recording several times over, one behind the other; return its messages."""
    if bag is None:
        messages = list(drive())
    else:
        with Dataset.load(bag) as dataset:
            found = dataset.iterate_serialized([topic])
            messages = [(each.log_time_ns, each.cdr) for each in found]
    period_ns = messages[-1][0] - messages[0][0] + 100_000_000
    with McapDatabase(path, 'w') as database:
        database.declare(topic, builtin_schema(TYPE))
        for number in range(times):
            for time_ns, cdr in messages:
                database.write_serialized(topic, cdr, time_ns + number * period_ns)
    return times * len(messages)


def cost_us(do: Callable[[], object], count: int) -> float:
    """Return the processor time of something per message, the least of five, microseconds."""
    taken = []
    for _ in range(5):
        begin_s = time.process_time()
        do()
        taken.append(time.process_time() - begin_s)
    return min(taken) / count * 1e6


def parts(bag: Path, topic: str, folder: Path) -> dict[str, float]:
    """Measure each part of a run by itself, microseconds per message."""
    inputs = OfflineInputs(bag, (topic,))
    window = next(inputs.windows())
    cdrs = [cdr for _, _, cdr in window]
    decode = codec_for(inputs.topics[topic].schema).decode
    messages = [decode(cdr) for cdr in cdrs]
    count = len(cdrs)
    found = {
        'read': cost_us(lambda: sum(map(len, inputs.windows())), inputs.total),
        'hash': cost_us(lambda: hash_all(cdrs), count),
        'decode': cost_us(lambda: deque(map(decode, cdrs), 0), count),
    }
    given: list[Any] = []
    for name, path in ARMS.items():
        component = load_component(path)()
        found[f'step {name}'] = cost_us(
            lambda: deque((component(odom=m) for m in messages), 0),  # noqa: B023
            count,
        )
        given = [component(odom=message)['smoothed'] for message in messages]
    with McapDatabase(folder / 'parts', 'w') as database:
        schema = builtin_schema('geometry_msgs/msg/TwistStamped')
        writer = OutputWriter(database, 'smoothed', '/smoothed', schema)

        def write() -> None:
            for (place, time_ns, _), message in zip(window, given, strict=True):
                writer.put(message, time_ns, place)
            writer.flush(0)

        found['encode, write'] = cost_us(write, count)
    return found


def whole(bag: Path, topic: str, folder: Path, name: str) -> float:
    """Run an arm in this process; return its processor time, microseconds per message."""
    job = OfflineJob(
        Arm(name, component=ARMS[name], remappings={'odom': topic}),
        BagInputs(bag, (topic,)),
        (Output('/smoothed', topic),),
        0.0,
        folder / f'whole_{name}',
        folder / f'{name}.npy',
    )
    begin_s = time.process_time()
    inputs = OfflineInputs(bag, (topic,))
    arm = OfflineArm(job, load_component(ARMS[name])(), inputs, lambda *_, **__: None)
    problem = arm.run()
    if problem:
        raise SystemExit(f'{name}: {problem}')
    return (time.process_time() - begin_s) / inputs.total * 1e6


def hash_all(cdrs: list[bytes]) -> str:
    """Hash messages as a run does it."""
    found = hashlib.sha256()
    for cdr in cdrs:
        found.update(len(cdr).to_bytes(8, 'little'))
        found.update(cdr)
    return found.hexdigest()


def run(bag: Path, topic: str, folder: Path) -> list[ArmRun]:
    """Run both arms, one after the other."""
    (folder / 'logs').mkdir(parents=True)
    remappings = {'odom': topic}
    original, cpp = (
        Arm(name, component=path, python_path=(str(PYTHON),), remappings=remappings)
        for name, path in ARMS.items()
    )
    specification = Specification(
        'offline',
        folder,
        Mode.OFFLINE,
        BagInputs(bag, (topic,)),
        original,
        (cpp,),
        (Output('/smoothed', topic),),
    )
    places = [Place(each, each.name) for each in specification.arms]
    return run_offline(specification, places, folder, Quiet(), environment={})


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('bag', type=Path, nargs='?')
    parser.add_argument('topic', nargs='?', default='/odom')
    parser.add_argument('--times', type=int, default=40, help='how often it is repeated')
    arguments = parser.parse_args()
    extend_python_path([str(PYTHON)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = repeat(arguments.bag, arguments.topic, folder / 'in', arguments.times)
        print(f'recording:     {count} messages, load {os.getloadavg()[0]:.1f}')
        runs = run(folder / 'in', arguments.topic, folder / 'run')
        for each in runs:
            if each.problem or each.received != {'/smoothed': count}:
                print(f'{each.place.label}: {each.problem or each.received}')
                return 1
            cost = each.cost
            p50, p99 = np.percentile(cost.latencies_s, [50, 99]) * 1e6
            print(
                f'{each.place.label + ":":14s} {count / cost.wall_s:.0f} inputs/s; decode, step, '
                f'encode {cost.cpu_s / count * 1e6:.1f} us of processor time; step p50 '
                f'{p50:.1f} us, p99 {p99:.1f} us; start-up {cost.start_up_s:.2f} s, '
                f'peak {cost.peak_bytes / 2**20:.0f} MiB'
            )
        both = count / sum(each.cost.wall_s for each in runs)
        print(f'both, in turn: {both:.0f} inputs/s')
        found = parts(folder / 'in', arguments.topic, folder)
        all_of = {name: whole(folder / 'in', arguments.topic, folder, name) for name in ARMS}
    print('parts, us of processor time per message:')
    for part, took in found.items():
        print(f'    {part + ":":16s} {took:.2f}')
    print('whole runs, us of processor time per message, without the start of the process:')
    for name, took in all_of.items():
        print(f'    {name + ":":16s} {took:.2f}, which is {1e6 / took:.0f} inputs/s')
    took = sum(all_of.values())
    print(f'    both, in turn:   {took:.2f}, which is {1e6 / took:.0f} inputs/s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
