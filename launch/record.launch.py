"""Record topics into a rosbag2 MCAP bag.

ros2 launch lk_dataset_ros record.launch.py bag:=my_bag topics:="['/odom']"
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
        [FindPackageShare('lk_dataset_ros'), 'config', 'recorder.yaml']
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='directory of the bag; must not exist'),
            DeclareLaunchArgument('topics', description='topics to record, a YAML list'),
            DeclareLaunchArgument(
                'config', default_value=defaults, description='parameter file of the recorder'
            ),
            Node(
                package='lk_dataset_ros',
                executable='recorder',
                name='recorder',
                output='screen',
                parameters=[
                    LaunchConfiguration('config'),
                    {
                        'bag': ParameterValue(LaunchConfiguration('bag'), value_type=str),
                        'topics': ParameterValue(
                            LaunchConfiguration('topics'), value_type=list[str]
                        ),
                    },
                ],
            ),
        ]
    )
