r"""Compare original and compiled topics while both run.

ros2 launch lk_dataset_ros compare.launch.py topics:="['/cmd:=/cpp/cmd']"
ros2 launch lk_dataset_ros compare.launch.py namespace:=/cpp tolerances:=tolerances.yaml
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, LogInfo
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from lk_dataset_ros.ros.launching import MEANINGS, end_with

#: Name, default, type and meaning.
ARGUMENTS = [
    ('topics', "['']", list[str], "'/original:=/compiled', or '/original' with namespace"),
    ('namespace', '', str, 'the compiled topics are below it; without topics all that are there'),
    ('tolerances', '', str, 'YAML file of rules, as lk compare takes it'),
    ('pair_by', 'auto', str, 'auto, header_stamp, relative_time, arrival or index'),
    ('limit_s', '0.0', float, 'how far stamps of a pair may lie apart, s'),
    ('arrival_limit_s', '0.05', float, 'how far apart messages without stamp may arrive, s'),
    ('answer_limit_s', '1.0', float, 'how long a message waits for its partner, s'),
    ('report', '', str, 'folder of the report at the end; by default named after the date'),
    ('bag_bytes', '1073741824', int, 'bytes on disk of what was heard; the oldest goes'),
    ('exit_with_verdict', 'false', bool, 'exit code 0 if equivalent, 1 differs, 2 inconclusive'),
]


def pass_on(event, context):
    """End the launch with the node's exit code."""
    del context
    code = event.returncode if event.returncode >= 0 else 128 - event.returncode
    if code:
        end_with(code)
    said = f'compare: {MEANINGS.get(code, "ended")} (exit code {code})'
    return [LogInfo(msg=said), EmitEvent(event=Shutdown(reason=said))]


def generate_launch_description():
    """Describe the launch."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, _, meaning in ARGUMENTS
            ),
            DeclareLaunchArgument('name', default_value='compare', description='name of the node'),
            Node(
                package='lk_dataset_ros',
                executable='compare',
                name=LaunchConfiguration('name'),
                output='screen',
                parameters=[
                    {
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, _, kind, _ in ARGUMENTS
                    },
                ],
                on_exit=pass_on,
                # The report at the end takes its time.
                sigterm_timeout='600',
                sigkill_timeout='600',
            ),
        ]
    )
