"""`lk convert`, `lk merge`, `lk slice`: copies against the mcap library's reader and brute force."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader

from lk_dataset_ros.cli import copying as cli_copying
from lk_dataset_ros.cli.main import main
from lk_dataset_ros.cli.progress import progress
from lk_dataset_ros.cli.times import time_ns_of
from lk_dataset_ros.dataset import Dataset, McapDatabase, MemoryDatabase
from lk_dataset_ros.dataset.copying import Source, copy, is_same_definition, latched_depth
from lk_dataset_ros.dataset.creation import creating
from lk_dataset_ros.errors import BagExistsError, DatasetError, MessageTypeError
from lk_dataset_ros.message import Schema

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000
INT32 = Schema('demo/msg/Number', 'int32 data\n')
LATCHED = '- history: keep_last\n  depth: 1\n  durability: transient_local\n'


def records(path: Path) -> list[tuple[Any, ...]]:
    """Return everything that is kept of each message, as the mcap library reads it."""
    file = path if path.is_file() else next(path.glob('*.mcap'))
    with file.open('rb') as stream:
        return [
            (
                channel.topic,
                message.log_time,
                message.publish_time,
                message.sequence,
                message.data,
                schema.name if schema else '',
                schema.encoding if schema else '',
                schema.data if schema else b'',
                channel.message_encoding,
                channel.metadata.get('offered_qos_profiles', ''),
            )
            for schema, channel, message in make_reader(stream).iter_messages()
        ]


def compression_of(path: Path) -> set[str]:
    """Return how the chunks of a file are compressed."""
    with path.open('rb') as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    return {each.compression for each in summary.chunk_indexes}


def numbers(
    times: list[int], key: str = '/n', *, qos: str = '', schema: Schema = INT32
) -> Dataset:
    """Make a dataset of messages that carry their number."""
    dataset = Dataset(MemoryDatabase())
    dataset.declare(key, schema, qos)
    for index, time_ns in enumerate(times):
        cdr = b'\0\1\0\0' + index.to_bytes(4, 'little')
        dataset.write_serialized(key, cdr, time_ns, time_ns - 1, index)
    return dataset


def saved(dataset: Dataset, path: Path) -> Path:
    """Write a dataset as a bag."""
    with McapDatabase(path, 'w') as bag:
        copy([Source(dataset)], bag)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """Run `lk`, check that it was refused in one line, and return that line."""
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('lk: error: ')
    return line


def run(*arguments: Any) -> None:
    """Run `lk` and check that it was done."""
    assert main([str(each) for each in arguments]) == 0


@pytest.mark.parametrize(
    ('compression', 'name', 'stored'), [('none', 'out', ''), ('lz4', 'out.mcap', 'lz4')]
)
def test_a_converted_bag_holds_the_same_records(
    kit: Any, compression: str, name: str, stored: str
) -> None:
    """Promise: only the compression changes: records, definitions and QoS are the same."""
    items = sorted([*kit.drive(50), *kit.drive(30, key='/b')], key=lambda item: item[2])
    path = kit.bare('in.mcap', items)
    out = kit.folder / name
    run('convert', path, out, '--compression', compression, '--chunk-size', 4096)
    assert records(out) == records(path)
    assert len(records(out)) == 80
    file = out if out.is_file() else out / 'out_0.mcap'
    assert compression_of(file) == {stored}
    assert out.is_file() == (name == 'out.mcap')
    assert (out / 'metadata.yaml').is_file() == (name == 'out')
    assert sorted(each.name for each in kit.folder.iterdir()) == sorted(['in.mcap', name])


def test_there_and_back_through_a_pickle(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: a bag that went through a pickle has the same records, QoS and all."""
    source = numbers([S, 2 * S, 2 * S, 5 * S], '/map', qos=LATCHED)
    path = saved(source, kit.folder / 'in')
    run('convert', path, kit.folder / 'x.pkl')
    assert 'wrote ' in capsys.readouterr().out
    run('convert', kit.folder / 'x.pkl', kit.folder / 'out')
    assert records(kit.folder / 'out') == records(path)
    assert records(path)[0][-1] == LATCHED


def test_topics_without_messages_are_kept(kit: Any) -> None:
    """Promise: a topic that nobody sent to is there in the copy."""
    path = saved(numbers([], '/silent'), kit.folder / 'in')
    run('convert', path, kit.folder / 'out')
    with Dataset.load(kit.folder / 'out') as copied:
        assert copied.keys() == ['/silent']


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['--topics', '/a,/b'], {'/a', '/b'}),
        (['--topics', '/a', '--topics', '/c/x'], {'/a', '/c/x'}),
        (['--regex', '^/c'], {'/c/x', '/c/y'}),
        (['--exclude', 'x|a'], {'/b', '/c/y'}),
        (['--topics', '/a', '--regex', '/c/', '--exclude', 'y$'], {'/a', '/c/x'}),
    ],
)
def test_topics_are_chosen(kit: Any, options: list[str], expected: set[str]) -> None:
    """Promise: names and patterns add up, exclusion takes away."""
    items = [(key, kit.odometry(0), S) for key in ('/a', '/b', '/c/x', '/c/y')]
    run('convert', kit.bag('in', items), kit.folder / 'out', *options)
    assert {record[0] for record in records(kit.folder / 'out')} == expected


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['convert', 'in', 'in'], 'exists'),
        (['convert', 'none', 'out'], 'none'),
        (['convert', 'in', 'out', '--to', 'nonsense'], "'nonsense'"),
        (['convert', 'in', 'out', '--to', 'memory'], 'memory'),
        (['convert', 'in', 'out.db3'], '.db3 files are not written'),
        (['convert', 'in', 'out.pkl', '--compression', 'lz4'], 'compression'),
        (['convert', 'in', 'out', '--compression', 'rar'], 'rar'),
        (['convert', 'in', 'out', '--topics', '/x'], 'there is no /x'),
        (['convert', 'in', 'out', '--regex', '('], 'not a regular expression'),
        (['convert', 'in', 'out', '--regex', 'zzz'], 'no topic'),
        (['merge', 'in', 'out'], 'two or more'),
        (['merge', 'in', 'in', 'out', '--prefix', 'in=a'], 'several inputs'),
        (['merge', 'in', 'in', 'out', '--prefix', 'x=a'], 'no input'),
        (['merge', 'in', 'in', 'out', '--prefix', '1=a b'], 'IN=NAME'),
        (['merge', 'in', 'in', 'out', '--topics', '/x'], 'no topic'),
        (['slice', 'in', 'out', '--start', '2', '--stop', '1'], 'is not before'),
        (['slice', 'in', 'out', '--start', '99'], 'has nothing then'),
        (['slice', 'in', 'out', '--start', 'x'], 'not a time'),
        (['slice', 'in', 'out', '--every', '0'], '0'),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(
    kit: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    """Promise: exit code 2, one line that names the cause, and no file made or changed."""
    path = kit.bag('in', kit.drive(20))
    before = [(each, each.read_bytes()) for each in sorted(path.iterdir())]
    monkeypatch.chdir(kit.folder)
    assert reason in refused(capsys, *arguments)
    assert [each.name for each in kit.folder.iterdir()] == ['in']
    assert [(each, each.read_bytes()) for each in sorted(path.iterdir())] == before


def test_a_damaged_input_leaves_nothing(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: when reading fails half-way, no part of the output stays behind."""
    path = kit.bare('in.mcap', kit.drive(200), compression='none', chunk_size=4096)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert 'damaged' in refused(capsys, 'convert', path, kit.folder / 'deep/er/out')
    assert [each.name for each in kit.folder.iterdir()] == ['in.mcap']


@pytest.mark.parametrize('name', ['out', 'out.mcap', 'out.pkl'])
def test_an_interruption_leaves_nothing(
    kit: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Promise: ctrl-c in the middle of a copy ends it with exit code 2 and no file."""
    path = kit.bag('in', kit.drive(20))

    def interrupted(sources: Any, database: Any, **_: Any) -> None:
        copy(sources, database)
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_copying, 'copy', interrupted)
    assert main(['convert', str(path), str(kit.folder / name)]) == 2
    assert 'lk: error: interrupted' in capsys.readouterr().err
    assert [each.name for each in kit.folder.iterdir()] == ['in']


@pytest.mark.parametrize('name', ['out', 'out.mcap', 'out.pkl'])
def test_what_came_to_exist_meanwhile_is_kept(kit: Any, name: str) -> None:
    """Promise: a file that somebody else put there during the copy is not overwritten."""
    target = kit.folder / name
    kind = 'pickle' if name.endswith('.pkl') else 'mcap'

    def write() -> None:
        with creating(kind, str(target)) as out:
            copy([Source(numbers([S]))], out)
            target.write_text('mine')

    with pytest.raises(BagExistsError, match='come to exist'):
        write()
    assert target.read_text() == 'mine'
    assert [each.name for each in kit.folder.iterdir()] == [name]


def test_a_merged_bag_is_in_order_of_time(kit: Any) -> None:
    """Promise: a merge holds all records of its inputs, sorted by time, inputs first come first."""
    a = saved(numbers([S, 3 * S, 3 * S, 9 * S]), kit.folder / 'a')
    b = saved(numbers([2 * S, 3 * S, 10 * S]), kit.folder / 'b')
    c = saved(numbers([3 * S, 4 * S], '/other'), kit.folder / 'c')
    run('merge', a, b, c, kit.folder / 'out')
    expected = sorted(records(a) + records(b) + records(c), key=lambda record: record[1])
    assert records(kit.folder / 'out') == expected


@given(st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=4))
def test_any_merge_is_a_stable_sort(parts: list[list[int]]) -> None:
    """Promise: for any times, a merge is the stable sort of its inputs one after the other."""
    sources = [numbers(sorted(part), f'/{index}') for index, part in enumerate(parts)]
    target = MemoryDatabase()
    copied = copy([Source(each) for each in sources], target)
    expected = sorted(
        (record for each in sources for record in each.iterate_serialized()),
        key=lambda record: record.log_time_ns,
    )
    keys = target.keys()
    assert copied.messages == len(expected)
    assert copied.bytes == 8 * len(expected)
    assert [list(target.iterate_serialized([key])) for key in keys] == [
        [record for record in expected if record.key == key] for key in keys
    ]


def test_a_merge_refuses_two_types_for_one_topic(
    kit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: nothing is written where a topic has two types or two definitions."""
    a = saved(numbers([S]), kit.folder / 'a')
    b = saved(numbers([S], schema=Schema('demo/msg/Other', 'int32 data\n')), kit.folder / 'b')
    c = saved(numbers([S], schema=Schema('demo/msg/Number', 'float32 data\n')), kit.folder / 'c')
    assert 'demo/msg/Other' in refused(capsys, 'merge', a, b, kit.folder / 'out')
    assert 'differently' in refused(capsys, 'merge', a, c, kit.folder / 'out')
    assert sorted(each.name for each in kit.folder.iterdir()) == ['a', 'b', 'c']
    run('merge', a, b, c, kit.folder / 'out', '--prefix', 'b=/two', '--prefix', '3=three/')
    with Dataset.load(kit.folder / 'out') as copied:
        assert copied.keys() == ['/n', '/two/n', '/three/n']


def test_a_merge_can_start_all_inputs_together(kit: Any) -> None:
    """Promise: `--relative` moves log and publish times of each input to the first one's start."""
    a = saved(numbers([5 * S, 8 * S], '/a'), kit.folder / 'a')
    b = saved(numbers([100 * S, 101 * S], '/b'), kit.folder / 'b')
    run('merge', a, b, kit.folder / 'out', '--relative')
    found = [(topic, log, sent) for topic, log, sent, *_ in records(kit.folder / 'out')]
    assert found == [
        ('/a', 5 * S, 5 * S - 1),
        ('/b', 5 * S, 5 * S - 1),
        ('/b', 6 * S, 6 * S - 1),
        ('/a', 8 * S, 8 * S - 1),
    ]


def test_qos_of_merged_publishers_is_joined() -> None:
    """Promise: a topic of two bags offers the profiles of both, each once."""
    other = LATCHED.replace('depth: 1', 'depth: 7')
    target = MemoryDatabase()
    copy([Source(numbers([S], qos=qos)) for qos in (LATCHED, other, LATCHED)], target)
    assert latched_depth(target.topic('/n').qos) == 8


@pytest.mark.parametrize(
    ('text', 'is_same'),
    [
        ('int32 data\n', True),
        ('# a comment\nint32   data  # another\n', True),
        ('int32 datum\n', False),
        ('int64 data\n', False),
        ('int32 data\nint32 more\n', False),
    ],
)
def test_definitions_are_compared_by_meaning(text: str, is_same: bool) -> None:
    """Promise: comments do not make another type; fields do."""
    assert is_same_definition(INT32, Schema('demo/msg/Number', text)) is is_same


def test_nested_definitions_count() -> None:
    """Promise: a nested type that differs makes another type."""
    line = '=' * 80
    texts = [f'Inner in\n{line}\nMSG: demo/Inner\n{kind} x\n' for kind in ('int8', 'int16')]
    one, other = (Schema('demo/msg/Outer', text) for text in texts)
    assert is_same_definition(one, one)
    assert not is_same_definition(one, other)


def slice_oracle(
    dataset: Dataset, start_ns: int | None, stop_ns: int | None, every: int
) -> list[Any]:
    """Cut by looking at each message."""
    found = [
        record
        for record in dataset.iterate_serialized()
        if (start_ns is None or record.log_time_ns >= start_ns)
        and (stop_ns is None or record.log_time_ns < stop_ns)
    ]
    return found[::every]


@given(
    times=st.lists(st.integers(0, 40), max_size=30),
    start=st.none() | st.integers(-2, 42),
    stop=st.none() | st.integers(-2, 42),
    every=st.integers(1, 5),
)
def test_any_slice_is_that_of_brute_force(
    times: list[int], start: int | None, stop: int | None, every: int
) -> None:
    """Promise: a slice holds what starts at its start, ends before its stop, every n-th of it."""
    dataset = numbers(sorted(times))
    source = Source(dataset, None, start, stop, every)
    assert list(source.messages()) == slice_oracle(dataset, start, stop, every)


def test_a_slice_of_a_bag(kit: Any) -> None:
    """Promise: relative, negative, absolute times and dates cut the same span, to the ns."""
    path = kit.bag('in', kit.drive(100))
    first = 100 * S + 1_000_000
    expected = [each for each in records(path) if first + 2 * S <= each[1] < first + 5 * S]
    spans = {
        'relative': ['--start', '2', '--stop', '5'],
        'negative': ['--start', '-7.9', '--stop', '-4.9'],
        'absolute': ['--absolute', '--start', '102.001', '--stop', '105.001'],
        'date': ['--start', '1970-01-01T00:01:42.001Z', '--stop', '1970-01-01T01:01:45.001+01:00'],
    }
    for name, options in spans.items():
        run('slice', path, kit.folder / name, *options)
        assert records(kit.folder / name) == expected, name
    assert len(expected) == 30


def test_every_nth_message_per_topic(kit: Any) -> None:
    """Promise: `--every` counts each topic on its own, from the start of the slice."""
    items = sorted([*kit.drive(30, key='/a'), *kit.drive(10, key='/b')], key=lambda each: each[2])
    path = kit.bag('in', items)
    run('slice', path, kit.folder / 'out', '--start', '0.35', '--every', '3')
    for key in ('/a', '/b'):
        those = [each for each in records(path) if each[0] == key]
        assert [each for each in records(kit.folder / 'out') if each[0] == key] == those[4::3]


def test_latched_messages_come_along(kit: Any) -> None:
    """Promise: `--latched` takes what a late subscriber would still get, at the slice's start."""
    latched = numbers([S, 2 * S, 3 * S, 30 * S], '/map', qos=LATCHED)
    several = numbers([S, 2 * S, 3 * S], '/tf_static', qos=LATCHED * 2)
    plain = numbers(
        [S, 2 * S, 20 * S], '/odom', qos=LATCHED.replace('transient_local', 'volatile')
    )
    with McapDatabase(kit.folder / 'in', 'w') as bag:
        copy([Source(latched), Source(several), Source(plain)], bag)
    run('slice', kit.folder / 'in', kit.folder / 'out', '--start', '9', '--latched')
    found = [(topic, log, sent, seq) for topic, log, sent, seq, *_ in records(kit.folder / 'out')]
    assert sorted(found) == [
        ('/map', 10 * S, 3 * S - 1, 2),
        ('/map', 30 * S, 30 * S - 1, 3),
        ('/odom', 20 * S, 20 * S - 1, 2),
        ('/tf_static', 10 * S, 2 * S - 1, 1),
        ('/tf_static', 10 * S, 3 * S - 1, 2),
    ]


@pytest.mark.parametrize(
    ('qos', 'depth'),
    [
        ('', 0),
        ('- durability: 1\n  depth: 1\n', 1),
        ('- durability: 2\n  depth: 5\n', 0),
        ('- durability: transient_local\n  depth: 5\n- durability: volatile\n  depth: 9\n', 5),
        ('- durability: transient_local\n  depth: 0\n', 1),
        ('- durability: transient_local\n  depth: 99999999\n', 1000),
        ('{', 0),
        ('text', 0),
    ],
)
def test_depth_of_latched_topics(qos: str, depth: int) -> None:
    """Promise: profiles of all rosbag2 versions tell what is kept for late subscribers."""
    assert latched_depth(qos) == depth


@given(st.integers(0, 4_000_000_000 * S))
def test_any_time_can_be_written_as_seconds_or_date(time_ns: int) -> None:
    """Promise: seconds and dates with nine digits are read to the nanosecond."""
    span = (5 * S, 9 * S)
    seconds = f'{time_ns // S}.{time_ns % S:09d}'
    assert time_ns_of(seconds, span, absolute=True) == time_ns
    assert time_ns_of(seconds, span) == time_ns + 5 * S
    date = datetime.fromtimestamp(time_ns // S, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')
    assert time_ns_of(f'{date}.{time_ns % S:09d}Z', span) == time_ns
    assert time_ns_of(f'{date}.25Z', span) == time_ns // S * S + S // 4


@pytest.mark.parametrize(
    'text', ['nan', 'inf', '1e30', '', 'x', '2026-13-01', '1970-01-01T00:00:00.1234567890Z']
)
def test_other_texts_are_no_times(text: str) -> None:
    """Promise: what is no time is refused."""
    with pytest.raises(DatasetError):
        time_ns_of(text, (0, S))


def test_types_are_checked_before_anything_is_declared() -> None:
    """Promise: the engine, too, refuses two types of one topic before it writes."""
    target = MemoryDatabase()
    other = numbers([S], schema=Schema('demo/msg/Other', 'int32 data\n'))
    with pytest.raises(MessageTypeError):
        copy([Source(numbers([S], '/a')), Source(numbers([S])), Source(other)], target)
    assert target.keys() == []


def test_progress_adds_up_and_is_silent_without_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Promise: a copy reports its whole span; where stderr is no terminal nothing is shown."""
    steps: list[float] = []
    copy(
        [Source(numbers([each * S for each in range(600)]))],
        MemoryDatabase(),
        advance=steps.append,
    )
    assert sum(steps) == pytest.approx(599)
    with progress('copy', 10) as advance:
        advance(5)
        advance()
    assert capsys.readouterr() == ('', '')


def test_a_terminal_shows_a_bar_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: on a terminal there is a bar with its description; --no-progress hides it."""
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    monkeypatch.setenv('TERM', 'xterm')
    with progress('copy things', 10, unit='messages') as advance:
        advance(10)
    assert 'copy things' in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    with progress('copy things', 10, enabled=False) as advance:
        advance(10)
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('verb', ['info', 'convert', 'merge', 'slice'])
def test_every_option_is_documented(
    verb: str, kit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: -h describes a verb and its options, and docs/cli.md tells of each of them."""
    run(verb, '-h')
    text = capsys.readouterr().out
    assert f'Usage: lk {verb}' in text
    page = (kit.repository / 'docs/cli.md').read_text()
    assert f'## lk {verb}' in page
    command = import_module(f'lk_dataset_ros.cli.{verb}').command
    for option in command.params:
        if option.param_type_name == 'option':
            assert option.help, option.name
            for name in option.opts:
                assert name in text
                assert name in page or name == '--topic', name
