"""Read the stamp of a message straight out of its bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.message.codec import codec_for

if TYPE_CHECKING:
    from lk_dataset_ros.message.schema import Schema

_NS_PER_S: Final = 1_000_000_000
#: Behind the 4 bytes of the encapsulation header.
_LITTLE: Final = struct.Struct('<4xiI')
_BIG: Final = struct.Struct('>4xiI')


def begins_with_header(schema: Schema) -> bool:
    """Tell whether messages of a type begin with a std_msgs/Header, which begins with the stamp."""
    codec = codec_for(schema)
    fields = codec.definition(codec.schema.name)
    return bool(fields) and fields[0][0] == 'header' and 'std_msgs/msg/Header' in fields[0][1]


def stamp_of(cdr: bytes) -> int | None:
    """Return the stamp of a message that begins with a header, None if it is too short, ns."""
    if len(cdr) < _LITTLE.size:
        return None
    sec, nanosec = (_LITTLE if cdr[1] & 1 else _BIG).unpack_from(cdr)
    return int(sec) * _NS_PER_S + int(nanosec)
