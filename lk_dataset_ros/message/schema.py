"""What a message type is: its name, its definition as text, its hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lk_dataset_ros.errors import MessageTypeError

ROS2MSG: Final = 'ros2msg'
ROS2IDL: Final = 'ros2idl'
_NAME = re.compile(r'[A-Za-z]\w*/(msg|srv|action)/[A-Za-z]\w*', re.ASCII)


@dataclass(frozen=True, slots=True)
class Schema:
    """The definition of a message type.

    Attributes:
        name: Full type name, such as `nav_msgs/msg/Odometry`.
        text: Definition with those of all nested types, in the form that rosbag2 stores.
        encoding: `ros2msg` or `ros2idl`.
        type_hash: REP-2011 type hash (`RIHS01_...`), empty if unknown.
    """

    name: str
    text: str
    encoding: str = ROS2MSG
    type_hash: str = ''


def full_type_name(name: str) -> str:
    """Return the full form of a type name: `std_msgs/String` is `std_msgs/msg/String`.

    Raises:
        MessageTypeError: If it is not the name of a type.
    """
    parts = name.split('/')
    full = '/'.join([parts[0], 'msg', parts[1]]) if len(parts) == 2 else name
    if not _NAME.fullmatch(full):
        raise MessageTypeError(
            f'{name!r} is not a message type; write it as package/msg/Type (std_msgs/msg/String)'
        )
    return full
