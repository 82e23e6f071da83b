"""Start the implementation of a component that `lk select` has chosen, whichever it is.

ros2 launch lk_dataset_ros selected.launch.py component:=odometry_smoother
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch_ros.actions import Node

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.experiment.selecting.selection import load_selection
from lk_dataset_ros.ros.launching import refuse

#: Name, default and meaning; None has to be given.
ARGUMENTS = [
    ('component', None, 'name of the component, as selection.yaml has it'),
    ('selection', 'selection.yaml', 'the file that lk select has written'),
    ('node_name', '', 'name of the node; that of the component when empty'),
    ('namespace', '', 'namespace of the node'),
    ('use_sim_time', 'false', 'time is that of /clock'),
]


def start(context):
    """Start what was selected."""
    given = context.launch_configurations
    try:
        arm = load_selection(given['selection']).choose(given['component']).arm
    except LkError as error:
        return refuse(str(error))
    if arm.is_running:
        return refuse(f'{given["component"]}: the selected one is not started, it runs already')
    name = given['node_name'] or given['component']
    is_simulated = given['use_sim_time'].lower() in ('true', '1', 'yes')
    parameters = {'use_sim_time': is_simulated, **arm.parameters}
    if arm.command:
        options = ['--ros-args', '-r', f'__node:={name}']
        if given['namespace']:
            options += ['-r', f'__ns:=/{given["namespace"].strip("/")}']
        for key, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            options += ['-p', f'{key}:={text}']
        for old, new in arm.remappings.items():
            options += ['-r', f'{old}:={new}']
        command = [
            part for each in arm.command for part in (options if each == '{ros_args}' else [each])
        ]
        return [ExecuteProcess(cmd=command, name=name, output='screen', cwd=arm.directory or None)]
    if arm.component:
        parameters['component'] = arm.component
        if arm.python_path:
            parameters['python_path'] = list(arm.python_path)
    return [
        Node(
            package=arm.package or 'lk_dataset_ros',
            executable=arm.executable or 'component',
            name=name,
            namespace=given['namespace'],
            output='screen',
            parameters=[parameters],
            remappings=list(arm.remappings.items()),
        )
    ]


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
