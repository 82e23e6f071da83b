"""Measure verdicts on an original whose output is noisy: A/A/B through whole experiments.

    make bench B=noise ARGS='--runs 100'

Each experiment runs original and compiled as `lk ab` does, offline, 2,000 messages each, the
original `--repeats` times. The noise is new in every process. Rows: how often an equally noisy
compiled arm is `equivalent`, and how often one with a bias of half the noise's standard deviation
`differs`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.experiment import ArmRun, Specification, run_experiment

COMPONENT = '''
import random
from dataclasses import dataclass
from lk_dataset_ros import Component, Input, Output, option


class Noisy(Component):
    """Adds noise to a point, and a bias."""

    @dataclass(kw_only=True)
    class Config(Component.Config):
        sigma: float = option(0.01, 'standard deviation of the noise, m', minimum=0.0)
        bias: float = option(0.0, 'what is added, in standard deviations')

    point = Input('geometry_msgs/msg/PointStamped')
    moved = Output('geometry_msgs/msg/PointStamped')

    def step(self, point):
        out = self.new('moved')
        out.header = point.header
        for axis in 'xyz':
            error = random.gauss(self.config.bias if axis == 'x' else 0.0, 1.0)
            setattr(out.point, axis, getattr(point.point, axis) + self.config.sigma * error)
        return {'moved': out}
'''
EXPERIMENT = """
version: 1
name: noise
mode: offline
repeats: {repeats}
inputs: {{bag: points.mcap, topics: [/point]}}
original: {{component: 'noisy:Noisy'}}
compiled:
  noisy: {{component: 'noisy:Noisy', parameters: {{bias: {bias}}}}}
outputs: [{{topic: /moved}}]
"""


class Silent:
    """Watches a run and says nothing."""

    def arm_starts(self, label: str) -> None:
        """Do nothing."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Do nothing."""

    def arm_ends(self, run: ArmRun) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""


def write_points(path: Path, count: int) -> None:
    """Write a bag of points that move."""
    with Dataset.create('mcap', path) as dataset:
        for index in range(count):
            message = new_message('geometry_msgs/msg/PointStamped')
            time_ns = 1_700_000_000_000_000_000 + index * 10_000_000
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, 10**9)
            message.point.x = 0.01 * index
            dataset.write('/point', message, timestamp_ns=time_ns)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--runs', type=int, default=100, help='experiments of each kind')
    parser.add_argument('--messages', type=int, default=2000)
    parser.add_argument('--repeats', type=int, default=3, help='runs of the original')
    parser.add_argument('--jobs', type=int, default=2, help='experiments at once')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(name)
        write_points(folder / 'points.mcap', options.messages)
        (folder / 'noisy.py').write_text(COMPONENT)
        for bias, wanted in ((0.0, 'equivalent'), (0.5, 'differs')):
            path = folder / f'bias_{bias}.yaml'
            path.write_text(EXPERIMENT.format(repeats=options.repeats, bias=bias))
            specification = Specification.load(path)
            verdicts = Counter(
                pool.map(
                    lambda run, spec=specification: (  # type: ignore[misc]
                        run_experiment(
                            spec,
                            Silent(),
                            output=folder / f'{spec.path.stem}_{run}',
                            falsify=False,
                        ).verdict.value
                    ),
                    range(options.runs),
                )
            )
            print(f'bias {bias:g} sigma: {verdicts[wanted]} of {options.runs} {wanted}', end='')
            print(f'  {dict(verdicts)}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
