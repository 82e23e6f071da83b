"""Bags for the benchmarks: made with numbered messages, looked through for missing ones."""

from __future__ import annotations

import heapq
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numbered import DIGITS, KINDS, Template, place_of

from lk_dataset_ros import McapDatabase
from lk_dataset_ros.message import builtin_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

START_NS = 1_700_000_000_000_000_000


def make_bag(path: Path, topics: Sequence[tuple[str, str, float, int]], *, seconds: float) -> Path:
    """Write a bag of numbered messages.

    Args:
        path: Its directory.
        topics: Name, kind, Hz and bytes of each.
        seconds: How much recorded time.
    """
    due = [(0, place) for place in range(len(topics))]
    templates = [Template(kind, size) for _, kind, _, size in topics]
    counts = [0] * len(topics)
    with McapDatabase(path, 'w', compression='none') as database:
        for name, kind, _, _ in topics:
            database.declare(name, builtin_schema(KINDS[kind]))
        while due:
            at_ns, place = heapq.heappop(due)
            name, _, rate, _ = topics[place]
            time_ns, number = START_NS + at_ns, counts[place]
            cdr = templates[place].numbered(number, time_ns)
            database.write_serialized(name, cdr, time_ns, time_ns, number + 1)
            counts[place] += 1
            at_ns = time_of(counts[place], rate)
            if at_ns < seconds * 1e9:
                heapq.heappush(due, (at_ns, place))
    return path


def time_of(number: int, rate: float) -> int:
    """Return when a message of `make_bag` was recorded, ns after the start."""
    return round(number * 1e9 / rate)


def numbers(path: Path, topic: str, kind: str) -> NDArray[np.int64]:
    """Return the running numbers of a topic's messages in a bag, in order."""
    found = [np.zeros(0, np.int64)]
    width = DIGITS if kind == 'string' else 8
    with McapDatabase(path, 'r') as database:
        if topic not in database.keys():  # noqa: SIM118 - no mapping
            return found[0]
        for batch, _ in database.batches(topic):
            if not len(batch):
                continue
            first = int(batch.start[0])
            place = place_of(kind, batch.buffer[first : first + 256].tobytes())
            rows = batch.buffer[(batch.start + place)[:, None] + np.arange(width)]
            if kind == 'string':
                found.append(rows.view(f'S{DIGITS}').ravel().astype(np.int64))
            else:
                found.append(
                    rows.view('<u8' if kind == 'image' else '<f8').ravel().astype(np.int64)
                )
    return np.concatenate(found)


class Found(NamedTuple):
    """What of the messages that were published is in a bag.

    Attributes:
        recorded: Different ones.
        missing: Not there.
        repeated: There more than once.
        disordered: Places at which the number goes down.
    """

    recorded: int
    missing: int
    repeated: int
    disordered: int


def look_through(path: Path, topics: dict[str, tuple[str, int]]) -> Found:
    """Count by the running numbers in the messages.

    Args:
        path: The bag.
        topics: Kind and how many were published, by name.
    """
    recorded = missing = repeated = disordered = 0
    for topic, (kind, published) in topics.items():
        there = numbers(path, topic, kind)
        different = len(np.unique(there))
        recorded += different
        missing += published - different
        repeated += len(there) - different
        disordered += int((np.diff(there) < 0).sum())
    return Found(recorded, missing, repeated, disordered)


def statistics(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a recorder of ours has written into its bag about losses, by topic."""
    with McapDatabase(path, 'r') as database:
        for name, record in database.metadata():
            if name == 'lk_recording':
                return dict(json.loads(record['statistics']))
    return {}
