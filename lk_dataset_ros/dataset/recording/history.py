"""How many messages a reader may keep for a recorder that is busy: bounded by memory."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rosbags.interfaces import Nodetype

from lk_dataset_ros.message import Schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

#: Fewest and most messages; most is a second of a very fast topic.
LEAST_DEPTH: Final = 64
MOST_DEPTH: Final = 50_000
#: What is assumed of fields whose size is known from the messages only, bytes.
_BLOB: Final = 1_000_000  # uint8[]: images, clouds, compressed video
_SEQUENCE: Final = 4096
_STRING: Final = 32
#: What the middleware needs for each message besides, bytes.
_OVERHEAD: Final = 512


@lru_cache(maxsize=512)
def history_depth(schema: Schema, limit_bytes: int) -> int:
    """Return how deep a reader's history may be for a type.

    A publisher's depth is not visible over DDS, and messages are small or large: a number that
    fits all loses bursts of the small ones or fills the memory with the large ones.

    Args:
        schema: The message type.
        limit_bytes: What the history of one topic may take, about.
    """
    codec = codec_for(schema)
    size = _size_of(codec.definition, codec.schema.name) + _OVERHEAD
    return min(max(limit_bytes // size, LEAST_DEPTH), MOST_DEPTH)


def _size_of(definition: Callable[[str], Any], name: str, depth: int = 0) -> int:
    """Return about how many bytes a message has."""
    if depth > 16:
        return _BLOB
    return sum(_size_of_node(definition, node, depth) for _, node in definition(name))


def _size_of_node(definition: Callable[[str], Any], node: Any, depth: int) -> int:
    kind, detail = node
    if kind == Nodetype.NAME:
        return _size_of(definition, detail, depth + 1)
    if kind == Nodetype.BASE:
        return _STRING if detail[0] in ('string', 'wstring') else 8
    element, count = detail
    size = _size_of_node(definition, element, depth + 1)
    if kind == Nodetype.ARRAY:
        return size * int(count)
    if element[0] == Nodetype.BASE and element[1][0] in ('uint8', 'int8', 'byte', 'char', 'octet'):
        return _BLOB
    return max(_SEQUENCE, size)
