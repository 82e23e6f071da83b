"""Write what came out of an experiment: JSON, text, an HTML page, JUnit, Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.renderers import Arm, report_html, write_diffdiff
from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.comparison.renderers.html import Table
from lk_dataset_ros.comparison.renderers.json import dumps
from lk_dataset_ros.experiment.reporting import figures
from lk_dataset_ros.experiment.reporting.ci import to_junit, to_markdown
from lk_dataset_ros.experiment.reporting.data import result_to_dict
from lk_dataset_ros.experiment.specification import BagInputs, WorldInputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TextIO

    from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult

__all__ = ['page_of', 'result_to_dict', 'write_reports']


def write_reports(result: ExperimentResult) -> None:
    """Write all reports into the run's folder, each whole or not at all.

    `comparison.json`, `diffdiff.txt`, `report.html`, `junit.xml` for a CI server, `summary.md` for
    a comment on a pull request.

    Raises:
        BagWriteError: If one cannot be written.
    """
    folder = result.directory
    with written(folder / 'diffdiff.txt') as stream:
        _write_differences(result, stream)
    _write(folder / 'report.html', page_of(result))
    _write(folder / 'junit.xml', to_junit(result))
    _write(folder / 'summary.md', to_markdown(result))
    # The last one: where it is, the others are.
    _write(folder / 'comparison.json', dumps(result_to_dict(result)))


def page_of(result: ExperimentResult) -> str:
    """Return the HTML page."""
    return report_html(
        [_arm(result, arm) for arm in result.compiled],
        result.specification.name,
        result.verdict,
        _facts(result),
        tables=_tables(result),
    )


def _write(path: Path, text: str) -> None:
    with written(path) as stream:
        stream.write(text)


def _tables(result: ExperimentResult) -> list[Table]:
    names = [arm.name for arm in result.compiled]
    costs = [(each.name, each.outputs, *each.costs) for each in figures.rows(result)]
    tables = [
        Table('What each arm costs', ('arm', 'outputs', *figures.COSTS), costs),
        Table(
            'Original/compiled [95 % interval], above 1: less than the original',
            ('measure', *names),
            figures.ratio_rows(result),
        ),
    ]
    outcomes = figures.outcome_rows(result)
    if outcomes:
        heading = ('outcome', result.original.arm.name, *names)
        tables.append(Table('What became of the task', heading, outcomes))
    return tables


def _facts(result: ExperimentResult) -> dict[str, str]:
    specification, inputs = result.specification, result.specification.inputs
    facts = {'mode': specification.mode.value}
    if result.exit_code != result.verdict.exit_code:
        facts = {'this is': figures.ACCEPTED[result.is_accepted], **facts}
    if isinstance(inputs, BagInputs):
        facts['bag'] = str(inputs.bag)
        facts['inputs'] = _counts(result.inputs.counts)
    elif isinstance(inputs, WorldInputs):
        facts |= {'world': inputs.world, 'seed': str(inputs.seed), **result.inputs.world}
    facts['original'] = specification.original.what
    if specification.rtf:
        facts['real-time factor'] = f'{specification.rtf:g}'
        facts['achieved'] = f'{result.original.achieved_rtf:.4g}'
    if specification.repeats > 1:
        facts['runs of the original'] = str(len(result.originals))
    for run in result.originals:
        if run.problem:
            facts[f'{run.place.label} failed'] = run.problem
    facts |= result.facts
    for number, warning in enumerate(result.inputs.warnings, 1):
        facts[f'warning {number}'] = warning
    return facts


def _arm(result: ExperimentResult, arm: ArmResult) -> Arm:
    run = arm.run
    facts: dict[str, str] = {
        'started as': run.arm.what,
        'inputs sent': _counts(run.sent),
        'outputs recorded': _counts(run.received),
        **figures.costs_of(run),
    }
    if run.arm.parameters:
        facts['parameters'] = ', '.join(f'{k}: {v}' for k, v in run.arm.parameters.items())
    if arm.comparison is not None and isinstance(result.specification.inputs, WorldInputs):
        divergence_s = figures.time_to_divergence_s(arm.comparison)
        is_never = divergence_s == float('inf')
        facts['time to divergence'] = 'never' if is_never else f'{divergence_s:.6g} s'
    for number, each in enumerate(arm.demands, 1):
        facts[f'demand {number}'] = figures.demand(each)
    falsifying = result.falsifying.get(arm.name)
    if falsifying is not None:
        facts['shortest input that shows it'] = str(falsifying.bag)
        facts['replayed by'] = falsifying.command
    return Arm(arm.name, arm.verdict, arm.comparison, facts, arm.problem, arm.log_tail)


def _counts(counts: Mapping[str, int]) -> str:
    return ', '.join(f'{topic} {count}' for topic, count in counts.items()) or 'none'


def _write_differences(result: ExperimentResult, stream: TextIO) -> None:
    for number, arm in enumerate(result.compiled):
        if number:
            stream.write('\n')
        if arm.comparison is not None:
            write_diffdiff(arm.comparison, stream)
            continue
        stream.write(f'compiled: {arm.name}\nverdict:  {arm.verdict.value}\n{arm.problem}\n')
        stream.writelines(f'  {line}\n' for line in arm.log_tail)
