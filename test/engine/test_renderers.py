"""Text, diffdiff, JUnit and Markdown of a comparison; JSON and HTML have tests of their own."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from lk_dataset_ros.comparison import (
    DatasetComparison,
    KeyComparison,
    Limit,
    Tolerance,
    compare,
    compare_columns,
)
from lk_dataset_ros.comparison.noise import NoiseFloor
from lk_dataset_ros.comparison.renderers import save_diffdiff, to_markdown, write_diffdiff
from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.comparison.renderers.text import print_head, print_keys, to_str
from lk_dataset_ros.errors import BagWriteError, ComparisonError


@pytest.fixture
def comparison(kit: Any) -> DatasetComparison:
    """Compare two drives with one fault of each kind."""
    bent = kit.drive(12)
    faults: dict[int, dict[str, Any]] = {
        1: {'pose__pose__position__x': math.nan},
        2: {'pose__pose__position__x': 5.0},
        3: {'child_frame_id': '[bold]x[/bold]'},
        4: {'pose__pose__position__x': math.inf, 'twist__twist__linear__x': 0.0},
    }
    for index, fields in faults.items():
        bent[index] = ('/odom', kit.odometry(index, **fields), bent[index][2])
    del bent[9]
    number = ('/n', kit.message('std_msgs/msg/Int32'), 0)
    rule = Tolerance(ignore={'twist.covariance': 'not computed [yet]'})
    return compare(
        kit.memory([*kit.drive(11), number]),
        kit.memory([*bent, ('/n', kit.message('std_msgs/msg/Int64'), 0)]),
        tolerance=rule,
        original_name='original',
        compiled_name='cpp',
    )


def test_every_format_holds_whatever_a_message_holds(kit: Any) -> None:
    """Promise: sequences, NumPy scalars, large integers and odd text are written in any format."""
    rng = np.random.default_rng(6)
    for type_name in (
        'sensor_msgs/msg/JointState',
        'std_msgs/msg/UInt64',
        'sensor_msgs/msg/Image',
        'tf2_msgs/msg/TFMessage',
        'diagnostic_msgs/msg/DiagnosticArray',
        'std_msgs/msg/Bool',
    ):
        sides = []
        for _ in range(2):
            messages = [kit.random_message(type_name, rng) for _ in range(4)]
            for number, message in enumerate(messages):
                if hasattr(message, 'header'):
                    message.header.stamp = kit.message('builtin_interfaces/msg/Time', sec=number)
            sides.append(kit.memory(('/x', each, n) for n, each in enumerate(messages)))
        comparison = compare(*sides)
        assert json.loads(comparison.to_json())['keys'][0]['key'] == '/x'
        assert comparison.to_str()
        assert comparison.to_diffdiff()
        assert len(comparison.to_markdown()) <= 65_536
        assert ET.fromstring(comparison.to_junit()).tag == 'testsuites'


def test_diffdiff_lists_every_difference(comparison: DatasetComparison) -> None:
    """Promise: every pair that differs is one line with index, stamp and both values."""
    text = comparison.to_diffdiff()
    lines = text.splitlines()
    assert lines[:3] == ['original: original', 'compiled: cpp', 'verdict:  differs']
    assert '  missing at stamp 100.900000000' in lines
    assert '  extra at stamp 101.100000000' in lines
    assert '--- twist.covariance: ignored: not computed [yet]' in lines
    for expected in (
        '  [1] 100.100000000  1.25 != nan  error inf, allowed 2.25e-07',
        '  [2] 100.200000000  1.5 != 5.0  error 3.5, allowed 2.5e-07',
        '  [4] 100.400000000  2.0 != inf  error inf, allowed 3e-07',
        '  [4] 100.400000000  0.3 != 0.0  error 0.3, allowed 1.3e-07',
        "  [3] 100.300000000  'base_link' != '[bold]x[/bold]'",
    ):
        assert expected in lines
    differences = [line for line in lines if line.startswith('  [')]
    odom_fields = comparison.keys[0].fields
    fields = [field for key in comparison.keys for field in key.differing]
    assert len(differences) == sum(field.mismatched for field in fields) == 5
    assert any('std_msgs/msg/Int64 in the compiled' in line for line in lines)
    informing = sum(not each.is_judged and each.mismatched > 0 for each in odom_fields)
    assert text.count('not listed: it does not count for the verdict') == informing


def test_diffdiff_cuts_nothing_of_many(kit: Any) -> None:
    """Promise: 2000 differences are 2000 lines."""
    sides = [
        kit.memory(
            ('/n', kit.message('std_msgs/msg/Int32', data=n + shift), n) for n in range(2000)
        )
        for shift in (0, 1)
    ]
    lines = compare(*sides).to_diffdiff().splitlines()
    assert sum(line.startswith('  [') for line in lines) == 2000


def test_diffdiff_shows_values_of_varying_length(kit: Any) -> None:
    """Promise: a sequence that differs in length is shown with both values."""
    sides = [
        kit.memory(
            [
                ('/j', kit.message('sensor_msgs/msg/JointState', position=np.array(row)), n)
                for n, row in enumerate(rows)
            ]
        )
        for rows in ([[1.0], [2.0, 3.0]], [[1.0], [2.5]])
    ]
    text = compare(*sides).to_diffdiff()
    assert '[2.0, 3.0] != [2.5]' in text


def test_diffdiff_of_equal_datasets_says_so(kit: Any) -> None:
    """Promise: without differences the text says that there is none."""
    text = compare(kit.memory(kit.drive(2)), kit.memory(kit.drive(2))).to_diffdiff()
    assert 'verdict:  equivalent' in text
    assert '  no difference' in text


def test_the_table_shows_every_field_those_that_differ_first(
    comparison: DatasetComparison,
) -> None:
    """Promise: the text has verdict, first divergence, counts, all fields, and no markup read."""
    text = comparison.to_str()
    lines = text.splitlines()
    assert lines[0] == 'cpp against original: differs'
    assert lines[1].startswith('first divergence: /odom pose.pose.position.x, message 1 at stamp')
    told = 'original 1.25, compiled nan, error inf; allowed 2.25e-07'
    assert told in ' '.join(lines[1:3])
    assert 'noise floor unknown (one run of the original)' in text
    assert '/odom (nav_msgs/msg/Odometry): 10 pairs by header stamp, 1 missing, 1 extra' in text
    rows = [line.split()[0] for line in lines if line.strip()]
    compared = [each for each in comparison.keys[0].fields if not each.ignored_because]
    for field in compared:
        assert field.path in rows
    assert rows.index('pose.pose.position.x') < rows.index('child_frame_id')
    assert rows.index('child_frame_id') < rows.index('header.frame_id')
    assert '  ignored: not computed [yet]: twist.covariance' in lines
    assert '\x1b[' not in text
    assert max(map(len, lines)) <= 140


def test_a_narrow_terminal_gets_fewer_columns() -> None:
    """Promise: 80 columns hold path, verdict, count, errors and tolerance, nothing is cut."""
    path = 'pose.pose.position_of_the_robot_in_its_map.x'
    text = to_str(compare_columns({path: np.zeros(3)}, {path: np.arange(3.0)}), width=80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert 'p99' in text
    assert 'bias' not in text
    assert '…' not in text
    first = next(at for at, line in enumerate(lines) if 'mismatch' in line)
    assert lines[first].split()[1:] == ['mismatch', '2', '2', '2', '1e-07', '+', '1e-07*|x|']
    assert lines[first].split()[0] + lines[first + 1].strip() == path


def test_many_equal_fields_are_one_line() -> None:
    """Promise: of hundreds of equal fields most are counted only, unless all are asked for."""
    arrays = {f'f{number:03}': np.zeros(4) for number in range(236)}
    changed = {**arrays, 'f007': np.ones(4)}
    comparison = compare_columns(arrays, changed)
    text = to_str(comparison)
    assert '  211 more fields match' in text.splitlines()
    assert sum(line.startswith(' f') and ' match' in line for line in text.splitlines()) == 24
    assert 'f007' in text
    verbose = to_str(comparison, verbose=True)
    assert all(name in verbose for name in arrays)
    assert 'more fields' not in verbose


def test_colours_are_for_terminals_only() -> None:
    """Promise: a terminal gets colours, a file none."""
    comparison = compare_columns({'x': np.zeros(2)}, {'x': np.ones(2)})
    for is_terminal in (True, False):
        file = io.StringIO()
        console = Console(file=file, force_terminal=is_terminal, width=100)
        print_head(comparison, console)
        print_keys(comparison, console)
        assert ('\x1b[' in file.getvalue()) is is_terminal


def test_the_text_tells_of_comparator_noise_lag_and_order() -> None:
    """Promise: unit, comparator, noise, lag, late, reordered, hint and what is not judged show."""
    comparison = compare_columns({'q': np.zeros(40)}, {'q': np.ones(40)})
    (key,), some = comparison.keys, np.arange(2)
    (field,) = key.fields
    noise = NoiseFloor(3, field.statistics, 5, False, False, 0.1, 'no more than between runs')
    fields = (
        replace(field, limit=Limit(0.0, 0.01), comparator='quaternion', unit='rad', noise=noise),
        replace(field, path='n', is_judged=False, measures={'psnr_db': field.statistics}),
    )
    changed = replace(
        key, fields=fields, part='map -> odom', lag_ns=12_300_000, late_ns=some,
        reordered_ns=some, hint='shifted by 3 s',
    )  # fmt: skip
    comparison = replace(comparison, keys=(changed,), noise_runs=2)
    for text in (to_str(comparison), comparison.to_diffdiff()):
        assert '0.01 rad (quaternion)' in text
        assert 'columns [map -> odom]' in text
        assert 'noise: no more than between runs' in text
        assert 'noise floor from 3 runs of the original' in text
        assert '2 late, 2 in another order, a lag of 12.3 ms taken off' in text
        assert 'shifted by 3 s' in text
        assert 'for information' in text
        assert 'psnr_db 1 on average' in text


def test_long_names_are_never_cut(kit: Any) -> None:
    """Promise: a field path longer than the table is folded, every character of it is there."""
    name = 'a_field_of_a_very_long_name_' * 6 + 'end'
    schema = kit.schema('a/msg/B', f'int32 {name}\n')

    def side(value: int) -> Any:
        from lk_dataset_ros.message import codec_for

        dataset = kit.memory([])
        dataset.declare('/k', schema)
        message = codec_for(schema).new()
        setattr(message, name, value)
        dataset.write('/k', message, timestamp_ns=0)
        return dataset

    text = compare(side(1), side(2)).to_str()
    assert 'mismatch' in text
    assert name in ''.join(line[:95].split('  ')[0].strip() for line in text.splitlines())


def test_diffdiff_names_runs_elements_and_text_that_differs_late() -> None:
    """Promise: runs of pairs, elements, control characters, and long text where it differs."""
    long = 'a' * 5000
    original = {'v': np.zeros((9, 2, 3)), 's': np.array(['x'] * 8 + [long + 'b'], object)}
    compiled = {'v': original['v'].copy(), 's': np.array(['\x1b[31m'] * 8 + [long + 'c'], object)}
    compiled['v'][2:6, 1, 2] = 1.0
    compiled['v'][8, 0, 0] = np.nan
    text = compare_columns(original, compiled).to_diffdiff()
    lines = text.splitlines()
    assert '    messages: 2..5, 8' in lines
    assert '  [3] 0.000000003  [1][2] 0.0 != 1.0  error 1, allowed 1e-07' in lines
    assert '  [8] 0.000000008  [0][0] 0.0 != nan  error inf, allowed 1e-07' in lines
    assert "  [0] 0.000000000  'x' != '\\x1b[31m'" in lines
    last = next(line for line in lines if line.startswith('  [8]') and 'aaa' in line)
    left, right = last.split(' != ')
    assert "aab'" in left
    assert "aac'" in right
    assert '5003 characters' in left
    assert '    5 differences of v' in lines
    assert '\x1b' not in text


def test_diffdiff_names_the_longest_of_many_runs() -> None:
    """Promise: of more than 20 runs of pairs the longest are named, in order, and all counted."""
    compiled = np.zeros(200)
    compiled[:120:2] = 1.0
    compiled[130:150] = 1.0
    compiled[160:163] = 1.0
    text = compare_columns({'x': np.zeros(200)}, {'x': compiled}).to_diffdiff()
    line = next(each for each in text.splitlines() if each.startswith('    messages: '))
    assert line.startswith('    messages: 62 runs, the longest are ')
    assert line.endswith(', 130..149, 160..162')
    assert line.count(',') == 20


def test_diffdiff_streams(tmp_path: Path) -> None:
    """Promise: what is written is what is returned; memory stays far below the text's size."""
    count = 200_000
    comparison = compare_columns({'x': np.zeros(count)}, {'x': np.arange(count) + 1.0})
    save_diffdiff(comparison, tmp_path / 'd.txt')
    text = (tmp_path / 'd.txt').read_text()
    assert text == comparison.to_diffdiff()
    assert sum(line.startswith('  [') for line in text.splitlines()) == count

    class Sink(io.StringIO):
        def write(self, part: str) -> int:
            return len(part)

    peaks = []
    for step in (count, 1):
        compiled = np.where(np.arange(count) % step == 1 % step, 1.5, 0.0)
        comparison = compare_columns({'x': np.zeros(count)}, {'x': compiled})
        tracemalloc.start()
        try:
            write_diffdiff(comparison, Sink())
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # One difference, and 200,000 of them: the text has 10 MB.
    assert peaks[1] - peaks[0] < 8_000_000


def test_diffdiff_without_the_bags_is_an_error(tmp_path: Path) -> None:
    """Promise: without the bags there is no half file but one line that says why."""
    comparison = compare_columns({'x': np.zeros(2)}, {'x': np.ones(2)}).without_sources()
    (tmp_path / 'd.txt').write_text('before')
    with pytest.raises(ComparisonError, match='x: its 2 differences are in the bags'):
        save_diffdiff(comparison, tmp_path / 'd.txt')
    assert (tmp_path / 'd.txt').read_text() == 'before'


#: Elements and attributes of junit-10.xsd of the xUnit plugin of Jenkins; required with !.
JUNIT = {
    'testsuites': ({'testsuite'}, {'name', 'time', 'tests', 'failures', 'errors'}),
    'testsuite': (
        {'testsuite', 'properties', 'testcase', 'system-out', 'system-err'},
        {'name!', 'tests!', 'failures!', 'errors!', 'skipped', 'time', 'timestamp', 'id', 'file'},
    ),
    'testcase': (
        {'skipped', 'error', 'failure', 'system-out', 'system-err'},
        {'name!', 'time', 'classname', 'group'},
    ),
    'failure': (set(), {'type', 'message'}),
    'error': (set(), {'type', 'message'}),
    'skipped': (set(), {'type', 'message'}),
    'system-out': (set(), set()),
}


def check_junit(text: str) -> Any:
    """Check JUnit XML against the schema's rules and its own counts."""
    root = ET.fromstring(text)
    assert root.tag == 'testsuites'
    for element in root.iter():
        children, attributes = JUNIT[element.tag]
        assert {child.tag for child in element} <= children
        assert set(element.keys()) <= {each.rstrip('!') for each in attributes}
        assert {each[:-1] for each in attributes if each.endswith('!')} <= set(element.keys())
    for suite in root:
        assert suite.get('tests') == str(len(suite.findall('testcase')))
        for name, tag in (('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):
            assert suite.get(name) == str(len(suite.findall(f'testcase/{tag}')))
    for name in ('tests', 'failures', 'errors'):
        assert root.get(name) == str(sum(int(suite.get(name, '')) for suite in root))
    return root


def test_junit_has_a_case_for_each_field(comparison: DatasetComparison) -> None:
    """Promise: failures for what differs, an error for a problem, skipped with the reason."""
    root = check_junit(comparison.to_junit())
    odom, number = root
    cases = {case.get('name'): case for case in odom}
    assert cases.keys() >= {field.path for field in comparison.keys[0].fields}
    failure = cases['pose.pose.position.x'].find('failure')
    assert failure.get('message').startswith('3 of 10 pairs differ, max error inf')
    assert 'original 1.25, compiled nan' in failure.text
    assert cases['twist.covariance'].find('skipped').get('message') == 'not computed [yet]'
    assert '100.900000000' in cases['(missing)'].find('failure').text
    assert cases['(extra)'].find('failure').get('message').startswith('1 message')
    assert len(cases['header.frame_id']) == 0
    assert cases['header.frame_id'].get('classname') == '/odom'
    assert 'std_msgs/msg/Int64' in number.find('testcase/error').get('message')


@given(
    names=st.lists(st.text(max_size=12), min_size=1, max_size=3, unique=True),
    text=st.text(max_size=8),
    change=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_a_format(names: list[str], text: str, change: bool) -> None:
    """Promise: whatever characters names and values have, XML stays valid, red if it differs."""
    sides = [
        {name: np.array([value] * 2, object) for name in names}
        for value in (text, f'{text}!' if change else text)
    ]
    comparison = compare_columns(sides[0], sides[1], name=text)
    comparison = replace(comparison, original_name=text, compiled_name=names[0])
    root = check_junit(comparison.to_junit())
    red = int(root.get('failures', '')) + int(root.get('errors', ''))
    assert (red == 0) is comparison.is_equivalent is not change
    for told in (comparison.to_str(), comparison.to_diffdiff(), comparison.to_markdown()):
        told.encode('utf-8')
        assert not set(told) - {'\n'} & {chr(code) for code in range(32)}


def test_nothing_compared_is_red() -> None:
    """Promise: a CI server does not show green where nothing could be judged."""
    nothing = DatasetComparison(None, None, 'a', 'b', ())
    for keys in ((), (KeyComparison('/x', 't', 't'),)):
        root = check_junit(replace(nothing, keys=keys).to_junit())
        assert (root.get('errors'), root.get('failures')) == ('1', '0')


def cells_of(markdown: str) -> list[list[str]]:
    """Return the cells of all tables as a reader sees them."""
    tokens = MarkdownIt('commonmark', {'html': True}).enable('table').parse(markdown)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == 'tr_open':
            rows.append([])
        elif token.type == 'inline' and rows:
            children = token.children or []
            assert {child.type for child in children} <= {'text', 'html_inline', 'text_special'}
            tags = [child.content for child in children if child.type == 'html_inline']
            assert set(tags) <= {'<code>', '</code>'}
            rows[-1].append(
                ''.join(child.content for child in children if child.type != 'html_inline')
            )
    return rows


@pytest.mark.parametrize(
    'name',
    ['a|b', '`x`', '<b>&amp;', '@user #12 [a](b)', '__init__ *y* ~z~', '\\| $x$ :tada:', 'ü'],
)
def test_markdown_shows_names_as_they_are(name: str) -> None:
    """Promise: pipes, backticks, HTML, mentions and the like are characters, nothing more."""
    comparison = compare_columns({name: np.zeros(2)}, {name: np.ones(2)})
    text = comparison.to_markdown()
    rows = cells_of(text)
    assert ['columns ' + name, '2', '1', '1', '1e-07 + 1e-07*|x|', '0.000000000'] in rows
    assert text.startswith('### \u274c compiled against original: differs\n')


def test_markdown_fits_and_says_what_it_leaves_out() -> None:
    """Promise: never more characters than asked for; what has no room is counted."""
    arrays = {f'some_field_{number}.value': np.zeros(3) for number in range(2000)}
    comparison = compare_columns(arrays, {path: each + 1.0 for path, each in arrays.items()})
    comparison = replace(comparison, keys=comparison.keys * 5)
    for limit in (4096, 20_000, 65_536):
        text = to_markdown(comparison, limit)
        assert limit * 0.5 < len(text) <= limit
        rows = [row for row in text.split('<details>')[0].splitlines() if '<code>' in row]
        assert f'{10_000 - len(rows)} more fields differ.' in text
        assert text.count('<details>') == text.count('</details>')
        folded = text.count('<details>')
        assert f'{5 - folded} keys of 5 left out here' in text.replace('1 key of', '1 keys of')
    with pytest.raises(ComparisonError, match='4096 are needed'):
        to_markdown(comparison, 100)


def test_saving_follows_the_ending(comparison: DatasetComparison, tmp_path: Path) -> None:
    """Promise: the ending names the format, another one is refused naming those there are."""
    renderers = {
        'json': comparison.to_json,
        'txt': comparison.to_str,
        'md': comparison.to_markdown,
        'xml': comparison.to_junit,
        'HTML': comparison.to_html,
    }
    for ending, render in renderers.items():
        comparison.save_to_file(tmp_path / f'a.{ending}')
        assert (tmp_path / f'a.{ending}').read_text() == render()
    for name in ('a.yaml', 'a'):
        with pytest.raises(ComparisonError, match=r'\.json, \.html, \.txt, \.md or \.xml'):
            comparison.save_to_file(str(tmp_path / name))
    with pytest.raises(BagWriteError, match='cannot be written'):
        comparison.save_to_file(tmp_path / 'no' / 'a.json')
    assert len(list(tmp_path.iterdir())) == len(renderers)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Promise: what is there stays if writing fails, a link is followed, a device is no file."""
    target, link = tmp_path / 'a.txt', tmp_path / 'link.txt'
    target.write_text('before')
    link.symlink_to(target)

    def fail() -> None:
        with written(link) as stream:
            stream.write('half')
            raise OSError(28, 'No space left on device')

    with pytest.raises(BagWriteError, match=r'link\.txt cannot be written: No space left'):
        fail()
    assert target.read_text() == 'before'
    with written(link) as stream:
        stream.write('lone \udc80 surrogate')
    assert target.read_text() == 'lone \\udc80 surrogate'
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ['a.txt', 'link.txt']
    with written('/dev/null') as stream:
        stream.write('x')
    assert not Path('/dev/null').is_file()
