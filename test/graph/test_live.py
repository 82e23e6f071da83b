"""Mode live and external worlds, on a real graph."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from live_kit import run_of, track, write_toys

from lk_dataset_ros.experiment.environment import find_executable

if TYPE_CHECKING:
    from pathlib import Path

    from graph_kit import Graph

LIVE = """
version: 1
mode: live
inputs: {live: {duration_s: 1.5}, topics: [/state]}
original: {component: 'toy:Drive'}
compiled:
  same: {component: 'toy:Drive', remappings: {cmd: /cmd}}
  absolute: {command: [python, leaky.py, /cmd, '{ros_args}']}
  leaky: {command: [python, leaky.py, '/cmd,/wheel', '{ros_args}']}
  dies: {command: [python, -c, 'raise SystemExit(3)', '{ros_args}']}
outputs: [{topic: /cmd, answers: /state, count: each}]
"""
EXTERNAL = """
version: 1
mode: sequential
inputs:
  world: external
  topics: [/state]
  seed: 3
  duration_s: 2.0
  world_file: toy.py
  version_command: [python, -c, 'print("track 1.0")']
  WORLD
original: {component: 'toy:Drive'}
compiled: {fast: {component: 'toy:Drive', parameters: {speed: 60.0}}}
outputs: [{topic: /cmd, answers: /state}]
"""


def test_shadowed_arms_answer_the_same_inputs_and_reach_nothing(
    graph: Graph, tmp_path: Path
) -> None:
    """Promise: all arms answer every live input; what publishes elsewhere is ended at once."""
    write_toys(tmp_path)
    world = graph.node('world', *track(tmp_path))
    found = run_of(graph, LIVE)
    _, said = graph.finish(world, signal.SIGINT)
    original = found['original']
    count = original['sent']['/state']
    assert count > 100, found
    for label in ('original', 'same', 'absolute'):
        arm = found[label]
        assert arm['problem'] == '', (label, arm)
        assert arm['hashes'] == original['hashes']
        assert arm['stamps'] == {'/cmd': original['stamps']['/cmd']}, label
        assert arm['received'] == {'/cmd': count}
        assert arm['unanswered'] == {'/cmd': 0}
        assert arm['unconfirmed'] == []
        assert arm['latencies'] == count
        assert arm['cpu_s'] > 0
        assert arm['peak_bytes'] > 1e6
        assert 0 < arm['start_up_s'] < 30
    assert found['leaky']['problem'].startswith('it publishes /wheel, outside of /leaky/')
    assert found['dies']['problem'] == 'ended by itself with exit code 3'
    # `absolute` brakes: the track has heard the original only.
    assert 'Traceback' not in said
    assert (tmp_path / 'run' / 'inputs' / 'metadata.yaml').exists()


def test_live_run_that_is_interrupted_keeps_what_there_is(graph: Graph, tmp_path: Path) -> None:
    """Promise: SIGINT ends a live run early, and what was recorded until then is judged."""
    write_toys(tmp_path)
    world = graph.node('world', *track(tmp_path))
    text = LIVE.replace('duration_s: 1.5', 'duration_s: 1000')
    start = text.index('  absolute')
    path = tmp_path / 'run.yaml'
    path.write_text(text[:start] + text[text.index('outputs') :])
    process = graph.start('python', 'run.py', str(path), 'run')
    assert process.stderr is not None
    seen = 0
    for line in process.stderr:
        seen += line.startswith('at same')
        if seen == 3:
            break
    code, said = graph.finish(process, signal.SIGINT)
    assert code == 0, said
    found = json.loads(next(line for line in said.splitlines() if line.startswith('{')))
    assert found['same']['problem'] == ''
    assert found['same']['received']['/cmd'] > 10
    graph.finish(world, signal.SIGINT)


def test_external_world_is_restarted_for_each_arm(graph: Graph, tmp_path: Path) -> None:
    """Promise: every arm drives in a world of its own that began anew, at simulated time."""
    write_toys(tmp_path)
    node = find_executable('lk_dataset_ros', 'world')
    wanted = [
        *track(tmp_path, 'seed:={seed}', 'wait_for_subscribers:=2', 'goal_m:=100.0'),
        "wait_for:=['/state', '/cmd', '/clock']",
    ]
    command = ['python', node, '--ros-args', *(part for each in wanted for part in ('-p', each))]
    found = run_of(graph, EXTERNAL.replace('WORLD', f'processes: [{json.dumps(command)}]'))
    original, fast = found['original'], found['fast']
    assert original['problem'] == fast['problem'] == ''
    assert original['stamps']['/state'][0] == fast['stamps']['/state'][0] == 20_000_000
    assert original['stamps']['/cmd'] == original['stamps']['/state']
    # 2 s without the end of it.
    assert original['stamps']['/state'][-1] == 1_980_000_000
    assert original['received'] == {'/cmd': 99}
    assert not original['outcome']['reached']
    # 60 m/s from 3 m on, so that the task ends the run.
    assert fast['outcome']['reached']
    assert fast['stamps']['/state'][-1] < 1_900_000_000
    written = json.loads((tmp_path / 'run' / 'world.json').read_text())
    assert written['seed'] == 3
    assert written['simulator'] == 'track 1.0'
    assert len(written['world_file_sha256']) == 64


def test_running_world_is_reset_by_its_service(graph: Graph, tmp_path: Path) -> None:
    """Promise: a world that runs goes back to its beginning for each arm, and after the last."""
    write_toys(tmp_path)
    world = graph.node('world', *track(tmp_path))
    reset = 'reset: "/world/reset lk_dataset_ros/srv/ResetWorld {seed: {seed}}"'
    text = EXTERNAL.replace('WORLD', reset).replace('60.0', '1.5')
    found = run_of(graph, text)
    assert world.poll() is None
    _, said = graph.finish(world, signal.SIGINT)
    for label in ('original', 'fast'):
        arm = found[label]
        assert arm['problem'] == ''
        assert arm['stamps']['/state'] == list(range(20_000_000, 2_000_000_000, 20_000_000))
        assert arm['stamps']['/cmd'] == arm['stamps']['/state']
        assert arm['unconfirmed'] == []
    assert 'seed 3: {"reached": false, "x": 3.0}' in said


def test_world_that_ends_is_said_to_have_ended(graph: Graph, tmp_path: Path) -> None:
    """Promise: a simulator that cannot start is the arm's problem, with its last words."""
    write_toys(tmp_path)
    command = ['python', '-c', 'raise SystemExit("no display")']
    found = run_of(graph, EXTERNAL.replace('WORLD', f'processes: [{json.dumps(command)}]'))
    for arm in found.values():
        assert arm['problem'] == 'the world ended by itself with exit code 1: no display'
