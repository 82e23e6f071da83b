"""A `/tf` topic as what it is: one stream of poses for each pair of frames."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.message import Column, Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TYPE: Final = 'tf2_msgs/msg/TFMessage'
#: Types of the parts of what `streams` returns.
PARTS: Final = {
    'transform': 'geometry_msgs/msg/Transform',
    'transform.translation': 'geometry_msgs/msg/Vector3',
    'transform.rotation': 'geometry_msgs/msg/Quaternion',
}
_SECONDS: Final = ('header.stamp.sec', 'header.stamp.nanosec')
_NUMBERS: Final = (
    *_SECONDS,
    *(f'transform.translation.{axis}' for axis in 'xyz'),
    *(f'transform.rotation.{axis}' for axis in 'xyzw'),
)


def streams(batches: Iterable[Columns]) -> dict[tuple[str, str], Columns]:
    """Return the transforms of each pair of frames, in order of log time.

    Which transforms share a message, and in which order, says nothing about the robot: publishers
    put into one message what they happen to have.

    Args:
        batches: A key's messages.

    Returns:
        Columns by names of parent and child, in order of appearance.
    """
    parts: dict[tuple[str, str], list[dict[str, NDArray[np.generic]]]] = defaultdict(list)
    for columns in batches:
        for index in count():
            prefix = f'transforms[{index}].'
            if f'{prefix}child_frame_id' not in columns:
                break
            found = {name: columns[prefix + name].values for name in _NUMBERS}
            found['log'] = columns.log_time_ns[columns[f'{prefix}child_frame_id'].rows]
            frames = [
                columns[prefix + name].values.tolist()
                for name in ('header.frame_id', 'child_frame_id')
            ]
            for pair, rows in _places(*frames).items():
                parts[pair].append({name: each[rows] for name, each in found.items()})
    return {pair: _columns(pieces) for pair, pieces in parts.items()}


def label(parent: str, child: str) -> str:
    """Return what reports call a pair of frames."""
    return f'{parent} -> {child}'


def nothing() -> Columns:
    """Return the stream of a pair of frames that is not there."""
    rows = np.zeros(0, np.int64)
    return Columns({}, rows, rows)


def _places(parents: list[str], children: list[str]) -> dict[tuple[str, str], NDArray[np.int64]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, pair in enumerate(zip(parents, children, strict=True)):
        found[pair].append(row)
    return {pair: np.array(at) for pair, at in found.items()}


def _columns(pieces: list[dict[str, NDArray[np.generic]]]) -> Columns:
    joined = {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}
    order = np.argsort(joined['log'], kind='stable')
    joined = {name: values[order] for name, values in joined.items()}
    rows = np.arange(len(order))
    sec, nanosec = (joined[name].astype(np.int64) for name in _SECONDS)
    log_time_ns = joined.pop('log').astype(np.int64)
    return Columns(
        {name: Column(values, rows) for name, values in joined.items()},
        log_time_ns,
        sec * 1_000_000_000 + nanosec,
    )
