"""The state that a late subscriber would have: last messages of transient-local topics."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.dataset.copying import latched_depth
from lk_dataset_ros.dataset.playback.sent import SENT_WINDOW_NS, sent_ns, sent_times_ns
from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.records import SerializedMessage, Topic

#: Topics that ROS latches by convention, by the last part of their name, for bags without QoS.
#: Several nodes publish static transforms, each its own.
CONVENTIONS: Final = {'tf_static': 100, 'robot_description': 1}
CONVENTIONAL_TYPES: Final = {'nav_msgs/msg/OccupancyGrid': 1}
_NO_OFFERS: Final = ('', '[]')

#: Two last messages that are closer are read together, ns.
_TOGETHER_NS: Final = NS_PER_S // 10
#: Looking into many chunks costs less than asking again which there are.
_WIDENING: Final = 64


def depths_of(topics: Mapping[str, Topic]) -> dict[str, int]:
    """Return the transient-local topics and how many last messages a late subscriber gets."""
    found = {name: depth_of(topic) for name, topic in topics.items()}
    return {name: depth for name, depth in found.items() if depth}


def depth_of(topic: Topic) -> int:
    """Return how many last messages of a topic a late subscriber gets; 0 if it is not latched.

    The depths of its transient-local publishers add up; one that is not known (DDS does not tell
    it) counts as 1. For a bag without QoS, the name tells.
    """
    if topic.qos.strip() not in _NO_OFFERS:
        return latched_depth(topic.qos)
    by_name = CONVENTIONS.get(topic.name.rpartition('/')[2], 0)
    return by_name or CONVENTIONAL_TYPES.get(topic.schema.name, 0)


def last_before(
    dataset: Dataset, key: str, position_ns: int, depth: int, first_ns: int, *, is_sent: bool
) -> list[tuple[int, SerializedMessage]]:
    """Return the last messages of a key before a position, each with its time on the line.

    The search widens backwards, so that a topic of many messages costs as little as one of few.

    Args:
        dataset: What is played.
        key: Its topic.
        position_ns: Time on the line; messages at it are left out.
        depth: How many.
        first_ns: Log time of the first message of the dataset.
        is_sent: Times on the line are those of sending.
    """
    stop_ns = position_ns + (SENT_WINDOW_NS if is_sent else 0)
    span_ns = NS_PER_S
    while True:
        start_ns = max(position_ns - span_ns, first_ns)
        heads = dataset.heads(key, start_ns, stop_ns)
        log = heads.log_time_ns
        times = sent_times_ns(heads) if is_sent else log
        before = np.flatnonzero(times < position_ns)
        last = before[np.argsort(times[before], kind='stable')][-depth:]
        # What was received before the window has an earlier time than its start.
        if start_ns <= first_ns or (len(last) == depth and times[last[0]] >= start_ns):
            break
        span_ns *= _WIDENING
    found: list[tuple[int, SerializedMessage]] = []
    for from_ns, to_ns in _stretches(sorted(log[last].tolist())):
        for message in dataset.iterate_serialized([key], from_ns, to_ns + 1):
            time_ns = sent_ns(message) if is_sent else message.log_time_ns
            if time_ns < position_ns:
                found.append((time_ns, message))
    return sorted(found, key=itemgetter(0))[-depth:]


def _stretches(times_ns: list[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of times that are close together."""
    start = 0
    for stop in range(1, len(times_ns) + 1):
        if stop == len(times_ns) or times_ns[stop] - times_ns[stop - 1] > _TOGETHER_NS:
            yield times_ns[start], times_ns[stop - 1]
            start = stop
