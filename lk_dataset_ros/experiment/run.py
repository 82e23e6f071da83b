"""Run an experiment from its specification to its verdict."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lk_dataset_ros.comparison import compare
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import BagExistsError, BagWriteError
from lk_dataset_ros.experiment.arm_run import ArmRun, run_arm
from lk_dataset_ros.experiment.preflight import check
from lk_dataset_ros.experiment.report import write_reports
from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.specification import Specification


class Progress(Protocol):
    """Somebody who watches a run."""

    def arm_starts(self, name: str) -> None:
        """Learn that an arm is started."""

    def arm_advances(self, name: str, sent: int, total: int) -> None:
        """Learn how far an arm is."""

    def arm_ends(self, run: ArmRun) -> None:
        """Learn that an arm is through."""

    def warn(self, text: str) -> None:
        """Learn of something that is not as it should be."""


def run_experiment(
    specification: Specification, progress: Progress, *, output: Path | None = None
) -> ExperimentResult:
    """Check, run every arm, compare, write the reports.

    Args:
        specification: What to do.
        progress: Is told how it goes.
        output: Folder of the run; `runs/<name>/<time>` below the current one by default.

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
    runs: list[ArmRun] = []
    for arm in specification.arms:
        progress.arm_starts(arm.name)
        run = run_arm(
            specification,
            arm,
            directory,
            lambda sent, total, name=arm.name: progress.arm_advances(name, sent, total),  # type: ignore[misc]
            environment=inputs.environment,
        )
        progress.arm_ends(run)
        runs.append(run)
    original, compiled = runs[0], runs[1:]
    result = ExperimentResult(
        specification,
        directory,
        inputs,
        original,
        _judge_all(specification, original, compiled),
    )
    write_reports(result)
    return result


def _judge_all(
    specification: Specification, original: ArmRun, compiled: list[ArmRun]
) -> tuple[ArmResult, ...]:
    outputs = None if original.problem else Dataset.load(original.bag)
    return tuple(_judge(specification, original, outputs, run) for run in compiled)


def _judge(
    specification: Specification, original: ArmRun, outputs: Dataset | None, run: ArmRun
) -> ArmResult:
    if run.problem:
        return ArmResult(run, None, run.problem)
    if outputs is None:
        return ArmResult(run, None, f'the original failed: {original.problem}')
    if original.sent != run.sent:
        return ArmResult(
            run, None, f'unequal inputs: {run.sent}, the original got {original.sent}'
        )
    comparison = compare(
        outputs,
        Dataset.load(run.bag),
        keys=[output.topic for output in specification.outputs],
        tolerance=specification.tolerance,
        original_name=original.arm.name,
        compiled_name=run.arm.name,
    )
    return ArmResult(run, comparison)


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
