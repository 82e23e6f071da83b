"""`lk compare` and `lk diffdiff`: rules from options and file, what is written, exit codes."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from lk_dataset_ros.cli.compare import REPORT
from lk_dataset_ros.cli.main import main
from lk_dataset_ros.cli.rule_options import RuleOptions
from lk_dataset_ros.comparison import Acceptance, Limit
from lk_dataset_ros.comparison.comparators import BUILTIN, NAMED
from lk_dataset_ros.comparison.rules_file import pairing_of
from lk_dataset_ros.dataset import Dataset

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000


class Lk:
    """Runs `lk` within this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = ''
        self.err = ''

    def __call__(self, *arguments: Any) -> int:
        """Return the exit code; what was printed is in `out` and `err`."""
        self._capsys.readouterr()
        code = main([str(each) for each in arguments])
        self.out, self.err = self._capsys.readouterr()
        assert 'Traceback' not in self.err
        return code

    def refused(self, *arguments: Any) -> str:
        """Check that a command is refused in one line, and return that line."""
        assert self(*arguments) == 2, self.out
        (line,) = self.err.splitlines()
        assert line.startswith('lk: error: ')
        assert self.out == ''
        return line


@pytest.fixture
def lk(capsys: pytest.CaptureFixture[str]) -> Lk:
    """Return what runs `lk`."""
    return Lk(capsys)


def drive(kit: Any, shift_ns: int = 0, count: int = 40, **fields: Any) -> list[Any]:
    """Make odometry at 10 Hz that was stamped later; field values of all messages but the first."""
    items = []
    for index in range(count):
        stamp_ns = 100 * kit.second + index * kit.second // 10 + shift_ns
        stamp = {
            'header__stamp__sec': stamp_ns // kit.second,
            'header__stamp__nanosec': stamp_ns % kit.second,
        }
        own = fields if index else {}
        items.append(('/odom', kit.odometry(index, **stamp, **own), stamp_ns + MS))
    return items


@pytest.fixture
def pair(kit: Any) -> tuple[Path, Path]:
    """Return two bags that differ in `twist.twist.linear.x`, by 0.2 in all messages but one."""
    return kit.bag('a', drive(kit)), kit.bag('b', drive(kit, twist__twist__linear__x=0.5))


def test_the_ways_of_pairing_are_options(kit: Any, lk: Lk) -> None:
    """Promise: --by, --limit and --offset pair what equal stamps do not; dashes will do."""
    bags = kit.bag('a', drive(kit)), kit.bag('b', drive(kit, 3 * MS))
    assert lk('compare', *bags) == 1
    assert '40 missing, 40 extra' in lk.out
    for options in (
        ['--by', 'nearest', '--limit', '0.01'],
        ['--limit', '0.01'],
        ['--offset', '0.003'],
        ['--by', 'header-stamp', '--offset', '0.003'],
        ['--by', 'relative-time'],
    ):
        assert lk('compare', *bags, *options) == 0, options
    assert lk('compare', *bags, '--limit', '0.001') == 1
    assert lk('compare', *bags, '--offset', '-0.003') == 1


@pytest.mark.parametrize(
    ('options', 'code'),
    [
        ([], 1),
        (['--atol', '0.21'], 0),
        (['--atol', '0.19'], 1),
        (['--rtol', '0.67'], 0),
        (['--field', 'twist.twist.linear.*=atol:0.21'], 0),
        (['--field', '/odom.twist.**=rtol:0.3,atol:0.12'], 0),
        (['--field', '**=atol:1', '--field', '**.x=atol:0.1'], 1),
        (['--ignore', '/odom.twist=the twist = another matter'], 0),
        (['--key', '/odom'], 1),
        (['--noise', 'NOISE'], 0),
        (['--import', 'my_comparators', '--comparator', '/odom.twist.twist=test_all_alike'], 0),
    ],
)
def test_the_rules_are_options(
    kit: Any,
    lk: Lk,
    pair: tuple[Path, Path],
    options: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Promise: each rule can be given as an option, and decides the verdict."""
    monkeypatch.chdir(kit.folder)
    (kit.folder / 'my_comparators.py').write_text(
        'import numpy as np\n'
        'from lk_dataset_ros.comparison.comparators import comparator\n'
        "@comparator(name='test_all_alike')\n"
        'def alike(original, compiled):\n'
        "    return np.zeros(len(original['linear.x']))\n"
    )
    monkeypatch.setattr(sys, 'path', [*sys.path])
    noise = kit.bag('n', drive(kit, twist__twist__linear__x=0.52))
    given = [str(noise) if each == 'NOISE' else each for each in options]
    try:
        assert lk('compare', *pair, *given) == code, lk.out
    finally:
        NAMED.pop('test_all_alike', None)
        sys.modules.pop('my_comparators', None)
    assert lk.err == ''
    assert ('= another matter' in lk.out) == ('--ignore' in options)


def test_what_may_differ_besides_values_is_an_option(kit: Any, lk: Lk) -> None:
    """Promise: missing topics and messages, and late ones, count or not, as options say."""
    whole = [*drive(kit), *kit.drive(3, key='/other')]
    bags = kit.bag('a', whole), kit.bag('b', drive(kit)[:-1])
    flags = ['--accept-missing-keys', '--accept-counts']
    assert [lk('compare', *bags, *each) for each in ([], flags[:1], flags[1:], flags)] == [
        1,
        1,
        1,
        0,
    ]
    late = drive(kit)
    late[7] = (*late[7][:2], late[7][2] + 80 * MS)
    bags = bags[0], kit.bag('late', [*late, *whole[40:]])
    assert lk('compare', *bags) == 0
    for option in ('--relative-time', '--absolute-time'):
        assert lk('compare', *bags, option, '0.05') == 1
        assert lk('compare', *bags, option, '0.1') == 0


def test_options_win_over_the_file(tmp_path: Path) -> None:
    """Promise: what an option says replaces what the file says of it, and nothing else."""
    path = tmp_path / 'tolerances.yaml'
    path.write_text(
        'rtol: 1\natol: 2\nkeys: [/a]\npairing: {by: nearest, limit_s: 0.5, max_lag_s: 3}\n'
        'acceptance: {keys: false, counts: false, relative_time_s: 1}\n'
        'fields: {"a": {atol: 1}, "b": {atol: 2}}\n'
        'ignore: {"a": "of the file", "c": "of the file"}\n'
        'comparators: {"a": values}\n'
    )
    of_file = RuleOptions(config=path).rules()
    assert (of_file.keys, of_file.tolerance.ignore['a']) == (('/a',), 'of the file')
    rules = RuleOptions(
        config=path,
        keys=('/b', '/b'),
        by='log-time',
        rtol=0.5,
        fields=('a=rtol:3',),
        ignored=('a=of the line', 'd=x'),
        accept_missing_keys=False,
        relative_time=0.25,
    ).rules()
    assert (rules.tolerance.rtol, rules.tolerance.atol) == (0.5, 2.0)
    assert [*rules.tolerance.fields.items()] == [('b', Limit(0.0, 2.0)), ('a', Limit(3.0, 0.0))]
    assert [*rules.tolerance.ignore.items()] == [
        ('a', 'of the line'),
        ('d', 'x'),
        ('c', 'of the file'),
    ]
    assert rules.tolerance.comparators == {'a': 'values'}
    assert rules.keys == ('/b',)
    assert rules.pairing == pairing_of('log_time', limit_s=0.5, max_lag_s=3)
    assert rules.acceptance == Acceptance(keys=True, counts=False, relative_time_s=0.25)
    # Another way of pairing has no use for the file's limit.
    assert RuleOptions(config=path, by='index').rules().pairing == pairing_of('index', max_lag_s=3)


def test_the_file_decides(kit: Any, lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: --config is used, a fault in it named by file and line, an option wins over it."""
    path = kit.folder / 'tolerances.yaml'
    path.write_text('fields:\n  /odom: {twist: {twist: {linear: {x: {atol: 0.3}}}}}\n')
    assert lk('compare', *pair, '--config', path) == 0
    assert lk('compare', *pair, '--config', path, '--field', 'twist.**=atol:0.1') == 1
    path.write_text('atol: 1\nfields:\n  /odom: {atol: -1}\n')
    line = lk.refused('compare', *pair, '--config', path)
    assert f'{path}:3: fields./odom.atol: -1 is less than 0' in line
    assert str(kit.folder / 'no.yaml') in lk.refused(
        'compare', *pair, '--config', kit.folder / 'no.yaml'
    )


def test_a_rule_that_names_nothing_is_a_warning(lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: a mistyped pattern is told on stderr with what may have been meant."""
    assert lk('compare', *pair, '--ignore', 'twist.twist.liner=x', '--ignore', 'twist=y') == 0
    (line,) = lk.err.splitlines()
    assert line == (
        'lk: warning: ignore: twist.twist.liner names nothing in either bag; '
        'is twist.twist.linear meant?'
    )


@pytest.mark.parametrize('verb', ['compare', 'diffdiff'])
@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (['--by', 'magic'], "not paired by 'magic'; there is auto, header_stamp"),
        (['--by', 'nearest'], 'needs a limit'),
        (['--by', 'lineage'], 'needs inputs'),
        (['--by', 'lineage', '--input', '/no'], '/no is not in the original; there is /odom'),
        (['--by', 'index', '--limit', '1'], 'by index uses no limit'),
        (['--limit', '-1'], '-1'),
        (['--limit', 'nan'], 'nan'),
        (['--offset', 'nan'], 'nan'),
        (['--offset', 'soon'], "'soon' is neither"),
        (['--offset', 'estimate'], 'an estimated offset needs a limit'),
        (['--rtol', '-1'], '-1'),
        (['--rtol', 'nan'], 'rtol is nan'),
        (['--atol', 'inf'], 'atol is inf'),
        (['--field', 'x'], "'x' is incomplete; write --field /odom.pose.**=atol:0.01"),
        (['--field', '=atol:1'], 'is incomplete'),
        (['--field', 'x=1'], "'1' is no limit; write atol:0.01"),
        (['--field', 'x=atol:-1'], 'atol is -1.0'),
        (['--field', 'x=atol:nan'], 'atol is nan'),
        (['--field', 'x=atol:1,atol:2'], "'atol:2' is no limit"),
        (['--ignore', 'x'], "'x' is incomplete"),
        (['--ignore', 'x='], "'x=' is incomplete"),
        (['--comparator', 'x=nonsense'], "comparator 'nonsense' is unknown; values"),
        (['--import', 'no_such_module'], 'no_such_module: ModuleNotFoundError'),
        (['--relative-time', 'nan'], 'nan'),
        (['--key', '/no'], '/no is in neither dataset; there is /odom'),
        (['--noise', '/no/such/bag'], '/no/such/bag'),
        (['--noise', 'ORIGINAL'], 'is given already'),
        (['--config', '/no/such.yaml'], '/no/such.yaml cannot be read'),
    ],
)
def test_wrong_rules_are_one_line(
    kit: Any,
    lk: Lk,
    verb: str,
    options: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Promise: a rule that makes no sense is refused in one line, exit code 2, nothing written."""
    monkeypatch.chdir(kit.folder)
    bag = kit.bag('a', drive(kit, count=3))
    options = [str(bag) if each == 'ORIGINAL' else each for each in options]
    assert reason in lk.refused(verb, bag, bag, *options)
    assert [each.name for each in kit.folder.iterdir()] == ['a']


def test_what_is_printed_is_chosen(kit: Any, lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: most equal fields are counted; --verbose shows all, --quiet the verdict only."""
    assert lk('compare', *pair) == 1
    assert lk.out.rstrip().endswith('verdict: differs')
    assert lk.out.index('twist.twist.linear.x') < lk.out.index('child_frame_id')
    many = kit.bag('m', [*drive(kit), *kit.drive(key='/two'), *kit.drive(key='/three')])
    assert lk('compare', many, many) == 0
    assert lk.out.count('more fields match') == 3
    assert lk('compare', many, many, '--verbose') == 0
    assert 'more fields match' not in lk.out
    assert lk.out.count('child_frame_id') == 3
    assert lk('compare', *pair, '--quiet') == 1
    assert lk.out == 'verdict: differs\n'
    assert 'opposite' in lk.refused('compare', *pair, '-q', '-v')


def test_colours_can_be_left_out(
    lk: Lk, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: --no-color prints no colour, even where colours are forced."""
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('TERM', 'xterm-256color')
    monkeypatch.delenv('NO_COLOR', raising=False)
    assert lk('compare', *pair, '--quiet') == 1
    assert '\x1b[1;31m' in lk.out
    assert lk('compare', *pair, '--quiet', '--no-color') == 1
    assert '\x1b[1;31m' not in lk.out


def test_a_report_is_a_folder(kit: Any, lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: --report writes all formats, in folders that it makes; each tells the field."""
    report = kit.folder / 'new' / 'report'
    assert lk('compare', *pair, '--report', report) == 1
    assert lk.out.splitlines()[-1] == f'report:  {report / "report.html"}'
    assert sorted(each.name for each in report.iterdir()) == sorted(REPORT)
    assert json.loads((report / 'comparison.json').read_text())['verdict'] == 'differs'
    assert ET.parse(report / 'junit.xml').getroot().tag.startswith('testsuite')
    for name in REPORT:
        text = (report / name).read_text()
        assert 'twist.twist.linear.x' in text


def test_a_report_never_replaces_what_is_there(kit: Any, lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: a folder that is not empty is refused before a bag is opened, until --overwrite."""
    report = kit.folder / 'report'
    report.mkdir()
    assert lk('compare', *pair, '--report', report) == 1
    (report / 'own.txt').write_text('mine')
    (report / 'junit.xml').write_text('old')
    assert 'report is not empty; --overwrite' in lk.refused(
        'compare', '/no/bag', '/no/bag', '--report', report
    )
    assert (report / 'junit.xml').read_text() == 'old'
    assert lk('compare', *pair, '--report', report, '--overwrite') == 1
    assert (report / 'own.txt').read_text() == 'mine'
    assert (report / 'junit.xml').read_text() != 'old'
    (report / 'comparison.md').unlink()
    (report / 'comparison.md').mkdir()
    assert 'is a folder' in lk.refused('compare', *pair, '--report', report, '--overwrite')
    file = kit.folder / 'file'
    file.write_text('')
    assert 'is no folder' in lk.refused('compare', *pair, '--report', file, '--overwrite')
    assert 'cannot be written' in lk.refused('compare', *pair, '--report', file / 'below')


def test_a_refused_comparison_leaves_no_folder(kit: Any, lk: Lk) -> None:
    """Promise: where there is nothing to compare, no folder is made."""
    lk.refused('compare', '/no/bag', '/no/bag', '--report', kit.folder / 'report')
    assert not (kit.folder / 'report').exists()


def test_files_are_checked_before_the_work(kit: Any, lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: files that are there, twice, of no format or nowhere are refused before a bag is read."""
    file = kit.folder / 'result.json'
    no = ('compare', '/no/bag', '/no/bag', '--save')
    assert lk('compare', *pair, '--save', file, '--save', kit.folder / 'x.html') == 1
    assert 'result.json exists' in lk.refused(*no, file)
    assert 'named twice' in lk.refused(*no, file, '--save', file, '--overwrite')
    assert '.pdf is of no known format; its name has to end in .html, .json' in lk.refused(
        *no, kit.folder / 'x.pdf'
    )
    assert 'cannot be written' in lk.refused(*no, kit.folder / 'no' / 'x.json')
    link = kit.folder / 'link.json'
    link.symlink_to(kit.folder / 'nowhere.json')
    assert 'link.json exists' in lk.refused(*no, link)
    file.write_text('old')
    assert lk('compare', *pair, '--save', file, '--overwrite') == 1
    assert json.loads(file.read_text())['verdict'] == 'differs'


def test_a_saved_comparison_is_shown_again(kit: Any, lk: Lk, pair: tuple[Path, Path]) -> None:
    """Promise: --load shows what was saved without the bags, and writes all but the differences."""
    saved, report = kit.folder / 'comparison.json', kit.folder / 'report'
    assert lk('compare', *pair, '--save', saved) == 1
    shown = lk.out
    for bag in pair:
        bag.rename(bag.with_name(f'{bag.name}_away'))
    assert lk('compare', '--load', saved) == 1
    assert lk.out == shown
    assert lk('compare', '--load', saved, '--report', report) == 1
    assert 'diffdiff.txt is left out' in lk.err
    assert {each.name for each in report.iterdir()} == {*REPORT} - {'diffdiff.txt'}
    assert 'have no effect' in lk.refused('compare', '--load', saved, '--atol', '1')
    assert 'have no effect' in lk.refused('compare', *pair, '--load', saved)
    saved.write_text('{}')
    assert str(saved) in lk.refused('compare', '--load', saved)
    lk.refused('compare', '--load', kit.folder / 'no.json')


def test_bags_are_needed(lk: Lk) -> None:
    """Promise: a bag that is left out is named."""
    assert "Missing argument 'ORIGINAL'" in lk.refused('compare')
    assert "Missing argument 'COMPILED'" in lk.refused('compare', 'a')
    assert "Missing argument 'COMPILED'" in lk.refused('diffdiff', 'a')


def test_all_differences_are_written(
    kit: Any, lk: Lk, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: `lk diffdiff` writes every difference, to a file or stdout; the same rules hold."""
    monkeypatch.chdir(kit.folder)
    assert lk('diffdiff', *pair) == 1
    assert lk.out == 'verdict: differs; the differences are in diffdiff.txt\n'
    text = (kit.folder / 'diffdiff.txt').read_text()
    assert 'twist.twist.linear.x' in text
    assert 'diffdiff.txt exists' in lk.refused('diffdiff', '/no/bag', '/no/bag')
    assert lk('diffdiff', *pair, '--overwrite', '--atol', '1') == 0
    assert (kit.folder / 'diffdiff.txt').read_text() != text
    assert lk('diffdiff', *pair, '-o', '-') == 1
    assert lk.out == text
    assert lk('diffdiff', *pair, '-o', 'other.txt', '--ignore', 'twist=why') == 0
    assert 'cannot be written' in lk.refused('diffdiff', *pair, '-o', 'no/such.txt')


@pytest.mark.parametrize('verb', ['compare', 'diffdiff'])
def test_every_option_is_explained(kit: Any, verb: str) -> None:
    """Promise: each option has a help text, and docs/comparing.md tells of it."""
    page = (kit.repository / 'docs' / 'comparing.md').read_text()
    command: Any = import_module(f'lk_dataset_ros.cli.{verb}').command
    for option in command.params:
        if option.param_type_name == 'option':
            assert option.help, option.name
            for name in (*option.opts, *option.secondary_opts):
                assert f'`{name}' in page or f' {name}' in page, name


def test_every_comparator_is_explained(kit: Any) -> None:
    """Promise: docs/comparing.md tells of each comparator that a rule can name."""
    page = (kit.repository / 'docs' / 'comparing.md').read_text()
    for name in BUILTIN:
        assert f'`{name}`' in page, name


def test_a_comparison_is_saved_for_viewers(kit: Any, tmp_path: Path) -> None:
    """Promise: `--save both.mcap` writes both sides and their errors into one bag."""
    left, right = kit.bag('left', kit.drive()), kit.bag('right', kit.drive(9))
    saved = tmp_path / 'both.mcap'
    assert main(['compare', str(left), str(right), '--save', str(saved)]) == 1
    with Dataset.load(saved) as both:
        assert {'/original/odom', '/compiled/odom', '/verdict'} <= set(both.keys())
