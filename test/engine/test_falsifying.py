"""The shortest input that shows a difference: the search, the slices, the whole way."""

from __future__ import annotations

import math
import random
import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.comparison import Verdict, compare
from lk_dataset_ros.experiment.falsifying.bisection import BudgetSpentError, shortest_slice
from lk_dataset_ros.experiment.falsifying.finding import Falsifying, find_falsifying
from lk_dataset_ros.experiment.falsifying.probing import Budget, Nobody, Probing
from lk_dataset_ros.experiment.falsifying.slicing import InputRow
from lk_dataset_ros.experiment.result import ArmResult
from lk_dataset_ros.experiment.rounds import plan
from lk_dataset_ros.experiment.running import ArmRun, Place
from lk_dataset_ros.experiment.specification import BagInputs, Mode, load_specification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lk_dataset_ros.experiment.running import Progress
    from lk_dataset_ros.experiment.specification import Specification


class Counting:
    """An oracle that counts, and refuses to be asked twice or about nothing."""

    def __init__(self, differs: Callable[[int, int], bool], count: int, most: int = 10**9) -> None:
        self._differs, self._count, self._most = differs, count, most
        self.asked: dict[tuple[int, int], bool] = {}

    def __call__(self, start: int, stop: int) -> bool:
        assert 0 <= start < stop <= self._count
        assert (start, stop) not in self.asked
        if len(self.asked) == self._most:
            raise BudgetSpentError
        self.asked[start, stop] = self._differs(start, stop)
        return self.asked[start, stop]


@given(st.data(), st.integers(1, 200))
def test_of_a_difference_with_one_cause_exactly_that_is_found(
    data: st.DataObject, count: int
) -> None:
    """Promise: where inputs a to b are needed and enough, the slice is a to b, in O(log n)."""
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    hint = data.draw(st.none() | st.just(last) | st.integers(-3, count + 3))
    oracle = Counting(lambda start, stop: start <= first and last < stop, count)
    found = shortest_slice(oracle, count, hint)
    assert found is not None
    assert (found.start, found.stop, found.is_minimal) == (first, last + 1, True)
    assert found.calls == len(oracle.asked) <= 4 * math.log2(count + 1) + 6


def test_a_right_hint_saves_the_search_for_the_end() -> None:
    """Promise: the first divergence of a million inputs costs one question for the end."""
    oracle = Counting(lambda start, stop: start <= 700_000 and stop > 700_123, 10**6)
    found = shortest_slice(oracle, 10**6, 700_123)
    assert found is not None
    assert (found.start, found.stop) == (700_000, 700_124)
    assert found.calls <= 2 * math.ceil(math.log2(124)) + 3


@given(
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), min_size=1, max_size=6),
    st.none() | st.integers(0, 29),
)
def test_with_several_causes_one_of_them_is_found(
    spans: list[tuple[int, int]], hint: int | None
) -> None:
    """Promise: for every monotone oracle the result is one of its minimal slices."""
    causes = {(min(span), max(span) + 1) for span in spans}
    oracle = Counting(
        lambda start, stop: any(start <= a and b <= stop for a, b in causes), count=30
    )
    found = shortest_slice(oracle, 30, hint)
    minimal = {
        (a, b)
        for a, b in causes
        if not any((a, b) != (c, d) and a <= c and d <= b for c, d in causes)
    }
    assert found is not None
    assert found.is_minimal
    assert (found.start, found.stop) in minimal


@settings(max_examples=1000)
@given(st.integers(1, 10), st.integers(0, 2**32), st.none() | st.integers(0, 9))
def test_of_any_oracle_the_result_differs_and_is_locally_minimal(
    count: int, seed: int, hint: int | None
) -> None:
    """Promise: even where longer slices show less, it was said yes to, and neither neighbour is."""
    toss = random.Random(seed)
    slices = [(start, stop) for start in range(count) for stop in range(start + 1, count + 1)]
    says = {each: toss.random() < 0.5 for each in slices}
    oracle = Counting(lambda start, stop: says[start, stop], count)
    found = shortest_slice(oracle, count, hint)
    if found is None:
        assert not any(oracle.asked.values())
        assert not says[0, count]
        return
    assert found.is_minimal
    assert oracle.asked[found.start, found.stop]
    for start, stop in ((found.start + 1, found.stop), (found.start, found.stop - 1)):
        assert start == stop or not oracle.asked[start, stop]


@given(st.data(), st.integers(1, 60), st.integers(0, 14))
def test_a_spent_budget_leaves_the_shortest_slice_that_was_seen(
    data: st.DataObject, count: int, most: int
) -> None:
    """Promise: a search that is cut off returns the shortest slice that differed, not minimal."""
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    oracle = Counting(lambda start, stop: start <= first and last < stop, count, most)
    found = shortest_slice(oracle, count, last)
    seen = [stop - start for (start, stop), says in oracle.asked.items() if says]
    assert (found is None) == (not seen)
    if found is not None:
        assert len(found) == min(seen)
        assert found.calls <= most
        assert not found.is_minimal or (found.start, found.stop) == (first, last + 1)


TRANSIENT = """\
- history: keep_last
  depth: 1
  reliability: reliable
  durability: transient_local
"""
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 10_000_000
SPECIFICATION = """\
version: 1
name: scaling
mode: lockstep
inputs: {bag: bag, topics: [/in, /scale, /rare]}
original: {command: [original]}
compiled:
  wrong: {command: [wrong]}
  other: {command: [other]}
outputs:
  - {topic: /out, answers: /in}
  - {topic: /rare_out, answers: /rare, count: maybe}
tolerance: {rtol: 0.001, atol: 0.0}
repeats: 1
"""


def point(x: float, time_ns: int) -> Any:
    """Return a stamped point."""
    message = new_message('geometry_msgs/msg/PointStamped')
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, 1_000_000_000)
    message.point.x = x
    return message


def write_bag(path: Path, count: int = 200) -> None:
    """Write `count` inputs, a latched scale every 50th of them, and two rare messages."""
    with Dataset.create('mcap', path) as bag:
        bag.declare('/in', 'geometry_msgs/msg/PointStamped')
        bag.declare('/scale', 'std_msgs/msg/Float64', TRANSIENT)
        bag.declare('/rare', 'geometry_msgs/msg/PointStamped')
        for number in range(count):
            time_ns = START_NS + number * PERIOD_NS
            if not number % 50:
                scale = new_message('std_msgs/msg/Float64')
                scale.data = float(number)
                bag.write('/scale', scale, timestamp_ns=time_ns)
            bag.write('/in', point(number, time_ns), timestamp_ns=time_ns)
            if number in (10, 190):
                bag.write('/rare', point(0.0, time_ns), timestamp_ns=time_ns)


class Arms:
    """Runs arms as plain functions: `x` times the scale, wrong where a rule says so."""

    def __init__(
        self, is_wrong: Callable[[float, list[float]], bool] = lambda scale, seen: False
    ) -> None:
        self._is_wrong = is_wrong
        self.runs = 0
        self.environments: list[Mapping[str, str]] = []
        self.limits_s: list[float] = []

    def __call__(
        self,
        specification: Specification,
        places: Sequence[Place],
        directory: Path,
        progress: Progress,
        *,
        environment: Mapping[str, str],
    ) -> list[ArmRun]:
        assert isinstance(specification.inputs, BagInputs)
        self.runs += 1
        self.environments.append(environment)
        self.limits_s.append(specification.limits.run_s)
        found = []
        for place in places:
            progress.arm_starts(place.label)
            bag = directory / place.label
            found.append(ArmRun(place, bag, sent=self._feed(specification, place, bag)))
        return found

    def answer(self, name: str, scale: float, seen: list[float]) -> float:
        is_wrong = name == 'wrong' and self._is_wrong(scale, seen)
        return seen[-1] * (scale + is_wrong)

    def _feed(self, specification: Specification, place: Place, out: Path) -> dict[str, int]:
        assert isinstance(specification.inputs, BagInputs)
        sent: dict[str, int] = {}
        scale, seen = math.nan, list[float]()
        with (
            Dataset.load(specification.inputs.bag) as bag,
            Dataset.create('mcap', out) as outputs,
        ):
            for output in specification.outputs:
                outputs.declare(output.topic, 'geometry_msgs/msg/PointStamped')
            for key, message, time_ns in bag.iterate(list(specification.inputs.topics)):
                sent[key] = sent.get(key, 0) + 1
                if key == '/scale':
                    scale = message.data
                elif key == '/in':
                    seen.append(message.point.x)
                    message.point.x = self.answer(place.arm.name, scale, seen)
                    outputs.write('/out', message, timestamp_ns=time_ns)
                else:
                    outputs.write('/rare_out', message, timestamp_ns=time_ns)
        return sent


def judge(
    specification: Specification, runs: Mapping[str, Sequence[ArmRun]]
) -> Sequence[ArmResult]:
    """Judge as an experiment does."""
    original, *repeats = runs['original']
    found = []
    for arm in specification.compiled:
        with ExitStack() as stack:
            sides = [
                stack.enter_context(Dataset.load(each.bag))
                for each in (original, runs[arm.name][0], *repeats)
            ]
            rules = {**specification.rules.options(), 'noise': sides[2:]}
            comparison = compare(sides[0], sides[1], **rules).without_sources()
        found.append(ArmResult(runs[arm.name][0], comparison))
    return found


class Watching:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.advances: list[tuple[int, int]] = []

    def arm_starts(self, label: str) -> None:
        assert label == 'wrong: shortest input'

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        assert label == 'wrong: shortest input'
        self.advances.append((sent, total))

    def arm_ends(self, run: ArmRun) -> None:
        raise AssertionError

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def falsify(
    folder: Path,
    is_wrong: Callable[[float, list[float]], bool] | Arms,
    *,
    text: str = SPECIFICATION,
    **options: Any,
) -> tuple[Falsifying | None, Watching, Arms]:
    """Run an experiment with a wrong arm, and look for the shortest input."""
    write_bag(folder / 'bag')
    (folder / 'experiment.yaml').write_text(text)
    specification = load_specification(folder / 'experiment.yaml')
    arms = is_wrong if isinstance(is_wrong, Arms) else Arms(is_wrong)
    watching = Watching()
    run = folder / 'run'
    (run / 'logs').mkdir(parents=True)
    runs: dict[str, list[ArmRun]] = {}
    for places in plan(specification):
        for each in arms(specification, places, run, Nobody(), environment={}):
            runs.setdefault(each.arm.name, []).append(each)
    (result, other) = judge(specification, runs)
    assert (result.verdict, other.verdict) == (Verdict.DIFFERS, Verdict.EQUIVALENT)
    found = find_falsifying(
        specification,
        result,
        run,
        watching,
        environment={'WHERE': 'there'},
        judge=judge,
        run=options.pop('run', arms),
        **options,
    )
    assert [each.name for each in run.glob('falsifying/*')] == (['wrong'] if found else [])
    assert (run / 'falsifying').exists() == bool(found)
    return found, watching, arms


def test_a_difference_that_needs_three_inputs_and_the_latched_state_is_cut_to_them(
    tmp_path: Path,
) -> None:
    """Promise: the bag holds exactly them, as recorded, and the latched message in front."""

    def is_wrong(scale: float, seen: list[float]) -> bool:
        return scale == 100.0 and seen[-3:] == [121.0, 122.0, 123.0]

    found, watching, arms = falsify(tmp_path, is_wrong)
    assert found is not None
    assert (found.arm, found.inputs, found.latched, found.is_minimal) == ('wrong', 3, 1, True)
    assert found.mode is Mode.LOCKSTEP
    assert found.duration_s == pytest.approx(2 * PERIOD_NS / 1e9)
    assert found.bag == tmp_path / 'run' / 'falsifying' / 'wrong' / 'inputs.mcap'
    assert watching.warnings == []
    assert watching.advances[-1][0] == found.runs <= 12
    assert all(each == {'WHERE': 'there'} for each in arms.environments[1:])
    with Dataset.load(tmp_path / 'bag') as whole, Dataset.load(found.bag) as part:
        assert part.keys() == ['/in', '/scale']
        assert part.topic('/scale').qos == TRANSIENT
        recorded = list(whole.iterate_serialized(['/in']))[121:124]
        state, *inputs = part.iterate_serialized()
        assert inputs == recorded
        latched = [*whole.iterate_serialized(['/scale'])][2]
        assert state == latched._replace(log_time_ns=inputs[0].log_time_ns)


def test_what_is_saved_is_an_experiment_that_shows_the_difference(tmp_path: Path) -> None:
    """Promise: the file reads, has original and that arm, the same rules, and it differs."""
    found, _, arms = falsify(tmp_path, lambda scale, seen: seen[-1] == 77.0)
    assert found is not None
    assert found.command == f'lk ab {tmp_path}/run/falsifying/wrong/experiment.yaml'
    saved = load_specification(Path(found.command.removeprefix('lk ab ')))
    whole = load_specification(tmp_path / 'experiment.yaml')
    # A command imports nothing of ours: its python_path is the folder of the file.
    assert [replace(arm, python_path=()) for arm in saved.arms] == [
        replace(arm, python_path=()) for arm in whole.arms[:2]
    ]
    assert saved.inputs == BagInputs(found.bag, ('/in', '/scale'))
    assert saved.outputs == whole.outputs[:1]
    assert (saved.rules, saved.limits) == (whole.rules, whole.limits)
    places = [Place(arm, arm.name) for arm in saved.arms]
    (tmp_path / 'again').mkdir()
    runs = arms(saved, places, tmp_path / 'again', Nobody(), environment={})
    (result,) = judge(saved, {each.arm.name: [each] for each in runs})
    assert result.verdict is Verdict.DIFFERS


def test_inputs_before_the_start_and_behind_the_end_are_never_played(tmp_path: Path) -> None:
    """Promise: start_s and duration_s of the experiment hold for the search, too."""
    bounded = SPECIFICATION.replace('bag: bag,', 'bag: bag, start_s: 0.6, duration_s: 0.5,')
    bounded = bounded.replace('/scale, /rare]', '/scale]').replace(
        '  - {topic: /rare_out, answers: /rare, count: maybe}\n', ''
    )
    write_bag(tmp_path / 'bag')
    (tmp_path / 'experiment.yaml').write_text(bounded)
    inputs = load_specification(tmp_path / 'experiment.yaml').inputs
    assert isinstance(inputs, BagInputs)
    with Dataset.load(tmp_path / 'bag') as bag:
        row = InputRow(bag, inputs)
        messages, latched = row.messages(0, len(row))
        assert (len(row), latched) == (52, 1)
        times = [each.log_time_ns for each in messages]
        assert (times[0], times[-1]) == (
            START_NS + 60 * PERIOD_NS,
            START_NS + 110 * PERIOD_NS,
        )
        assert row.number_of('/in', 0) == 0
        assert row.number_of('/in', 50) == 51
        assert row.number_of('/in', 51) is None


def test_messages_of_one_time_are_cut_between(tmp_path: Path) -> None:
    """Promise: any slice of the row is played, also one that begins between equal log times."""
    with Dataset.create('mcap', tmp_path / 'bag') as bag:
        bag.declare('/state', 'std_msgs/msg/Float64', TRANSIENT)
        bag.declare('/in', 'std_msgs/msg/Float64')
        for number in range(20):
            message = new_message('std_msgs/msg/Float64')
            message.data = float(number)
            key = '/state' if number % 4 == 1 else '/in'
            bag.write(key, message, timestamp_ns=START_NS + number // 10)
    with Dataset.load(tmp_path / 'bag') as bag:
        row = InputRow(bag, BagInputs(tmp_path / 'bag', ('/state', '/in')))
        whole, _ = row.messages(0, 20)
        for start in range(20):
            for stop in range(start + 1, 21):
                messages, latched = row.messages(start, stop)
                assert messages[latched:] == whole[start:stop]
                before = [each for each in whole[:start] if each.key == '/state'][-1:]
                assert [each.cdr for each in messages[:latched]] == [each.cdr for each in before]


def test_a_spent_budget_is_told_and_what_is_returned_differs_all_the_same(tmp_path: Path) -> None:
    """Promise: with few runs the slice is longer, was run, and is not called minimal."""
    found, watching, _ = falsify(
        tmp_path, lambda scale, seen: 100.0 in seen and 160.0 in seen, budget=Budget(runs=4)
    )
    assert found is not None
    assert not found.is_minimal
    assert found.inputs >= 61
    (warning,) = watching.warnings
    assert warning == (
        'wrong: the search for the shortest input ended after 4 runs, which is its limit; '
        'what was found may not be the shortest'
    )


def test_a_probe_that_outlasts_the_time_says_nothing(tmp_path: Path) -> None:
    """Promise: at the end of the time the search ends; no run gets more of it than is left."""
    write_bag(tmp_path / 'bag')
    (tmp_path / 'experiment.yaml').write_text(SPECIFICATION)
    specification = load_specification(tmp_path / 'experiment.yaml')
    assert isinstance(specification.inputs, BagInputs)
    now_s = 0.0
    arms = Arms(lambda scale, seen: 100.0 in seen)

    def run(*arguments: Any, **named: Any) -> list[ArmRun]:
        nonlocal now_s
        now_s += 25.0
        return arms(*arguments, **named)

    with Dataset.load(tmp_path / 'bag') as bag:
        search = Probing(
            InputRow(bag, specification.inputs),
            tmp_path,
            lambda done, expected: None,
            environment={},
            judge=lambda spec, runs: judge(spec, runs)[:1],
            run=run,
            budget=Budget(seconds=40.0),
            clock=lambda: now_s,
        )
        differs = search.oracle(specification)
        assert differs(0, 150)
        assert not search.is_spent
        for start in (0, 1):
            with pytest.raises(BudgetSpentError):
                differs(start, 50)
    assert search.is_spent
    assert search.runs == 2
    assert arms.limits_s == [40.0, 15.0]
    assert not list(tmp_path.glob('probe*'))


def test_a_difference_that_comes_and_goes_is_not_sold_as_one_that_stays(tmp_path: Path) -> None:
    """Promise: what does not show again is told in one line, and nothing is left behind."""
    is_first = True

    def is_wrong(scale: float, seen: list[float]) -> bool:
        nonlocal is_first
        found = is_first and seen[-1] == 10.0
        is_first = is_first and not found
        return found

    found, watching, _ = falsify(tmp_path, is_wrong)
    assert found is None
    assert watching.warnings == ['wrong: the difference does not show again; it comes and goes']


def test_what_was_saved_is_run_before_it_is_said_to_differ(tmp_path: Path) -> None:
    """Promise: where the saved slice does not show what the search saw, nothing is kept."""
    arms: Arms
    # The whole run and the two slices that the search needs, but none of what comes after.
    arms = Arms(lambda scale, seen: seen[-1] == 77.0 and arms.runs <= 3)
    found, watching, _ = falsify(tmp_path, arms)
    assert found is None
    assert watching.warnings == [
        'wrong: the difference does not show each time; no short input is kept'
    ]
    assert arms.runs == 6


@pytest.mark.parametrize('shows_offline', [True, False])
def test_components_are_probed_without_ros_where_the_difference_shows_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shows_offline: bool
) -> None:
    """Promise: offline is tried first; where it shows nothing, the experiment's own mode is."""
    offline = Arms(lambda scale, seen: shows_offline and seen[-1] == 77.0)

    def way_of(specification: Specification) -> Arms:
        assert specification.mode is Mode.OFFLINE
        return offline

    monkeypatch.setattr('lk_dataset_ros.experiment.falsifying.probing.way_of', way_of)
    found, watching, arms = falsify(
        tmp_path,
        lambda scale, seen: seen[-1] == 77.0,
        text=re.sub(r'command: \[(\w+)\]', r'component: a.b:\1', SPECIFICATION),
    )
    assert found is not None
    assert (found.inputs, found.latched, found.is_minimal) == (1, 1, True)
    assert found.mode is (Mode.OFFLINE if shows_offline else Mode.LOCKSTEP)
    assert (arms.runs == 1) == shows_offline
    assert watching.warnings == []
    assert load_specification(found.bag.with_name('experiment.yaml')).mode is found.mode


def test_where_the_original_is_noisy_the_difference_has_to_exceed_the_noise(
    tmp_path: Path,
) -> None:
    """Promise: probes are judged with the noise floor, and what is found shows it again."""
    noise = np.random.default_rng(3)

    class Noisy(Arms):
        def answer(self, name: str, scale: float, seen: list[float]) -> float:
            is_biased = name == 'wrong' and seen[-1] >= 100.0
            return seen[-1] + noise.normal(0.0, 0.1) + 0.3 * is_biased

    text = SPECIFICATION.replace('repeats: 1', 'repeats: 2').replace(
        'rtol: 0.001, atol: 0.0', 'rtol: 0.0, atol: 0.001'
    )
    found, _, arms = falsify(tmp_path, Noisy(), text=text)
    assert found is not None
    assert found.inputs < 150
    saved = load_specification(found.bag.with_name('experiment.yaml'))
    assert saved.repeats == 2
    with Dataset.load(found.bag) as bag:
        assert max(each.point.x for each in bag['/in']) > 100.0
    assert arms.runs > found.runs
