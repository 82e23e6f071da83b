"""A falsifying example: the shortest input that still shows that a compiled arm differs."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.dataset.creation import folder_beside, put
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.experiment.falsifying.bisection import shortest_slice
from lk_dataset_ros.experiment.falsifying.probing import Budget, Probing
from lk_dataset_ros.experiment.falsifying.slicing import InputRow
from lk_dataset_ros.experiment.specification import (
    BagInputs,
    Demands,
    Mode,
    Specification,
    load_specification,
)
from lk_dataset_ros.experiment.specification.writing import specification_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.experiment.falsifying.bisection import Slice
    from lk_dataset_ros.experiment.falsifying.probing import Judge
    from lk_dataset_ros.experiment.result import ArmResult
    from lk_dataset_ros.experiment.rounds import Run
    from lk_dataset_ros.experiment.running import Progress

#: How often what was saved is run at most until it shows the difference: some come and go.
_ATTEMPTS = 3
_BAG = 'inputs.mcap'
_SPECIFICATION = 'experiment.yaml'


@dataclass(frozen=True, slots=True)
class Falsifying:
    """A short input that shows the difference of an arm; it was run, and it does.

    Attributes:
        arm: The arm.
        bag: The inputs, a bare `.mcap` file; the experiment lies beside it.
        command: What shows the difference again.
        inputs: Inputs in it, without the latched state.
        runs: How many slices were run to find it.
        is_minimal: With one input less at either end nothing differs any more.
        latched: Messages of latched state in front of the inputs.
        duration_s: From its first input to its last, s.
        mode: How it was run.
    """

    arm: str
    bag: Path
    command: str
    inputs: int
    runs: int
    is_minimal: bool
    latched: int = 0
    duration_s: float = 0.0
    mode: Mode = Mode.OFFLINE


def find_falsifying(
    specification: Specification,
    arm: ArmResult,
    directory: Path,
    progress: Progress,
    *,
    environment: Mapping[str, str],
    judge: Judge,
    run: Run | None = None,
    budget: Budget | None = None,
) -> Falsifying | None:
    """Look for the shortest input that shows a difference, and save it.

    Slices of the bag are run through the original and the arm, without ROS where both are
    components and the difference shows there, and judged as the experiment was. What is found
    lies in `directory/falsifying/<arm>`: `inputs.mcap`, and `experiment.yaml`, which runs it.

    Args:
        specification: The experiment.
        arm: A compiled arm of it that differs.
        directory: Folder of the run.
        progress: Is told how it goes.
        environment: Variables of child processes beside our own.
        judge: Judges the arms of a probe as those of the experiment.
        run: How the arms of the experiment are run; as `way_of` says if left out.
        budget: How many slices may be run, how long.

    Returns:
        None if the inputs are not from a bag, or nothing that was tried shows the difference
        again. Whatever goes wrong is told to `progress`: the verdict has been found without it.
    """
    if not isinstance(specification.inputs, BagInputs) or arm.behaviour is not Verdict.DIFFERS:
        return None
    target = directory / 'falsifying' / arm.name
    label = f'{arm.name}: shortest input'
    progress.arm_starts(label)
    try:
        with (
            Dataset.load(specification.inputs.bag) as dataset,
            folder_beside(target) as folder,
        ):
            row = InputRow(dataset, specification.inputs)
            search = Probing(
                row,
                folder,
                lambda done, expected: progress.arm_advances(label, done, expected),
                environment=environment,
                judge=judge,
                run=run,
                budget=budget or Budget(),
                is_noisy=_is_noisy(arm.comparison),
            )
            return _found(specification, arm, search, progress, target)
    except (LkError, OSError) as error:
        progress.warn(f'{arm.name}: no shortest input was found: {error}')
        return None


def _found(
    specification: Specification,
    arm: ArmResult,
    search: Probing,
    progress: Progress,
    target: Path,
) -> Falsifying | None:
    hint = _answered_by(specification, arm.comparison, search.row)
    for candidate in _candidates(specification, arm):
        found = shortest_slice(search.oracle(candidate), len(search.row), hint)
        if found is not None:
            break
        if search.is_spent:
            break
    if search.is_spent:
        what = 'what was found may not be the shortest' if found else 'nothing was found'
        progress.warn(f'{arm.name}: the search for the shortest input {search.spent}; {what}')
    if found is None:
        if not search.is_spent:
            progress.warn(f'{arm.name}: the difference does not show again; it comes and goes')
        return None
    return _saved(candidate, arm.name, found, search, progress, target)


def _candidates(specification: Specification, arm: ArmResult) -> Iterator[Specification]:
    """Yield the experiment with this arm alone: without ROS where that works, and as it is."""
    alone = specification.replace(
        name=f'{specification.name}-falsifying-{arm.name}',
        compiled=(arm.run.arm,),
        warm_up_s=0.0,
        demands=Demands(verdict=specification.demands.verdict),
    )
    if alone.mode is not Mode.OFFLINE and all(each.component for each in alone.arms):
        yield alone.replace(mode=Mode.OFFLINE, rtf=0.0)
    yield alone


def _saved(
    specification: Specification,
    name: str,
    found: Slice,
    search: Probing,
    progress: Progress,
    target: Path,
) -> Falsifying | None:
    """Save what was found, run exactly that once more, and put it into its place."""
    row, folder = search.row, search.folder / 'found'
    folder.mkdir()
    counts = row.write(folder / _BAG, found.start, found.stop)
    latched = sum(counts.values()) - len(found)
    written = search.reduced(specification, folder / _BAG, counts)
    inputs = dataclasses.replace(written.inputs, bag=_BAG)  # type: ignore[arg-type]
    (folder / _SPECIFICATION).write_text(
        specification_text(
            written.replace(inputs=inputs),
            f'The shortest input found that shows how {name} differs: {len(found)} inputs'
            f'{f" after {latched} of latched state" if latched else ""}.\n'
            f'Run: lk ab {_SPECIFICATION}',
        ),
        encoding='utf-8',
    )
    saved = load_specification(folder / _SPECIFICATION)
    if not any(search.shows(saved) for _ in range(_ATTEMPTS)):
        progress.warn(f'{name}: the difference does not show each time; no short input is kept')
        return None
    put(folder, target)
    return Falsifying(
        arm=name,
        bag=target / _BAG,
        command=f'lk ab {shlex.quote(str(target / _SPECIFICATION))}',
        inputs=len(found),
        runs=search.runs,
        is_minimal=found.is_minimal,
        latched=latched,
        duration_s=row.duration_s(found.start, found.stop),
        mode=specification.mode,
    )


def _answered_by(
    specification: Specification, comparison: DatasetComparison | None, row: InputRow
) -> int | None:
    """Return the number of the input that the first divergence answers, or one before it."""
    first = comparison.first_divergence if comparison is not None else None
    if comparison is None or first is None:
        return None
    name, stamp_ns, _ = first
    output = next((each for each in specification.outputs if each.topic == name), None)
    key = next(each for each in comparison.keys if each.key == name)
    if output is None or len(key.stamps_ns) != key.paired:
        return None
    before = np.count_nonzero(key.stamps_ns < stamp_ns)
    before += np.count_nonzero(key.missing_ns < stamp_ns)
    # An input has no more answers than this, so that it cannot be an earlier one.
    return row.number_of(output.answers, int(before) // max(output.most, 1))


def _is_noisy(comparison: DatasetComparison | None) -> bool:
    """Tell whether runs of the original differ by more than the tolerance."""
    return comparison is not None and any(
        field.noise is not None and field.noise.mismatched
        for key in comparison.keys
        for field in key.fields
    )
