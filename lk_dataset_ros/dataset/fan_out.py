"""Doing the same with several databases: one that fails does not stop the others."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.dataset.database import Database

_LOG = logging.getLogger('lk_dataset_ros.Dataset')


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one database, in one way, once or many times.

    Attributes:
        database: Its name.
        action: `declare`, `write`, `flush` or `close`.
        error: The first error of that kind.
        count: How often it happened.
    """

    database: str
    action: str
    error: Exception
    count: int = 1

    def __str__(self) -> str:
        """Return one line: what failed, how, how often."""
        times = f' ({self.count} times)' if self.count > 1 else ''
        return f'{self.database}: {self.action} failed: {_line(self.error)}{times}'


class FanOut:
    """Does things with each of several databases, and remembers what failed.

    A kind of failure (database, action, class of error) is logged when it happens first, not with
    each of a million messages.
    """

    def __init__(self) -> None:
        self._failures: dict[tuple[int, str, type[Exception]], Failure] = {}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What failed so far, in order of first occurrence."""
        return tuple(self._failures.values())

    def each(
        self,
        action: str,
        databases: Sequence[Database],
        chosen: Sequence[int],
        call: Callable[[int], object],
    ) -> None:
        """Do something with each chosen database.

        Args:
            action: What it is called in a report.
            databases: All databases.
            chosen: Places of those with which it is done.
            call: What is done; it gets the place.

        Raises:
            Exception: The first one, if it failed with all of them.
            BaseException: Such as KeyboardInterrupt, when it was done with the others.
        """
        failed: list[tuple[int, Exception]] = []
        interruption: BaseException | None = None
        for place in chosen:
            try:
                call(place)
            except Exception as error:  # noqa: BLE001 - a disk, a server, another package's
                failed.append((place, error))
            except BaseException as stop:
                if action != 'close':
                    raise
                interruption = interruption or stop
        if interruption is not None:
            raise interruption
        if failed and len(failed) == len(chosen):
            raise failed[0][1]
        for place, reason in failed:
            self._note(place, databases[place].name, action, reason)

    def _note(self, place: int, name: str, action: str, error: Exception) -> None:
        kind = (place, action, type(error))
        known = self._failures.get(kind)
        if known is not None:
            self._failures[kind] = dataclasses.replace(known, count=known.count + 1)
            return
        # Without its traceback: that would keep the message, and everything around it, alive.
        failure = Failure(name, action, error.with_traceback(None))
        self._failures[kind] = failure
        _LOG.error('%s; it is reported once, the other databases go on', failure)


def _line(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return text or type(error).__name__
