"""What a message is: its type, its fields, its bytes, its columns. No ROS needed."""

from lk_dataset_ros.message.cdr import Batch
from lk_dataset_ros.message.codec import (
    Codec,
    builtin_schema,
    codec_for,
    new_message,
    type_name_of,
)
from lk_dataset_ros.message.columns import Column, Columns
from lk_dataset_ros.message.extras import require
from lk_dataset_ros.message.fields import field_names, header_stamp_ns, walk
from lk_dataset_ros.message.schema import ROS2IDL, ROS2MSG, Schema, full_type_name

__all__ = [
    'ROS2IDL',
    'ROS2MSG',
    'Batch',
    'Codec',
    'Column',
    'Columns',
    'Schema',
    'builtin_schema',
    'codec_for',
    'field_names',
    'full_type_name',
    'header_stamp_ns',
    'new_message',
    'require',
    'type_name_of',
    'walk',
]
