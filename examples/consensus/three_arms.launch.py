"""Three controllers of a robot's speed, one of which drifts, and who watches them.

ros2 launch examples/consensus/three_arms.launch.py bag:=disagreements
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PYTHON = str(Path(__file__).resolve().parent / 'python')
ARMS = {'original': 'Original', 'rewritten': 'Rewritten', 'drifting': 'Drifting'}


def component(name: str, path: str, remappings: Any = (), **parameters: Any) -> Node:
    """Host a component as a node."""
    return Node(
        package='lk_dataset_ros',
        executable='component',
        name=name,
        output='screen',
        remappings=remappings,
        parameters=[
            {'component': f'three_controllers.{path}', 'python_path': [PYTHON], **parameters}
        ],
    )


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    consensus = PathJoinSubstitution(
        [FindPackageShare('lk_dataset_ros'), 'launch', 'consensus.launch.py']
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'bag', default_value='', description='directory of the bag, must not exist'
            ),
            # It drives off when the three and the two that watch are there: who comes later, while
            # it drives, has another sum in mind until it stands.
            component('robot', 'robot:Robot', wait_for_subscribers=5),
            *(
                component(name, f'controllers:{path}', [('cmd', f'/{name}/cmd')])
                for name, path in ARMS.items()
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(consensus),
                launch_arguments={
                    'arms': str([f'{name}:=/{name}/cmd' for name in ARMS]),
                    'inputs': "['/odom']",
                    'atol': '0.005',
                    'bag': LaunchConfiguration('bag'),
                    'watch': "['/odom:=95']",
                }.items(),
            ),
        ]
    )
