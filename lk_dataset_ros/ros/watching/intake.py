"""An intake that rests no longer than its owner allows, and tells of every round."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.ros.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from lk_dataset_ros.dataset import Arrivals

#: Between two rounds others have a turn, s.
_LEAST_REST_S: Final = 0.0002


class WatchIntake(Intake):
    """Hands what arrives to a watcher, soon: how soon is up to `rest_s`.

    A recorder may leave messages in the readers' histories until these get full; who has to decide
    something may not.

    Args:
        node: The node.
        watcher: Takes what comes, as a recorder does.
        rest_s: Longest rest between two rounds, s.
        after_round: Called after every round, by the thread that takes, with the log times
            (int64 arrays) of what came in it.
        now_ns: Gives the log time, where it is not when the middleware received a message.
    """

    def __init__(
        self,
        node: Node,
        watcher: Any,
        *,
        rest_s: float,
        after_round: Callable[[list[Any]], None] | None = None,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(node, watcher, now_ns=now_ns)
        self._rest_s = rest_s
        self._longest_s = rest_s
        self._after_round = after_round
        self._came_ns: list[Any] = []

    def _take_until_stopped(self) -> None:
        rest_s = self._rest_s
        while not self._stopping.wait(rest_s):
            began_s = time.monotonic()
            try:
                fill = self._round()
            except Exception as error:  # noqa: BLE001 - told to the node, which ends
                self.error = error
                return
            # What came while it was busy has waited long enough.
            period_s = min(self._longest_s, self._rest_s / fill if fill else self._rest_s)
            rest_s = max(period_s - (time.monotonic() - began_s), _LEAST_REST_S)

    def _round(self) -> float:
        fill = super()._round()
        # The history that gets full first still says when it has to be sooner.
        self._longest_s = min(self._longest_s, self._rest_s)
        if self._after_round is not None:
            came_ns, self._came_ns = self._came_ns, []
            self._after_round(came_ns)
        return fill

    def _hand_on(self, arrivals: Arrivals) -> None:
        super()._hand_on(arrivals)
        if self._after_round is not None:
            self._came_ns.append(arrivals.log_time_ns)
