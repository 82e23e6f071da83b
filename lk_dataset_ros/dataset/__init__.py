"""Datasets: the front end, the databases behind it, the engines that record and play."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.consensus import ConsensusDx, ConsensusRecorder
    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.databases.foxglove import FoxgloveDatabase
    from lk_dataset_ros.dataset.databases.mcap import McapDatabase
    from lk_dataset_ros.dataset.databases.memory import MemoryDatabase
    from lk_dataset_ros.dataset.databases.pickle import PickleDatabase
    from lk_dataset_ros.dataset.databases.reductstore import ReductStoreDatabase
    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.playback import (
        Action,
        DataPlayback,
        Finished,
        PlaybackStats,
        Publish,
        PublishClock,
        TopicPlayback,
        Wait,
    )
    from lk_dataset_ros.dataset.recording import (
        Arrivals,
        AsRecorded,
        DataRecorder,
        Played,
        TopicStats,
    )
    from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
    from lk_dataset_ros.dataset.training import Normalisation

# Looked up when asked for: `lk info` should not load the player.
_HOMES = {
    'Action': 'playback',
    'DataPlayback': 'playback',
    'Arrivals': 'recording',
    'ConsensusDx': 'consensus',
    'ConsensusRecorder': 'consensus',
    'AsRecorded': 'recording',
    'DataRecorder': 'recording',
    'Database': 'database',
    'Dataset': 'dataset',
    'Finished': 'playback',
    'FoxgloveDatabase': 'databases.foxglove',
    'Heads': 'records',
    'McapDatabase': 'databases.mcap',
    'MemoryDatabase': 'databases.memory',
    'Normalisation': 'training',
    'PickleDatabase': 'databases.pickle',
    'Publish': 'playback',
    'PublishClock': 'playback',
    'ReductStoreDatabase': 'databases.reductstore',
    'SerializedMessage': 'records',
    'Topic': 'records',
    'PlaybackStats': 'playback',
    'Played': 'recording',
    'TopicPlayback': 'playback',
    'TopicStats': 'recording',
    'Wait': 'playback',
}

__all__ = [
    'Action',
    'Arrivals',
    'AsRecorded',
    'ConsensusDx',
    'ConsensusRecorder',
    'DataPlayback',
    'DataRecorder',
    'Database',
    'Dataset',
    'Finished',
    'FoxgloveDatabase',
    'Heads',
    'McapDatabase',
    'MemoryDatabase',
    'Normalisation',
    'PickleDatabase',
    'PlaybackStats',
    'Played',
    'Publish',
    'PublishClock',
    'ReductStoreDatabase',
    'SerializedMessage',
    'Topic',
    'TopicPlayback',
    'TopicStats',
    'Wait',
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f'lk_dataset_ros.dataset.{_HOMES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    """Name what can be imported, for completion and `help`."""
    return sorted({*globals(), *__all__})
