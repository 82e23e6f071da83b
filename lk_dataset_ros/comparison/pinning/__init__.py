"""Pin what a component answers today: a test, and the recording that it is held against."""

from __future__ import annotations

from lk_dataset_ros.comparison.pinning.cutting import Bounds, Cut, cut_of
from lk_dataset_ros.comparison.pinning.pinning import Pinned, pin
from lk_dataset_ros.comparison.pinning.subject import Subject, subject_of

__all__ = ['Bounds', 'Cut', 'Pinned', 'Subject', 'cut_of', 'pin', 'subject_of']
