"""Components: behaviour with typed ports and a configuration, free of ROS."""

from lk_dataset_ros.component.component import (
    Component,
    Log,
    extend_python_path,
    load_component,
)
from lk_dataset_ros.component.config import Config, Option, option
from lk_dataset_ros.component.diagnostics import Diagnostics, Status
from lk_dataset_ros.component.health import Frequency, Health, Level, StampAge
from lk_dataset_ros.component.ports import Input, Output, Port, PortQos

__all__ = [
    'Component',
    'Config',
    'Diagnostics',
    'Frequency',
    'Health',
    'Input',
    'Level',
    'Log',
    'Option',
    'Output',
    'Port',
    'PortQos',
    'StampAge',
    'Status',
    'extend_python_path',
    'load_component',
    'option',
]
