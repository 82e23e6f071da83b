"""The `lk` command as a user starts it: a process with an exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lk_dataset_ros.cli.main import VERBS, main

ZSTD = b'\x28\xb5\x2f\xfd'


def lk(*arguments: Any, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `lk`."""
    found = shutil.which('lk')
    command = [found] if found else [sys.executable, '-m', 'lk_dataset_ros.cli']
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=60
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Check that a command was refused in one line, and return that line."""
    assert done.returncode == 2, done
    assert 'Traceback' not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith('lk: error: ')
    return line


def bags(kit: Any, **fields: Any) -> tuple[Path, Path]:
    """Write an original and a bag whose fifth message has other fields."""
    bent = kit.drive()
    bent[4] = ('/odom', kit.odometry(4, **fields), bent[4][2])
    return kit.bag('original', kit.drive()), kit.bag('compiled', bent)


def test_help_names_the_verbs_and_the_exit_codes() -> None:
    """Promise: `lk --help` lists every verb with what it does, and the exit codes."""
    done = lk('--help')
    assert done.returncode == 0
    assert done.stderr == ''
    for text in (*VERBS.values(), '0 equivalent', '1 differs'):
        assert text in ' '.join(done.stdout.split())
    for verb in VERBS:
        assert f'\n  {verb} ' in done.stdout


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(verb: str) -> None:
    """Promise: `lk <verb> --help` says how it is used and exits 0."""
    done = lk(verb, '-h')
    assert done.returncode == 0
    assert f'Usage: lk {verb}' in done.stdout


def test_the_version_is_told() -> None:
    """Promise: `lk --version` tells the package's version."""
    from lk_dataset_ros import __version__

    assert lk('--version').stdout.strip().endswith(__version__)


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['nonsense'], 'nonsense'),
        (['--nonsense'], 'nonsense'),
        (['compare'], 'ORIGINAL'),
        (['compare', 'a'], 'COMPILED'),
        (['compare', 'a', 'b', '--rtol', '-1'], '-1'),
        (['compare', 'a', 'b', '--rtol', 'x'], 'x'),
        (['compare', '/no/such/bag', 'b'], '/no/such/bag'),
        (['compare', 'a\nb', 'c'], 'no bag'),
        (['ab'], 'EXPERIMENT'),
        (['ab', '/no/such.yaml'], '/no/such.yaml'),
        (['info'], 'BAG'),
        (['info', ''], 'give a path or a URL'),
        (['convert', 'a'], 'OUT'),
        (['merge', 'a'], 'IN'),
        (['merge', 'a', 'b'], 'two or more inputs'),
        (['slice', 'a', 'b', '--every', '0'], '0'),
        (['export', 'a'], '--to'),
        (['export', 'a', '--to', 'csv'], '--out'),
        (['export', '/no/such/bag', '--to', 'csv', '--out', 'x'], '/no/such/bag'),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: wrong usage is refused in one line that names what is wrong."""
    code = main(arguments)
    done = subprocess.CompletedProcess(arguments, code, *capsys.readouterr())
    assert reason in refused(done)


def test_wrong_usage_of_the_process_is_the_same() -> None:
    """Promise: the command as a process refuses in one line, exit code 2, too."""
    assert '/no/such/bag' in refused(lk('compare', '/no/such/bag', 'b'))


def test_no_verb_shows_the_help() -> None:
    """Promise: `lk` alone shows its help as it is laid out, and exits 2."""
    done = lk()
    assert done.returncode == 2
    assert '\nCommands:\n' in done.stdout + done.stderr


def test_equivalent_bags_exit_0(kit: Any) -> None:
    """Promise: comparing equivalent bags says so and exits 0."""
    done = lk('compare', *bags(kit))
    assert (done.returncode, done.stderr) == (0, '')
    assert 'verdict: equivalent' in done.stdout
    assert '/odom (nav_msgs/msg/Odometry): 10 pairs by header stamp' in done.stdout


def test_differing_bags_exit_1_and_name_the_field(kit: Any) -> None:
    """Promise: a difference exits 1; the table has field, count, error and stamp, uncut."""
    done = lk('compare', *bags(kit, pose__pose__position__x=99.0))
    assert done.returncode == 1
    assert 'verdict: differs' in done.stdout
    (line,) = [each for each in done.stdout.splitlines() if 'mismatch' in each]
    for text in ('pose.pose.position.x', ' 1 ', '97', '100.400000000'):
        assert text in line


def test_bags_without_messages_exit_2(kit: Any) -> None:
    """Promise: nothing to compare is inconclusive, exit code 2, no traceback."""
    done = lk('compare', kit.bag('a', []), kit.bag('b', []))
    assert done.returncode == 2
    assert 'inconclusive' in done.stdout
    assert 'Traceback' not in done.stderr


def test_bags_without_common_stamps_exit_1(kit: Any) -> None:
    """Promise: bags whose messages do not meet differ, without a traceback."""
    items = kit.drive(6)
    done = lk('compare', kit.bag('a', items[:3]), kit.bag('b', items[3:]))
    assert (done.returncode, done.stderr) == (1, '')
    assert '3 missing, 3 extra' in done.stdout


def test_tolerances_and_keys_are_options(kit: Any) -> None:
    """Promise: --atol widens the limit, --key chooses, an unknown key is refused."""
    original, compiled = bags(kit, pose__pose__position__x=2.001)
    assert lk('compare', original, compiled).returncode == 1
    assert lk('compare', original, compiled, '--atol', '0.01').returncode == 0
    assert 'rtol is nan' in refused(lk('compare', original, compiled, '--rtol', 'nan'))
    assert '/x is in neither' in refused(lk('compare', original, compiled, '--key', '/x'))


def test_results_are_saved_and_never_overwritten(kit: Any) -> None:
    """Promise: --save writes JSON and text, and refuses a file that is there."""
    original, compiled = bags(kit, child_frame_id='x')
    files = [kit.folder / 'result.json', kit.folder / 'result.txt']
    done = lk('compare', original, compiled, '--save', files[0], '--save', files[1])
    assert done.returncode == 1
    assert json.loads(files[0].read_text())['verdict'] == 'differs'
    assert 'child_frame_id' in files[1].read_text()
    assert 'exists' in refused(lk('compare', original, compiled, '--save', files[0]))
    nowhere = kit.folder / 'no' / 'result.json'
    assert 'cannot be written' in refused(lk('compare', original, compiled, '--save', nowhere))


def test_a_cut_bag_is_compared_with_a_warning(kit: Any) -> None:
    """Promise: a bag that was cut is used as far as it goes, and stderr says so."""
    original, compiled = bags(kit)
    file = compiled / 'compiled_0.mcap'
    content = file.read_bytes()
    file.write_bytes(content[: content.index(ZSTD) + 200])
    done = lk('compare', original, compiled)
    assert 'cut or damaged' in done.stderr
    assert done.returncode in (0, 1)


@pytest.mark.parametrize('damage', ['text', 'folder', 'metadata', 'chunk'])
def test_what_is_no_bag_is_one_line(kit: Any, damage: str) -> None:
    """Promise: whatever is wrong with a bag, the command says it in one line."""
    original, compiled = bags(kit)
    if damage == 'text':
        compiled = kit.folder / 'text.mcap'
        compiled.write_text('no bag')
    elif damage == 'folder':
        compiled = kit.folder / 'folder'
        compiled.mkdir()
    elif damage == 'metadata':
        (compiled / 'metadata.yaml').write_text('a: [')
    else:
        file = compiled / 'compiled_0.mcap'
        content = bytearray(file.read_bytes())
        content[content.index(ZSTD) + 200] ^= 255
        file.write_bytes(content)
    refused(lk('compare', original, compiled))


def test_a_reader_that_leaves_is_no_traceback(kit: Any) -> None:
    """Promise: `lk compare ... | head -0` ends without a traceback."""
    original, compiled = bags(kit)
    command = f'lk compare {original} {compiled} | true'
    done = subprocess.run(['bash', '-c', command], capture_output=True, text=True, timeout=60)
    assert 'Traceback' not in done.stderr


def test_a_wrong_specification_is_one_line(tmp_path: Path) -> None:
    """Promise: `lk ab` names file, line and field of a fault, and starts nothing."""
    path = tmp_path / 'experiment.yaml'
    path.write_text('version: 1\ninputs: {bag: b, topics: [/odom]}\noriginall: {}\n')
    line = refused(lk('ab', path, cwd=tmp_path))
    assert f'{path}:' in line
    assert 'originall' in line
    assert sorted(each.name for each in tmp_path.iterdir()) == ['experiment.yaml']


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['convert', 'BAG', ''], 'give a path where nothing is'),
        (['convert', 'BAG', 'out', '--topics', ''], 'names no topic'),
        (['merge', 'BAG', 'BAG', 'out', '--topics', '/odom,/tpyo'], '/tpyo; there is /odom'),
        (['merge', 'BAG', 'BAG', 'out', '--regex', 'tpyo'], 'no topic of any input is chosen'),
        (['export', 'BAG', '--to', 'csv', '--out', 'out', '--fps', '5'], '--fps has no effect'),
        (['export', 'BAG', '--to', 'csv', '--out', 'out', '--valid', '.5'], '--valid has no eff'),
        (['export', 'BAG', '--to', 'csv', '--out', 'out', '--max-age', '1'], '--max-age has no'),
        (
            ['export', 'BAG', '--to', 'lerobot', '--fps', '5', '--out', 'out', '--topic', '/odom'],
            '--topic has no effect on lerobot',
        ),
        (
            ['export', 'BAG', '--to', 'lerobot', '--fps', '5', '--out', 'out', '--slerp'],
            '--method linear',
        ),
        (
            ['export', 'BAG', '--to', 'csv', '--out', 'out', '--field', 'pose.position.x'],
            'there is pose.pose.position',
        ),
        (
            ['export', 'BAG', '--to', 'csv', '--out', '/proc/out'],
            '/proc/out cannot be written: No',
        ),
    ],
    ids=lambda arguments: ' '.join(arguments) if isinstance(arguments, list) else '',
)
def test_what_would_be_ignored_is_refused(
    arguments: list[str],
    reason: str,
    kit: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Promise: a typo or an option without effect is refused in one line; nothing is written."""
    monkeypatch.chdir(kit.folder)
    bag = str(kit.bag('bag', kit.drive()))
    code = main([bag if each == 'BAG' else each for each in arguments])
    done = subprocess.CompletedProcess(arguments, code, *capsys.readouterr())
    assert reason in refused(done)
    assert [each.name for each in kit.folder.iterdir()] == ['bag']


def test_a_report_goes_where_it_is_wanted_or_is_refused(
    kit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: folders of `lk export --report` are made; where they cannot be, one line says so."""
    bag = str(kit.bag('bag', kit.drive()))
    command = ['export', bag, '--to', 'lerobot', '--fps', '5', '--state', '/odom.pose']
    command += ['--action', '/odom.twist']
    report = kit.folder / 'new' / 'report.json'
    assert main([*command, '--out', f'{kit.folder}/a', '--report', str(report)]) == 0
    assert json.loads(report.read_text())['episodes'] == 1
    capsys.readouterr()
    code = main([*command, '--out', f'{kit.folder}/b', '--report', '/proc/report.json'])
    done = subprocess.CompletedProcess(command, code, *capsys.readouterr())
    assert '/proc/report.json cannot be written' in refused(done)


@pytest.mark.parametrize('verb', ['info', 'compare'])
def test_a_full_disk_is_one_line(kit: Any, verb: str) -> None:
    """Promise: where the output cannot be written, one line says so, exit code 2."""
    bag = kit.bag('bag', kit.drive())
    bags = [bag] if verb == 'info' else [bag, bag]
    command = [sys.executable, '-m', 'lk_dataset_ros.cli', verb, *map(str, bags)]
    with Path('/dev/full').open('w') as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert 'No space left' in refused(done)


def test_info_fits_a_narrow_terminal(kit: Any) -> None:
    """Promise: where the table of timing does not fit, each topic has lines of its own."""
    from lk_dataset_ros import Dataset
    from lk_dataset_ros.cli.info_text import details_text
    from lk_dataset_ros.dataset.inspection.summary import inspect_topic, summarize

    bag = kit.bag('bag', kit.drive())
    with Dataset.load(bag) as dataset:
        summary = summarize(dataset, str(bag))
        details = [inspect_topic(dataset, '/odom')]
    wide, narrow = (details_text(summary, details, width=width) for width in (200, 80))
    assert wide == details_text(summary, details)
    assert max(map(len, narrow.splitlines())) <= 80
    cells = wide.splitlines()[2].split()
    for cell in cells:
        assert cell in narrow.split()
    assert '/odom\n  Hz             10.00\n' in narrow


def test_a_server_is_exported(kit: Any) -> None:
    """Promise: `lk export` takes a URL as the other verbs do."""
    from lk_dataset_ros.testing.reductstore import FakeReductStore

    with FakeReductStore() as server:
        url = f'{server.url.replace("http", "reductstore", 1)}/drives'
        assert main(['convert', str(kit.bag('bag', kit.drive())), url]) == 0
        assert main(['export', url, '--to', 'csv', '--out', str(kit.folder / 'tables')]) == 0
    assert len((kit.folder / 'tables' / 'odom.csv').read_text().splitlines()) == 11
