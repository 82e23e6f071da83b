"""The launch files: started for real where launch is, their arguments described everywhere."""

from __future__ import annotations

import ast
import importlib.util
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from graph_kit import ROOT, Graph, write_specification
from live_kit import track, write_toys

from lk_dataset_ros.experiment.environment import find_executable

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import Popen

LAUNCH = ROOT / 'launch'
FILES = sorted(LAUNCH.glob('*.launch.py'))
NEEDS_LAUNCH = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='launch_ros is not installed (it is not in the registries)',
)
RUN = """
import sys, launch
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
given = dict(each.split(':=', 1) for each in sys.argv[2:])
service = launch.LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
include = IncludeLaunchDescription(source, launch_arguments=given.items())
service.include_launch_description(launch.LaunchDescription([include]))
sys.exit(service.run())
"""
SHOW = """
import sys
from launch.launch_description_sources import get_launch_description_from_python_launch_file
found = get_launch_description_from_python_launch_file(sys.argv[1])
for each in found.get_launch_arguments():
    assert each.description and each.description != 'no description given', each.name
    print(each.name)
"""
#: Stands where Gazebo would: the world node, under the name that Gazebo's service would have.
GAZEBO = """
import sys
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration
def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('gz_args', description='arguments'),
        ExecuteProcess(cmd=[sys.executable, 'gz.py', LaunchConfiguration('gz_args')]),
    ])
"""
GZ = """
import os, sys
open('gz_args.txt', 'w').write(sys.argv[1])
os.execv(sys.executable, [sys.executable, WORLD, '--ros-args', *sum((['-p', p] for p in TRACK), [])])
"""
BRIDGE = """#!/usr/bin/env python3
import signal, sys
open('bridge_args.txt', 'w').write(' '.join(sys.argv[1:]))
signal.sigwait([signal.SIGINT, signal.SIGTERM])
"""


def start(graph: Graph, name: str, *arguments: str) -> Popen[str]:
    """Start a launch file."""
    return graph.start(
        sys.executable, '-W', 'ignore', '-c', RUN, str(LAUNCH / f'{name}.launch.py'), *arguments
    )


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_launch_files_compile_and_say_how_they_are_used(path: Path) -> None:
    """Promise: each launch file begins with what it does and a command line that starts it."""
    tree = ast.parse(path.read_text())
    text = ast.get_docstring(tree) or ''
    assert f'ros2 launch lk_dataset_ros {path.name}' in text
    assert any(
        isinstance(each, ast.FunctionDef) and each.name == 'generate_launch_description'
        for each in tree.body
    )
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'DeclareLaunchArgument':
            assert 'description' in [each.arg for each in call.keywords]


@NEEDS_LAUNCH
@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_arguments_are_described(graph: Graph, path: Path) -> None:
    """Promise: every argument of a launch file says what it means."""
    code, said = graph.finish(graph.start(sys.executable, '-W', 'ignore', '-c', SHOW, str(path)))
    assert code == 0, said
    assert said.split()


@NEEDS_LAUNCH
def test_ab_test_ends_with_the_exit_code_of_the_run(graph: Graph, bag: Path) -> None:
    """Promise: 0 for equivalent, 1 for differs, 2 for what could not be judged."""
    assert bag.exists()
    for arm, wanted in (
        ('OdometrySmootherCpp', 0),
        ('OdometrySmootherCppWrong', 1),
        ('NotThere', 2),
    ):
        line = f"  cpp: {{component: 'odometry_smoother.compiled:{arm}'}}"
        path = write_specification(graph.folder, cpp=line)
        code, said = graph.finish(start(graph, 'ab_test', f'experiment:={path}'))
        assert code == wanted, said


@NEEDS_LAUNCH
def test_ab_live_writes_its_experiment_and_runs_it(graph: Graph, tmp_path: Path) -> None:
    """Promise: topics and arms given as arguments are a live run beside what runs already."""
    write_toys(tmp_path)
    world = graph.node('world', *track(tmp_path))
    original = graph.node('component', 'component:=toy:Drive', f"python_path:=['{tmp_path}']")
    launch = start(
        graph,
        'ab_live',
        "topics:=['/state']",
        "outputs:=['/cmd']",
        "compiled:=['again=toy:Drive']",
        'duration:=1.0',
    )
    code, said = graph.finish(launch)
    assert code == 0, said
    code, said = graph.finish(start(graph, 'ab_live', "topics:=['/state']"))
    assert code == 2, said
    assert 'outputs is empty' in said
    for process in (original, world):
        graph.finish(process, signal.SIGINT)


@NEEDS_LAUNCH
def test_selected_starts_the_winner(graph: Graph, tmp_path: Path) -> None:
    """Promise: the component is started by its name, whatever was selected for it."""
    write_toys(tmp_path)
    world = graph.node('world', *track(tmp_path), 'goal_m:=1.0')
    (tmp_path / 'selection.yaml').write_text(
        "version: 1\ncomponents: {driver: {arm: cpp, component: 'toy:Drive', python_path: [.]}}\n"
    )
    launch = start(graph, 'selected', 'component:=driver')
    status = (
        'import rclpy\n'
        'from lk_dataset_ros.msg import WorldStatus\n'
        'rclpy.init(); node = rclpy.create_node("watcher"); seen = []\n'
        'node.create_subscription(WorldStatus, "/world/status", seen.append, 10)\n'
        'while not (seen and seen[-1].is_finished): rclpy.spin_once(node)\n'
    )
    code, said = graph.finish(graph.start(sys.executable, '-W', 'ignore', '-c', status))
    assert code == 0, said
    graph.finish(launch, signal.SIGINT)
    graph.finish(world, signal.SIGINT)
    code, said = graph.finish(start(graph, 'selected', 'component:=other'))
    assert code == 2
    assert "selects nothing for 'other'; it has driver" in said


@NEEDS_LAUNCH
def test_record_and_playback_play_what_was_recorded(graph: Graph, bag: Path) -> None:
    """Promise: record.launch.py records what playback.launch.py plays."""
    recorder = start(graph, 'record', 'bag:=again', "topics:=['/odom']")
    played = start(graph, 'playback', f'bag:={bag}', 'rtf:=0.0', "wait_for:=['/odom']")
    code, said = graph.finish(played)
    assert code == 0, said
    code, said = graph.finish(recorder, signal.SIGINT)
    assert (graph.folder / 'again' / 'metadata.yaml').exists(), said
    assert 'message_count: 200' in (graph.folder / 'again' / 'metadata.yaml').read_text()


@NEEDS_LAUNCH
def test_gazebo_that_is_not_installed_is_said_in_one_line(graph: Graph, tmp_path: Path) -> None:
    """Promise: without ros_gz the package to install is named, with exit code 2."""
    process = start(graph, 'gazebo_ab', 'experiment:=a.yaml', 'world_file:=a.sdf')
    code, said = graph.finish(process)
    assert code == 2
    assert 'error: ros_gz_sim is not installed: sudo apt install ros-' in said
    assert not (tmp_path / 'runs').exists()


@NEEDS_LAUNCH
def test_gazebo_is_started_bridged_and_reset(graph: Graph, tmp_path: Path) -> None:
    """Promise: simulator and bridge get world, seed and service; the arms run one by one."""
    write_toys(tmp_path)
    prefix = tmp_path / 'prefix'
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    for package in ('ros_gz_sim', 'ros_gz_bridge'):
        (index / package).touch()
        (prefix / 'lib' / package).mkdir(parents=True)
        (prefix / 'share' / package / 'launch').mkdir(parents=True)
    (prefix / 'share' / 'ros_gz_sim' / 'launch' / 'gz_sim.launch.py').write_text(GAZEBO)
    bridge = prefix / 'lib' / 'ros_gz_bridge' / 'parameter_bridge'
    bridge.write_text(BRIDGE)
    bridge.chmod(0o755)
    world = find_executable('lk_dataset_ros', 'world')
    (tmp_path / 'gz.py').write_text(
        GZ.replace('WORLD', repr(world)).replace('TRACK', repr(track(tmp_path)))
    )
    (tmp_path / 'room.sdf').write_text('<sdf/>')
    (tmp_path / 'experiment.yaml').write_text(
        'version: 1\n'
        'inputs:\n'
        '  topics: [/state]\n'
        '  world: external\n'
        '  duration_s: 1.0\n'
        '  version_command: [echo, "stand-in"]\n'
        '  reset: "/world/reset lk_dataset_ros/srv/ResetWorld {seed: {seed}}"\n'
        "original: {component: 'toy:Drive'}\n"
        "compiled: {again: {component: 'toy:Drive'}}\n"
        'outputs: [{topic: /cmd}]\n'
    )
    graph.env['AMENT_PREFIX_PATH'] = f'{prefix}:{graph.env["AMENT_PREFIX_PATH"]}'
    process = start(
        graph,
        'gazebo_ab',
        'experiment:=experiment.yaml',
        'world_file:=room.sdf',
        'world_name:=room',
        'seed:=5',
        f'bridge:={ROOT / "config" / "gazebo" / "bridge.yaml"}',
        'output:=out',
    )
    code, said = graph.finish(process)
    assert code == 0, said
    arguments = (tmp_path / 'gz_args.txt').read_text().split()
    assert arguments == [
        '-s',
        '--headless-rendering',
        '-r',
        '--seed',
        '5',
        str(tmp_path / 'room.sdf'),
    ]
    bridged = (tmp_path / 'bridge_args.txt').read_text()
    assert '/world/room/control@ros_gz_interfaces/srv/ControlWorld' in bridged
    assert '--params-file' in bridged
    assert '"seed": 5' in (tmp_path / 'out' / 'world.json').read_text()
