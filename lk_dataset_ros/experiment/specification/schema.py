"""The JSON schema of `experiment.yaml`, and what its faults mean to who wrote the file."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.dataset.yaml_lines import Place, YamlDocument

ARM_KINDS = 'an arm has either component, or package and executable, or command, or running: true'
INPUT_KINDS = 'inputs have either bag, or world, or live'
_WORDS = {
    'array': 'list',
    'boolean': 'true or false',
    'integer': 'whole number',
    'number': 'number',
    'object': 'mapping',
    'string': 'text',
}
_TOPIC = 'no name of a topic; one is /odom, another /robot/scan'
#: What a name looks like, by the field that it stands in.
_NAMES = {
    **dict.fromkeys(('topics', 'topic', 'answers'), _TOPIC),
    'world': 'no world; one is diff_drive, another package.module:Class',
    'reset': (
        'no way to reset; one is restart, another '
        '"/world/default/control ros_gz_interfaces/srv/ControlWorld {world_control: {reset: '
        '{all: true}}}"'
    ),
    'count': 'no count; there is each, maybe, or a number from 1',
}


@lru_cache(maxsize=1)
def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the format, for editors too."""
    place = files('lk_dataset_ros.experiment.specification')
    schema: dict[str, Any] = json.loads(place.joinpath('experiment.schema.json').read_text())
    return schema


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def check_against_schema(document: YamlDocument) -> dict[str, Any]:
    """Return the content of a file that is what the schema says.

    Raises:
        SpecificationError: Naming file, line and field of the first fault.
    """
    content = document.content
    if not isinstance(content, dict):
        raise document.error((), 'is not a specification; one starts with "version: 1"')
    document.refuse_infinite(content)
    for place, text in _texts(content):
        if '\0' in text:
            raise document.error(place, 'has a NUL character in it')
    fault = best_match(_validator().iter_errors(content), key=_relevance)
    if fault is not None:
        place = tuple(fault.absolute_path)
        if fault.validator == 'additionalProperties':
            place = (*place, _unknown(fault))
        raise document.error(place, _say(fault))
    return content


def _relevance(fault: Any) -> tuple[bool, bool, int, bool]:
    """Prefer two of which there may be one, what is wrong to what is not known or missing."""
    is_missing = fault.validator in ('oneOf', 'dependentRequired', 'required')
    is_several = fault.validator == 'oneOf' and not fault.context
    is_wrong = not is_missing and fault.validator != 'additionalProperties'
    return is_several, is_wrong, -len(fault.path), not is_missing


def _unknown(fault: Any) -> str:
    known = fault.schema.get('properties', {})
    return next(str(name) for name in fault.instance if name not in known)


def _say(fault: Any) -> str:
    """Say what a fault means to the writer of the file."""
    value, wanted = fault.instance, fault.validator_value
    if fault.validator == 'additionalProperties':
        known = fault.schema.get('properties', {})
        return f'unknown field {_unknown(fault)!r}; known are {", ".join(known)}'
    if fault.validator == 'required':
        missing = next(name for name in wanted if name not in value)
        return f'{missing!r} is missing'
    if fault.validator in ('oneOf', 'dependentRequired'):
        return INPUT_KINDS if fault.absolute_path[-1] == 'inputs' else ARM_KINDS
    if fault.validator in ('const', 'enum'):
        known = [wanted] if fault.validator == 'const' else wanted
        names = [str(each).lower() if isinstance(each, bool) else str(each) for each in known]
        return f'{_shown(value)} is not known; {", ".join(names)} {_is(names)}'
    if fault.validator == 'type':
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return f'{_shown(value)} is no {" or ".join(_WORDS[kind] for kind in kinds)}'
    if fault.validator == 'pattern':
        return f'{value!r} is {_say_name([*map(str, fault.absolute_path)])}'
    if fault.validator == 'uniqueItems':
        twice = next(each for index, each in enumerate(value) if each in value[:index])
        return f'{twice} is listed twice'
    return _say_size(fault.validator, value, wanted) or str(fault.message)


def _say_name(path: list[str]) -> str:
    if 'remappings' in path:
        return 'no name: it is empty or has a blank in it'
    for part in reversed(path):
        if part in _NAMES:
            return _NAMES[part]
    return 'not a valid name here: letters, digits and underscores, beginning with a letter'


def _say_size(validator: str, value: Any, wanted: Any) -> str:
    if validator == 'minimum':
        return f'{value!r} is less than {wanted}'
    if validator == 'exclusiveMinimum':
        return f'{value!r} is not greater than {wanted}'
    if validator == 'maximum':
        return f'{value!r} is more than {wanted}'
    if validator in ('minItems', 'minLength', 'minProperties'):
        return 'is empty'
    if validator in ('maxItems', 'maxLength', 'maxProperties'):
        return f'is longer than {wanted}'
    return ''


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _is(names: list[str]) -> str:
    return 'is' if len(names) == 1 else 'are'


def _texts(content: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield every text in it, names of fields too."""
    if isinstance(content, str):
        yield place, content
    elif isinstance(content, dict):
        for name, each in content.items():
            yield place, name
            yield from _texts(each, (*place, name))
    elif isinstance(content, list):
        for index, each in enumerate(content):
            yield from _texts(each, (*place, index))
