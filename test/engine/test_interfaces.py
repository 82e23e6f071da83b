"""Interface packages from a bag's definitions: hashes, texts, and what is refused."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.databases.rosbag2.definitions import as_event
from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces import difference, interfaces_of, type_hash
from lk_dataset_ros.interfaces.interface import from_plain, to_plain
from lk_dataset_ros.interfaces.packages import PackageSource, package_sources
from lk_dataset_ros.interfaces.texts import definition_files, parts_of
from lk_dataset_ros.message import ROS2IDL, Schema, builtin_schema

REAL_BAG = Path(__file__).resolve().parents[3] / 'shared' / 'bags' / 'nav2_turtlebot.mcap'
SEPARATOR = '=' * 80
STORE = get_typestore(Stores.ROS2_JAZZY)
#: What may stand in a file that is compiled: no backslash, quote, `*`, `$`, `@`, `#`, `?` but ours.
PLAIN = re.compile(r'[A-Za-z0-9 _.,:;+=/()\[\]<>!^~|&{}\n"\'@#-]*')


def sources(name: str, text: str, encoding: str = 'ros2msg') -> list[PackageSource]:
    """Return the packages that a definition needs, as if nothing were installed but ROS 2's."""
    interfaces = interfaces_of(Schema(name, text, encoding))
    wanted = [each for each in interfaces if each not in STORE.fielddefs]
    return package_sources(interfaces, wanted)


def idl(name: str, text: str) -> str:
    """Return the IDL of a single message."""
    (source,) = sources(name, text)
    package, kind, own = name.split('/')
    return source.files[f'{kind}/{own}.idl']


def test_hashes_of_common_types_are_those_of_another_library() -> None:
    """Promise: the hash of every common type of ROS 2 Jazzy is the one that rosbags computes.

    But for those with a `char`, which is a number in a .msg file (rosidl says so, too).
    """
    compared = 0
    for name in STORE.fielddefs:
        interfaces = interfaces_of(builtin_schema(name))
        if '/msg/' in name and not re.search(r'\bchar\b', builtin_schema(name).text):
            assert type_hash(name, interfaces) == STORE.hash_rihs01(name), name
            compared += 1
    assert compared > 150
    gid = 'rmw_dds_common/msg/Gid'
    by_rosidl = 'RIHS01_ab6f21cfbb0a6dbb837161e1110c2051a2850ed9f9c53944d7115d9bcebedf71'
    assert type_hash(gid, interfaces_of(builtin_schema(gid))) == by_rosidl


@pytest.mark.skipif(not REAL_BAG.exists(), reason=f'{REAL_BAG} is not there')
def test_hashes_of_a_real_bag() -> None:
    """Promise: the hash of a definition in a real bag is the one that its recorder wrote."""
    with McapDatabase(REAL_BAG, 'r') as bag:
        topics = bag.topics()
    for topic in topics.values():
        name = topic.schema.name
        assert type_hash(name, interfaces_of(topic.schema)) == topic.schema.type_hash
    assert 'tf2_msgs/msg/TFMessage' in {topic.schema.name for topic in topics.values()}


NUMBERS = ['bool', 'float32', 'float64'] + [
    f'{u}int{n}' for u in ('', 'u') for n in (8, 16, 32, 64)
]
ELEMENTS = st.one_of(
    st.sampled_from([*NUMBERS, 'string', 'geometry_msgs/Vector3', 'Part']),
    st.integers(1, 99).map(lambda bound: f'string<={bound}'),
)
SIZES = st.one_of(
    st.just(''),
    st.just('[]'),
    st.integers(1, 9).map(lambda size: f'[{size}]'),
    st.integers(1, 9).map(lambda size: f'[<={size}]'),
)


@given(
    st.lists(st.tuples(ELEMENTS, SIZES), max_size=8),
    st.lists(st.tuples(ELEMENTS, SIZES).filter(lambda each: each[0] != 'Part'), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_hashes_of_any_definition(
    fields: list[tuple[str, str]], inner: list[tuple[str, str]]
) -> None:
    """Promise: bounds, arrays, sequences and nesting count as they do in rosbags."""

    def lines(members: list[tuple[str, str]]) -> str:
        return ''.join(f'{base}{size} f{i}\n' for i, (base, size) in enumerate(members))

    vector = 'float64 x\nfloat64 y\nfloat64 z\n'
    text = (
        f'{lines(fields)}{SEPARATOR}\nMSG: my_msgs/Part\n{lines(inner)}'
        f'{SEPARATOR}\nMSG: geometry_msgs/Vector3\n{vector}'
    )
    name = 'my_msgs/msg/Whole'
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(lines(inner), 'my_msgs/msg/Part'))
    store.register(get_types_from_msg(lines(fields), name))
    interfaces = interfaces_of(Schema(name, text))
    assert type_hash(name, interfaces) == store.hash_rihs01(name)
    assert from_plain(to_plain(interfaces)) == interfaces


def test_events_of_a_service_have_the_hash_of_the_service() -> None:
    """Promise: a service's definition in a bag gives the type of its events (rosidl's hash)."""
    name = 'std_srvs/srv/Trigger_Event'
    text = as_event(name, '---\nbool success\nstring message\n')
    expected = 'RIHS01_ec4a1d26b0575e61906890342aba9523a2360e9845857c5590fa6e23bc39e1c2'
    assert type_hash(name, interfaces_of(Schema(name, text))) == expected


def test_feedback_of_an_action_has_the_hash_of_the_action() -> None:
    """Promise: in a bag the parts of an action are named like messages, but are parts of it."""
    name = 'my_msgs/action/Go_FeedbackMessage'
    uuid = 'uint8[16] uuid\n'
    text = (
        f'unique_identifier_msgs/UUID goal_id\nmy_msgs/Go_Feedback feedback\n{SEPARATOR}\n'
        f'MSG: my_msgs/Go_Feedback\nfloat32 left\n{SEPARATOR}\n'
        f'MSG: unique_identifier_msgs/UUID\n{uuid}'
    )
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('float32 left\n', 'my_msgs/action/Go_Feedback'))
    (fields,) = get_types_from_msg(
        'unique_identifier_msgs/UUID goal_id\nmy_msgs/Go_Feedback feedback\n', name
    ).values()
    changed = [
        (own, node if own == 'goal_id' else (node[0], 'my_msgs/action/Go_Feedback'))
        for own, node in fields[1]
    ]
    store.register({name: ([], changed)})
    assert type_hash(name, interfaces_of(Schema(name, text))) == store.hash_rihs01(name)


def test_octets_and_chars_are_those_of_their_language() -> None:
    """Promise: `char` is a number in a .msg file and a character in IDL; `byte` is an octet."""
    (source,) = sources('my_msgs/msg/A', 'char c 65\nbyte b 7\n')
    assert 'uint8 c;' in source.files['msg/A.idl']
    assert 'octet b;' in source.files['msg/A.idl']
    text = 'module my_msgs { module msg { struct A { char c; octet b; uint8 n; }; }; };'
    (source,) = sources('my_msgs/msg/A', text, ROS2IDL)
    for line in ('char c;', 'octet b;', 'uint8 n;'):
        assert f'      {line}\n' in source.files['msg/A.idl']


def test_fields_constants_and_defaults_are_written() -> None:
    """Promise: every kind of field, with its bounds and default, and constants are in the IDL."""
    text = idl(
        'my_msgs/msg/All',
        'int8 LEAST=-128\nstring WORD="a b"\nfloat64[3] v [1.0, 2.5, -3.0]\nstring<=4[<=3] few\n'
        'string<=4[2] two\nbool[2] flags [true, false]\nint32[] list [7]\nstring s "plain"\n'
        'bool on true\nstring[2] words ["a", "b"]\nfloat32 small 1e-7\nwstring wide\n',
    )
    for line in (
        'const int8 LEAST = -128;',
        'const string WORD = "a b";',
        'typedef double double__3[3];',
        '@default (value="(1.0, 2.5, -3.0)")',
        'double__3 v;',
        'sequence<string<4>, 3> few;',
        'typedef string<4> string__4;',
        'typedef string__4 string__4__2[2];',
        'string__4__2 two;',
        '@default (value="(True, False)")',
        '@default (value="(7,)")',
        'sequence<int32> list;',
        '@default (value="plain")',
        '@default (value=TRUE)',
        "@default (value=\"('a', 'b')\")",
        '@default (value=1e-07)',
        'wstring wide;',
    ):
        assert line in text, line


@given(
    st.text(string.printable, max_size=40),
    st.text(string.printable, max_size=40),
    st.text(st.characters(codec='utf-8'), max_size=40),
)
@settings(max_examples=100, deadline=None)
def test_nothing_of_a_text_reaches_the_compiler(comment: str, value: str, wild: str) -> None:
    """Promise: comments, and strings that a language gives a meaning, are not in what is built."""
    # The parsers take strings in either quote; a line break ends the definition's line.
    quoted = value.replace('\n', '').replace('\r', '').replace("'", '').replace('#', '')
    text = (
        f'# {" ".join(comment.split())} MARK\nint32 a # {" ".join(wild.split())} MARK\n'
        f"string S='{quoted}'\nstring d '{quoted}'\n"
    )
    try:
        (source,) = sources('my_msgs/msg/A', text)
    except MessageTypeError:
        return
    body = source.files['msg/A.idl']
    assert PLAIN.fullmatch(body)
    assert 'MARK' not in body
    found = re.search(r'const string S = "(.*)";', body)
    assert found is None or not set(found[1]) & set('"\\\'*?$@#%`{}')
    assert bool(found) != any('constant S' in each for each in source.left_out)


@pytest.mark.parametrize('value', ['a"b', 'a\\', 'x??/', '*/ int', '@(1)', '${HOME}', 'é', '%s'])
def test_strings_with_a_meaning_are_left_out_and_named(value: str) -> None:
    """Promise: such constants and defaults are left out; the type is still built, and tells."""
    schema = Schema('my_msgs/msg/A', f"string S='{value}'\nstring d '{value}'\nint8 x\n")
    (source,) = package_sources(interfaces_of(schema), ['my_msgs/msg/A'])
    assert source.left_out == ('constant S of my_msgs/msg/A', 'default of my_msgs/msg/A.d')
    assert 'S =' not in source.files['msg/A.idl']


@pytest.mark.parametrize(
    'name',
    [
        'os/msg/Evil',
        'json/msg/Evil',
        'winreg/msg/Evil',
        'numpy/msg/Evil',
        'rclpy/msg/Evil',
        'lk_dataset_ros/msg/Evil',
        'rosidl_evil/msg/Evil',
        'ament_evil/msg/Evil',
        'class/msg/Evil',
        'import/msg/Evil',
        'Evil/msg/Evil',
        'a__b/msg/Evil',
        'evil_/msg/Evil',
        'a/msg/Evil',
        'x' * 100 + '/msg/Evil',
        'my_msgs/msg/evil',
        'my_msgs/msg/E_vil',
        'my_msgs/msg/' + 'E' * 100,
        'my_msgs/action/Evil',
    ],
)
def test_names_that_must_not_be_built_are_refused(name: str) -> None:
    """Promise: what would take another module's place, or is no name for rosidl, is not written."""
    with pytest.raises(MessageTypeError):
        sources(name, 'int8 x\n')


@pytest.mark.parametrize(
    'name',
    [
        '../evil/msg/A',
        'my_msgs/msg/../../A',
        'my msgs/msg/A',
        'my_msgs)\nexecute_process(COMMAND id)\n#/msg/A',
        'my_msgs/msg/A;B',
        'my_msgs/msg/A"',
        'my_msgs/msg/$ENV{HOME}',
        '/my_msgs/msg/A',
        'my_msgs//A',
        'my_msgs/msg/A\n',
        'mÿ_msgs/msg/A',
    ],
)
def test_names_that_are_paths_or_code_are_refused(name: str) -> None:
    """Promise: a name that would lead outside, or be read as CMake, is no type name."""
    with pytest.raises((MessageTypeError, ValueError)):
        sources(name, 'int8 x\n')


@pytest.mark.parametrize(
    'text',
    [
        'int8 a__b\n',
        'int8 class\n',
        'int8 operator\n',
        f'evil__x/A a\n{SEPARATOR}\nMSG: evil__x/A\nint8 x\n',
        f'other/a_b a\n{SEPARATOR}\nMSG: other/a_b\nint8 x\n',
        'int8 ' + 'a' * 200 + '\n',
    ],
)
def test_members_that_cannot_be_built_are_refused(text: str) -> None:
    """Promise: fields whose names break the generated code are refused before it is generated."""
    with pytest.raises(MessageTypeError):
        sources('my_msgs/msg/A', text)


def test_packages_come_in_the_order_of_building() -> None:
    """Promise: packages that need each other's types are written apart, needed ones first."""
    text = (
        f'zz_parts/B b\ngeometry_msgs/Vector3 v\n{SEPARATOR}\nMSG: zz_parts/B\naa_parts/C[2] c\n'
        f'{SEPARATOR}\nMSG: aa_parts/C\nint8 x\n'
        f'{SEPARATOR}\nMSG: geometry_msgs/Vector3\nfloat64 x\nfloat64 y\nfloat64 z\n'
    )
    found = sources('my_msgs/msg/A', text)
    assert [source.name for source in found] == ['aa_parts', 'zz_parts', 'my_msgs']
    whole = found[2]
    assert whole.depends == ('geometry_msgs', 'zz_parts')
    assert set(whole.requires) == {'zz_parts/msg/B', 'aa_parts/msg/C', 'geometry_msgs/msg/Vector3'}
    assert whole.requires['geometry_msgs/msg/Vector3'] == STORE.hash_rihs01(
        'geometry_msgs/msg/Vector3'
    )
    assert '<depend>zz_parts</depend>' in whole.files['package.xml']
    assert 'find_package(zz_parts REQUIRED)' in whole.files['CMakeLists.txt']
    assert 'DEPENDENCIES geometry_msgs zz_parts)' in whole.files['CMakeLists.txt']


def test_packages_in_a_circle_are_refused() -> None:
    """Promise: packages of which each needs the other cannot be built, and that is said."""
    text = (
        f'bb_msgs/B b\n{SEPARATOR}\nMSG: bb_msgs/B\naa_msgs/C c\n'
        f'{SEPARATOR}\nMSG: aa_msgs/C\nint8 x\n'
    )
    with pytest.raises(MessageTypeError, match='in a circle'):
        sources('aa_msgs/msg/A', text)


def test_the_key_tells_contents_apart(tmp_path: Path) -> None:
    """Promise: equal content has an equal key, other content (a needed type, too) another."""

    def key(part: str, field: str = 'x', of: str = 'aa_msgs') -> str:
        text = f'bb_msgs/B {field}\n{SEPARATOR}\nMSG: bb_msgs/B\n{part} y\n'
        return {each.name: each.key for each in sources('aa_msgs/msg/A', text)}[of]

    assert key('int8') == key('int8')
    assert len({key('int8'), key('int16'), key('int8', 'z')}) == 3
    assert key('int8', of='bb_msgs') == key('int8', 'z', of='bb_msgs')


def test_a_service_is_written_as_a_service() -> None:
    """Promise: events of a service bring request and response into one IDL file and one .srv."""
    name = 'my_msgs/srv/Ask_Event'
    schema = Schema(name, as_event(name, 'string question\n---\n# why\nint64 answer\n'))
    (source,) = sources(name, schema.text)
    assert sorted(source.types) == [
        'my_msgs/srv/Ask_Event',
        'my_msgs/srv/Ask_Request',
        'my_msgs/srv/Ask_Response',
    ]
    body = source.files['srv/Ask.idl']
    assert 'struct Ask_Request {\n      string question;' in body
    assert 'struct Ask_Response {\n      int64 answer;' in body
    files = definition_files(source.types, parts_of(schema))
    assert files == {'srv/Ask.srv': 'string question\n---\n# why\nint64 answer\n'}


def test_texts_are_kept_as_they_are() -> None:
    """Promise: each part of a definition is kept with its comments, for whoever records it."""
    schema = builtin_schema('geometry_msgs/msg/TransformStamped')
    text = f'# what it is\n{schema.text}'
    parts = parts_of(Schema('geometry_msgs/msg/TransformStamped', text))
    assert parts['geometry_msgs/msg/TransformStamped'].startswith('# what it is\n')
    again = [
        f'{SEPARATOR}\nMSG: {name.replace("/msg", "")}\n{body}' for name, body in parts.items()
    ]
    assert '\n'.join(again).partition('\n')[2].partition('\n')[2] == text
    assert parts_of(Schema('my_msgs/msg/A', 'x', ROS2IDL)) == {}


def test_differences_name_the_fields() -> None:
    """Promise: of two definitions the lines that differ are shown, with the type they are in."""
    ours = interfaces_of(Schema('my_msgs/msg/A', 'int8 x\nstring<=4 name\n'))
    theirs = interfaces_of(Schema('my_msgs/msg/A', 'int8 x\nstring name\n'))
    assert difference(ours, theirs, ours) == [
        'my_msgs/msg/A',
        '    int8 x',
        '  - string<=4 name',
        '  + string name',
    ]
    assert difference(ours, ours, ours) == []


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: the number of packages and of types in one is bounded."""
    monkeypatch.setattr('lk_dataset_ros.interfaces.packages.MAX_FILES', 1)
    with pytest.raises(MessageTypeError, match='my_msgs has 2 types; up to 1'):
        sources('my_msgs/msg/A', f'B b\n{SEPARATOR}\nMSG: my_msgs/B\nint8 x\n')
    monkeypatch.setattr('lk_dataset_ros.interfaces.packages.MAX_PACKAGES', 1)
    with pytest.raises(MessageTypeError, match='2 packages would have to be built'):
        sources('my_msgs/msg/A', f'bb_msgs/B b\n{SEPARATOR}\nMSG: bb_msgs/B\nint8 x\n')


def test_types_with_one_file_name_are_refused() -> None:
    """Promise: two types whose generated files would be one file are refused."""
    with pytest.raises(MessageTypeError, match='upper and lower case only'):
        sources('my_msgs/msg/Abc', f'ABC b\n{SEPARATOR}\nMSG: my_msgs/ABC\nint8 x\n')


def test_a_package_is_written_into_its_folder(tmp_path: Path) -> None:
    """Promise: all files lie below the folder, in plain ASCII."""
    (source,) = sources('my_msgs/msg/A', '# ö\nint8 x\n')
    source.write(tmp_path / 'my_msgs')
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file()}
    assert found == {
        'my_msgs/CMakeLists.txt',
        'my_msgs/package.xml',
        'my_msgs/msg/A.idl',
    }
