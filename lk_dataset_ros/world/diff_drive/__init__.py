"""A robot with two driven wheels in a room with obstacles."""

from lk_dataset_ros.world.diff_drive.driving import DiffDrive

__all__ = ['DiffDrive']
