"""Watch several implementations side by side; record the moments when they disagree.

ros2 launch lk_dataset_ros consensus.launch.py arms:="['original:=/cmd', 'cpp:=/cpp/cmd']"
ros2 launch lk_dataset_ros consensus.launch.py --show-args
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

#: Name, default, type and meaning; `config` has the other parameters.
ARGUMENTS = [
    ('arms', "['']", list[str], 'what should agree, the original first: name:=topic, a YAML list'),
    ('inputs', "['']", list[str], 'topics that the arms answer, recorded with them, a YAML list'),
    ('tolerance', '', str, 'file of rules as lk compare takes it, such as config/tolerances.yaml'),
    ('rtol', '-1.0', float, 'relative tolerance; below 0 is that of the file or the type'),
    ('atol', '-1.0', float, 'absolute tolerance, likewise'),
    ('bag', '', str, 'directory of the bag, must not exist; empty records nothing'),
    ('record_mode', 'mismatches', str, 'what is recorded: mismatches, matches, all'),
    ('use_sim_time', 'false', bool, 'times are those of /clock'),
]


def generate_launch_description():
    """Describe the launch."""
    defaults = PathJoinSubstitution(
        [FindPackageShare('lk_dataset_ros'), 'config', 'consensus.yaml']
    )
    watch = LaunchConfiguration('watch')
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, _, meaning in ARGUMENTS
            ),
            DeclareLaunchArgument(
                'config', default_value=defaults, description='parameter file of the node'
            ),
            DeclareLaunchArgument(
                'watch',
                default_value="['']",
                description='topics whose rate, age and silence the node diagnostics watches, such '
                "as ['/odom:=100']; empty does without that node",
            ),
            Node(
                package='lk_dataset_ros',
                executable='consensus',
                name='consensus',
                output='screen',
                parameters=[
                    LaunchConfiguration('config'),
                    {
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, _, kind, _ in ARGUMENTS
                    },
                ],
            ),
            Node(
                package='lk_dataset_ros',
                executable='diagnostics',
                name='diagnostics',
                output='screen',
                condition=IfCondition(PythonExpression(['any(', watch, ')'])),
                parameters=[
                    {
                        'topics': ParameterValue(watch, value_type=list[str]),
                        'use_sim_time': ParameterValue(
                            LaunchConfiguration('use_sim_time'), value_type=bool
                        ),
                    }
                ],
            ),
        ]
    )
