"""Write what came out of an experiment: JSON, the differences as text, an HTML page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.renderers import Arm, report_html, to_dict
from lk_dataset_ros.comparison.renderers.json import dumps

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.arm_run import ArmRun
    from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult

FORMAT = 'lk_dataset_ros/experiment'
VERSION = 1


def write_reports(result: ExperimentResult) -> None:
    """Write `comparison.json`, `diffdiff.txt` and `report.html` into the run's folder."""
    directory = result.directory
    (directory / 'comparison.json').write_text(dumps(result_to_dict(result)), encoding='utf-8')
    (directory / 'diffdiff.txt').write_text(_differences(result), encoding='utf-8')
    (directory / 'report.html').write_text(
        report_html(
            [_page_of(arm) for arm in result.compiled],
            result.specification.name,
            result.verdict,
            _facts(result),
        ),
        encoding='utf-8',
    )


def result_to_dict(result: ExperimentResult) -> dict[str, Any]:
    """Return an experiment's result as plain data."""
    specification = result.specification
    return {
        'format': FORMAT,
        'version': VERSION,
        'name': specification.name,
        'verdict': result.verdict.value,
        'exit_code': result.exit_code,
        'bag': str(specification.bag),
        'inputs': result.inputs.counts,
        'warnings': result.inputs.warnings,
        'rtf': specification.rtf,
        'original': _run_to_dict(result.original),
        'compiled': {
            arm.name: {
                'verdict': arm.verdict.value,
                **_run_to_dict(arm.run),
                'problem': arm.problem,
                'comparison': to_dict(arm.comparison) if arm.comparison else None,
            }
            for arm in result.compiled
        },
    }


def _run_to_dict(run: ArmRun) -> dict[str, Any]:
    return {
        'what': run.arm.what,
        'bag': run.bag.name,
        'problem': run.problem,
        'sent': run.sent,
        'received': run.received,
        'duration_s': None if math.isnan(run.duration_s) else run.duration_s,
        'achieved_rtf': None if math.isnan(run.achieved_rtf) else run.achieved_rtf,
        'log_tail': list(run.log_tail),
    }


def _differences(result: ExperimentResult) -> str:
    parts = []
    for arm in result.compiled:
        if arm.comparison is not None:
            parts.append(arm.comparison.to_diffdiff())
        else:
            tail = ''.join(f'  {line}\n' for line in arm.run.log_tail)
            parts.append(
                f'compiled: {arm.name}\nverdict:  {arm.verdict.value}\n{arm.problem}\n{tail}'
            )
    return '\n'.join(parts)


def _facts(result: ExperimentResult) -> dict[str, str]:
    specification = result.specification
    counts = ', '.join(f'{topic} ({count})' for topic, count in result.inputs.counts.items())
    facts = {
        'bag': str(specification.bag),
        'inputs': counts,
        'original': specification.original.what,
        'real-time factor': f'{specification.rtf:g}'
        if specification.rtf
        else 'as fast as answered',
    }
    if result.original.problem:
        facts['original failed'] = result.original.problem
    for number, warning in enumerate(result.inputs.warnings, 1):
        facts[f'warning {number}'] = warning
    return facts


def _page_of(arm: ArmResult) -> Arm:
    run = arm.run
    facts = {
        'started as': run.arm.what,
        'inputs sent': _counts(run.sent),
        'outputs recorded': _counts(run.received),
    }
    if run.arm.parameters:
        facts['parameters'] = ', '.join(f'{k}: {v}' for k, v in run.arm.parameters.items())
    return Arm(arm.name, arm.verdict, arm.comparison, facts, arm.problem, run.log_tail)


def _counts(counts: dict[str, int]) -> str:
    return ', '.join(f'{topic} {count}' for topic, count in counts.items()) or 'none'
