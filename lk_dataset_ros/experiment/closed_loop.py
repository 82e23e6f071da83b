"""What two arms made of the same world: trajectories, when they part, what became of the task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.trajectory import (
    Trajectory,
    absolute_pose_error,
    associate,
    relative_pose_error,
)
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import ComparisonError, LkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.experiment.running.arm_run import ArmRun
    from lk_dataset_ros.message import Column, Columns

#: Of what is below this, the first topic with poses is the trajectory.
GROUND_TRUTH: Final = '/ground_truth/'
#: Messages that time them, not the robot.
_NO_VALUES: Final = ('header.stamp.',)


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Two arms in the same world, side by side.

    Attributes:
        topic: Whose poses the trajectories are of; empty where there are none.
        poses: Pairs of poses that were compared.
        ate_m: Absolute trajectory error, root of the mean square, m; NaN without poses.
        ate_max_m: Its largest, m.
        ate_rad: Likewise of the orientation, root of the mean square, rad.
        rpe_m: Relative pose error over 1 s, root of the mean square, m.
        diverged_s: When each topic first was another one, s of simulated time; infinity: never.
        outcomes: Name of an outcome, that of the original and that of the compiled; None where
            an arm has none.
        tolerance: Relative and absolute tolerance below which topics are the same.
    """

    topic: str
    poses: int
    ate_m: float
    ate_max_m: float
    ate_rad: float
    rpe_m: float
    diverged_s: Mapping[str, float]
    outcomes: Mapping[str, tuple[bool | float | str | None, bool | float | str | None]]
    tolerance: tuple[float, float]

    @property
    def has_same_outcome(self) -> bool:
        """Whether everything that is yes, no or a text is the same: reached, collided, fallen."""
        return not any(
            mine != other
            for mine, other in self.outcomes.values()
            if isinstance(mine, (bool, str)) or isinstance(other, (bool, str))
        )

    @property
    def first_divergence_s(self) -> float:
        """When the first topic was another one, s; infinity: never."""
        return min(self.diverged_s.values(), default=math.inf)

    def to_dict(self) -> dict[str, Any]:
        """Return it as data for JSON: None for what is not known or never happens."""
        return {
            'trajectory': {
                'topic': self.topic,
                'poses': self.poses,
                **{
                    name: _finite(getattr(self, name))
                    for name in ('ate_m', 'ate_max_m', 'ate_rad', 'rpe_m')
                },
            },
            'diverged_s': {topic: _finite(when) for topic, when in self.diverged_s.items()},
            'outcomes': {
                name: {'original': _finite(mine), 'compiled': _finite(other)}
                for name, (mine, other) in self.outcomes.items()
            },
            'same_outcome': self.has_same_outcome,
            'tolerance': {'rtol': self.tolerance[0], 'atol': self.tolerance[1]},
        }

    def to_str(self) -> str:
        """Return it as text of some lines."""
        lines = []
        if self.topic:
            lines.append(
                f'trajectory {self.topic}: off by {self.ate_m:.3g} m (rms), {self.ate_max_m:.3g} m '
                f'(most), {self.ate_rad:.3g} rad; by {self.rpe_m:.3g} m in 1 s; '
                f'{self.poses} poses'
            )
        for topic, when in self.diverged_s.items():
            lines.append(
                f'{topic}: the same throughout'
                if math.isinf(when)
                else f'{topic}: another one from {when:.3f} s on'
            )
        for name, (mine, other) in self.outcomes.items():
            lines.append(f'{name}: {_text(mine)} | {_text(other)}')
        lines.append(f'outcome of the task: {"the same" if self.has_same_outcome else "another"}')
        return '\n'.join(lines)


def compare_closed_loop(
    original: ArmRun, compiled: ArmRun, *, rtol: float = 1e-9, atol: float = 0.0, pose: str = ''
) -> ClosedLoop:
    """Compare what two arms made of the same world.

    Args:
        original: The one that is right.
        compiled: The other one.
        rtol: Relative tolerance below which a topic is still the same.
        atol: Absolute tolerance likewise.
        pose: Topic with the poses; by default the first one with poses below `/ground_truth/`.

    Raises:
        ComparisonError: If a bag cannot be read, or there is no such topic.
    """
    try:
        mine, other = Dataset.load(original.bag), Dataset.load(compiled.bag)
        both = [key for key in mine.keys() if key in other.keys()]  # noqa: SIM118
        if pose and pose not in both:
            raise ComparisonError(f'{pose} is not in both bags; {", ".join(both)} are')
        pairs = {key: (mine.columns(key), other.columns(key)) for key in both}
    except LkError as error:
        raise ComparisonError(
            f'{original.place.label}, {compiled.place.label}: {error}'
        ) from error
    topic, trajectory = '', (0, math.nan, math.nan, math.nan, math.nan)
    for key in [pose] if pose else sorted(both):
        if pose or (key.startswith(GROUND_TRUTH) and _has_pose(pairs[key][0])):
            topic, trajectory = key, _trajectory(*pairs[key])
            break
    return ClosedLoop(
        topic,
        *trajectory,
        diverged_s={key: _diverged_s(*pairs[key], rtol, atol) for key in both},
        outcomes={
            name: (original.outcome.get(name), compiled.outcome.get(name))
            for name in {**original.outcome, **compiled.outcome}
        },
        tolerance=(rtol, atol),
    )


def _has_pose(columns: Columns) -> bool:
    try:
        Trajectory.from_columns(columns)
    except ComparisonError:
        return False
    return True


def _trajectory(mine: Columns, other: Columns) -> tuple[int, float, float, float, float]:
    pair = associate(Trajectory.from_columns(mine), Trajectory.from_columns(other))
    place = absolute_pose_error(*pair)
    turn = absolute_pose_error(*pair, 'rotation_angle')
    drift = relative_pose_error(*pair, delta=1.0, unit='s', pairs_of='original')
    return len(place), place.rmse, place.max, turn.rmse, drift.rmse


def _diverged_s(mine: Columns, other: Columns, rtol: float, atol: float) -> float:
    """Return the time of the first message that is another one, s; infinity if there is none."""
    times, others = mine.log_time_ns, other.log_time_ns
    count = min(len(times), len(others))
    firsts = [count] if len(times) != len(others) else []
    firsts += _places(times[:count] != others[:count])
    if list(mine) != list(other):
        firsts.append(0)
    for name in mine:
        if name in other and not name.startswith(_NO_VALUES):
            firsts += _different(mine[name], other[name], rtol, atol)
    first = min(firsts, default=-1)
    if first < 0:
        return math.inf
    longer = times if len(times) > len(others) else others
    return float(longer[min(first, len(longer) - 1)]) * 1e-9 if len(longer) else 0.0


def _different(mine: Column, other: Column, rtol: float, atol: float) -> list[int]:
    """Return the first message in which a field is another one, if there is one."""
    rows = min(len(mine.rows), len(other.rows))
    if mine.offsets is not None or other.offsets is not None:
        if mine.offsets is None or other.offsets is None:
            return [0]
        sizes = np.diff(mine.offsets)[:rows] != np.diff(other.offsets)[:rows]
        differing = _places(sizes)
        end = differing[0] if differing else rows
        stop = int(mine.offsets[end])
        values = _apart(mine.values[:stop], other.values[:stop], rtol, atol)
        found = [int(np.searchsorted(mine.offsets, each, 'right')) - 1 for each in _places(values)]
        return [int(mine.rows[each]) for each in (*found, *differing)]
    if mine.values.shape[1:] != other.values.shape[1:]:
        return [0]
    values = _apart(mine.values[:rows], other.values[:rows], rtol, atol)
    return [int(mine.rows[each]) for each in _places(values.reshape(rows, -1).any(axis=1))]


def _apart(mine: Any, other: Any, rtol: float, atol: float) -> Any:
    if mine.dtype.kind in 'fc' and other.dtype.kind in 'fc':
        return ~np.isclose(other, mine, rtol=rtol, atol=atol, equal_nan=True)
    return np.asarray(mine != other)


def _places(flags: Any) -> list[int]:
    found = np.flatnonzero(flags)
    return [int(found[0])] if len(found) else []


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if value is None:
        return '-'
    return f'{value:.6g}' if isinstance(value, (int, float)) else str(value)
