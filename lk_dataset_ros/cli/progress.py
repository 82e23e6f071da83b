"""A progress bar for the verbs that take a while: on stderr, and only where that is a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, amount: float = 1) -> None:
        """Say that so much more is done, in the units of the bar's total."""


@contextmanager
def progress(
    description: str, total: float | None, *, enabled: bool = True, unit: str = ''
) -> Iterator[Advance]:
    """Show a bar while a block runs.

    Nothing is shown, and rich is not imported, where stderr is no terminal.

        with progress('convert', 200_000, enabled=not no_progress, unit='messages') as advance:
            for message in messages:
                ...
                advance()

    Args:
        description: What is being done.
        total: How much there is to do; None if that is not known.
        enabled: False hides the bar (`--no-progress`).
        unit: Of what the total counts; `bytes` shows them as MB.

    Yields:
        A function that is called with the amount done since the last call (1 if left out).
    """
    if not (enabled and sys.stderr.isatty()):
        yield _ignore
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    amount = (
        DownloadColumn()
        if unit == 'bytes'
        else TextColumn('{task.completed:.0f}' + (f' {unit}' if unit else ''))
    )
    bar = Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        TaskProgressColumn(),
        amount,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(description, total=total)
        yield lambda done=1: bar.advance(task, done)


def _ignore(amount: float = 1) -> None:
    del amount


def progress_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--no-progress` to a verb, as the parameter `no_progress`."""
    return click.option('--no-progress', is_flag=True, help='Show no progress bar.')(command)
