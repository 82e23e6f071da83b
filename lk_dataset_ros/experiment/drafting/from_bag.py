"""Propose an experiment by looking at a bag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.dataset.inspection.summary import summarize
from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.drafting.draft import Draft, TopicSeen, outputs_for
from lk_dataset_ros.experiment.drafting.naming import (
    UNNAMED_COMPILED,
    UNNAMED_ORIGINAL,
    ArmNamed,
    described,
)
from lk_dataset_ros.experiment.drafting.ports import match_ports, remappings_of
from lk_dataset_ros.experiment.specification import BagInputs, Mode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.specification import Arm

#: What robots are commanded with: more likely an output of a node than an input.
_COMMANDS = (
    *('geometry_msgs/msg/Twist', 'geometry_msgs/msg/TwistStamped', 'geometry_msgs/msg/Accel'),
    *('ackermann_msgs/msg/AckermannDrive', 'ackermann_msgs/msg/AckermannDriveStamped'),
    *('trajectory_msgs/msg/JointTrajectory', 'control_msgs/msg/JointJog'),
)


def draft_from_bag(
    bag: Path, original: Arm | None, compiled: Sequence[Arm], *, name: str
) -> Draft:
    """Propose an experiment whose inputs come from a bag.

    Args:
        bag: The bag.
        original: The original; None if nobody has named it.
        compiled: The compiled arms; a placeholder where there is none.
        name: Names the experiment.

    Raises:
        BagNotFoundError: If there is no bag.
        BagFormatError: If it cannot be read.
        ComponentNotFoundError: If a component does not import.
        SpecificationError: If the bag has nothing for the original.
    """
    seen, duration_s = topics_of(bag)
    arms = described([original or UNNAMED_ORIGINAL, *(compiled or [UNNAMED_COMPILED])])
    notes = placeholder_notes(original, compiled)
    chosen = arms[0]
    if chosen.is_component:
        chosen, inputs, outputs, more = _connect(chosen, seen, bag)
    else:
        inputs, outputs, more = _guess(seen, bag)
    fitted, doubts = fit(arms[1:], inputs, outputs)
    return Draft(
        name=name,
        mode=Mode.LOCKSTEP,
        inputs=BagInputs(bag, tuple(each.name for each in inputs)),
        original=chosen.arm,
        compiled=tuple(each.arm for each in fitted),
        outputs=outputs_for(outputs, inputs, is_component=chosen.is_component),
        seen=tuple(seen),
        duration_s=duration_s,
        notes=(*notes, *more, *doubts),
        options=tuple((each.arm.name, each.options) for each in arms if each.options),
    )


def topics_of(bag: Path) -> tuple[list[TopicSeen], float]:
    """Return the topics of a bag by name, and how long it is, s."""
    with Dataset.load(bag) as dataset:
        summary = summarize(dataset, str(bag))
    seen = [
        TopicSeen(each.name, each.type_name, each.count, each.mean_hz) for each in summary.topics
    ]
    return sorted(seen, key=lambda each: each.name), summary.duration_ns / 1e9


def placeholder_notes(original: Arm | None, compiled: Sequence[Arm]) -> list[str]:
    """Say which arms nobody has named."""
    notes = [] if original is not None else ['name the original: my_package is none']
    if not compiled:
        notes.append('name the compiled arms: my_package is none')
    return notes


def _connect(
    original: ArmNamed, seen: Sequence[TopicSeen], bag: Path
) -> tuple[ArmNamed, list[TopicSeen], list[tuple[str, str]], list[str]]:
    """Connect the ports of a component with the topics of a bag."""
    ports = original.inputs or {}
    usable = [each for each in seen if each.can_be_input]
    found, notes = match_ports(ports, usable)
    if not found:
        wanted = ', '.join(f'{kind} ({port})' for port, kind in ports.items()) or 'nothing'
        there = ', '.join(sorted({each.type_name for each in usable})) or 'nothing'
        raise SpecificationError(
            f'{original.arm.component} takes {wanted}; {bag} has {there}: nothing to feed it with'
        )
    notes += [
        f'port {port} ({kind}) gets nothing: the bag has no topic of that type'
        for port, kind in ports.items()
        if port not in found
    ]
    inputs = sorted(found.values(), key=lambda each: each.name)
    remappings = remappings_of(found)
    outputs = []
    for port, kind in (original.outputs or {}).items():
        topic = f'/{port.lstrip("/")}'
        if topic in [each.name for each in inputs]:
            topic = remappings[port] = f'{topic}_of_arm'
        outputs.append((topic, kind))
    if not outputs:
        raise SpecificationError(
            f'{original.arm.component} has no output port: there is nothing to compare'
        )
    return original.remapped(remappings), inputs, outputs, notes


def _guess(
    seen: Sequence[TopicSeen], bag: Path
) -> tuple[list[TopicSeen], list[tuple[str, str]], list[str]]:
    """Guess what goes in and what comes out: nobody can ask a process before it runs."""
    usable = [each for each in seen if each.can_be_input and not each.is_common]
    if not usable:
        raise SpecificationError(f'{bag} has no topic with messages that could be played')
    outputs = [each for each in usable if each.type_name in _COMMANDS]
    inputs = [each for each in usable if each not in outputs] or outputs
    note = 'inputs and outputs are guesses by their types: take those that the original has'
    if inputs == outputs or not outputs:
        return inputs, [('/output', '')], [note, 'name the output: /output is none']
    return inputs, [(each.name, each.type_name) for each in outputs], [note]


def fit(
    arms: Sequence[ArmNamed], inputs: Sequence[TopicSeen], outputs: Sequence[tuple[str, str]]
) -> tuple[list[ArmNamed], list[str]]:
    """Connect the ports of other components with the inputs and outputs that are chosen."""
    fitted, notes = [], []
    for each in arms:
        if not each.is_component:
            fitted.append(each)
            continue
        taken, doubts = match_ports(each.inputs or {}, inputs)
        wanted = [TopicSeen(name, kind) for name, kind in outputs]
        given, more = match_ports(each.outputs or {}, wanted)
        fitted.append(each.remapped({**remappings_of(taken), **remappings_of(given)}))
        if not taken:
            doubts.append('none of its ports takes one of the inputs')
        doubts += [
            f'none of its ports gives {topic.name} ({topic.type_name})'
            for topic in wanted
            if topic.type_name and topic not in given.values()
        ]
        notes += [f'arm {each.arm.name}: {doubt}' for doubt in (*doubts, *more)]
    return fitted, notes
