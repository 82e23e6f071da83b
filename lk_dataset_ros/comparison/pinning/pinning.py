"""Write a test and the recording that it is held against."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.engine import compare
from lk_dataset_ros.comparison.pinning.cutting import Bounds, cut_of
from lk_dataset_ros.comparison.pinning.source import GeneratedTest
from lk_dataset_ros.comparison.tolerance import Tolerance
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.dataset.creation import folder_beside, put
from lk_dataset_ros.errors import BagExistsError, BagWriteError, ComparisonError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike

    from lk_dataset_ros.comparison.pinning.subject import Subject


@dataclass(frozen=True, slots=True)
class Pinned:
    """What was written.

    Attributes:
        test: The pytest file.
        reference: The recording that lies beside it, an `.mcap`.
        counts: Messages in it by key.
        was_run: Whether the outputs are what the component answers now, not what was recorded.
        difference: How the component's answers differ from the outputs already; empty if they do
            not, or there is no component.
    """

    test: Path
    reference: Path
    counts: Mapping[str, int] = field(default_factory=dict)
    was_run: bool = False
    difference: str = ''


def pin(
    dataset: Dataset,
    folder: str | PathLike[str],
    *,
    outputs: Sequence[str],
    inputs: Sequence[str] = (),
    subject: Subject | None = None,
    name: str = '',
    bounds: Bounds | None = None,
    tolerance: Tolerance | None = None,
    pairing: str = 'auto',
    rerun: bool = False,
    overwrite: bool = False,
    command: str = '',
) -> Pinned:
    """Write a test that fails when a component's behaviour changes.

    The test holds the component's answers to the pinned inputs against the pinned outputs. Without
    a component it judges a bag that an environment variable names. Outputs that were not recorded
    are what the component answers now.

    Args:
        dataset: A recording of the inputs and outputs.
        folder: Where the test and its recording go; it is made if it is not there.
        outputs: Keys that are held against the recording.
        inputs: Keys that are kept besides those that the component takes.
        subject: The component; None for one that runs elsewhere.
        name: What to call the test; made of the component or the first output when left out.
        bounds: How much of the recording is taken.
        tolerance: As for `compare`.
        pairing: As for `compare`.
        rerun: Take as outputs what the component answers now, not what was recorded.
        overwrite: Replace a test of this name.
        command: What made it, for the test's docstring.

    Raises:
        BagExistsError: If there is something in the way; nothing has been written then.
        BagWriteError: If nothing can be written there.
        ComparisonError: If there is nothing to pin.
    """
    called = _name(name, subject, outputs)
    home = Path(folder)
    test, reference = home / f'test_pinned_{called}.py', home / f'pinned_{called}.mcap'
    for each in (test, reference):
        if os.path.lexists(each) and not (overwrite and each.is_file()):
            raise BagExistsError(f'{each} exists; --overwrite replaces it')
    recorded = [key for key in outputs if key in dataset.keys()]  # noqa: SIM118
    was_run = rerun or len(recorded) < len(outputs)
    if was_run and subject is None:
        missing = ', '.join(key for key in outputs if key not in recorded)
        raise ComparisonError(
            f'{missing or "--rerun"} needs a component to be run (--component); '
            f'{dataset.name} has {", ".join(dataset.keys()) or "nothing"}'
        )
    taken = list(dict.fromkeys([*(subject.inputs if subject else ()), *inputs]))
    for key in taken:
        if key in outputs:
            raise ComparisonError(f'{key} cannot be both input and output')
    source = GeneratedTest(
        called,
        reference.name,
        tuple(outputs),
        tuple(taken),
        tolerance or Tolerance(),
        pairing,
        subject,
        command,
    )
    cut = cut_of(dataset, taken, [] if was_run else recorded, bounds or Bounds())
    with folder_beside(reference) as drafts:
        bag, counts = _written(drafts / 'cut', cut.copy_into)
        for key in outputs:
            if counts.get(key) == 0:
                raise ComparisonError(f'{dataset.name} has no {key} within the bounds')
        difference = ''
        if subject is not None:
            if was_run:
                bag, answers = _answered(bag, subject, outputs, drafts / 'answered')
                counts.update(answers)
            difference = _difference(bag, subject, source)
        draft = drafts / test.name
        draft.write_text(source.text(home), encoding='utf-8')
        _placed(bag, reference, draft, test, overwrite=overwrite)
    return Pinned(test, reference, counts, was_run, difference)


def _placed(bag: Path, reference: Path, draft: Path, test: Path, *, overwrite: bool) -> None:
    """Move both files to their places, the recording first: a test without one would fail."""
    if overwrite:
        bag.replace(reference)
        draft.replace(test)
        return
    put(bag, reference)
    try:
        put(draft, test)
    except BaseException:
        reference.unlink()
        raise


def _written(
    folder: Path, fill: Callable[[Dataset], dict[str, int]]
) -> tuple[Path, dict[str, int]]:
    """Write a bag; return its one file, and what went into it."""
    with Dataset.create('mcap', folder, compression='zstd') as target:
        counts = fill(target)
    files = list(folder.glob('*.mcap'))
    if len(files) != 1:
        raise BagWriteError(f'the recording became {len(files)} files')
    return files[0], counts


def _answered(
    bag: Path, subject: Subject, outputs: Sequence[str], folder: Path
) -> tuple[Path, dict[str, int]]:
    """Put what the component answers to the inputs."""
    with Dataset.load(bag) as pinned:
        produced = subject.run(pinned)
        for key in outputs:
            if key not in produced.keys():  # noqa: SIM118
                raise ComparisonError(f'{subject.path} answers the pinned inputs with no {key}')
        answers = produced.slice(keys=list(outputs))

        def fill(target: Dataset) -> dict[str, int]:
            pinned.combine(answers, into=target)
            return {key: len(answers.timestamps(key)) for key in outputs}

        return _written(folder, fill)


def _difference(bag: Path, subject: Subject, source: GeneratedTest) -> str:
    """Run the component as the test will; return what the test would say."""
    with Dataset.load(bag) as pinned:
        comparison = compare(
            pinned,
            subject.run(pinned),
            keys=source.outputs,
            tolerance=source.tolerance,
            pairing=source.pairing,
            original_name=source.reference,
            compiled_name=subject.path,
        )
        if comparison.is_equivalent:
            return ''
        from lk_dataset_ros.comparison.renderers.explanation import explanation  # noqa: PLC0415

        return explanation(comparison)


def _name(name: str, subject: Subject | None, outputs: Sequence[str]) -> str:
    if not outputs:
        raise ComparisonError('there is nothing to pin without an output (--output /cmd)')
    if name and not re.fullmatch(r'[a-z0-9_]+', name):
        raise ComparisonError(f'{name!r} is no name of a test; use a-z, 0-9 and _')
    text = name or (subject.path.partition(':')[2] if subject else outputs[0])
    snake = re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', text).lower()
    return re.sub(r'[^a-z0-9]+', '_', snake).strip('_') or 'outputs'
