"""The demo: record a robot, run the original against two compiled ones, show the verdicts.

make demo
make demo BAG=path/to/bag TOPIC=/odom
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from lk_dataset_ros import Dataset, LkError
from lk_dataset_ros.experiment.environment import child_environment, own_domain, own_executable
from lk_dataset_ros.process import GuardedProcess

ODOMETRY = 'nav_msgs/msg/Odometry'
SPECIFICATION = Path(__file__).with_name('experiment.yaml')
#: How long the robot may take to drive its course and the recorder to finish, s.
LIMIT_S = 60.0


class DemoFailedError(LkError, RuntimeError):
    """Raise when the demo does not show what it is there to show."""


def record(directory: Path) -> Path:
    """Let the simulated robot drive, and record its odometry."""
    bag, logs = directory / 'bag', directory / 'logs'
    logs.mkdir()
    robot_command = [*own_executable('component'), '--ros-args']
    robot_command += ['-p', 'component:=odometry_smoother.robot:DrivingRobot']
    robot_command += ['-p', 'wait_for_subscribers:=1', '-r', '__node:=robot']
    recorder_command = [*own_executable('recorder'), '--ros-args', '-p', f'bag:={bag}']
    recorder_command += ['-p', "topics:=['/odom']"]
    with own_domain() as domain:
        env = child_environment(domain, logs)
        with (
            GuardedProcess(recorder_command, env=env, log=logs / 'recorder.log') as recorder,
            GuardedProcess(robot_command, env=env, log=logs / 'robot.log') as robot,
        ):
            for process, what, code in (
                (robot, 'the robot', robot.wait(LIMIT_S)),
                (recorder, 'the recorder', recorder.end(LIMIT_S)),
            ):
                if code != 0:
                    tail = ' | '.join(process.log_tail(3))
                    raise DemoFailedError(f'{what} ended with exit code {code}: {tail}')
    return bag


def find_topic(bag: Path, topic: str | None) -> str:
    """Return the odometry topic to use, and check that it is one."""
    with Dataset.load(bag) as dataset:
        odometries = [
            each.name for each in dataset.topics().values() if each.schema.name == ODOMETRY
        ]
        if topic is not None:
            found = dataset.topic(topic).schema.name
            if found != ODOMETRY:
                raise DemoFailedError(f'{topic} is {found}; the demo smooths {ODOMETRY}')
            return topic
    if len(odometries) != 1:
        raise DemoFailedError(
            f'{bag} has {len(odometries)} topics of {ODOMETRY}; name one: make demo BAG=... TOPIC=...'
        )
    return odometries[0]


def write_specification(directory: Path, bag: Path, topic: str) -> Path:
    """Write the example's specification for this bag and topic."""
    content: dict[str, Any] = yaml.safe_load(SPECIFICATION.read_text())
    content['inputs'] = {'bag': str(bag.resolve()), 'topics': [topic]}
    for arm in (content['original'], *content['compiled'].values()):
        arm['remappings'] = {'odom': topic}
    path = directory / 'experiment.yaml'
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def show(directory: Path) -> None:
    """Say what the run has shown.

    Raises:
        DemoFailedError: If it is not what it should show.
    """
    result = json.loads((directory / 'ab' / 'comparison.json').read_text())
    right, wrong = result['compiled']['cpp'], result['compiled']['cpp_wrong']
    print(f'\nThe C++ port:           {right["verdict"]}')
    print(f'The one without clamp:  {wrong["verdict"]}', end='')
    first = (wrong['comparison'] or {}).get('first_divergence')
    if first is not None:
        seconds, nanoseconds = divmod(first['stamp_ns'], 1_000_000_000)
        print(f', first at stamp {seconds}.{nanoseconds:09d}: {first["key"]} {first["field"]}')
    print(f'\nThe report:             {directory / "ab" / "report.html"}')
    if right['verdict'] != 'equivalent':
        raise DemoFailedError('the C++ port should have been equivalent')
    if wrong['verdict'] != 'differs':
        raise DemoFailedError(
            'the one without clamp should differ; does the robot in this recording ever accelerate '
            'beyond the limit?'
        )


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--bag', type=Path, help='a recording of your own')
    parser.add_argument('--topic', help='its odometry topic')
    arguments = parser.parse_args()
    directory = Path('runs') / 'demo' / time.strftime('%Y%m%d-%H%M%S')
    try:
        bag = arguments.bag
        if bag is not None:
            topic = find_topic(bag, arguments.topic)
        directory.mkdir(parents=True)
        if bag is None:
            print('A small robot drives around; its odometry is recorded ...', flush=True)
            bag = record(directory)
            topic = find_topic(bag, arguments.topic)
            print(f'Recorded: {bag}')
        specification = write_specification(directory, bag, topic)
        command = ['lk', 'ab', str(specification), '--output', str(directory / 'ab')]
        print(f'\n$ {" ".join(command)}', flush=True)
        started = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        if code not in (0, 1):
            raise DemoFailedError(f'lk ab ended with exit code {code}')
        print(f'\n(lk ab took {time.monotonic() - started:.1f} s and exits {code})')
        show(directory)
    except LkError as error:
        print(f'demo: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
