"""What is expected of a topic, as a person writes it: `/odom:=100`, `/scan:=9..11`, `/events`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lk_dataset_ros.errors import ComponentError


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a topic.

    Attributes:
        topic: Its name.
        minimum_hz: Least rate; 0 where none is demanded.
        maximum_hz: Largest rate; infinite where none is.
        is_named: Somebody asked for it: that nothing comes is worth telling.
    """

    topic: str
    minimum_hz: float = 0.0
    maximum_hz: float = math.inf
    is_named: bool = True


def expected_of(text: str) -> Expected:
    """Read what is expected of a topic.

    Raises:
        ComponentError: If it cannot be understood.
    """
    topic, given, rates = text.partition(':=')
    if not given:
        return Expected(topic)
    low, dots, high = rates.partition('..')
    try:
        least = float(low) if low or not dots else 0.0
        most = least if not dots else (float(high) if high else math.inf)
    except ValueError:
        raise _error(text) from None
    if not (topic and 0.0 <= least <= most and most > 0.0 and least < math.inf):
        raise _error(text)
    return Expected(topic, least, most)


def _error(text: str) -> ComponentError:
    return ComponentError(
        f'topics holds {text!r}; write a topic, or a topic and its rate in Hz such as '
        '/odom:=100, /scan:=9..11 or /points:=5..'
    )
