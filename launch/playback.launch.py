"""Play a bag at a real-time factor.

ros2 launch lk_dataset_ros playback.launch.py bag:=my_bag rtf:=2.0
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

#: Arguments that become parameters of the same name: type, default, what it is. Lists are YAML.
ARGUMENTS = {
    'bag': (str, None, 'a rosbag2 directory, a .mcap file'),
    'bags': (list[str], "['']", 'more bags, on the same time line'),
    'topics': (list[str], "['']", 'topics to play; all by default'),
    'exclude_topics': (list[str], "['']", 'topics not to play'),
    'remap': (list[str], "['']", 'other names to publish under, /old:=/new'),
    'rtf': (float, '1.0', 'real-time factor; 0 is as fast as the subscribers take it'),
    'clock_hz': (float, '0.0', 'how often /clock is published; 0 is never'),
    'follow': (str, '', 'absolute or relative: follow the /clock of a simulator'),
    'restamp': (bool, 'false', 'move header stamps to the time of publishing'),
    'loop': (bool, 'false', 'begin again at the end'),
    'start_paused': (bool, 'false', 'wait for ~/resume'),
    'start_offset_s': (float, '0.0', 'begin so much later in the bag'),
    'duration_s': (float, '0.0', 'play so much of it; 0 is all'),
    'wait_for': (list[str], "['']", 'topics that must have a subscriber first; all is all'),
    'qos_overrides': (str, '', 'YAML file of QoS profiles, as ros2 bag play takes'),
    'as_recorded': (bool, 'false', 'tell a recorder the original stamps and order'),
    'stay': (bool, 'false', 'stay after the end, for ~/play'),
}


def generate_launch_description():
    """Describe the launch."""
    defaults = PathJoinSubstitution(
        [FindPackageShare('lk_dataset_ros'), 'config', 'playback.yaml']
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (_, default, description) in ARGUMENTS.items()
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
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, (kind, _, _) in ARGUMENTS.items()
                    },
                ],
            ),
        ]
    )
