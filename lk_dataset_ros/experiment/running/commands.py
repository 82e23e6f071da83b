"""How an arm is started as ROS processes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.environment import find_executable, own_executable

if TYPE_CHECKING:
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place

#: The element of a command that becomes node name, parameters and remappings.
ROS_ARGS: Final = '{ros_args}'


def command_of(place: Place, logs: Path) -> list[str]:
    """Return the command line of an arm; its parameters are written to a file.

    Args:
        place: The arm.
        logs: Where the file goes.

    Raises:
        SpecificationError: If there is no such executable.
        EnvironmentNotReadyError: If no ROS 2 with this package is sourced.
    """
    arm = place.arm
    arguments = ros_arguments(place, logs)
    if arm.command:
        return [
            part for each in arm.command for part in (arguments if each == ROS_ARGS else [each])
        ]
    if arm.component:
        return [*own_executable('component'), *arguments]
    executable = find_executable(arm.package, arm.executable)
    if executable is None:
        raise SpecificationError(
            f'arm {arm.name}: package {arm.package} has no executable {arm.executable} in the '
            'sourced workspaces (AMENT_PREFIX_PATH)'
        )
    return [executable, *arguments]


def ros_arguments(place: Place, logs: Path) -> list[str]:
    """Return `--ros-args` with node name, parameters and remappings of an arm."""
    arm = place.arm
    parameters: dict[str, Any] = dict(arm.parameters)
    if arm.component:
        parameters['component'] = arm.component
        if arm.python_path:
            parameters['python_path'] = list(arm.python_path)
    arguments = ['--ros-args', '-r', f'__node:={node_name(place.label)}']
    if parameters:
        # In a file they are free of the quoting of a command line.
        path = (logs / f'{place.label}.parameters.yaml').resolve()
        path.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
        arguments += ['--params-file', str(path)]
    for name, topic in arm.remappings.items():
        arguments += ['-r', f'{name}:={topic}']
    return arguments


def node_name(label: str) -> str:
    """Return the name of an arm's node."""
    name = re.sub(r'\W', '_', label, flags=re.ASCII)
    return f'arm_{name}' if not name or name[0].isdigit() else name
