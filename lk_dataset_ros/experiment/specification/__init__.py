"""What an experiment is: `experiment.yaml`, checked."""

from lk_dataset_ros.experiment.specification.parts import (
    ORIGINAL,
    Arm,
    BagInputs,
    Demands,
    Limits,
    LiveInputs,
    Mode,
    Output,
    Specification,
    WorldInputs,
)
from lk_dataset_ros.experiment.specification.reading import json_schema, load_specification

__all__ = [
    'ORIGINAL',
    'Arm',
    'BagInputs',
    'Demands',
    'Limits',
    'LiveInputs',
    'Mode',
    'Output',
    'Specification',
    'WorldInputs',
    'json_schema',
    'load_specification',
]
