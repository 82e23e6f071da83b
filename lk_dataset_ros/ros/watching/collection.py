"""What everybody says on /diagnostics, in one status."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.component import Health, Level
from lk_dataset_ros.component.health import gravest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Names that are kept at most, and those that are told of in one status.
MOST_NAMES: Final = 5000
MOST_TOLD: Final = 200


class Collection:
    """Keeps the last status of every name.

    Args:
        stale_s: A name that is not heard of for so long is stale.
        forget_s: One that is not heard of for so long is forgotten.
        now_ns: A monotonic clock; handed in by tests.
    """

    def __init__(
        self,
        stale_s: float,
        forget_s: float,
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._stale_ns, self._forget_ns = round(stale_s * 1e9), round(forget_s * 1e9)
        self._now_ns = now_ns
        self._heard: dict[str, tuple[int, Level, str]] = {}
        self.left_out = 0

    def take(self, array: Any) -> None:
        """Take a diagnostic_msgs/msg/DiagnosticArray."""
        now_ns = self._now_ns()
        for each in array.status:
            if each.name not in self._heard and len(self._heard) >= MOST_NAMES:
                self.left_out += 1
                continue
            self._heard[each.name] = (now_ns, _level(each.level), each.message[:200])

    def health(self) -> Health:
        """Return the worst of all levels, and who is not well, worst first."""
        now_ns = self._now_ns()
        self._heard = {
            name: each for name, each in self._heard.items() if now_ns - each[0] <= self._forget_ns
        }
        found = {name: self._now(each, now_ns) for name, each in self._heard.items()}
        if not found:
            return Health(Level.STALE, 'nobody says anything')
        counts = {
            level.name: sum(each.level == level for each in found.values()) for level in Level
        }
        unwell = sorted(
            (name for name, each in found.items() if each.level != Level.OK),
            key=lambda name: (-_GRAVITY[found[name].level], name),
        )
        values: dict[str, Any] = dict(counts)
        for name in unwell[:MOST_TOLD]:
            values[name] = f'{found[name].level.name}: {found[name].message}'
        message = 'ok'
        if unwell:
            others = f' and {len(unwell) - 1} more' if len(unwell) > 1 else ''
            message = f'{unwell[0]}: {found[unwell[0]].message}{others}'
        return Health(gravest(each.level for each in found.values()), message, values)

    def _now(self, heard: tuple[int, Level, str], now_ns: int) -> Health:
        time_ns, level, message = heard
        if now_ns - time_ns > self._stale_ns:
            return Health(Level.STALE, f'not heard of for {(now_ns - time_ns) / 1e9:.0f} s')
        return Health(level, message)


#: As in `gravest`.
_GRAVITY: Final = {Level.OK: 0, Level.WARN: 1, Level.STALE: 2, Level.ERROR: 3}


def _level(given: bytes | int) -> Level:
    number = given[0] if isinstance(given, bytes) and given else given
    return Level(number) if number in (0, 1, 2, 3) else Level.ERROR
