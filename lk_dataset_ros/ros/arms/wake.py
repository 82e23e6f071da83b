"""Wait for outputs of several arms at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.impl.implementation_singleton import rclpy_implementation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lk_dataset_ros.ros.arms.station import Station


class Wake:
    """One wait set for the outputs of all arms, each in a ROS domain of its own.

    rclpy's executor makes a wait set and walks through its node for every message; this one is
    made once and only waits: who waits takes what is there.

    Args:
        stations: The arms; their outputs are subscribed.
    """

    def __init__(self, stations: Sequence[Station]) -> None:
        self._handles: dict[str, list[Any]] = {
            station.label: [each.subscription.handle for each in station.hearings]
            for station in stations
        }
        self._sets: dict[int, Any] = {}
        self._context = stations[0].context.handle

    def wait(self, stations: Iterable[Station], limit_s: float) -> None:
        """Wait until one of some arms has an output, or for the limit."""
        handles = [handle for each in stations for handle in self._handles[each.label]]
        wait_set = self._sets.get(len(handles))
        if wait_set is None:
            wait_set = rclpy_implementation.WaitSet(len(handles), 0, 0, 0, 0, 0, self._context)
            self._sets[len(handles)] = wait_set
        # ROS empties a wait set of what is not ready.
        wait_set.clear_entities()
        for handle in handles:
            wait_set.add_subscription(handle)
        wait_set.wait(int(limit_s * 1e9))

    def close(self) -> None:
        """Let go of the wait sets."""
        for each in self._sets.values():
            each.destroy_when_not_in_use()
        self._sets = {}
