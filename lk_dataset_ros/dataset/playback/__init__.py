"""Play datasets: an engine that says what is due, and a thread that does it on time."""

from lk_dataset_ros.dataset.playback.actions import Action, Finished, Publish, PublishClock, Wait
from lk_dataset_ros.dataset.playback.engine import DataPlayback
from lk_dataset_ros.dataset.playback.stats import PlaybackStats, TopicPlayback

__all__ = [
    'Action',
    'DataPlayback',
    'Finished',
    'PlaybackStats',
    'Publish',
    'PublishClock',
    'TopicPlayback',
    'Wait',
]
