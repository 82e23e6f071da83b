"""Play a bag at a real-time factor.

ros2 launch lk_dataset_ros playback.launch.py bag:=my_bag rtf:=2.0
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    """Describe the launch."""
    defaults = PathJoinSubstitution(
        [FindPackageShare('lk_dataset_ros'), 'config', 'playback.yaml']
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='a rosbag2 directory or a .mcap file'),
            DeclareLaunchArgument(
                'topics',
                default_value="['']",
                description='topics to play, a YAML list; all by default',
            ),
            DeclareLaunchArgument(
                'rtf',
                default_value='1.0',
                description='real-time factor; 0 is as fast as subscribers acknowledge',
            ),
            DeclareLaunchArgument(
                'clock_hz',
                default_value='0.0',
                description='how often /clock is published; 0 is never',
            ),
            DeclareLaunchArgument(
                'config', default_value=defaults, description='parameter file of the playback'
            ),
            Node(
                package='lk_dataset_ros',
                executable='playback',
                name='playback',
                output='screen',
                parameters=[
                    LaunchConfiguration('config'),
                    {
                        'bag': ParameterValue(LaunchConfiguration('bag'), value_type=str),
                        'topics': ParameterValue(
                            LaunchConfiguration('topics'), value_type=list[str]
                        ),
                        'rtf': ParameterValue(LaunchConfiguration('rtf'), value_type=float),
                        'clock_hz': ParameterValue(
                            LaunchConfiguration('clock_hz'), value_type=float
                        ),
                    },
                ],
            ),
        ]
    )
