"""What came out of an experiment: verdicts, exit codes, reports."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from result_kit import (
    DIFFERS,
    arm_of,
    cost_of,
    dataset_of,
    originals_of,
    result_of,
    run_of,
    specification_of,
)
from rich.console import Console

from lk_dataset_ros.cli.ab_text import show
from lk_dataset_ros.comparison import Verdict, compare
from lk_dataset_ros.experiment.judging import State, differing_outcomes
from lk_dataset_ros.experiment.reporting import figures
from lk_dataset_ros.experiment.reporting.ci import to_junit, to_markdown
from lk_dataset_ros.experiment.reporting.report import page_of, result_to_dict, write_reports
from lk_dataset_ros.experiment.result import ArmResult, judge_arm, judge_trust
from lk_dataset_ros.experiment.specification import Demands, LiveInputs, Output, WorldInputs

RUN = Path('/run')
EVIL = '</td><script>alert(1)</script> | `x`'


def shown(result, width=140):
    """Return what is printed of a result."""
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        show(result, console)
    return capture.get()


def test_equal_runs_are_trusted():
    """Promise: the same inputs, all confirmed, are no reason for doubt."""
    assert judge_trust(run_of('original'), run_of()) == ''


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (
            {'sent': {'/odom': 99}},
            'unequal inputs: original and cpp were sent 100 and 99 on /odom',
        ),
        ({'sent': {'/odom': 100, '/imu': 1}}, 'were sent 0 and 1 on /imu'),
        ({'hashes': {'/odom': 'cd' * 32}}, 'other messages on /odom (SHA-256 abababababab and cd'),
        ({'hashes': {}}, '(SHA-256 abababababab and unknown)'),
        ({'unconfirmed': ('/odom',)}, 'nobody confirmed that cpp got every message on /odom'),
    ],
)
def test_unequal_inputs_and_unconfirmed_delivery_are_a_reason(change, told):
    """Promise: what makes two runs incomparable is said in one line."""
    reason = judge_trust(run_of('original'), run_of(**change))
    assert told in reason
    assert '\n' not in reason


def test_an_answer_to_every_input_proves_that_it_arrived():
    """Promise: best effort is trusted where each input was answered, and only there."""
    run = run_of(unconfirmed=('/odom',))
    specification = specification_of()
    assert judge_trust(run_of('original'), run, specification=specification) == ''
    silent = replace(run, unanswered={'/smoothed': 1})
    assert judge_trust(run_of('original'), silent, specification=specification)
    maybe = specification.replace(outputs=(Output('/smoothed', '/odom', 0, 1),))
    assert judge_trust(run_of('original'), run, specification=maybe)


def test_in_a_world_arms_may_see_other_inputs():
    """Promise: a closed loop gives each arm what it has brought about; elsewhere that is unequal."""
    other = run_of(sent={'/odom': 90}, hashes={'/odom': 'cd' * 32})
    for inputs, is_trusted in (
        (WorldInputs('diff_drive', ('/odom',)), True),
        (LiveInputs(('/odom',)), False),
    ):
        specification = specification_of(inputs=inputs)
        reason = judge_trust(run_of('original'), other, specification=specification)
        assert (reason == '') is is_trusted


@pytest.mark.parametrize(
    ('arm', 'verdict', 'exit_code'),
    [
        (arm_of(), Verdict.EQUIVALENT, 0),
        (arm_of(offset=1.0), Verdict.DIFFERS, 1),
        (arm_of(offset=1.0, demands=DIFFERS), Verdict.DIFFERS, 0),
        (arm_of(demands=DIFFERS), Verdict.EQUIVALENT, 1),
        (arm_of(problem='crashed (signal 6)'), Verdict.ERROR, 2),
        (ArmResult(run_of(), None, 'unequal inputs'), Verdict.INCONCLUSIVE, 2),
        (arm_of(demands=Demands(speed_up=3.0)), Verdict.EQUIVALENT, 0),
        (arm_of(demands=Demands(speed_up=9.0)), Verdict.EQUIVALENT, 1),
        (arm_of(demands=Demands(speed_up=5.0)), Verdict.INCONCLUSIVE, 2),
        (arm_of(offset=1.0, demands=Demands(speed_up=5.0)), Verdict.DIFFERS, 1),
    ],
)
def test_the_verdict_of_an_arm_and_what_was_demanded_make_the_exit_code(arm, verdict, exit_code):
    """Promise: 0 is accepted, 1 is not, 2 could not be judged; `differs` may be demanded."""
    assert (arm.verdict, arm.exit_code) == (verdict, exit_code)
    result = result_of(RUN, arm)
    assert (result.verdict, result.exit_code) == (verdict, exit_code)
    assert result.is_accepted is {0: True, 1: False, 2: None}[exit_code]


def test_the_gravest_arm_decides():
    """Promise: an arm that could not be judged weighs more than one that differs."""
    arms = [arm_of('a'), arm_of('b', offset=1.0), arm_of('c', problem='crashed')]
    assert result_of(RUN, *arms[:2]).exit_code == 1
    assert result_of(RUN, *arms).exit_code == 2
    assert result_of(RUN, *arms).verdict is Verdict.ERROR
    failed = originals_of(5.0, problem='crashed')
    assert result_of(RUN, arms[0], originals=failed).exit_code == 2


def test_a_demand_is_judged_by_its_interval():
    """Promise: speed-up is met, not met or not clear by its interval; of one run it is not clear."""
    found = {
        limit: arm_of(demands=Demands(speed_up=limit)).demands[0].state for limit in (3, 5, 9)
    }
    assert found == {3: State.MET, 5: State.NOT_CLEAR, 9: State.NOT_MET}
    one = arm_of(demands=Demands(speed_up=2.0), originals=originals_of(5.0))
    assert one.verdict is Verdict.INCONCLUSIVE
    assert 'its confidence interval needs repeats: 3 or more' in figures.demand(one.demands[0])


@pytest.mark.parametrize(
    ('limit_s', 'state'), [(5e-3, State.MET), (2e-3, State.NOT_CLEAR), (1e-3, State.NOT_MET)]
)
def test_the_latency_that_is_demanded_is_judged_by_its_interval(limit_s, state):
    """Promise: p99 has to lie below the limit with all of its interval."""
    latencies = 1e-3 * np.exp(0.3 * np.random.default_rng(0).standard_normal(3_000))
    run = run_of(cost=cost_of(1.0, latencies))
    arm = judge_arm(
        specification_of(Demands(p99_latency_s=limit_s)),
        originals_of(5.0),
        [run],
        compare(dataset_of(), dataset_of()),
    )
    assert arm.demands[0].state is state
    assert figures.demand(arm.demands[0]).startswith(
        f'a p99 latency of at most {limit_s * 1e3:g} ms is {state.value}: 1.95 ms [1'
    )


def test_an_arm_that_fails_in_a_further_run_is_an_error():
    """Promise: a crash in any run of an arm is its result, with its log."""
    crashed = run_of(label='cpp_2', problem='crashed (signal 6)', log_tail=('out of luck',))
    comparison = compare(dataset_of(), dataset_of())
    arm = judge_arm(specification_of(), originals_of(5.0), [run_of(), crashed], comparison)
    assert arm.verdict is Verdict.ERROR
    assert arm.problem == 'cpp_2: crashed (signal 6)'
    assert '| out of luck' in shown(result_of(RUN, arm))


def test_another_outcome_of_the_task_is_a_difference():
    """Promise: an arm that collides where the original arrives differs, whatever its messages."""
    originals = originals_of(5.0, outcome={'reached': True, 'time_s': 10.0})
    arm = arm_of(originals=originals, outcome={'reached': False, 'time_s': 10.5})
    assert arm.verdict is Verdict.DIFFERS
    assert arm.outcomes == ('reached',)
    text = shown(result_of(RUN, arm, originals=originals))
    assert 'other outcome: reached' in text
    assert re.search(r'reached +yes +no', text)


def test_outcomes_that_the_original_does_not_repeat_do_not_count():
    """Promise: where runs of the original end differently, the outcome judges nobody."""
    originals = [run_of('original', outcome={'reached': each}) for each in (True, False)]
    assert differing_outcomes(originals, [run_of(outcome={'reached': False})]) == []
    assert differing_outcomes(originals[:1], [run_of(outcome={'reached': False})]) == ['reached']
    assert differing_outcomes(originals[:1], [run_of()]) == ['reached']


def test_all_reports_are_written_whole(tmp_path):
    """Promise: five files, nothing half-written beside them, JSON that every parser reads."""
    arms = [arm_of(), arm_of('wrong', offset=1.0), arm_of('bad', problem='crashed')]
    write_reports(result_of(tmp_path, *arms))
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        *('comparison.json', 'diffdiff.txt', 'junit.xml', 'report.html', 'summary.md'),
    ]
    content = json.loads((tmp_path / 'comparison.json').read_text(), parse_constant=pytest.fail)
    assert (content['format'], content['version']) == ('lk_dataset_ros/experiment', 2)
    assert [each['verdict'] for each in content['compiled'].values()] == [
        *('equivalent', 'differs', 'error'),
    ]
    text = (tmp_path / 'diffdiff.txt').read_text()
    assert 'compiled: bad\nverdict:  error\ncrashed\n' in text
    assert 'twist.linear.x' in text


def test_the_json_keeps_the_names_of_version_1(tmp_path):
    """Promise: whoever reads version 1 finds all of its fields in version 2, and more."""
    content = result_to_dict(result_of(tmp_path, arm_of(peak_bytes=1e6)))
    old = {'name', 'verdict', 'exit_code', 'bag', 'inputs', 'warnings', 'rtf', 'original'}
    assert old < content.keys()
    cpp = content['compiled']['cpp']
    for run in (content['original'], cpp):
        assert {
            *('what', 'bag', 'problem', 'sent', 'received', 'duration_s', 'achieved_rtf'),
            'log_tail',
        } < run.keys()
    assert cpp['cost']['cpu_per_input_s'] == 0.01
    assert cpp['cost']['peak_bytes'] == 1e6
    assert cpp['cost']['latency_s'] == {
        'count': 0, 'p50': None, 'p95': None, 'p99': None, 'max': None,
    }  # fmt: skip
    assert cpp['ratios']['cpu']['value'] == pytest.approx(5.05, rel=1e-3)
    assert cpp['ratios']['cpu']['low'] < 5.0
    assert cpp['start'] == {'component': 'package.module:Cpp', 'python_path': ['/data/code']}


def test_a_terminal_shows_every_arm_in_figures():
    """Promise: cost and speed-up of each arm stand in one table, and what is unknown says so."""
    latencies = np.linspace(1e-3, 2e-3, 1_000)
    run = run_of(cost=cost_of(1.0, latencies, peak_bytes=45.1e6))
    arm = judge_arm(
        specification_of(), originals_of(5.0), [run], compare(dataset_of(), dataset_of(1.0))
    )
    lines = shown(result_of(RUN, arm, originals=originals_of(5.0)), 200).splitlines()
    (row,) = [each for each in lines if each.startswith(' cpp ')]
    for text in ('20 of 20', '10 ms', '1.5 ms', '1.99 ms', '45.1 MB', '500 ms', '5 [unknown]'):
        assert text in row
    assert '/smoothed at stamp 109.000000000: twist.linear.x' in row


def test_figures_are_means_over_all_runs_as_ratios_are():
    """Promise: what the columns show divides to the speed-up that is shown."""
    originals = originals_of(4.0, 9.0)
    first, cpp = figures.rows(result_of(RUN, arm_of(originals=originals), originals=originals))
    assert (first.costs[0], cpp.costs[0]) == ('60 ms', '10 ms')
    assert cpp.costs[-1].startswith('6 [')


@pytest.mark.parametrize('width', [80, 60])
def test_a_narrow_terminal_shows_all_of_it(width):
    """Promise: on a narrow terminal nothing is cut off and no line is longer than it."""
    text = shown(result_of(RUN, arm_of(peak_bytes=45.1e6), arm_of('wrong', offset=1.0)), width)
    lines = [each for each in text.splitlines() if not each.startswith('report:')]
    assert max(map(len, lines)) <= width
    assert '…' not in text
    for each in ('cpp', 'wrong', 'equivalent', 'differs', '45.1', '500 ms'):
        assert each in text


def test_what_is_accepted_although_it_differs_is_said():
    """Promise: a verdict that does not say the exit code is followed by what does."""
    told = shown(result_of(RUN, arm_of(offset=1.0, demands=DIFFERS)))
    assert 'verdict: differs, accepted' in told
    told = shown(result_of(RUN, arm_of(demands=Demands(speed_up=9.0))))
    assert 'verdict: equivalent, not accepted' in told
    page = page_of(result_of(RUN, arm_of(demands=Demands(speed_up=9.0))))
    assert '<dt>this is</dt><dd>not accepted</dd>' in page
    assert 'a speed-up of at least 9 is not met: 5.05 [' in told


def test_the_page_shows_costs_ratios_and_outcomes():
    """Promise: the page has what the terminal has, and all ratios; text stays text."""
    originals = originals_of(5.0, 5.1, 5.05, outcome={EVIL: True})
    arm = arm_of(originals=originals, outcome={EVIL: False}, peak_bytes=45.1e6)
    specification = specification_of(inputs=WorldInputs('diff_drive', ('/odom',), seed=7))
    falsifying = SimpleNamespace(bag=Path('/run/f.mcap'), command=EVIL, inputs=3)
    result = result_of(
        RUN,
        arm,
        originals=originals,
        specification=specification,
        falsifying={'cpp': falsifying},
        facts={'simulator': EVIL},
    )
    page = page_of(result)
    text = re.sub(r'\s+', ' ', re.sub(r'<[^>]+>', ' ', page))
    assert 'What each arm costs arm outputs cpu/input' in text
    assert re.search(r'processor time per input 5\.05 \[4\.\d+, 5\.\d+\]', text)
    assert '45.1 MB' in text
    assert 'What became of the task outcome original cpp' in text
    assert 'seed 7' in text
    assert 'time to divergence never' in text
    assert '<script>alert' not in page
    assert text.count('yes') == 1


def test_the_time_to_divergence_counts_from_the_first_pair():
    """Promise: in a world, the time until arms diverge is told from its beginning on."""
    assert figures.time_to_divergence_s(compare(dataset_of(), dataset_of(1.0))) == 9.0
    assert figures.time_to_divergence_s(compare(dataset_of(), dataset_of())) == math.inf


def test_junit_fails_exactly_where_the_exit_code_is_not_0():
    """Promise: a CI server says the same as the exit code, demands and failed arms included."""
    cases = {
        0: [arm_of(), arm_of('b', demands=Demands(speed_up=2.0)), arm_of(offset=1, demands=DIFFERS)],
        1: [arm_of(offset=1.0), arm_of(demands=Demands(speed_up=9.0)), arm_of(demands=DIFFERS)],
        2: [arm_of(problem='crashed'), arm_of(demands=Demands(speed_up=5.0))],
    }  # fmt: skip
    for code, arms in cases.items():
        for arm in arms:
            root = ET.fromstring(to_junit(result_of(RUN, arm)))
            failures, errors = (int(root.get(name)) for name in ('failures', 'errors'))
            assert arm.exit_code == code
            assert (errors > 0) == (code == 2)
            assert (failures > 0) == (code == 1)
    root = ET.fromstring(to_junit(result_of(RUN, arm_of(), arm_of('b'))))
    assert [each.get('name') for each in root] == ['experiment', 'cpp /smoothed', 'b /smoothed']


def test_markdown_has_the_table_and_fits_a_comment():
    """Promise: all arms in one table, their comparisons below, in as many characters as fit."""
    arms = [arm_of(f'arm_{number}', offset=number) for number in range(30)]
    result = result_of(RUN, *arms)
    text = to_markdown(result)
    assert text.startswith('## ❌ smoother: differs, not accepted\n')
    assert '| arm&#95;7 | differs | 20 of 20 | 10 ms |' in text
    assert len(text) <= 65_536
    assert len(to_markdown(result, 8_000)) <= 8_000
    assert 'comparisons left out here' in to_markdown(result, 8_000)
    evil = to_markdown(result_of(RUN, arm_of(problem=EVIL)))
    assert '<script' not in evil
    assert ' | `x`' not in evil


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [
        *((math.nan, 'unknown'), (12.3456, '12.3 s'), (0.9999, '1 s'), (0.0123, '12.3 ms')),
        *((1.5e-6, '1.5 us'), (0.0, '0 us'), (2e-9, '0.002 us')),
    ],
)
def test_times_have_a_unit_and_three_digits(seconds, text):
    """Promise: a time reads well whatever its size."""
    assert figures.duration(seconds) == text
