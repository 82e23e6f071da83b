"""Move the stamps of messages into the time in which they are played."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.dataset.records import Topic
    from lk_dataset_ros.message import Schema

    #: Takes a message and where a stamp is moved to; returns the message.
    Mover = Callable[[bytes, Callable[[int], int]], bytes]

HEADER: Final = 'std_msgs/msg/Header'
TRANSFORMS: Final = 'tf2_msgs/msg/TFMessage'
_STAMPS: Final = {b'\x00\x00': struct.Struct('>iI'), b'\x00\x01': struct.Struct('<iI')}
_LENGTHS: Final = {b'\x00\x00': struct.Struct('>I'), b'\x00\x01': struct.Struct('<I')}
#: Encapsulation, sec and nanosec.
_STAMP_AT, _STAMP_END = 4, 12
_LAST_S: Final = 2**31
#: Translation and rotation, seven float64.
_TRANSFORM_BYTES: Final = 56


def restamped_topics(
    topics: Mapping[str, Topic],
) -> dict[str, Mover]:
    """Return what moves the stamps of each topic whose messages have one that can be moved.

    These are types whose first field is a `std_msgs/Header`, and transforms (`/tf`). Stamps
    elsewhere inside of a message are left as they are.
    """
    found: dict[str, Mover] = {}
    for name, topic in topics.items():
        if topic.schema.name == TRANSFORMS:
            found[name] = move_transforms
        elif begins_with_header(topic.schema):
            found[name] = move_header
    return found


def begins_with_header(schema: Schema) -> bool:
    """Tell whether the first field of a type is a header (or it is one)."""
    if schema.name == HEADER:
        return True
    try:
        fields = codec_for(schema).fields
    except MessageTypeError:
        return False
    kind, detail = next(iter(fields.values()), (None, None))
    del kind
    return bool(detail == HEADER)


def move_header(cdr: bytes, moved_ns: Callable[[int], int]) -> bytes:
    """Return a message with another stamp in the header that it begins with."""
    form = _STAMPS.get(cdr[:2])
    if form is None or len(cdr) < _STAMP_END:
        return cdr
    stamp = _moved(form, cdr, _STAMP_AT, moved_ns)
    return cdr if stamp is None else cdr[:_STAMP_AT] + stamp + cdr[_STAMP_END:]


def move_transforms(cdr: bytes, moved_ns: Callable[[int], int]) -> bytes:
    """Return a `tf2_msgs/TFMessage` with other stamps in all its headers.

    One that is not whole comes back as it is.
    """
    form, length = _STAMPS.get(cdr[:2]), _LENGTHS.get(cdr[:2])
    if form is None or length is None or len(cdr) < _STAMP_AT + 4:
        return cdr
    out = bytearray(cdr)
    at = 8
    try:
        for _ in range(length.unpack_from(cdr, 4)[0]):
            at += -at % 4
            stamp = _moved(form, cdr, at, moved_ns)
            if stamp is not None:
                out[at : at + 8] = stamp
            at += 8
            for _ in range(2):
                at += -at % 4
                at += 4 + int(length.unpack_from(cdr, at)[0])
            # Alignment counts from behind the encapsulation.
            at += (4 - at) % 8
            at += _TRANSFORM_BYTES
            if at > len(cdr):
                return cdr
    except struct.error:
        return cdr
    return bytes(out)


def _moved(
    form: struct.Struct, cdr: bytes, at: int, moved_ns: Callable[[int], int]
) -> bytes | None:
    """Return the bytes of a stamp in the new time; None for one that is not set."""
    sec, nanosec = form.unpack_from(cdr, at)
    if not (sec or nanosec):
        # Zero means "the latest" to tf2, and "none" to others.
        return None
    sec, nanosec = divmod(moved_ns(sec * NS_PER_S + nanosec), NS_PER_S)
    return form.pack(sec, nanosec) if 0 <= sec < _LAST_S else None
