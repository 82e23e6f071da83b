"""Drive a robot through a simulated room: is it deterministic, are errors found, how fast is it?

    make build && source env.sh && python benchmarks/worlds.py [--seconds 60] [--seed 1]

The arms are those of examples/diff_drive. `times real time` is with sensors made, commands taken
and the bag written, after start-up.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.experiment.closed_loop import compare_closed_loop
from lk_dataset_ros.experiment.running import ArmRun, Place
from lk_dataset_ros.experiment.running.worlds import run_in_world
from lk_dataset_ros.experiment.specification.parts import (
    Arm,
    Mode,
    Output,
    Specification,
    WorldInputs,
)

EXAMPLE = Path(__file__).resolve().parents[1] / 'examples' / 'diff_drive'
TOPICS = ('/goal_pose', '/odom', '/scan')
ORIGINAL = 'room_navigator.original:Navigator'
COMPILED = 'room_navigator.compiled:NavigatorCpp'


class Silent:
    """Nobody watches."""

    def arm_starts(self, label: str) -> None:
        """Say nothing."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Say nothing."""

    def arm_ends(self, run: ArmRun) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""


def arms() -> list[Arm]:
    """Return the arms that can be run here."""
    path = (str(EXAMPLE / 'python'),)
    found = [
        Arm('original', component=ORIGINAL, python_path=path),
        Arm('again', component=ORIGINAL, python_path=path),
        Arm('gain_off', component=ORIGINAL, parameters={'heading_gain': 2.1}, python_path=path),
    ]
    spec = importlib.util.find_spec('room_navigator')
    if spec is not None and importlib.util.find_spec('room_navigator._navigator') is not None:
        found += [
            Arm('cpp', component=COMPILED),
            Arm('cpp_wrong', component=f'{COMPILED}Wrong'),
        ]
    return found


def messages(run: ArmRun) -> list[tuple[str, int, bytes]]:
    """Return all messages of a bag."""
    with McapDatabase(run.bag) as bag:
        return sorted((each.key, each.log_time_ns, each.cdr) for each in bag.iterate_serialized())


def main() -> int:
    """Run the arms, and say how they compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=60.0)
    parser.add_argument('--seed', type=int, default=1)
    arguments = parser.parse_args()
    chosen = arms()
    inputs = WorldInputs(
        'diff_drive',
        TOPICS,
        seed=arguments.seed,
        duration_s=arguments.seconds,
        parameters={'goals': 1000},
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / 'logs').mkdir()
        specification = Specification(
            'worlds', directory, Mode.OFFLINE, inputs, chosen[0], tuple(chosen[1:]),
            (Output('/cmd_vel', '/scan'),),
        )  # fmt: skip
        places = [Place(arm, arm.name) for arm in chosen]
        runs = run_in_world(specification, places, directory, Silent(), environment={})
        first = messages(runs[0])
        print(f'{"arm":<12}{"times real time":>16}{"p99":>10}{"same bytes":>12}{"off by":>12}')
        for run in runs:
            if run.problem:
                print(f'{run.place.label:<12}{run.problem}')
                continue
            found = compare_closed_loop(runs[0], run)
            latencies = sorted(run.cost.latencies_s.tolist())
            p99_ms = latencies[len(latencies) * 99 // 100] * 1e3
            same = 'yes' if messages(run) == first else 'no'
            print(
                f'{run.place.label:<12}{run.achieved_rtf:>15.0f}x{p99_ms:>7.3f} ms{same:>12}'
                f'{found.ate_max_m:>10.3g} m'
            )
    return 0


if __name__ == '__main__':
    sys.exit(main())
