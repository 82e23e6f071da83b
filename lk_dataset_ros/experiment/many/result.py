"""What came out of an experiment on many bags: data only."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from pathlib import Path

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.experiment.specification import Specification

SPECIFICATION = 'experiment.yaml'
_GRAVITY = (Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.DIFFERS)


@dataclass(frozen=True, slots=True)
class ArmRow:
    """A compiled arm on one bag.

    Attributes:
        name: The arm.
        verdict: What was found.
        exit_code: 0 accepted, 1 not, 2 could not be judged.
        problem: Why it could not be judged, or empty.
        first_divergence: Key, stamp in nanoseconds, and field of the first thing that differs.
        speed_up: Processor time of the original per that of the arm, NaN if unknown.
        falsifying: Command that shows the difference on the shortest input, or empty.
        comparison: Its outputs against the original's, without the bags.
    """

    name: str
    verdict: Verdict
    exit_code: int
    problem: str = ''
    first_divergence: tuple[str, int, str] | None = None
    speed_up: float = math.nan
    falsifying: str = ''
    comparison: DatasetComparison | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BagRun:
    """An experiment on one bag.

    Attributes:
        name: Of the bag; its folder.
        bag: The bag.
        directory: Folder of its run; it need not be there if nothing could be run.
        verdict: Over all arms.
        exit_code: 0 accepted, 1 not, 2 could not be judged.
        problem: Why it could not be run, or empty.
        arms: The compiled arms; none if it could not be run.
        seconds: How long it took.
        warnings: What is wrong with the bag although it can be read.
    """

    name: str
    bag: Path
    directory: Path
    verdict: Verdict
    exit_code: int
    problem: str = ''
    arms: tuple[ArmRow, ...] = ()
    seconds: float = math.nan
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManyResult:
    """An experiment on many bags.

    Attributes:
        specification: What was asked for.
        directory: Folder of all runs.
        runs: What came out of each bag, in their order.
        seconds: How long it took.
        is_finished: Every bag was run; not so while they are, or when it was interrupted.
    """

    specification: Specification
    directory: Path
    runs: tuple[BagRun, ...]
    seconds: float
    is_finished: bool = True

    @property
    def verdict(self) -> Verdict:
        """The gravest: an error, then what could not be judged, then a difference."""
        verdicts = {run.verdict for run in self.runs}
        return next((each for each in _GRAVITY if each in verdicts), Verdict.EQUIVALENT)

    @property
    def exit_code(self) -> int:
        """0 all accepted, 1 one is not, 2 one could not be judged."""
        return max((run.exit_code for run in self.runs), default=2)

    @property
    def failed(self) -> tuple[BagRun, ...]:
        """Runs that were not accepted."""
        return tuple(run for run in self.runs if run.exit_code)

    def totals(self) -> dict[str, DatasetComparison]:
        """Return the comparison of each arm over all bags, where they can be added up."""
        found = {}
        for arm in self.specification.compiled:
            comparisons = [
                row.comparison
                for run in self.runs
                for row in run.arms
                if row.name == arm.name and row.comparison is not None
            ]
            try:
                if comparisons:
                    found[arm.name] = sum(comparisons[1:], comparisons[0])
            except ComparisonError:
                continue
        return found

    def rerun_command(self, run: BagRun) -> str:
        """Return the command that runs one bag again, alone."""
        words = ('lk', 'ab', str(self.directory / SPECIFICATION), '--bag', str(run.bag))
        return shlex.join([*words, '--output', f'{run.directory}-again'])
