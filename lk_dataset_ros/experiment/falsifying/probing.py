"""Run slices of an experiment's inputs, to see which of them show a difference."""

from __future__ import annotations

import math
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.errors import ComparisonError, SpecificationError
from lk_dataset_ros.experiment.falsifying.bisection import BudgetSpentError
from lk_dataset_ros.experiment.rounds import plan, way_of
from lk_dataset_ros.experiment.specification import BagInputs, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.falsifying.slicing import InputRow
    from lk_dataset_ros.experiment.result import ArmResult
    from lk_dataset_ros.experiment.rounds import Run
    from lk_dataset_ros.experiment.running import ArmRun, Place
    from lk_dataset_ros.experiment.specification import Specification

#: A difference that noise may be taken for has to show so often in a row.
_CONFIRMATIONS = 2
_BAG_OF_PROBE = 'probe.mcap'


class Judge(Protocol):
    """Judges the compiled arms of an experiment."""

    def __call__(
        self, specification: Specification, runs: Mapping[str, Sequence[ArmRun]], /
    ) -> Sequence[ArmResult]:
        """Judge all compiled arms by all runs, by name of the arm."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may cost.

    Attributes:
        runs: Slices that are run.
        seconds: Time after which no other one is begun, and the one that runs is given up.
    """

    runs: int = 100
    seconds: float = 120.0


class Probing:
    """Runs slices, and says whether they show the difference.

    Args:
        row: The inputs.
        folder: Where probes lie while they run.
        advance: Is told how many slices were run, and how many may be in all.
        environment: Variables of child processes beside our own.
        judge: Judges a probe.
        run: How the arms are run in the experiment's own mode; None for the usual way.
        budget: What it may cost.
        is_noisy: A probe has to show the difference twice.
        clock: Seconds that pass.

    Attributes:
        runs: How many slices were run.
        spent: Why there are no more probes, or empty.
    """

    def __init__(
        self,
        row: InputRow,
        folder: Path,
        advance: Callable[[int, int], None],
        *,
        environment: Mapping[str, str],
        judge: Judge,
        run: Run | None = None,
        budget: Budget,
        is_noisy: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.row, self.folder = row, folder
        self.runs, self.spent = 0, ''
        self._advance, self._clock = advance, clock
        self._environment, self._judge, self._run = environment, judge, run
        self._budget = budget
        self._needed = _CONFIRMATIONS if is_noisy else 1
        self._deadline_s = clock() + budget.seconds
        self._expected = 2 * math.ceil(math.log2(len(row) + 1)) + 3

    @property
    def is_spent(self) -> bool:
        """Whether the budget is exhausted."""
        return bool(self.spent)

    def oracle(self, specification: Specification) -> Callable[[int, int], bool]:
        """Return what says of a slice whether it shows the difference."""

        def differs(start: int, stop: int) -> bool:
            self._check_budget()
            self.runs += 1
            self._advance(self.runs, max(self._expected, self.runs))
            bag = self.folder / _BAG_OF_PROBE
            counts = self.row.write(bag, start, stop)
            try:
                return self._confirmed(specification, bag, counts)
            finally:
                bag.unlink()

        return differs

    def reduced(
        self, specification: Specification, bag: Path, counts: Mapping[str, int]
    ) -> Specification:
        """Return an experiment with a slice as its inputs, and without what is not in there.

        Raises:
            SpecificationError: If nothing is left that could differ.
        """
        outputs = tuple(each for each in specification.outputs if each.answers in counts)
        if not outputs:
            raise SpecificationError(f'no output answers {", ".join(counts) or "nothing"}')
        topics = tuple(each for each in specification.inputs.topics if each in counts)
        return specification.replace(inputs=BagInputs(bag, topics), outputs=outputs)

    def shows(self, specification: Specification) -> bool:
        """Run original and arm, and tell whether the arm differs."""
        directory = self.folder / 'probe'
        (directory / 'logs').mkdir(parents=True)
        try:
            runs: dict[str, list[ArmRun]] = {}
            for each in self._all(specification, directory):
                runs.setdefault(each.arm.name, []).append(each)
            judged = self._judge(specification, runs)
            return all(each.behaviour is Verdict.DIFFERS for each in judged)
        except ComparisonError:
            # Neither side has answered anything.
            return False
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _all(self, specification: Specification, directory: Path) -> list[ArmRun]:
        is_offline = specification.mode is Mode.OFFLINE
        run = way_of(specification) if is_offline or self._run is None else self._run

        def of_round(places: Sequence[Place]) -> list[ArmRun]:
            return run(specification, places, directory, Nobody(), environment=self._environment)

        # What a probe costs does not matter: processes without ROS run beside each other.
        with ThreadPoolExecutor((os.cpu_count() or 1) if is_offline else 1) as executor:
            return [each for runs in executor.map(of_round, plan(specification)) for each in runs]

    def _confirmed(
        self, specification: Specification, bag: Path, counts: Mapping[str, int]
    ) -> bool:
        try:
            probe = self.reduced(specification, bag, counts)
        except SpecificationError:
            return False
        left_s = self._deadline_s - self._clock()
        limits = replace(probe.limits, run_s=max(min(probe.limits.run_s, left_s), 1e-3))
        probe = probe.replace(limits=limits)
        shows = all(self.shows(probe) for _ in range(self._needed))
        if not shows:
            # It may have been given up for want of time, which says nothing.
            self._check_time()
        return shows

    def _check_budget(self) -> None:
        if self.runs >= self._budget.runs:
            self.spent = f'ended after {self.runs} runs, which is its limit'
            raise BudgetSpentError
        self._check_time()

    def _check_time(self) -> None:
        if self._clock() >= self._deadline_s:
            self.spent = f'ended after {self._budget.seconds:g} s, which is its limit'
            raise BudgetSpentError


class Nobody:
    """Watches a probe, and says nothing."""

    def arm_starts(self, label: str) -> None:
        """Learn that an arm is started."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Learn how far an arm is."""

    def arm_ends(self, run: ArmRun) -> None:
        """Learn that an arm is through."""

    def warn(self, text: str) -> None:
        """Learn of something that is not as it should be."""
