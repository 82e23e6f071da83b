"""Run an experiment from its specification to its verdict."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison import Verdict, compare
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import BagExistsError, BagWriteError
from lk_dataset_ros.experiment.checking.preflight import check
from lk_dataset_ros.experiment.falsifying.finding import find_falsifying
from lk_dataset_ros.experiment.reporting.report import write_reports
from lk_dataset_ros.experiment.result import ExperimentResult, judge_arm, judge_trust
from lk_dataset_ros.experiment.rounds import plan, way_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.experiment.falsifying.finding import Falsifying
    from lk_dataset_ros.experiment.result import ArmResult
    from lk_dataset_ros.experiment.running import ArmRun, Progress
    from lk_dataset_ros.experiment.specification import Specification


def run_experiment(
    specification: Specification,
    progress: Progress,
    *,
    output: Path | None = None,
    falsify: bool = True,
) -> ExperimentResult:
    """Check, run every arm, judge, look for the shortest input that shows it, write the reports.

    Args:
        specification: What to do.
        progress: Is told how it goes.
        output: Folder of the run; `runs/<name>/<time>` below the current one by default.
        falsify: Look for the shortest slice of a bag that shows a difference, where there is one.

    Raises:
        LkError: If the specification does not fit bag, components or machine; nothing was
            started then, and nothing written.
    """
    if output is not None and output.exists():
        raise BagExistsError(f'{output} exists; a run never overwrites anything')
    inputs = check(specification)
    for warning in inputs.warnings:
        progress.warn(warning)
    directory = _make_directory(specification, output)
    runs = _run_all(specification, directory, progress, inputs.environment)
    compiled = judge_arms(specification, runs)
    original, *repeats = runs[specification.original.name]
    falsifying = (
        _falsify(specification, compiled, directory, progress, inputs.environment)
        if falsify
        else {}
    )
    result = ExperimentResult(
        specification,
        directory,
        inputs,
        original,
        tuple(repeats),
        tuple(compiled),
        falsifying,
        dict(inputs.world),
    )
    write_reports(result)
    return result


def _falsify(
    specification: Specification,
    compiled: Sequence[ArmResult],
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> dict[str, Falsifying]:
    """Look for short inputs; who interrupts this still gets the reports."""
    falsifying: dict[str, Falsifying] = {}
    try:
        for arm in compiled:
            found = find_falsifying(
                specification, arm, directory, progress, environment=environment, judge=judge_arms
            )
            if found is not None:
                falsifying[arm.name] = found
    except KeyboardInterrupt:
        progress.warn('the search for the shortest input was interrupted')
    return falsifying


def judge_arms(
    specification: Specification, runs: Mapping[str, Sequence[ArmRun]]
) -> list[ArmResult]:
    """Judge the compiled arms by their runs and those of the original.

    Args:
        specification: The experiment.
        runs: All runs of each arm by its name, in order.
    """
    originals = runs[specification.original.name]
    return [_judge(specification, originals, runs[arm.name]) for arm in specification.compiled]


def _judge(
    specification: Specification, originals: Sequence[ArmRun], runs: Sequence[ArmRun]
) -> ArmResult:
    problem = _untrusted(specification, originals, runs)
    comparison = None if problem else _gravest(specification, originals, runs)
    return judge_arm(specification, originals, runs, comparison, problem)


def _untrusted(
    specification: Specification, originals: Sequence[ArmRun], runs: Sequence[ArmRun]
) -> str:
    """Say why outputs cannot be compared, or nothing."""
    for run in originals:
        if run.problem:
            again = '' if run is originals[0] else f' ({run.place.label})'
            return f'the original failed{again}: {run.problem}'
    if any(run.problem for run in runs):
        return 'it failed'
    reasons = (
        judge_trust(originals[0], run, specification=specification)
        for run in (*originals[1:], *runs)
    )
    return next((reason for reason in reasons if reason), '')


def _gravest(
    specification: Specification, originals: Sequence[ArmRun], runs: Sequence[ArmRun]
) -> DatasetComparison:
    """Compare every run of an arm; return the first that is not equivalent, or the first."""
    first: DatasetComparison | None = None
    for run in runs:
        found = _compare(specification, originals, run)
        if found.verdict is not Verdict.EQUIVALENT:
            return found
        first = first or found
    assert first is not None
    return first


def _compare(
    specification: Specification, originals: Sequence[ArmRun], run: ArmRun
) -> DatasetComparison:
    options = specification.rules.options()
    # They stay open: the comparison reads values again when it is shown.
    outputs, *noise = (Dataset.load(each.bag) for each in originals)
    return compare(
        outputs,
        Dataset.load(run.bag),
        noise=noise,
        original_name=originals[0].place.label,
        compiled_name=run.place.label,
        **{**options, 'keys': [output.topic for output in specification.outputs]},
    )


def _run_all(
    specification: Specification,
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> dict[str, list[ArmRun]]:
    run = way_of(specification)
    runs: dict[str, list[ArmRun]] = {}
    for places in plan(specification):
        for each in run(specification, places, directory, progress, environment=environment):
            runs.setdefault(each.arm.name, []).append(each)
    return runs


def _make_directory(specification: Specification, output: Path | None) -> Path:
    now = time.strftime('%Y%m%d-%H%M%S')
    base = Path('runs') / specification.name
    candidates = (
        [output]
        if output is not None
        else [base / (now if number == 1 else f'{now}-{number}') for number in range(1, 100)]
    )
    for directory in candidates:
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise BagWriteError(f'{directory} cannot be made: {error.strerror}') from error
        (directory / 'logs').mkdir()
        shutil.copyfile(specification.path, directory / 'experiment.yaml')
        return directory
    raise BagExistsError(f'{candidates[-1]} exists; a run never overwrites anything')
