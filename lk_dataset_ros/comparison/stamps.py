"""The stamp that a serialized message begins with, read without decoding it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.message import codec_for, new_message

if TYPE_CHECKING:
    from lk_dataset_ros.message import Schema

_STAMPS: Final = {0: struct.Struct('>iI'), 1: struct.Struct('<iI')}
#: Bytes before the first field, and of the stamp.
_BEGIN: Final = 4
_END: Final = 12
#: A stamp that no message has by itself.
_MARK: Final = (1_234_567_891, 987_654_321)
_NS_PER_S: Final = 1_000_000_000


def begins_with_header(schema: Schema) -> bool:
    """Tell whether messages of a type begin with a header, and so with a stamp."""
    message = new_message(schema)
    stamp = getattr(getattr(message, 'header', None), 'stamp', None)
    if stamp is None or not (hasattr(stamp, 'sec') and hasattr(stamp, 'nanosec')):
        return False
    stamp.sec, stamp.nanosec = _MARK
    return stamp_of(codec_for(schema).encode(message)) == _MARK[0] * _NS_PER_S + _MARK[1]


def stamp_of(cdr: bytes) -> int | None:
    """Return the stamp that a message begins with, ns; None if it is too short for one."""
    if len(cdr) < _END:
        return None
    sec, nanosec = _STAMPS[cdr[1] & 1].unpack_from(cdr, _BEGIN)
    stamp_ns: int = sec * _NS_PER_S + nanosec
    return stamp_ns
