"""Where types are: installed, built before, or to be built (by a colcon of straw)."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.cli.main import main
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import EnvironmentNotReadyError, MessageTypeError, TypeBuildError
from lk_dataset_ros.interfaces import (
    Installed,
    Overlay,
    State,
    build_missing,
    built_overlays,
    choose,
    interfaces_of,
    needs_of,
    newest,
    type_hash,
    variables_with,
)
from lk_dataset_ros.interfaces import build as building
from lk_dataset_ros.interfaces.description import _described
from lk_dataset_ros.interfaces.interface import closure
from lk_dataset_ros.interfaces.overlay import overlay_root
from lk_dataset_ros.message import Schema, builtin_schema

if TYPE_CHECKING:
    from collections.abc import Callable

SEPARATOR = '=' * 80
A, B = 'my_msgs/msg/A', 'my_msgs/msg/B'
#: The build tools that a package needs, as far as they are looked for.
TOOLS = ('ament_cmake', 'rosidl_default_generators', 'rosidl_runtime_c')


def description(schema: Schema) -> str:
    """Return what rosidl writes beside a type."""
    interfaces = interfaces_of(schema)
    parts = {name: _described(each) for name, each in interfaces.items()}
    for part in parts.values():
        for field in part['fields']:
            field['default_value'] = ''
    nested = sorted(closure(schema.name, interfaces) - {schema.name})
    return json.dumps(
        {
            'type_description_msg': {
                'type_description': parts[schema.name],
                'referenced_type_descriptions': [parts[name] for name in nested],
            },
            'type_hashes': [
                {'type_name': name, 'hash_string': type_hash(name, interfaces)}
                for name in (schema.name, *nested)
            ],
        }
    )


def install(prefix: Path, schema: Schema) -> None:
    """Install a type into a prefix, as far as it is looked at."""
    package, kind, own = schema.name.split('/')
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / package
    index.parent.mkdir(parents=True, exist_ok=True)
    index.touch()
    folder = prefix / 'share' / package / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{own}.json').write_text(description(schema))


@pytest.fixture
def ros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a prefix with the common types and the names of the build tools, and source it."""
    prefix = tmp_path / 'ros'
    for name in (
        'builtin_interfaces/msg/Time',
        'geometry_msgs/msg/Vector3',
        'std_msgs/msg/Header',
    ):
        install(prefix, builtin_schema(name))
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    for name in TOOLS:
        (index / name).touch()
        (prefix / 'share' / name).mkdir()
        (prefix / 'share' / name / 'package.xml').write_text('<version>1</version>')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return prefix


def needed(*schemas: Schema) -> dict[str, State]:
    """Return the state of each type that is needed."""
    return {
        need.name: need.state
        for need in needs_of([(f'/{i}', each) for i, each in enumerate(schemas)]).types.values()
    }


def nested(inner: str = 'int8 x') -> Schema:
    """Return a type with one of another package in it."""
    return Schema(A, f'my_parts/P p\n{SEPARATOR}\nMSG: my_parts/P\n{inner}\n')


def test_what_is_installed_is_found_and_compared(ros: Path) -> None:
    """Promise: installed types with the bag's hash, or without a word against it, are there."""
    header = builtin_schema('std_msgs/msg/Header')
    assert needed(header) == {header.name: State.INSTALLED}
    assert needed(Schema(header.name, header.text)) == {header.name: State.INSTALLED}
    assert needed(Schema(header.name, '')) == {header.name: State.INSTALLED}
    empty = builtin_schema('std_msgs/msg/Empty')
    install(ros, empty)
    assert needed(Schema(empty.name, '', type_hash=empty.type_hash)) == {
        empty.name: State.INSTALLED
    }


def test_another_type_of_that_name_is_an_error_that_shows_both(ros: Path) -> None:
    """Promise: both hashes are in the line, and what differs in which type."""
    schema = Schema('std_msgs/msg/Header', 'uint32 seq\nstring frame_id\n')
    (need,) = needs_of([('/h', schema)]).types.values()
    assert need.state == State.DIFFERS
    assert not need.is_usable
    installed = builtin_schema('std_msgs/msg/Header').type_hash
    assert need.type_hash in need.reason
    assert installed in need.reason
    assert '- uint32 seq' in need.reason
    assert '\n' not in need.reason
    assert '  + builtin_interfaces/msg/Time stamp' in need.changes
    by_hash = Schema('std_msgs/msg/Header', '', type_hash='RIHS01_' + '0' * 64)
    (need,) = needs_of([('/h', by_hash)]).types.values()
    assert need.state == State.DIFFERS
    assert installed in need.reason


def test_what_is_missing_is_named_with_its_parts(ros: Path) -> None:
    """Promise: a missing type can be built, and so can parts of it that are missing too."""
    needs = needs_of([('/a', nested()), ('/again', nested())])
    assert {name: need.state for name, need in needs.types.items()} == {
        A: State.MISSING,
        'my_parts/msg/P': State.MISSING,
    }
    assert needs.types[A].topics == ('/a', '/again')
    assert needs.types['my_parts/msg/P'].topics == ()


@pytest.mark.parametrize(
    ('schema', 'reason'),
    [
        (Schema(A, ''), 'does not define my_msgs/msg/A'),
        (Schema(A, 'my_parts/P p\n'), 'lacks the type'),
        (Schema(A, 'int8 x y z ;\n'), 'broken'),
        (Schema(A, 'int8 x\n', 'protobuf'), 'not known'),
        (Schema(A, 'int8 x\n', type_hash='RIHS01_' + '0' * 64), 'but the bag says RIHS01_000'),
        (Schema('std_msgs/msg/Other', 'int8 x\n'), 'although its package std_msgs is'),
        (Schema('os/msg/A', 'int8 x\n'), 'a Python module has that name'),
        (Schema('my_msgs/action/A_Feedback', 'int8 x\n'), 'part of an action'),
        (Schema('../../evil', 'int8 x\n'), 'is not a message type'),
        (Schema('evil', 'int8 x\n'), 'is not a message type'),
        (
            Schema(A, f'std_msgs/Header h\n{SEPARATOR}\nMSG: std_msgs/Header\nint8 x\n'),
            'cannot be built: std_msgs/msg/Header in the bag is not the installed one',
        ),
    ],
)
def test_what_cannot_be_built_says_why(ros: Path, schema: Schema, reason: str) -> None:
    """Promise: one line says why a type can neither be used nor built; nothing is raised."""
    need = needs_of([('/a', schema)]).types[schema.name]
    assert need.state == State.UNUSABLE
    assert reason in need.reason
    assert '\n' not in need.reason


def test_a_bag_that_contradicts_itself_is_not_built(ros: Path) -> None:
    """Promise: two definitions of one type in a bag are told, the first one counts."""
    other = Schema(B, f'my_parts/P p\n{SEPARATOR}\nMSG: my_parts/P\nint16 x\n')
    needs = needs_of([('/a', nested()), ('/b', other)])
    assert needs.types[A].state == State.MISSING
    assert needs.types[B].state == State.UNUSABLE
    assert 'in two ways' in needs.types[B].reason
    first, second = (Schema(A, 'int8 x\n', type_hash=f'RIHS01_{n}') for n in '12')
    assert 'two types of the name' in needs_of([('/a', first), ('/b', second)]).types[A].reason


@given(
    st.one_of(
        st.text(max_size=30),
        st.from_regex(r'[a-z_]{1,9}/(msg/|srv/|action/)?[A-Za-z]{1,9}(_Event)?', fullmatch=True),
    ),
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r'(u?int(8|32)|string|[a-z]{1,3}/[A-Z])(\[\d*\])? [a-z_]{1,9}( \d)?\n'),
    ),
    st.sampled_from(['ros2msg', 'ros2idl', '', 'jsonschema']),
    st.sampled_from(['', 'RIHS01_' + '0' * 64, 'junk']),
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_bag_makes_it_raise(
    ros: Path, name: str, text: str, encoding: str, type_hash: str
) -> None:
    """Promise: whatever a bag says of a type, the answer is a state; a bad one has a reason."""
    schema = Schema(name, text, encoding, type_hash)
    needs = needs_of([('/a', schema), ('/b', builtin_schema('std_msgs/msg/Header'))])
    assert needs.types['std_msgs/msg/Header'].state == State.INSTALLED
    (need,) = (each for each in needs.types.values() if '/a' in each.topics)
    assert need.is_usable == (not need.reason)
    assert '\n' not in need.reason


def test_short_names_are_full_ones(ros: Path) -> None:
    """Promise: `std_msgs/Header` is the type that is installed."""
    header = builtin_schema('std_msgs/msg/Header')
    assert needed(dataclasses.replace(header, name='std_msgs/Header')) == {
        header.name: State.INSTALLED
    }


def test_without_ros_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: without a sourced ROS 2 the types are listed, and nothing is said about them."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    assert needed(nested()) == {A: State.UNKNOWN}


def overlay_of(root: Path, schema: Schema, *, number: int, mark: str = '') -> Overlay:
    """Put a package of one type, and what it is made of, where what was built is looked for."""
    interfaces = interfaces_of(schema)
    package = schema.name.split('/')[0]
    types = {name: type_hash(name, interfaces) for name in interfaces}
    own = {name: value for name, value in types.items() if name.split('/')[0] == package}
    path = root / f'{package}-{mark or number}'
    path.mkdir(parents=True, mode=0o700)
    requires = {name: value for name, value in types.items() if name not in own}
    depends = tuple(sorted({name.split('/')[0] for name in requires}))
    overlay = Overlay(path, package, own, requires, depends, interfaces, number)
    (path / 'lk_types.json').write_text(overlay.to_json())
    return overlay


def folder_of_overlays() -> Path:
    """Make the folder of what was built, for this user only."""
    root = overlay_root(Installed())
    for folder in (root.parent.parent, root.parent, root):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    return root


def part(text: str = 'int8 x') -> Schema:
    """Return a type of the other package."""
    return Schema('my_parts/msg/P', f'{text}\n')


def test_what_was_built_is_used_by_its_hash(ros: Path) -> None:
    """Promise: of several versions of a package the one with the bag's types is chosen."""
    root = folder_of_overlays()
    old = overlay_of(root, Schema(A, 'int8 x\n'), number=1)
    new = overlay_of(root, Schema(A, 'int16 x\n'), number=2)
    assert needs_of([('/a', Schema(A, 'int8 x\n'))]).overlays == (old,)
    assert needs_of([('/a', Schema(A, 'int16 x\n'))]).overlays == (new,)
    assert needed(Schema(A, 'int32 x\n')) == {A: State.MISSING}
    assert newest(built_overlays(Installed()), Installed()) == [new]


def test_packages_bring_what_they_need_in_order(ros: Path) -> None:
    """Promise: a package comes after those that it needs, in the version that fits it."""
    root = folder_of_overlays()
    fitting = overlay_of(root, part(), number=1)
    whole = overlay_of(root, nested(), number=2)
    other = overlay_of(root, part('int16 x'), number=3)
    installed = Installed()
    overlays = built_overlays(installed)
    assert [each.made_ns for each in overlays] == [3, 2, 1]
    assert choose(overlays, whole.types, installed) == [fitting, whole]
    # The newest of all do not fit together: the newest of my_parts wins.
    assert newest(overlays, installed) == [other]
    assert choose([whole], whole.types, installed) == []


def test_a_package_that_is_installed_is_never_taken_from_what_was_built(ros: Path) -> None:
    """Promise: what is installed wins; a changed installation makes what was built unusable."""
    root = folder_of_overlays()
    overlay_of(root, part(), number=1)
    whole = overlay_of(root, nested(), number=2)
    install(ros, part('int16 x'))
    installed = Installed()
    assert built_overlays(installed) == [whole]
    assert choose([whole], whole.types, installed) == []
    assert needed(part()) == {'my_parts/msg/P': State.DIFFERS}


def test_a_damaged_or_foreign_folder_is_not_used(ros: Path) -> None:
    """Promise: without a whole manifest a folder is none; of others it is refused."""
    root = folder_of_overlays()
    overlay = overlay_of(root, part(), number=1)
    text = (overlay.path / 'lk_types.json').read_text()
    for damaged in ('', text[:50], '[]', '{}', text.replace('"format": 1', '"format": 99')):
        (overlay.path / 'lk_types.json').write_text(damaged)
        assert built_overlays(Installed()) == []
    root.chmod(0o770)
    with pytest.raises(EnvironmentNotReadyError, match='others may write'):
        built_overlays(Installed())


def test_relative_cache_folders_are_ignored(
    ros: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: a relative XDG_CACHE_HOME is ignored, as its specification says."""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('XDG_CACHE_HOME', 'somewhere')
    assert (tmp_path / '.cache') in overlay_root(Installed()).parents


def test_another_ros_has_other_packages(ros: Path) -> None:
    """Promise: another version of rosidl, or place of ROS, does not see what was built here."""
    before = overlay_root(Installed())
    (ros / 'share' / 'rosidl_runtime_c' / 'package.xml').write_text('<version>2</version>')
    assert overlay_root(Installed()) != before


def test_variables_come_after_those_of_the_environment(ros: Path) -> None:
    """Promise: what was built is found last, once, and in one version."""
    root = folder_of_overlays()
    old = overlay_of(root, part(), number=1)
    new = overlay_of(root, part('int16 x'), number=2)
    first = variables_with([old], {'AMENT_PREFIX_PATH': str(ros), 'PYTHONPATH': '/mine'})
    assert first['AMENT_PREFIX_PATH'] == f'{ros}{os.pathsep}{old.path}'
    assert first['PYTHONPATH'].startswith('/mine' + os.pathsep + str(old.path))
    assert first['LD_LIBRARY_PATH'] == str(old.path / 'lib')
    assert variables_with([old], first) == first
    second = variables_with([new], first)
    assert str(old.path) not in ''.join(second.values())
    assert second['AMENT_PREFIX_PATH'] == f'{ros}{os.pathsep}{new.path}'


STRAW = """
    import json, pathlib, sys, time
    arguments = sys.argv[1:]
    base = pathlib.Path(arguments[arguments.index('--base-paths') + 1])
    target = pathlib.Path(arguments[arguments.index('--install-base') + 1])
    descriptions = json.loads(pathlib.Path({descriptions!r}).read_text())
    {first}
    for source in base.iterdir():
        for name, text in descriptions.items():
            package, kind, own = name.split('/')
            if package == source.name:
                folder = target / package / 'share' / package / kind
                folder.mkdir(parents=True, exist_ok=True)
                (folder / (own + '.json')).write_text(text)
        index = target / source.name / 'share/ament_index/resource_index/packages'
        index.mkdir(parents=True)
        (index / source.name).touch()
"""


@pytest.fixture
def colcon(ros: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts a script in the place of colcon."""

    def put(*built: Schema, first: str = '') -> None:
        descriptions = tmp_path / 'descriptions.json'
        descriptions.write_text(json.dumps({each.name: description(each) for each in built}))
        script = tmp_path / 'colcon.py'
        script.write_text(
            textwrap.dedent(STRAW).format(descriptions=str(descriptions), first=first)
        )
        monkeypatch.setattr(building, 'colcon_command', lambda _: [sys.executable, str(script)])
        monkeypatch.setattr(building, 'check_import', lambda *_: None)

    return put


def test_what_is_missing_is_built_once(colcon: Callable[..., None]) -> None:
    """Promise: after a build the types are there; a second one has nothing to do."""
    colcon(nested(), part())
    told: list[str] = []
    built = build_missing([('/a', nested())], say=told.append)
    assert [each.package for each in built.overlays] == ['my_parts', 'my_msgs']
    assert told == ['building my_parts, my_msgs ...']
    assert needed(nested()) == {A: State.BUILT, 'my_parts/msg/P': State.BUILT}
    colcon(first='sys.exit("must not be started")')
    assert build_missing([('/a', nested())]).overlays == ()
    root = overlay_root(Installed())
    assert not list(root.glob('.build-*'))
    text = (built.overlays[0].path / 'share' / 'my_parts' / 'msg' / 'P.msg').read_text()
    assert text == 'int8 x\n'


def test_a_package_keeps_the_types_of_earlier_builds(colcon: Callable[..., None]) -> None:
    """Promise: two bags with different types of one package can be used in one process."""
    first, second = Schema(A, 'int8 x\n'), Schema(B, 'int8 y\n')
    colcon(first, second)
    build_missing([('/a', first)])
    (overlay,) = build_missing([('/b', second)]).overlays
    assert set(overlay.types) == {A, B}
    assert newest(built_overlays(Installed()), Installed()) == [overlay]
    assert (overlay.path / 'share' / 'my_msgs' / 'msg' / 'A.msg').read_text() == 'int8 x\n'


def test_a_type_that_has_changed_is_built_beside_the_old_one(colcon: Callable[..., None]) -> None:
    """Promise: another version of a type makes a package of its own; both bags can be played."""
    first, second = Schema(A, 'int8 x\n'), Schema(A, 'int16 x\n')
    colcon(first)
    build_missing([('/a', first)])
    colcon(second)
    (overlay,) = build_missing([('/a', second)]).overlays
    assert set(overlay.types) == {A}
    assert needed(first) == needed(second) == {A: State.BUILT}


def test_a_wrong_hash_after_building_is_an_error(colcon: Callable[..., None]) -> None:
    """Promise: what is not the bag's type is not put in place, and both hashes are told."""
    wanted, made = Schema(A, 'int8 x\n'), Schema(A, 'int16 x\n')
    colcon(made)
    with pytest.raises(TypeBuildError, match='it is not used') as caught:
        build_missing([('/a', wanted)])
    for schema in (wanted, made):
        assert type_hash(A, interfaces_of(schema)) in str(caught.value)
    assert built_overlays(Installed()) == []


def test_a_build_that_fails_says_why_and_keeps_its_log(colcon: Callable[..., None]) -> None:
    """Promise: the first error is in the line, and the log that it names has the rest."""
    colcon(part(), first='print("hm"); sys.exit("x.c:1: error: no such thing")')
    with pytest.raises(TypeBuildError, match=r'exit code 1.*error: no such thing') as caught:
        build_missing([('/p', part())])
    log = Path(str(caught.value).rpartition(' ')[2])
    assert log.read_text().splitlines() == ['hm', 'x.c:1: error: no such thing']
    assert '\n' not in str(caught.value)


def test_a_build_that_takes_too_long_is_ended(colcon: Callable[..., None], tmp_path: Path) -> None:
    """Promise: at the limit the build and all that it started are ended."""
    mark = tmp_path / 'pid'
    first = (
        f'import os, subprocess; child = subprocess.Popen(["sleep", "60"]); '
        f'pathlib.Path({str(mark)!r}).write_text(f"{{child.pid}}"); time.sleep(60)'
    )
    colcon(part(), first=first.replace('{', '{{').replace('}', '}}').format())
    started_s = time.monotonic()
    with pytest.raises(TypeBuildError, match='not through in time'):
        build_missing([('/p', part())], time_limit_s=2.0)
    assert time.monotonic() - started_s < 20.0
    status = Path(f'/proc/{mark.read_text()}/status')
    # Where nobody reaps it, it is there as a zombie.
    assert not status.exists() or 'State:\tZ' in status.read_text()


def test_a_build_can_be_given_up(colcon: Callable[..., None]) -> None:
    """Promise: a node that is told to end does not wait for its build."""
    colcon(part(), first='time.sleep(60)')
    asked = iter([False, False, True])
    with pytest.raises(TypeBuildError, match='building my_parts was interrupted; its log is'):
        build_missing([('/p', part())], is_stopping=lambda: next(asked, True))


def test_two_builds_at_once_wait_for_each_other(colcon: Callable[..., None]) -> None:
    """Promise: while another process builds, this one waits, says so, and gives up at the limit."""
    colcon(part())
    root = folder_of_overlays()
    told: list[str] = []
    with (root / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TypeBuildError, match=r'another process .* is not through in time'):
            build_missing([('/p', part())], time_limit_s=0.3, say=told.append)
    assert told == ['waiting for another process that builds types ...']
    assert len(build_missing([('/p', part())]).overlays) == 1


def test_remains_of_a_killed_build_are_removed(colcon: Callable[..., None]) -> None:
    """Promise: what a killed build left behind is gone after the next one."""
    colcon(part())
    (folder_of_overlays() / '.build-dead' / 'src').mkdir(parents=True)
    build_missing([('/p', part())])
    assert not list(overlay_root(Installed()).glob('.build-*'))


@pytest.mark.parametrize(
    'lacking', ['ament_cmake', 'rosidl_default_generators', 'cmake', 'colcon']
)
def test_what_a_build_needs_is_named(
    ros: Path, lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: without colcon, cmake or rosidl one line says what is to be installed."""
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in ('cmake', 'make', 'c++', 'colcon'):
        (tools / name).write_text('#!/bin/sh\n')
        (tools / name).chmod(0o755)
    monkeypatch.setenv('PATH', str(tools))
    monkeypatch.setattr('importlib.util.find_spec', lambda *_: None)
    if (tools / lacking).exists():
        (tools / lacking).unlink()
    else:
        (ros / 'share/ament_index/resource_index/packages' / lacking).unlink()
    with pytest.raises(EnvironmentNotReadyError, match=rf'{lacking} is not installed \(.*install'):
        build_missing([('/p', part())])


def test_nothing_is_built_without_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: without a sourced ROS 2 that is what is missing."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    with pytest.raises(EnvironmentNotReadyError, match='no ROS 2 is sourced'):
        build_missing([('/p', part())])


def write_bag(path: Path, *schemas: Schema) -> Path:
    """Write a bag with one empty topic of each type."""
    with Dataset.create('mcap', path) as dataset:
        for index, schema in enumerate(schemas):
            dataset.declare(f'/topic_{index}', schema)
            dataset.write(f'/topic_{index}', new(schema), timestamp_ns=1_000)
    return path


def new(schema: Schema) -> Any:
    """Make a message."""
    from lk_dataset_ros import new_message

    return new_message(schema)


def test_lk_types_lists_and_builds(
    colcon: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: `lk types` lists with exit code 1, `--build` builds with 0."""
    bag = write_bag(tmp_path / 'bag', part(), builtin_schema('std_msgs/msg/Header'))
    assert main(['types', str(bag)]) == 1
    output = capsys.readouterr().out
    assert 'my_parts/msg/P       missing    /topic_0' in output
    assert 'std_msgs/msg/Header  installed  /topic_1' in output
    assert f'1 type is missing; to build: lk types {bag} --build' in output
    colcon(part())
    assert main(['types', str(bag), '--build']) == 0
    output = capsys.readouterr().out
    assert 'my_parts/msg/P       built      /topic_0' in output
    assert 'built my_parts (1 type, hashes as in the bag)' in output
    assert main(['types', str(bag), '--json']) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content['format'], content['version']) == ('lk_dataset_ros/types', 1)
    assert {each['name']: each['state'] for each in content['types']} == {
        'my_parts/msg/P': 'built',
        'std_msgs/msg/Header': 'installed',
    }


def test_lk_types_shows_both_types_that_differ(
    ros: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: another type than the installed one is an error, exit code 2, with both shown."""
    bag = write_bag(
        tmp_path / 'bag', Schema('std_msgs/msg/Header', 'string frame_id\nint8 more\n')
    )
    assert main(['types', str(bag)]) == 2
    output, error = capsys.readouterr()
    assert 'std_msgs/msg/Header differs from the installed one:' in output
    assert '- int8 more' in output
    assert '+ builtin_interfaces/msg/Time stamp' in output
    assert error.startswith('lk: error: std_msgs/msg/Header in the bag is not the installed one')
    assert error.count('\n') == 1
    assert error.count('RIHS01_') == 2


def test_description_of_rosidl_is_checked(ros: Path) -> None:
    """Promise: a broken file of the installation is named, not a traceback."""
    path = ros / 'share' / 'std_msgs' / 'msg' / 'Header.json'
    path.write_text('{}')
    need = needs_of([('/h', builtin_schema('std_msgs/msg/Header'))]).types['std_msgs/msg/Header']
    assert need.state == State.UNUSABLE
    assert 'not a type description' in need.reason
    with pytest.raises(MessageTypeError):
        Installed().find('std_msgs/msg/Header')
