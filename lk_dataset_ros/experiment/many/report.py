"""Write what came out of many bags: JSON, Markdown, JUnit, and read which of them failed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from lk_dataset_ros.comparison.renderers import _format, to_dict
from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.comparison.renderers.json import dumps
from lk_dataset_ros.comparison.renderers.markdown import ICONS, LIMIT, plain_text
from lk_dataset_ros.errors import BagNotFoundError, DatasetFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.experiment.many.result import ArmRow, BagRun, ManyResult

FORMAT = 'lk_dataset_ros/many'
VERSION = 1
SUMMARY = 'summary.json'
_MOST_BYTES = 256 * 1024 * 1024
_CELL = 200
HEADINGS = ('bag', 'arm', 'verdict', 'first divergence', 'speed-up', 'remark')


def write_reports(result: ManyResult) -> None:
    """Write `summary.json`, `summary.md` and `junit.xml`, each whole or not at all.

    Raises:
        BagWriteError: If one cannot be written.
    """
    for name, text in (('summary.md', to_markdown(result)), ('junit.xml', to_junit(result))):
        with written(result.directory / name) as stream:
            stream.write(text)
    write_summary(result)


def write_summary(result: ManyResult) -> None:
    """Write `summary.json` alone; without the sums over all bags while some are still to come.

    Raises:
        BagWriteError: If it cannot be written.
    """
    with written(result.directory / SUMMARY) as stream:
        stream.write(dumps(result_to_dict(result)))


def failed_bags(directory: Path) -> list[Path]:
    """Return the bags of an earlier run that were not accepted.

    Args:
        directory: Its folder.

    Raises:
        BagNotFoundError: If there is no summary in it.
        DatasetFormatError: If that is none.
    """
    path = directory / SUMMARY
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetFormatError(f'{path} has more than {_MOST_BYTES} bytes')
        content = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise BagNotFoundError(
            f'{path} cannot be read: {error.strerror}; give the folder of an earlier run of --bags'
        ) from error
    except (ValueError, RecursionError) as error:
        raise DatasetFormatError(f'{path} is no JSON: {error}') from error
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise DatasetFormatError(f'{path} is not the summary of a run of --bags')
    if content.get('version') != VERSION:
        raise DatasetFormatError(
            f'{path} has version {content.get("version")!r}; {VERSION} is read'
        )
    runs = content.get('bags')
    if not isinstance(runs, list) or not all(
        isinstance(each, dict)
        and isinstance(each.get('bag'), str)
        and each.get('exit_code') in (0, 1, 2)
        for each in runs
    ):
        raise DatasetFormatError(f'{path}: bags is no list of bags with their exit codes')
    return [Path(each['bag']) for each in runs if each['exit_code']]


def rows(result: ManyResult) -> Iterator[tuple[BagRun, ArmRow | None, tuple[str, ...]]]:
    """Yield a line of the table for each bag and arm; a bag that could not be run has one."""
    for run in result.runs:
        if not run.arms:
            yield run, None, (run.name, '', run.verdict.value, '', '', run.problem)
        for arm in run.arms:
            remark = '; '.join(filter(None, (arm.problem or run.problem, *run.warnings)))
            yield run, arm, (run.name, arm.name, *_cells(arm), remark)


def result_to_dict(result: ManyResult) -> dict[str, Any]:
    """Return it as plain data; what is not known is None."""
    totals = result.totals() if result.is_finished else {}
    return {
        'format': FORMAT,
        'version': VERSION,
        'name': result.specification.name,
        'is_finished': result.is_finished,
        'verdict': result.verdict.value,
        'exit_code': result.exit_code,
        'seconds': _number(result.seconds),
        'bags': [_bag(result, run) for run in result.runs],
        'totals': {name: to_dict(comparison) for name, comparison in totals.items()},
    }


def to_markdown(result: ManyResult, limit: int = LIMIT) -> str:
    """Return one table over all bags, the failed ones first, in so many characters.

    Args:
        result: What to show.
        limit: Characters; those of a comment on GitHub by default.
    """
    name = plain_text(result.specification.name, _CELL)
    text = f'## {ICONS[result.verdict]} {name}: {headline(result)}\n\n'
    text += f'| {" | ".join(HEADINGS)} |\n|{"---|" * len(HEADINGS)}\n'
    table = sorted(rows(result), key=lambda row: -(row[1] or row[0]).exit_code)
    for number, (_, _, cells) in enumerate(table):
        line = f'| {" | ".join(plain_text(each, _CELL) for each in cells)} |\n'
        if len(text) + len(line) > limit * 3 // 4:
            text += f'\n{len(table) - number} more left out here; summary.json has all.\n'
            break
        text += line
    for number, run in enumerate(result.failed):
        command = plain_text(result.rerun_command(run), 4 * _CELL)
        line = f'\nAgain, alone: <code>{command}</code>\n'
        if len(text) + len(line) > limit - 100:
            text += f'\n{len(result.failed) - number} more: lk ab --failed-of runs them all.\n'
            break
        text += line
    return text


def headline(result: ManyResult) -> str:
    """Return the overall verdict and how many bags say what."""
    counts: dict[str, int] = {}
    for run in result.runs:
        counts[run.verdict.value] = counts.get(run.verdict.value, 0) + 1
    told = ', '.join(f'{count} {verdict}' for verdict, count in sorted(counts.items()))
    return f'{result.verdict.value} ({_format.plural(len(result.runs), "bag")}: {told})'


def to_junit(result: ManyResult) -> str:
    """Return JUnit XML: a case for each bag and arm; failed or in error as the exit code says."""
    root = ET.Element('testsuites', name=_format.escaped(result.specification.name))
    suite = ET.SubElement(root, 'testsuite', name='bags')
    for run in result.runs:
        arms = {arm.name: arm for arm in run.arms}
        for each in result.specification.compiled:
            arm = arms.get(each.name)
            case = ET.SubElement(
                suite, 'testcase', classname=_format.escaped(run.name), name=each.name
            )
            code = run.exit_code if arm is None else arm.exit_code
            if code:
                problem = run.problem if arm is None else arm.problem or _divergence(arm)
                verdict = (arm or run).verdict.value
                message = f'{verdict}: {problem}' if problem else verdict
                tag = 'failure' if code == 1 else 'error'
                told = ET.SubElement(case, tag, type=tag, message=_format.escaped(message))
                told.text = _format.escaped(result.rerun_command(run))
    for element in (suite, root):
        cases = suite.findall('testcase')
        element.set('tests', str(len(cases)))
        for plural, tag in (('failures', 'failure'), ('errors', 'error')):
            element.set(plural, str(sum(case.find(tag) is not None for case in cases)))
    ET.indent(root)
    text = ET.tostring(root, encoding='unicode')
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _bag(result: ManyResult, run: BagRun) -> dict[str, Any]:
    return {
        'name': run.name,
        'bag': str(run.bag),
        'directory': str(run.directory),
        'verdict': run.verdict.value,
        'exit_code': run.exit_code,
        'problem': run.problem,
        'warnings': list(run.warnings),
        'seconds': _number(run.seconds),
        'rerun': result.rerun_command(run) if run.exit_code else None,
        'arms': {arm.name: _arm(arm) for arm in run.arms},
    }


def _arm(arm: ArmRow) -> dict[str, Any]:
    first = arm.first_divergence
    return {
        'verdict': arm.verdict.value,
        'exit_code': arm.exit_code,
        'problem': arm.problem,
        'first_divergence': (
            {'key': first[0], 'stamp_ns': first[1], 'field': first[2]} if first else None
        ),
        'speed_up': _number(arm.speed_up),
        'falsifying': arm.falsifying or None,
    }


def _cells(arm: ArmRow) -> tuple[str, str, str]:
    speed_up = f'{arm.speed_up:.3g}' if math.isfinite(arm.speed_up) else ''
    return arm.verdict.value, _divergence(arm), speed_up


def _divergence(arm: ArmRow) -> str:
    if arm.first_divergence is None:
        return ''
    key, stamp_ns, path = arm.first_divergence
    return _format.escaped(f'{_format.stamp(stamp_ns)} {key} {path}')


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
