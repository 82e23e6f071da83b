"""Record topics into a rosbag2 MCAP bag.

ros2 launch lk_dataset_ros record.launch.py bag:=my_bag topics:="['/odom']"
ros2 launch lk_dataset_ros record.launch.py all_topics:=true
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

#: Name, default, type and meaning; `config` has the other parameters.
ARGUMENTS = [
    ('bag', '', str, 'directory of the bag, must not exist; by default named after the date'),
    ('topics', "['']", list[str], 'topics to record, a YAML list'),
    ('services', "['']", list[str], 'services to record, a YAML list'),
    ('regex', '', str, 'topics and services that contain this pattern'),
    ('all_topics', 'false', bool, 'all topics'),
    ('all_services', 'false', bool, 'all services'),
    ('exclude_regex', '', str, 'leave out topics and services that contain this pattern'),
    ('use_sim_time', 'false', bool, 'log time is that of /clock'),
]


def generate_launch_description():
    """Describe the launch."""
    defaults = PathJoinSubstitution(
        [FindPackageShare('lk_dataset_ros'), 'config', 'recorder.yaml']
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, _, meaning in ARGUMENTS
            ),
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
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, _, kind, _ in ARGUMENTS
                    },
                ],
            ),
        ]
    )
