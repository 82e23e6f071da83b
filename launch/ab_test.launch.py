"""Run original against compiled, from a specification: what `lk ab` does, under `ros2 launch`.

ros2 launch lk_dataset_ros ab_test.launch.py experiment:=experiment.yaml
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackagePrefix

MEANINGS = {1: 'differs', 2: 'could not be judged'}


def pass_on(event, context):
    """Fail the launch when the verdict is not `equivalent`."""
    del context
    if event.returncode:
        meaning = MEANINGS.get(event.returncode, 'ended')
        raise RuntimeError(f'A/B test: {meaning} (exit code {event.returncode} of lk ab)')


def start(context):
    """Start `lk ab` with the options that were given."""
    lk = PathJoinSubstitution([FindPackagePrefix('lk_dataset_ros'), 'bin', 'lk'])
    command = [lk, 'ab', LaunchConfiguration('experiment')]
    for name in ('bag', 'rtf', 'output'):
        value = LaunchConfiguration(name).perform(context)
        if value:
            command += [f'--{name}', value]
    # Ctrl-C goes to lk, which ends its arms; give them the time before anybody gets impatient.
    return [
        ExecuteProcess(
            cmd=command, name='ab', output='screen', on_exit=pass_on, sigterm_timeout='20'
        )
    ]


def generate_launch_description():
    """Describe the launch."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'experiment', description='the specification, a YAML file (see docs/experiment.md)'
            ),
            DeclareLaunchArgument(
                'bag', default_value='', description='another bag than the specification names'
            ),
            DeclareLaunchArgument(
                'rtf',
                default_value='',
                description='another real-time factor; 0 is as fast as the arms answer',
            ),
            DeclareLaunchArgument(
                'output',
                default_value='',
                description='folder of the run, must not exist; runs/<name>/<time> when empty',
            ),
            OpaqueFunction(function=start),
        ]
    )
