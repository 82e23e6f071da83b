"""`lk pin`: the tests that it writes are run by pytest, and have to fail when they should."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader

import lk_dataset_ros
from lk_dataset_ros.cli.pin import command
from lk_dataset_ros.comparison import Limit, Tolerance
from lk_dataset_ros.comparison.pinning import Bounds, Subject, cut_of, pin
from lk_dataset_ros.comparison.pinning.source import GeneratedTest
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import (
    BagExistsError,
    ComparisonError,
    ComponentError,
    ComponentNotFoundError,
    KeyNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

S = 1_000_000_000
REPOSITORY = Path(__file__).resolve().parents[2]
ODOMETRY, TWIST = 'nav_msgs/msg/Odometry', 'geometry_msgs/msg/TwistStamped'
LATCHED = '- history: keep_last\n  depth: 1\n  durability: transient_local\n'

#: A component that follows its path; `{gain}` is what a developer changes.
SOURCE = """
from dataclasses import dataclass
from lk_dataset_ros.component import Component, Input, Output, option

class Steering(Component):
    @dataclass(kw_only=True)
    class Config(Component.Config):
        limit: float = option(1e9, 'largest speed', minimum=0.0)

    odom = Input('nav_msgs/msg/Odometry')
    cmd = Output('geometry_msgs/msg/TwistStamped')

    def step(self, odom):
        out = self.new('cmd')
        out.header = odom.header
        out.twist.linear.x = min({gain} * odom.pose.pose.position.x, self.config.limit)
        return {{'cmd': out}}

class Moody(Steering):
    def step(self, odom):
        Moody.mood = getattr(Moody, 'mood', 0) + 1
        found = super().step(odom)
        found['cmd'].twist.linear.x += Moody.mood
        return found

class Broken(Steering):
    def step(self, odom):
        raise RuntimeError('no odometry\\ntoday')

class Silent(Steering):
    def step(self, odom):
        return None

class Twin(Component):
    left = Input('nav_msgs/msg/Odometry')
    right = Input('nav_msgs/msg/Odometry')
    cmd = Output('geometry_msgs/msg/TwistStamped')
"""


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a package to import from, of a name of its own."""
    folder = tmp_path / 'sources'
    folder.mkdir()
    path, modules = list(sys.path), set(sys.modules)
    yield folder
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith('steering_'):
            del sys.modules[name]


def write_component(folder: Path, name: str, gain: float) -> None:
    """Write the component."""
    (folder / f'{name}.py').write_text(SOURCE.format(gain=gain))
    shutil.rmtree(folder / '__pycache__', ignore_errors=True)


def record(kit: Any, name: str, count: int = 40, *, gain: float = 2.0, late_ns: int = 0) -> Path:
    """Record a drive and the answers to it, 2 ms later."""
    items = []
    for index, (key, message, time_ns) in enumerate(kit.drive(count)):
        answer = kit.message(TWIST, twist__linear__x=gain * (1.0 + 0.25 * index))
        answer.header = message.header
        items += [(key, message, time_ns), ('/cmd', answer, time_ns + 2_000_000 + late_ns)]
    items.sort(key=lambda item: item[2])
    bag: Path = kit.bag(name, items)
    return bag


def lk_pin(*arguments: Any) -> int:
    """Run the command."""
    code = command.main([str(each) for each in arguments], standalone_mode=False)
    assert isinstance(code, int)
    return code


def run_pytest(test: Path, **environment: str) -> tuple[int, str]:
    """Run a test as its user would; return the exit code and what it says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith('LK_PINNED')}
    # The package as it is here, wherever it was imported from.
    home = str(Path(lk_dataset_ros.__file__).parents[1])
    path = os.pathsep.join([home, *filter(None, [os.environ.get('PYTHONPATH')])])
    done = subprocess.run(
        [sys.executable, '-B', '-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider', test.name],
        cwd=test.parent,
        env={**kept, 'PYTHONPATH': path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def contents(file: Path) -> list[tuple[str, int, bytes]]:
    """Return topic, log time and bytes of each message, as the mcap library reads them."""
    with file.open('rb') as stream:
        return [
            (channel.topic, message.log_time, message.data)
            for _, channel, message in make_reader(stream).iter_messages()
        ]


def test_a_changed_gain_fails_the_test(kit: Any, sources: Path, tmp_path: Path) -> None:
    """Promise: the written test passes today, and fails, saying where, once the gain changes."""
    bag, tests = record(kit, 'drive'), tmp_path / 'tests'
    write_component(sources, 'steering_gain', 2.0)
    code = lk_pin(
        bag, '--output', '/cmd', '--input', '/odom', '--component', 'steering_gain:Steering',
        '--python-path', sources, '--into', tests,
    )  # fmt: skip
    assert code == 0
    assert sorted(each.name for each in tests.iterdir()) == [
        'pinned_steering.mcap',
        'test_pinned_steering.py',
    ]
    test = tests / 'test_pinned_steering.py'
    passed, said = run_pytest(test)
    assert (passed, '1 passed' in said) == (0, True), said
    write_component(sources, 'steering_gain', 2.001)
    failed, said = run_pytest(test)
    assert failed == 1, said
    assert 'first divergence: /cmd at stamp 100.000000000, twist.linear.x, message 0' in said
    assert '/cmd twist.linear.x: 40 of 40 differ' in said
    # The recording lies beside the test, wherever both are moved.
    write_component(sources, 'steering_gain', 2.0)
    assert run_pytest(test)[0] == 0


def test_a_component_that_runs_elsewhere_is_judged_by_its_bag(kit: Any, tmp_path: Path) -> None:
    """Promise: without a component the test is skipped until a variable names a bag."""
    bag = record(kit, 'drive')
    assert lk_pin(bag, '--output', '/cmd', '--input', '/odom', '--into', tmp_path) == 0
    test = tmp_path / 'test_pinned_cmd.py'
    code, said = run_pytest(test)
    assert (code, '1 skipped' in said, 'LK_PINNED_BAG names no bag' in said) == (0, True, True)
    assert run_pytest(test, LK_PINNED_BAG=str(bag))[0] == 0
    other = record(kit, 'other', gain=3.0)
    code, said = run_pytest(test, LK_PINNED_BAG=str(other))
    assert (code, '/cmd twist.linear.x: 40 of 40 differ' in said) == (1, True), said
    assert run_pytest(test, LK_PINNED_BAG=str(other), LK_PINNED_BAG_CMD=str(bag))[0] == 0
    assert 'LK_PINNED_BAG' in test.read_text().split('"""')[1]


def test_the_same_recording_makes_the_same_files(kit: Any, tmp_path: Path) -> None:
    """Promise: what is written depends on nothing but the recording and the command."""
    bag = record(kit, 'drive')
    written = []
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        pinned = pin(Dataset.load(bag), tmp_path / name, outputs=['/cmd'], inputs=['/odom'])
        written.append((pinned.test.read_bytes(), pinned.reference.read_bytes()))
    assert written[0] == written[1]


def test_nothing_is_overwritten(kit: Any, tmp_path: Path) -> None:
    """Promise: files that are there stay as they are, both of them, without --overwrite."""
    bag = record(kit, 'drive')
    arguments = [bag, '--output', '/cmd', '--into', tmp_path / 'tests']
    (tmp_path / 'tests').mkdir()
    for name in ('test_pinned_cmd.py', 'pinned_cmd.mcap'):
        (tmp_path / 'tests' / name).write_text('mine')
        with pytest.raises(BagExistsError, match=f'{name} exists; --overwrite replaces it'):
            lk_pin(*arguments)
        assert [each.name for each in (tmp_path / 'tests').iterdir()] == [name]
        assert (tmp_path / 'tests' / name).read_text() == 'mine'
        (tmp_path / 'tests' / name).unlink()
    assert lk_pin(*arguments) == 0
    first = (tmp_path / 'tests' / 'test_pinned_cmd.py').read_text()
    (tmp_path / 'tests' / 'test_pinned_cmd.py').write_text('mine')
    assert lk_pin(*arguments, '--overwrite') == 0
    assert (tmp_path / 'tests' / 'test_pinned_cmd.py').read_text() == first
    (tmp_path / 'tests' / 'pinned_cmd.mcap').unlink()
    (tmp_path / 'tests' / 'pinned_cmd.mcap').mkdir()
    with pytest.raises(BagExistsError):
        lk_pin(*arguments, '--overwrite')


@pytest.mark.parametrize('name', ['test_pinned_cmd.py', 'pinned_cmd.mcap'])
def test_what_comes_to_be_meanwhile_stays(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Promise: a file that somebody else makes while the bag is read is not lost either."""
    text = GeneratedTest.text

    def slow(self: GeneratedTest, folder: Path) -> str:
        (folder / name).write_text('mine')
        return text(self, folder)

    monkeypatch.setattr(GeneratedTest, 'text', slow)
    with pytest.raises(BagExistsError, match=f'{name} has come to exist'):
        lk_pin(record(kit, 'drive', 3), '--output', '/cmd', '--into', tmp_path / 'tests')
    assert [each.name for each in (tmp_path / 'tests').iterdir()] == [name]
    assert (tmp_path / 'tests' / name).read_text() == 'mine'


def test_a_failure_leaves_nothing(kit: Any, sources: Path, tmp_path: Path) -> None:
    """Promise: where the component fails, neither file nor folder is left."""
    bag = record(kit, 'drive')
    write_component(sources, 'steering_broken', 2.0)
    for name, text in (
        ('Broken', 'failed on the pinned inputs: RuntimeError: no odometry today'),
        ('Silent', 'answers the pinned inputs with no /cmd'),
    ):
        with pytest.raises((ComponentError, ComparisonError), match=text) as caught:
            lk_pin(
                bag, '--output', '/cmd', '--component', f'steering_broken:{name}', '--rerun',
                '--python-path', sources, '--into', tmp_path / 'tests',
            )  # fmt: skip
        assert '\n' not in str(caught.value)
        assert not (tmp_path / 'tests').exists()


def test_outputs_that_were_not_recorded_are_made(
    kit: Any, sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: a recording of the inputs alone is enough; the outputs are those of today."""
    bag = kit.bag('drive', kit.drive(20))
    write_component(sources, 'steering_made', 3.0)
    code = lk_pin(
        bag, '--output', '/cmd', '--component', 'steering_made:Steering', '--param', 'limit=1e1',
        '--python-path', sources, '--into', tmp_path / 'tests',
    )  # fmt: skip
    assert code == 0
    assert 'the outputs are what the component answers now' in capsys.readouterr().out
    reference = Dataset.load(tmp_path / 'tests' / 'pinned_steering.mcap')
    speeds = reference.columns('/cmd')['twist.linear.x'].values.tolist()
    assert speeds == [min(3.0 * (1.0 + 0.25 * index), 10.0) for index in range(20)]
    assert run_pytest(tmp_path / 'tests' / 'test_pinned_steering.py')[0] == 0


def test_a_component_that_differs_already_is_told(
    kit: Any, sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: exit code 1 and the reason where the test fails from the start; --rerun ends it."""
    bag = record(kit, 'drive', gain=2.0)
    write_component(sources, 'steering_differs', 2.5)
    arguments = [
        bag, '--output', '/cmd', '--component', 'steering_differs:Steering',
        '--python-path', sources, '--into', tmp_path,
    ]  # fmt: skip
    assert lk_pin(*arguments) == 1
    said = capsys.readouterr().out
    assert 'the test fails already' in said
    assert 'first divergence: /cmd at stamp 100.000000000, twist.linear.x' in said
    assert lk_pin(*arguments, '--rerun', '--overwrite') == 0
    assert lk_pin(*arguments, '--atol', 100, '--overwrite') == 0
    moody = [*arguments[:4], 'steering_differs:Moody', *arguments[5:], '--rerun']
    assert lk_pin(*moody) == 1


def test_ports_find_their_topics(kit: Any, sources: Path, tmp_path: Path) -> None:
    """Promise: a port takes the topic of its name, else the only one of its type, else is asked."""
    items = [
        (f'/robot{key}', message, time_ns)
        for key, message, time_ns in Dataset.load(record(kit, 'plain', 5)).iterate()
    ]
    bag = kit.bag('robot', items)
    write_component(sources, 'steering_ports', 2.0)
    common = ['--python-path', sources, '--into', tmp_path]
    by_type = [bag, '--output', '/robot/cmd', '--component', 'steering_ports:Steering', *common]
    assert lk_pin(*by_type) == 0
    text = (tmp_path / 'test_pinned_steering.py').read_text()
    assert "TOPICS = {\n    'odom': '/robot/odom',\n    'cmd': '/robot/cmd',\n}" in text
    twin = [bag, '--output', '/robot/cmd', '--component', 'steering_ports:Twin', *common]
    with pytest.raises(ComparisonError, match="input 'left' of steering_ports:Twin is /left, whi"):
        lk_pin(*twin)
    with pytest.raises(ComparisonError, match="has no port 'middle'; it has left, right, cmd"):
        lk_pin(*twin, '--topic', 'middle=/robot/odom')
    with pytest.raises(ComparisonError, match='/speed is no output of steering_ports:Steering'):
        lk_pin(*by_type, '--output', '/speed')
    with pytest.raises(ComparisonError, match='/robot/odom cannot be both'):
        lk_pin(bag, '--output', '/robot/odom', '--input', '/robot/odom', '--into', tmp_path)


@pytest.mark.parametrize('late_ns', [0, 250_000_000])
@pytest.mark.parametrize(
    ('bounds', 'kept'),
    [
        (Bounds(max_messages=7), range(7)),
        (Bounds(duration_ns=S // 2), range(5)),
        (Bounds(start_ns=101 * S, max_messages=3), range(10, 13)),
        (Bounds(start_ns=101 * S, duration_ns=S // 2), range(10, 15)),
        (Bounds(), range(40)),
    ],
)
def test_outputs_are_those_of_the_inputs(
    kit: Any, bounds: Bounds, kept: range, late_ns: int
) -> None:
    """Promise: inputs within the bounds are taken, and the answers to just them, however late."""
    dataset = Dataset.load(record(kit, 'drive', late_ns=late_ns))
    target = Dataset()
    counts = cut_of(dataset, ['/odom'], ['/cmd'], bounds).copy_into(target)
    assert counts == {'/odom': len(kept), '/cmd': len(kept)}
    stamps = [100 * S + index * S // 10 for index in kept]
    for key in ('/odom', '/cmd'):
        found = target.columns(key).stamp_ns
        assert found is not None
        assert found.tolist() == stamps
    times = [message.log_time_ns for message in target.iterate_serialized()]
    assert times == sorted(times)


def test_outputs_without_stamps_go_by_log_time(kit: Any) -> None:
    """Promise: answers without header are taken up to the first input that is not."""
    items = [(key, message, time_ns) for key, message, time_ns in kit.drive(10)]
    items += [
        ('/n', kit.message('std_msgs/msg/Float64', data=float(index)), time_ns + 50_000_000)
        for index, (_, _, time_ns) in enumerate(kit.drive(10))
    ]
    items.sort(key=lambda item: item[2])
    target = Dataset()
    cut_of(kit.memory(items), ['/odom'], ['/n'], Bounds(max_messages=4)).copy_into(target)
    assert target.columns('/n')['data'].values.tolist() == [0.0, 1.0, 2.0, 3.0]
    # The bound lies between the last input that is taken and the answer to it.
    by_time = Dataset()
    bounds = Bounds(duration_ns=320_000_000)
    cut_of(kit.memory(items), ['/odom'], ['/n'], bounds).copy_into(by_time)
    assert by_time.columns('/n')['data'].values.tolist() == [0.0, 1.0, 2.0, 3.0]
    alone = Dataset()
    assert cut_of(kit.memory(items), [], ['/n'], Bounds(max_messages=4)).copy_into(alone) == {
        '/n': 4
    }


@pytest.mark.parametrize(('of_input', 'of_output'), [(0, 1), (1, 0), (1, 10**6)])
def test_stamps_of_no_use_are_not_gone_by(kit: Any, of_input: int, of_output: int) -> None:
    """Promise: stamps that were never set, or are of another clock, leave the log times."""
    items = []
    for key, message, time_ns in Dataset.load(record(kit, 'drive', 10)).iterate():
        factor = of_input if key == '/odom' else of_output
        message.header.stamp.sec = message.header.stamp.sec % 1000 * factor
        message.header.stamp.nanosec *= min(factor, 1)
        items.append((key, message, time_ns))
    cut = cut_of(kit.memory(items), ['/odom'], ['/cmd'], Bounds(max_messages=4))
    assert cut.copy_into(Dataset()) == {'/odom': 4, '/cmd': 4}


def test_latched_inputs_from_before_are_taken(kit: Any, tmp_path: Path) -> None:
    """Promise: a map that was sent once, long before the start, is among the inputs."""
    dataset = kit.memory([])
    topic = kit.memory([('/map', kit.message('std_msgs/msg/String', data='old'), S)]).topic('/map')
    dataset.declare('/map', topic.schema, LATCHED)
    for text, time_ns in (('old', 50 * S), ('new', 60 * S)):
        message = kit.message('std_msgs/msg/String', data=text)
        dataset.write('/map', message, timestamp_ns=time_ns)
    for key, message, time_ns in Dataset.load(record(kit, 'drive')).iterate():
        dataset.write(key, message, timestamp_ns=time_ns)
    pinned = pin(
        dataset,
        tmp_path,
        outputs=['/cmd'],
        inputs=['/odom', '/map'],
        bounds=Bounds(start_ns=101 * S, max_messages=5),
    )
    assert pinned.counts == {'/odom': 5, '/map': 1, '/cmd': 5}
    reference = Dataset.load(pinned.reference)
    assert [(each.data, time) for _, each, time in reference.iterate(['/map'])] == [
        ('new', 101 * S)
    ]
    assert 'transient_local' in reference.topic('/map').qos


def test_messages_of_one_time_are_taken_together(kit: Any) -> None:
    """Promise: bounds never split messages of one log time, and always take some."""
    items = [('/odom', kit.odometry(index), (5 + index // 4) * S) for index in range(12)]
    for most, expected in ((1, 4), (4, 4), (7, 4), (8, 8), (11, 8), (12, 12)):
        cut = cut_of(kit.memory(items), ['/odom'], [], Bounds(max_messages=most))
        assert cut.copy_into(Dataset()) == {'/odom': expected}, most


def test_bytes_are_kept(kit: Any, tmp_path: Path) -> None:
    """Promise: messages in the recording are those of the bag, byte for byte, at their times."""
    bag = record(kit, 'drive', 8)
    pinned = pin(Dataset.load(bag), tmp_path, outputs=['/cmd'], inputs=['/odom'])
    assert contents(pinned.reference) == contents(next(bag.glob('*.mcap')))


@pytest.mark.parametrize(
    ('arguments', 'error', 'text'),
    [
        (['--output', '/nope'], ComparisonError, '/nope needs a component to be run'),
        (['--output', '/cmd', '--rerun'], ComparisonError, '--rerun needs a component'),
        (['--output', '/cmd', '--input', '/nope'], KeyNotFoundError, '/nope'),
        (['--output', '/cmd', '--param', 'a=1'], ComparisonError, '--param is about a component'),
        (['--output', '/cmd', '--name', 'a b'], ComparisonError, "'a b' is no name of a test"),
        (['--output', '/cmd', '--component', 'nope'], ComponentNotFoundError, 'nope'),
        (['--output', '/cmd', '--ignore', 'x'], ComparisonError, "--ignore 'x' is incomplete"),
        (['--output', '/cmd', '--start', '500'], ComparisonError, 'no message of /cmd within'),
    ],
)
def test_wrong_usage_is_told(
    kit: Any, tmp_path: Path, arguments: list[str], error: type[Exception], text: str
) -> None:
    """Promise: wrong usage is told in one line, and nothing is written."""
    bag = record(kit, 'drive', 3)
    with pytest.raises(error, match=text) as caught:
        lk_pin(bag, *arguments, '--into', tmp_path / 'tests')
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'tests').exists()


def test_outputs_beyond_the_bounds_are_no_reference(kit: Any, tmp_path: Path) -> None:
    """Promise: a test that could judge nothing is not written."""
    late = ('/late', kit.message('std_msgs/msg/Float64', data=1.0), 200 * S)
    dataset = kit.memory([*kit.drive(9), late])
    with pytest.raises(ComparisonError, match='no /late within the bounds'):
        pin(dataset, tmp_path, outputs=['/late'], inputs=['/odom'], bounds=Bounds(max_messages=4))
    assert list(tmp_path.iterdir()) == []


def test_the_docstring_has_the_command(kit: Any, tmp_path: Path) -> None:
    """Promise: the command that made a test is in it, and makes the same test again."""
    bag = record(kit, 'a drive')
    lk_pin(
        bag, '--output', '/cmd', '--atol', '0.5', '--into', tmp_path, '--name', 'x', '--overwrite'
    )
    text = (tmp_path / 'test_pinned_x.py').read_text()
    line = next(each.strip() for each in text.splitlines() if each.startswith('    lk pin'))
    assert line == f"lk pin '{bag}' --output /cmd --into {tmp_path} --name x --atol 0.5"
    assert 'TOLERANCE = Tolerance(\n    atol=0.5,\n)' in text


NASTY = st.text(st.characters(exclude_categories=['Cs']), min_size=1, max_size=12)


@given(
    outputs=st.lists(NASTY, min_size=1, max_size=3),
    inputs=st.lists(NASTY, max_size=2),
    command_line=NASTY
    | st.sampled_from(['"""', "'''", '\\', '\\"""', 'a\nimport os', "\\'", '\x00\r\x1b']),
    settings=st.dictionaries(NASTY, st.floats() | NASTY | st.lists(st.floats()), max_size=2),
    reason=NASTY.filter(str.strip),
    is_component=st.booleans(),
)
def test_no_name_breaks_out_of_its_place(
    outputs: list[str],
    inputs: list[str],
    command_line: str,
    settings: dict[str, Any],
    reason: str,
    is_component: bool,
) -> None:
    """Promise: whatever topics, settings and commands are called, the file has them as texts."""
    source = GeneratedTest(
        'x',
        'pinned_x.mcap',
        tuple(outputs),
        tuple(inputs),
        Tolerance(fields={reason: Limit(0.0, float('inf'))}, ignore={reason: reason}),
        'index',
        Subject('a:B', settings, {'in': outputs[0]}, ('/a b',)) if is_component else None,
        command_line,
    )
    text = source.text(Path('/a'))
    assert all(line.isprintable() for line in text.split('\n'))
    tree = ast.parse(text)
    assert [type(each).__name__ for each in tree.body if isinstance(each, ast.FunctionDef)] == [
        'FunctionDef'
    ]
    imports = {
        name.name for each in ast.walk(tree) if isinstance(each, ast.Import) for name in each.names
    }
    assert imports <= {'os', 'pytest'}
    assert ('os' in imports) is not is_component
    values = {
        each.targets[0].id: each.value
        for each in tree.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    }
    assert ast.literal_eval(values['OUTPUTS']) == outputs
    scope = {'Tolerance': Tolerance, 'Limit': Limit}
    code = compile(ast.Expression(values['TOLERANCE']), 'x', 'eval')
    assert eval(code, scope) == source.tolerance
    if is_component and settings:
        code = compile(ast.Expression(values['SETTINGS']), 'x', 'eval')
        assert repr(eval(code)) == repr(settings)


def test_written_tests_are_clean(kit: Any, sources: Path, tmp_path: Path) -> None:
    """Promise: ruff finds nothing in the files, neither to say nor to format."""
    ruff = Path(sys.executable).with_name('ruff')
    if not ruff.exists():
        pytest.skip('ruff is not installed')
    bag = record(kit, 'drive', 5)
    write_component(sources, 'steering_clean', 2.0)
    folder = tmp_path / 'test'
    lk_pin(bag, '--output', '/cmd', '--input', '/odom', '--into', folder, '--by', 'index')
    lk_pin(
        bag, '--output', '/cmd', '--component', 'steering_clean:Steering', '--rtol', '1e-6',
        '--param', 'limit=7.5', '--topic', 'odom=/odom', '--ignore', '**.stamp=it is "new"',
        '--python-path', sources, '--into', folder,
    )  # fmt: skip
    pin(
        Dataset.load(bag), folder, outputs=['/cmd'], name='limits', command='lk "x" \\ y',
        tolerance=Tolerance(fields={'**.x': Limit(0.0, 0.5)}),
    )  # fmt: skip
    config = ['--config', str(REPOSITORY / 'pyproject.toml'), '--no-cache']
    for action in (['check', '--ignore', 'INP001'], ['format', '--check', '--diff']):
        done = subprocess.run(
            [str(ruff), *action, *config, str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
