"""Check everything that can be checked before the first process of a run is started."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import EnvironmentNotReadyError, SpecificationError
from lk_dataset_ros.experiment.checking.description import Question, answers
from lk_dataset_ros.experiment.environment import own_executable
from lk_dataset_ros.experiment.running.commands import executable_of
from lk_dataset_ros.experiment.specification import BagInputs, Mode, WorldInputs
from lk_dataset_ros.interfaces import (
    Installed,
    State,
    built_overlays,
    needs_of,
    newest,
    variables_with,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.dataset import Topic
    from lk_dataset_ros.experiment.specification import Arm, Specification


@dataclass(frozen=True, slots=True)
class Inputs:
    """What will be fed to the arms.

    Attributes:
        types: Message type of each topic, where it is known before.
        counts: Number of messages of each topic of a bag.
        warnings: What is wrong with the bag although it can be read.
        environment: Variables that let processes find types that were built from bags.
        world: What a simulated world is: model, versions, hash.
    """

    types: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    world: dict[str, str] = field(default_factory=dict)


def check(specification: Specification) -> Inputs:
    """Check inputs and arms.

    Raises:
        BagNotFoundError: If there is no bag.
        BagFormatError: If it cannot be read.
        KeyNotFoundError: If it lacks a topic.
        ComponentNotFoundError: If a component or a world does not import.
        SpecificationError: If an arm does not fit the inputs and outputs.
        EnvironmentNotReadyError: If no ROS 2 is sourced where one is needed.
    """
    is_on_graph = specification.mode != Mode.OFFLINE
    inputs = Inputs()
    topics: list[Topic] = []
    if isinstance(specification.inputs, BagInputs):
        topics = _check_bag(specification.inputs, inputs)
    elif isinstance(specification.inputs, WorldInputs):
        _check_world(specification.inputs, inputs)
    if is_on_graph:
        for name in ('component', 'arm_runner', 'live_runner'):
            own_executable(name)
        if isinstance(specification.inputs, BagInputs):
            inputs.environment.update(_types_environment(specification.inputs.bag, topics))
    _check_arms(specification, inputs)
    return inputs


def _check_bag(bag: BagInputs, inputs: Inputs) -> list[Topic]:
    with Dataset.load(bag.bag) as dataset:
        topics = [dataset.topic(topic) for topic in bag.topics]
        for topic in topics:
            if not topic.count:
                raise SpecificationError(f'{bag.bag} has no message of {topic.name}')
        inputs.types.update({topic.name: topic.schema.name for topic in topics})
        inputs.counts.update({topic.name: topic.count for topic in topics})
        inputs.warnings.extend(dataset.warnings)
        return topics


def _types_environment(bag: Path, topics: list[Topic]) -> dict[str, str]:
    """Find the types of topics, among those that were built from bags too.

    Whatever else was built is there as well: an arm may publish it.
    """
    installed = Installed()
    needs = needs_of([(topic.name, topic.schema) for topic in topics], installed=installed)
    for need in needs.types.values():
        if need.topics and not need.is_usable:
            remedy = f'; lk types {bag} --build builds it' if need.state == State.MISSING else ''
            raise EnvironmentNotReadyError(
                f'{need.topics[0]} cannot be played: {need.reason}{remedy}'
            )
    chosen = newest([*needs.overlays, *built_overlays(installed)], installed)
    return variables_with(chosen, os.environ) if chosen else {}


def _check_world(world: WorldInputs, inputs: Inputs) -> None:
    if world.is_external:
        return
    request = {
        'world': world.world,
        'parameters': dict(world.parameters),
        'python_path': list(world.python_path),
    }
    module = 'lk_dataset_ros.experiment.checking.describe_world'
    (found,) = answers([Question(module, 'inputs.world', world.world, request)], {})
    sensors = found['sensors']
    for topic in world.topics:
        if topic not in sensors:
            raise SpecificationError(
                f'world {world.world} has no sensor {topic}; it has {", ".join(sensors)}'
            )
    inputs.types.update({topic: sensors[topic] for topic in world.topics})
    inputs.world.update(found['description'])


def _check_arms(specification: Specification, inputs: Inputs) -> None:
    hosted = [arm for arm in specification.arms if arm.component]
    descriptions = _describe(hosted, inputs.environment)
    for arm, description in zip(hosted, descriptions, strict=True):
        _check_component(specification, arm, description, inputs)
    for arm in specification.arms:
        if arm.package:
            executable_of(arm)


def _describe(arms: Sequence[Arm], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    module = 'lk_dataset_ros.component.describe'
    return answers(
        [
            Question(
                module,
                f'arm {arm.name}',
                arm.component,
                {
                    'component': arm.component,
                    'parameters': dict(arm.parameters),
                    'python_path': list(arm.python_path),
                },
            )
            for arm in arms
        ],
        environment,
    )


def _check_component(
    specification: Specification, arm: Arm, description: Mapping[str, Any], inputs: Inputs
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
    topics = specification.inputs.topics
    if not takes.keys() & set(topics):
        raise SpecificationError(
            f'arm {arm.name}: no input of {arm.component} is connected: it takes '
            f'{", ".join(takes) or "nothing"}, played is {", ".join(topics)}; '
            'connect them by remappings (port: /topic)'
        )
    for output in specification.outputs:
        if output.topic not in gives:
            raise SpecificationError(
                f'arm {arm.name}: {arm.component} does not publish {output.topic}; it publishes '
                f'{", ".join(gives) or "nothing"} (remappings: port: /topic)'
            )
