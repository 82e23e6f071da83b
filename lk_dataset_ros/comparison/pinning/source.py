"""The text of a test."""

from __future__ import annotations

import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lk_dataset_ros.comparison.pinning.subject import Subject
    from lk_dataset_ros.comparison.tolerance import Limit, Tolerance

#: Names the bag that a test without component judges.
VARIABLE = 'LK_PINNED_BAG'


@dataclass(frozen=True, slots=True)
class GeneratedTest:
    """What a test is made of.

    Attributes:
        name: What it is called.
        reference: Name of the recording beside it.
        outputs: Keys that are judged.
        inputs: Keys of the inputs in the recording.
        tolerance: How far values may lie apart.
        pairing: How messages are paired.
        subject: The component; None for one that runs elsewhere.
        command: What made the test.
    """

    name: str
    reference: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    tolerance: Tolerance
    pairing: str = 'auto'
    subject: Subject | None = None
    command: str = ''

    def text(self, folder: Path) -> str:
        """Return the file's text.

        Args:
            folder: Where it will lie: folders to import from are told from there.
        """
        return '\n'.join([*self._head(), *self._imports(), *self._values(folder), *self._test()])

    def _head(self) -> list[str]:
        lines = ['Pinned: what a component answered, and has to answer.', '']
        if self.command:
            lines += ['Made by:', '', f'    {self.command}', '']
        if self.subject is None:
            lines += [
                f'Judges the bag that {VARIABLE}_{self.name.upper()} names, or {VARIABLE}:',
                '',
                *self._how(),
                '',
            ]
        lines += ['A change that is wanted is pinned anew: the same command with --overwrite.', '']
        return docstring(lines)

    def _how(self) -> list[str]:
        topics = f' --topics {shlex.join(self.inputs)}' if self.inputs else ''
        return [
            f'    lk record -o answers {shlex.join(self.outputs)}    # while the node runs',
            f'    lk play {self.reference}{topics}',
            f'    {VARIABLE}=answers pytest test_pinned_{self.name}.py',
        ]

    def _imports(self) -> list[str]:
        of_comparison = ['Limit'] if self.tolerance.fields else []
        of_comparison += ['Tolerance', 'assert_datasets_equal']
        lines = ['', 'from __future__ import annotations', '']
        if self.subject is None:
            lines += ['import os']
        lines += ['from pathlib import Path', '']
        if self.subject is None:
            lines += ['import pytest', '']
        lines += [
            f'from lk_dataset_ros.comparison import {", ".join(of_comparison)}',
        ]
        if self.subject is not None:
            names = ['extend_python_path'] if self.subject.python_path else []
            names += ['load_component']
            lines += [f'from lk_dataset_ros.component import {", ".join(names)}']
        return [*lines, 'from lk_dataset_ros.dataset import Dataset', '']

    def _values(self, folder: Path) -> list[str]:
        lines = [
            'HERE = Path(__file__).resolve().parent',
            f'REFERENCE = HERE / {literal(self.reference)}',
            *_listed('OUTPUTS', '[]', map(literal, self.outputs)),
        ]
        subject = self.subject
        if subject is not None:
            lines.append(f'COMPONENT = {literal(subject.path)}')
            if subject.settings:
                lines += _listed('SETTINGS', '{}', _entries(subject.settings.items()))
            if subject.topics:
                lines += _listed('TOPICS', '{}', _entries(subject.topics.items()))
            if subject.python_path:
                seen = (literal(_seen_from(folder, each)) for each in subject.python_path)
                lines += _listed('PYTHON_PATH', '[]', (f'str(HERE / {each})' for each in seen))
        return [*lines, *self._tolerance(), '']

    def _tolerance(self) -> list[str]:
        rule = self.tolerance
        parts = [
            f'    {name}={literal(getattr(rule, name))},'
            for name in ('rtol', 'atol')
            if getattr(rule, name) is not None
        ]
        for name in ('fields', 'ignore', 'comparators'):
            entries = list(_entries(getattr(rule, name).items()))
            if entries:
                parts += [f'    {name}={{', *(f'        {each},' for each in entries), '    },']
        return ['TOLERANCE = Tolerance(', *parts, ')'] if parts else ['TOLERANCE = Tolerance()']

    def _test(self) -> list[str]:
        own = f'{VARIABLE}_{self.name.upper()}'
        subject = self.subject
        lines = ['', f'def test_pinned_{self.name}() -> None:']
        if subject is None:
            lines += [
                '    """Promise: the bag that was recorded holds what was pinned."""',
                f"    bag = os.environ.get('{own}') or os.environ.get('{VARIABLE}')",
                '    if not bag:',
                f"        pytest.skip('{VARIABLE} names no bag to judge; this file says how')",
                '    reference = Dataset.load(REFERENCE)',
                '    produced = Dataset.load(bag)',
            ]
        else:
            settings = '**SETTINGS' if subject.settings else ''
            topics = ', TOPICS' if subject.topics else ''
            lines += [
                '    """Promise: the component answers the pinned inputs as it did."""',
                *(['    extend_python_path(PYTHON_PATH)'] if subject.python_path else []),
                '    reference = Dataset.load(REFERENCE)',
                f'    component = load_component(COMPONENT)({settings})',
                f'    produced = component.run(reference{topics})',
            ]
        return [
            *lines,
            '    assert_datasets_equal(',
            '        reference,',
            '        produced,',
            '        keys=OUTPUTS,',
            '        tolerance=TOLERANCE,',
            *([f'        pairing={literal(self.pairing)},'] if self.pairing != 'auto' else []),
            '        original_name=REFERENCE.name,',
            f'        compiled_name={"COMPONENT" if subject else "bag"},',
            '    )',
            '',
        ]


def literal(value: Any) -> str:
    """Return Python source of a plain value, in ASCII."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(literal, value))}]'
    return ascii(value)


def docstring(lines: list[str]) -> list[str]:
    """Return a docstring of lines, whatever is in them."""
    text = [
        ''.join(each if each.isprintable() else '?' for each in line)
        .replace('"""', "'''")
        .rstrip()
        for line in lines
    ]
    start = 'r' if any('\\' in line for line in text) else ''
    return [f'{start}"""{text[0]}', *text[1:-1], '"""']


def _entries(items: Iterable[tuple[str, Any]]) -> Iterable[str]:
    return (f'{literal(name)}: {_limit_or_literal(value)}' for name, value in items)


def _limit_or_literal(value: Any) -> str:
    limit: Limit | Any = value
    if hasattr(limit, 'rtol'):
        return f'Limit(rtol={literal(limit.rtol)}, atol={literal(limit.atol)})'
    return literal(value)


def _listed(name: str, brackets: str, items: Iterable[str]) -> list[str]:
    return [f'{name} = {brackets[0]}', *(f'    {each},' for each in items), brackets[1]]


def _seen_from(folder: Path, target: str) -> str:
    # The test asks for its place with all links followed.
    real = os.path.realpath
    return Path(os.path.relpath(real(target), real(folder))).as_posix()
