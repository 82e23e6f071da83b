"""Measure the search for the shortest input: how many slices are run, how long it takes.

    python benchmarks/falsifying.py                     a drive of the benchmark's own
    python benchmarks/falsifying.py BAG TOPIC           a recording of odometry

First the search alone, on oracles of many sizes; then the example's wrong arm (its acceleration
limit was dropped) from the whole recording to the shortest slice that shows it, without ROS.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.experiment import load_specification, run_experiment
from lk_dataset_ros.experiment.falsifying.bisection import shortest_slice
from lk_dataset_ros.experiment.falsifying.probing import Nobody
from lk_dataset_ros.message import new_message

PYTHON = Path(__file__).resolve().parent.parent / 'examples' / 'odometry_smoother' / 'python'
#: Messages of the drive that is made where no recording is given.
DRIVE = 2639


def search(count: int, length: int, seed: int) -> int:
    """Return how many slices of `count` inputs are run to find one of `length`."""
    start = int(np.random.default_rng(seed).integers(0, count - length + 1))
    stop = start + length
    found = shortest_slice(lambda a, b: a <= start and stop <= b, count, stop - 1)
    assert found is not None
    assert (found.start, found.stop) == (start, stop)
    return found.calls


def write_drive(path: Path) -> None:
    """Write a drive that accelerates too much once, after three quarters of it."""
    noise = np.random.default_rng(1)
    with Dataset.create('mcap', path) as bag:
        for number in range(DRIVE):
            time_ns = 1_700_000_000_000_000_000 + number * 50_000_000
            odom = new_message('nav_msgs/msg/Odometry')
            odom.header.stamp.sec, odom.header.stamp.nanosec = divmod(time_ns, 10**9)
            odom.twist.twist.linear.x = 1e-3 * noise.normal() + (number >= DRIVE * 3 // 4)
            bag.write('/odom', odom, timestamp_ns=time_ns)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('bag', nargs='?', type=Path)
    parser.add_argument('topic', nargs='?', default='/odom')
    arguments = parser.parse_args()
    for count in (1_000, 100_000, 10_000_000):
        for length in (1, 30, 900):
            calls = [search(count, length, seed) for seed in range(50)]
            print(f'{count:>9} inputs, {length:>3} needed: {np.mean(calls):.1f} slices run')
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if arguments.bag is None:
            write_drive(work / 'bag')
        arm = {'python_path': [str(PYTHON)], 'remappings': {'odom': arguments.topic}}
        example = 'odometry_smoother.compiled:OdometrySmootherCppWrong'
        content = {
            'version': 1,
            'mode': 'offline',
            'inputs': {
                'bag': str((arguments.bag or work / 'bag').resolve()),
                'topics': [arguments.topic],
            },
            'original': {'component': 'odometry_smoother.original:OdometrySmoother', **arm},
            'compiled': {'wrong': {'component': example, **arm}},
            'outputs': [{'topic': '/smoothed'}],
            'tolerance': {'rtol': 1e-12, 'atol': 0.0},
        }
        (work / 'experiment.yaml').write_text(yaml.safe_dump(content))
        specification = load_specification(work / 'experiment.yaml')
        times = []
        for falsify in (False, True):
            began_s = time.monotonic()
            result = run_experiment(
                specification, Nobody(), output=work / f'run_{falsify}', falsify=falsify
            )
            times.append(time.monotonic() - began_s)
        found = result.falsifying['wrong']
        print(
            f'\n{sum(result.inputs.counts.values())} inputs cut to {found.inputs} '
            f'({found.duration_s:.3g} s of recording), '
            f'{"minimal" if found.is_minimal else "perhaps not minimal"}, by {found.runs} slices '
            f'in {times[1] - times[0]:.1f} s'
        )


if __name__ == '__main__':
    main()
