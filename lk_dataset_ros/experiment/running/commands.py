"""How an arm is started as ROS processes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.environment import find_executable, own_executable
from lk_dataset_ros.experiment.specification.parts import ROS_ARGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place
    from lk_dataset_ros.experiment.specification.parts import Arm


def command_of(
    place: Place,
    logs: Path,
    rules: Iterable[tuple[str, str]] | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return the command line of an arm; its parameters are written to a file.

    Args:
        place: The arm.
        logs: Where the file goes.
        rules: Names and what they become; the arm's remappings when left out.
        parameters: Parameters besides those of the arm, which count before them.

    Raises:
        SpecificationError: If there is no such executable.
        EnvironmentNotReadyError: If no ROS 2 with this package is sourced.
    """
    arm = place.arm
    values = {**(parameters or {}), **arm.parameters}
    if arm.component:
        values['component'] = arm.component
        if arm.python_path:
            values['python_path'] = list(arm.python_path)
    arguments = ['--ros-args', '-r', f'__node:={node_name(place.label)}']
    if values:
        arguments += parameter_file(logs / f'{place.label}.parameters.yaml', values)
    for name, to in arm.remappings.items() if rules is None else rules:
        arguments += ['-r', f'{name}:={to}']
    if arm.command:
        return [
            part for each in arm.command for part in (arguments if each == ROS_ARGS else [each])
        ]
    if arm.component:
        return [*own_executable('component'), *arguments]
    return [executable_of(arm), *arguments]


def executable_of(arm: Arm) -> str:
    """Return the path of an arm's executable.

    Raises:
        SpecificationError: If its package has none of that name.
    """
    executable = find_executable(arm.package, arm.executable)
    if executable is None:
        raise SpecificationError(
            f'arm {arm.name}: package {arm.package} has no executable {arm.executable} in the '
            'sourced workspaces (AMENT_PREFIX_PATH)'
        )
    return executable


def parameter_file(path: Path, parameters: Mapping[str, Any]) -> list[str]:
    """Write parameters, free of the quoting of a command line; return the arguments."""
    path.write_text(yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}}))
    return ['--params-file', str(path.resolve())]


def node_name(label: str) -> str:
    """Return the name of an arm's node."""
    name = re.sub(r'\W', '_', label, flags=re.ASCII)
    return f'arm_{name}' if not name or name[0].isdigit() else name
