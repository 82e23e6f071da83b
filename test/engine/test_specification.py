"""Specifications: what is read, and how faults are pointed at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison import Limit, Verdict
from lk_dataset_ros.errors import LkError, SpecificationError
from lk_dataset_ros.experiment.specification import (
    BagInputs,
    LiveInputs,
    Mode,
    Specification,
    WorldInputs,
    json_schema,
    load_specification,
)

ROOT = Path(__file__).resolve().parents[2]
WHOLE = """\
version: 1
name: smooth
inputs:
  bag: bags/drive
  topics: [/odom, /scan]
original:
  component: pkg.mod:Original
  python_path: [python]
compiled:
  cpp:
    package: pkg
    executable: node
    parameters: {gain: 2.0}
    remappings: {out: /smoothed}
  nn:
    component: pkg.mod:Net
outputs:
  - topic: /smoothed
    answers: /odom
tolerance:
  rtol: 1.0e-6
  fields:
    '**.orientation.*': {atol: 0.001}
  ignore:
    header.frame_id: named by the driver
rtf: 0.5
clock_hz: 100
limits: {answer_s: 2}
"""


#: The shortest one, by part, to be changed.
SHORT: dict[str, Any] = {
    'version': 1,
    'inputs': {'bag': 'b', 'topics': ['/a']},
    'original': {'component': 'a:B'},
    'compiled': {'c': {'component': 'a:C'}},
    'outputs': [{'topic': '/o'}],
}
NODE = {'package': 'p', 'executable': 'e'}
LIVE = {'live': True, 'topics': ['/a']}
WORLD = {'world': 'diff_drive', 'topics': ['/a']}
EXTERNAL = {'world': 'external', 'topics': ['/a'], 'processes': ['sim -s {seed}']}


def load(folder: Path, text: str, **changes: Any) -> Specification:
    """Write a specification and read it."""
    path = folder / 'experiment.yaml'
    path.write_text(text)
    return load_specification(path, **changes)


def short(folder: Path, **parts: Any) -> Specification:
    """Read the shortest specification with other parts."""
    return load(folder, yaml.safe_dump({**SHORT, **parts}, sort_keys=False))


def fault(folder: Path, text: str) -> str:
    """Return the error of a wrong specification, without the folder."""
    with pytest.raises(SpecificationError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert '\n' not in message
    assert message.startswith(str(folder / 'experiment.yaml'))
    return message.removeprefix(str(folder / 'experiment.yaml'))


def test_everything_that_is_said_is_read(tmp_path: Path) -> None:
    """Promise: each field arrives, paths relative to the file's folder."""
    found = load(tmp_path, WHOLE)
    assert found.name == 'smooth'
    assert found.inputs == BagInputs(tmp_path / 'bags' / 'drive', ('/odom', '/scan'))
    assert found.mode == Mode.REALTIME
    assert [arm.name for arm in found.arms] == ['original', 'cpp', 'nn']
    assert found.original.python_path == (str(tmp_path / 'python'),)
    cpp, nn = found.compiled
    assert (cpp.what, nn.what) == ('pkg/node', 'pkg.mod:Net')
    assert dict(cpp.parameters) == {'gain': 2.0}
    assert (cpp.topic_of('out'), cpp.topic_of('in')) == ('/smoothed', '/in')
    assert [(output.topic, output.answers) for output in found.outputs] == [('/smoothed', '/odom')]
    tolerance = found.rules.tolerance
    assert tolerance.rtol == 1e-6
    assert tolerance.fields['**.orientation.*'] == Limit(0.0, 0.001)
    assert dict(tolerance.ignore) == {'header.frame_id': 'named by the driver'}
    assert (found.rtf, found.clock_hz, found.limits.answer_s) == (0.5, 100.0, 2)


def test_the_rest_has_defaults(tmp_path: Path) -> None:
    """Promise: the smallest specification is named after its file and runs as fast as it can."""
    found = short(tmp_path)
    assert (found.name, found.rtf, found.clock_hz) == ('experiment', 0.0, 0.0)
    assert (found.mode, found.repeats, found.warm_up_s) == (Mode.LOCKSTEP, 1, 0.0)
    assert [(each.answers, each.least, each.most) for each in found.outputs] == [('/a', 1, 1)]
    assert (found.rules.tolerance.rtol, found.rules.tolerance.atol) == (None, None)
    assert found.original.python_path == (str(tmp_path / '.'),)
    assert found.limits.silence_s < found.limits.answer_s
    assert found.demands.verdict == Verdict.EQUIVALENT


def test_the_example_is_a_specification() -> None:
    """Promise: the example that ships is read."""
    path = ROOT / 'examples/odometry_smoother/experiment.yaml'
    found = load_specification(path)
    assert (found.name, found.mode) == ('odometry_smoother', Mode.LOCKSTEP)


def test_a_world_and_its_arms_are_read(tmp_path: Path) -> None:
    """Promise: each field of a simulated world arrives, commands as words, paths absolute."""
    external = {
        'world': 'external',
        'topics': ['/scan'],
        'seed': 7,
        'duration_s': 5,
        'processes': ['gz sim -s "my world.sdf" --seed {seed}', ['ros2', 'run', '{world_file}']],
        'reset': '/world/default/control ros_gz_interfaces/srv/ControlWorld {world_control: {}}',
        'world_file': 'my.sdf',
        'version_command': 'gz sim --version',
    }
    drive = {'command': 'drive --fast {ros_args}', 'directory': 'bin', 'parameters': {'k': [1.5]}}
    found = short(tmp_path, inputs=external, original=drive)
    assert found.mode == Mode.SEQUENTIAL
    assert isinstance(found.inputs, WorldInputs)
    assert (found.inputs.seed, found.inputs.duration_s) == (7, 5.0)
    assert found.inputs.processes == (
        ('gz', 'sim', '-s', 'my world.sdf', '--seed', '{seed}'),
        ('ros2', 'run', '{world_file}'),
    )
    assert found.inputs.world_file == str(tmp_path / 'my.sdf')
    assert found.inputs.version_command == ('gz', 'sim', '--version')
    assert found.original.command == ('drive', '--fast', '{ros_args}')
    assert found.original.directory == str(tmp_path / 'bin')
    own = {'world': 'my.world:Arena', 'topics': ['/a'], 'parameters': {'n': 3}}
    arena = short(tmp_path, inputs=own).inputs
    assert isinstance(arena, WorldInputs)
    assert (arena.parameters, arena.python_path) == ({'n': 3}, (str(tmp_path / '.'),))
    assert (arena.seed, arena.duration_s) == (0, 60.0)


def test_live_inputs_are_read(tmp_path: Path) -> None:
    """Promise: live inputs make the mode live, and the original may be running."""
    found = short(tmp_path, inputs=LIVE, original={'running': True})
    assert (found.mode, found.original.is_running) == (Mode.LIVE, True)
    assert found.inputs == LiveInputs(('/a',), 30.0)
    longer = short(tmp_path, inputs={'live': {'duration_s': 5}, 'topics': ['/a']})
    assert longer.inputs == LiveInputs(('/a',), 5.0)


@pytest.mark.parametrize(
    ('parts', 'mode', 'rtf'),
    [
        ({}, 'lockstep', 0.0),
        ({'rtf': 2}, 'realtime', 2.0),
        ({'mode': 'realtime'}, 'realtime', 1.0),
        ({'mode': 'offline'}, 'offline', 0.0),
        ({'mode': 'sequential'}, 'sequential', 0.0),
        ({'mode': 'sequential', 'rtf': 3}, 'sequential', 3.0),
        ({'inputs': WORLD}, 'offline', 0.0),
        ({'inputs': WORLD, 'original': NODE}, 'lockstep', 0.0),
        ({'inputs': WORLD, 'rtf': 1}, 'realtime', 1.0),
        ({'inputs': EXTERNAL}, 'sequential', 0.0),
        ({'inputs': LIVE}, 'live', 0.0),
    ],
)
def test_the_mode_follows_from_the_rest(
    tmp_path: Path, parts: dict[str, Any], mode: str, rtf: float
) -> None:
    """Promise: without mode and rtf, they are what goes with the inputs and the arms."""
    found = short(tmp_path, **parts)
    assert (found.mode.value, found.rtf) == (mode, rtf)


@pytest.mark.parametrize(
    ('count', 'rtf', 'least', 'most'),
    [
        *((None, 0, 1, 1), (None, 1, 0, 1), ('each', 1, 1, 1), ('maybe', 0, 0, 1)),
        *((1, 0, 1, 1), (7, 0, 7, 7)),
    ],
)
def test_counts_are_bounds(
    tmp_path: Path, count: str | int | None, rtf: int, least: int, most: int
) -> None:
    """Promise: count says how many answers there are; without it one, or nothing is promised."""
    output = {'topic': '/o'} if count is None else {'topic': '/o', 'count': count}
    (found,) = short(tmp_path, outputs=[output], rtf=rtf).outputs
    assert (found.least, found.most) == (least, most)


def test_rules_are_those_of_a_comparison(tmp_path: Path) -> None:
    """Promise: pairing, ignore and acceptance are read as tolerances.yaml has them."""
    found = short(
        tmp_path,
        pairing={'by': 'nearest', 'limit_s': 0.02},
        ignore={'header.seq': 'counts'},
        tolerance={
            'atol': 0.5,
            'acceptance': {'counts': False, 'relative_time_s': 0.1},
            'ignore': {'header.frame_id': 'renamed'},
            'comparators': {'/o.pose': 'values'},
        },
    ).rules
    assert (found.pairing.by, found.pairing.limit_ns) == ('nearest', 20_000_000)
    assert dict(found.tolerance.ignore) == {'header.frame_id': 'renamed', 'header.seq': 'counts'}
    assert (found.acceptance.counts, found.acceptance.relative_time_s) == (False, 0.1)
    assert (found.tolerance.atol, found.tolerance.comparators) == (0.5, {'/o.pose': 'values'})
    assert short(tmp_path, pairing='header_stamp').rules.pairing.by == 'auto'
    assert short(tmp_path, pairing='index').rules.pairing.by == 'index'
    assert short(tmp_path, tolerance={'pairing': {'by': 'index'}}).rules.pairing.by == 'index'


def test_demands_and_limits_are_read(tmp_path: Path) -> None:
    """Promise: what an arm has to achieve, and how long everything may take, arrive."""
    demands = {'verdict': 'differs', 'speed_up': 2, 'p99_latency_s': 0.01}
    found = short(tmp_path, acceptance=demands, repeats=5, warm_up_s=1, limits={'answer_s': 0.01})
    assert (found.demands.verdict, found.demands.speed_up) == (Verdict.DIFFERS, 2.0)
    assert (found.demands.p99_latency_s, found.repeats, found.warm_up_s) == (0.01, 5, 1.0)
    assert found.limits.silence_s == 0.01


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'reason'),
    [
        ('version: 1', 'version: 2', 1, '2 is not known; 1 is'),
        ('name: smooth', 'name: ../x', 2, "'../x' is not a valid name"),
        ('name: smooth', 'nam: smooth', 2, "unknown field 'nam'; known are version, name"),
        ('  bag: bags/drive\n', '', 4, 'inputs have either bag, or world, or live'),
        ('[/odom, /scan]', '[odom]', 5, "'odom' is no name of a topic"),
        ('[/odom, /scan]', '[]', 5, 'inputs.topics'),
        ('[/odom, /scan]', '[/odom, /odom]', 5, 'inputs.topics'),
        ('component: pkg.mod:Original', 'package: p', 7, 'either component, or package and'),
        ('    executable: node\n', '', 10, 'either component, or package and executable'),
        ('  cpp:', '  original:', 10, 'a compiled arm cannot have this name'),
        ('  cpp:', '  a b:', 9, "'a b' is not a valid name"),
        ('topic: /smoothed', 'topic: /odom', 17, 'is an input already'),
        ('answers: /odom', 'answers: /other', 19, 'which is not an input'),
        ('    answers: /odom', '  - topic: /smoothed', 18, 'listed twice'),
        ('rtol: 1.0e-6', 'rtol: -1', 20, 'tolerance.rtol'),
        ('rtol: 1.0e-6', 'rtol: small', 20, 'tolerance.rtol'),
        ('rtol: 1.0e-6', 'rtol: .nan', 20, 'tolerance.rtol'),
        ('named by the driver', "''", 24, 'tolerance.ignore'),
        ('named by the driver', "'  '", 24, 'tolerance.ignore'),
        ('rtf: 0.5', 'rtf: -1', 25, 'rtf'),
        ('rtf: 0.5', 'rtf: .nan', 25, 'rtf'),
        ('rtf: 0.5', 'rtf: fast', 25, 'rtf'),
        ('answer_s: 2', 'answer_s: 0', 27, 'limits.answer_s'),
        ('answer_s: 2', 'answer: 2', 27, "unknown field 'answer'"),
        ('rtf: 0.5', 'name: again', 25, 'given twice'),
        ('rtf: 0.5', 'rtf: [', 27, ''),
    ],
)
def test_faults_name_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    """Promise: a fault is one line with file, line, field, and what would have worked."""
    assert old in WHOLE
    message = fault(tmp_path, WHOLE.replace(old, new, 1))
    assert reason in message
    # A part that is missing is pointed at by where it should be: its parent, one line off at most.
    assert abs(int(message.split(':')[1]) - line) <= 1, message


@pytest.mark.parametrize(
    'text',
    [
        '',
        '3',
        '[]',
        'a: &a [*a]',
        '&a {b: *a}',
        'version: 1\ninputs: &x {bag: *x, topics: [/a]}',
        '? [a]\n: 1',
        '{1: 2}',
        '? {a: b}\n: 1',
        'a: !!python/object:os.system {}',
        'a: *b',
        '\x00',
        '\x07',
        '---\na: 1\n---\nb: 2',
        'a: 2026-99-99',
        '[' * 3000,
        'a: ' + '{a: ' * 500 + '1' + '}' * 500,
        WHOLE.replace('rtol: 1.0e-6', 'rtol: 1' + '0' * 400),
        WHOLE.replace('  cpp:', '  1:'),
        WHOLE.replace('  cpp:', '  null:'),
        WHOLE.replace('{gain: 2.0}', '{1: 2.0}'),
        WHOLE.replace('{out: /smoothed}', '{1: /smoothed}'),
        WHOLE.replace('{out: /smoothed}', '{out: 2026-01-01}'),
    ],
)
def test_texts_of_every_kind_are_one_line_or_read(tmp_path: Path, text: str) -> None:
    """Promise: whatever stands in the file, the answer is an LkError of one line, or it is read."""
    path = tmp_path / 'experiment.yaml'
    path.write_text(text)
    try:
        found = load_specification(path)
    except LkError as error:
        assert '\n' not in str(error)  # noqa: PT017
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(arm.name, str) for arm in found.arms)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    """Promise: a text that unfolds to a billion parts is refused at once."""
    lines = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, 10)]
    assert 'too many parts' in fault(tmp_path, '\n'.join(lines))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Promise: a missing file, a folder, bytes and a giant are each one line."""
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'bytes').write_bytes(b'\xff\xfe\xfd')
    (tmp_path / 'giant').write_text(' ' * (1024 * 1024 + 1))
    for name, reason in (
        ('nothing', 'cannot be read'),
        ('folder', 'cannot be read'),
        ('bytes', 'is not text'),
        ('giant', 'larger than 1 MiB'),
    ):
        with pytest.raises(SpecificationError, match=reason):
            load_specification(tmp_path / name)


@pytest.mark.parametrize(
    ('changes', 'mode', 'rtf'),
    [
        ({'rtf': 0.0}, 'lockstep', 0.0),
        ({'rtf': 4.0}, 'realtime', 4.0),
        ({'mode': 'offline'}, 'offline', 0.0),
        ({'mode': 'sequential'}, 'sequential', 0.0),
        ({'mode': 'sequential', 'rtf': 2.0}, 'sequential', 2.0),
    ],
)
def test_changes_are_as_if_the_file_said_so(
    tmp_path: Path, changes: dict[str, Any], mode: str, rtf: float
) -> None:
    """Promise: another bag, mode or factor counts instead of what the file says."""
    text = yaml.safe_dump({**SHORT, 'rtf': 0.5, 'mode': 'realtime'})
    found = load(tmp_path, text, bag=tmp_path / 'x', repeats=3, **changes)
    assert isinstance(found.inputs, BagInputs)
    assert (found.inputs.bag, found.repeats) == (tmp_path / 'x', 3)
    assert (found.mode.value, found.rtf) == (mode, rtf)


def test_inputs_are_changed(tmp_path: Path) -> None:
    """Promise: another seed or duration counts instead of what the file says."""
    for inputs in (SHORT['inputs'], WORLD, LIVE):
        found = load(tmp_path, yaml.safe_dump({**SHORT, 'inputs': inputs}), duration_s=2.5)
        assert found.inputs.duration_s == 2.5
    world = load(tmp_path, yaml.safe_dump({**SHORT, 'inputs': WORLD}), seed=9).inputs
    assert isinstance(world, WorldInputs)
    assert world.seed == 9


def test_changes_are_checked(tmp_path: Path) -> None:
    """Promise: a change that does not go with the file is refused as the file would be."""
    world = yaml.safe_dump({**SHORT, 'inputs': WORLD})
    for text, changes, reason in (
        (world, {'bag': 'x'}, 'there is no bag that another could be taken for'),
        (yaml.safe_dump(SHORT), {'seed': 1}, 'there is no world that could take a seed'),
        (world, {'seed': -1}, 'inputs.seed: -1 is less than 0'),
        (world, {'duration_s': 0.0}, 'inputs.duration_s: 0.0 is not greater than 0'),
        (world, {'mode': 'live'}, 'mode: live does not go with a world'),
        (world, {'mode': 'fast'}, "mode: 'fast' is not known; offline, lockstep"),
        (world, {'rtf': -1.0}, 'rtf: -1.0 is less than 0'),
        (world, {'repeats': 0}, 'repeats: 0 is less than 1'),
    ):
        with pytest.raises(SpecificationError, match=reason):
            load(tmp_path, text, **changes)


@pytest.mark.parametrize(
    ('parts', 'reason'),
    [
        ({'mode': 'offline', 'original': NODE}, 'original: mode: offline runs components only'),
        ({'mode': 'offline', 'rtf': 2}, 'rtf: mode: offline is as fast as the arms answer'),
        ({'mode': 'lockstep', 'rtf': 2}, 'rtf: mode: lockstep is as fast as the arms answer'),
        ({'mode': 'realtime', 'rtf': 0}, 'rtf: mode: realtime needs an rtf greater than 0'),
        ({'mode': 'live'}, 'mode: live does not go with a bag; inputs: {live: true'),
        (
            {'inputs': LIVE, 'mode': 'lockstep'},
            'lockstep does not go with live topics; mode: live',
        ),
        ({'inputs': LIVE, 'rtf': 1}, 'rtf: a running graph and an external world have times'),
        ({'inputs': EXTERNAL, 'mode': 'lockstep'}, 'mode: sequential would'),
        ({'inputs': EXTERNAL, 'rtf': 1}, 'rtf: a running graph and an external world have times'),
        ({'inputs': {'topics': ['/a']}}, 'inputs: inputs have either bag, or world, or live'),
        ({'inputs': {**LIVE, 'bag': 'b'}}, 'inputs: inputs have either bag, or world, or live'),
        ({'inputs': {**LIVE, 'live': False}}, 'inputs.live: false is not known; true is'),
        ({'inputs': {**LIVE, 'seed': 1}}, "inputs.seed: unknown field 'seed'; known are live"),
        ({'inputs': {**WORLD, 'reset': 'restart'}}, 'inputs.reset: belongs to world: external'),
        ({'inputs': {**WORLD, 'seed': -1}}, 'inputs.seed: -1 is less than 0'),
        ({'inputs': {**WORLD, 'seed': 0.5}}, 'inputs.seed: 0.5 is no whole number'),
        ({'inputs': {**WORLD, 'duration_s': 1e9}}, 'inputs.duration_s: 1000000000.0 is more than'),
        ({'inputs': {**WORLD, 'world': 'a b'}}, "inputs.world: 'a b' is no world; one is diff"),
        ({'inputs': {**EXTERNAL, 'parameters': {}}}, 'inputs.parameters: world: external takes'),
        ({'inputs': {**EXTERNAL, 'reset': 'again'}}, "inputs.reset: 'again' is no way to reset"),
        ({'inputs': {**EXTERNAL, 'processes': []}}, 'inputs: what is not started cannot be'),
        (
            {'inputs': {**EXTERNAL, 'processes': ['sim {world_file}']}},
            'inputs.processes.0: needs a world_file',
        ),
        ({'inputs': {**EXTERNAL, 'processes': ['a "b']}}, 'inputs.processes.0: '),
        ({'original': {'running': True}}, 'original.running: only mode: live finds a running arm'),
        ({'original': {'running': False}}, 'original.running: false is not known; true is'),
        (
            {'inputs': LIVE, 'compiled': {'c': {'running': True}}},
            'compiled.c.running: only the original can be running',
        ),
        (
            {'inputs': LIVE, 'original': {'running': True, 'parameters': {'a': 1}}},
            'original.parameters: what runs already is as it is',
        ),
        ({'original': {'command': 'a', **NODE}}, 'original: an arm has either component, or'),
        ({'original': {'command': ' '}}, 'original.command: is empty'),
        ({'original': {'command': []}}, 'original.command: is empty'),
        ({'original': {'command': 'a "b'}}, "original.command: 'a "),
        (
            {'original': {'command': 'a', 'remappings': {'o': '/x'}}},
            'original.remappings: the command has no place for them; end it with {ros_args}',
        ),
        (
            {'original': {'command': ['sh', '-c', 'node {ros_args}']}},
            'original.command: {ros_args} has to stand by itself',
        ),
        ({'original': {'command': 'a', 'python_path': ['.']}}, 'original.python_path: belongs to'),
        ({'original': {**NODE, 'directory': '.'}}, 'original.directory: belongs to a command'),
        ({'original': {**NODE, 'parameters': {'a': None}}}, 'original.parameters.a: None is no'),
        ({'original': {**NODE, 'parameters': {'a': 2**63}}}, 'original.parameters.a: 92233'),
        (
            {'inputs': LIVE, 'compiled': {'c': {'command': 'a'}}},
            'compiled.c.command: in mode: live it needs {ros_args}',
        ),
        ({'compiled': {'original_2': NODE}}, 'compiled.original_2: a compiled arm cannot have'),
        (
            {'mode': 'sequential', 'repeats': 3, 'compiled': {'a': NODE, 'a_3': NODE}},
            'compiled.a_3: so is called a repeated run of a; give another name',
        ),
        ({'compiled': {'logs': NODE}}, 'compiled.logs: a compiled arm cannot have this name'),
        ({'outputs': [{'topic': '/o', 'count': 0}]}, 'outputs.0.count: 0 is less than 1'),
        ({'outputs': [{'topic': '/o', 'count': 'all'}]}, "outputs.0.count: 'all' is no count"),
        ({'outputs': [{'topic': '/o', 'count': True}]}, 'outputs.0.count: true is no text or'),
        ({'outputs': [{'topic': '/o\n'}]}, 'outputs.0.topic'),
        ({'pairing': 'nearest'}, "pairing: 'nearest' is not known; auto"),
        ({'pairing': {'by': 'nearest'}}, 'pairing: pairing by nearest needs a limit'),
        (
            {'pairing': 'index', 'tolerance': {'pairing': {'by': 'index'}}},
            'pairing: is given in tolerance, too',
        ),
        (
            {'ignore': {'a': 'b'}, 'tolerance': {'ignore': {'a': 'c'}}},
            'ignore.a: is given in tolerance.ignore, too',
        ),
        ({'ignore': {'a': '  '}}, 'ignore.a: is ignored without a reason'),
        ({'tolerance': {'acceptance': {'speed_up': 2}}}, 'tolerance.acceptance.speed_up: is not'),
        ({'tolerance': {'comparators': {'a': 'b'}}}, 'tolerance.comparators.a: '),
        ({'acceptance': {'counts': True}}, "acceptance.counts: unknown field 'counts'; known are"),
        ({'acceptance': {'verdict': 'error'}}, "acceptance.verdict: 'error' is not known; equi"),
        ({'acceptance': {'speed_up': 0}}, 'acceptance.speed_up: 0 is not greater than 0'),
        ({'repeats': 1001}, 'repeats: 1001 is more than 1000'),
        ({'repeats': 1.5}, 'repeats: 1.5 is no whole number'),
        ({'limits': {'silence_s': 9}}, 'limits.silence_s: 9 s are longer than answer_s, 5 s'),
        ({'inputs': LIVE, 'warm_up_s': 30}, 'warm_up_s: 30 s leave nothing of the 30 s of input'),
        ({'inputs': {'bag': 'b\0', 'topics': ['/a']}}, 'inputs.bag: has a NUL character'),
        ({'inputs': {'bag': 'b', 'topics': ['/a', '/a']}}, 'inputs.topics: /a is listed twice'),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, parts: dict[str, Any], reason: str
) -> None:
    """Promise: parts that contradict each other are named, with what would have worked."""
    message = fault(tmp_path, yaml.safe_dump({**SHORT, **parts}, sort_keys=False))
    assert reason in message, message


def test_several_inputs_need_an_answer_at_factor_0(tmp_path: Path) -> None:
    """Promise: at rtf 0 with several inputs each output says which one it answers."""
    text = WHOLE.replace('    answers: /odom\n', '').replace('rtf: 0.5', 'rtf: 0')
    assert 'say which input it answers (answers: /odom)' in fault(tmp_path, text)
    assert load(tmp_path, text.replace('rtf: 0', 'rtf: 1')).outputs[0].answers == '/odom'


def test_the_page_shows_specifications_that_are_read(tmp_path: Path) -> None:
    """Promise: every example of docs/experiment.md is read, and the page names every field."""
    page = (ROOT / 'docs/experiment.md').read_text()
    blocks = re.findall(r'```yaml\n(.*?)```', page, re.DOTALL)
    assert {load(tmp_path, block).mode.value for block in blocks} == {
        *('lockstep', 'sequential', 'live'),
    }
    text = re.sub(r'```.*?```', '', page, flags=re.DOTALL)
    named = set(re.findall(r'[a-z_0-9]+', ' '.join(re.findall(r'`([^`]+)`', text))))
    definitions = json_schema()['$defs']
    parts = [
        json_schema(),
        *(definitions[name] for name in definitions if 'properties' in definitions[name]),
    ]
    parts += [part for name, part in json_schema()['properties'].items() if 'properties' in part]
    for part in parts:
        assert set(part['properties']) <= named


def test_the_schema_describes_itself() -> None:
    """Promise: the JSON schema is valid, and each property of the top has a place in it."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json_schema())
    assert set(yaml.safe_load(WHOLE)) <= set(json_schema()['properties'])


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(['component', 'topic', 'bag', 'rtol', 'topics', '/a', '**']),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(field=st.sampled_from(sorted(json_schema()['properties'])), part=PARTS)
def test_any_part_is_read_or_refused(tmp_path: Path, field: str, part: Any) -> None:
    """Promise: any value in any field is read, or an LkError that names the file."""
    content = yaml.safe_load(WHOLE)
    content[field] = part
    path = tmp_path / 'experiment.yaml'
    path.write_text(json.dumps(content))
    try:
        load_specification(path)
    except LkError as error:
        assert str(path) in str(error)  # noqa: PT017
