"""Components without ROS."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lk_dataset_ros.component import (
    Component,
    Diagnostics,
    Input,
    Level,
    Output,
    load_component,
    option,
)
from lk_dataset_ros.errors import ComponentError, ComponentNotFoundError, MessageTypeError

if TYPE_CHECKING:
    from pathlib import Path


class Gain(Component):
    """Multiplies; keeps the sum as state."""

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Its factor."""

        gain: float = option(2.0, 'factor', minimum=0.0)

    position = Input('std_msgs/Float64')
    scaled = Output('std_msgs/msg/Float64')

    total = 0.0

    def reset(self) -> None:
        self.total = 0.0

    def step(self, position: Any) -> Any:
        self.total += position.data
        if position.data < 0.0:
            return None
        self.dx.count('steps')
        message = self.new('scaled')
        message.data = self.config.gain * self.total
        return {'scaled': message}


def number(kit: Any, value: float) -> Any:
    """Make an input."""
    return kit.message('std_msgs/msg/Float64', data=value)


def test_ports_are_collected_with_full_type_names() -> None:
    """Promise: a class knows its ports, and their types in full form."""
    assert Gain.inputs['position'].type_name == 'std_msgs/msg/Float64'
    assert list(Gain.outputs) == ['scaled']


def test_ports_are_inherited_and_not_shared() -> None:
    """Promise: a subclass has its parent's ports and its own, the parent only its own."""

    class More(Gain):
        extra = Input('std_msgs/msg/Bool')

    assert list(More.inputs) == ['position', 'extra']
    assert list(Gain.inputs) == ['position']


def test_a_name_is_input_or_output() -> None:
    """Promise: one name for an input and an output is refused when the class is made."""

    class Parent(Component):
        x = Input('std_msgs/msg/Bool')

    with pytest.raises(ComponentError, match='both input and output'):
        type('Child', (Parent,), {'x': Output('std_msgs/msg/Bool')})


def test_port_types_are_checked() -> None:
    """Promise: a port of a name that is no type is refused."""
    with pytest.raises(MessageTypeError):
        Input('Float64')


def test_call_gives_outputs_by_port(kit: Any) -> None:
    """Promise: a call returns the outputs by port name, or nothing for None."""
    gain = Gain(gain=3.0)
    assert gain(position=number(kit, 2.0))['scaled'].data == 6.0
    assert gain(position=number(kit, -1.0)) == {}


def test_unknown_ports_are_named(kit: Any) -> None:
    """Promise: an input or output port that does not exist is refused, naming those that do."""
    with pytest.raises(ComponentError, match=r"no input port 'speed'; it has position"):
        Gain()(speed=number(kit, 1.0))
    gain = Gain()
    gain.step = lambda position: {'wrong': position}  # type: ignore[method-assign]
    with pytest.raises(ComponentError, match=r"no output port 'wrong'; it has scaled"):
        gain(position=number(kit, 1.0))
    with pytest.raises(ComponentError, match='no output port'):
        gain.new('position')


def test_outputs_that_are_no_mapping_are_refused(kit: Any) -> None:
    """Promise: a step that returns a bare message or a list of them is told what it has to give."""
    gain = Gain()
    gain.step = lambda position: [position]  # type: ignore[method-assign]
    with pytest.raises(ComponentError, match=r'Gain.step\(\) gave a list; it has to be a mapping'):
        gain(position=number(kit, 1.0))


def test_settings_make_the_configuration() -> None:
    """Promise: settings become the configuration, wrong ones are refused, and not both."""
    assert Gain().config.gain == 2.0
    assert Gain(Gain.Config(gain=5)).config.gain == 5.0
    with pytest.raises(ComponentError, match='between 0 and inf'):
        Gain(gain=-1.0)
    with pytest.raises(ComponentError, match='there is no parameter'):
        Gain(factor=1.0)
    with pytest.raises(ComponentError, match='not both'):
        Gain(Gain.Config(), gain=1.0)


def test_run_feeds_a_dataset_in_time_order_from_the_start(kit: Any) -> None:
    """Promise: run() resets, feeds in time order, and stamps each output with its input's time."""
    dataset = kit.memory(('/position', number(kit, value), value * 10) for value in (3, 1, 2))
    gain = Gain()
    gain(position=number(kit, 100.0))
    result = gain.run(dataset)
    assert [message.data for message in result['/scaled']] == [2.0, 6.0, 12.0]
    assert result.timestamps('/scaled').tolist() == [10, 20, 30]


def test_run_takes_other_topic_names(kit: Any) -> None:
    """Promise: ports can be read from and written to keys of any name."""
    dataset = kit.memory([('/in', number(kit, 1.0), 0)])
    result = Gain().run(dataset, {'position': '/in', 'scaled': '/out'})
    assert result.keys() == ['/out']


def test_run_checks_types(kit: Any) -> None:
    """Promise: a key of another type than the port's is refused, naming both types."""
    dataset = kit.memory([('/position', kit.message('std_msgs/msg/Int32'), 0)])
    with pytest.raises(ComponentError, match=r'Int32, but port .position. takes .*Float64'):
        Gain().run(dataset)


def test_step_has_to_be_written() -> None:
    """Promise: a component without step() says so."""

    class Nothing(Component):
        pass

    with pytest.raises(NotImplementedError, match='Nothing has no step'):
        Nothing()()


def test_diagnostics_are_made_at_first_use(kit: Any) -> None:
    """Promise: `dx` is a component named after its owner, and only there once it was used."""
    gain = Gain()
    assert not gain.has_dx
    gain(position=number(kit, 1.0))
    assert gain.has_dx
    assert isinstance(gain.dx, Diagnostics)
    assert gain.dx.status().name == 'Gain'
    assert gain.dx.status().values == {'steps': '1'}


def test_diagnostics_tell_level_and_values() -> None:
    """Promise: count adds, set replaces, and the last of ok, warn, error is the level."""
    dx = Diagnostics(name='x')
    dx.count('n')
    dx.count('n', 4)
    dx.set('v', 1.5)
    dx.warn('odd')
    assert dx.status().level is Level.WARN
    dx.error('broken')
    assert (dx.status().level, dx.status().message) == (Level.ERROR, 'broken')
    dx.ok()
    assert dx.status().level is Level.OK
    assert dx.status().values == {'n': '5', 'v': '1.5'}
    assert dx.get('n') == 5
    assert dx.get('other', None) is None


@pytest.mark.parametrize(
    ('path', 'reason'),
    [
        ('nothing', 'package.module:Class'),
        ('a.b:', 'package.module:Class'),
        (':A', 'package.module:Class'),
        ('no_such_module_here:A', 'no_such_module_here'),
        ('lk_dataset_ros.component.diagnostics:Nope', 'it has Diagnostics'),
        ('lk_dataset_ros.component.diagnostics:Level', 'not a subclass'),
        ('lk_broken_component:A', r'ZeroDivisionError.*lk_broken_component.py, line 2'),
    ],
)
def test_import_paths_that_lead_nowhere_are_explained(
    path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: a path that is malformed, missing or broken is refused with the reason."""
    (tmp_path / 'lk_broken_component.py').write_text('x = 1\ny = x / 0\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ComponentNotFoundError, match=reason):
        load_component(path)


def test_describe_answers_in_its_last_line(tmp_path: Path) -> None:
    """Promise: describing a component prints ports and options as JSON, after any chatter."""
    (tmp_path / 'lk_chatty.py').write_text(
        "print('hello')\n"
        'from lk_dataset_ros.component import Component, Input\n'
        "class A(Component):\n    x = Input('std_msgs/msg/Bool')\n"
    )

    def describe(component: str, **parameters: Any) -> Any:
        request = {
            'component': component,
            'parameters': parameters,
            'python_path': [str(tmp_path)],
        }
        done = subprocess.run(
            [sys.executable, '-m', 'lk_dataset_ros.component.describe', json.dumps(request)],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    assert describe('lk_chatty:A') == {
        'inputs': {'x': 'std_msgs/msg/Bool'},
        'outputs': {},
        'options': [],
    }
    assert 'there is no parameter' in describe('lk_chatty:A', gain=1)['error']
