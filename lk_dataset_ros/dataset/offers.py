"""Offered QoS profiles as bags hold them: what publishers said of themselves, as text."""

from __future__ import annotations

from typing import Any

import yaml

from lk_dataset_ros.dataset.yaml_text import load_yaml


def offers_in(qos: str) -> list[dict[str, Any]]:
    """Return the profiles that a text tells, one per publisher; none where it is no list of them.

    Args:
        qos: Offered profiles as rosbag2 writes them: numbers up to version 8, words from 9 on.
    """
    try:
        found = load_yaml(qos)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def is_transient_local(offer: dict[str, Any]) -> bool:
    """Tell whether a publisher offers its last messages to late subscribers."""
    return str(offer.get('durability')) in ('transient_local', '1')


def is_latched(qos: str) -> bool:
    """Tell whether every publisher of a topic offers its last messages to late subscribers.

    Args:
        qos: As in `offers_in`.
    """
    offers = offers_in(qos)
    return bool(offers) and all(map(is_transient_local, offers))
