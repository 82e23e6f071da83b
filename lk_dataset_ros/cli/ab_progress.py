"""How a run goes: a bar per arm on a terminal, a line per arm elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID
    from typing_extensions import Self

    from lk_dataset_ros.experiment import ArmRun


class Bars:
    """Bars on a terminal; nothing elsewhere.

    Args:
        console: Where to.
        heading: What stands in front of each bar.
    """

    def __init__(self, console: Console, heading: TextColumn) -> None:
        self._console = console
        self._bars = Progress(
            heading,
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave them as they are."""
        self._bars.stop()

    def _add(self, name: str) -> None:
        self._tasks[name] = self._bars.add_task(name, total=None)

    def _move(self, name: str, done: int, total: int) -> None:
        self._bars.update(self._tasks[name], completed=done, total=total)


class Watcher(Bars):
    """Shows how a run goes.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, TextColumn('{task.description:<24}'))

    def arm_starts(self, label: str) -> None:
        """Show a new bar."""
        self._add(label)

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Move a bar."""
        self._move(label, sent, total)

    def arm_ends(self, run: ArmRun) -> None:
        """Fill a bar, or write a line."""
        sent, received = sum(run.sent.values()), sum(run.received.values())
        label = run.place.label
        self._move(label, sent, max(sent, 1))
        self._bars.stop_task(self._tasks[label])
        if not self._console.is_terminal:
            print(f'{label}: {sent} inputs, {received} outputs', file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Write a warning."""
        print(f'lk: warning: {text}', file=sys.stderr, flush=True)
