"""The parts of a specification, from what the schema has let pass."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.comparison.rules_file import Rules
from lk_dataset_ros.experiment.specification.parts import (
    EXTERNAL,
    Arm,
    BagInputs,
    Demands,
    Limits,
    LiveInputs,
    Mode,
    Output,
    WorldInputs,
)

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.yaml_lines import Place, YamlDocument

#: How `pairing: header_stamp` was meant before there was a choice: by index without a header.
_AUTO = ('header_stamp', 'auto')


def arm_of(document: YamlDocument, name: str, content: dict[str, Any], place: Place) -> Arm:
    """Read an arm, its paths from the folder of the file."""
    folder = document.path.resolve().parent
    command = command_of(document, content.get('command', []), (*place, 'command'))
    return Arm(
        name=name,
        component=content.get('component', ''),
        package=content.get('package', ''),
        executable=content.get('executable', ''),
        command=command,
        is_running=content.get('running', False),
        parameters=content.get('parameters', {}),
        remappings=content.get('remappings', {}),
        python_path=tuple(str(folder / each) for each in content.get('python_path', ['.'])),
        directory=str(folder / content.get('directory', '')),
    )


def command_of(document: YamlDocument, content: str | list[str], place: Place) -> tuple[str, ...]:
    """Read a command line: a list, or a text in the words of a shell."""
    if isinstance(content, list):
        return tuple(content)
    try:
        command = tuple(shlex.split(content))
    except ValueError as error:
        raise document.error(place, f'{content!r} is no command line: {error}') from error
    if not command:
        raise document.error(place, 'is empty')
    return command


def inputs_of(
    document: YamlDocument, content: dict[str, Any]
) -> BagInputs | WorldInputs | LiveInputs:
    """Read where the inputs come from."""
    topics = tuple(content['topics'])
    if 'bag' in content:
        return BagInputs(
            document.path.resolve().parent / content['bag'],
            topics,
            start_s=float(content.get('start_s', 0.0)),
            duration_s=float(content.get('duration_s', math.inf)),
        )
    if 'world' in content:
        return _world_of(document, content, topics)
    live = content['live']
    return LiveInputs(topics, **_floats(live if isinstance(live, dict) else {}))


def _world_of(
    document: YamlDocument, content: dict[str, Any], topics: tuple[str, ...]
) -> WorldInputs:
    folder = document.path.resolve().parent
    given = {'duration_s': float(content['duration_s'])} if 'duration_s' in content else {}
    return WorldInputs(
        content['world'],
        topics,
        seed=int(content.get('seed', 0)),
        parameters=content.get('parameters', {}),
        python_path=tuple(str(folder / each) for each in content.get('python_path', ['.'])),
        processes=tuple(
            command_of(document, each, ('inputs', 'processes', index))
            for index, each in enumerate(content.get('processes', []))
        ),
        reset=content.get('reset', 'restart'),
        world_file=str(folder / content['world_file']) if 'world_file' in content else '',
        version_command=command_of(
            document, content.get('version_command', []), ('inputs', 'version_command')
        ),
        **given,
    )


def outputs_of(content: dict[str, Any], *, is_timed: bool) -> tuple[Output, ...]:
    """Read the outputs.

    Args:
        content: The whole file.
        is_timed: Inputs do not wait for answers, so that nothing is promised unless it is said.
    """
    usual = 'maybe' if is_timed else 'each'
    outputs = []
    for each in content['outputs']:
        count = each.get('count', usual)
        least, most = {'each': (1, 1), 'maybe': (0, 1)}.get(count) or (int(count), int(count))
        answers = each.get('answers', content['inputs']['topics'][0])
        outputs.append(Output(each['topic'], answers, least, most))
    return tuple(outputs)


def mode_of(content: dict[str, Any]) -> Mode:
    """Return how the arms are fed: as the file says, or as follows from the rest of it."""
    if 'mode' in content:
        return Mode(content['mode'])
    inputs = content['inputs']
    if 'live' in inputs:
        return Mode.LIVE
    if inputs.get('world') == EXTERNAL:
        return Mode.SEQUENTIAL
    if content.get('rtf', 0) > 0:
        return Mode.REALTIME
    arms = [content['original'], *content['compiled'].values()]
    if 'world' in inputs and all('component' in arm for arm in arms):
        return Mode.OFFLINE
    return Mode.LOCKSTEP


def rules_of(document: YamlDocument, content: dict[str, Any]) -> Rules:
    """Read the rules of the comparison, from `tolerance`, `pairing` and `ignore`."""
    tolerance = content.get('tolerance', {})
    extra: dict[str, Any] = {}
    if 'pairing' in content:
        way = content['pairing']
        way = {'by': 'auto' if way in _AUTO else way} if isinstance(way, str) else way
        if 'pairing' in tolerance:
            raise document.error(('pairing',), 'is given in tolerance, too; give it once')
        extra['pairing'] = way
    if 'ignore' in content:
        for pattern in content['ignore']:
            if pattern in tolerance.get('ignore', {}):
                raise document.error(
                    ('ignore', pattern), 'is given in tolerance.ignore, too; give it once'
                )
        extra['ignore'] = content['ignore']
    # Once by themselves, so that a fault is said to be where it stands.
    Rules.read(document, extra)
    Rules.read(document, tolerance, ('tolerance',))
    ignored = {**tolerance.get('ignore', {}), **extra.get('ignore', {})}
    return Rules.read(document, {**tolerance, **extra, 'ignore': ignored})


def limits_of(content: dict[str, Any]) -> Limits:
    """Read the time limits; the usual silence is never longer than an answer may take."""
    given = _floats(content)
    if 'silence_s' not in given:
        given['silence_s'] = min(Limits().silence_s, given.get('answer_s', math.inf))
    return Limits(**given)


def demands_of(content: dict[str, Any]) -> Demands:
    """Read what the compiled arms have to achieve."""
    verdict = Verdict(content.get('verdict', 'equivalent'))
    return Demands(verdict, **_floats({k: v for k, v in content.items() if k != 'verdict'}))


def _floats(content: dict[str, Any]) -> dict[str, float]:
    return {name: float(each) for name, each in content.items()}
