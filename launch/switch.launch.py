r"""Hand an actuator's topic from the original to the compiled, and back.

ros2 launch lk_dataset_ros switch.launch.py \
    original:=/original/cmd compiled:=/cpp/cmd actuator:=/cmd
ros2 service call /switch/switch_to lk_dataset_ros/srv/SwitchTo "{arm: compiled}"
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

#: Name, default (None where it has to be given), type and meaning.
ARGUMENTS = [
    ('original', None, str, "the original's topic"),
    ('compiled', None, str, "the compiled's topic"),
    ('actuator', None, str, 'the topic that the actuators listen to'),
    ('tolerances', '', str, 'YAML file of rules, as lk compare takes it'),
    ('hold_s', '5.0', float, 'how long all pairs have to agree before the compiled may drive, s'),
    ('limit_s', '0.02', float, 'how much later than the original the compiled may answer, s'),
    ('rearm', 'false', bool, 'let the compiled drive again by itself after it fell back'),
]


def generate_launch_description():
    """Describe the launch."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, _, meaning in ARGUMENTS
            ),
            DeclareLaunchArgument('name', default_value='switch', description='name of the node'),
            Node(
                package='lk_dataset_ros',
                executable='switch',
                name=LaunchConfiguration('name'),
                output='screen',
                parameters=[
                    {
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, _, kind, _ in ARGUMENTS
                    },
                ],
            ),
        ]
    )
