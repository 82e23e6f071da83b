"""What a message is: its type, its fields, its bytes, its columns. No ROS needed."""

from lk_dataset_ros.message.batch import Batch, runs_of
from lk_dataset_ros.message.building import Column, ColumnBuilder
from lk_dataset_ros.message.codec import (
    Codec,
    codec_for,
    message_class,
    new_message,
    type_name_of,
)
from lk_dataset_ros.message.columns import Columns
from lk_dataset_ros.message.common_types import builtin_schema
from lk_dataset_ros.message.extras import require
from lk_dataset_ros.message.fields import field_names, header_stamp_ns, walk
from lk_dataset_ros.message.schema import ROS2IDL, ROS2MSG, Schema, full_type_name

__all__ = [
    'ROS2IDL',
    'ROS2MSG',
    'Batch',
    'Codec',
    'Column',
    'ColumnBuilder',
    'Columns',
    'Schema',
    'builtin_schema',
    'codec_for',
    'field_names',
    'full_type_name',
    'header_stamp_ns',
    'message_class',
    'new_message',
    'require',
    'runs_of',
    'type_name_of',
    'walk',
]
