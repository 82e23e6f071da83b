"""An experiment on many bags: which bags, how many at a time, what is rolled up."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.cli.main import main
from lk_dataset_ros.comparison import Verdict, compare_columns
from lk_dataset_ros.errors import (
    BagExistsError,
    BagNotFoundError,
    DatasetFormatError,
    SpecificationError,
)
from lk_dataset_ros.experiment.many import bag_run
from lk_dataset_ros.experiment.many.bags import NamedBag, expand_bags, named_bags
from lk_dataset_ros.experiment.many.report import failed_bags, to_markdown
from lk_dataset_ros.experiment.many.result import ArmRow, BagRun
from lk_dataset_ros.experiment.many.running import run_many
from lk_dataset_ros.experiment.specification import load_specification
from lk_dataset_ros.experiment.specification.writing import specification_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.experiment.many.result import ManyResult
    from lk_dataset_ros.experiment.specification import Specification

LIMIT_S = 30.0
SPECIFICATION = """\
version: 1
name: smooth
mode: offline
inputs: {bag: bag, topics: [/in]}
original: {component: a.b:Original}
compiled:
  one: {component: a.b:One}
  two: {component: a.b:Two}
outputs: [{topic: /out}]
"""
WHOLE = """\
version: 1
name: all_of_it
mode: sequential
inputs: {bag: bags/drive, topics: [/odom, /scan], start_s: 1.5, duration_s: 20}
original: {component: 'pkg.mod:Original', python_path: [python], parameters: {gain: [1.0, 2.0]}}
compiled:
  cpp: {package: pkg, executable: node, remappings: {out: /smoothed}}
  any: {command: 'python3 run.py {ros_args}', directory: there, parameters: {deep: {a: text}}}
outputs:
  - {topic: /smoothed, answers: /odom}
  - {topic: /maybe, answers: /scan, count: maybe}
  - {topic: /three, answers: /scan, count: 3}
tolerance:
  rtol: 1.0e-12
  fields: {'**.orientation.*': {atol: 0.001}, a: {b: {rtol: 0.1}}}
  comparators: {'/scan.ranges': values}
  pairing: {by: nearest, limit_s: 0.05, offset: -0.125}
  acceptance: {keys: false, relative_time_s: 0.25}
ignore: {header.frame_id: 'the driver, and "quotes": names it'}
repeats: 3
clock_hz: 100
warm_up_s: 0.5
limits: {answer_s: 2, run_s: 60}
acceptance: {verdict: differs, speed_up: 2.5, p99_latency_s: 0.01}
"""
WORLD = """\
version: 1
inputs:
  {world: 'pkg.mod:World', topics: [/scan], seed: 4, duration_s: 9, parameters: {a: 1},
   python_path: [worlds]}
original: {component: 'a.b:C'}
compiled: {one: {component: 'a.b:D'}}
outputs: [{topic: /cmd_vel}]
pairing: {by: log_time, limit_s: 1.0, offset: estimate, max_lag_s: 0.5}
"""
EXTERNAL = """\
version: 1
inputs:
  {world: external, topics: [/scan], processes: [[gz, sim, '{world_file}'], 'ros2 run a b'],
   world_file: room.sdf, version_command: gz --version,
   reset: '/world/reset std_srvs/srv/Empty {}'}
original: {package: a, executable: b}
compiled: {one: {package: a, executable: c}}
outputs: [{topic: /cmd_vel}]
"""
LIVE = """\
version: 1
inputs: {live: {duration_s: 7}, topics: [/scan]}
original: {running: true}
compiled: {one: {component: 'a.b:D'}}
outputs: [{topic: /cmd_vel, count: maybe}]
"""


@pytest.mark.parametrize('text', [SPECIFICATION, WHOLE, WORLD, EXTERNAL, LIVE])
def test_a_specification_that_is_written_reads_as_the_same(tmp_path: Path, text: str) -> None:
    """Promise: from another folder too, every field comes back, whatever the inputs are."""
    (tmp_path / 'here').mkdir()
    path = tmp_path / 'here' / 'experiment.yaml'
    path.write_text(text)
    first = load_specification(path)
    other = tmp_path / 'experiment.yaml'
    other.write_text(specification_text(first, 'A comment.\nAnd more.'))
    assert other.read_text().startswith('# A comment.\n# And more.\nversion: 1\n')
    again = load_specification(other)
    # Folders that nothing is imported from or started in follow the file.
    arms = [
        [
            (
                arm.name,
                arm.what,
                arm.is_running,
                dict(arm.parameters),
                dict(arm.remappings),
                arm.python_path if arm.component else (),
                arm.directory if arm.command else '',
            )
            for arm in each.arms
        ]
        for each in (first, again)
    ]
    assert arms[0] == arms[1]
    blank: dict[str, Any] = {'python_path': ()} if 'external' in text else {}
    same = dict.fromkeys(('original', 'compiled', 'path'))
    assert again.replace(**same, inputs=dataclasses.replace(again.inputs, **blank)) == (
        first.replace(**same, inputs=dataclasses.replace(first.inputs, **blank))
    )


def test_a_name_that_is_none_in_a_file_is_made_one(tmp_path: Path) -> None:
    """Promise: a specification named by a file with blanks is written all the same."""
    path = tmp_path / '.my first try!.yaml'
    path.write_text(SPECIFICATION.replace('name: smooth\n', ''))
    content = yaml.safe_load(specification_text(load_specification(path)))
    assert content['name'] == 'my_first_try_'


def touch(folder: Path, *names: str) -> None:
    """Make files that look like bags by name; those that end in / become rosbag2 folders."""
    for name in names:
        path = folder / name
        if name.endswith('/'):
            path.mkdir(parents=True)
            inner = f'{path.name}_0.mcap'
            (path / inner).write_bytes(b'')
            (path / 'metadata.yaml').write_text(f'relative_file_paths: [{inner}]\n')
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'')


def names_of(patterns: Sequence[str]) -> list[str]:
    """Return the names that bags get."""
    return [bag.name for bag in expand_bags(patterns)]


def test_patterns_mean_bags_in_natural_order_each_once(tmp_path: Path) -> None:
    """Promise: files and rosbag2 folders match, others do not; 2 before 10; a file is its bag."""
    touch(tmp_path, 'run10.mcap', 'run2.mcap', 'run1/', 'run3.db3', 'notes.txt', 'plain/notes.txt')
    assert names_of([f'{tmp_path}/*']) == ['run1', 'run2', 'run3', 'run10']
    assert names_of([f'{tmp_path}/*.mcap', f'{tmp_path}/run2*']) == ['run2', 'run10']
    assert names_of([f'{tmp_path}/**/*.mcap']) == ['run1', 'run2', 'run10']
    assert names_of([str(tmp_path)]) == ['run1', 'run2', 'run3', 'run10']
    assert names_of([f'{tmp_path}/run1', f'{tmp_path}/run1/']) == ['run1']
    (tmp_path / 'run1' / 'metadata.yaml').unlink()
    assert names_of([f'{tmp_path}/run1*', f'{tmp_path}/run1/*']) == ['run1', 'run10']
    assert names_of([f'{tmp_path}/notes.txt']) == ['notes.txt']
    with pytest.raises(BagNotFoundError, match=r'no bag matches .*\*\.bag; ') as caught:
        expand_bags([f'{tmp_path}/*.bag'])
    assert '\n' not in str(caught.value)
    with pytest.raises(BagNotFoundError, match='there is no bag at'):
        expand_bags([f'{tmp_path}/run7.mcap'])


def test_bags_of_one_name_do_not_collide(tmp_path: Path) -> None:
    """Promise: they are told apart by their folder, by a number if need be, in any case."""
    touch(tmp_path, 'a/run.mcap', 'b/run.mcap', 'b/Run.db3', 'c/summary.json.mcap', 'c/lone.mcap')
    found = names_of([f'{tmp_path}/*/*'])
    assert found == ['a-run', 'b-Run', 'b-run-2', 'lone', 'summary.json-2']
    touch(tmp_path, 'd/x/drive.mcap', 'e/X/drive.mcap')
    assert names_of([f'{tmp_path}/[de]/*/*']) == ['x-drive', 'X-drive-2']


@given(st.lists(st.text(st.characters(exclude_characters='/\0', codec='utf-8'), min_size=1)))
def test_every_name_is_one_of_its_own_and_a_plain_one(names: list[str]) -> None:
    """Promise: whatever bags are called, their folders are distinct and nothing else."""
    found = named_bags(Path('/') / str(place) / name for place, name in enumerate(names))
    folded = [bag.name.casefold() for bag in found]
    assert len(set(folded)) == len(names)
    for bag in found:
        assert bag.name.isascii()
        assert Path(bag.name).name == bag.name
        assert bag.name not in ('.', '..', 'logs', 'summary.json')
        assert len(bag.name) < 210


class Watching:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.most = 0
        self.ended: list[str] = []
        self.advances: list[tuple[str, int, int]] = []

    def bag_starts(self, name: str) -> None:
        self.running.add(name)
        self.most = max(self.most, len(self.running))

    def bag_advances(self, name: str, done: int, total: int) -> None:
        assert name in self.running
        self.advances.append((name, done, total))

    def bag_ends(self, run: BagRun) -> None:
        self.running.remove(run.name)
        self.ended.append(run.name)


def bags_named(*names: str) -> list[NamedBag]:
    """Return bags that are not there."""
    return [NamedBag(name, Path('/bags') / f'{name}.mcap') for name in names]


def specification_in(folder: Path) -> Specification:
    """Write a specification and read it."""
    (folder / 'experiment.yaml').write_text(SPECIFICATION)
    return load_specification(folder / 'experiment.yaml')


def bag_run_of(bag: NamedBag, directory: Path, *codes: int, seconds: float = 1.0) -> BagRun:
    """Return the outcome of a bag on which the arms had these exit codes."""
    verdicts = (Verdict.EQUIVALENT, Verdict.DIFFERS, Verdict.INCONCLUSIVE)
    arms = []
    for name, code in zip(('one', 'two'), codes, strict=True):
        numbers = np.arange(4.0)
        comparison = compare_columns({'x': numbers}, {'x': numbers + (code == 1)}, name='/out')
        first = ('/out', 1_500_000_000, 'x') if code == 1 else None
        arms.append(
            ArmRow(name, verdicts[code], code, '', first, 2.5, '', comparison.without_sources())
        )
    code = max(codes)
    directory = directory / bag.name
    return BagRun(bag.name, bag.path, directory, verdicts[code], code, '', tuple(arms), seconds)


def test_so_many_bags_run_at_once_and_come_out_in_their_order(tmp_path: Path) -> None:
    """Promise: never more than `jobs` at a time, as many as that; results as the bags were."""
    bags = bags_named('a', 'b', 'c', 'd', 'e', 'f')
    watching, barrier = Watching(), threading.Barrier(3)

    def run_one(
        specification: Path,
        bag: NamedBag,
        directory: Path,
        advance: Callable[[int, int], None],
        stop: threading.Event,
    ) -> BagRun:
        assert load_specification(specification).compiled[0].component == 'a.b:One'
        advance(1, 2)
        barrier.wait(LIMIT_S)
        return bag_run_of(bag, directory, 0, 0)

    result = run_many(specification_in(tmp_path), bags, tmp_path / 'out', 3, watching, run_one)
    assert watching.most == 3
    assert sorted(watching.ended) == [run.name for run in result.runs] == list('abcdef')
    assert sorted(watching.advances) == [(name, 1, 2) for name in 'abcdef']
    assert (result.verdict, result.exit_code, result.failed) == (Verdict.EQUIVALENT, 0, ())


def mixed(folder: Path) -> ManyResult:
    """Run four bags: one is fine, one differs, one is inconclusive, one raises."""
    outcomes = {'fine': (0, 0), 'wrong': (0, 1), 'unclear': (2, 0)}

    def run_one(
        specification: Path,
        bag: NamedBag,
        directory: Path,
        advance: Callable[[int, int], None],
        stop: threading.Event,
    ) -> BagRun:
        if bag.name not in outcomes:
            raise OSError('the disk\nis gone')
        return bag_run_of(bag, directory, *outcomes[bag.name])

    bags = bags_named('fine', 'wrong', 'unclear', 'broken')
    return run_many(specification_in(folder), bags, folder / 'out', 2, Watching(), run_one)


def test_the_gravest_verdict_counts_and_everything_is_rolled_up(tmp_path: Path) -> None:
    """Promise: an error row among good ones, totals per arm, reports and reruns of the failed."""
    result = mixed(tmp_path)
    out = tmp_path / 'out'
    assert (result.verdict, result.exit_code) == (Verdict.ERROR, 2)
    assert [run.problem for run in result.runs] == ['', '', '', 'OSError: the disk is gone']
    totals = result.totals()
    assert (totals['one'].runs, totals['one'].verdict) == (3, Verdict.EQUIVALENT)
    assert (totals['two'].keys[0].paired, totals['two'].verdict) == (12, Verdict.DIFFERS)

    summary = json.loads((out / 'summary.json').read_text())
    assert (summary['format'], summary['version']) == ('lk_dataset_ros/many', 1)
    assert summary['is_finished']
    assert [each['exit_code'] for each in summary['bags']] == [0, 1, 2, 2]
    wrong = summary['bags'][1]
    assert wrong['arms']['two']['first_divergence']['stamp_ns'] == 1_500_000_000
    assert wrong['arms']['two']['speed_up'] == 2.5
    words = shlex.split(wrong['rerun'])
    assert words[:2] == ['lk', 'ab']
    assert words[3:] == ['--bag', '/bags/wrong.mcap', '--output', f'{out}/wrong-again']
    assert load_specification(words[2]).name == 'smooth'
    assert summary['bags'][0]['rerun'] is None
    assert summary['totals']['two']['verdict'] == 'differs'

    junit = ET.fromstring((out / 'junit.xml').read_text())
    cases = {
        (case.get('classname'), case.get('name')): [each.tag for each in case]
        for case in junit.iter('testcase')
    }
    assert len(cases) == 8
    assert {place: tags for place, tags in cases.items() if tags} == {
        ('wrong', 'two'): ['failure'],
        ('unclear', 'one'): ['error'],
        ('broken', 'one'): ['error'],
        ('broken', 'two'): ['error'],
    }
    assert (junit.get('tests'), junit.get('failures'), junit.get('errors')) == ('8', '1', '3')

    page = (out / 'summary.md').read_text()
    assert '4 bags: 1 differs, 1 equivalent, 1 error, 1 inconclusive' in page
    assert page.count('Again, alone') == 3
    assert failed_bags(out) == [
        Path(f'/bags/{name}.mcap') for name in ('wrong', 'unclear', 'broken')
    ]


def test_the_page_fits_whatever_the_number_of_bags(tmp_path: Path) -> None:
    """Promise: the Markdown keeps its limit, the failed ones first, and says what is left out."""
    result = mixed(tmp_path)
    page = to_markdown(result, 1000)
    assert len(page) <= 1000
    assert 'more: lk ab' in page
    assert page.index('broken') < page.index('fine')


def test_an_interruption_ends_all_and_keeps_what_was_finished(tmp_path: Path) -> None:
    """Promise: running ones are told to stop, waiting ones never start, the rest can be rerun."""
    started, told, both_run = list[str](), list[bool](), threading.Barrier(2)

    def run_one(
        specification: Path,
        bag: NamedBag,
        directory: Path,
        advance: Callable[[int, int], None],
        stop: threading.Event,
    ) -> BagRun:
        started.append(bag.name)
        if bag.name in 'ab':
            both_run.wait(LIMIT_S)
        if bag.name != 'a':
            told.append(stop.wait(LIMIT_S))
        return bag_run_of(bag, directory, 0, 0)

    class Interrupting(Watching):
        def bag_ends(self, run: BagRun) -> None:
            raise KeyboardInterrupt

    bags = bags_named('a', 'b', 'c', 'd')
    with pytest.raises(KeyboardInterrupt):
        run_many(specification_in(tmp_path), bags, tmp_path / 'out', 2, Interrupting(), run_one)
    assert sorted(started)[:2] == ['a', 'b']
    assert len(started) <= 3
    assert all(told)
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert not summary['is_finished']
    assert [each['exit_code'] for each in summary['bags']] == [0, 2, 2, 2]
    assert len(failed_bags(tmp_path / 'out')) == 3


def test_what_is_no_earlier_run_is_refused(tmp_path: Path) -> None:
    """Promise: --failed-of says in one line what is wrong with the folder it was given."""
    with pytest.raises(BagNotFoundError, match='give the folder of an earlier run'):
        failed_bags(tmp_path)
    texts = ['[', '[]', '{"format": "other"}', '{"format": "lk_dataset_ros/many", "version": 9}']
    texts.append('{"format": "lk_dataset_ros/many", "version": 1, "bags": [{"bag": 3}]}')
    for text in texts:
        (tmp_path / 'summary.json').write_text(text)
        with pytest.raises(DatasetFormatError) as caught:
            failed_bags(tmp_path)
        assert '\n' not in str(caught.value)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Promise: nothing is overwritten; inputs other than bags are refused."""
    specification = specification_in(tmp_path)
    (tmp_path / 'out').mkdir()
    with pytest.raises(BagExistsError):
        run_many(specification, [], tmp_path / 'out', 1, Watching(), None)  # type: ignore[arg-type]
    (tmp_path / 'live.yaml').write_text(LIVE)
    live = load_specification(tmp_path / 'live.yaml')
    with pytest.raises(SpecificationError, match='--bags is for inputs from a bag'):
        run_many(live, [], tmp_path / 'new', 1, Watching(), None)  # type: ignore[arg-type]
    assert not (tmp_path / 'new').exists()


CHILDREN = {
    'crash': 'import os, sys; print("about to", file=sys.stderr); os.kill(os.getpid(), 9)',
    'refuse': 'print(\'{"event": "error", "text": "no such port"}\'); raise SystemExit(2)',
    'nothing': 'print("hello"); print("{}"); print("[1]")',
    'raise': 'raise RuntimeError("oh no")',
}


@pytest.mark.parametrize(
    ('child', 'problem'),
    [
        ('crash', 'crashed (signal 9): about to'),
        ('refuse', 'no such port'),
        ('nothing', 'drive was run, but has no comparison.json'),
        ('raise', 'drive was run, but has no comparison.json: RuntimeError: oh no'),
    ],
)
def test_whatever_a_child_does_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str, problem: str
) -> None:
    """Promise: crash, refusal, nonsense and exception end as one line of one bag."""
    (tmp_path / 'a_child.py').write_text(CHILDREN[child])
    (tmp_path / 'logs').mkdir()
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr(bag_run, '_CHILD', 'a_child')
    found = bag_run.run_in_child(
        tmp_path / 'experiment.yaml',
        NamedBag('drive', Path('/bags/drive')),
        tmp_path,
        lambda done, total: None,
        threading.Event(),
    )
    assert (found.verdict, found.exit_code, found.problem) == (Verdict.ERROR, 2, problem)


def test_a_child_that_is_stopped_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: what still runs when the whole is interrupted is ended, with all below it."""
    (tmp_path / 'a_child.py').write_text(
        'import subprocess, sys, time\n'
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])\n'
        'print(\'{"event": "advances", "done": \' + str(child.pid) + \', "total": 9}\', flush=True)\n'
        'time.sleep(600)\n'
    )
    (tmp_path / 'logs').mkdir()
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr(bag_run, '_CHILD', 'a_child')
    stop, pids = threading.Event(), list[int]()

    def advance(done: int, total: int) -> None:
        pids.append(done)
        stop.set()

    bag = NamedBag('drive', Path('/bags/drive'))
    found = bag_run.run_in_child(tmp_path / 'experiment.yaml', bag, tmp_path, advance, stop)
    assert found.problem == 'was interrupted'
    assert math.isfinite(found.seconds)
    stat = Path(f'/proc/{pids[0]}/stat')
    assert not stat.exists() or stat.read_text().rpartition(')')[2].split()[0] == 'Z'


SMOOTHER = Path(__file__).parents[2] / 'examples' / 'odometry_smoother' / 'python'
WRONG = """\
from odometry_smoother.original import OdometrySmoother


class Same(OdometrySmoother):
    pass


class Wrong(OdometrySmoother):
    def step(self, odom):
        outputs = super().step(odom)
        if odom.twist.twist.linear.x > 1.0:
            outputs['smoothed'].twist.linear.x += 1e-3
        return outputs
"""


def write_drive(path: Path, top_speed: float) -> None:
    """Write half a second of odometry that speeds up evenly."""
    with Dataset.create('mcap', path) as bag:
        for number in range(50):
            time_ns = 1_700_000_000_000_000_000 + number * 10_000_000
            odom = new_message('nav_msgs/msg/Odometry')
            odom.header.stamp.sec, odom.header.stamp.nanosec = divmod(time_ns, 1_000_000_000)
            odom.twist.twist.linear.x = top_speed * number / 50
            bag.write('/odom', odom, timestamp_ns=time_ns)


def write_experiment(folder: Path, **more: Any) -> None:
    """Write an experiment with a component that is wrong above 1 m/s."""
    (folder / 'variant.py').write_text(WRONG)
    arm = {'python_path': ['.', str(SMOOTHER)]}
    specification = {
        'version': 1,
        'name': 'smooth',
        'mode': 'offline',
        'inputs': {'bag': 'data/fast', 'topics': ['/odom']},
        'original': {'component': 'odometry_smoother.original:OdometrySmoother', **arm},
        'compiled': {'wrong': {'component': 'variant:Wrong', **arm}},
        'outputs': [{'topic': '/smoothed'}],
    }
    (folder / 'experiment.yaml').write_text(yaml.safe_dump({**specification, **more}))


def test_many_bags_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: a broken bag among good ones is a row; each bag gets the verdict that it deserves."""
    monkeypatch.chdir(tmp_path)
    write_drive(tmp_path / 'data' / 'slow', 0.5)
    write_drive(tmp_path / 'data' / 'fast', 2.0)
    (tmp_path / 'data' / 'broken.mcap').write_bytes(b'no bag at all')
    write_experiment(tmp_path)
    command = ['ab', 'experiment.yaml', '--bags', 'data/*', '--jobs', '2', '--output', 'out']
    assert main([*command, '--no-falsify']) == 2
    summary = json.loads(Path('out/summary.json').read_text())
    found = {each['name']: each for each in summary['bags']}
    assert {name: each['verdict'] for name, each in found.items()} == {
        'broken': 'error',
        'fast': 'differs',
        'slow': 'equivalent',
    }
    assert [*found] == ['broken', 'fast', 'slow']
    assert 'broken.mcap is not a file of a bag' in found['broken']['problem']
    arm = found['fast']['arms']['wrong']
    assert arm['first_divergence']['field'] == 'twist.linear.x'
    assert arm['speed_up'] > 0.0
    assert Path('out/fast/comparison.json').is_file()
    told = capsys.readouterr()
    assert 'Again, alone: lk ab out/experiment.yaml --bag' in told.out
    assert told.out.count('Again, alone') == 2
    assert 'slow: equivalent (' in told.err


def test_the_failed_ones_are_run_again_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: --failed-of takes the bags of the earlier run that were not accepted, only them."""
    asked = list[tuple[str, bool]]()
    codes = {'good': 0, 'bad': 1}

    def run_one(
        specification: Path,
        bag: NamedBag,
        directory: Path,
        advance: Callable[[int, int], None],
        stop: threading.Event,
        *,
        falsify: bool,
    ) -> BagRun:
        asked.append((bag.name, falsify))
        assert load_specification(specification).repeats == 4
        return bag_run_of(bag, directory, 0, codes[bag.name])

    monkeypatch.setattr('lk_dataset_ros.cli.many_text.run_in_child', run_one)
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, 'data/good.mcap', 'data/bad.mcap')
    specification_in(tmp_path)
    command = ['ab', 'experiment.yaml', '--repeats', '4']
    assert main([*command, '--bags', 'data/*', '--output', 'out']) == 1
    assert sorted(asked) == [('bad', True), ('good', True)]
    asked.clear()
    assert main([*command, '--failed-of', 'out', '--output', 'again', '--no-falsify']) == 1
    assert asked == [('bad', False)]
    codes['bad'] = 0
    assert main([*command, '--failed-of', 'again', '--output', 'third']) == 0
    assert main([*command, '--failed-of', 'third']) == 0
    assert 'there is nothing to run again' in capsys.readouterr().out
    assert main([*command, '--failed-of', 'out', '--bags', 'data/*']) == 2
    assert capsys.readouterr().err == 'lk: error: give --bags or --failed-of, not both\n'


def test_the_shortest_input_is_found_saved_and_shows_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: from components and a bag to one input that the printed command replays."""
    monkeypatch.chdir(tmp_path)
    write_drive(tmp_path / 'data' / 'fast', 2.0)
    write_experiment(tmp_path)
    assert main(['ab', 'experiment.yaml', '--output', 'out']) == 1
    result = json.loads(Path('out/comparison.json').read_text())
    falsifying = result['compiled']['wrong']['falsifying']
    assert falsifying['inputs'] == 1
    with Dataset.load(falsifying['bag']) as inputs:
        (odom,) = inputs['/odom']
        assert odom.twist.twist.linear.x > 1.0
    words = shlex.split(falsifying['command'])
    assert words[:2] == ['lk', 'ab']
    assert main([*words[1:], '--output', 'again', '--no-falsify']) == 1
