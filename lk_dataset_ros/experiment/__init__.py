"""Experiments: original against compiled, from a specification to a verdict."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.cost.intervals import Estimate
    from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult, judge_arm
    from lk_dataset_ros.experiment.run import judge_arms, run_experiment
    from lk_dataset_ros.experiment.running import ArmRun, Cost, Place, Progress
    from lk_dataset_ros.experiment.selecting.selection import Choice, Selection, load_selection
    from lk_dataset_ros.experiment.specification import (
        Arm,
        BagInputs,
        Demands,
        Limits,
        LiveInputs,
        Mode,
        Output,
        Specification,
        WorldInputs,
        json_schema,
        load_specification,
    )

# Looked up when asked for: an arm's process should not load the reports.
_HOMES = {
    'Arm': 'specification',
    'ArmResult': 'result',
    'ArmRun': 'running',
    'BagInputs': 'specification',
    'Choice': 'selecting.selection',
    'Cost': 'running',
    'Demands': 'specification',
    'Estimate': 'cost.intervals',
    'ExperimentResult': 'result',
    'Limits': 'specification',
    'LiveInputs': 'specification',
    'Mode': 'specification',
    'Output': 'specification',
    'Place': 'running',
    'Progress': 'running',
    'Selection': 'selecting.selection',
    'Specification': 'specification',
    'WorldInputs': 'specification',
    'json_schema': 'specification',
    'judge_arm': 'result',
    'judge_arms': 'run',
    'load_selection': 'selecting.selection',
    'load_specification': 'specification',
    'run_experiment': 'run',
}

__all__ = [
    'Arm',
    'ArmResult',
    'ArmRun',
    'BagInputs',
    'Choice',
    'Cost',
    'Demands',
    'Estimate',
    'ExperimentResult',
    'Limits',
    'LiveInputs',
    'Mode',
    'Output',
    'Place',
    'Progress',
    'Selection',
    'Specification',
    'WorldInputs',
    'json_schema',
    'judge_arm',
    'judge_arms',
    'load_selection',
    'load_specification',
    'run_experiment',
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f'lk_dataset_ros.experiment.{_HOMES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
