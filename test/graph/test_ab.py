"""`lk ab` on a real graph: verdicts, failing arms, bad input, nothing left behind."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from graph_kit import MARK, Graph, marked_processes, write_odometry, write_specification

from lk_dataset_ros import Component, Dataset, new_message
from lk_dataset_ros.component import load_component

if TYPE_CHECKING:
    from pathlib import Path


ARMS = """
import os, sys, time
from lk_dataset_ros import Component, Input, Output
from odometry_smoother.original import OdometrySmoother

class CrashesAtTenth(OdometrySmoother):
    count = 0
    def step(self, odom):
        self.count += 1
        if self.count == 10:
            raise RuntimeError('ten is too many')
        return super().step(odom)

class DiesAtTenth(CrashesAtTenth):
    def step(self, odom):
        self.count += 1
        if self.count == 10:
            os.abort()
        return OdometrySmoother.step(self, odom)

class NeverAnswers(OdometrySmoother):
    def step(self, odom):
        return None

class FallsSilent(OdometrySmoother):
    count = 0
    def step(self, odom):
        self.count += 1
        return super().step(odom) if self.count < 100 else None

class Hangs(OdometrySmoother):
    def step(self, odom):
        time.sleep(1000)

class SkipsOne(OdometrySmoother):
    count = 0
    def step(self, odom):
        self.count += 1
        out = super().step(odom)
        return None if self.count == 100 else out

class TakesImu(Component):
    odom = Input('sensor_msgs/msg/Imu')
    smoothed = Output('geometry_msgs/msg/TwistStamped')
"""


def result_of(folder: Path) -> dict[str, Any]:
    """Read the result of a run."""
    content: dict[str, Any] = json.loads((folder / 'comparison.json').read_text())
    return content


def compiled(path: str) -> str:
    """Name the compiled arm."""
    return f"  cpp: {{component: '{path}'}}"


def test_equivalent_and_differing_arm(graph: Graph, bag: Path, tmp_path: Path) -> None:
    """The right C++ is equivalent, the wrong one differs where the clamp first matters."""
    arms = [
        "  cpp: {component: 'odometry_smoother.compiled:OdometrySmootherCpp'}",
        "  wrong: {component: 'odometry_smoother.compiled:OdometrySmootherCppWrong'}",
    ]
    path = write_specification(tmp_path, cpp='\n'.join(arms))
    code, output, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    assert code == 1, errors
    assert 'equivalent' in output
    result = result_of(tmp_path / 'run')
    assert result['verdict'] == 'differs'
    right, wrong_result = result['compiled']['cpp'], result['compiled']['wrong']
    assert right['verdict'] == 'equivalent'
    assert right['sent'] == {'/odom': 200}
    assert right['received'] == {'/smoothed': 200}
    first = wrong_result['comparison']['first_divergence']
    assert first == first_divergence_by_hand(bag)
    text = (tmp_path / 'run' / 'diffdiff.txt').read_text()
    assert 'twist.linear.x' in text
    assert '<html' in (tmp_path / 'run' / 'report.html').read_text()
    for arm in ('original', 'cpp', 'wrong'):
        assert (tmp_path / 'run' / arm / 'metadata.yaml').exists()


def first_divergence_by_hand(bag: Path) -> dict[str, Any]:
    """Compute without ROS where the wrong arm first differs by more than 1e-12."""
    with Dataset.load(bag) as dataset:
        runs = [
            load_component(path)().run(dataset)['/smoothed']
            for path in (
                'odometry_smoother.original:OdometrySmoother',
                'odometry_smoother.compiled:OdometrySmootherCppWrong',
            )
        ]
    for a, b in zip(*runs, strict=True):
        for part in ('linear.x', 'angular.z'):
            side, axis = part.split('.')
            x, y = (getattr(getattr(each.twist, side), axis) for each in (a, b))
            if abs(x - y) > 1e-12 * abs(x):
                stamp_ns = a.header.stamp.sec * 10**9 + a.header.stamp.nanosec
                return {'key': '/smoothed', 'stamp_ns': stamp_ns, 'field': f'twist.{part}'}
    raise AssertionError('the wrong arm does not differ')


def test_outputs_are_those_of_the_component_without_ros(
    graph: Graph, bag: Path, tmp_path: Path
) -> None:
    """What the graph recorded is bit for bit what the component computes offline."""
    code, _, errors = graph.lk('ab', write_specification(tmp_path), '--output', tmp_path / 'run')
    assert code == 0, errors
    original: type[Component] = load_component('odometry_smoother.original:OdometrySmoother')
    with Dataset.load(bag) as dataset, Dataset.load(tmp_path / 'run' / 'cpp') as recorded:
        offline = original().run(dataset).columns('/smoothed')
        live = recorded.columns('/smoothed')
    assert list(offline) == list(live)
    for path, column in offline.items():
        np.testing.assert_array_equal(column.values, live[path].values, err_msg=path)


@pytest.mark.parametrize(
    ('arm', 'says'),
    [
        ('CrashesAtTenth', 'ended by itself with exit code 1'),
        ('DiesAtTenth', 'crashed (signal 6)'),
        ('NeverAnswers', 'no answer on /smoothed to message 1 of /odom within 1 s'),
        ('Hangs', 'no answer on /smoothed to message 1 of /odom within 1 s'),
        ('FallsSilent', 'no answer on /smoothed to message 100 of /odom within 1 s'),
    ],
)
def test_failing_arm_is_an_error_and_the_others_are_judged(
    graph: Graph, bag: Path, tmp_path: Path, arm: str, says: str
) -> None:
    """A crash or a silence is that arm's result; the other arm still gets its verdict."""
    assert bag.exists()
    (tmp_path / 'my_arms.py').write_text(ARMS)
    path = write_specification(tmp_path)
    text = path.read_text().replace('outputs:', f"  bad: {{component: 'my_arms:{arm}'}}\noutputs:")
    path.write_text(text + 'limits: {answer_s: 1.0}\n')
    code, output, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    result = result_of(tmp_path / 'run')
    assert code == 2, errors
    assert 'Traceback' not in errors
    assert result['compiled']['bad']['verdict'] == 'error'
    assert says in result['compiled']['bad']['problem']
    assert result['compiled']['cpp']['verdict'] == 'equivalent'
    assert says in output
    if arm == 'CrashesAtTenth':
        assert any('ten is too many' in each for each in result['compiled']['bad']['log_tail'])
        assert result['compiled']['bad']['received'] == {'/smoothed': 9}


def test_missing_output_is_a_difference_at_a_real_time_factor(
    graph: Graph, bag: Path, tmp_path: Path
) -> None:
    """At RTF 10 an arm may be silent; the output that is missing is found."""
    assert bag.exists()
    (tmp_path / 'my_arms.py').write_text(ARMS)
    path = write_specification(tmp_path, cpp=compiled('my_arms:SkipsOne'))
    path.write_text(path.read_text() + 'rtf: 10\nlimits: {answer_s: 1.0}\n')
    code, output, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    assert code == 1, output + errors
    result = result_of(tmp_path / 'run')
    key = result['compiled']['cpp']['comparison']['keys'][0]
    assert (key['paired'], key['missing'], key['extra']) == (199, 1, 0)
    assert key['missing_ns'] == [1_000_000_000 + 99 * 20_000_000]
    assert result['original']['achieved_rtf'] == pytest.approx(10.0, rel=0.3)


def test_one_answer_that_stays_away_is_a_difference(
    graph: Graph, bag: Path, tmp_path: Path
) -> None:
    """An input that is not answered is one missing output; the next answers keep their inputs."""
    assert bag.exists()
    (tmp_path / 'my_arms.py').write_text(ARMS)
    path = write_specification(tmp_path, cpp=compiled('my_arms:SkipsOne'))
    path.write_text(path.read_text() + 'limits: {answer_s: 1.0}\n')
    code, output, errors = graph.lk('ab', path, '--no-falsify', '--output', tmp_path / 'run')
    assert code == 1, output + errors
    result = result_of(tmp_path / 'run')['compiled']['cpp']
    assert result['unanswered'] == {'/smoothed': 1}
    key = result['comparison']['keys'][0]
    assert (key['paired'], key['missing'], key['extra']) == (199, 1, 0)
    assert key['missing_ns'] == [1_000_000_000 + 99 * 20_000_000]


def test_ros_executable_as_arm(graph: Graph, bag: Path, tmp_path: Path) -> None:
    """An arm may be any executable of a ROS package, with parameters and remappings."""
    assert bag.exists()
    arm = """\
  cpp:
    package: lk_dataset_ros
    executable: component
    parameters: {component: 'odometry_smoother.compiled:OdometrySmootherCpp', cutoff_hz: 1.5}
    remappings: {smoothed: /smoothed}
"""
    path = write_specification(tmp_path)
    text = path.read_text()
    text = text.replace(compiled('odometry_smoother.compiled:OdometrySmootherCpp') + '\n', arm)
    path.write_text(text)
    code, _, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    assert code == 0, errors


BAD = {
    'no bag': ({'inputs': 'inputs: {bag: nowhere, topics: [/odom]}'}, 'there is no bag at'),
    'text file': (
        {'inputs': 'inputs: {bag: text.mcap, topics: [/odom]}'},
        'is not a file of a bag',
    ),
    'no topic': ({'inputs': 'inputs: {bag: bag, topics: [/odometry]}'}, 'there is no /odometry'),
    'no module': ({'cpp': compiled('no_such_module:Arm')}, "No module named 'no_such_module'"),
    'no class': ({'cpp': compiled('my_arms:Nobody')}, 'my_arms has no Nobody'),
    'no path': ({'cpp': compiled('my_arms')}, 'is not of the form package.module:Class'),
    'breaks on import': ({'cpp': compiled('broken:Arm')}, 'ZeroDivisionError'),
    'port type': ({'cpp': compiled('my_arms:TakesImu')}, "port 'odom' of my_arms:TakesImu takes"),
    'output': ({'outputs': 'outputs: [{topic: /else}]'}, 'does not publish /else'),
    'parameter': (
        {'original': "original: {component: 'my_arms:SkipsOne', parameters: {cutof_hz: 1.0}}"},
        "there is no parameter 'cutof_hz'",
    ),
    'range': (
        {'original': "original: {component: 'my_arms:SkipsOne', parameters: {cutoff_hz: -1.0}}"},
        'cutoff_hz is -1.0; it has to be between',
    ),
    'executable': (
        {'cpp': '  cpp: {package: lk_dataset_ros, executable: nothing}'},
        'package lk_dataset_ros has no executable nothing',
    ),
    'unknown field': ({'tolerance': 'tolerances: {}'}, "unknown field 'tolerances'"),
    'version': ({'version': 'version: 7'}, 'experiment.yaml:1: version: 7 is not known'),
    'not yaml': ({'version': 'version: ['}, 'experiment.yaml:'),
    'negative rtol': ({'tolerance': 'tolerance: {rtol: -1}'}, 'experiment.yaml:8'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    graph: Graph, bag: Path, tmp_path: Path, case: str
) -> None:
    """Bad input: one line that names the value, exit code 2, nothing started or written."""
    assert bag.exists()
    changes, says = BAD[case]
    (tmp_path / 'my_arms.py').write_text(ARMS)
    (tmp_path / 'broken.py').write_text('value = 1 / 0\n')
    (tmp_path / 'text.mcap').write_text('this is a text file, and not a short one at all\n')
    code, output, errors = graph.lk('ab', write_specification(tmp_path, **changes))
    assert code == 2
    assert says in errors
    assert len(errors.strip().splitlines()) == 1, errors
    assert errors.startswith('lk: error: ')
    assert output == ''
    assert not (tmp_path / 'runs').exists()


def test_existing_output_directory_is_not_touched(graph: Graph, bag: Path, tmp_path: Path) -> None:
    """A folder that exists is refused and stays as it is."""
    assert bag.exists()
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'precious').write_text('mine')
    code, _, errors = graph.lk('ab', write_specification(tmp_path), '--output', tmp_path / 'run')
    assert code == 2
    assert 'never overwrites' in errors
    assert [each.name for each in (tmp_path / 'run').iterdir()] == ['precious']


def test_truncated_bag_works_up_to_the_cut(graph: Graph, tmp_path: Path) -> None:
    """A cut bag is used as far as it goes, and that is said."""
    whole = next(write_odometry(tmp_path / 'bag', 600).glob('*.mcap')).read_bytes()
    (tmp_path / 'cut.mcap').write_bytes(whole[: len(whole) // 2])
    with Dataset.load(tmp_path / 'cut.mcap') as dataset:
        count = dataset.topic('/odom').count
    assert 0 < count < 600
    path = write_specification(tmp_path, inputs='inputs: {bag: cut.mcap, topics: [/odom]}')
    code, _, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    assert code == 0, errors
    assert 'is cut or damaged at byte' in errors
    assert result_of(tmp_path / 'run')['inputs'] == {'/odom': count}


def test_without_ros_says_what_to_source(graph: Graph, bag: Path, tmp_path: Path) -> None:
    """Without a sourced ROS 2 the message says what to source."""
    assert bag.exists()
    graph.env.pop('AMENT_PREFIX_PATH')
    code, _, errors = graph.lk('ab', write_specification(tmp_path))
    assert code == 2
    assert 'source' in errors
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_run_leaves_no_process(
    graph: Graph, bag: Path, tmp_path: Path, number: int
) -> None:
    """However the run ends, its arms end with it."""
    assert bag.exists()
    (tmp_path / 'my_arms.py').write_text(ARMS)
    path = write_specification(tmp_path, cpp=compiled('my_arms:Hangs'))
    path.write_text(path.read_text() + 'limits: {answer_s: 100.0}\n')
    run = graph.start('lk', 'ab', str(path), '--output', str(tmp_path / 'run'))
    deadline_s = time.monotonic() + 60.0
    log = tmp_path / 'run' / 'cpp'
    while not log.exists():
        assert time.monotonic() < deadline_s
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode == (2 if number != signal.SIGKILL else -number)
    while marked_processes(graph.env[MARK]):
        assert time.monotonic() < deadline_s, marked_processes(graph.env[MARK])
        time.sleep(0.05)


def test_real_recording_comes_through_whole(graph: Graph, real_bag: Path, tmp_path: Path) -> None:
    """All 2639 messages of the real recording come through every arm."""
    path = write_specification(tmp_path, inputs=f"inputs: {{bag: '{real_bag}', topics: [/odom]}}")
    code, _, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    assert code == 0, errors
    result = result_of(tmp_path / 'run')
    for run in (result['original'], result['compiled']['cpp']):
        assert run['sent'] == {'/odom': 2639}
        assert run['received'] == {'/smoothed': 2639}


def test_paths_and_names_that_need_quoting(graph: Graph, tmp_path: Path) -> None:
    """Folders with spaces, quotes and colons, and a topic in a namespace, are no problem."""
    folder = tmp_path / "it's a: folder"
    folder.mkdir()
    write_odometry(folder / 'bag', 20, '/robot/odom')
    path = write_specification(folder, inputs='inputs: {bag: bag, topics: [/robot/odom]}')
    text = path.read_text()
    for arm in ('original:OdometrySmoother', 'compiled:OdometrySmootherCpp'):
        text = text.replace(f"{arm}'}}", f"{arm}', remappings: {{odom: /robot/odom}}}}")
    path.write_text(text)
    code, _, errors = graph.lk('ab', path, '--output', folder / 'my run')
    assert code == 0, errors
    assert result_of(folder / 'my run')['compiled']['cpp']['received'] == {'/smoothed': 20}


def test_topic_whose_type_is_not_installed(graph: Graph, tmp_path: Path) -> None:
    """A type that is not installed is named before anything is started."""
    with Dataset.create('mcap', tmp_path / 'bag') as dataset:
        dataset.write('/odom', new_message('tf2_msgs/msg/TFMessage'), timestamp_ns=1)
    code, _, errors = graph.lk('ab', write_specification(tmp_path))
    assert code == 2
    assert 'tf2_msgs/msg/TFMessage is not installed' in errors
    assert not (tmp_path / 'runs').exists()


LATCHED_ARM = """
from lk_dataset_ros import Input
from odometry_smoother.original import OdometrySmoother

class WantsLatched(OdometrySmoother):
    odom = Input('nav_msgs/msg/Odometry', qos='latched')

class BestEffort(OdometrySmoother):
    odom = Input('nav_msgs/msg/Odometry', qos='sensor_data')
"""


def test_arms_ask_for_the_quality_that_they_like(graph: Graph, bag: Path, tmp_path: Path) -> None:
    """An arm that asks for transient local, and one that takes best effort, get every input."""
    assert bag.exists()
    (tmp_path / 'arms.py').write_text(LATCHED_ARM)
    lines = [f'  a{i}: {{component: "arms:{name}"}}' for i, name in enumerate(
        ('WantsLatched', 'BestEffort')
    )]  # fmt: skip
    path = write_specification(tmp_path, cpp='\n'.join(lines))
    code, output, errors = graph.lk('ab', path, '--output', tmp_path / 'run')
    assert code == 0, output + errors
