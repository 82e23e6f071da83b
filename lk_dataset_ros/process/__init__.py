"""Child processes that end with whoever started them."""

from lk_dataset_ros.process.guarded import GuardedProcess

__all__ = ['GuardedProcess']
