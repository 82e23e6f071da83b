"""Serialized messages with a running number in them.

It is in Imu orientation.x, in Odometry pose.pose.position.x, in Image the first 8 bytes of data, in
String the first 20 characters.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from lk_dataset_ros.message import builtin_schema, codec_for, new_message

KINDS = {
    'imu': 'sensor_msgs/msg/Imu',
    'odometry': 'nav_msgs/msg/Odometry',
    'image': 'sensor_msgs/msg/Image',
    'string': 'std_msgs/msg/String',
}
#: Topics of `mixed`: name, kind, Hz, bytes. 5,000 messages/s and 100 MB/s together.
MIXED = [
    *((f'/mixed/imu_{i}', 'imu', 400.0, 0) for i in range(10)),
    *((f'/mixed/odometry_{i}', 'odometry', 140.0, 0) for i in range(6)),
    *((f'/mixed/string_{i}', 'string', 30.0, 1000) for i in range(2)),
    *((f'/mixed/image_{i}', 'image', 50.0, 980_000) for i in range(2)),
]
VGA = 640 * 480 * 3
DIGITS = 20


def place_of(kind: str, cdr: Any) -> int:
    """Return where in a serialized message its running number begins."""

    def aligned(at: int, size: int) -> int:
        return at + (4 - at) % size

    def behind_text(at: int) -> int:
        at = aligned(at, 4)
        (length,) = struct.unpack_from('<I', cdr, at)
        return at + 4 + int(length)

    if kind == 'string':
        return 8
    at = behind_text(12)
    if kind == 'image':
        at = behind_text(aligned(at, 4) + 8) + 1
        return aligned(at, 4) + 8
    return aligned(behind_text(at) if kind == 'odometry' else at, 8)


def number_of(kind: str, cdr: Any, place: int) -> int:
    """Return the running number of a serialized message."""
    if kind == 'string':
        return int(bytes(cdr[place : place + DIGITS]))
    return int(struct.unpack_from('<Q' if kind == 'image' else '<d', cdr, place)[0])


class Template:
    """A serialized message whose stamp and number can be set."""

    def __init__(self, kind: str, size: int = 0) -> None:
        self.kind = kind
        message: Any = new_message(KINDS[kind])
        if kind == 'string':
            message.data = 'x' * max(size or 100, DIGITS)
        else:
            message.header.frame_id = 'base_link'
        if kind == 'image':
            size = size or VGA
            message.height, message.width = (480, 640) if size == VGA else (1, size)
            message.encoding = 'rgb8' if size == VGA else 'mono8'
            message.step = size // message.height
            # Noise: compression shall not help.
            message.data = np.random.default_rng(1).integers(0, 256, size, np.uint8)
        elif kind != 'string':
            covariance = message.pose.covariance if kind == 'odometry' else None
            covariance = message.orientation_covariance if covariance is None else covariance
            covariance[0] = 0.01
        self._bytes = bytearray(codec_for(builtin_schema(KINDS[kind])).encode(message))
        self._place = place_of(kind, self._bytes)

    def numbered(self, number: int, time_ns: int) -> bytes:
        """Return the message with that number and stamp."""
        if self.kind == 'string':
            self._bytes[self._place : self._place + DIGITS] = b'%020d' % number
        else:
            struct.pack_into('<iI', self._bytes, 4, *divmod(time_ns, 1_000_000_000))
            value: Any = number if self.kind == 'image' else float(number)
            form = '<Q' if self.kind == 'image' else '<d'
            struct.pack_into(form, self._bytes, self._place, value)
        return bytes(self._bytes)
