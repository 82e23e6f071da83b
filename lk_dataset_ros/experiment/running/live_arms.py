"""How the arms of a live run are started: the shadowed ones cannot reach the actuators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.experiment.running.commands import command_of
from lk_dataset_ros.experiment.specification.parts import ROS_ARGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place
    from lk_dataset_ros.experiment.specification import Arm, Specification

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


def shadowed_command(place: Place, logs: Path, rules: Sequence[tuple[str, str]]) -> list[str]:
    """Return the command line of an arm whose names are those of some rules.

    Args:
        place: The arm.
        logs: Folder for its parameters.
        rules: Names and what they become.

    Raises:
        ArmError: If the rules cannot be given to its command.
        SpecificationError: If its executable is not there.
    """
    arm = place.arm
    is_shadow = any(name == '__ns' for name, _ in rules)
    if arm.command and is_shadow and ROS_ARGS not in arm.command:
        raise ArmError(f'its outputs cannot be renamed: its command has no {ROS_ARGS}')
    return command_of(place, logs, rules)


def live_environment(logs: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of processes that take part in the caller's graph."""
    return {
        **os.environ,
        **more,
        'ROS_LOG_DIR': str(logs / 'ros'),
        'RCUTILS_COLORIZED_OUTPUT': '0',
        'PYTHONUNBUFFERED': '1',
    }
