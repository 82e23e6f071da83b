"""The databases that ship with the package."""

from lk_dataset_ros.dataset.databases.mcap import McapDatabase
from lk_dataset_ros.dataset.databases.memory import MemoryDatabase
from lk_dataset_ros.dataset.databases.pickle import PickleDatabase

__all__ = ['McapDatabase', 'MemoryDatabase', 'PickleDatabase']
