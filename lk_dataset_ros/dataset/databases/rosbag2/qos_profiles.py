"""Offered QoS profiles as `metadata.yaml` of version 9 holds them: words, not numbers.

Source: `rosbag2_storage/src/rosbag2_storage/qos.cpp` and `rmw/types.h` (Jazzy).
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from lk_dataset_ros.dataset.yaml_text import load_yaml

#: The policies by the number that bags up to version 8 have for them.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    'history': ('system_default', 'keep_last', 'keep_all', 'unknown'),
    'reliability': ('system_default', 'reliable', 'best_effort', 'unknown', 'best_available'),
    'durability': ('system_default', 'transient_local', 'volatile', 'unknown', 'best_available'),
    'liveliness': (
        'system_default',
        'automatic',
        'manual_by_node',
        'manual_by_topic',
        'unknown',
        'best_available',
    ),
}


def profiles_in(text: str) -> list[Any]:
    """Return the profiles that a text of any version tells; none where it is no list of them."""
    try:
        found = load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    return [_in_words(each) for each in found] if isinstance(found, list) else []


def _in_words(profile: Any) -> Any:
    if not isinstance(profile, dict):
        return profile
    return {name: _word(name, value) for name, value in profile.items()}


def _word(name: Any, value: Any) -> Any:
    words = _WORDS.get(name, ()) if isinstance(name, str) else ()
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return words[value] if is_number and 0 <= value < len(words) else value
