"""The component that is pinned: its settings, and which topic each of its ports is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component import extend_python_path, load_component
from lk_dataset_ros.errors import ComparisonError, ComponentError, LkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lk_dataset_ros.component import Port
    from lk_dataset_ros.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Subject:
    """What is pinned.

    Attributes:
        path: Import path of the component, `package.module:Class`.
        settings: Fields of its configuration that are not left at their defaults.
        topics: Key of each port where it is not `/` and the port's name.
        python_path: Folders to import from.
        inputs: Keys that its input ports take.
    """

    path: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def run(self, dataset: Dataset) -> Dataset:
        """Feed a dataset through a new component.

        Raises:
            ComponentError: If it fails.
        """
        try:
            produced: Dataset = load_component(self.path)(**self.settings).run(
                dataset, self.topics
            )
        except LkError:
            raise
        except Exception as error:
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise ComponentError(f'{self.path} failed on the pinned inputs: {reason}') from error
        return produced


def subject_of(
    path: str,
    dataset: Dataset,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    topics: Mapping[str, str] | None = None,
    python_path: Iterable[str] = (),
) -> Subject:
    """Import a component and find which topic each of its ports is.

    A port is the topic `/` and its name, if not said otherwise. Where that is not among the keys,
    it is the one key of its type that is no other port's.

    Args:
        path: `package.module:Class`.
        dataset: Has the inputs.
        inputs: Keys that are inputs.
        outputs: Keys that are outputs.
        settings: Fields of the configuration.
        topics: Key of some ports.
        python_path: Folders to import from.

    Raises:
        ComponentError: If the component or its settings are wrong.
        ComparisonError: If it is not clear which topic a port is, or an input is not there.
    """
    folders = tuple(python_path)
    extend_python_path(list(folders))
    made = load_component(path)
    made(**dict(settings or {}))
    known = dict(topics or {})
    for port in known:
        if port not in made.inputs and port not in made.outputs:
            raise ComparisonError(
                f'{path} has no port {port!r}; it has {", ".join((*made.inputs, *made.outputs))}'
            )
    types = {name: topic.schema.name for name, topic in dataset.topics().items()}
    known.update(_matched(made.inputs, inputs or list(types), known, types))
    known.update(_matched(made.outputs, outputs, known, types))
    taken = {port: known.get(port, f'/{port}') for port in (*made.inputs, *made.outputs)}
    for port in made.inputs:
        if taken[port] not in types:
            raise ComparisonError(
                f'input {port!r} of {path} is {taken[port]}, which is not in {dataset.name}; say '
                f'which topic it is: --topic {port}=TOPIC, one of {", ".join(types) or "none"}'
            )
    for key in outputs:
        if key not in [taken[port] for port in made.outputs]:
            raise ComparisonError(
                f'{key} is no output of {path}; say which port it is: --topic PORT={key}, PORT one '
                f'of {", ".join(made.outputs) or "none"}'
            )
    renamed = {port: key for port, key in taken.items() if key != f'/{port}'}
    return Subject(
        path, dict(settings or {}), renamed, folders, tuple(taken[port] for port in made.inputs)
    )


def _matched(
    ports: Mapping[str, Port],
    keys: Sequence[str],
    known: Mapping[str, str],
    types: Mapping[str, str],
) -> dict[str, str]:
    """Return the ports whose topic follows from its type."""
    open_ports = [port for port in ports if port not in known and f'/{port}' not in keys]
    free = [key for key in keys if key not in known.values() and key.lstrip('/') not in ports]
    found = {}
    for port in open_ports:
        wanted = ports[port].type_name
        # What was not recorded may be of any type.
        fitting = [key for key in free if types.get(key) == wanted]
        fitting = fitting or [key for key in free if key not in types]
        rivals = [each for each in open_ports if ports[each].type_name == wanted]
        if len(fitting) == 1 and len(rivals) == 1:
            found[port] = fitting[0]
    return found
