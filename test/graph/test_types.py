"""Types that are not installed, really built: their hashes, their classes, messages of them."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

import pytest
from graph_kit import Graph

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.dataset.databases.rosbag2.definitions import as_event
from lk_dataset_ros.interfaces import Installed, built_overlays, interfaces_of, type_hash
from lk_dataset_ros.message import ROS2IDL, Schema, builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

SEPARATOR = '=' * 80
TF = 'tf2_msgs/msg/TFMessage'
JOINT = f"""{SEPARATOR}
MSG: my_parts_msgs/Joint
# a joint
builtin_interfaces/Duration d
geometry_msgs/Vector3 axis
float32 q 1e-5
Nothing nothing
{SEPARATOR}
MSG: my_parts_msgs/Nothing
{SEPARATOR}
MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z
{SEPARATOR}
MSG: builtin_interfaces/Duration
int32 sec
uint32 nanosec
"""
STATE = f"""# a comment with */ int x; "quotes" ??/ and \\
uint8 RUNNING=1
int64 LEAST=-9223372036854775808
string NAME="state of it"
std_msgs/Header header
my_parts_msgs/Joint[] joints
my_parts_msgs/Joint[2] pair
my_parts_msgs/Joint[<=3] few
float64[3] vector [1.0, 2.0, 3.0]
float64 gain 2.5
int32[] list [1, 2]
string name "plain"
string<=8 short_name "abc"
string[2] words ["a", "b"]
string<=4[<=3] bounded
string<=4[3] fixed
wstring wide
byte b 7
byte[4] octets
char c 65
char[] chars
bool on true
bool[2] flags [true, false]
uint64 big 18446744073709551615
{JOINT}{SEPARATOR}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{SEPARATOR}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
SAMPLE = f"""{SEPARATOR}
IDL: my_idl_msgs/msg/Sample
#include "geometry_msgs/msg/Vector3.idl"
module my_idl_msgs {{ module msg {{
  typedef double double__4[4];
  module Sample_Constants {{ const int32 A = 5; const string S = "abc"; }};
  @verbatim(language="comment", text="hello */ x")
  struct Sample {{
    @default (value=3) octet o;
    char c;
    double__4 q;
    sequence<geometry_msgs::msg::Vector3, 2> vs;
    boolean yes;
  }};
}}; }};
{SEPARATOR}
IDL: geometry_msgs/msg/Vector3
module geometry_msgs {{ module msg {{ struct Vector3 {{ double x; double y; double z; }}; }}; }};
"""
ASK = as_event(
    'my_robot_msgs/srv/Ask_Event',
    f'string question\n---\nmy_parts_msgs/Joint answer\nbool ok\n{JOINT}',
)
SCHEMAS = {
    '/state': Schema('my_robot_msgs/msg/State', STATE),
    '/ask/_service_event': Schema('my_robot_msgs/srv/Ask_Event', ASK),
    '/sample': Schema('my_idl_msgs/msg/Sample', SAMPLE, ROS2IDL),
}
PLAY = """
import json, sys
from lk_dataset_ros.ros.overlay import ensure_types, use_overlays
from lk_dataset_ros import Dataset
bag, topics, first = sys.argv[1], sys.argv[2].split(','), sys.argv[3] == 'first'
if first:
    use_overlays()
dataset = Dataset.load(bag)
problems = ensure_types([dataset.topic(topic).schema for topic in topics], bag=bag)
assert not problems, problems
import rclpy
from rclpy.qos import QoSProfile
from lk_dataset_ros.ros.types import message_class, schema_of
rclpy.init()
node = rclpy.create_node('echo')
same, hashes = {}, {}
for index, topic in enumerate(topics):
    schema = dataset.topic(topic).schema
    cls = message_class(schema.name)
    sent = [each.cdr for each in dataset.iterate_serialized([topic])][:300]
    got = []
    node.create_subscription(cls, f'/t{index}', got.append, QoSProfile(depth=1000), raw=True)
    publisher = node.create_publisher(cls, f'/t{index}', QoSProfile(depth=1000))
    while not publisher.get_subscription_count():
        rclpy.spin_once(node, timeout_sec=0.1)
    for cdr in sent:
        publisher.publish(cdr)
    clock = node.get_clock()
    end = clock.now().nanoseconds + 120_000_000_000
    while len(got) < len(sent) and clock.now().nanoseconds < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    same[topic] = [len(got), got == sent]
    infos = node.get_publishers_info_by_topic(f'/t{index}')
    hashes[schema.name] = str(infos[0].topic_type_hash)
print(json.dumps({'same': same, 'hashes': hashes}))
node.destroy_node()
rclpy.shutdown()
"""
INSPECT = """
import json
from lk_dataset_ros.ros.overlay import use_overlays
use_overlays()
from my_robot_msgs.msg import State
from my_robot_msgs.srv import Ask
from my_idl_msgs.msg import Sample
from rclpy.serialization import deserialize_message, serialize_message
from lk_dataset_ros.ros.types import schema_of
state, sample = State(), Sample()
print(json.dumps({
    'constants': [State.RUNNING, State.LEAST, State.NAME, Sample.A, Sample.S],
    'vector': list(state.vector), 'gain': state.gain, 'list': list(state.list),
    'names': [state.name, state.short_name, *state.words], 'b': list(state.b), 'c': state.c,
    'flags': [state.on, *state.flags], 'big': state.big, 'q': state.pair[1].q, 'o': list(sample.o),
    'question': Ask.Request().question,
    'cdr': serialize_message(state).hex(),
    'text': schema_of('my_robot_msgs/msg/State').text,
}))
"""


@pytest.fixture(scope='module')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder of this module's own: what one test builds the next ones use."""
    folder: Path = tmp_path_factory.mktemp('cache')
    return folder


@pytest.fixture
def types_graph(graph: Graph, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """Return a graph whose processes, like this one, keep what they build in the folder."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache))
    graph.env['XDG_CACHE_HOME'] = str(cache)
    return graph


def write_bag(path: Path, schemas: dict[str, Schema], count: int = 3) -> Path:
    """Write a bag of messages with their default values."""
    with Dataset.create('mcap', path) as dataset:
        for topic, schema in schemas.items():
            dataset.declare(topic, schema)
            for index in range(count):
                dataset.write(topic, new_message(schema), timestamp_ns=1_000_000 * (index + 1))
    return path


def echo(graph: Graph, bag: Path, topics: str, *, first: bool) -> dict[str, dict[str, object]]:
    """Publish a bag's bytes to a subscriber in one process, which needs the types of the bag."""
    word = 'first' if first else ''
    code, said = graph.finish(graph.start(sys.executable, '-c', PLAY, str(bag), topics, word))
    assert code == 0, said
    found: dict[str, dict[str, object]] = json.loads(
        next(line for line in said.splitlines() if line.startswith('{"same"'))
    )
    return found


@pytest.mark.parametrize('first', [False, True], ids=['ensure', 'use and ensure'])
def test_tf_of_a_real_bag_is_built_and_played(
    types_graph: Graph, real_bag: Path, first: bool
) -> None:
    """Promise: tf2_msgs, built from the bag, has the bag's hash, and its bytes come through."""
    if Installed().find(TF):
        pytest.skip('tf2_msgs is installed')
    code, output, errors = types_graph.lk('types', real_bag, '--build')
    assert (code, errors) == (0, ''), output
    with Dataset.load(real_bag) as dataset:
        wanted = dataset.topic('/tf').schema.type_hash
    overlay = next(each for each in built_overlays(Installed()) if each.package == 'tf2_msgs')
    by_rosidl = json.loads((overlay.path / 'share/tf2_msgs/msg/TFMessage.json').read_text())
    assert by_rosidl['type_hashes'][0] == {'type_name': TF, 'hash_string': wanted}
    found = echo(types_graph, real_bag, '/tf,/tf_static,/odom', first=first)
    assert found['same'] == {'/tf': [300, True], '/tf_static': [1, True], '/odom': [300, True]}
    assert found['hashes'][TF] == wanted


def test_packages_of_all_kinds_of_fields(types_graph: Graph, tmp_path: Path) -> None:
    """Promise: .msg, IDL and service types, several packages: hashes, defaults, constants, bytes.

    rosidl's own hashes are compared with ours in the build; here what Python gets is looked at.
    """
    bag = write_bag(tmp_path / 'bag', SCHEMAS)
    code, output, errors = types_graph.lk('types', bag, '--build')
    assert (code, errors) == (0, ''), output
    for package in ('my_parts_msgs', 'my_robot_msgs', 'my_idl_msgs'):
        assert f'built {package} ' in output
    code, said = types_graph.finish(types_graph.start(sys.executable, '-c', INSPECT))
    assert code == 0, said
    found = json.loads(said.splitlines()[-1])
    codec = codec_for(SCHEMAS['/state'])
    # Padding within rclpy's bytes is what was in memory.
    ours = codec.decode(bytes.fromhex(found.pop('cdr')))
    assert codec.encode(ours) == codec.encode(codec.new())
    assert found.pop('q') == pytest.approx(1e-5)
    text = found.pop('text')
    assert text.partition(f'\n{SEPARATOR}')[0].strip() == STATE.partition(SEPARATOR)[0].strip()
    assert found == {
        'constants': [1, -(2**63), 'state of it', 5, 'abc'],
        'vector': [1.0, 2.0, 3.0],
        'gain': 2.5,
        'list': [1, 2],
        'names': ['plain', 'abc', 'a', 'b'],
        'b': [7],
        'c': 65,
        'flags': [True, True, False],
        'big': 2**64 - 1,
        'o': [3],
        'question': '',
    }
    topics = ','.join(SCHEMAS)
    found = echo(types_graph, bag, topics, first=False)
    assert found['same'] == {topic: [3, True] for topic in SCHEMAS}
    for schema in SCHEMAS.values():
        assert found['hashes'][schema.name] == type_hash(schema.name, interfaces_of(schema))


def test_a_second_bag_adds_to_a_package(types_graph: Graph, tmp_path: Path) -> None:
    """Promise: another bag's type of the same package is built with those of before."""
    first = Schema('my_more_msgs/msg/A', 'int8 x\n')
    second = Schema('my_more_msgs/msg/B', f'A a\n{SEPARATOR}\nMSG: my_more_msgs/A\nint8 x\n')
    changed = dataclasses.replace(first, text='int16 x\n')
    bags = [
        write_bag(tmp_path / f'bag{index}', {'/x': each})
        for index, each in enumerate((first, second, changed))
    ]
    for bag in bags:
        code, output, errors = types_graph.lk('types', bag, '--build')
        assert (code, errors) == (0, ''), output
    both = write_bag(tmp_path / 'both', {'/a': first, '/b': second})
    assert echo(types_graph, both, '/a,/b', first=True)['same'] == {
        '/a': [3, True],
        '/b': [3, True],
    }
    # The newest is another version; the bag's own is used, whatever was offered first.
    assert echo(types_graph, bags[2], '/x', first=True)['same'] == {'/x': [3, True]}


LATE = f"""
import os, sys
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.types import message_class, schema_of
use_overlays()
os.environ['XDG_CACHE_HOME'] = sys.argv[1]
assert schema_of('{TF}').type_hash.startswith('RIHS01_')
assert message_class('{TF}').__name__ == 'TFMessage'
"""


def test_types_built_while_a_node_runs(types_graph: Graph, cache: Path, real_bag: Path) -> None:
    """Promise: a recorder that is running takes a type that has been built since it began."""
    if Installed().find(TF):
        pytest.skip('tf2_msgs is installed')
    assert types_graph.lk('types', real_bag, '--build')[0] == 0
    types_graph.env['XDG_CACHE_HOME'] = str(types_graph.folder / 'empty')
    code, said = types_graph.finish(types_graph.start(sys.executable, '-c', LATE, str(cache)))
    assert code == 0, said


RELAY = f"""
from lk_dataset_ros import Component, Input, Output
class Relay(Component):
    tf = Input('{TF}')
    relayed = Output('{TF}')
    def step(self, tf):
        return {{'relayed': tf}}
"""
EXPERIMENT = """
version: 1
name: test
inputs: {{bag: {bag}, topics: [/tf]}}
rtf: 0.0
original: {{component: 'relay:Relay'}}
compiled:
  same: {{component: 'relay:Relay'}}
outputs: [{{topic: /relayed, answers: /tf}}]
"""


def test_lk_ab_plays_types_that_were_built(types_graph: Graph, tmp_path: Path) -> None:
    """Promise: `lk ab` names the command for a missing type; once it is built, the arms have it."""
    if Installed().find(TF):
        pytest.skip('tf2_msgs is installed')
    text = (
        f'geometry_msgs/TransformStamped[] transforms\n{SEPARATOR}\n'
        f'MSG: geometry_msgs/TransformStamped\n'
        f'{builtin_schema("geometry_msgs/msg/TransformStamped").text}'
    )
    bag = write_bag(tmp_path / 'bag', {'/tf': Schema(TF, text)}, count=20)
    (tmp_path / 'relay.py').write_text(RELAY)
    specification = tmp_path / 'experiment.yaml'
    specification.write_text(EXPERIMENT.format(bag=bag))
    elsewhere = Graph({**types_graph.env, 'XDG_CACHE_HOME': str(tmp_path)}, tmp_path)
    code, _, errors = elsewhere.lk('ab', specification)
    assert code == 2
    assert f'{TF} is not installed; lk types {bag} --build builds it' in errors
    assert types_graph.lk('types', bag, '--build')[0] == 0
    code, output, errors = types_graph.lk('ab', specification)
    assert code == 0, output + errors
    assert '20 of 20' in output
