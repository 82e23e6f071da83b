"""What the message indexes behind a chunk list, believed only if that is all there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lk_dataset_ros.dataset.databases.mcap_files.batches import (
    index_offsets,
    message_index_at,
    messages_at,
)
from lk_dataset_ros.dataset.databases.mcap_files.chunks import records_of
from lk_dataset_ros.dataset.databases.mcap_files.records import MESSAGE, MESSAGE_HEAD, RECORD

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.databases.mcap_files.batches import Found
    from lk_dataset_ros.dataset.databases.mcap_files.records import Buffer


class Indexed(NamedTuple):
    """The content of a chunk.

    Attributes:
        places: Where the message index of each channel is in the file.
        messages: The messages of each channel.
        definitions: Opcode and body of the other records.
        end: Where the last message index ends.
    """

    places: dict[int, int]
    messages: dict[int, Found]
    definitions: list[tuple[int, Any]]
    end: int


def indexed(file: Any, data: Buffer, position: int) -> Indexed | None:
    """Take the messages of a chunk from the indexes behind it, if these list all there are.

    Args:
        file: The file.
        data: The records of the chunk.
        position: Where the chunk ends in the file.

    Returns:
        None if the indexes are not whole or not right.
    """
    places: dict[int, int] = {}
    found: dict[int, Found] = {}
    buffer = np.frombuffer(data, np.uint8)
    while (listed := message_index_at(file, position)) is not None:
        channel, end = listed
        offsets = index_offsets(file, position, channel)
        if offsets is None or channel in places:
            return None
        messages = messages_at(buffer, offsets, np.full(len(offsets), len(data)), channel)
        if messages is None:
            return None
        places[channel], found[channel] = position, messages
        position = end
    definitions = _between(list(found.values()), data)
    return None if definitions is None else Indexed(places, found, definitions, position)


def _between(found: list[Found], data: Buffer) -> list[tuple[int, Any]] | None:
    """Read what stands between messages; None if there is a message, too, or no record."""
    head = RECORD.size + MESSAGE_HEAD.size
    none = np.empty(0, np.int64)
    starts = np.concatenate([none, *(each.start - head for each in found)])
    ends = np.concatenate([none, *(each.start + each.length for each in found)])
    order = np.argsort(starts, kind='stable')
    starts = np.append(starts[order], len(data))
    ends = np.concatenate([[0], ends[order]])
    if (ends > starts).any():
        return None
    definitions: list[tuple[int, Any]] = []
    for gap in np.flatnonzero(starts > ends).tolist():
        position, stop = int(ends[gap]), int(starts[gap])
        for opcode, start, length in records_of(data, position, stop):
            if opcode == MESSAGE:
                return None
            definitions.append((opcode, data[start : start + length]))
            position = start + length
        if position != stop:
            return None
    return definitions
