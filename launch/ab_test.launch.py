"""Run original against compiled, from a specification: what `lk ab` does, under `ros2 launch`.

ros2 launch lk_dataset_ros ab_test.launch.py experiment:=experiment.yaml
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from lk_dataset_ros.ros.launching import options_of, run_lk

#: Arguments that are options of `lk ab`, and what they mean.
OPTIONS = {
    'bag': 'another bag than the specification names',
    'mode': 'another mode: offline, lockstep, realtime, sequential or live',
    'rtf': 'another real-time factor; 0 is as fast as the arms answer',
    'repeats': 'how often the original is run; from 2 on there is a noise floor',
    'seed': 'another seed of the simulated world',
    'duration': 'how much of the bag, or how long in the world or on the live graph, s',
    'output': 'folder of the run, must not exist; runs/<name>/<time> when empty',
}


def start(context):
    """Start `lk ab` with the options that were given."""
    experiment = context.launch_configurations['experiment']
    return run_lk(['ab', experiment, *options_of(context, list(OPTIONS))])


def generate_launch_description():
    """Describe the launch."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'experiment', description='the specification, a YAML file (see docs/experiment.md)'
            ),
            *(
                DeclareLaunchArgument(name, default_value='', description=meaning)
                for name, meaning in OPTIONS.items()
            ),
            OpaqueFunction(function=start),
        ]
    )
