"""`lk init`: what is proposed for bags and graphs, and that it can always be read again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.cli.main import main
from lk_dataset_ros.comparison.tolerance import matches
from lk_dataset_ros.errors import EnvironmentNotReadyError, LkError, SpecificationError
from lk_dataset_ros.experiment.drafting import draft_from_graph, text_of, write_draft
from lk_dataset_ros.experiment.drafting.draft import Draft, OutputDraft, TopicSeen
from lk_dataset_ros.experiment.drafting.ideas import ideas_for
from lk_dataset_ros.experiment.drafting.naming import arm_named, compiled_named
from lk_dataset_ros.experiment.drafting.ports import match_ports
from lk_dataset_ros.experiment.drafting.probing import NodeSeen, nodes_of
from lk_dataset_ros.experiment.specification import (
    Arm,
    BagInputs,
    LiveInputs,
    Mode,
    json_schema,
    load_specification,
)
from lk_dataset_ros.message import builtin_schema, new_message
from lk_dataset_ros.message.fields import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

ODOMETRY, TWIST = 'nav_msgs/msg/Odometry', 'geometry_msgs/msg/Twist'
COMPONENTS = '''
from lk_dataset_ros import Component, Input, Output


class Follow(Component):
    """Has two inputs of one type, and one of another."""

    inputs = {'odom': Input('nav_msgs/msg/Odometry'), 'goal': Input('nav_msgs/msg/Odometry')}
    outputs = {'cmd_vel': Output('geometry_msgs/msg/Twist')}


class Renamed(Component):
    """Does the same with ports of other names."""

    inputs = {'pose': Input('nav_msgs/msg/Odometry')}
    outputs = {'twist': Output('geometry_msgs/msg/Twist')}


class Silent(Component):
    """Gives nothing."""

    inputs = {'odom': Input('nav_msgs/msg/Odometry')}


class Wants(Component):
    """Takes what no bag here has."""

    inputs = {'x': Input('std_msgs/msg/String')}
    outputs = {'y': Output('std_msgs/msg/String')}
'''


@pytest.fixture
def bag(kit: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a bag with two odometries and a command; the working directory is its folder."""
    items = [*kit.drive(20, key='/robot/odom'), *kit.drive(10, key='/plan/goal')]
    items += [('/cmd_vel', kit.message(TWIST), 100_000_000_000 + n) for n in range(5)]
    (kit.folder / 'parts.py').write_text(COMPONENTS)
    monkeypatch.chdir(kit.folder)
    found: Path = kit.bag('bag', sorted(items, key=lambda each: each[2]))
    return found


def uncommented(text: str) -> str:
    """Return a draft with all its proposals taken."""
    return re.sub(r'^( *)#: ', r'\1', text, flags=re.MULTILINE)


def test_a_bag_and_components_become_an_experiment(
    bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: ports find their topics by name and type, and every arm is remapped to them."""
    arms = ['--original', 'parts:Follow', '--compiled', 'new=parts:Renamed']
    assert main(['init', '--bag', 'bag', *arms]) == 0
    found = load_specification('experiment.yaml')
    assert found.inputs == BagInputs(bag, ('/plan/goal', '/robot/odom'))
    assert dict(found.original.remappings) == {'odom': '/robot/odom', 'goal': '/plan/goal'}
    assert [each.topic for each in found.outputs] == ['/cmd_vel']
    assert dict(found.compiled[0].remappings) == {'pose': '/robot/odom', 'twist': '/cmd_vel'}
    assert found.mode == Mode.LOCKSTEP
    text = Path('experiment.yaml').read_text()
    assert '/robot/odom   # nav_msgs/msg/Odometry, 20 messages, ' in text
    assert '#   /cmd_vel   geometry_msgs/msg/Twist, 5 messages' in text
    assert '#:     /cmd_vel.linear: {rtol: 1.0e-3, atol: 1.0e-3}   # m/s' in text
    said = capsys.readouterr().out
    assert 'look at: arm new: port pose takes /robot/odom; it could be /plan/goal' in said


def test_all_that_is_proposed_can_be_taken(bag: Path) -> None:
    """Promise: the file is read with each line that begins with "#: " taken, too."""
    arms = ['--original', 'parts:Follow', '--compiled', 'new=parts:Renamed']
    assert main(['init', '--bag', str(bag), *arms]) == 0
    Path('all.yaml').write_text(uncommented(Path('experiment.yaml').read_text()))
    found, plain = load_specification('all.yaml'), load_specification('experiment.yaml')
    assert (found.repeats, found.demands.speed_up, found.limits.answer_s) == (3, 1.5, 5.0)
    assert '/cmd_vel.linear' in found.rules.tolerance.fields
    assert (found.original, found.outputs, found.mode) == (
        *(plain.original, plain.outputs, plain.mode),
    )
    # Every field of the format is told of.
    said = yaml.safe_load(Path('all.yaml').read_text())
    assert set(json_schema()['properties']) - {'ignore'} == set(said) - {'ignore'}


def test_without_a_component_types_are_guessed(
    bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: for processes, commands are taken for outputs, and that is said to be a guess."""
    assert main(['init', '--bag', str(bag), '--original', 'pkg/node', '-o', 'guess.yaml']) == 0
    found = load_specification('guess.yaml')
    assert found.inputs.topics == ('/plan/goal', '/robot/odom')
    assert [each.topic for each in found.outputs] == ['/cmd_vel']
    assert (found.original.package, found.original.executable) == ('pkg', 'node')
    said = capsys.readouterr().out
    assert 'look at: inputs and outputs are guesses' in said
    assert 'look at: name the compiled arms' in said
    assert 'my_package' in Path('guess.yaml').read_text()


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ([], 'give --bag DIR to look into a bag, or --graph for what is running'),
        (['--bag', 'nothing'], 'nothing'),
        (['--bag', 'bag', '--original', 'parts:Nobody'], 'Nobody'),
        (['--bag', 'bag', '--original', 'parts:Silent'], 'parts:Silent has no output port'),
        (['--bag', 'bag', '--original', 'parts:Wants'], 'parts:Wants takes std_msgs/msg/String'),
        (
            ['--bag', 'bag', '--original', 'what'],
            "original: 'what' is no arm; give package.module",
        ),
        (['--bag', 'bag', '--original', 'a "b'], 'is no command line'),
        (
            ['--bag', 'bag', '--compiled', 'parts:Wants'],
            "'parts:Wants' is no compiled arm; one is",
        ),
        (['--bag', 'bag', '--compiled', 'original=a:B'], 'is no compiled arm'),
        (['--bag', 'bag', '--compiled', 'a=b/c', '--compiled', 'a=b/d'], 'are called a'),
        (['--bag', 'bag', '--compiled', 'logs=b/c'], 'a compiled arm cannot have this name'),
        (['--bag', 'bag', '--name', '../x'], "'../x' is not a valid name"),
        (['--bag', 'bag', '-o', 'no/experiment.yaml'], 'there is no folder no to write'),
    ],
)
@pytest.mark.usefixtures('bag')
def test_what_cannot_be_proposed_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    """Promise: a wrong request is one line and exit code 2, and nothing is written."""
    before = sorted(Path().iterdir())
    assert main(['init', *arguments]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count('\n') == 1
    assert [each for each in sorted(Path().iterdir()) if each.name != '__pycache__'] == before


def test_nothing_is_overwritten(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: a file that is there stays, unless --force is given."""
    Path('experiment.yaml').write_text('mine')
    assert main(['init', '--bag', str(bag)]) == 2
    assert 'is there already; --force overwrites it' in capsys.readouterr().err
    assert Path('experiment.yaml').read_text() == 'mine'
    assert main(['init', '--bag', str(bag), '--force']) == 0
    assert load_specification('experiment.yaml').inputs.topics
    assert not list(Path().glob('.experiment.*'))


def test_the_schema_and_the_text_can_be_printed(
    bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: --schema prints the format's schema, -o - prints the file instead of writing it."""
    assert main(['init', '--schema']) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()
    assert main(['init', '--bag', str(bag), '-o', '-']) == 0
    assert yaml.safe_load(capsys.readouterr().out)['inputs']['bag'] == 'bag'
    assert not Path('experiment.yaml').exists()


def test_paths_are_relative_to_the_file(bag: Path) -> None:
    """Promise: bag and folders of components are found from where the file is."""
    Path('sub dir').mkdir()
    arms = ['--original', 'parts:Follow', '--python-path', '.']
    assert main(['init', '--bag', str(bag), *arms, '-o', 'sub dir/e.yaml']) == 0
    found = load_specification('sub dir/e.yaml')
    assert found.name == 'sub_dir'
    assert isinstance(found.inputs, BagInputs)
    assert found.inputs.bag.resolve() == bag
    assert [Path(each).resolve() for each in found.original.python_path] == [bag.parent]
    assert 'bag: ../bag' in Path('sub dir/e.yaml').read_text()


@pytest.mark.parametrize(
    ('text', 'arm'),
    [
        ('a.b:C', Arm('x', component='a.b:C', python_path=('p',))),
        ('pkg/my-node.py', Arm('x', package='pkg', executable='my-node.py')),
        ('./node {ros_args}', Arm('x', command=('./node', '{ros_args}'))),
        ('/opt/node', Arm('x', command=('/opt/node',))),
        ('ros2 run p "a b"', Arm('x', command=('ros2', 'run', 'p', 'a b'))),
    ],
)
def test_an_arm_is_named_in_three_ways(text: str, arm: Arm) -> None:
    """Promise: a component, a package's executable and a command line are told apart."""
    assert arm_named('x', text, ['p']) == arm
    assert compiled_named(f'x={text}', ['p']) == arm


def seen(name: str, kind: str = ODOMETRY, count: int | None = None) -> TopicSeen:
    """Make a topic."""
    return TopicSeen(name, kind, count)


@pytest.mark.parametrize(
    ('topics', 'found'),
    [
        ([seen('/odom'), seen('/robot/odom', count=9)], '/odom'),
        ([seen('/other', count=9), seen('/robot/odom')], '/robot/odom'),
        ([seen('/a', count=3), seen('/b', count=9)], '/b'),
        ([seen('/odom', TWIST), seen('/a')], '/a'),
        ([seen('/odom', TWIST)], None),
    ],
)
def test_ports_find_topics(topics: list[TopicSeen], found: str | None) -> None:
    """Promise: the same name goes before its end, that before the type; the type is always right."""
    ports, _ = match_ports({'odom': ODOMETRY}, topics)
    assert [each.name for each in ports.values()] == ([] if found is None else [found])


def graph() -> list[NodeSeen]:
    """Make a graph: a driver, a planner that also has what every node has, and a listener."""
    common = (seen('/rosout', 'rcl_interfaces/msg/Log'), seen('/_hidden', TWIST))
    return [
        NodeSeen('/driver', (seen('/odom'), *common), ()),
        NodeSeen(
            '/robot/planner', (seen('/cmd', TWIST), seen('/odom'), *common), (seen('/odom'),)
        ),
        NodeSeen('/listener', common, (seen('/cmd', TWIST),)),
    ]


def test_a_running_node_becomes_a_live_experiment(tmp_path: Path) -> None:
    """Promise: the only node that takes and gives something is shadowed by a compiled one."""
    arm = arm_named('cpp', 'pkg/node', [])
    for name in ('', 'robot/planner', '/robot/planner'):
        draft = draft_from_graph(graph(), None, [arm], name='n', node=name)
        found = write_draft(draft, tmp_path / 'live.yaml', is_forced=True)
        assert (found.mode, found.original.is_running) == (Mode.LIVE, True)
        assert found.inputs == LiveInputs(('/odom',), 30.0)
        assert [(each.topic, each.least) for each in found.outputs] == [('/cmd', 0)]
        assert [each.what for each in found.compiled] == ['pkg/node']
    (tmp_path / 'all.yaml').write_text(uncommented((tmp_path / 'live.yaml').read_text()))
    assert load_specification(tmp_path / 'all.yaml').mode == Mode.LIVE


def test_a_running_node_on_a_bag(kit: Any) -> None:
    """Promise: with a bag, what the node takes is played from it, to an original that is started."""
    bag = kit.bag('bag', kit.drive(3))
    draft = draft_from_graph(graph(), None, [], name='n', bag=bag)
    found = write_draft(draft, kit.folder / 'e.yaml')
    assert (found.mode, found.inputs) == (Mode.LOCKSTEP, BagInputs(bag, ('/odom',)))
    assert any('name the original' in each for each in draft.notes)
    other = kit.bag('other', kit.drive(3, key='/elsewhere'))
    with pytest.raises(SpecificationError, match='none of the topics that the node takes: /odom'):
        draft_from_graph(graph(), None, [], name='n', bag=other)


def test_nodes_that_cannot_be_compared_are_refused() -> None:
    """Promise: a node that is not there, takes or gives nothing is named beside those that do."""
    nodes: Sequence[NodeSeen] = graph()
    for name, reason in (
        ('/nobody', 'there is no node /nobody .* take and give messages: /robot/planner'),
        ('/driver', '/driver does not take and give messages.*: /robot/planner'),
    ):
        with pytest.raises(SpecificationError, match=reason):
            draft_from_graph(nodes, None, [], name='n', node=name)
    with pytest.raises(SpecificationError, match=r'say which node .*--node.*: none'):
        draft_from_graph([], None, [], name='n')


def test_another_publisher_of_an_output_is_told_of() -> None:
    """Promise: an output that somebody else publishes, too, is pointed at."""
    nodes = [*graph(), NodeSeen('/joystick', (seen('/cmd', TWIST),), ())]
    draft = draft_from_graph(nodes, None, [], name='n', node='/robot/planner')
    assert '/cmd is published by /joystick, too' in draft.notes


@pytest.mark.parametrize(
    'said', [b'', b'x', b'[]', b'{"settled": true}', b'{"settled": true, "nodes": {"/a": 1}}']
)
def test_a_probe_that_says_something_else_is_refused(said: bytes) -> None:
    """Promise: what is not understood of another version's probe is one line."""
    with pytest.raises(EnvironmentNotReadyError, match='is another version sourced'):
        nodes_of(said)


@pytest.mark.parametrize(
    'kind',
    [
        *(ODOMETRY, TWIST, 'sensor_msgs/msg/Imu', 'sensor_msgs/msg/LaserScan'),
        *('geometry_msgs/msg/PoseWithCovarianceStamped', 'sensor_msgs/msg/JointState'),
        *('sensor_msgs/msg/Image', 'std_msgs/msg/Float64'),
    ],
)
def test_tolerance_ideas_name_parts_of_the_message(kind: str) -> None:
    """Promise: each pattern that is proposed names a part that a message of the type has."""
    assert builtin_schema(kind)
    paths = [path for path, _ in walk(new_message(kind))]
    ideas = ideas_for('/out', kind)
    assert ideas or kind == 'sensor_msgs/msg/Image'
    for pattern, limit, _ in ideas:
        assert set(yaml.safe_load(limit)) <= {'rtol', 'atol'}
        path = pattern.removeprefix('/out.')
        assert any(each == path or each.startswith((f'{path}.', f'{path}[')) for each in paths)
        assert matches(pattern, '/out', path)
    assert ideas_for('/out', 'nobody_msgs/msg/Knows') == []


NAMES = st.text(min_size=1, max_size=12)
TOPICS = st.builds(
    TopicSeen,
    NAMES | st.from_regex(r'(/[A-Za-z_][A-Za-z0-9_]{0,5}){1,3}', fullmatch=True),
    NAMES | st.sampled_from([ODOMETRY, TWIST, 'sensor_msgs/msg/Imu']),
    st.none() | st.integers(0, 10**9),
    st.none() | st.floats(0.1, 1e4),
)
TEXT = NAMES.filter(lambda text: '\0' not in text)


@example([seen('/a')], ['0', '\x85'], {}, 0.0, ['a\nb'])
@example([seen('/a')], ['0', 'E', '0'], {}, 0.0, [])
@example([seen('/a')], ['1e3', '+.5E-7', '0x1', '1_0', '1:30', 'yes'], {'a': '1e3'}, 0.0, [])
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    topics=st.lists(TOPICS, min_size=1, max_size=8, unique_by=lambda each: each.name),
    words=st.lists(TEXT, min_size=2, max_size=4),
    remappings=st.dictionaries(st.from_regex(r'[a-z~/#:&*]{1,8}', fullmatch=True), TEXT),
    duration_s=st.floats(0.0, 1e6),
    notes=st.lists(NAMES, max_size=2),
)
def test_whatever_was_seen_the_text_can_be_read(
    tmp_path: Path,
    topics: list[TopicSeen],
    words: list[str],
    remappings: dict[str, str],
    duration_s: float,
    notes: list[str],
) -> None:
    """Promise: names, types and commands of every kind are read back as they were."""
    inputs = [each for each in topics if each.can_be_input] or [seen('/a')]
    remappings = {name: value for name, value in remappings.items() if not re.search(r'\s', value)}
    original = Arm('original', command=(*words, '{ros_args}'), remappings=remappings)
    draft = Draft(
        name='n',
        mode=Mode.LOCKSTEP,
        inputs=BagInputs(
            tmp_path / ''.join(words).replace('/', '_'), tuple(t.name for t in inputs)
        ),
        original=original,
        compiled=(Arm('c', component='a:B', python_path=(str(tmp_path / words[0]),)),),
        outputs=(OutputDraft('/the/output', words[0], inputs[0].name, 'maybe'),),
        seen=(*topics, seen('/a')),
        duration_s=duration_s,
        notes=tuple(notes),
    )
    path = tmp_path / 'e.yaml'
    try:
        found = write_draft(draft, path, is_forced=True)
    except LkError as error:
        assert '{ros_args} has to stand by itself' in str(error)  # noqa: PT017
        return
    assert found.original.command == original.command
    assert dict(found.original.remappings) == remappings
    assert found.inputs.topics == draft.inputs.topics
    path.write_text(uncommented(text_of(draft, tmp_path)))
    assert load_specification(path).repeats == 3
