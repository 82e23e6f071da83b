"""The component: typed ports, a configuration, a log, diagnostics. No ROS."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lk_dataset_ros.component.config import Config as _BaseConfig
from lk_dataset_ros.component.ports import Input, Output
from lk_dataset_ros.errors import ComponentError, ComponentNotFoundError
from lk_dataset_ros.message import new_message, type_name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lk_dataset_ros.component.diagnostics import Diagnostics


class Log(Protocol):
    """What `self.log` offers: the methods that logging and rclpy's loggers share."""

    def debug(self, message: str, /) -> Any:
        """Say what helps a developer."""

    def info(self, message: str, /) -> Any:
        """Say what happens."""

    def warning(self, message: str, /) -> Any:
        """Say what is not as it should be."""

    def error(self, message: str, /) -> Any:
        """Say what failed."""


class RunnableDataset(Protocol):
    """What `Component.run` needs of a dataset."""

    def iterate(self, keys: list[str]) -> Iterator[tuple[str, Any, int]]:
        """Yield key, message and time in time order."""

    def empty(self) -> Any:
        """Make an empty dataset in memory."""


class Component:
    """A piece of behaviour that can be hosted anywhere: in a test, in a loop, as a ROS node.

    A subclass declares ports as class attributes, a `Config` if it has settings, and `step`:

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

    `step` gets the inputs that are there by port name and returns the outputs by port name (or
    None for no output). A component without inputs is a source: `period_s` says how often `step`
    is called, and `finished` is set when there is no more.

    Args:
        config: The configuration; defaults when left out.
        log: Where `self.log` goes; a `logging` logger named after the class when left out.
        settings: Single configuration fields, instead of `config`.

    Raises:
        ComponentError: If a setting is unknown, of the wrong type or out of range.
    """

    @dataclass(kw_only=True)
    class Config(_BaseConfig):
        """Settings of a component that has none."""

    inputs: ClassVar[dict[str, Input]] = {}
    outputs: ClassVar[dict[str, Output]] = {}

    #: Seconds between two calls of a source; None for a component that inputs drive.
    period_s: float | None = None
    #: Set by a source that has no more outputs.
    finished: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the ports that the class declares."""
        super().__init_subclass__(**kwargs)
        cls.inputs = {**cls.inputs, **_ports(cls, Input)}
        cls.outputs = {**cls.outputs, **_ports(cls, Output)}
        both = cls.inputs.keys() & cls.outputs.keys()
        if both:
            raise ComponentError(f'{cls.__name__}: {min(both)!r} is both input and output')

    def __init__(
        self, config: _BaseConfig | None = None, *, log: Log | None = None, **settings: Any
    ) -> None:
        if config is not None and settings:
            raise ComponentError('give a config or single settings, not both')
        self.config: Any = config or type(self).Config.from_mapping(settings)
        self.log: Log = log or logging.getLogger(f'lk_dataset_ros.{type(self).__name__}')
        #: Makes an empty message by type name; a host hands in its own message classes.
        self.message_factory: Callable[[str], Any] = new_message
        self._dx: Diagnostics | None = None

    @property
    def dx(self) -> Diagnostics:
        """This component's diagnostics, made at first use."""
        if self._dx is None:
            # By name only: Diagnostics is a Component itself.
            module = importlib.import_module('lk_dataset_ros.component.diagnostics')
            self._dx = module.Diagnostics(name=type(self).__name__)
        return self._dx

    @property
    def has_dx(self) -> bool:
        """Tell whether anything was ever put into the diagnostics."""
        return self._dx is not None

    def new(self, port: str) -> Any:
        """Make an empty message for an output port."""
        known = self.outputs.get(port) or self._port(self.outputs, port)
        return self.message_factory(known.type_name)

    def step(self, **inputs: Any) -> Mapping[str, Any] | None:
        """Take inputs by port name, return outputs by port name. Subclasses override it."""
        raise NotImplementedError(f'{type(self).__name__} has no step()')

    def reset(self) -> None:
        """Return to the state after construction. Components with state override it."""

    def configure(self, config: _BaseConfig) -> None:
        """Take a new configuration while running."""
        self.config = config

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """Run one step.

        Args:
            inputs: Messages by port name; those that are there.

        Returns:
            Messages by output port; empty if this step has no output.

        Raises:
            ComponentError: If a port does not exist, or the outputs are no mapping.
        """
        if not inputs.keys() <= self.inputs.keys():
            self._refuse(self.inputs, inputs)
        given = self.step(**inputs)
        if not given:
            return {}
        if not isinstance(given, Mapping):
            raise ComponentError(
                f'{type(self).__name__}.step() gave a {type(given).__name__}; it has to be a '
                'mapping of messages by output port, or None'
            )
        outputs = dict(given)
        if not outputs.keys() <= self.outputs.keys():
            self._refuse(self.outputs, outputs)
        return outputs

    def run(self, dataset: RunnableDataset, topics: Mapping[str, str] | None = None) -> Any:
        """Feed a whole dataset through, in time order, from the initial state.

        Args:
            dataset: Where the inputs come from.
            topics: Key of each port where it is not `/` and the port's name.

        Returns:
            A dataset in memory with the outputs, each at the time of the input it answers.

        Raises:
            ComponentError: If a topic's type is not the port's.
        """
        names = {port: f'/{port}' for port in (*self.inputs, *self.outputs)}
        names.update(topics or {})
        ports = {names[port]: port for port in self.inputs}
        result = dataset.empty()
        self.reset()
        checked: set[str] = set()
        for key, message, time_ns in dataset.iterate(list(ports)):
            port = ports[key]
            if port not in checked:
                found, wanted = type_name_of(message), self.inputs[port].type_name
                if found != wanted:
                    raise ComponentError(f'{key} is {found}, but port {port!r} takes {wanted}')
                checked.add(port)
            for name, output in self(**{port: message}).items():
                result.write(names[name], output, timestamp_ns=time_ns)
        return result

    def _refuse(self, ports: Mapping[str, Any], names: Iterable[str]) -> None:
        for name in names:
            self._port(ports, name)

    def _port(self, ports: Mapping[str, Any], name: str) -> Any:
        if name not in ports:
            kind = 'input' if ports is self.inputs else 'output'
            raise ComponentError(
                f'{type(self).__name__} has no {kind} port {name!r}; it has '
                f'{", ".join(ports) or "none"}'
            )
        return ports[name]


def _ports(cls: type, kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if isinstance(value, kind)}


def load_component(path: str) -> type[Component]:
    """Import a component class by its path.

    Args:
        path: `package.module:Class`.

    Raises:
        ComponentNotFoundError: If the path is malformed, does not import, or is no component.
    """
    module_name, colon, class_name = path.partition(':')
    if not (colon and module_name and class_name):
        raise ComponentNotFoundError(
            f'component path {path!r} is not of the form package.module:Class'
        )
    try:
        module = import_module(module_name)
    except Exception as error:
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        where = '' if isinstance(error, ModuleNotFoundError) else _origin(error)
        raise ComponentNotFoundError(
            f'component {path!r}: importing {module_name} failed: {reason}{where}'
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        offers = [name for name, value in vars(module).items() if _is_component(value)]
        raise ComponentNotFoundError(
            f'component {path!r}: {module_name} has no {class_name}; it has '
            f'{", ".join(offers) or "no component"}'
        )
    if not _is_component(found):
        raise ComponentNotFoundError(f'component {path!r} is not a subclass of Component')
    return found  # type: ignore[no-any-return]


def _is_component(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Component) and value is not Component


def _origin(error: BaseException) -> str:
    """Say where in the imported code an error came from."""
    trace = error.__traceback__
    place = ''
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not filename.startswith('<') and 'importlib' not in filename and filename != __file__:
            place = f' ({filename}, line {trace.tb_lineno})'
        trace = trace.tb_next
    return place


def extend_python_path(folders: list[str]) -> None:
    """Append folders to the import path, behind everything that is installed."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)
