"""Write a draft as YAML, each field with what it means."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from lk_dataset_ros.experiment.drafting.ideas import has_frame, ideas_for
from lk_dataset_ros.experiment.specification import ORIGINAL, Arm, BagInputs, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lk_dataset_ros.experiment.drafting.draft import Draft, TopicSeen

#: Topics that are told of, besides the inputs.
_MOST_TOLD = 200
_LONGEST_COMMENT = 160
#: A path that leads further up is written from the root.
_FURTHEST_UP = 3
_EXPONENT = re.compile(r'[-+]?[.0-9]+[eE]')
_MODES = """\
# How the arms are fed.
#   offline     components in process, without ROS: the fastest
#   lockstep    as ROS processes; the next input when every arm has answered the last one
#   realtime    inputs at their times, divided by rtf
#   sequential  one arm after the other
#   live        beside a running original, on the topics of the running graph
"""
_REST = """\
# Which message is compared with which: auto (header stamps where there are any, otherwise the first
# with the first), header_stamp, log_time, relative_time, index, distribution; nearest needs a limit.
#: pairing: {{by: nearest, limit_s: 0.02}}

# How often the original is run. From 2 on, what its own runs differ by is the noise floor, and a
# compiled arm is judged by what it differs more.
#: repeats: 3

{speed}# How often /clock is published, 0 is never; nodes that use_sim_time need it.
#: clock_hz: 100

# Time at the beginning that is left out of the latencies, s.
#: warm_up_s: 0.1

# Time limits, s.
#: limits:
#:   ready_s: 20          # until an arm has subscribed and advertised
#:   answer_s: 5          # until an input is answered: beyond that the answer is missing
#:   silence_s: 0.05      # until an output that may stay away (count: maybe) is taken to
#:   run_s: 3600          # until an arm is through

# What a compiled arm has to achieve; the exit code says whether it does.
#: acceptance:
#:   verdict: equivalent  # or differs, for an arm that is expected to
#:   speed_up: 1.5        # processor time of the original per that of the compiled, at least
#:   p99_latency_s: 0.01  # 99th percentile of its latency, at most
"""


def text_of(draft: Draft, folder: Path) -> str:
    """Return a draft as the text of a specification.

    Args:
        draft: The draft.
        folder: Where it will be: paths are relative to that.
    """
    lines = [
        '# Original against compiled. Run: lk ab on this file. What is not said has its default; a',
        '# line that begins with "#: " says something when that is taken away.',
        *_notes(draft),
        'version: 1',
        f'name: {_scalar(draft.name)}   # names the folder runs/<name>',
        '',
        *_MODES.splitlines(),
        f'mode: {draft.mode.value}',
        '',
        *_inputs(draft, folder),
        '',
        '# The arm that is right by definition. An arm is a component (package.module:Class), a',
        '# package and its executable, a command, where {ros_args} becomes --ros-args with node',
        '# name, parameters and remappings, or, in mode live, the original may be running: true.',
        'original:',
        *_arm(draft, draft.original, folder, '  '),
        '',
        '# The arms that are judged, by name.',
        'compiled:',
    ]
    for arm in draft.compiled:
        lines += [f'  {arm.name}:', *_arm(draft, arm, folder, '    ')]
    lines += ['', *_outputs(draft), '', *_tolerance(draft), '']
    is_timed = draft.mode == Mode.LIVE
    speed = (
        '' if is_timed else '# Real-time factor; 0 is as fast as the arms answer.\n#: rtf: 0\n\n'
    )
    return '\n'.join(lines) + '\n' + _REST.format(speed=speed)


def _notes(draft: Draft) -> Iterator[str]:
    if draft.notes:
        yield '#'
        yield '# Look at this first:'
        for note in draft.notes:
            yield f'#   - {_comment(note)}'


def _inputs(draft: Draft, folder: Path) -> Iterator[str]:
    inputs = draft.inputs
    yield '# What every arm gets.'
    yield 'inputs:'
    if isinstance(inputs, BagInputs):
        yield f'  bag: {_scalar(_path(inputs.bag, folder))}   # a rosbag2 folder or a .mcap file'
        yield '  #: start_s: 0         # where to begin, from its first message'
        yield f'  #: duration_s: {max(draft.duration_s, 1.0):.3g}   # how much of it'
        yield '  # Only these are played: recorded outputs do not meet those of the arms.'
    else:
        yield f'  live: {{duration_s: {inputs.duration_s:g}}}'
        yield '  # What is recorded as input; the arms hear all that they subscribe to.'
    yield '  topics:'
    width = max((len(name) for name in inputs.topics), default=0)
    known = {each.name: each for each in draft.seen}
    for name in inputs.topics:
        yield f'    - {name:<{width}}   # {_told(known[name])}'
    rest = [each for each in draft.seen if each.name not in inputs.topics]
    if rest:
        yield '    # There is also:'
    for each in rest[:_MOST_TOLD]:
        yield f'    #   {_comment(each.name)}   {_told(each)}'
    if len(rest) > _MOST_TOLD:
        yield f'    #   and {len(rest) - _MOST_TOLD} more'
    if not isinstance(inputs, BagInputs):
        yield '# Or from a recording (lk record makes one), with mode: lockstep and an original that'
        yield '# is started:'
        yield f'#   inputs: {{bag: bag, topics: [{", ".join(inputs.topics)}]}}'


def _told(topic: TopicSeen) -> str:
    told = [topic.type_name or 'unknown type']
    if topic.count is not None:
        told.append(f'{topic.count} messages')
    if topic.mean_hz is not None:
        told.append(f'{topic.mean_hz:.1f} Hz')
    if topic.qos:
        told.append(topic.qos)
    return _comment(', '.join(told))


def _arm(draft: Draft, arm: Arm, folder: Path, indent: str) -> Iterator[str]:
    if arm.is_running:
        yield f'{indent}running: true'
    elif arm.component:
        yield f'{indent}component: {_scalar(arm.component)}'
        paths = [_path(each, folder) for each in arm.python_path]
        if paths != ['.']:
            yield f'{indent}python_path: [{", ".join(map(_flow, paths))}]'
    elif arm.command:
        yield f'{indent}command: [{", ".join(map(_flow, arm.command))}]'
    else:
        yield f'{indent}package: {_scalar(arm.package)}'
        yield f'{indent}executable: {_scalar(arm.executable)}'
    if arm.remappings:
        yield f'{indent}remappings:'
        yield from _mapping(arm.remappings, f'{indent}  ')
    options = dict(draft.options).get(arm.name)
    if options:
        yield f'{indent}# parameters: {{name: value}} of {_comment(", ".join(options))}'
    elif arm.name != ORIGINAL or not arm.is_running:
        yield f'{indent}# parameters: {{gain: 1.5}}'


def _outputs(draft: Draft) -> Iterator[str]:
    yield '# What is recorded of every arm, and compared. count: each (every message of the input is'
    yield '# answered by one), maybe (by one or none), or a number.'
    yield 'outputs:'
    for output in draft.outputs:
        yield f'  - topic: {output.topic}   # {_comment(output.type_name or "unknown type")}'
        yield f'    answers: {output.answers}'
        yield f'    count: {output.count}'


def _tolerance(draft: Draft) -> Iterator[str]:
    yield '# How far floating-point values may lie apart: atol + rtol * |original|; by default as in'
    yield '# torch.testing.assert_close. The last pattern that matches wins.'
    yield '#: tolerance:'
    yield '#:   rtol: 1.0e-6'
    yield '#:   atol: 1.0e-6'
    ideas = [
        each for output in draft.outputs for each in ideas_for(output.topic, output.type_name)
    ]
    if ideas:
        yield '#:   fields:'
    for pattern, limit, comment in ideas:
        yield f'#:     {pattern}: {limit}' + (f'   # {comment}' if comment else '')
    frames = [each.topic for each in draft.outputs if has_frame(each.type_name)]
    if frames:
        yield ''
        yield '# Fields that are not compared, by pattern, each with its reason.'
        yield '#: ignore:'
    for topic in frames:
        yield f'#:   {topic}.header.frame_id: the same frame has another name there'


def _mapping(content: Mapping[str, str], indent: str) -> Iterator[str]:
    for name, value in content.items():
        yield f'{indent}{_scalar(name)}: {_scalar(value)}'


def _path(path: Path | str, folder: Path) -> str:
    """Return a path from a folder, or from the root where it leads far away."""
    relative = os.path.relpath(path, folder)
    is_far = Path(relative).parts[:_FURTHEST_UP] == (os.pardir,) * _FURTHEST_UP
    return os.path.abspath(path) if is_far else relative  # noqa: PTH100 - links stay as they are


def _scalar(text: str) -> str:
    """Return a text as YAML in one line, in quotes where that is needed."""
    if not _can_be_plain(text):
        return _flow(text)
    plain = yaml.safe_dump(text, width=10**9, allow_unicode=True)
    return plain.removesuffix('\n').removesuffix('\n...')


def _flow(text: str) -> str:
    """Return a text as it stands between brackets."""
    is_plain = _can_be_plain(text)
    dumped = yaml.safe_dump(
        [text],
        default_flow_style=True,
        default_style=None if is_plain else '"',
        width=10**9,
        allow_unicode=is_plain,
    )
    return dumped.strip()[1:-1]


def _can_be_plain(text: str) -> bool:
    """Tell whether YAML may decide about quotes: it takes 1e3 for a text, our reader does not."""
    return text.isprintable() and not _EXPONENT.match(text)


def _comment(text: str) -> str:
    """Return a text that stays in its line."""
    line = ''.join(each if each.isprintable() else '?' for each in text)
    return line if len(line) <= _LONGEST_COMMENT else f'{line[:_LONGEST_COMMENT]}...'
