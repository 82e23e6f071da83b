"""Arms without ROS: what they are fed, what comes out, and what becomes of those that fail."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros.component import load_component
from lk_dataset_ros.dataset import Dataset, McapDatabase
from lk_dataset_ros.experiment.running import offline_arm
from lk_dataset_ros.experiment.running.arm_run import ArmRun, Place
from lk_dataset_ros.experiment.running.jobs import OfflineJob
from lk_dataset_ros.experiment.running.offline import run_offline
from lk_dataset_ros.experiment.running.offline_inputs import OfflineInputs
from lk_dataset_ros.experiment.specification.parts import (
    Arm,
    BagInputs,
    Limits,
    Mode,
    Output,
    Specification,
)
from lk_dataset_ros.message import Schema, builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000
NUMBER = 'std_msgs/msg/Float64'
LATCHED = '- history: 1\n  depth: 1\n  reliability: 1\n  durability: 1\n'
ARMS = dedent("""
    import os, signal, subprocess, sys, time
    from lk_dataset_ros import Component, Input, Output, option
    from dataclasses import dataclass

    class Gain(Component):
        @dataclass(kw_only=True)
        class Config(Component.Config):
            gain: float = option(2.0, 'factor', minimum=0.0)
        position = Input('std_msgs/msg/Float64')
        scaled = Output('std_msgs/msg/Float64')
        def step(self, position):
            out = self.new('scaled')
            out.data = self.config.gain * position.data
            return {'scaled': out}

    class Positive(Gain):
        def step(self, position):
            return super().step(position) if position.data > 4.0 else None

    class Raising(Gain):
        def step(self, position):
            return super().step(position) if position.data < 3.0 else {'scaled': 1 / 0}

    class Leaving(Gain):
        def step(self, position):
            sys.exit(3)

    class WrongType(Gain):
        text = Output('std_msgs/msg/String')
        def step(self, position):
            return {'scaled': self.new('text')}

    class WrongValue(Gain):
        def step(self, position):
            out = self.new('scaled')
            out.data = 'seven'
            return {'scaled': out}

    class WrongPort(Gain):
        def step(self, position):
            return {'scalded': position}

    class Unable(Gain):
        def __init__(self, **settings):
            raise RuntimeError('no such device')

    class Talking(Gain):
        def step(self, position):
            print('{"event": "done", "problem": "by print"}', flush=True)
            os.write(1, b'{"event": "done", "problem": "by write"}\\n' + b'x' * 100)
            subprocess.run(['echo', '{"event": "done", "problem": "by a child"}'])
            return super().step(position)

    class Crashing(Gain):
        def step(self, position):
            if position.data < 5.0:
                time.sleep(0.06)
                return super().step(position)
            print('what it said last', flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)

    class Hanging(Gain):
        def step(self, position):
            time.sleep(1000)

    class Slow(Gain):
        def __init__(self, **settings):
            time.sleep(1000)

    class Order(Component):
        a = Input('std_msgs/msg/Float64')
        b = Input('std_msgs/msg/Float64')
        said = Output('std_msgs/msg/String')
        told = ''
        def step(self, **inputs):
            (port, message), = inputs.items()
            self.told += f'{port}{message.data:g} '
            out = self.new('said')
            out.data = self.told
            return {'said': out}

    class Mine(Component):
        mine = Input('p/msg/Mine')
        back = Output('p/msg/Mine')
        def step(self, mine):
            out = self.new('back')
            out.name = mine.name.upper()
            return {'back': out}
    """)
OUTPUT = Output('/scaled', '/position')


class Watcher:
    """Keeps what it learns."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def arm_starts(self, label: str) -> None:
        self.events.append(('starts', label))

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        self.events.append(('advances', label, sent, total))

    def arm_ends(self, run: ArmRun) -> None:
        self.events.append(('ends', run.place.label))

    def warn(self, text: str) -> None:
        self.events.append(('warns', text))


@pytest.fixture
def arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the components to a module; return its folder."""
    folder = tmp_path / 'python'
    folder.mkdir()
    (folder / 'offline_arms.py').write_text(ARMS)
    (tmp_path / 'logs').mkdir()
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.delitem(sys.modules, 'offline_arms', raising=False)
    return folder


def arm(folder: Path, name: str, **more: Any) -> Arm:
    """Make an arm of one of the components."""
    component = f'offline_arms:{name}'
    return Arm(name.lower(), component=component, python_path=(str(folder),), **more)


def numbers(kit: Any, count: int = 6, key: str = '/position') -> list[Any]:
    """Make numbers, a second apart."""
    return [
        (key, kit.message(NUMBER, data=float(index)), 100 * S + index * S)
        for index in range(count)
    ]


def through(
    folder: Path, bag: Path, *arms: Arm, watcher: Watcher | None = None, **more: Any
) -> list[ArmRun]:
    """Run arms in their processes."""
    places = [Place(each, each.name) for each in arms]
    specification = Specification(
        'test',
        folder,
        Mode.OFFLINE,
        BagInputs(bag, ('/position',)),
        arms[0],
        (),
        (OUTPUT,),
        **more,
    )
    return run_offline(
        specification, places, folder, watcher or Watcher(), environment={'LK_TEST': '1'}
    )


def within(folder: Path, inputs: BagInputs, an_arm: Arm, *outputs: Output) -> dict[str, Any]:
    """Run an arm in this process; return its last event."""
    job = OfflineJob(an_arm, inputs, outputs, 0.0, folder / an_arm.name, folder / 'latencies.npy')
    job.save(folder / 'job.json')
    loaded = OfflineJob.load(folder / 'job.json')
    assert loaded == job
    events: list[dict[str, Any]] = []
    offline_arm._run(loaded, lambda event, **more: events.append({'event': event, **more}))
    assert json.loads(json.dumps(events)) == events
    return events[-1]


def hash_of(messages: list[Any]) -> str:
    """Hash messages as the contract says it."""
    found = hashlib.sha256()
    for message in messages:
        cdr = codec_for(builtin_schema(message.__msgtype__)).encode(message)
        found.update(len(cdr).to_bytes(8, 'little') + cdr)
    return found.hexdigest()


def test_an_arm_answers_like_its_component(kit: Any, arms: Path, tmp_path: Path) -> None:
    """Promise: a run has the outputs of the component, counts, hashes and costs, and no ROS."""
    items = numbers(kit)
    bag, watcher = kit.bag('in', items), Watcher()
    talking = arm(arms, 'Talking', parameters={'gain': 3.0})
    runs = through(tmp_path, bag, talking, arm(arms, 'Positive'), watcher=watcher, warm_up_s=2.0)
    first, second = runs
    assert first.problem == second.problem == ''
    assert first.sent == second.sent == {'/position': 6}
    expected = {'/position': hash_of([message for _, message, _ in items])}
    assert first.hashes == second.hashes == expected
    assert (first.received, first.unanswered) == ({'/scaled': 6}, {})
    assert (second.received, second.unanswered) == ({'/scaled': 1}, {'/scaled': 5})
    with Dataset.load(first.bag) as dataset:
        assert [(each.data, time) for _, each, time in dataset.iterate()] == [
            (3.0 * index, 100 * S + index * S) for index in range(6)
        ]
    assert first.cost.latencies_s.shape == (4,)
    assert (first.cost.latencies_s > 0.0).all()
    cost = first.cost
    assert min(cost.cpu_s, cost.wall_s, cost.start_up_s, cost.peak_bytes) > 0.0
    assert math.isclose(first.achieved_rtf, 5.0 / cost.wall_s)
    assert watcher.events[0] == ('starts', 'talking')
    assert ('advances', 'talking', 6, 6) in watcher.events
    assert watcher.events[-1] == ('ends', 'positive')


def test_arms_that_die_or_hang_are_results(kit: Any, arms: Path, tmp_path: Path) -> None:
    """Promise: a crash by a signal and a hang are problems, with the last lines of the log."""
    bag = kit.bag('in', numbers(kit))
    crash, hang = through(
        tmp_path, bag, arm(arms, 'Crashing'), arm(arms, 'Hanging'), limits=Limits(run_s=2.5)
    )
    # How far it was is known roughly.
    assert re.fullmatch(r'crashed \(signal 11\) after input \d+ or a later one', crash.problem)
    assert 'what it said last' in crash.log_tail
    with Dataset.load(crash.bag) as dataset:
        assert [each.data for each in dataset.read_all('/scaled')][:4] == [0.0, 2.0, 4.0, 6.0]
    assert hang.problem == 'not through after 2.5 s'
    assert math.isnan(hang.cost.cpu_s)
    (slow,) = through(tmp_path, bag, arm(arms, 'Slow'), limits=Limits(ready_s=1.5))
    assert slow.problem == 'not ready after 1.5 s'


@pytest.mark.parametrize(
    ('name', 'problem'),
    [
        ('Raising', 'ZeroDivisionError: division by zero'),
        ('Leaving', 'it has left with exit code 3'),
        ('WrongType', "output port 'scaled' gave std_msgs/msg/String; it is declared"),
        ('WrongValue', "output port 'scaled': Float64 cannot be written as std_msgs/msg/Float64"),
        ('WrongPort', "WrongPort has no output port 'scalded'; it has scaled"),
        ('Unable', 'RuntimeError: no such device'),
        ('Missing', "component 'offline_arms:Missing': offline_arms has no Missing"),
        ('Order', 'it has no input port for /position; it takes /a, /b'),
    ],
)
def test_what_goes_wrong_is_said(
    kit: Any, arms: Path, tmp_path: Path, name: str, problem: str
) -> None:
    """Promise: whatever an arm does wrong is said in one line, and its bag can be read."""
    inputs = BagInputs(kit.bag('in', numbers(kit)), ('/position',))
    end = within(tmp_path, inputs, arm(arms, name), OUTPUT)
    assert end['problem'].startswith(problem)
    assert '\n' not in end['problem']
    if name == 'Raising':
        assert 'offline_arms.py, line' in end['problem']
        assert (end['sent'], end['received']) == ({'/position': 4}, {'/scaled': 3})
        assert end['hashes'] == {
            '/position': hash_of([message for _, message, _ in numbers(kit, 4)])
        }
        assert len(Dataset.load(tmp_path / 'raising').read_all('/scaled')) == 3


@pytest.mark.parametrize(
    ('topics', 'outputs', 'problem'),
    [
        (('/nowhere',), (OUTPUT,), 'there is no /nowhere in'),
        (
            ('/text',),
            (),
            'it takes std_msgs/msg/Float64 on /text, the bag has std_msgs/msg/String',
        ),
        (('/position',), (Output('/x', '/position'),), 'it has no output port for /x; it gives'),
    ],
)
def test_what_does_not_fit_the_bag_is_said(
    kit: Any, arms: Path, tmp_path: Path, topics: Any, outputs: Any, problem: str
) -> None:
    """Promise: topics that the bag or the component does not have, or of other types, are named."""
    text = ('/text', kit.message('std_msgs/msg/String'), 100 * S)
    bag = kit.bag('in', [*numbers(kit), text])
    gain = arm(arms, 'Gain', remappings={'position': '/text'} if topics == ('/text',) else {})
    end = within(tmp_path, BagInputs(bag, topics), gain, *outputs)
    assert end['problem'].startswith(problem)


def test_parameters_are_checked(kit: Any, arms: Path, tmp_path: Path) -> None:
    """Promise: a parameter that is out of range is a problem of one line."""
    inputs = BagInputs(kit.bag('in', numbers(kit)), ('/position',))
    end = within(tmp_path, inputs, arm(arms, 'Gain', parameters={'gain': -1.0}), OUTPUT)
    assert end['problem'].startswith('gain is -1.0; it has to be between 0 and inf')


def test_ports_are_remapped(kit: Any, arms: Path, tmp_path: Path) -> None:
    """Promise: a remapped port takes and gives the messages of its topic."""
    inputs = BagInputs(kit.bag('in', numbers(kit, key='/robot/position')), ('/robot/position',))
    gain = arm(arms, 'Gain', remappings={'position': 'robot/position', '/scaled': '/robot/scaled'})
    end = within(tmp_path, inputs, gain, Output('/robot/scaled', '/robot/position'))
    assert (end['problem'], end['received']) == ('', {'/robot/scaled': 6})


def test_the_order_is_that_of_the_bag(kit: Any, arms: Path, tmp_path: Path) -> None:
    """Promise: several topics come in order of time, those of the same time as the bag has them."""
    times = [(2, 'b'), (2, 'a'), (1, 'a'), (3, 'a'), (3, 'b'), (5, 'b'), (4, 'a')]
    items = [
        (f'/{port}', kit.message(NUMBER, data=float(index)), (100 + time) * S)
        for index, (time, port) in enumerate(times)
    ]
    bag = kit.bag('in', items)
    end = within(tmp_path, BagInputs(bag, ('/a', '/b')), arm(arms, 'Order'), Output('/said', '/a'))
    assert (end['problem'], end['sent'], end['unanswered']) == ('', {'/a': 4, '/b': 3}, {})
    said = Dataset.load(tmp_path / 'order').read_all('/said')
    assert said[-1].data == 'a2 b0 a1 a3 b4 a6 b5 '


def test_types_of_the_bag_are_known(arms: Path, tmp_path: Path) -> None:
    """Promise: a component takes and gives messages of a type that only the bag defines."""
    schema = Schema('p/msg/Mine', 'string name\n')
    codec = codec_for(schema)
    with McapDatabase(tmp_path / 'in', 'w') as database:
        database.declare('/mine', schema)
        database.write_serialized('/mine', codec.encode(codec.message_class(name='abc')), 5)
    inputs = BagInputs(tmp_path / 'in', ('/mine',))
    end = within(tmp_path, inputs, arm(arms, 'Mine'), Output('/back', '/mine'))
    assert end['problem'] == ''
    assert Dataset.load(tmp_path / 'mine').read('/back').name == 'ABC'


def test_latched_state_comes_first(kit: Any, tmp_path: Path) -> None:
    """Promise: behind a start, the last message of a latched topic comes first, at that time."""
    with McapDatabase(tmp_path / 'in', 'w') as database:
        database.declare('/map', builtin_schema(NUMBER), LATCHED)
        for key, message, time_ns in [
            *numbers(kit, 2, '/map'),
            *numbers(kit, 6),
            ('/map', kit.message(NUMBER, data=9.0), 104 * S),
        ]:
            database.write(key, message, timestamp_ns=time_ns)
    inputs = OfflineInputs(tmp_path / 'in', ('/position', '/map'), 2.5, 2.0)
    codec = codec_for(builtin_schema(NUMBER))
    entries = [
        (place, time_ns / S, codec.decode(cdr).data)
        for window in inputs.windows()
        for place, time_ns, cdr in window
    ]
    assert entries == [(1, 102.5, 1.0), (0, 103.0, 3.0), (0, 104.0, 4.0), (1, 104.0, 9.0)]
    assert inputs.total == 4


@pytest.mark.parametrize('order', ['sorted', 'shuffled'])
def test_windows_are_what_iterating_gives(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Promise: read many at a time, the messages are those of reading them one by one, in order."""
    monkeypatch.setattr('lk_dataset_ros.experiment.running.offline_inputs._MESSAGES', 7)
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.integers(0, 3, 200))
    if order == 'shuffled':
        rng.shuffle(times)
    items = [
        (f'/t{rng.integers(0, 3)}', kit.message('std_msgs/msg/String', data='x' * index), int(at))
        for index, at in enumerate(times.tolist())
    ]
    bag = kit.bag('in', items, chunk_size=500)
    topics = ('/t0', '/t1', '/t2')
    inputs = OfflineInputs(bag, topics)
    entries = [entry for window in inputs.windows() for entry in window]
    expected = [
        (topics.index(each.key), each.log_time_ns, each.cdr)
        for each in Dataset.load(bag).iterate_serialized()
    ]
    assert entries == expected
    assert inputs.total == 200


def test_windows_are_bounded(kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: no more bytes than the limit are in memory at once, but for one message."""
    monkeypatch.setattr('lk_dataset_ros.experiment.running.offline_inputs._BYTES', 1000)
    items = [('/t', kit.message('std_msgs/msg/String', data='x' * 400), at) for at in range(9)]
    windows = list(OfflineInputs(kit.bag('in', items), ('/t',)).windows())
    assert max(map(len, windows)) == 3
    assert sum(map(len, windows)) == 9


def test_the_example_is_an_arm(kit: Any, tmp_path: Path) -> None:
    """Promise: the example's original, run as an arm, gives what `Component.run` gives."""
    bag = kit.bag('in', kit.drive(30))
    folder = kit.repository / 'examples' / 'odometry_smoother' / 'python'
    path = 'odometry_smoother.original:OdometrySmoother'
    an_arm = Arm('original', component=path, python_path=(str(folder),))
    inputs = BagInputs(bag, ('/odom',))
    end = within(tmp_path, inputs, an_arm, Output('/smoothed', '/odom'))
    assert end['problem'] == ''
    expected = load_component(path)().run(Dataset.load(bag))
    found = Dataset.load(tmp_path / 'original')
    assert list(found.iterate()) == list(expected.iterate())
