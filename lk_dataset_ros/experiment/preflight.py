"""Check everything that can be checked before the first process of a run is started."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import (
    ComponentNotFoundError,
    EnvironmentNotReadyError,
    SpecificationError,
)
from lk_dataset_ros.experiment.environment import find_executable, has_type, own_executable

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.specification import Arm, Specification

#: How long importing a component may take, s.
IMPORT_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What will be played.

    Attributes:
        types: Message type of each topic.
        counts: Number of messages of each topic.
        warnings: What is wrong with the bag although it can be read.
    """

    types: dict[str, str]
    counts: dict[str, int]
    warnings: list[str]


def check(specification: Specification) -> Inputs:
    """Check bag, topics and arms.

    Raises:
        BagNotFoundError: If there is no bag.
        BagFormatError: If it cannot be read.
        KeyNotFoundError: If it lacks a topic.
        ComponentNotFoundError: If a component does not import.
        SpecificationError: If an arm does not fit the inputs and outputs.
        EnvironmentNotReadyError: If no ROS 2 is sourced.
    """
    inputs = _check_inputs(specification)
    for name in ('component', 'arm_runner'):
        own_executable(name)
    for topic, kind in inputs.types.items():
        if not has_type(kind):
            raise EnvironmentNotReadyError(
                f'{topic} cannot be played: its type {kind} is not installed in the sourced ROS 2'
            )
    descriptions = _describe([arm for arm in specification.arms if arm.component])
    for arm in specification.arms:
        if arm.component:
            _check_component(specification, arm, descriptions[arm.name], inputs)
        elif find_executable(arm.package, arm.executable) is None:
            raise SpecificationError(
                f'arm {arm.name}: package {arm.package} has no executable {arm.executable} in the '
                'sourced workspaces (AMENT_PREFIX_PATH)'
            )
    return inputs


def _check_inputs(specification: Specification) -> Inputs:
    dataset = Dataset.load(specification.bag)
    try:
        topics = [dataset.topic(topic) for topic in specification.topics]
        for topic in topics:
            if not topic.count:
                raise SpecificationError(f'{specification.bag} has no message of {topic.name}')
        return Inputs(
            {topic.name: topic.schema.name for topic in topics},
            {topic.name: topic.count for topic in topics},
            dataset.warnings,
        )
    finally:
        dataset.close()


def _describe(arms: list[Arm]) -> dict[str, dict[str, Any]]:
    """Ask each component, in a process of its own, all at the same time."""
    processes = {}
    for arm in arms:
        request = json.dumps(
            {
                'component': arm.component,
                'parameters': dict(arm.parameters),
                'python_path': list(arm.python_path),
            }
        )
        processes[arm.name] = subprocess.Popen(
            [sys.executable, '-m', 'lk_dataset_ros.component.describe', request],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        return {arm.name: _answer(arm, processes[arm.name]) for arm in arms}
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def _answer(arm: Arm, process: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        output, errors = process.communicate(timeout=IMPORT_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise ComponentNotFoundError(
            f'arm {arm.name}: importing {arm.component} takes more than {IMPORT_LIMIT_S:g} s'
        ) from error
    if process.returncode:
        how = f'signal {-process.returncode}' if process.returncode < 0 else 'an error'
        last = errors.strip().splitlines()[-1:] or ['no message']
        raise ComponentNotFoundError(
            f'arm {arm.name}: importing {arm.component} ends with {how}: {last[0]}'
        )
    answer: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    if 'error' in answer:
        raise ComponentNotFoundError(f'arm {arm.name}: {answer["error"]}')
    return answer


def _check_component(
    specification: Specification, arm: Arm, description: dict[str, Any], inputs: Inputs
) -> None:
    takes = {arm.topic_of(port): (port, kind) for port, kind in description['inputs'].items()}
    gives = {arm.topic_of(port): port for port in description['outputs']}
    for topic, kind in inputs.types.items():
        if topic in takes and takes[topic][1] != kind:
            port, wanted = takes[topic]
            raise SpecificationError(
                f'arm {arm.name}: port {port!r} of {arm.component} takes {wanted}, but {topic} is '
                f'{kind}'
            )
    if not takes.keys() & inputs.types.keys():
        raise SpecificationError(
            f'arm {arm.name}: no input of {arm.component} is connected: it takes '
            f'{", ".join(takes) or "nothing"}, played is {", ".join(inputs.types)}; '
            'connect them by remappings (port: /topic)'
        )
    for output in specification.outputs:
        if output.topic not in gives:
            raise SpecificationError(
                f'arm {arm.name}: {arm.component} does not publish {output.topic}; it publishes '
                f'{", ".join(gives) or "nothing"} (remappings: port: /topic)'
            )
