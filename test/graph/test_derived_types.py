"""Definitions of types that no file has: events of services, feedback of actions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from rclpy.serialization import serialize_message
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lk_dataset_ros.message import codec_for
from lk_dataset_ros.ros.types import message_class, schema_of, type_hash_of

if TYPE_CHECKING:
    from pathlib import Path

# A library of rclpy's imports a deprecated module.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

SERVICES = [
    'std_srvs/srv/SetBool',
    'std_srvs/srv/Trigger',
    'std_srvs/srv/Empty',
    'nav_msgs/srv/GetMap',
    'sensor_msgs/srv/SetCameraInfo',
    'rcl_interfaces/srv/GetParameters',
    'lk_dataset_ros/srv/Seek',
]


@pytest.mark.parametrize('service', SERVICES)
def test_events_of_services_are_defined(service: str) -> None:
    """Promise: what ROS 2 serializes for a service's event is decoded by the definition given."""
    name = f'{service}_Event'
    schema, kind = schema_of(name), message_class(name)
    event, request = kind(), message_class(service).Request()
    event.info.sequence_number = 7
    event.request = [request]
    event.response = [message_class(service).Response()]
    decoded = codec_for(schema).decode(bytes(serialize_message(event)))
    assert schema.name == name
    assert decoded.info.sequence_number == 7
    assert (len(decoded.request), len(decoded.response)) == (1, 1)
    fields = request.get_fields_and_field_types()
    assert all(hasattr(decoded.request[0], field) for field in fields)
    assert schema.type_hash == type_hash_of(name)
    assert schema.type_hash.startswith('RIHS01_')
    assert schema.type_hash != type_hash_of(service)


ACTION = """# How far
int32 target
---
geometry_msgs/Point[] path
---
# On the way
std_msgs/Header header
Step step
float64 left
"""


def test_feedback_of_actions_is_defined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: the topic of an action's feedback has a definition, nested types included."""
    share = tmp_path / 'share' / 'toy_interfaces'
    files: dict[str, str] = {
        'action/Walk.action': ACTION,
        'msg/Step.msg': 'uint8 foot\ngeometry_msgs/Point where\n',
    }
    for name, text in files.items():
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_text(text)
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'toy_interfaces').touch()
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path}:{os.environ["AMENT_PREFIX_PATH"]}')
    schema = schema_of('toy_interfaces/action/Walk_FeedbackMessage')
    store = get_typestore(Stores.EMPTY)
    types: dict[str, Any] = dict(get_types_from_msg(schema.text, schema.name))
    store.register(types)
    fields = dict(store.fielddefs[schema.name][1])
    assert list(fields) == ['goal_id', 'feedback']
    codec = codec_for(schema)
    message = codec.decode(_zeros())
    assert message.feedback.left == 0.0
    assert message.feedback.step.foot == 0
    assert len(message.goal_id.uuid) == 16


def _zeros() -> bytes:
    """Return a serialized feedback of zeros, with an empty frame."""
    payload = bytearray(64)
    payload[16 + 8] = 1  # the length of a string counts its end
    return bytes([0, 1, 0, 0]) + payload
