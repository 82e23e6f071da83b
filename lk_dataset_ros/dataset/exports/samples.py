"""Samples of signals, read out of a dataset as arrays on their own clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.exports.mapping import Resolved, Signal
    from lk_dataset_ros.message import Column, Columns

TimeSource = Literal['log', 'stamp']
_JOINTS = ('position', 'velocity', 'effort')


@dataclass(frozen=True, slots=True)
class Block:
    """One field of a key: some elements of it.

    Attributes:
        names: Of the elements that are taken.
        values: (m, d): what is taken.
        rotation: (m, 4): the whole quaternion x, y, z, w that it is a part of, or None.
        part: Which component of the quaternion it is.
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    rotation: NDArray[Any] | None = None
    part: int = 0


@dataclass(frozen=True, slots=True)
class KeySamples:
    """The samples of one key, in order of time.

    Attributes:
        times: int64, (m,): log times or header stamps.
        log_times: int64, (m,): log times, in the order of `times`.
        blocks: Samples of each signal.
    """

    times: NDArray[np.int64]
    log_times: NDArray[np.int64]
    blocks: dict[Signal, Block]


def read_samples(
    dataset: Dataset, resolved: Resolved, *, time: TimeSource = 'log'
) -> dict[str, KeySamples]:
    """Read what the features need, key by key; pixels stay where they are.

    Raises:
        ExportError: If a field is not there in every message, varies in length, or joints change
            their order.
    """
    wanted: dict[str, list[Signal]] = {key: [] for key in resolved.keys}
    for signals in resolved.numbers.values():
        for each in signals:
            wanted[each.key].append(each)
    return {key: _read(dataset, key, signals, time) for key, signals in wanted.items()}


def _read(dataset: Dataset, key: str, signals: Sequence[Signal], time: TimeSource) -> KeySamples:
    paths = dict.fromkeys(each.path for each in signals)
    is_joints = dataset.topic(key).schema.name == 'sensor_msgs/msg/JointState'
    known = _paths(dataset, key)
    extra = [path for each in paths for path in _quaternion(each, known) or ()]
    stamp = ['header.stamp.sec', 'header.stamp.nanosec'] if 'header.stamp.sec' in known else []
    names = ['name'] if is_joints else []
    columns = dataset.columns(key, fields=list(dict.fromkeys([*paths, *extra, *stamp, *names])))
    log_times = columns.log_time_ns
    if not len(log_times):
        raise ExportError(f'{key} in {dataset.name} has no message')
    times, order = log_times, np.arange(len(log_times))
    # Stamps that nobody has set are all zero.
    if time == 'stamp' and columns.stamp_ns is not None and columns.stamp_ns.any():
        order = np.argsort(columns.stamp_ns, kind='stable')
        times = columns.stamp_ns[order]
    joints = _joints(columns, key) if is_joints else None
    blocks = {each: _block(columns, each, joints, order, known) for each in signals}
    return KeySamples(times, log_times[order], blocks)


def _paths(dataset: Dataset, key: str) -> Columns:
    first = int(dataset.timestamps(key).min(initial=2**63 - 1))
    return dataset.columns(key, start_ns=first, stop_ns=first + 1)


def _block(
    columns: Columns,
    signal: Signal,
    joints: list[str] | None,
    order: NDArray[np.int64],
    known: Columns,
) -> Block:
    values = _whole(columns, signal)
    size = values.shape[1]
    label = f'{signal.key.strip("/")}.{signal.path}'
    is_scalar = columns[signal.path].values.ndim == 1
    names = [label] if is_scalar else [f'{label}[{index}]' for index in range(size)]
    if joints and signal.path in _JOINTS and len(joints) == size:
        names = [f'{label}.{joint}' for joint in joints]
    values = values[order]
    if signal.element is not None:
        if signal.element >= size:
            raise ExportError(f'{signal}: there are {size} elements')
        chosen = slice(signal.element, signal.element + 1)
        return Block(tuple(names[chosen]), values[:, chosen])
    rotation = _quaternion(signal.path, known)
    if rotation is None:
        return Block(tuple(names), values)
    whole = np.concatenate([_whole(columns, _at(signal, path)) for path in rotation], axis=1)
    return Block(tuple(names), values, whole[order], rotation.index(signal.path))


def _at(signal: Signal, path: str) -> Signal:
    return type(signal)(signal.key, path)


def _whole(columns: Columns, signal: Signal) -> NDArray[Any]:
    """Return a field's samples, (m, d).

    Raises:
        ExportError: If not every message has it in the same shape.
    """
    count = len(columns.log_time_ns)
    column: Column | None = columns.get(signal.path)
    if column is None or len(column) != count:
        have = 0 if column is None else len(column)
        raise ExportError(f'{signal.key}.{signal.path}: {have} of {count} messages have it')
    rows = _rows(column)
    if rows is None or not rows.shape[1]:
        lengths = [0] if column.offsets is None else np.diff(column.offsets)
        raise ExportError(
            f'{signal.key}.{signal.path} has {min(lengths)} to {max(lengths)} elements; '
            'a feature needs as many in every message, one at least'
        )
    return rows


def _rows(column: Column) -> NDArray[Any] | None:
    """Return a column as (m, d), None if its messages vary in length."""
    size = len(column)
    if column.offsets is not None and len(np.unique(np.diff(column.offsets))) > 1:
        return None
    return column.values.reshape(size, -1 if column.values.size else 0)


def _quaternion(path: str, known: Columns) -> list[str] | None:
    """Return the fields x, y, z, w of the quaternion that a field is a component of."""
    parent, _, name = path.rpartition('.')
    if name not in ('x', 'y', 'z', 'w'):
        return None
    found = [f'{parent}.{each}' if parent else each for each in 'xyzw']
    return found if all(each in known for each in found) else None


def _joints(columns: Columns, key: str) -> list[str] | None:
    """Return the joints' names, None if they are not told.

    Raises:
        ExportError: If they change, for then the same element is not the same joint.
    """
    column = columns.get('name')
    if column is None or not column.values.size:
        return None
    rows = _rows(column)
    if rows is None or bool((rows != rows[0]).any()):
        raise ExportError(
            f'the joints of {key} are not the same, in the same order, in every message: '
            'slice or split the topic first'
        )
    return [str(each) for each in rows[0]]
