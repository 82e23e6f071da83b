"""Check everything that can be checked before the first process of a run is started."""

from __future__ import annotations

import json
import os
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
from lk_dataset_ros.experiment.environment import find_executable, own_executable
from lk_dataset_ros.interfaces import (
    Installed,
    State,
    built_overlays,
    needs_of,
    newest,
    variables_with,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.dataset import Topic
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
        environment: Variables that let processes find types that were built from bags.
    """

    types: dict[str, str]
    counts: dict[str, int]
    warnings: list[str]
    environment: dict[str, str]


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
    inputs, topics = _check_inputs(specification)
    for name in ('component', 'arm_runner'):
        own_executable(name)
    inputs.environment.update(_types_environment(specification, topics))
    descriptions = _describe(
        [arm for arm in specification.arms if arm.component], inputs.environment
    )
    for arm in specification.arms:
        if arm.component:
            _check_component(specification, arm, descriptions[arm.name], inputs)
        elif find_executable(arm.package, arm.executable) is None:
            raise SpecificationError(
                f'arm {arm.name}: package {arm.package} has no executable {arm.executable} in the '
                'sourced workspaces (AMENT_PREFIX_PATH)'
            )
    return inputs


def _types_environment(specification: Specification, topics: list[Topic]) -> dict[str, str]:
    """Find the types of topics, among those that were built from bags too.

    Whatever else was built is there as well: an arm may publish it.
    """
    installed = Installed()
    needs = needs_of([(topic.name, topic.schema) for topic in topics], installed=installed)
    for need in needs.types.values():
        if need.topics and not need.is_usable:
            remedy = (
                f'; lk types {specification.bag} --build builds it'
                if need.state == State.MISSING
                else ''
            )
            raise EnvironmentNotReadyError(
                f'{need.topics[0]} cannot be played: {need.reason}{remedy}'
            )
    chosen = newest([*needs.overlays, *built_overlays(installed)], installed)
    return variables_with(chosen, os.environ) if chosen else {}


def _check_inputs(specification: Specification) -> tuple[Inputs, list[Topic]]:
    dataset = Dataset.load(specification.bag)
    try:
        topics = [dataset.topic(topic) for topic in specification.topics]
        for topic in topics:
            if not topic.count:
                raise SpecificationError(f'{specification.bag} has no message of {topic.name}')
        inputs = Inputs(
            {topic.name: topic.schema.name for topic in topics},
            {topic.name: topic.count for topic in topics},
            dataset.warnings,
            {},
        )
        return inputs, topics
    finally:
        dataset.close()


def _describe(arms: list[Arm], environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
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
            env={**os.environ, **environment},
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
