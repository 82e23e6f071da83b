"""The specification of an experiment: what `experiment.yaml` says, checked."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.comparison.rules_file import Rules
from lk_dataset_ros.dataset.yaml_lines import YamlDocument
from lk_dataset_ros.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ORIGINAL = 'original'


@dataclass(frozen=True, slots=True)
class Arm:
    """One implementation, and how to start it.

    Attributes:
        name: `original`, or the name of a compiled one.
        component: Import path of a component, or empty.
        package: ROS package of a node, where there is no component.
        executable: Its executable.
        parameters: Parameters by name.
        remappings: Names in the node and what they become.
        python_path: Folders to import the component from, absolute.
    """

    name: str
    component: str = ''
    package: str = ''
    executable: str = ''
    parameters: Mapping[str, Any] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What is started, for a person."""
        return self.component or f'{self.package}/{self.executable}'

    def topic_of(self, port: str) -> str:
        """Return the topic of a component's port after remapping, in the root namespace."""
        name = self.remappings.get(port, self.remappings.get(f'/{port}', port))
        return name if name.startswith('/') else f'/{name}'


@dataclass(frozen=True, slots=True)
class Output:
    """An output topic.

    Attributes:
        topic: Its name.
        answers: The input topic that it answers, one message for one.
    """

    topic: str
    answers: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds.

    Attributes:
        ready_s: Until an arm has subscribed and advertised.
        answer_s: Until an input is answered.
        run_s: Until an arm is through.
    """

    ready_s: float = 20.0
    answer_s: float = 5.0
    run_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Specification:
    """An experiment.

    Attributes:
        name: Names the folder of its runs.
        path: The file that it was read from.
        bag: The recording whose messages are the inputs.
        topics: The topics that are played.
        original: The arm that is right by definition.
        compiled: The arms that are judged.
        outputs: What is recorded and compared.
        tolerance: How far values may lie apart.
        rtf: Real-time factor; 0 is as fast as the arms answer.
        clock_hz: How often `/clock` is published; 0 is never.
        limits: Time limits.
    """

    name: str
    path: Path
    bag: Path
    topics: tuple[str, ...]
    original: Arm
    compiled: tuple[Arm, ...]
    outputs: tuple[Output, ...]
    tolerance: Tolerance = field(default_factory=Tolerance)
    rtf: float = 0.0
    clock_hz: float = 0.0
    limits: Limits = field(default_factory=Limits)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, the original first."""
        return (self.original, *self.compiled)

    @classmethod
    def load(cls, path: Path) -> Specification:
        """Read a specification.

        Raises:
            SpecificationError: Naming file, line and field of the first fault.
        """
        document = YamlDocument(path, what='a specification', error=SpecificationError)
        content = document.content
        if not isinstance(content, dict):
            raise document.error((), 'is not a specification; one starts with "version: 1"')
        fault = best_match(_validator().iter_errors(content))
        if fault is not None:
            raise document.error(tuple(fault.absolute_path), _say(fault))
        document.refuse_infinite(content)
        rules = Rules.read(document, content.get('tolerance', {}), ('tolerance',))
        if ORIGINAL in content['compiled']:
            raise document.error(('compiled', ORIGINAL), 'a compiled arm cannot have this name')
        folder = path.resolve().parent
        return cls(
            name=content.get('name', path.stem),
            path=path,
            bag=folder / content['inputs']['bag'],
            topics=tuple(content['inputs']['topics']),
            original=_arm(ORIGINAL, content['original'], folder),
            compiled=tuple(_arm(name, each, folder) for name, each in content['compiled'].items()),
            outputs=_outputs(document, content),
            tolerance=rules.tolerance,
            rtf=float(content.get('rtf', 0.0)),
            clock_hz=float(content.get('clock_hz', 0.0)),
            limits=Limits(**content.get('limits', {})),
        )

    def with_changes(self, *, bag: Path | None = None, rtf: float | None = None) -> Specification:
        """Return a copy with another bag or real-time factor."""
        changes: dict[str, Any] = {}
        if bag is not None:
            changes['bag'] = bag.resolve()
        if rtf is not None:
            changes['rtf'] = rtf
        return dataclasses.replace(self, **changes)


@lru_cache(maxsize=1)
def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the format, for editors too."""
    text = files('lk_dataset_ros.experiment').joinpath('experiment.schema.json').read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def _say(fault: Any) -> str:
    """Say what a JSON schema's fault means to the writer of the file."""
    if fault.validator == 'additionalProperties' and isinstance(fault.instance, dict):
        known = fault.schema.get('properties', {})
        unknown = [name for name in fault.instance if name not in known]
        return f'unknown field {unknown[0]!r}; known are {", ".join(known)}'
    if fault.validator == 'required':
        missing = [name for name in fault.validator_value if name not in fault.instance]
        return f'{missing[0]!r} is missing'
    if fault.validator in ('oneOf', 'not'):
        return 'an arm has either component, or package and executable'
    if fault.validator == 'const':
        return f'{fault.instance!r} is not known; {fault.validator_value!r} is'
    if fault.validator == 'pattern':
        return f'{fault.instance!r} is not a valid name here ({fault.validator_value})'
    text: str = fault.message
    return text


def _arm(name: str, content: dict[str, Any], folder: Path) -> Arm:
    paths = tuple(str(folder / each) for each in content.get('python_path', ['.']))
    return Arm(
        name=name,
        component=content.get('component', ''),
        package=content.get('package', ''),
        executable=content.get('executable', ''),
        parameters=content.get('parameters') or {},
        remappings=content.get('remappings') or {},
        python_path=paths,
    )


def _outputs(document: YamlDocument, content: dict[str, Any]) -> tuple[Output, ...]:
    topics = content['inputs']['topics']
    outputs: list[Output] = []
    for index, each in enumerate(content['outputs']):
        place = ('outputs', index)
        topic, answers = each['topic'], each.get('answers', topics[0])
        if topic in topics:
            raise document.error(place, f"{topic} is an input already; remap the arms' output")
        if topic in [output.topic for output in outputs]:
            raise document.error(place, f'{topic} is listed twice')
        if answers not in topics:
            raise document.error(place, f'answers names {answers}, which is not an input')
        if 'answers' not in each and len(topics) > 1 and content.get('rtf', 0) == 0:
            raise document.error(
                place, f'say which input it answers (answers: {topics[0]}), there are several'
            )
        outputs.append(Output(topic, answers))
    return tuple(outputs)
