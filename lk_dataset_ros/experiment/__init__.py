"""Experiments: original against compiled, from a specification to a verdict."""

from lk_dataset_ros.experiment.arm_run import ArmRun
from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult
from lk_dataset_ros.experiment.run import Progress, run_experiment
from lk_dataset_ros.experiment.specification import Arm, Limits, Output, Specification, json_schema

__all__ = [
    'Arm',
    'ArmResult',
    'ArmRun',
    'ExperimentResult',
    'Limits',
    'Output',
    'Progress',
    'Specification',
    'json_schema',
    'run_experiment',
]
