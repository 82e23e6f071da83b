"""The recorder without ROS: what comes in is counted, chosen, cached and written."""

from lk_dataset_ros.dataset.databases.mcap_files.writer import PREFIX
from lk_dataset_ros.dataset.recording.arrivals import Arrivals
from lk_dataset_ros.dataset.recording.as_recorded import AsRecorded, Played
from lk_dataset_ros.dataset.recording.recorder import DataRecorder
from lk_dataset_ros.dataset.recording.statistics import STATISTICS_RECORD, TopicStats

__all__ = [
    'PREFIX',
    'STATISTICS_RECORD',
    'Arrivals',
    'AsRecorded',
    'DataRecorder',
    'Played',
    'TopicStats',
]
