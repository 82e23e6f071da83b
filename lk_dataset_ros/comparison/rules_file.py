"""The rules of a comparison as a YAML file: `tolerances.yaml`, checked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lk_dataset_ros.comparison.acceptance import Acceptance
from lk_dataset_ros.comparison.comparators import NAMED
from lk_dataset_ros.comparison.pairing import WAYS, Pairing
from lk_dataset_ros.comparison.tolerance import Limit, Tolerance
from lk_dataset_ros.dataset.yaml_lines import YamlDocument
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from lk_dataset_ros.dataset.yaml_lines import Place

#: Ways of pairing that have no use for a limit and an offset.
WITHOUT_TIME = ('index', 'lineage', 'distribution')
#: What may be added to any stamp without leaving 64 bits, s.
_LONGEST = 4e9
#: Parts of a limit; in a nested dictionary a number under one of them is the limit's.
_PARTS = ('rtol', 'atol')


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a comparison: `original.compare(compiled, **rules.options())`.

    Attributes:
        tolerance: How far values may lie apart.
        pairing: How messages are paired.
        acceptance: What may differ besides values.
        keys: The keys to compare; None for all.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    pairing: Pairing = field(default_factory=Pairing)
    acceptance: Acceptance = field(default_factory=Acceptance)
    keys: tuple[str, ...] | None = None

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Rules:
        """Read the rules from a YAML file.

        Args:
            path: The file, 1 MiB at most; docs/comparing.md tells of every field.

        Raises:
            ComparisonError: Naming file, line and field of the first fault.
        """
        document = YamlDocument(Path(path), what='rules', error=ComparisonError)
        if not isinstance(document.content, dict):
            raise document.error(
                (), 'there are no rules; one is "atol: 0.01", another "pairing: {by: index}"'
            )
        return cls.read(document, document.content)

    @classmethod
    def read(cls, document: YamlDocument, content: dict[str, Any], place: Place = ()) -> Rules:
        """Read the rules from a part of a YAML file.

        Args:
            document: The file.
            content: What is read of it.
            place: Where that is in the file.

        Raises:
            ComparisonError: Naming file, line and field of the first fault; if the document has
                an error of its own, that.
        """
        _check(document, content, place)
        for pattern, name in content.get('comparators', {}).items():
            if name not in NAMED:
                raise document.error(
                    (*place, 'comparators', pattern),
                    f'comparator {name!r} is unknown; {", ".join(NAMED)} are',
                )
        fields: dict[str, Limit] = {}
        for name, each in content.get('fields', {}).items():
            for pattern, limit in _limits(name, each):
                # What is said again goes to the end: the last one wins.
                fields.pop(pattern, None)
                fields[pattern] = limit
        try:
            ways = pairing_of(**content.get('pairing', {}))
        except ComparisonError as error:
            raise document.error((*place, 'pairing'), str(error)) from error
        keys = content.get('keys')
        return cls(
            Tolerance(
                rtol=_number(content.get('rtol')),
                atol=_number(content.get('atol')),
                fields=fields,
                ignore=content.get('ignore', {}),
                comparators=content.get('comparators', {}),
            ),
            ways,
            Acceptance(**content.get('acceptance', {})),
            None if keys is None else tuple(keys),
        )

    def options(self) -> dict[str, Any]:
        """Return the rules as the arguments of `compare`."""
        return {
            'keys': self.keys,
            'tolerance': self.tolerance,
            'pairing': self.pairing,
            'acceptance': self.acceptance,
        }

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Yield what kind of rule (`fields`, `ignore`, `comparators`) each pattern is of."""
        for kind in ('fields', 'ignore', 'comparators'):
            for pattern in getattr(self.tolerance, kind):
                yield kind, pattern


def pairing_of(
    by: str = 'auto',
    *,
    limit_s: float | None = None,
    offset: float | str = 0.0,
    max_lag_s: float = 1.0,
    inputs: Sequence[str] = (),
) -> Pairing:
    """Make a pairing of times in seconds.

    Args:
        by: What messages are paired by; see `Pairing`.
        limit_s: How far the times of a pair may lie apart, s; None for exactly equal.
        offset: By how much the compiled's times are later, s; or `estimate`.
        max_lag_s: The largest offset that an estimate looks for, s.
        inputs: The keys of the inputs, for `lineage`.

    Raises:
        ComparisonError: If these do not go together.
    """
    # Pairing says the same in nanoseconds, which nobody wrote here.
    limit_ns = None if limit_s is None else _nanoseconds('limit', limit_s)
    offset_ns: int | Literal['estimate'] = (
        'estimate' if isinstance(offset, str) else _nanoseconds('offset', offset, least=-_LONGEST)
    )
    if isinstance(offset, str) and offset != 'estimate':
        raise ComparisonError(f'the offset {offset!r} is neither a number of seconds nor estimate')
    if by == 'nearest' and limit_ns is None:
        raise ComparisonError('pairing by nearest needs a limit: how near, in seconds')
    if by == 'lineage' and not inputs:
        raise ComparisonError('pairing by lineage needs inputs: the keys whose stamps it follows')
    if by in WITHOUT_TIME and (limit_ns is not None or offset_ns):
        raise ComparisonError(
            f'pairing by {by} uses no {"limit" if limit_ns is not None else "offset"}; '
            f'{", ".join(way for way in WAYS if way not in WITHOUT_TIME)} do'
        )
    if offset_ns == 'estimate' and limit_ns is None:
        raise ComparisonError(
            'an estimated offset needs a limit: no estimate is right to the nanosecond'
        )
    return Pairing(
        by,
        limit_ns=limit_ns,
        offset_ns=offset_ns,
        max_lag_ns=_nanoseconds('largest lag', max_lag_s),
        inputs=tuple(inputs),
    )


@lru_cache(maxsize=1)
def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the format, for editors too."""
    text = files('lk_dataset_ros.comparison').joinpath('rules.schema.json').read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


def _check(document: YamlDocument, content: dict[str, Any], place: Place) -> None:
    """Raise the document's error for the first fault against the schema."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s that few comparisons need
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    document.refuse_infinite(content, place)
    fault = best_match(Draft202012Validator(json_schema()).iter_errors(content))
    if fault is None:
        return
    place = (*place, *fault.absolute_path)
    if fault.validator == 'additionalProperties':
        known = fault.schema['properties']
        unknown = next(name for name in fault.instance if name not in known)
        raise document.error((*place, unknown), f'is not known; known are {", ".join(known)}')
    raise document.error(place, _say(fault))


def _say(fault: Any) -> str:
    """Say what a JSON schema's fault means to the writer of the file."""
    path, value = [*fault.absolute_path], fault.instance
    if 'propertyNames' in fault.absolute_schema_path:
        return f'the pattern {value!r} is no name or too long'
    if fault.validator == 'enum':
        return f'{value!r} is not known; {", ".join(fault.validator_value)} are'
    if fault.validator == 'const':
        return f'{value!r} is not known; {fault.validator_value!r} is'
    if path[:1] == ['ignore'] and len(path) > 1:
        return 'is ignored without a reason; write one behind the colon, in quotes'
    if path[:1] == ['fields'] and len(path) > 1 and fault.validator_value in ('object', 1):
        return 'has no limit; write {atol: 0.01}, {rtol: 0.001}, or names of fields with theirs'
    if fault.validator == 'pattern' and path[-1] == 'offset':
        return f'{value!r} is neither a number of seconds nor estimate'
    if fault.validator == 'minimum':
        return f'{value!r} is less than {fault.validator_value}'
    if fault.validator == 'type':
        wanted = fault.validator_value
        names = [wanted] if isinstance(wanted, str) else wanted
        return f'{value!r} is no {" or ".join(_WORDS[name] for name in names)}'
    return str(fault.message)


_WORDS = {
    'array': 'list',
    'boolean': 'true or false',
    'number': 'number',
    'object': 'mapping',
    'string': 'text',
}


def _limits(name: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Limit]]:
    """Yield the limits of a nested dictionary by pattern, those of a part before what is in it."""
    given = {part: content[part] for part in _PARTS if _is_number(content.get(part))}
    if given:
        yield name, Limit(float(given.get('rtol', 0.0)), float(given.get('atol', 0.0)))
    for below, each in content.items():
        if below not in given:
            yield from _limits(f'{name}.{below}', each)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _nanoseconds(name: str, seconds: float, *, least: float = 0.0) -> int:
    if not least <= seconds <= _LONGEST:
        raise ComparisonError(
            f'the {name} {seconds!r} is no number of seconds from {least:g} to {_LONGEST:g}'
        )
    return round(seconds * 1e9)
