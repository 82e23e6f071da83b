"""Run an experiment from its specification to its verdict."""

from __future__ import annotations

import shutil
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison import Verdict, compare
from lk_dataset_ros.comparison.engine import noise_floors
from lk_dataset_ros.comparison.noise import with_noise
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
    original = _Original(specification, runs[specification.original.name])
    return [_judge(original, runs[arm.name]) for arm in specification.compiled]


class _Original:
    """All runs of the original: read once, compared among each other once, for every arm.

    Args:
        specification: The experiment.
        runs: The runs.
    """

    def __init__(self, specification: Specification, runs: Sequence[ArmRun]) -> None:
        self.specification = specification
        self.runs = runs
        self._options = {
            **specification.rules.options(),
            'keys': [output.topic for output in specification.outputs],
        }

    @cached_property
    def _outputs(self) -> list[Dataset]:
        # They stay open: a comparison reads values again when it is shown.
        return [Dataset.load(run.bag) for run in self.runs]

    @cached_property
    def _floors(self) -> list[DatasetComparison]:
        options = {name: self._options[name] for name in ('keys', 'tolerance', 'pairing')}
        return noise_floors(self._outputs, **options)

    def against(self, run: ArmRun) -> DatasetComparison:
        """Compare a run of an arm with the first of the original, by the noise of all."""
        comparison = compare(
            self._outputs[0],
            Dataset.load(run.bag),
            original_name=self.runs[0].place.label,
            compiled_name=run.place.label,
            **self._options,
        )
        if len(self.runs) == 1:
            return comparison
        return with_noise(comparison, self._floors, len(self.runs))


def _judge(original: _Original, runs: Sequence[ArmRun]) -> ArmResult:
    problem = _untrusted(original.specification, original.runs, runs)
    comparison = None if problem else _gravest(original, runs)
    return judge_arm(original.specification, original.runs, runs, comparison, problem)


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


def _gravest(original: _Original, runs: Sequence[ArmRun]) -> DatasetComparison:
    """Compare every run of an arm; return the first that is not equivalent, or the first."""
    first: DatasetComparison | None = None
    for run in runs:
        found = original.against(run)
        if found.verdict is not Verdict.EQUIVALENT:
            return found
        first = first or found
    assert first is not None
    return first


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
