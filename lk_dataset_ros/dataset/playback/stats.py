"""What a playback has done, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.playback.lateness import percentiles_s

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class TopicPlayback:
    """What a playback has done with one topic.

    Attributes:
        type_name: Type of its messages.
        count: Messages handed out.
        lateness_p50_s: Half of the messages were handed out at most so long after they were due.
        lateness_p99_s: The same of 99 %.
        lateness_max_s: The same of all.
        late: Messages that were later than the limit.
        dropped: Late messages that were left out.
    """

    type_name: str
    count: int = 0
    lateness_p50_s: float = 0.0
    lateness_p99_s: float = 0.0
    lateness_max_s: float = 0.0
    late: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class PlaybackStats:
    """Where a playback is and how well it keeps time; times in ns, lateness in s.

    Attributes:
        state: `waiting` before the first message, `playing`, `paused` or `finished`.
        position_ns: Recorded time of the playback head.
        start_ns: Recorded time at which this playback begins.
        end_ns: Recorded time at which it ends.
        round: How often it has been played before, in a loop.
        requested_rtf: Real-time factor asked for.
        achieved_rtf: Recorded time per wall time, NaN before the first message.
        count: Messages handed out.
        total: Messages of the topics in the bag.
        lateness_p50_s: See `TopicPlayback`, over all topics.
        lateness_p99_s: The same.
        lateness_max_s: The same.
        late: The same.
        dropped: The same.
        starved: How often a message was due before it had been read.
        topics: The topics by the name under which they are published.
    """

    state: str
    position_ns: int
    start_ns: int
    end_ns: int
    round: int
    requested_rtf: float
    achieved_rtf: float
    count: int
    total: int
    lateness_p50_s: float
    lateness_p99_s: float
    lateness_max_s: float
    late: int
    dropped: int
    starved: int
    topics: dict[str, TopicPlayback]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a schedule has counted of a topic; a copy.

    Attributes:
        count: Messages handed out.
        dropped: Late messages that were left out.
        late: Messages that were later than the limit.
        max_ns: Lateness of the latest.
        bins: Counts as in `Lateness`.
    """

    count: int
    dropped: int
    late: int
    max_ns: int
    bins: list[int]


def topic_playback(type_name: str, counted: Counted) -> TopicPlayback:
    """Put one topic's numbers into words."""
    half_s, most_s = _percentiles_s([counted])
    return TopicPlayback(
        type_name,
        counted.count,
        half_s,
        most_s,
        counted.max_ns * 1e-9,
        counted.late,
        counted.dropped,
    )


def summed(counted: Sequence[Counted]) -> TopicPlayback:
    """Put the numbers of all topics together."""
    half_s, most_s = _percentiles_s(counted)
    return TopicPlayback(
        '',
        sum(each.count for each in counted),
        half_s,
        most_s,
        max((each.max_ns for each in counted), default=0) * 1e-9,
        sum(each.late for each in counted),
        sum(each.dropped for each in counted),
    )


def _percentiles_s(counted: Sequence[Counted]) -> tuple[float, float]:
    """Return p50 and p99; a bin's edge is never above the latest."""
    latest_s = max((each.max_ns for each in counted), default=0) * 1e-9
    half_s, most_s = percentiles_s([each.bins for each in counted], (0.5, 0.99))
    return min(half_s, latest_s), min(most_s, latest_s)
