"""How the arms of a live run are started: the shadowed ones cannot reach the actuators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.experiment.environment import find_executable, own_executable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place
    from lk_dataset_ros.experiment.specification import Arm, Specification

#: What becomes node name, parameters and remappings in a command.
ROS_ARGS = '{ros_args}'
#: Absolute names that every component of this package publishes.
_ALWAYS_MOVED = ('/diagnostics',)


def prefix_of(place: Place, specification: Specification) -> str:
    """Return the namespace of a shadowed arm, nothing for the arm in charge.

    The original is in charge; a further run of it beside it is not.
    """
    is_in_charge = place.arm == specification.original and place.label == place.arm.name
    return '' if is_in_charge else f'/{place.label}'


def absolute(name: str) -> str:
    """Return the name of a topic in the root namespace."""
    return name if name.startswith('/') else f'/{name}'


def shadow_rules(
    arm: Arm, prefix: str, inputs: Sequence[str], outputs: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the remappings under which an arm hears the inputs and publishes below a prefix.

    Its nodes are put into the namespace: what they name relatively or privately lies in it by
    itself. What they name absolutely is remapped, where it is known. Of several rules for a name
    the first one counts.

    Args:
        arm: The arm.
        prefix: The namespace, such as `/cpp`.
        inputs: Topics that it hears.
        outputs: Topics that it publishes.
    """

    def target(topic: str) -> str:
        return topic if topic in inputs or topic == '/clock' else prefix + topic

    rules = [('__ns', prefix)]
    for name, given in arm.remappings.items():
        to = target(absolute(given))
        rules.append((name, to))
        if not name.startswith('~'):
            # It holds for nodes that use the name relatively and absolutely, as without shadow.
            rules += [(absolute(name), to), (prefix + absolute(name), to)]
    rules += [(prefix + topic, topic) for topic in inputs]
    rules += [
        (topic, prefix + topic) for topic in (*outputs, *_ALWAYS_MOVED) if topic not in inputs
    ]
    return list(dict.fromkeys(rules))


def command_of(
    place: Place,
    logs: Path,
    rules: Sequence[tuple[str, str]],
    *,
    parameters: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return the command line of an arm.

    Args:
        place: The arm.
        logs: Folder for its parameters.
        rules: Names and what they become.
        parameters: Parameters beside its own.

    Raises:
        ArmError: If its executable is not there, or rules cannot be given to its command.
    """
    arm = place.arm
    values = {**(parameters or {}), **arm.parameters}
    if arm.component:
        values['component'] = arm.component
        if arm.python_path:
            values['python_path'] = list(arm.python_path)
    options = ['--ros-args', '-r', f'__node:={place.label}']
    if values:
        options += parameter_file(logs / f'{place.label}.parameters.yaml', values)
    for name, to in rules:
        options += ['-r', f'{name}:={to}']
    if arm.component:
        return [*own_executable('component'), *options]
    if not arm.command:
        executable = find_executable(arm.package, arm.executable)
        if executable is None:
            raise ArmError(
                f'package {arm.package} has no executable {arm.executable} in the sourced '
                'workspaces'
            )
        return [executable, *options]
    if ROS_ARGS not in arm.command and any(name == '__ns' for name, _ in rules):
        raise ArmError(f'its outputs cannot be renamed: its command has no {ROS_ARGS}')
    command = [part for each in arm.command for part in (options if each == ROS_ARGS else [each])]
    return ['env', '-C', arm.directory, *command] if arm.directory else command


def parameter_file(path: Path, parameters: Mapping[str, Any]) -> list[str]:
    """Write parameters, free of the quoting of a command line; return the arguments."""
    path.write_text(yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}}))
    return ['--params-file', str(path)]


def live_environment(logs: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of processes that take part in the caller's graph."""
    return {
        **os.environ,
        **more,
        'ROS_LOG_DIR': str(logs / 'ros'),
        'RCUTILS_COLORIZED_OUTPUT': '0',
        'PYTHONUNBUFFERED': '1',
    }
