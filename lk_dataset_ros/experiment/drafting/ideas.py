"""Tolerances that make sense for a type of message, to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.message import field_names, new_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    Idea = tuple[str, str, str]

#: Ideas for one message; the first ones of a large message tell enough.
_MOST = 6
#: By the type of a part: its limit, and what that is.
_PARTS = {
    'geometry_msgs/msg/Quaternion': ('{atol: 0.01}', 'an angle, rad'),
    'geometry_msgs/msg/Point': ('{atol: 0.01}', 'm'),
    'geometry_msgs/msg/Point32': ('{atol: 0.01}', 'm'),
}
#: Vectors, by the last part of their path.
_VECTORS = {
    'linear': ('{rtol: 1.0e-3, atol: 1.0e-3}', 'm/s'),
    'angular': ('{rtol: 1.0e-3, atol: 1.0e-3}', 'rad/s'),
    'linear_acceleration': ('{rtol: 1.0e-3, atol: 1.0e-2}', 'm/s^2'),
    'angular_velocity': ('{rtol: 1.0e-3, atol: 1.0e-3}', 'rad/s'),
    'translation': ('{atol: 0.01}', 'm'),
}
_VECTOR = 'geometry_msgs/msg/Vector3'
_USUAL = ('{rtol: 1.0e-3, atol: 1.0e-6}', '')


def ideas_for(topic: str, type_name: str) -> list[Idea]:
    """Return pattern, limit and comment of tolerances for a topic.

    Args:
        topic: Its name.
        type_name: Its type; one that is not known here gives no idea.
    """
    try:
        message = new_message(type_name)
    except LkError:
        return []
    return [
        (f'{topic}.{path}', limit, comment) for path, limit, comment in _ideas(message, '', 0)
    ][:_MOST]


def has_frame(type_name: str) -> bool:
    """Tell whether a type has a `header.frame_id`."""
    try:
        return hasattr(getattr(new_message(type_name), 'header', None), 'frame_id')
    except LkError:
        return False


def _ideas(message: Any, prefix: str, depth: int) -> Iterator[Idea]:
    for name in field_names(message):
        value, path = getattr(message, name), f'{prefix}{name}'
        kind = _type_of(value)
        if kind in _PARTS:
            yield (path, *_PARTS[kind])
        elif kind == _VECTOR:
            yield (path, *_VECTORS.get(name, _USUAL))
        elif kind and depth < 4:
            yield from _ideas(value, f'{path}.', depth + 1)
        elif _is_floating(value):
            yield (path, *_USUAL)


def _type_of(value: Any) -> str:
    if isinstance(value, (bool, int, float, str, bytes, list, np.ndarray)):
        return ''
    known = getattr(value, '__msgtype__', '')
    if known:
        return str(known)
    module = type(value).__module__.split('.')[0]
    return f'{module}/msg/{type(value).__name__}' if hasattr(value, '__slots__') else ''


def _is_floating(value: Any) -> bool:
    if isinstance(value, float):
        return True
    kind = getattr(value, 'dtype', None)
    if kind is not None:
        return bool(np.issubdtype(kind, np.floating))
    return getattr(value, 'typecode', '') in ('f', 'd')
