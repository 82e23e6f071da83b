"""Datasets: the front end, the databases behind it, the engines that record and play."""

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases import McapDatabase, MemoryDatabase, PickleDatabase
from lk_dataset_ros.dataset.dataset import Dataset
from lk_dataset_ros.dataset.playback import (
    Action,
    DataPlayback,
    Finished,
    Publish,
    PublishClock,
    Wait,
)
from lk_dataset_ros.dataset.recorder import DataRecorder, TopicStats
from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic

__all__ = [
    'Action',
    'DataPlayback',
    'DataRecorder',
    'Database',
    'Dataset',
    'Finished',
    'Heads',
    'McapDatabase',
    'MemoryDatabase',
    'PickleDatabase',
    'Publish',
    'PublishClock',
    'SerializedMessage',
    'Topic',
    'TopicStats',
    'Wait',
]
