"""A result for CI servers: JUnit XML, and Markdown for a comment on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.renderers.markdown import ICONS, LEAST, LIMIT, plain_text
from lk_dataset_ros.comparison.renderers.markdown import to_markdown as comparison_to_markdown
from lk_dataset_ros.experiment.judging import State
from lk_dataset_ros.experiment.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.experiment.judging import Judged
    from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult

#: Characters of a cell.
_CELL = 300
_KINDS = {State.MET: '', State.NOT_MET: 'failure', State.NOT_CLEAR: 'error'}


def to_junit(result: ExperimentResult) -> str:
    """Return JUnit XML: a suite over the arms and their demands, one for each key of each arm.

    There is a failure or an error exactly where the exit code is not 0.
    """
    root = ET.Element('testsuites', name=_format.escaped(result.specification.name))
    cases = [_original(result)]
    for arm in result.compiled:
        cases.append(_accepted(arm))
        cases += [_demand(arm, each) for each in arm.demands]
    _suite(root, 'experiment', cases)
    for arm in result.compiled:
        # What is expected to differ would fail here by doing so.
        if arm.comparison is not None and arm.expected is Verdict.EQUIVALENT:
            suites = ET.fromstring(arm.comparison.to_junit())  # noqa: S314 - written just now
            for suite in suites:
                suite.set('name', f'{_format.escaped(arm.name)} {suite.get("name")}')
                root.append(suite)
    for name in ('tests', 'failures', 'errors'):
        root.set(name, str(sum(int(suite.get(name, '0')) for suite in root)))
    ET.indent(root)
    text = ET.tostring(root, encoding='unicode')
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def to_markdown(result: ExperimentResult, limit: int = LIMIT) -> str:
    """Return the verdict, the figures of all arms, and each arm's comparison, in so many characters.

    Args:
        result: What to show.
        limit: Characters; those of a comment on GitHub by default.
    """
    name = plain_text(result.specification.name, _CELL)
    verdict = result.verdict
    head = (
        f'## {ICONS[verdict]} {name}: {verdict.value}, {figures.ACCEPTED[result.is_accepted]}\n\n'
    )
    headings = ('arm', 'verdict', 'outputs', *figures.COSTS, 'remark')
    rows = [
        (each.name, each.verdict, each.outputs, *each.costs, each.remark)
        for each in figures.rows(result)
    ]
    parts = [head, _table(headings, rows, limit // 3)]
    outcomes = figures.outcome_rows(result)
    if outcomes:
        names = [arm.name for arm in result.compiled]
        heading = ('outcome', result.original.arm.name, *names)
        parts += ['\n', _table(heading, outcomes, limit // 8)]
    for name, falsifying in result.falsifying.items():
        parts.append(
            f'\nShortest input that shows the difference of {plain_text(name, _CELL)}: '
            f'<code>{plain_text(str(falsifying.command), _CELL)}</code>\n'
        )
    return _with_comparisons(result, ''.join(parts), limit)


def _with_comparisons(result: ExperimentResult, text: str, limit: int) -> str:
    """Add each arm's comparison, as long as there is room, and say what has none."""
    arms = [arm for arm in result.compiled if arm.comparison is not None]
    left_out = 0
    for number, arm in enumerate(arms):
        room = (limit - 200 - len(text)) // (len(arms) - number)
        if room < LEAST or arm.comparison is None:
            left_out += 1
            continue
        text += f'\n{comparison_to_markdown(arm.comparison, room - 1)}'
    if left_out:
        text += f'\n{_format.plural(left_out, "comparison")} left out here; report.html has all.\n'
    return text


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    lines = [f'| {" | ".join(headings)} |', f'|{"---|" * len(headings)}']
    for number, row in enumerate(rows):
        line = f'| {" | ".join(plain_text(each, _CELL) for each in row)} |'
        if sum(map(len, lines)) + len(line) > most:
            lines.append(f'\n{len(rows) - number} more left out here; report.html has all.')
            break
        lines.append(line)
    return '\n'.join(lines) + '\n'


def _suite(root: ET.Element, name: str, cases: list[ET.Element]) -> None:
    suite = ET.SubElement(root, 'testsuite', name=name, tests=str(len(cases)))
    for plural, tag in (('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):
        suite.set(plural, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)


def _original(result: ExperimentResult) -> ET.Element:
    case = _case(result.original.arm.name, 'runs')
    if result.original.problem:
        _outcome(case, 'error', result.original.problem)
    return case


def _accepted(arm: ArmResult) -> ET.Element:
    case = _case(arm.name, f'is {arm.expected.value}')
    behaviour = arm.behaviour
    if behaviour is not arm.expected:
        kind = 'error' if behaviour.exit_code == 2 else 'failure'
        told = figures.remark(arm)
        _outcome(case, kind, f'{behaviour.value}: {told}' if told else behaviour.value)
    return case


def _demand(arm: ArmResult, judged: Judged) -> ET.Element:
    case = _case(arm.name, judged.name)
    text = figures.demand(judged)
    if judged.state is State.MET:
        ET.SubElement(case, 'system-out').text = _format.escaped(text)
    else:
        _outcome(case, _KINDS[judged.state], text)
    return case


def _case(classname: str, name: str) -> ET.Element:
    escaped = _format.escaped
    return ET.Element('testcase', classname=escaped(classname), name=escaped(name))


def _outcome(case: ET.Element, tag: str, message: str) -> None:
    ET.SubElement(case, tag, type=tag, message=_format.escaped(message))
