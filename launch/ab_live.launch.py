r"""Run compiled arms in the shadow of the original, on the topics of the running graph.

ros2 launch lk_dataset_ros ab_live.launch.py experiment:=live.yaml
ros2 launch lk_dataset_ros ab_live.launch.py topics:="['/odom']" outputs:="['/smoothed']" \
    compiled:="['cpp=odometry_smoother.compiled:OdometrySmootherCpp']"
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros.launch_arguments import write_experiment
from lk_dataset_ros.ros.launching import options_of, refuse, run_lk

#: Name, default and meaning.
ARGUMENTS = [
    ('experiment', '', 'the specification, a YAML file; instead of the next five'),
    ('topics', "['']", 'the inputs, a YAML list; those that the arms hear and that are recorded'),
    ('outputs', "['']", 'the outputs that are compared, a YAML list'),
    (
        'original',
        'running',
        (
            'the arm that is right: running (it is there already), package.module:Class or '
            'package/executable'
        ),
    ),
    (
        'compiled',
        "['']",
        (
            'the arms that are judged, a YAML list of name=package.module:Class or '
            'name=package/executable; each publishes below /<name> only'
        ),
    ),
    ('python_path', '', 'folder to import components from; the current one when empty'),
    ('duration', '', 'how long, s; Ctrl-C ends it before, with what there is'),
    ('output', '', 'folder of the run, must not exist; runs/<name>/<time> when empty'),
]


def start(context):
    """Start `lk ab`, with the specification or with one written from the arguments."""
    given = context.launch_configurations
    try:
        experiment = given['experiment'] or str(write_experiment(given))
    except LkError as error:
        return refuse(str(error))
    return run_lk(['ab', experiment, *options_of(context, ['duration', 'output'])])


def generate_launch_description():
    """Describe the launch."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=meaning)
                for name, default, meaning in ARGUMENTS
            ),
            OpaqueFunction(function=start),
        ]
    )
