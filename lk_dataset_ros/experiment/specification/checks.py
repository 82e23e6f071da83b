"""What the schema cannot say: parts of a specification that do not go together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.experiment.specification.parts import (
    EXTERNAL,
    ORIGINAL,
    ROS_ARGS,
    Arm,
    BagInputs,
    LiveInputs,
    Mode,
    Specification,
    WorldInputs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.dataset.yaml_lines import Place

    Fault = tuple[Place, str]

#: Fields of an external world, and those of all others.
_EXTERNAL_ONLY = ('processes', 'reset', 'world_file', 'version_command')
_INTERNAL_ONLY = ('parameters', 'python_path')
#: Names of folders that a run makes, beside those of its arms.
_TAKEN = re.compile(r'original(_\d+)?|logs|inputs|falsifying')
_INPUTS = {BagInputs: 'a bag', WorldInputs: 'a world', LiveInputs: 'live topics'}


def faults(specification: Specification, content: dict[str, Any]) -> Iterator[Fault]:
    """Yield place and text of what does not go together.

    Args:
        specification: The specification as read.
        content: What the file says.
    """
    yield from _name_faults(specification)
    yield from _mode_faults(specification, content)
    for arm in specification.arms:
        place: Place = ('original',) if arm.name == ORIGINAL else ('compiled', arm.name)
        given = content['original'] if arm.name == ORIGINAL else content['compiled'][arm.name]
        yield from _arm_faults(specification, arm, given, place)
    if isinstance(specification.inputs, WorldInputs):
        yield from _world_faults(specification.inputs, content['inputs'])
    yield from _output_faults(specification, content)
    yield from _time_faults(specification)


def _name_faults(specification: Specification) -> Iterator[Fault]:
    """Find names of arms that are those of other folders of the run."""
    names = [arm.name for arm in specification.compiled]
    for name in names:
        base, _, number = name.rpartition('_')
        is_repeat = (
            specification.mode in (Mode.OFFLINE, Mode.SEQUENTIAL)
            and base in names
            and number.isdecimal()
            and 1 < int(number) <= specification.repeats
        )
        if is_repeat:
            yield ('compiled', name), f'so is called a repeated run of {base}; give another name'
        elif _TAKEN.fullmatch(name):
            yield ('compiled', name), 'a compiled arm cannot have this name: the run needs it'


def _mode_faults(specification: Specification, content: dict[str, Any]) -> Iterator[Fault]:
    mode, inputs = specification.mode, specification.inputs
    place: Place = ('mode',) if 'mode' in content else ('inputs',)
    if (mode == Mode.LIVE) != isinstance(inputs, LiveInputs):
        works = 'mode: live' if mode != Mode.LIVE else 'inputs: {live: true, topics: [...]}'
        yield place, f'{mode.value} does not go with {_INPUTS[type(inputs)]}; {works} would'
    if isinstance(inputs, WorldInputs) and inputs.is_external and mode != Mode.SEQUENTIAL:
        yield place, f'{mode.value} does not go with an external world; mode: sequential would'
    if mode == Mode.OFFLINE:
        for arm in specification.arms:
            if not arm.component:
                where: Place = (ORIGINAL,) if arm.name == ORIGINAL else ('compiled', arm.name)
                yield where, 'mode: offline runs components only; mode: lockstep runs any process'
    if specification.rtf > 0 and mode in (Mode.OFFLINE, Mode.LOCKSTEP):
        yield (
            ('rtf',),
            f'mode: {mode.value} is as fast as the arms answer; give rtf: 0, or mode: realtime',
        )
    if specification.rtf > 0 and (
        mode == Mode.LIVE or (isinstance(inputs, WorldInputs) and inputs.is_external)
    ):
        yield (
            ('rtf',),
            'a running graph and an external world have times of their own; leave it out',
        )
    if specification.rtf == 0 and mode == Mode.REALTIME:
        yield ('rtf',), 'mode: realtime needs an rtf greater than 0; mode: lockstep has rtf 0'


def _arm_faults(
    specification: Specification, arm: Arm, given: dict[str, Any], place: Place
) -> Iterator[Fault]:
    if arm.is_running:
        if arm.name != ORIGINAL:
            yield (*place, 'running'), 'only the original can be running; start this one'
        elif specification.mode != Mode.LIVE:
            yield (*place, 'running'), 'only mode: live finds a running arm; start it otherwise'
        for name in ('parameters', 'remappings', 'python_path', 'directory'):
            if name in given:
                yield (*place, name), 'what runs already is as it is; leave it out'
    elif arm.command:
        is_shadow = specification.mode == Mode.LIVE and arm.name != ORIGINAL
        yield from _command_faults(arm, given, place, is_shadow=is_shadow)
    elif 'directory' in given:
        yield (*place, 'directory'), 'belongs to a command; leave it out'


def _command_faults(
    arm: Arm, given: dict[str, Any], place: Place, *, is_shadow: bool
) -> Iterator[Fault]:
    if 'python_path' in given:
        yield (*place, 'python_path'), 'belongs to a component; a command has its own environment'
    where = (*place, 'command')
    for each in arm.command:
        if ROS_ARGS in each and each != ROS_ARGS:
            yield where, f'{ROS_ARGS} has to stand by itself, but is a part of {each!r}'
    if ROS_ARGS in arm.command:
        return
    for name in ('parameters', 'remappings'):
        if given.get(name):
            yield (*place, name), f'the command has no place for them; end it with {ROS_ARGS}'
    if is_shadow:
        yield (
            where,
            f'in mode: live it needs {ROS_ARGS}, which keeps its outputs away from the actuators',
        )


def _world_faults(inputs: WorldInputs, given: dict[str, Any]) -> Iterator[Fault]:
    if not inputs.is_external:
        for name in _EXTERNAL_ONLY:
            if name in given:
                yield ('inputs', name), f'belongs to world: {EXTERNAL}; {inputs.world} is none'
        return
    for name in _INTERNAL_ONLY:
        if name in given:
            yield ('inputs', name), f'world: {EXTERNAL} takes none; write them into its processes'
    if inputs.reset == 'restart' and not inputs.processes:
        yield (
            ('inputs',),
            'what is not started cannot be restarted; give processes, or a service as reset',
        )
    for index, command in enumerate(inputs.processes):
        if not inputs.world_file and any('{world_file}' in each for each in command):
            yield ('inputs', 'processes', index), 'needs a world_file, which is not given'


def _output_faults(specification: Specification, content: dict[str, Any]) -> Iterator[Fault]:
    topics = specification.inputs.topics
    waits = not is_timed(specification.mode, specification.rtf, specification.inputs)
    seen: set[str] = set()
    for index, output in enumerate(specification.outputs):
        place: Place = ('outputs', index)
        if output.topic in topics:
            yield (
                (*place, 'topic'),
                f"{output.topic} is an input already; remap the arms' output",
            )
        if output.topic in seen:
            yield (*place, 'topic'), f'{output.topic} is listed twice'
        seen.add(output.topic)
        if output.answers not in topics:
            text = f'names {output.answers}, which is not an input; there is {", ".join(topics)}'
            yield (*place, 'answers'), text
        if 'answers' not in content['outputs'][index] and len(topics) > 1 and waits:
            yield (
                place,
                f'say which input it answers (answers: {topics[0]}), there are several',
            )


def _time_faults(specification: Specification) -> Iterator[Fault]:
    limits, duration_s = specification.limits, specification.inputs.duration_s
    if limits.silence_s > limits.answer_s:
        text = f'{limits.silence_s:g} s are longer than answer_s, {limits.answer_s:g} s'
        yield ('limits', 'silence_s'), text
    if specification.warm_up_s >= duration_s:
        yield (
            ('warm_up_s',),
            f'{specification.warm_up_s:g} s leave nothing of the {duration_s:g} s of input',
        )


def is_timed(mode: Mode, rtf: float, inputs: BagInputs | WorldInputs | LiveInputs) -> bool:
    """Tell whether inputs come at their times, without waiting for answers."""
    if mode == Mode.SEQUENTIAL:
        return rtf > 0 or (isinstance(inputs, WorldInputs) and inputs.is_external)
    return mode in (Mode.REALTIME, Mode.LIVE)
