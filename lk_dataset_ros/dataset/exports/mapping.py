"""Which fields of which topics become which feature of the frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from lk_dataset_ros.dataset.exports.target import reason_of
from lk_dataset_ros.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.message import Columns

STATE = 'observation.state'
ACTION = 'action'
IMAGES = 'observation.images.'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_ACTION_NAMES = re.compile(r'(^|[/_])(cmd|command|action|target|setpoint)', re.IGNORECASE)
_FEATURE = re.compile(r'[A-Za-z]\w*(\.\w+)*')
_ELEMENT = re.compile(r'(?P<path>.+)\[(?P<index>\d+)\]')
_RESERVED = ('timestamp', 'frame_index', 'episode_index', 'index', 'task_index', 'task')

Features = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Signal:
    """One field of a key; `element` is the index of one element of it."""

    key: str
    path: str
    element: int | None = None

    def __str__(self) -> str:
        """Return it as a user writes it."""
        tail = '' if self.element is None else f'[{self.element}]'
        return f'{self.key}.{self.path}{tail}'


@dataclass(frozen=True, slots=True)
class Resolved:
    """The features of a dataset, found in it.

    Attributes:
        numbers: Signals of each feature that consists of numbers.
        images: Key of each feature that is an image.
    """

    numbers: dict[str, tuple[Signal, ...]]
    images: dict[str, str]

    @property
    def keys(self) -> list[str]:
        """The keys that are needed."""
        signals = [each.key for signals in self.numbers.values() for each in signals]
        return list(dict.fromkeys([*signals, *self.images.values()]))


def features_of(mapping: Mapping[str, Any]) -> Features:
    """Check a mapping from features to signals that came from outside.

    Args:
        mapping: Feature name -> a signal, or a list of signals: `/joint_states.position`,
            `/odom.twist.twist`, `/arm.effort[2]`, `/camera/image_raw`.

    Raises:
        ExportError: If a name or a signal is not one.
    """
    if not isinstance(mapping, dict) or not mapping:
        raise ExportError(f'features are to be a mapping from name to signals, not {mapping!r}')
    features: Features = {}
    for name, given in mapping.items():
        if not isinstance(name, str) or not _FEATURE.fullmatch(name) or name in _RESERVED:
            raise ExportError(
                f'{name!r} cannot be the name of a feature; observation.state, action and '
                'observation.images.front can'
            )
        signals = [given] if isinstance(given, str) else given
        if not isinstance(signals, (list, tuple)) or not signals:
            raise ExportError(f'feature {name}: give signals such as /odom.twist, not {given!r}')
        for each in signals:
            if not isinstance(each, str) or not each:
                raise ExportError(f'feature {name}: {each!r} is not a signal such as /odom.twist')
        features[name] = tuple(signals)
    return features


def with_options(
    file: str | PathLike[str] | None,
    state: Sequence[str],
    action: Sequence[str],
    images: Sequence[str],
) -> Features:
    """Put the features of a mapping file and of command line options together.

    Args:
        file: YAML: feature name -> signal or list of signals.
        state: Signals of `observation.state`.
        action: Signals of `action`.
        images: `front=/camera/image_raw` becomes `observation.images.front`.

    Returns:
        The features; empty if none is given.

    Raises:
        ExportError: If the file is not a mapping, or a feature is given twice.
    """
    features: dict[str, Any] = {} if file is None else dict(features_of(_yaml(Path(file))))
    given: list[tuple[str, Any]] = [(STATE, list(state))] if state else []
    given += [(ACTION, list(action))] if action else []
    for each in images:
        name, equals, key = each.partition('=')
        if not (name and equals and key):
            raise ExportError(f'an image is given as front=/camera/image_raw, not {each}')
        given.append((IMAGES + name, key))
    for name, signals in given:
        if name in features:
            raise ExportError(f'{name} is given twice')
        features[name] = signals
    return features_of(features) if features else {}


def _yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ExportError(f'{file} cannot be read as a mapping: {reason_of(error)}') from error


def default_features(dataset: Dataset, *, without: str | None = None) -> Features:
    """Return what a dataset's topics suggest.

    Topics called after a command (`/cmd_vel`, `/joint_command`, `/target_pose`) are the action,
    images are images, every other topic with floats is the state.

    Args:
        dataset: Where the topics are.
        without: A key to be left out, such as the one of the markers.

    Raises:
        ExportError: If there is no action or no state, or two images get the same name.
    """
    features: dict[str, list[str]] = {STATE: [], ACTION: []}
    for key, topic in dataset.topics().items():
        if not topic.count or key == without:
            continue
        if topic.schema.name in IMAGE_TYPES:
            name = IMAGES + _image_name(key)
            if name in features:
                raise ExportError(
                    f'{features[name][0]} and {key} would both become {name}: name them yourself'
                )
            features[name] = [key]
            continue
        floats = [
            path
            for path, column in _first(dataset, key).items()
            if column.values.dtype.kind == 'f' and _is_content(path) and '[' not in path
        ]
        if floats:
            is_action = _ACTION_NAMES.search(key)
            features[ACTION if is_action else STATE] += [f'{key}.{path}' for path in floats]
    for name in (STATE, ACTION):
        if not features[name]:
            raise ExportError(
                f'no topic of {dataset.name} looks like {name}; there is '
                f'{", ".join(dataset.keys()) or "nothing"}: say which signals it has '
                f'(--{name.removeprefix("observation.")} /topic.field)'
            )
    return {name: tuple(signals) for name, signals in features.items()}


def resolve(dataset: Dataset, features: Features) -> Resolved:
    """Find the signals of the features in a dataset.

    Raises:
        ExportError: If one is not there, has no numbers, or is named twice in a feature.
    """
    numbers: dict[str, tuple[Signal, ...]] = {}
    images: dict[str, str] = {}
    first: dict[str, Columns] = {}
    for name, texts in features.items():
        keys = [_key_of(dataset, text) for text in texts]
        if any(dataset.topic(key).schema.name in IMAGE_TYPES for key in keys):
            if len(texts) > 1 or texts[0] != keys[0]:
                raise ExportError(f'feature {name}: an image stands alone, not {", ".join(texts)}')
            images[name] = keys[0]
            continue
        signals: list[Signal] = []
        for key, text in zip(keys, texts, strict=True):
            if key not in first:
                first[key] = _first(dataset, key)
            signals += _expanded(first[key], key, text)
        for each in signals:
            whole = Signal(each.key, each.path)
            if signals.count(each) > 1 or (each != whole and whole in signals):
                raise ExportError(f'feature {name}: {each} is in it twice')
        numbers[name] = tuple(signals)
    return Resolved(numbers, images)


def _key_of(dataset: Dataset, text: str) -> str:
    found = [key for key in dataset.keys() if text == key or text.startswith(f'{key}.')]  # noqa: SIM118
    if not found:
        raise ExportError(
            f'{text} begins with no topic of {dataset.name}; there is '
            f'{", ".join(dataset.keys()) or "nothing"}'
        )
    return max(found, key=len)


def _expanded(columns: Columns, key: str, text: str) -> list[Signal]:
    path = text[len(key) + 1 :]
    if path in columns:
        return [_numeric(columns, Signal(key, path))]
    one = _ELEMENT.fullmatch(path)
    if one and one['path'] in columns:
        return [_numeric(columns, Signal(key, one['path'], int(one['index'])))]
    below = [
        Signal(key, each)
        for each, column in columns.items()
        if (not path or each.startswith((f'{path}.', f'{path}[')))
        and column.values.dtype.kind in 'bfiu'
        and _is_content(each)
    ]
    if not below:
        fields = ', '.join(columns) or 'no message'
        raise ExportError(f'{text}: {key} has no numbers there; it has {fields[:200]}')
    return below


def _numeric(columns: Columns, signal: Signal) -> Signal:
    values = columns[signal.path].values
    if values.dtype.kind not in 'bfiu':
        raise ExportError(f'{signal} is text, not a number')
    if signal.element is not None and values.size <= signal.element:
        raise ExportError(f'{signal}: there are {values.size} elements')
    return signal


def _is_content(path: str) -> bool:
    return not (
        path.startswith('header.')
        or '.header.' in path
        or path.endswith(('.length', 'covariance', 'is_bigendian'))
    )


def _first(dataset: Dataset, key: str) -> Columns:
    """Return the columns of a key's first message."""
    times = dataset.timestamps(key)
    if not len(times):
        raise ExportError(f'{key} in {dataset.name} has no message')
    first = int(np.min(times))
    return dataset.columns(key, start_ns=first, stop_ns=first + 1)


def _image_name(key: str) -> str:
    """Return a camera's name: `/front/image_raw/compressed` is `front`."""
    parts: Sequence[str] = [part for part in key.split('/') if part]
    named = [
        part
        for part in parts
        if not re.fullmatch(r'(image|rgb|color|raw|rect|compressed|camera)(_\w+)?', part)
    ]
    return re.sub(r'\W', '_', '_'.join(named) or 'camera')
