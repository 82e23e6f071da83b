"""What came out of an experiment: data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison import DatasetComparison, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from lk_dataset_ros.experiment.arm_run import ArmRun
    from lk_dataset_ros.experiment.preflight import Inputs
    from lk_dataset_ros.experiment.specification import Specification


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One compiled arm, judged.

    Attributes:
        run: How it ran.
        comparison: Its outputs against the original's, None if it could not be judged.
        problem: Why it could not be judged, or empty.
    """

    run: ArmRun
    comparison: DatasetComparison | None
    problem: str = ''

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.run.arm.name

    @property
    def verdict(self) -> Verdict:
        """`error` for an arm that failed, otherwise what the comparison says."""
        if self.run.problem:
            return Verdict.ERROR
        return self.comparison.verdict if self.comparison else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An experiment.

    Attributes:
        specification: What was asked for.
        directory: Folder of the run.
        inputs: What was played.
        original: How the original ran.
        compiled: The compiled arms.
    """

    specification: Specification
    directory: Path
    inputs: Inputs
    original: ArmRun
    compiled: tuple[ArmResult, ...]

    @property
    def verdict(self) -> Verdict:
        """Over all arms: an arm that could not be judged weighs more than one that differs."""
        if self.original.problem:
            return Verdict.ERROR
        verdicts = {arm.verdict for arm in self.compiled}
        for verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.DIFFERS):
            if verdict in verdicts:
                return verdict
        return Verdict.EQUIVALENT

    @property
    def exit_code(self) -> int:
        """0 equivalent, 1 differs, 2 could not be judged."""
        return self.verdict.exit_code
