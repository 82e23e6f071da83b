"""What the recorder of a bag says of losses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset.recording.statistics import STATISTICS_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: A record with more text is not looked into.
_MAX_CHARACTERS: Final = 16 * 1024 * 1024
#: Why a count is not known is told in so many characters at most.
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class TopicLosses:
    """What became of the messages of a topic, as its recorder counted them.

    Attributes:
        name: Topic name.
        recorded: Messages written, in all files that there were.
        lost: Messages that were sent but never received.
        reported_lost: Losses that the middleware reported by itself; part of `lost`.
        dropped: Messages received, but dropped, since the writer could not keep up.
        skipped: Messages received, but not wanted: paused, sampled, limited.
        publishers: Publishers heard.
        unknown: Why `lost` may not be everything; empty if it is.
    """

    name: str
    recorded: int
    lost: int
    reported_lost: int
    dropped: int
    skipped: int
    publishers: int
    unknown: str


def recorded_losses(
    records: Iterable[tuple[str, Mapping[str, str]]],
) -> tuple[TopicLosses, ...] | None:
    """Return what the last record of a recorder says, None if there is none.

    Args:
        records: Name and content of the metadata records of a bag, in order.
    """
    texts = [
        entries.get('statistics', '') for name, entries in records if name == STATISTICS_RECORD
    ]
    if not texts or len(texts[-1]) > _MAX_CHARACTERS:
        return None
    try:
        found = json.loads(texts[-1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return tuple(_losses(name, each) for name, each in found.items() if isinstance(each, dict))


def _losses(name: str, found: dict[str, Any]) -> TopicLosses:
    unknown = found.get('unknown')
    return TopicLosses(
        name,
        recorded=_count(found.get('count')),
        lost=_count(found.get('lost')),
        reported_lost=_count(found.get('reported_lost')),
        dropped=_count(found.get('dropped')),
        skipped=_count(found.get('skipped')),
        publishers=_count(found.get('publishers')),
        unknown=unknown[:_LONGEST] if isinstance(unknown, str) else '',
    )


def _count(value: Any) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else 0
