"""Which implementation of each component is started: `selection.yaml`.

Whoever starts a component names it, and not the language that it is written in today.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.dataset.yaml_lines import YamlDocument
from lk_dataset_ros.dataset.yaml_text import dump_yaml
from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.cost.intervals import Estimate
from lk_dataset_ros.experiment.reporting.data import arm_to_dict, estimate_to_dict
from lk_dataset_ros.experiment.specification import Arm

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = '# Written by lk select: which implementation of each component is started, and why.\n'
_TEXT = {'type': 'string', 'minLength': 1}
_NUMBER = {'type': ['number', 'null']}
_STARTS = ('component', 'package', 'command', 'running')
SCHEMA: dict[str, Any] = {
    'type': 'object',
    'additionalProperties': False,
    'required': ['version', 'components'],
    'properties': {
        'version': {'const': 1},
        'components': {
            'type': 'object',
            'additionalProperties': {
                'type': 'object',
                'additionalProperties': False,
                'required': ['arm'],
                'properties': {
                    'arm': _TEXT,
                    'component': _TEXT,
                    'package': _TEXT,
                    'executable': _TEXT,
                    'command': {'type': 'array', 'minItems': 1, 'items': {'type': 'string'}},
                    'running': {'const': True},
                    'parameters': {'type': 'object'},
                    'remappings': {'type': 'object', 'additionalProperties': {'type': 'string'}},
                    'python_path': {'type': 'array', 'items': {'type': 'string'}},
                    'directory': {'type': 'string'},
                    'why': {'type': 'string'},
                    'speed_up': {
                        'type': 'object',
                        'additionalProperties': False,
                        'properties': {'value': _NUMBER, 'low': _NUMBER, 'high': _NUMBER},
                    },
                    'verdict': {'type': 'string'},
                    'run': {'type': 'string'},
                    'date': {'type': 'string'},
                },
                'oneOf': [{'required': [name]} for name in _STARTS],
                'dependentRequired': {'package': ['executable'], 'executable': ['package']},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The implementation of one component that is started.

    Attributes:
        arm: How it is started; its name is that of the arm.
        why: Why this one.
        speed_up: What the original costs per what it costs.
        verdict: What the run said of it.
        run: Folder of the run, absolute, or empty.
        date: When it was selected, ISO 8601.
    """

    arm: Arm
    why: str = ''
    speed_up: Estimate = field(default_factory=Estimate)
    verdict: str = ''
    run: str = ''
    date: str = ''


@dataclass(frozen=True, slots=True)
class Selection:
    """Which implementation of each component is started.

    Attributes:
        path: The file.
        choices: The implementation of each component, by the component's name.
    """

    path: Path
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def choose(self, name: str) -> Choice:
        """Return the implementation of a component.

        Raises:
            SpecificationError: If there is none.
        """
        if name not in self.choices:
            known = ', '.join(self.choices) or 'empty'
            raise SpecificationError(
                f'{self.path} selects nothing for {name!r}; it has {known}; '
                'lk select <experiment.yaml> adds it'
            )
        return self.choices[name]

    def with_choice(self, name: str, choice: Choice) -> Selection:
        """Return the same with another implementation of one component."""
        return replace(self, choices={**self.choices, name: choice})

    def save(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            BagWriteError: If it cannot be written.
        """
        folder = self.path.absolute().parent
        components = {name: _to_dict(each, folder) for name, each in self.choices.items()}
        with written(self.path) as stream:
            stream.write(_HEAD + dump_yaml({'version': 1, 'components': components}))


def load_selection(path: str | os.PathLike[str]) -> Selection:
    """Read a `selection.yaml`.

    Raises:
        SpecificationError: Naming file, line and field of the first fault.
    """
    document = YamlDocument(Path(path), what='a selection', error=SpecificationError)
    content = document.content
    if not isinstance(content, dict):
        raise document.error((), 'is not a selection; one starts with "version: 1"')
    fault = best_match(_validator().iter_errors(content))
    if fault is not None:
        raise document.error(tuple(fault.absolute_path), _say(fault))
    document.refuse_infinite(content)
    folder = Path(path).absolute().parent
    choices = {name: _choice(each, folder) for name, each in content['components'].items()}
    return Selection(Path(path), choices)


def estimate_of(content: Mapping[str, float | None]) -> Estimate:
    """Return a number with its interval from plain data; None is a side without bound."""
    value, low, high = (content.get(name) for name in ('value', 'low', 'high'))
    if value is None:
        return Estimate()
    if low is None and high is None:
        return Estimate(float(value))
    return Estimate(float(value), low or 0.0, float('inf') if high is None else float(high))


def arm_of(name: str, content: Mapping[str, Any], folder: Path) -> Arm:
    """Return an arm from plain data, its paths relative to a folder."""
    directory = content.get('directory', '')
    return Arm(
        name,
        component=content.get('component', ''),
        package=content.get('package', ''),
        executable=content.get('executable', ''),
        command=tuple(content.get('command', ())),
        is_running=content.get('running', False),
        parameters=content.get('parameters', {}),
        remappings=content.get('remappings', {}),
        python_path=tuple(os.path.normpath(folder / p) for p in content.get('python_path', ())),
        directory=os.path.normpath(folder / directory) if directory else '',
    )


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return Draft202012Validator(SCHEMA)


def _say(fault: Any) -> str:
    """Say what a JSON schema's fault means to the reader of the file."""
    if fault.validator == 'additionalProperties' and isinstance(fault.instance, dict):
        known = fault.schema['properties']
        unknown = next(name for name in fault.instance if name not in known)
        return f'unknown field {unknown!r}; known are {", ".join(known)}'
    if fault.validator == 'oneOf':
        return f'has to have one of {", ".join(_STARTS)}'
    if fault.validator == 'const':
        return f'{fault.instance!r} is not known; {fault.validator_value!r} is'
    text: str = fault.message
    return text


def _choice(content: Mapping[str, Any], folder: Path) -> Choice:
    run = content.get('run', '')
    return Choice(
        arm_of(content['arm'], content, folder),
        content.get('why', ''),
        estimate_of(content.get('speed_up', {})),
        content.get('verdict', ''),
        os.path.normpath(folder / run) if run else '',
        content.get('date', ''),
    )


def _to_dict(choice: Choice, folder: Path) -> dict[str, Any]:
    found = {'arm': choice.arm.name, **arm_to_dict(choice.arm)}
    if 'python_path' in found:
        found['python_path'] = [_relative(each, folder) for each in found['python_path']]
    if 'directory' in found:
        found['directory'] = _relative(found['directory'], folder)
    more = {
        'why': choice.why,
        'speed_up': estimate_to_dict(choice.speed_up) if choice.speed_up.is_known else None,
        'verdict': choice.verdict,
        'run': _relative(choice.run, folder) if choice.run else '',
        'date': choice.date,
    }
    return {**found, **{name: value for name, value in more.items() if value}}


def _relative(path: str, folder: Path) -> str:
    """Write a path below the file's folder so that both can be moved together."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - without following links
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(absolute)
