"""What a playback says of itself, as a message and in words."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from lk_dataset_ros.msg import PlaybackStatus, PlaybackTopic
from lk_dataset_ros.ros.host import to_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.dataset.playback import PlaybackStats

STATES = {
    'waiting': PlaybackStatus.WAITING,
    'playing': PlaybackStatus.PLAYING,
    'paused': PlaybackStatus.PAUSED,
    'finished': PlaybackStatus.FINISHED,
}


def status_message(
    stats: PlaybackStats,
    *,
    state: str,
    waiting_for: Sequence[str],
    subscribers: Callable[[str], int],
) -> PlaybackStatus:
    """Return the status as a message.

    Args:
        stats: The engine's numbers.
        state: `waiting`, `playing`, `paused` or `finished`.
        waiting_for: Topics that are waited for.
        subscribers: Tells how many a topic has.
    """
    return PlaybackStatus(
        stamp=to_time(time.time_ns()),
        state=int(STATES[state]),
        position_ns=stats.position_ns,
        start_ns=stats.start_ns,
        end_ns=stats.end_ns,
        round=stats.round,
        requested_rtf=stats.requested_rtf,
        achieved_rtf=_number(stats.achieved_rtf),
        count=stats.count,
        lateness_p50_s=_number(stats.lateness_p50_s),
        lateness_p99_s=_number(stats.lateness_p99_s),
        lateness_max_s=_number(stats.lateness_max_s),
        late=stats.late,
        dropped=stats.dropped,
        starved=stats.starved,
        waiting_for=list(waiting_for),
        topics=[
            PlaybackTopic(
                topic=name,
                type=each.type_name,
                count=each.count,
                lateness_p50_s=_number(each.lateness_p50_s),
                lateness_p99_s=_number(each.lateness_p99_s),
                lateness_max_s=_number(each.lateness_max_s),
                late=each.late,
                dropped=each.dropped,
                subscribers=subscribers(name),
            )
            for name, each in stats.topics.items()
        ],
    )


def summary(stats: PlaybackStats) -> str:
    """Return what was played and how punctually, in one line."""
    text = f'played {stats.count} of {stats.total} messages'
    if stats.round:
        text += f' in round {stats.round + 1}'
    if not math.isnan(stats.achieved_rtf):
        text += f', achieved RTF {stats.achieved_rtf:.4g}'
    if stats.requested_rtf and stats.count:
        times = (stats.lateness_p50_s, stats.lateness_p99_s, stats.lateness_max_s)
        p50, p99, longest = (f'{_number(each) * 1e3:.3g}' for each in times)
        text += f', lateness p50 {p50} ms, p99 {p99} ms, max {longest} ms'
    for number, name in (
        (stats.late, 'late'),
        (stats.dropped, 'dropped for it'),
        (stats.starved, 'times starved'),
    ):
        if number:
            text += f', {number} {name}'
    return text


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value
