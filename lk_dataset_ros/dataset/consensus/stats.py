"""What is known of how arms agree, as data; mirrors lk_dataset_ros/msg/ConsensusStatus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.component.health import Level


@dataclass(frozen=True, slots=True)
class FieldStats:
    """How far two arms are apart in one field.

    Attributes:
        field: Field path such as `twist.linear.x`.
        compared: Pairs of messages.
        differing: Pairs beyond the tolerance.
        agreement: Part within the tolerance since the beginning; NaN before the first pair.
        recent_agreement: The same over the sliding window.
        p50: Absolute error over the sliding window, median; as the others to 5 %.
        p95: 95th percentile.
        p99: 99th percentile.
        max: Largest absolute error since the beginning, exact.
    """

    field: str
    compared: int
    differing: int
    agreement: float
    recent_agreement: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class PairStats:
    """How two arms agree.

    Attributes:
        arm: The later one in the order of the arms.
        other: The one that it is compared with, the earlier one: the original, for one.
        compared: Pairs of messages.
        agreeing: Pairs within the tolerance.
        agreement: Part of them since the beginning; NaN before the first.
        recent_agreement: The same over the sliding window.
        missing: Messages of `other` without partner in `arm`.
        extra: Messages of `arm` without partner in `other`.
        late: Partners that came beyond the limit.
        lag_s: Median of arm's arrival - other's arrival over the sliding window, s.
        fields: Those that differ, worst first.
    """

    arm: str
    other: str
    compared: int
    agreeing: int
    agreement: float
    recent_agreement: float
    missing: int
    extra: int
    late: int
    lag_s: float
    fields: tuple[FieldStats, ...]


@dataclass(frozen=True, slots=True)
class ArmStats:
    """What became of one arm's messages.

    Attributes:
        arm: Its name.
        topic: Its output.
        level: How well it is.
        message: One line for a person.
        received: Messages.
        missing: Sets that it did not answer although it was alive.
        late: Messages that came after their set was given up.
        duplicates: Messages of a stamp that had come already.
        restarts: How often its stamps jumped back.
        alone: Messages that nobody else had a partner for.
        malformed: Messages that are not of the type.
        other_type: The type it publishes if it is not that of the group, else empty.
        outlier: Sets in which it was outside of the majority.
    """

    arm: str
    topic: str
    level: Level
    message: str
    received: int
    missing: int
    late: int
    duplicates: int
    restarts: int
    alone: int
    malformed: int
    other_type: str
    outlier: int


@dataclass(frozen=True, slots=True)
class GroupStats:
    """How the arms of a group agree.

    Attributes:
        group: Name of the group.
        output: Topic of the first arm's output.
        since_ns: When counting began, log time; 0 before the first message.
        level: How well it is.
        message: One line for a person.
        events: Disagreements so far.
        recorded_events: Those in the bag.
        skipped_events: Those over the rate limit or the budget.
        waiting_events: Those that wait for room in the budget.
        outlier: The odd one out in the last event, or empty.
        sets: Sets of messages, complete or not.
        disagreeing: Sets that disagreed.
        arms: By name, in order.
        pairs: Each pair of arms.
    """

    group: str
    output: str
    since_ns: int
    level: Level
    message: str
    events: int
    recorded_events: int
    skipped_events: int
    waiting_events: int
    outlier: str
    sets: int
    disagreeing: int
    arms: Mapping[str, ArmStats]
    pairs: tuple[PairStats, ...]
