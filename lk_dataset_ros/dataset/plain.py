"""A dataset as plain Python and NumPy, and back.

    {'/odom': {
        'type': 'nav_msgs/msg/Odometry',
        'definition': '...', 'encoding': 'ros2msg', 'type_hash': 'RIHS01_...', 'qos': '',
        'timestamps_ns': int64 array, (n,), when each message was received,
        'publish_times_ns': int64 array, (n,), when it was sent,
        'sequence': uint32 array, (n,), the publisher's counter,
        'messages': [{'header': {'stamp': {'sec': 100, 'nanosec': 0}, 'frame_id': 'odom'}, ...}],
    }}

Messages are nested dicts: bool, int, float and str; lists of str and of dicts; NumPy arrays for
numbers. A float32 that is NaN stays a `numpy.float32`, because a Python float would change its
payload. On the way back only `type`, `timestamps_ns` and `messages` have to be there, `definition`
for types that are not common ROS 2 types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.dataset.exact import Fields, coder_for
from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.dataset.time import checked_ns
from lk_dataset_ros.errors import DatasetFormatError, LkError, MessageTypeError
from lk_dataset_ros.message import ROS2MSG, Schema, builtin_schema
from lk_dataset_ros.message.definitions.definition import PLACEHOLDER, STRINGS, shown

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.exact import ExactCoder

_TEXTS = ('type', 'definition', 'encoding', 'type_hash', 'qos')
_ARRAYS = ('timestamps_ns', 'publish_times_ns', 'sequence')
_NAMES = (*_TEXTS, *_ARRAYS, 'messages')


def to_dict(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Return a dataset as plain Python and NumPy."""
    found: dict[str, list[SerializedMessage]] = {key: [] for key in dataset.topics()}
    for message in dataset.iterate_serialized():
        found[message.key].append(message)
    content = {}
    for key, topic in dataset.topics().items():
        schema, coder, messages = topic.schema, coder_for(topic.schema), found[key]
        content[key] = {
            'type': schema.name,
            'definition': schema.text,
            'encoding': schema.encoding,
            'type_hash': schema.type_hash,
            'qos': topic.qos,
            'timestamps_ns': np.array([each.log_time_ns for each in messages], np.int64),
            'publish_times_ns': np.array([each.publish_time_ns for each in messages], np.int64),
            'sequence': np.array([each.sequence for each in messages], np.uint32),
            'messages': [_plain(coder.decode(each.cdr), coder, coder.name) for each in messages],
        }
    return content


def from_dict(content: Mapping[str, Mapping[str, Any]], into: Dataset) -> Dataset:
    """Write what `to_dict` returned, in order of log time.

    Raises:
        DatasetFormatError: If the structure is not that of a dataset.
        MessageTypeError: If a message does not fit its type; the text names key and field.
        BagTimeError: If a time is no integer of 64 bits.
    """
    if not isinstance(content, Mapping):
        raise DatasetFormatError(f'{type(content).__name__} is no dataset: give a dict of keys')
    records: list[SerializedMessage] = []
    for key, topic in content.items():
        schema = _schema_of(key, topic)
        into.declare(key, schema, topic.get('qos', ''))
        records += _records(key, topic, coder_for(schema))
    records.sort(key=lambda each: each.log_time_ns)
    for record in records:
        into.write_serialized(*record)
    return into


def _plain(message: Any, coder: ExactCoder, name: str) -> dict[str, Any]:
    return {
        field: _plain_value(value, coder, node)
        for (field, node), value in zip(
            coder.definition(name), coder.values(message, name), strict=True
        )
        if field != PLACEHOLDER
    }


def _plain_value(value: Any, coder: ExactCoder, node: Any) -> Any:
    kind, detail = node
    if kind == Nodetype.BASE:
        if not isinstance(value, np.ndarray):
            return value
        return value[0] if np.isnan(value[0]) else float(value[0])
    if kind == Nodetype.NAME:
        return _plain(value, coder, detail)
    (element_kind, element), _ = detail
    if element_kind == Nodetype.NAME:
        return [_plain(item, coder, element) for item in value]
    # A copy: what is decoded looks into the serialized message.
    return list(value) if element[0] in STRINGS else np.array(value)


def _schema_of(key: Any, topic: Any) -> Schema:
    if not isinstance(key, str) or not key:
        raise DatasetFormatError(f'{key!r} is no key: give a topic name')
    if not isinstance(topic, Mapping):
        raise DatasetFormatError(f'{key} is a {type(topic).__name__}; give a dict')
    unknown = [name for name in topic if name not in _NAMES]
    missing = [name for name in ('type', 'timestamps_ns', 'messages') if name not in topic]
    if unknown or missing:
        wrong = f'has no {missing[0]}' if missing else f'has {unknown[0]!r}, which is unknown'
        raise DatasetFormatError(f'{key} {wrong}; it may have {", ".join(_NAMES)}')
    for name in _TEXTS:
        if not isinstance(topic.get(name, ''), str):
            raise DatasetFormatError(f'{key}: {name} is {shown(topic[name])}; give a text')
    if 'definition' not in topic:
        return builtin_schema(topic['type'])
    return Schema(
        topic['type'],
        topic['definition'],
        topic.get('encoding', ROS2MSG),
        topic.get('type_hash', ''),
    )


def _records(key: str, topic: Mapping[str, Any], coder: ExactCoder) -> list[SerializedMessage]:
    messages = topic['messages']
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes)):
        raise DatasetFormatError(f'{key}: messages is a {type(messages).__name__}; give a list')
    defaults: tuple[Any, ...] = ([], topic['timestamps_ns'], [0] * len(messages))
    columns: list[list[Any]] = []
    for name, default in zip(_ARRAYS, defaults, strict=True):
        values = topic.get(name, default)
        if not isinstance(values, (Sequence, np.ndarray)) or isinstance(values, (str, bytes)):
            raise DatasetFormatError(f'{key}: {name} is {shown(values)}; give an array')
        if len(values) != len(messages):
            raise DatasetFormatError(
                f'{key} has {len(messages)} messages and {len(values)} {name}; give one for each'
            )
        columns.append([checked_ns(each) for each in values])
    if any(not 0 <= number < 2**32 for number in columns[2]):
        raise DatasetFormatError(f'{key}: a sequence is beyond 32 bits without sign')
    return [
        SerializedMessage(key, _encoded(key, index, message, coder), *numbers)
        for index, (message, *numbers) in enumerate(zip(messages, *columns, strict=True))
    ]


def _encoded(key: str, index: int, message: Any, coder: ExactCoder) -> bytes:
    try:
        return coder.encode(_object(message, coder, coder.name, ''))
    except LkError as error:
        raise MessageTypeError(f'{key}, message {index}: {error}') from error


def _object(content: Any, coder: ExactCoder, name: str, where: str) -> Fields:
    """Return an object with the attributes of a type, out of a dict with its fields."""
    if not isinstance(content, Mapping):
        raise MessageTypeError(
            f'{where or "it"} is a {type(content).__name__}, not a dict of the fields of {name}'
        )
    definition = dict(coder.definition(name))
    unknown = [field for field in content if field not in definition]
    missing = [field for field in definition if field not in content and field != PLACEHOLDER]
    if unknown or missing:
        wrong = f'lacks {missing[0]}' if missing else f'has {unknown[0]!r}, which is unknown'
        raise MessageTypeError(f'{where or name} {wrong}; {name} has {", ".join(definition)}')
    prefix = f'{where}.' if where else ''
    return Fields(
        **{
            field: _value(content.get(field, 0), coder, node, f'{prefix}{field}')
            for field, node in definition.items()
        }
    )


def _value(value: Any, coder: ExactCoder, node: Any, where: str) -> Any:
    kind, detail = node
    if kind == Nodetype.NAME:
        return _object(value, coder, detail, where)
    if kind == Nodetype.BASE or detail[0][0] != Nodetype.NAME:
        return value
    if not isinstance(value, (list, tuple)):
        raise MessageTypeError(f'{where} is a {type(value).__name__}; give a list')
    return [
        _object(item, coder, detail[0][1], f'{where}[{index}]') for index, item in enumerate(value)
    ]
