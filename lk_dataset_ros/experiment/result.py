"""What came out of an experiment: data, and what the verdict is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison import DatasetComparison, Verdict
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.experiment.closed_loop import compare_closed_loop
from lk_dataset_ros.experiment.cost.cost import ratios
from lk_dataset_ros.experiment.judging import (
    Judged,
    State,
    differing_outcomes,
    judge_demands,
    judge_trust,
)
from lk_dataset_ros.experiment.specification import WorldInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.checking.preflight import Inputs
    from lk_dataset_ros.experiment.closed_loop import ClosedLoop
    from lk_dataset_ros.experiment.cost.intervals import Estimate
    from lk_dataset_ros.experiment.falsifying.finding import Falsifying
    from lk_dataset_ros.experiment.running import ArmRun
    from lk_dataset_ros.experiment.specification import Specification

__all__ = ['ArmResult', 'ExperimentResult', 'judge_arm', 'judge_trust']


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One compiled arm, judged.

    Attributes:
        run: Its first run.
        comparison: Its outputs against the original's, those of the first run that is not
            equivalent; None if it could not be judged.
        problem: Why it could not be judged, or empty.
        repeats: Its further runs.
        ratios: What the original costs per what it costs, by name of the measure.
        expected: The verdict that is demanded.
        demands: What else is demanded, judged.
        outcomes: Names of what became of the task in a world otherwise than with the original.
        closed_loop: What it made of the same world as the original, None outside of worlds.
    """

    run: ArmRun
    comparison: DatasetComparison | None
    problem: str = ''
    repeats: tuple[ArmRun, ...] = ()
    ratios: Mapping[str, Estimate] = field(default_factory=dict)
    expected: Verdict = Verdict.EQUIVALENT
    demands: tuple[Judged, ...] = ()
    outcomes: tuple[str, ...] = ()
    closed_loop: ClosedLoop | None = None

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.run.arm.name

    @property
    def runs(self) -> tuple[ArmRun, ...]:
        """All its runs."""
        return (self.run, *self.repeats)

    @property
    def log_tail(self) -> tuple[str, ...]:
        """Last lines of the log of the run that failed, if one did."""
        return next((run.log_tail for run in self.runs if run.problem), self.run.log_tail)

    @property
    def behaviour(self) -> Verdict:
        """What is said of what it does, whatever it costs; `error` for an arm that failed."""
        if any(run.problem for run in self.runs):
            return Verdict.ERROR
        if self.comparison is None:
            return Verdict.INCONCLUSIVE
        found = self.comparison.verdict
        is_equal = found is Verdict.EQUIVALENT
        return Verdict.DIFFERS if is_equal and self.outcomes else found

    @property
    def verdict(self) -> Verdict:
        """Its behaviour; `inconclusive` where a demand decides and is not clear."""
        is_open = any(each.state is State.NOT_CLEAR for each in self.demands)
        if self.behaviour is self.expected and is_open and not self.demands_failed:
            return Verdict.INCONCLUSIVE
        return self.behaviour

    @property
    def demands_failed(self) -> tuple[Judged, ...]:
        """Demands that are not met."""
        return tuple(each for each in self.demands if each.state is State.NOT_MET)

    @property
    def is_accepted(self) -> bool | None:
        """Whether it is what was demanded; None if that could not be judged."""
        if self.verdict.exit_code == 2:
            return None
        return self.verdict is self.expected and not self.demands_failed

    @property
    def exit_code(self) -> int:
        """0 accepted, 1 not, 2 could not be judged."""
        return {True: 0, False: 1, None: 2}[self.is_accepted]


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An experiment.

    Attributes:
        specification: What was asked for.
        directory: Folder of the run.
        inputs: What was fed to the arms.
        original: The first run of the original.
        repeats: Its further runs.
        compiled: The compiled arms.
        falsifying: The shortest input that shows a difference, by name of the arm.
        facts: What else to say of the run, by name.
    """

    specification: Specification
    directory: Path
    inputs: Inputs
    original: ArmRun
    repeats: tuple[ArmRun, ...] = ()
    compiled: tuple[ArmResult, ...] = ()
    falsifying: Mapping[str, Falsifying] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def originals(self) -> tuple[ArmRun, ...]:
        """All runs of the original."""
        return (self.original, *self.repeats)

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
    def is_accepted(self) -> bool | None:
        """Whether every arm is what was demanded; None if one could not be judged."""
        return {0: True, 1: False}.get(self.exit_code)

    @property
    def exit_code(self) -> int:
        """0 all accepted, 1 one is not, 2 one could not be judged."""
        if self.original.problem:
            return 2
        return max((arm.exit_code for arm in self.compiled), default=0)


def judge_arm(
    specification: Specification,
    originals: Sequence[ArmRun],
    runs: Sequence[ArmRun],
    comparison: DatasetComparison | None,
    problem: str = '',
) -> ArmResult:
    """Judge a compiled arm by what its comparison says, by its cost, and by its task's outcome.

    Args:
        specification: What is demanded.
        originals: All runs of the original, the first one first.
        runs: All runs of the arm.
        comparison: Its outputs against the original's, None if that makes no sense.
        problem: Why it makes none.
    """
    first, *repeats = runs
    failed = next((run for run in runs if run.problem), None)
    if failed is not None:
        again = f'{failed.place.label}: ' if failed is not first else ''
        problem, comparison = f'{again}{failed.problem}', None
    found = ratios(originals, runs)
    return ArmResult(
        first,
        comparison,
        problem,
        tuple(repeats),
        found,
        specification.demands.verdict,
        tuple(judge_demands(specification.demands, found, runs)) if comparison is not None else (),
        tuple(differing_outcomes(originals, runs)),
        _closed_loop(specification, originals[0], first) if comparison is not None else None,
    )


def _closed_loop(specification: Specification, original: ArmRun, run: ArmRun) -> ClosedLoop | None:
    if not isinstance(specification.inputs, WorldInputs):
        return None
    try:
        return compare_closed_loop(original, run)
    except ComparisonError:
        # A bag without what a trajectory needs: the verdict does not depend on it.
        return None
