"""Run original and compiled one after the other in Gazebo, each from the same beginning.

ros2 launch lk_dataset_ros gazebo_ab.launch.py experiment:=experiment.yaml world_file:=room.sdf
"""

import os
import shlex
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros.launch_arguments import write_gazebo_experiment
from lk_dataset_ros.ros.launching import options_of, refuse, run_lk

#: Name, default and meaning; None has to be given.
ARGUMENTS = [
    (
        'experiment',
        None,
        (
            'the specification, a YAML file; what its inputs lack is filled in: world, world_file, '
            'seed, reset, version_command'
        ),
    ),
    ('world_file', None, 'the world, an SDF file'),
    (
        'world_name',
        'default',
        'name of the world in that file: it is reset by /world/<name>/control',
    ),
    ('seed', '0', 'what random numbers in Gazebo start from'),
    ('headless', 'true', 'without a window; sensors are rendered all the same'),
    ('gz_args', '', 'more arguments for gz sim'),
    ('output', '', 'folder of the run, must not exist; runs/<name>/<time> when empty'),
]


def start(context):
    """Start Gazebo, the bridge and `lk ab`."""
    given = context.launch_configurations
    for package in ('ros_gz_sim', 'ros_gz_bridge'):
        try:
            share = Path(get_package_share_directory(package))
        except PackageNotFoundError:
            distro = os.environ.get('ROS_DISTRO', '<distro>')
            return refuse(f'{package} is not installed: sudo apt install ros-{distro}-ros-gz')
        if package == 'ros_gz_sim':
            gazebo = share / 'launch' / 'gz_sim.launch.py'
    if not Path(given['world_file']).is_file():
        return refuse(f'there is no world_file {given["world_file"]}')
    try:
        experiment = write_gazebo_experiment(given)
    except (LkError, ValueError) as error:
        return refuse(str(error))
    world = str(Path(given['world_file']).absolute())
    # Running: who starts an arm sees by the clock that the world is there.
    arguments = ['-r', '--seed', given['seed'], shlex.quote(world)]
    if given['headless'].lower() in ('true', '1', 'yes'):
        arguments[:0] = ['-s', '--headless-rendering']
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(gazebo)),
            launch_arguments={'gz_args': ' '.join([*arguments, given['gz_args']])}.items(),
        ),
        Node(
            package='ros_gz_bridge',
            executable='parameter_bridge',
            name='gazebo_bridge',
            output='screen',
            arguments=[f'/world/{given["world_name"]}/control@ros_gz_interfaces/srv/ControlWorld'],
            parameters=[{'config_file': given['bridge']}],
        ),
        *run_lk(['ab', str(experiment), *options_of(context, ['output'])]),
    ]


def generate_launch_description():
    """Describe the launch."""
    bridge = PathJoinSubstitution(
        [FindPackageShare('lk_dataset_ros'), 'config', 'gazebo', 'bridge.yaml']
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, meaning in ARGUMENTS
            ),
            DeclareLaunchArgument(
                'bridge',
                default_value=bridge,
                description='which topics are bridged, a YAML file of ros_gz_bridge; /clock has '
                'to be among them',
            ),
            OpaqueFunction(function=start),
        ]
    )
