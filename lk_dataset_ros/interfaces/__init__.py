"""Message types that a bag needs: what is installed, and building what is not. No rclpy needed."""

from lk_dataset_ros.interfaces.build import Built, build_missing
from lk_dataset_ros.interfaces.choosing import choose, newest
from lk_dataset_ros.interfaces.description import type_hash
from lk_dataset_ros.interfaces.installed import Installed
from lk_dataset_ros.interfaces.interface import Interface, difference, interfaces_of
from lk_dataset_ros.interfaces.needs import Need, Needs, State, needs_of
from lk_dataset_ros.interfaces.overlay import (
    Overlay,
    built_overlays,
    variables_with,
)

__all__ = [
    'Built',
    'Installed',
    'Interface',
    'Need',
    'Needs',
    'Overlay',
    'State',
    'build_missing',
    'built_overlays',
    'choose',
    'difference',
    'interfaces_of',
    'needs_of',
    'newest',
    'type_hash',
    'variables_with',
]
