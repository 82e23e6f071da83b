"""Run an experiment on many bags, several at once, and roll up what comes out."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Protocol

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.errors import (
    BagExistsError,
    BagWriteError,
    SpecificationError,
)
from lk_dataset_ros.experiment.many.report import write_reports, write_summary
from lk_dataset_ros.experiment.many.result import SPECIFICATION, BagRun, ManyResult
from lk_dataset_ros.experiment.specification import BagInputs
from lk_dataset_ros.experiment.specification.writing import specification_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.many.bags import NamedBag
    from lk_dataset_ros.experiment.specification import Specification

LOGS = 'logs'


class ManyProgress(Protocol):
    """Somebody who watches; is called from several threads, one call at a time."""

    def bag_starts(self, name: str) -> None:
        """Learn that a bag is begun."""

    def bag_advances(self, name: str, done: int, total: int) -> None:
        """Learn how many inputs of all arms have been sent."""

    def bag_ends(self, run: BagRun) -> None:
        """Learn what came out."""


class RunOne(Protocol):
    """Runs an experiment on one bag; whatever happens is a result, never an exception."""

    def __call__(
        self,
        specification: Path,
        bag: NamedBag,
        directory: Path,
        advance: Callable[[int, int], None],
        stop: threading.Event,
    ) -> BagRun:
        """Run it in a folder of its own, `directory / bag.name`; give up on `stop`."""


def run_many(
    specification: Specification,
    bags: Sequence[NamedBag],
    directory: Path,
    jobs: int,
    progress: ManyProgress,
    run_one: RunOne,
) -> ManyResult:
    """Run an experiment on many bags, some at a time, and write what came out.

    In `directory` there is a folder per bag, `experiment.yaml` as it was run, `summary.json`,
    `summary.md` and `junit.xml`. The summary is there from the start and written anew whenever a
    bag ends, so that an interruption, by force too, loses nothing of what was finished.

    Args:
        specification: The experiment; its own bag is not used.
        bags: The bags.
        directory: A folder that is made.
        jobs: How many at a time.
        progress: Is told how it goes.
        run_one: Runs one.

    Raises:
        SpecificationError: If the inputs are not from a bag.
        BagExistsError: If the folder is there.
        BagWriteError: If it cannot be written.
    """
    if not isinstance(specification.inputs, BagInputs):
        raise SpecificationError('--bags is for inputs from a bag; this experiment has others')
    written = _prepare(specification, directory)
    began_s = time.monotonic()
    course = _Course(bags, directory, progress)
    stop = threading.Event()
    executor = ThreadPoolExecutor(jobs, thread_name_prefix='bag')

    def result(*, is_finished: bool) -> ManyResult:
        seconds = time.monotonic() - began_s
        return ManyResult(specification, directory, course.runs(), seconds, is_finished)

    write_summary(result(is_finished=False))
    try:
        waiting: set[Future[None]] = {
            executor.submit(course.run, each, written, run_one, stop) for each in bags
        }
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            if waiting:
                write_summary(result(is_finished=False))
    except BaseException:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)
        write_summary(result(is_finished=False))
        raise
    executor.shutdown()
    found = result(is_finished=True)
    write_reports(found)
    return found


def _prepare(specification: Specification, directory: Path) -> Path:
    try:
        directory.mkdir(parents=True)
        (directory / LOGS).mkdir()
        path = directory / SPECIFICATION
        comment = 'The experiment as it was run on each bag: lk ab experiment.yaml --bag BAG'
        path.write_text(specification_text(specification, comment), encoding='utf-8')
    except FileExistsError as error:
        raise BagExistsError(f'{directory} exists; a run never overwrites anything') from error
    except OSError as error:
        raise BagWriteError(f'{directory} cannot be made: {error.strerror}') from error
    return path


class _Course:
    """How far the bags are."""

    def __init__(self, bags: Sequence[NamedBag], directory: Path, progress: ManyProgress) -> None:
        self._bags, self._directory, self._progress = bags, directory, progress
        self._found: dict[str, BagRun] = {}
        self._lock = threading.Lock()

    def run(self, bag: NamedBag, path: Path, run_one: RunOne, stop: threading.Event) -> None:
        """Run one bag, in a thread of its own."""
        if stop.is_set():
            return
        self._tell(lambda: self._progress.bag_starts(bag.name))

        def advance(done: int, total: int) -> None:
            self._tell(lambda: self._progress.bag_advances(bag.name, done, total))

        began_s = time.monotonic()
        try:
            found = run_one(path, bag, self._directory, advance, stop)
        except Exception as error:  # noqa: BLE001 - one bag must not end the others
            told = ' '.join(f'{type(error).__name__}: {error}'.split())
            found = _not_run(bag, self._directory, told, time.monotonic() - began_s)
        if stop.is_set():
            return
        with self._lock:
            self._found[bag.name] = found
            self._progress.bag_ends(found)

    def _tell(self, call: Callable[[], None]) -> None:
        with self._lock:
            call()

    def runs(self) -> tuple[BagRun, ...]:
        """Return what came out of each bag, in their order; of the others that they were not run."""
        with self._lock:
            found: Mapping[str, BagRun] = dict(self._found)
        return tuple(
            found.get(bag.name) or _not_run(bag, self._directory, 'was not run', math.nan)
            for bag in self._bags
        )


def _not_run(bag: NamedBag, directory: Path, problem: str, seconds: float) -> BagRun:
    return BagRun(
        bag.name, bag.path, directory / bag.name, Verdict.ERROR, 2, problem, seconds=seconds
    )
