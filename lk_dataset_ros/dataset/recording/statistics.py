"""What became of every message of a topic, and the record of it in the bag."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Name of the metadata record that a finished bag has.
STATISTICS_RECORD: Final = 'lk_recording'
_FORMAT: Final = '1'


@dataclass(slots=True)
class TopicStats:
    """What became of a topic's messages; each is in one of count, lost, dropped and skipped.

    Attributes:
        type_name: Message type.
        count: Messages written.
        size: Their serialized bytes.
        lost: Messages that were sent but never received: gaps in the publishers' sequence
            numbers.
        reported_lost: Losses that the middleware reported by itself; part of `lost`.
        dropped: Messages received, but dropped because the writer could not keep up, or failed.
        skipped: Messages received, but not wanted (paused, sampling, rate, predicate, the older
            ones of a ring buffer).
        repeated: Latched messages written once more at the start of a file.
        publishers: Publishers heard so far.
        unknown: Why `lost` may not be everything; empty if it is.
    """

    type_name: str
    count: int = 0
    size: int = 0
    lost: int = 0
    reported_lost: int = 0
    dropped: int = 0
    skipped: int = 0
    repeated: int = 0
    publishers: int = 0
    unknown: str = ''


def to_record(stats: Mapping[str, TopicStats]) -> dict[str, str]:
    """Return the statistics as an MCAP metadata record."""
    topics: dict[str, dict[str, Any]] = {
        name: {key: value for key, value in dataclasses.asdict(each).items() if key != 'type_name'}
        for name, each in stats.items()
    }
    for each in topics.values():
        each['bytes'] = each.pop('size')
    return {'format': _FORMAT, 'statistics': json.dumps(topics)}
