"""Several implementations side by side: how they agree, who drives."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.consensus.dx import ConsensusDx
    from lk_dataset_ros.dataset.consensus.event import EVENT_SCHEMA, EVENTS_TOPIC, Event
    from lk_dataset_ros.dataset.consensus.recorder import ConsensusRecorder
    from lk_dataset_ros.dataset.consensus.stats import ArmStats, FieldStats, GroupStats, PairStats

# Looked up when asked for: the switch needs none of them.
_HOMES = {
    'ArmStats': 'stats',
    'ConsensusDx': 'dx',
    'ConsensusRecorder': 'recorder',
    'EVENTS_TOPIC': 'event',
    'EVENT_SCHEMA': 'event',
    'Event': 'event',
    'FieldStats': 'stats',
    'GroupStats': 'stats',
    'PairStats': 'stats',
}

__all__ = [
    'EVENTS_TOPIC',
    'EVENT_SCHEMA',
    'ArmStats',
    'ConsensusDx',
    'ConsensusRecorder',
    'Event',
    'FieldStats',
    'GroupStats',
    'PairStats',
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f'lk_dataset_ros.dataset.consensus.{_HOMES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
