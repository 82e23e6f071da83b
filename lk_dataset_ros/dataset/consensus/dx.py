"""The health of several arms side by side, as diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component.diagnostics import Diagnostics
from lk_dataset_ros.dataset.consensus.levels import arm_health, group_health, stats_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lk_dataset_ros.component.health import Health
    from lk_dataset_ros.dataset.consensus.group import Group
    from lk_dataset_ros.dataset.consensus.stats import GroupStats


class ConsensusDx(Diagnostics):
    """How arms agree: one status for each group, and one for each of its arms.

    The levels are those of the thresholds of the recorder that carries it; what is stale is told
    by the recorder's clock, as of its last `advance`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._groups: list[Group] = []
        self._waiting: Callable[[Group], int] = lambda _: 0

    def watch(self, groups: Iterable[Group], waiting: Callable[[Group], int]) -> None:
        """Tell of groups from now on.

        Args:
            groups: The groups.
            waiting: Tells how many events of a group wait for room in the budget.
        """
        self._waiting = waiting
        for group in groups:
            self._groups.append(group)
            self.add_task(group.name, _of_group(group))
            for place, arm in enumerate(group.arms):
                self.add_task(f'{group.name}/{arm.name}', _of_arm(group, place))

    def get_consensus_stats(self) -> dict[str, GroupStats]:
        """Return what is known, by name of the group; an unnamed one is called by its output."""
        return {each.name: stats_of(each, self._waiting(each)) for each in self._groups}


def _of_group(group: Group) -> Callable[[int], Health]:
    def task(now_ns: int) -> Health:
        del now_ns
        return group_health(group)

    return task


def _of_arm(group: Group, place: int) -> Callable[[int], Health]:
    def task(now_ns: int) -> Health:
        del now_ns
        return arm_health(group, place)

    return task
