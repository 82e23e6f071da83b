"""`lk select` and `selection.yaml`: which arm is kept, and what is written of it."""

from __future__ import annotations

import doctest
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from result_kit import DIFFERS, arm_of, originals_of, result_of

from lk_dataset_ros.cli.main import main
from lk_dataset_ros.errors import ArmError, SpecificationError
from lk_dataset_ros.experiment.cost.intervals import Estimate
from lk_dataset_ros.experiment.reporting import figures
from lk_dataset_ros.experiment.reporting.report import result_to_dict, write_reports
from lk_dataset_ros.experiment.selecting.selecting import select
from lk_dataset_ros.experiment.selecting.selection import Choice, Selection, load_selection
from lk_dataset_ros.experiment.specification import Arm, Demands

ROOT = Path(__file__).resolve().parents[2]
DATE = '2026-01-02T03:04:05+00:00'
RUN = Path('/data/runs/smoother/1')


def chosen(*arms, originals=None):
    """Choose among arms as a run has left them."""
    result = result_of(RUN, *arms, originals=originals)
    return select(json.loads(json.dumps(result_to_dict(result))), RUN, date=DATE)


def test_the_fastest_that_passes_is_kept():
    """Promise: of arms that pass, the one with the least processor time per input."""
    choice = chosen(
        arm_of('slow', cpu_s=2.0),
        arm_of('fast', cpu_s=0.5),
        arm_of('wrong', cpu_s=0.1, offset=1.0),
    )
    assert choice.arm.name == 'fast'
    assert choice.arm.component == 'package.module:Fast'
    assert choice.speed_up.value == pytest.approx(10.1, rel=1e-3)
    assert choice.why.startswith('the fastest of 2 that pass; processor time per input')
    assert (choice.verdict, choice.run, choice.date) == ('equivalent', str(RUN), DATE)


@pytest.mark.parametrize(
    ('arms', 'why'),
    [
        ([arm_of(cpu_s=5.0)], 'none that passes is faster beyond chance'),
        ([arm_of(cpu_s=4.95)], 'none that passes is faster beyond chance'),
        ([arm_of(offset=1.0)], 'no compiled arm passes: cpp differs'),
        ([arm_of(offset=1.0, demands=DIFFERS)], 'no compiled arm passes: cpp differs'),
        (
            [arm_of(demands=Demands(speed_up=9.0))],
            'no compiled arm passes: cpp equivalent but not accepted',
        ),
        ([arm_of(offset=1.0), arm_of('b', problem='crashed')], 'cpp differs, b error'),
    ],
)
def test_the_original_stays_where_nothing_better_is_proven(arms, why):
    """Promise: an arm that is not surely faster, or does not pass, replaces nothing."""
    choice = chosen(*arms)
    assert choice.arm.name == 'original'
    assert why in choice.why


def test_one_run_proves_no_speed():
    """Promise: a ratio without interval selects nothing, and what is needed is said."""
    originals = originals_of(5.0)
    choice = chosen(arm_of(originals=originals), originals=originals)
    assert choice.arm.name == 'original'
    assert choice.why == (
        'whether one is faster is not known: cpp 5 [unknown]; one run has no interval, '
        'repeats: 3 or more has'
    )


def test_of_equally_fast_arms_the_smaller_one_is_kept():
    """Promise: within the confidence interval, memory decides."""
    arms = [
        arm_of('quick', cpu_s=1.0, peak_bytes=90e6),
        arm_of('small', cpu_s=1.02, peak_bytes=30e6),
        arm_of('tiny', cpu_s=2.0, peak_bytes=1e6),
    ]
    choice = chosen(*arms)
    assert choice.arm.name == 'small'
    assert choice.why.startswith('as fast as quick within confidence, with less memory')


def test_where_nothing_could_be_judged_nothing_is_selected():
    """Promise: failed arms and a failed original select nobody, not even the original."""
    with pytest.raises(ArmError, match='no arm could be judged: cpp: crashed'):
        chosen(arm_of(problem='crashed'))
    with pytest.raises(ArmError, match='the original failed: out of memory'):
        chosen(arm_of(), originals=originals_of(5.0, problem='out of memory'))


ARMS = {
    'component': Arm('cpp', component='package.module:Cpp', parameters={'gain': 2.0}),
    'executable': Arm('cpp', package='nodes', executable='cpp', remappings={'odom': '/odom'}),
    'command': Arm('cpp', command=('./node', '{ros_args}'), directory='/data/build'),
    'running': Arm('original', is_running=True),
}


@pytest.mark.parametrize('kind', ARMS)
def test_what_is_written_is_read_again(kind, tmp_path):
    """Promise: every kind of arm comes back as it was, with what is known of it."""
    choice = Choice(
        ARMS[kind], 'why not', Estimate(5.0, 4.0, float('inf')), 'equivalent', '/data/run', DATE
    )
    Selection(tmp_path / 'selection.yaml').with_choice('smoother', choice).save()
    assert load_selection(tmp_path / 'selection.yaml').choose('smoother') == choice


def test_paths_below_the_file_move_with_it(tmp_path):
    """Promise: a folder with its selection can be moved; paths elsewhere stay absolute."""
    arm = Arm('cpp', component='m:C', python_path=(str(tmp_path / 'a' / 'code'), '/opt/code'))
    (tmp_path / 'a').mkdir()
    choice = Choice(arm, run=str(tmp_path / 'a' / 'runs' / '1'))
    Selection(tmp_path / 'a' / 'selection.yaml').with_choice('smoother', choice).save()
    (tmp_path / 'a').rename(tmp_path / 'b')
    moved = load_selection(tmp_path / 'b' / 'selection.yaml').choose('smoother')
    assert moved.arm.python_path == (str(tmp_path / 'b' / 'code'), '/opt/code')
    assert moved.run == str(tmp_path / 'b' / 'runs' / '1')


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('', 'is not a selection; one starts with "version: 1"'),
        ('version: 2\ncomponents: {}', ':1: version: 2 is not known; 1 is'),
        ('version: 1\n', "'components' is a required property"),
        ('version: 1\ncomponents:\n  a: {arm: b}', ':3: components.a: has to have one of compo'),
        (
            "version: 1\ncomponents:\n  a: {arm: b, component: 'm:C', package: p, executable: e}",
            'has to have one of',
        ),
        ('version: 1\ncomponents:\n  a: {arm: b, package: p}', "'executable' is a dependency of"),
        ('version: 1\ncomponents:\n  a: {arm: b, component: c, spede: 1}', "unknown field 'spede'"),
        ('version: 1\ncomponents: {a: {arm: 7, component: c}}', "7 is not of type 'string'"),
        ('version: [', 'selection.yaml:'),
    ],
)  # fmt: skip
def test_a_faulty_selection_is_refused_in_one_line(text, told, tmp_path):
    """Promise: file, line, field and what is wrong, on one line."""
    path = tmp_path / 'selection.yaml'
    path.write_text(text)
    with pytest.raises(SpecificationError) as error:
        load_selection(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_a_component_that_nobody_selected_is_named(tmp_path):
    """Promise: asking for an unknown component says which there are."""
    selection = Selection(tmp_path / 's.yaml').with_choice('a', Choice(ARMS['component']))
    with pytest.raises(SpecificationError, match=r"selects nothing for 'b'; it has a; lk select"):
        selection.choose('b')


@pytest.fixture
def run(tmp_path):
    """Return the folder of a finished run of two arms that pass."""
    folder = tmp_path / 'runs' / 'smoother' / '1'
    folder.mkdir(parents=True)
    write_reports(result_of(folder, arm_of('slow', cpu_s=2.0), arm_of('cpp', cpu_s=0.5)))
    return folder


def test_a_finished_run_is_chosen_from(run, tmp_path, capsys):
    """Promise: the winner is written, other components stay, and the figures are shown."""
    path = tmp_path / 'selection.yaml'
    other = Choice(Arm('nn', command=('nn',)), why='it was there')
    Selection(path).with_choice('planner', other).save()
    assert main(['select', '--from', str(run), '--output', str(path)]) == 0
    selection = load_selection(path)
    assert selection.choose('planner') == other
    choice = selection.choose('smoother')
    assert choice.arm == Arm('cpp', component='package.module:Cpp', python_path=('/data/code',))
    assert choice.run == str(run)
    written = yaml.safe_load(path.read_text())['components']['smoother']
    assert written['run'] == 'runs/smoother/1'
    assert written['speed_up']['low'] > 9.0
    output = capsys.readouterr().out
    assert re.search(r'slow +equivalent +yes +2.52 \[', output)
    assert 'smoother: cpp: the fastest of 2 that pass' in output
    assert [each.name for each in tmp_path.glob('*.part')] == []


def test_the_exit_code_tells_that_the_original_stays(tmp_path):
    """Promise: 1 where the original stays; it is written, so that it can be started by name."""
    write_reports(result_of(tmp_path, arm_of(offset=1.0)))
    path = tmp_path / 'selection.yaml'
    assert main(['select', '--from', str(tmp_path), '--output', str(path)]) == 1
    assert load_selection(path).choose('smoother').arm.component == 'package.module:Original'


def test_an_experiment_is_run_often_enough(monkeypatch, tmp_path, capsys):
    """Promise: without --from the experiment runs, with three runs of the original at least."""
    from lk_dataset_ros.experiment import run as run_module

    found = []

    def run_experiment(specification, progress, **options):
        found.append((specification.repeats, options))
        return result_of(tmp_path, arm_of())

    monkeypatch.setattr(run_module, 'run_experiment', run_experiment)
    monkeypatch.chdir(tmp_path)
    experiment = tmp_path / 'experiment.yaml'
    experiment.write_text(
        'version: 1\nname: smoother\ninputs: {bag: bag, topics: [/odom]}\n'
        "original: {component: 'm:A'}\ncompiled: {cpp: {component: 'm:B'}}\n"
        'outputs: [{topic: /smoothed}]\n'
    )
    assert main(['select', str(experiment)]) == 0
    assert found == [(3, {'falsify': False})]
    assert 'the original is run 3 times' in capsys.readouterr().err
    assert load_selection(tmp_path / 'selection.yaml').choose('smoother').arm.name == 'cpp'


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (lambda path: path.unlink(), 'give the folder of a finished run'),
        (lambda path: path.write_text('{'), 'is no JSON'),
        (lambda path: path.write_text('[]'), 'is not the result of an experiment'),
        (
            lambda path: path.write_text(path.read_text().replace('"version": 2', '"version": 1')),
            'is of version 1, which says too little; 2 is read',
        ),
        (
            lambda path: path.write_text(path.read_text().replace('"exit_code": 0', '"exit_code": 7')),
            'compiled.slow.exit_code: 7 is not one of',
        ),
        (
            lambda path: path.write_text(path.read_text().replace('"cpu": {', '"cpu": 1, "c": {')),
            "ratios.cpu: 1 is not of type 'object'",
        ),
    ],
)  # fmt: skip
def test_an_unusable_run_is_one_line_and_exit_code_2(change, told, run, tmp_path, capsys):
    """Promise: what is no result of an experiment is refused, and nothing is written."""
    change(run / 'comparison.json')
    path = tmp_path / 'selection.yaml'
    assert main(['select', '--from', str(run), '--output', str(path)]) == 2
    errors = capsys.readouterr().err
    assert told in errors
    assert len(errors.strip().splitlines()) == 1
    assert not path.exists()


def test_a_faulty_selection_stays_as_it_is(run, tmp_path, capsys):
    """Promise: a file that is no selection is not overwritten."""
    path = tmp_path / 'selection.yaml'
    path.write_text('precious: notes\n')
    assert main(['select', '--from', str(run), '--output', str(path)]) == 2
    assert path.read_text() == 'precious: notes\n'
    assert 'selection.yaml:1:' in capsys.readouterr().err
    assert main(['select', '--output', str(tmp_path / 'other.yaml')]) == 2
    assert 'give an experiment.yaml, or --from' in capsys.readouterr().err


def test_the_run_of_another_experiment_is_refused(run, tmp_path, capsys):
    """Promise: a run is chosen from only for the component that it was of."""
    experiment = tmp_path / 'experiment.yaml'
    experiment.write_text(
        'version: 1\nname: planner\ninputs: {bag: bag, topics: [/odom]}\n'
        "original: {component: 'm:A'}\ncompiled: {cpp: {component: 'm:B'}}\n"
        'outputs: [{topic: /smoothed}]\n'
    )
    assert main(['select', str(experiment), '--from', str(run)]) == 2
    assert "is a run of 'smoother'" in capsys.readouterr().err


def test_an_arm_whose_interval_has_no_upper_bound_is_compared(tmp_path):
    """Promise: an open interval is no number in JSON, and still an interval when read again."""
    arm = replace(arm_of(), ratios={'cpu': Estimate(5.0, 4.0, float('inf'))})
    assert chosen(arm).speed_up == Estimate(5.0, 4.0, float('inf'))


def test_the_documentation_is_right(tmp_path, monkeypatch):
    """Promise: docs/selecting.md names every option, its session runs, its YAML is a selection."""
    page = ROOT / 'docs' / 'selecting.md'
    text = page.read_text()
    assert all(each in text for each in ('--from', '--output', *figures.COSTS))
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(page), module_relative=False)
    assert (found.attempted, found.failed) == (6, 0)
    (example,) = re.findall(r'```yaml\n(.*?)```', text, re.DOTALL)
    (tmp_path / 'selection.yaml').write_text(example)
    choice = load_selection(tmp_path / 'selection.yaml').choose('smoother')
    assert choice.arm.python_path == (str(tmp_path / 'python'),)
