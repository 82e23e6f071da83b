"""A comparison as JUnit XML, for CI servers: no failure and no error if it is equivalent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

#: Stamps of messages without partner that a failure shows.
STAMPS = 20
_MESSAGES = {
    'missing': 'messages of the original without partner',
    'extra': 'messages of the compiled without partner',
    'late': 'messages of the compiled too late',
    'reordered': 'messages of the compiled in another order',
}


def to_junit(comparison: DatasetComparison) -> str:
    """Return JUnit XML: a suite for each key, a case for each field.

    What differs is a failure, what could not be judged an error, what is ignored or only for
    information is skipped. Keys and paths are shown with what XML cannot hold made visible.
    Valid against junit-10.xsd of the xUnit plugin of Jenkins.
    """
    root = ET.Element('testsuites', name=_text(_name(comparison)))
    for key in comparison.keys:
        _suite(root, key.label, [*_cases(key)])
    if comparison.verdict is Verdict.INCONCLUSIVE and not comparison.keys:
        case = _case('comparison', 'keys')
        _outcome(case, 'error', 'inconclusive', 'no key was compared')
        _suite(root, 'comparison', [case])
    for name in ('tests', 'failures', 'errors'):
        root.set(name, str(sum(int(suite.get(name, '0')) for suite in root)))
    ET.indent(root)
    text = ET.tostring(root, encoding='unicode')
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _name(comparison: DatasetComparison) -> str:
    return f'{comparison.compiled_name} against {comparison.original_name}'


def _suite(root: ET.Element, name: str, cases: list[ET.Element]) -> None:
    suite = ET.SubElement(root, 'testsuite', name=_text(name), tests=str(len(cases)))
    for plural, tag in (('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):
        suite.set(plural, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)


def _cases(key: KeyComparison) -> Iterator[ET.Element]:
    compared = _case(key.label, '(messages)')
    if key.problem:
        _outcome(compared, 'error', 'problem', key.problem)
    elif not key.paired and key.verdict is Verdict.INCONCLUSIVE:
        why = f'; {key.hint}' if key.hint else ''
        _outcome(compared, 'error', 'inconclusive', f'no pair of messages{why}')
    else:
        ET.SubElement(compared, 'system-out').text = _text(_format.pairing(key))
    yield compared
    for name, what in _MESSAGES.items():
        stamps_ns = getattr(key, f'{name}_ns')
        case = _case(key.label, f'({name})')
        counts = len(stamps_ns) and (name in {'late', 'reordered'} or key.unpaired)
        if counts:
            shown = [_format.stamp(each) for each in stamps_ns[:STAMPS].tolist()]
            shown += [f'and {len(stamps_ns) - STAMPS} more'] if len(stamps_ns) > STAMPS else []
            told = '\n'.join(['at stamps', *shown])
            _outcome(case, 'failure', name, f'{len(stamps_ns)} {what}', told)
        elif len(stamps_ns):
            why = f'{len(stamps_ns)} {what}: {_format.pairing(key)}'
            ET.SubElement(case, 'system-out').text = _text(why)
        yield case
    for field in key.fields:
        yield _field(key, field)


def _field(key: KeyComparison, field: FieldComparison) -> ET.Element:
    case = _case(key.label, field.path)
    status = _format.status(field)
    if status == 'ignored':
        _outcome(case, 'skipped', status, field.ignored_because)
    elif status == 'for information':
        _outcome(case, 'skipped', status, f'for information: {_format.counts(field)}')
    elif status in {'mismatch', 'unclear'}:
        kind = 'failure' if status == 'mismatch' else 'error'
        _outcome(case, kind, status, _summary(field), '\n'.join(_told(field)))
    elif status == 'noise':
        told = [_format.counts(field), *_format.remarks(field)]
        ET.SubElement(case, 'system-out').text = _lines(told)
    return case


def _summary(field: FieldComparison) -> str:
    text = f'{_format.counts(field)}, tolerance {_format.limit(field)}'
    if field.first is None:
        return text
    return f'{text}; first {_format.where(field, field.first)}'


def _told(field: FieldComparison) -> Iterator[str]:
    for name, each in (('first', field.first), ('worst', field.worst)):
        if each is not None:
            yield f'{name}: {_format.where(field, each)}: {_format.at(field, each)}'
    yield f'{_format.counts(field)}, tolerance {_format.limit(field)}'
    if field.statistics.count:
        yield (
            f'p99 {_format.number(field.statistics.percentile(99.0))}, '
            f'rms {_format.number(field.rms_error)}, bias {_format.number(field.bias)}'
        )
    yield from _format.remarks(field)


def _case(classname: str, name: str) -> ET.Element:
    return ET.Element('testcase', classname=_text(classname), name=_text(name))


def _outcome(case: ET.Element, tag: str, kind: str, message: str, text: str = '') -> None:
    element = ET.SubElement(case, tag, type=kind, message=_text(message))
    if text:
        element.text = _lines(text.split('\n'))


def _lines(lines: list[str]) -> str:
    return '\n'.join(map(_text, lines))


def _text(text: str) -> str:
    """Return text that XML can hold, on one line."""
    return _format.escaped(text)
