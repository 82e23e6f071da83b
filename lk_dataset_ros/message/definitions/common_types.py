"""Definitions of the common ROS 2 types, which rosbags knows."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rosbags.typesys import Stores, get_typestore

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message.schema import ROS2MSG, Schema, full_type_name

#: Defaults of ROS 2's common types, which rosbags does not keep.
_DEFAULTS: Final = {
    'geometry_msgs/msg/Quaternion': {'x': '0', 'y': '0', 'z': '0', 'w': '1'},
    'sensor_msgs/msg/NavSatStatus': {'status': '-2'},
}


@lru_cache(maxsize=512)
def builtin_schema(name: str) -> Schema:
    """Return the definition of a type of ROS 2 Jazzy's common interfaces.

    Raises:
        MessageTypeError: If it is not one of those.
    """
    full = full_type_name(name)
    store = get_typestore(Stores.ROS2_JAZZY)
    if full not in store.fielddefs:
        raise MessageTypeError(
            f'{full} is not among the common ROS 2 types; its definition has to come with it '
            '(from a bag, or a sourced workspace)'
        )
    text, _ = store.generate_msgdef(full, ros_version=2)
    return Schema(full, _with_defaults(text, full), ROS2MSG, store.hash_rihs01(full))


def _with_defaults(text: str, name: str) -> str:
    """Write the defaults of common types behind their fields."""
    lines, defaults = [], _DEFAULTS.get(name, {})
    for line in text.splitlines():
        if line.startswith('MSG: '):
            defaults = _DEFAULTS.get(full_type_name(line[5:].strip()), {})
        field = line.rpartition(' ')[2]
        lines.append(f'{line} {defaults[field]}' if field in defaults else line)
    return '\n'.join([*lines, ''])
