"""Latched topics: what a viewer that comes late must still be shown."""

from __future__ import annotations

from collections import deque
from typing import Any

import yaml

#: rosbag2 of Humble writes numbers (rmw_qos_durability_policy_t), later ones write names.
_TRANSIENT_LOCAL = ('transient_local', 1)
_MOST_MESSAGES = 1000
_MOST_TEXT = 100_000
_MOST_BYTES = 64 * 1024 * 1024


def latched_depth(qos: str) -> int:
    """Return how many messages the publishers of a topic keep for those who come late.

    Args:
        qos: Offered QoS profiles as rosbag2 writes them.

    Returns:
        The sum over all `transient_local` publishers, at most 1000; 0 if there is none.
    """
    if len(qos) > _MOST_TEXT:
        return 0
    try:
        profiles = yaml.safe_load(qos)
    except (yaml.YAMLError, RecursionError, ValueError):
        return 0
    if not isinstance(profiles, list):
        return 0
    return min(_MOST_MESSAGES, sum(_depth(each) for each in profiles))


def _depth(profile: Any) -> int:
    if not isinstance(profile, dict) or profile.get('durability') not in _TRANSIENT_LOCAL:
        return 0
    if profile.get('history') in {'keep_all', 2}:
        return _MOST_MESSAGES
    depth = profile.get('depth')
    return max(1, depth) if isinstance(depth, int) else 1


class Latch:
    """Keeps the last messages of a topic, bounded in bytes; the very last one always.

    Args:
        depth: Most messages.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._kept: deque[tuple[bytes, int]] = deque()
        self._bytes = 0

    def add(self, cdr: bytes, log_time_ns: int) -> None:
        """Keep a message in the place of the oldest ones."""
        self._kept.append((cdr, log_time_ns))
        self._bytes += len(cdr)
        while len(self._kept) > 1 and (len(self._kept) > self._depth or self._bytes > _MOST_BYTES):
            self._bytes -= len(self._kept.popleft()[0])

    def messages(self) -> list[tuple[bytes, int]]:
        """Return what is kept, `(serialized message, log time)`, oldest first."""
        return list(self._kept)
