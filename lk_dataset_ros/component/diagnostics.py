"""A component's health: a level, a message, named values. A component itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lk_dataset_ros.component.component import Component
from lk_dataset_ros.component.config import option


class Level(IntEnum):
    """Health levels, numbered as in diagnostic_msgs/msg/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


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

    `count` adds up, `set` replaces, `ok`, `warn` and `error` say how the component is.
    """

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of the diagnostics."""

        name: str = option('', 'whose health it is')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._level = Level.OK
        self._message = 'ok'
        self._values: dict[str, Any] = {}

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

    def status(self) -> Status:
        """Return the health as it is now."""
        values = {name: str(value) for name, value in self._values.items()}
        return Status(self.config.name, self._level, self._message, values)
