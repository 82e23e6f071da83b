"""A thousand seeded pairs with one fault each, and a thousand without: every verdict is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from lk_dataset_ros.comparison import Acceptance, Verdict, compare
from lk_dataset_ros.comparison.tolerance import DEFAULTS
from lk_dataset_ros.dataset import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

S = 1_000_000_000
PAIRS = 1_000
COUNT = 24
Arrays = dict[str, 'NDArray[Any]']
TYPES = {
    '/odom': 'nav_msgs/msg/Odometry',
    '/imu': 'sensor_msgs/msg/Imu',
    '/cmd': 'geometry_msgs/msg/TwistStamped',
    '/joints': 'sensor_msgs/msg/JointState',
}
#: Parts that are judged as a whole: a fault in them is a fault of the part.
WHOLE = ('orientation',)


@dataclass
class Case:
    """One pair of datasets."""

    key: str
    arrays: dict[str, Arrays]
    stamps_ns: NDArray[np.int64]
    log_ns: NDArray[np.int64]


def stamped(stamps_ns: NDArray[np.int64]) -> Arrays:
    """Return the fields of a header."""
    return {
        'header.stamp.sec': (stamps_ns // S).astype(np.int32),
        'header.stamp.nanosec': (stamps_ns % S).astype(np.uint32),
        'header.frame_id': np.array(['frame'] * len(stamps_ns), object),
    }


def quaternions(numbers: np.random.Generator, prefix: str) -> Arrays:
    """Return unit quaternions, turning steadily."""
    angle = np.cumsum(numbers.uniform(-0.3, 0.3, COUNT)) + numbers.uniform(-3, 3)
    axis = numbers.normal(size=3)
    axis /= np.linalg.norm(axis)
    fields = {f'{prefix}.{name}': axis[i] * np.sin(angle / 2) for i, name in enumerate('xyz')}
    return {**fields, f'{prefix}.w': np.cos(angle / 2)}


def vectors(numbers: np.random.Generator, prefix: str, scale: float) -> Arrays:
    """Return a walk in three dimensions."""
    walk = np.cumsum(numbers.normal(size=(COUNT, 3)), axis=0) * scale
    return {f'{prefix}.{name}': walk[:, i].copy() for i, name in enumerate('xyz')}


def content(key: str, numbers: np.random.Generator) -> Arrays:
    """Return the fields of a key but for the header."""
    scale = float(10.0 ** numbers.uniform(-2, 3))
    if key == '/odom':
        return {
            'child_frame_id': np.array(['base'] * COUNT, object),
            **vectors(numbers, 'pose.pose.position', scale),
            **quaternions(numbers, 'pose.pose.orientation'),
            'pose.covariance': numbers.normal(size=(COUNT, 36)) * scale,
            **vectors(numbers, 'twist.twist.linear', scale),
        }
    if key == '/imu':
        return {
            **quaternions(numbers, 'orientation'),
            **vectors(numbers, 'angular_velocity', scale),
            **vectors(numbers, 'linear_acceleration', scale),
        }
    if key == '/cmd':
        return vectors(numbers, 'twist.linear', scale)
    names = np.empty(COUNT, object)
    names[:] = [['a', 'b', 'c']] * COUNT
    return {'position': numbers.normal(size=(COUNT, 3)) * scale}


def dataset_of(arrays: dict[str, Arrays], log_ns: NDArray[np.int64]) -> Dataset:
    """Write arrays into a dataset in memory."""
    dataset = Dataset.create('memory')
    for key, fields in arrays.items():
        dataset.declare(key, TYPES[key])
        count = len(next(iter(fields.values())))
        dataset.write_columns(key, fields, log_time_ns=log_ns[:count])
    return dataset


def case_of(seed: int) -> tuple[np.random.Generator, Case]:
    """Make the original's messages of two keys, and choose one of them."""
    numbers = np.random.default_rng(seed)
    keys = [str(each) for each in numbers.choice(list(TYPES), 2, replace=False)]
    stamps_ns = 5 * S + np.cumsum(numbers.integers(5_000_000, 50_000_000, COUNT))
    log_ns = stamps_ns + 1_000_000
    arrays = {key: {**stamped(stamps_ns), **content(key, numbers)} for key in keys}
    return numbers, Case(keys[0], arrays, stamps_ns, log_ns)


def copied(arrays: dict[str, Arrays]) -> dict[str, Arrays]:
    """Return a copy that can be spoiled."""
    return {
        key: {path: each.copy() for path, each in fields.items()} for key, fields in arrays.items()
    }


def limits(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the default tolerance of each value, by torch's table."""
    rtol, atol = DEFAULTS[values.dtype.name]
    return np.asarray(atol + rtol * np.abs(values))


def numeric(fields: Arrays, numbers: np.random.Generator) -> str:
    """Choose a field of numbers that is not of the header."""
    paths = [p for p, v in fields.items() if v.dtype.kind == 'f' and not p.startswith('header')]
    return str(numbers.choice(paths))


def part_of(path: str) -> str:
    """Return what a fault in a field is attributed to."""
    parent = path.rpartition('.')[0]
    return parent if parent.endswith(WHOLE) else path


class Spoiled(NamedTuple):
    """A compiled with one fault.

    Attributes:
        dataset: The compiled.
        path: What the fault is attributed to, '' for any field.
        at: The first message that has it.
        acceptance: What the comparison is asked to accept.
    """

    dataset: Dataset
    path: str
    at: int
    acceptance: Acceptance | None = None


def spoil_values(kind: str, numbers: np.random.Generator, case: Case) -> Spoiled:
    """Change one value, or all of a field from some message on."""
    arrays = copied(case.arrays)
    fields = arrays[case.key]
    index = int(numbers.integers(1, COUNT - 1))
    path = numeric(fields, numbers)
    values = fields[path]
    place = (index, *(int(numbers.integers(0, size)) for size in values.shape[1:]))
    if kind == 'value':
        off = float(numbers.uniform(1.01, 10.0)) * limits(values)[place]
        values[place] += numbers.choice([-1.0, 1.0]) * off
    elif kind == 'nan':
        values[place] = numbers.choice([math.nan, math.inf, -math.inf])
    elif kind == 'unit':
        values[index:] *= float(numbers.choice([1000.0, 0.001, math.degrees(1.0)]))
    else:
        path = 'header.frame_id'
        fields[path][index] = 'framE'
    return Spoiled(dataset_of(arrays, case.log_ns), part_of(path), index)


def spoil_messages(kind: str, numbers: np.random.Generator, case: Case) -> Spoiled:
    """Drop, swap, delay messages."""
    arrays = copied(case.arrays)
    fields = arrays[case.key]
    index = int(numbers.integers(1, COUNT - 1))
    log_ns, stamps_ns = case.log_ns.copy(), case.stamps_ns.copy()
    if kind in ('swapped', 'order'):
        for path, values in fields.items():
            if kind == 'order' or not path.startswith('header'):
                values[[index - 1, index]] = values[[index, index - 1]]
        name = 'reordered' if kind == 'order' else ''
        return Spoiled(dataset_of(arrays, log_ns), name, index - 1)
    if kind == 'dropped':
        arrays[case.key] = {path: np.delete(v, index, axis=0) for path, v in fields.items()}
    elif kind == 'late':
        log_ns[index:] += 2_000_000
        late = Acceptance(relative_time_s=0.001)
        return Spoiled(dataset_of(arrays, log_ns), 'late', index, late)
    elif kind == 'time':
        stamps_ns[index] += int(numbers.integers(1, 4_000_000))
        fields.update(stamped(stamps_ns))
    else:
        index = 0
        fields.update(stamped(stamps_ns + int(numbers.integers(1, 3_000_000))))
    return Spoiled(dataset_of(arrays, log_ns), 'missing', index)


OF_VALUES = ('value', 'nan', 'unit', 'character')
KINDS = (*OF_VALUES, 'swapped', 'order', 'dropped', 'lag', 'time', 'late')


@pytest.mark.parametrize('kind', KINDS)
def test_every_fault_is_found_and_attributed(kind: str) -> None:
    """Promise: of a thousand faults each is found, with the right key, field and first stamp."""
    spoil = spoil_values if kind in OF_VALUES else spoil_messages
    wrong: list[object] = []
    for seed in range(PAIRS // len(KINDS)):
        numbers, case = case_of(1_000 * KINDS.index(kind) + seed)
        spoiled = spoil(kind, numbers, case)
        comparison = compare(
            dataset_of(case.arrays, case.log_ns), spoiled.dataset, acceptance=spoiled.acceptance
        )
        first = comparison.first_divergence
        assert first is not None, seed
        expected = (case.key, int(case.stamps_ns[spoiled.at]))
        if first[:2] != expected or spoiled.path not in ('', first[2]):
            wrong.append((seed, spoiled.path, expected, first))
        differing = {key.key for key in comparison.keys if key.verdict is not Verdict.EQUIVALENT}
        if kind != 'late' and differing != {case.key}:
            wrong.append((seed, differing))
    assert wrong == []


def test_no_false_alarm_below_the_tolerance() -> None:
    """Promise: of a thousand clean pairs, noisy below the tolerance, none differs."""
    wrong = []
    for seed in range(PAIRS):
        numbers, case = case_of(50_000 + seed)
        arrays = copied(case.arrays)
        for fields in arrays.values():
            for values in fields.values():
                if values.dtype.kind == 'f':
                    share = numbers.uniform(-0.99, 0.99, values.shape)
                    np.add(values, share * limits(values), out=values)
        comparison = compare(dataset_of(case.arrays, case.log_ns), dataset_of(arrays, case.log_ns))
        if comparison.verdict is not Verdict.EQUIVALENT:
            wrong.append((seed, comparison.first_divergence))
    assert wrong == []


def test_a_quaternion_of_the_other_sign_is_no_fault() -> None:
    """Promise: q and -q are the same rotation, in a hundred pairs, from any message on."""
    for seed in range(PAIRS // 10):
        numbers, case = case_of(90_000 + seed)
        arrays = copied(case.arrays)
        flipped = int(numbers.integers(0, COUNT))
        for fields in arrays.values():
            for path, values in fields.items():
                if part_of(path) != path:
                    np.negative(values[flipped:], out=values[flipped:])
        comparison = compare(dataset_of(case.arrays, case.log_ns), dataset_of(arrays, case.log_ns))
        assert comparison.verdict is Verdict.EQUIVALENT, comparison.first_divergence
