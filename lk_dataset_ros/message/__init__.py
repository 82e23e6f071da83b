"""What a message is: its type, its fields, its bytes, its columns. No ROS needed."""

from lk_dataset_ros.message.codec import (
    Codec,
    codec_for,
    message_class,
    new_message,
    type_name_of,
)
from lk_dataset_ros.message.columnar.batch import Batch, runs_of, windows_of
from lk_dataset_ros.message.columnar.building import Column, ColumnBuilder, rows_of
from lk_dataset_ros.message.columnar.columns import Columns
from lk_dataset_ros.message.columnar.encoding import Encoder
from lk_dataset_ros.message.definitions.common_types import builtin_schema
from lk_dataset_ros.message.extras import require
from lk_dataset_ros.message.fields import field_names, header_stamp_ns, walk, without_index
from lk_dataset_ros.message.flat import (
    flat_names,
    from_flat_vector,
    is_flattenable,
    to_flat_vector,
    why_not_flattenable,
)
from lk_dataset_ros.message.schema import ROS2IDL, ROS2MSG, Schema, full_type_name

__all__ = [
    'ROS2IDL',
    'ROS2MSG',
    'Batch',
    'Codec',
    'Column',
    'ColumnBuilder',
    'Columns',
    'Encoder',
    'Schema',
    'builtin_schema',
    'codec_for',
    'field_names',
    'flat_names',
    'from_flat_vector',
    'full_type_name',
    'header_stamp_ns',
    'is_flattenable',
    'message_class',
    'new_message',
    'require',
    'rows_of',
    'runs_of',
    'to_flat_vector',
    'type_name_of',
    'walk',
    'why_not_flattenable',
    'windows_of',
    'without_index',
]
