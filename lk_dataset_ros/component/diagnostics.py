"""A component's health: a level, a message, named values, tasks. A component itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component.component import Component
from lk_dataset_ros.component.config import option
from lk_dataset_ros.component.health import Frequency, Health, Level, StampAge, gravest
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Status:
    """A moment's health.

    Attributes:
        name: Whose health it is.
        level: How well it is.
        message: One line for a person.
        values: Named values, as text.
    """

    name: str
    level: Level
    message: str
    values: dict[str, str]


class Diagnostics(Component):
    """What every component carries as `self.dx`; the host publishes it on `/diagnostics`.

    `count` adds up, `set` replaces, `ok`, `warn` and `error` say how the component is. Tasks find
    out at every update:

        self.dx.frequency('input', minimum_hz=95.0, maximum_hz=105.0)   # in __init__
        self.dx.tick('input')                                           # at every message
        self.dx.add_task('battery', lambda now_ns: Health(Level.WARN, 'low'))
    """

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of the diagnostics."""

        name: str = option('', 'whose health it is')

    def __init__(
        self, *args: Any, monotonic_ns: Callable[[], int] = time.monotonic_ns, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._monotonic_ns = monotonic_ns
        self._level = Level.OK
        self._message = 'ok'
        self._values: dict[str, Any] = {}
        self._tasks: dict[str, Callable[[int], Health]] = {}
        self._found: dict[str, Health] = {}

    def set(self, name: str, value: Any) -> None:
        """Set a named value."""
        self._values[name] = value

    def count(self, name: str, by: int = 1) -> None:
        """Add to a named counter."""
        self._values[name] = self._values.get(name, 0) + by

    def get(self, name: str, default: Any = 0) -> Any:
        """Return a named value."""
        return self._values.get(name, default)

    def ok(self, message: str = 'ok') -> None:
        """Say that the component is well."""
        self._level, self._message = Level.OK, message

    def warn(self, message: str) -> None:
        """Say that something is not as it should be."""
        self._level, self._message = Level.WARN, message

    def error(self, message: str) -> None:
        """Say that the component cannot do its work."""
        self._level, self._message = Level.ERROR, message

    def add_task(self, name: str, task: Callable[[int], Health]) -> None:
        """Let something find out about a part of the component's health.

        Args:
            name: What the part is called.
            task: Is given the time of a monotonic clock, ns.

        Raises:
            ComponentError: If there is one of this name.
        """
        if name in self._tasks:
            raise ComponentError(f'{self.config.name}: there is a task {name!r} already')
        self._tasks[name] = task

    def remove_task(self, name: str) -> None:
        """Forget a task, if there is one of this name."""
        self._tasks.pop(name, None)
        self._found.pop(name, None)

    def frequency(self, name: str, **bounds: float) -> Frequency:
        """Watch how often something happens: `tick` says that it has; see `Frequency`."""
        task = Frequency(**bounds)
        self.add_task(name, task)
        return task

    def stamp_age(self, name: str, **bounds: float) -> StampAge:
        """Watch how old stamps are; see `StampAge`."""
        task = StampAge(**bounds)
        self.add_task(name, task)
        return task

    def tick(self, name: str, count: int = 1) -> None:
        """Say that what `frequency` watches has happened.

        Raises:
            ComponentError: If nothing of this name is watched.
        """
        task = self._tasks.get(name)
        if not isinstance(task, Frequency):
            raise ComponentError(
                f'{self.config.name}: no frequency {name!r} is watched; frequency({name!r}, '
                'minimum_hz=...) does'
            )
        task.tick(self._monotonic_ns(), count)

    def update(self, now_ns: int | None = None) -> list[Status]:
        """Ask every task; return the component's own health first, then each task's.

        A task that fails is an error of that task.

        Args:
            now_ns: The time of a monotonic clock, ns.
        """
        now_ns = self._monotonic_ns() if now_ns is None else now_ns
        for name, task in list(self._tasks.items()):
            try:
                self._found[name] = task(now_ns)
            except Exception as error:  # noqa: BLE001 - the health of the others still counts
                reason = f'{type(error).__name__}: {error}'.splitlines()[0]
                self._found[name] = Health(Level.ERROR, f'its task failed: {reason}')
        own = self.config.name
        return [
            self.status(),
            *(
                Status(f'{own}: {name}' if own else name, *_told(each))
                for name, each in self._found.items()
            ),
        ]

    def status(self) -> Status:
        """Return the health as it is now, what the tasks found last included."""
        level = gravest([self._level, *(each.level for each in self._found.values())])
        message = self._message
        if level != self._level:
            name, found = next((n, f) for n, f in self._found.items() if f.level == level)
            message = f'{name}: {found.message}'
        values = {name: str(value) for name, value in self._values.items()}
        return Status(self.config.name, level, message, values)


def _told(health: Health) -> tuple[Level, str, dict[str, str]]:
    values = {name: _text(value) for name, value in health.values.items()}
    return health.level, health.message, values


def _text(value: Any) -> str:
    return f'{value:.6g}' if isinstance(value, float) else str(value)
