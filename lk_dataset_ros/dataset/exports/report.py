"""What bringing topics onto one clock has cost: errors in time and in value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TimeError:
    """How far in time the samples of a key lie from the frames that use them, seconds."""

    mean_s: float
    p95_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class FieldError:
    """What a field loses: frames resampled at the samples' times, minus the samples.

    Attributes:
        max: Largest absolute difference.
        rms: Root mean square.
        span: Largest minus smallest sample, to compare these with.
    """

    max: float
    rms: float
    span: float


@dataclass(slots=True)
class _Sums:
    count: int = 0
    squares: float = 0.0
    largest: float = 0.0
    low: float = np.inf
    high: float = -np.inf


@dataclass(slots=True)
class ResamplingReport:
    """What was made of the samples.

    Attributes:
        episodes: Episodes written.
        frames: Frames written.
        dropped: Frames left out, by the key that had no sample within the limit.
        short: Frames left out since their episode would have been too short.
        notes: What else the user should know.
    """

    episodes: int = 0
    frames: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    short: int = 0
    notes: list[str] = field(default_factory=list)
    _distances: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)
    _errors: dict[str, _Sums] = field(default_factory=dict)

    def add_distances(self, key: str, distance_ns: NDArray[np.int64]) -> None:
        """Take how far the samples of an episode's frames lie."""
        self._distances.setdefault(key, []).append(distance_ns)

    def add_errors(self, name: str, error: NDArray[np.float64], samples: NDArray[Any]) -> None:
        """Take what an episode's samples of one field lose; those not finite do not count."""
        sums = self._errors.setdefault(name, _Sums())
        error = error[np.isfinite(error)]
        finite = samples[np.isfinite(samples)].astype(np.float64)
        if len(error):
            sums.count += len(error)
            sums.squares += float(np.square(error).sum())
            sums.largest = max(sums.largest, float(np.abs(error).max()))
        if len(finite):
            sums.low = min(sums.low, float(finite.min()))
            sums.high = max(sums.high, float(finite.max()))

    @property
    def time_errors(self) -> dict[str, TimeError]:
        """Errors in time, by key."""
        found = {}
        for key, parts in self._distances.items():
            seconds = np.concatenate(parts) / 1e9
            if len(seconds):
                found[key] = TimeError(
                    float(seconds.mean()), float(np.quantile(seconds, 0.95)), float(seconds.max())
                )
        return found

    @property
    def value_errors(self) -> dict[str, FieldError]:
        """Errors in value, by field."""
        return {
            name: FieldError(
                sums.largest,
                float(np.sqrt(sums.squares / sums.count)) if sums.count else 0.0,
                max(sums.high - sums.low, 0.0),
            )
            for name, sums in self._errors.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            'episodes': self.episodes,
            'frames': self.frames,
            'dropped': dict(self.dropped),
            'short': self.short,
            'time_errors': {
                key: {'mean_s': each.mean_s, 'p95_s': each.p95_s, 'max_s': each.max_s}
                for key, each in self.time_errors.items()
            },
            'value_errors': {
                name: {'max': each.max, 'rms': each.rms, 'span': each.span}
                for name, each in self.value_errors.items()
            },
            'notes': list(self.notes),
        }

    def to_str(self) -> str:
        """Return the report as text."""
        episodes = '1 episode' if self.episodes == 1 else f'{self.episodes} episodes'
        lines = [f'{episodes}, {self.frames} frames']
        lines += [
            f'left out: {count} frames, no sample of {key} within the limit'
            for key, count in self.dropped.items()
        ]
        if self.short:
            lines.append(f'left out: {self.short} frames of episodes that were too short')
        lines += self.notes
        if times := self.time_errors:
            width = max(map(len, times))
            lines.append(f'{"time error":<{width}}  {"mean":>10} {"95 %":>10} {"max":>10}')
            lines += [
                f'{key:<{width}}  {_ms(each.mean_s)} {_ms(each.p95_s)} {_ms(each.max_s)}'
                for key, each in times.items()
            ]
        if values := self.value_errors:
            width = max(map(len, values))
            lines.append(f'{"value error":<{width}}  {"rms":>10} {"max":>10} {"of span":>10}')
            lines += [
                f'{name:<{width}}  {each.rms:>10.4g} {each.max:>10.4g} {each.span:>10.4g}'
                for name, each in values.items()
            ]
        return '\n'.join(lines)


def _ms(seconds: float) -> str:
    return f'{seconds * 1e3:>7.2f} ms'
