"""Wait for subscribers before the first message, so that nothing depends on a sleep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from lk_dataset_ros.errors import ArmError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: From our match to the subscriber's own, s: both exchange their endpoints at the same time, and
#: on a busy machine one of them is slow.
SETTLE_S = 0.3
#: How long subscribers that are busy then may still be, s: some processes are never idle.
BUSY_LIMIT_S = 3.0


class Matches(Protocol):
    """Knows who subscribes."""

    def subscription_count(self, topic: str) -> int:
        """Return how many subscribers a topic's publisher has matched."""


class Readiness:
    """Decide when a playback may begin.

    Topics that are demanded must have their subscribers within the limit. For the others there is
    no telling who will come: they get the time that discovery takes at worst, and less when all of
    them have a subscriber before.

    Args:
        matches: Knows who subscribes.
        demanded: Topics that must have a subscriber.
        others: Topics that may have one.
        count: Subscribers that each topic of either kind needs.
        limit_s: How long to wait for the demanded ones, s; 0 does not wait.
        discovery_s: How long to wait for the others, s; 0 does not wait.
        are_idle: Tells whether the subscribers have dealt with what they were told.
        now_s: A monotonic clock.
    """

    def __init__(
        self,
        matches: Matches,
        demanded: Sequence[str],
        others: Sequence[str],
        *,
        count: int = 1,
        limit_s: float = 30.0,
        discovery_s: float = 3.0,
        are_idle: Callable[[], bool] = lambda: True,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._matches = matches
        self._demanded = list(demanded) if limit_s else []
        self._others = list(others) if discovery_s else []
        self._count = count
        self._limit_s = limit_s
        self._discovery_s = discovery_s
        self._are_idle = are_idle
        self._now_s = now_s
        self._since_s = now_s()
        self._complete_at_s: float | None = None

    @property
    def missing(self) -> list[str]:
        """Topics that are waited for."""
        return self._without(self._demanded) + self._without(self._others)

    def is_ready(self) -> bool:
        """Tell whether the playback may begin.

        Raises:
            ArmError: If a demanded subscriber has not come within the limit.
        """
        now_s = self._now_s()
        demanded = self._without(self._demanded)
        waited_s = now_s - self._since_s
        if demanded:
            self._complete_at_s = None
            if waited_s > self._limit_s:
                raise ArmError(self._too_late(demanded))
            return False
        if self._without(self._others):
            self._complete_at_s = None
            return waited_s >= self._discovery_s
        if not (self._demanded or self._others):
            return True
        if self._complete_at_s is None:
            self._complete_at_s = now_s
        settled_s = now_s - self._complete_at_s
        return settled_s >= SETTLE_S and (settled_s >= BUSY_LIMIT_S or self._are_idle())

    def _without(self, topics: Sequence[str]) -> list[str]:
        count = self._matches.subscription_count
        return [topic for topic in topics if count(topic) < self._count]

    def _too_late(self, topics: list[str]) -> str:
        wanted = 'no subscriber' if self._count == 1 else f'fewer than {self._count} subscribers'
        verb = 'has' if len(topics) == 1 else 'have'
        return (
            f'{", ".join(topics)} {verb} {wanted} after {self._limit_s:g} s; '
            'ready_limit_s:=0.0 plays without'
        )
