"""Ways to run the arms of an experiment."""

from lk_dataset_ros.experiment.running.arm_run import ArmRun, Cost, Place, Progress

__all__ = ['ArmRun', 'Cost', 'Place', 'Progress']
