"""Quality of service: what is offered, what fits it, how rosbag2 writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from lk_dataset_ros.dataset.offers import is_latched, offers_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.component import Port

#: How many messages a reader of ours keeps for a Python that is busy. A publisher's depth is not
#: visible over DDS, and a depth of 10 loses bursts that any recorder has to survive.
DEEP = 2000
#: From here on a duration means "for ever": middlewares write 2147483647 or 9223372036 s.
_FOR_EVER_S = 2**31 - 1


def profile_of_port(port: Port) -> QoSProfile:
    """Return the profile that a component's port asks for."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=port.depth,
        reliability=(
            ReliabilityPolicy.BEST_EFFORT
            if port.qos == 'sensor_data'
            else ReliabilityPolicy.RELIABLE
        ),
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL
            if port.qos == 'latched'
            else DurabilityPolicy.VOLATILE
        ),
    )


def profile_for_offers(offers: Sequence[QoSProfile], depth: int = DEEP) -> QoSProfile:
    """Return the strictest subscription that all offers satisfy, as rosbag2 does."""
    reliable = all(each.reliability == ReliabilityPolicy.RELIABLE for each in offers)
    latched = all(each.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if offers and latched else DurabilityPolicy.VOLATILE
        ),
    )


def profile_for_playback(
    offers_yaml: str, depth: int = DEEP, *, latched: bool = False, keeps: int = 0
) -> QoSProfile:
    """Return the profile under which recorded messages are published.

    Reliable, which satisfies every subscriber; transient local where every recorded publisher
    was, or where a subscriber asks for it (`latched`). Deadline and liveliness are those of the
    recorded publishers where all had the same: a subscriber may demand them. Their lifespan is
    left out, since a message that expires before it is acknowledged is lost.

    Args:
        offers_yaml: The recorded profiles, as the bag has them.
        depth: Messages kept for subscribers that have not acknowledged them.
        latched: Transient local, whatever was recorded.
        keeps: Messages that a late subscriber gets where it is transient local; 0 is `depth`.
    """
    offers = offers_in(offers_yaml)
    latched = latched or is_latched(offers_yaml)
    liveliness = _common(offers, 'liveliness')
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=keeps if latched and keeps else depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        deadline=_common_duration(offers, 'deadline'),
        liveliness=(
            LivelinessPolicy.MANUAL_BY_TOPIC
            if liveliness in ('manual_by_topic', int(LivelinessPolicy.MANUAL_BY_TOPIC))
            else LivelinessPolicy.AUTOMATIC
        ),
        liveliness_lease_duration=_common_duration(offers, 'liveliness_lease_duration'),
    )


def _common(offers: Sequence[dict[str, Any]], name: str) -> Any:
    """Return what all offers have in common under a name, or None."""
    found = [each.get(name) for each in offers]
    return found[0] if found and all(each == found[0] for each in found) else None


def _common_duration(offers: Sequence[dict[str, Any]], name: str) -> Duration:
    """Return a duration that all offers have in common; 0, which is ROS 2's default, otherwise."""
    found = _common(offers, name)
    if not isinstance(found, dict):
        return Duration()
    parts = (found.get('sec', 0), found.get('nsec', 0))
    if not all(isinstance(each, int) and 0 <= each < _FOR_EVER_S for each in parts):
        return Duration()
    return Duration(seconds=parts[0], nanoseconds=parts[1])


def offers_to_yaml(offers: Sequence[QoSProfile]) -> str:
    """Write offered profiles as rosbag2 does (metadata version 9)."""
    return yaml.safe_dump([_to_dict(each) for each in offers], sort_keys=False).rstrip('\n')


def _to_dict(profile: QoSProfile) -> dict[str, Any]:
    return {
        'history': profile.history.name.lower(),
        'depth': profile.depth,
        'reliability': profile.reliability.name.lower(),
        'durability': profile.durability.name.lower(),
        'deadline': _duration(profile.deadline.nanoseconds),
        'lifespan': _duration(profile.lifespan.nanoseconds),
        'liveliness': profile.liveliness.name.lower(),
        'liveliness_lease_duration': _duration(profile.liveliness_lease_duration.nanoseconds),
        'avoid_ros_namespace_conventions': profile.avoid_ros_namespace_conventions,
    }


def _duration(nanoseconds: int) -> dict[str, int]:
    sec, nsec = divmod(nanoseconds, 1_000_000_000)
    return {'sec': sec, 'nsec': nsec}
