"""Quality of service that a user demands: the YAML file that `ros2 bag` takes.

    /scan:
      reliability: best_effort
      history: keep_last
      depth: 500
      deadline: {sec: 1, nsec: 0}

A profile replaces the adapted one as a whole: a policy that is left out has ROS 2's default. Unlike
`ros2 bag`, history and depth may be left out; they are then those of this package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.validate_full_topic_name import validate_full_topic_name

from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

#: A longer file is no list of profiles.
MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 1_000_000
_LONGEST_NS: Final = 2**63 - 1

_POLICIES: Final = {
    'history': HistoryPolicy,
    'reliability': ReliabilityPolicy,
    'durability': DurabilityPolicy,
    'liveliness': LivelinessPolicy,
}
_DURATIONS: Final = ('deadline', 'lifespan', 'liveliness_lease_duration')
_FIELDS: Final = (*_POLICIES, 'depth', *_DURATIONS, 'avoid_ros_namespace_conventions')


def load_qos_overrides(path: str | PathLike[str], *, depth: int) -> dict[str, QoSProfile]:
    """Read profiles by topic.

    Args:
        path: The YAML file.
        depth: Of profiles that keep the last messages and do not say how many.

    Raises:
        ComponentError: If it cannot be read or is wrong; the text names file, topic and field.
    """
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            raise ComponentError(
                f'QoS overrides {path}: {size} bytes are too many, up to {MAX_BYTES} are read'
            )
        text = Path(path).read_text(encoding='utf-8')
    except OSError as error:
        reason = error.strerror or error
        raise ComponentError(f'QoS overrides {path} cannot be read: {reason}') from error
    except UnicodeDecodeError as error:
        raise ComponentError(f'QoS overrides {path}: not a text in UTF-8') from error
    try:
        return parse_qos_overrides(text, depth=depth)
    except ComponentError as error:
        raise ComponentError(f'QoS overrides {path}: {error}') from error


def parse_qos_overrides(text: str, *, depth: int) -> dict[str, QoSProfile]:
    """Read profiles by topic out of YAML; see `load_qos_overrides`."""
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ComponentError(f'not YAML: {" ".join(str(error).split())[:200]}') from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ComponentError(
            f'{_short(found)} stands where topics have to be: write "/topic: {{depth: 10}}"'
        )
    return {_checked_topic(topic): _profile(topic, each, depth) for topic, each in found.items()}


def _checked_topic(topic: Any) -> str:
    try:
        validate_full_topic_name(topic)
    except Exception as error:
        raise ComponentError(
            f'{_short(topic)} is not the full name of a topic, such as /odom'
        ) from error
    return str(topic)


def _profile(topic: str, given: Any, depth: int) -> QoSProfile:
    if not isinstance(given, dict):
        raise ComponentError(
            f'{topic}: {_short(given)} stands where policies have to be, such as depth: 10'
        )
    values = {name: _value(topic, name, value) for name, value in given.items()}
    if values.get('history') in (HistoryPolicy.UNKNOWN, None):
        # What a recorded offer says: the history of a publisher is not seen over DDS.
        values['history'] = HistoryPolicy.KEEP_LAST
    if not values.get('depth'):
        values['depth'] = depth
    return QoSProfile(**values)


def _value(topic: str, name: Any, value: Any) -> Any:
    if name in _POLICIES:
        return _policy(topic, name, value)
    if name in _DURATIONS:
        return _duration(topic, name, value)
    if name == 'depth':
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_DEPTH:
            raise _wrong(topic, name, value, f'a number from 0 to {MAX_DEPTH}')
        return value
    if name == 'avoid_ros_namespace_conventions':
        if not isinstance(value, bool):
            raise _wrong(topic, name, value, 'true or false')
        return value
    raise ComponentError(
        f'{topic}: there is no policy {_short(name)}; there is {", ".join(_FIELDS)}'
    )


def _policy(topic: str, name: str, value: Any) -> Any:
    kind = _POLICIES[name]
    # The number of a policy is what bags before Jazzy say.
    known: Mapping[Any, Any] = {
        **{each.name.lower(): each for each in kind},
        **{int(each): each for each in kind},
    }
    # `history: unknown` comes from a recorded offer; a reader of ours cannot have the others.
    wanted = [
        each
        for each in known
        if isinstance(each, str) and (each != 'unknown' or name == 'history')
    ]
    key = value.lower() if isinstance(value, str) else value
    if isinstance(key, bool) or not isinstance(key, (str, int)) or key not in known:
        raise _wrong(topic, name, value, f'one of {", ".join(wanted)}')
    if known[key] == kind.UNKNOWN and name != 'history':
        raise _wrong(topic, name, value, f'one of {", ".join(wanted)}')
    return known[key]


def _duration(topic: str, name: str, value: Any) -> Duration:
    if value is None or value == {}:
        return Duration()
    parts = value if isinstance(value, dict) else {}
    numbers = [parts.get('sec'), parts.get('nsec')]
    if set(parts) != {'sec', 'nsec'} or not all(
        isinstance(each, int) and not isinstance(each, bool) and 0 <= each <= _LONGEST_NS
        for each in numbers
    ):
        raise _wrong(topic, name, value, '{sec: 1, nsec: 0}, neither of them negative')
    # More than fits means "for ever", as some middlewares write it down.
    return Duration(nanoseconds=min(numbers[0] * NS_PER_S + numbers[1], _LONGEST_NS))


def _wrong(topic: str, name: str, value: Any, wanted: str) -> ComponentError:
    return ComponentError(f'{topic}: {name} is {_short(value)}; it has to be {wanted}')


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
