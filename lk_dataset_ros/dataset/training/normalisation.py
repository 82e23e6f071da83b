"""Statistics of features, and the scaling that is made of them."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Scaling = Literal['none', 'standard', 'minmax']
VERSION = 1


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the values of features are like; all arrays float64, (features,).

    Attributes:
        names: Name of each feature.
        count: Rows that were looked at.
        mean: Means.
        std: Standard deviations of the population; 1 for a constant feature.
        min: Smallest values.
        max: Largest values.
    """

    names: tuple[str, ...]
    count: int
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]

    @classmethod
    def of(cls, blocks: Sequence[NDArray[Any]], names: Sequence[str]) -> Statistics:
        """Compute from the columns of blocks, in float64; NaN is left out.

        Args:
            blocks: (n, k) each, with the same n.
            names: Of all the columns.
        """
        parts = [_moments(block[:, k]) for block in blocks for k in range(block.shape[1])]
        mean, std, low, high = np.array(parts, np.float64).reshape(-1, 4).T
        return cls(tuple(names), len(blocks[0]) if blocks else 0, mean, std, low, high)

    def shift_and_scale(self, kind: Scaling) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is subtracted from features, and what they are then divided by.

        Raises:
            DatasetError: If a feature has infinite values, or none.
        """
        if kind == 'none':
            return np.zeros(len(self.names)), np.ones(len(self.names))
        for name, low, high in zip(self.names, self.min, self.max, strict=True):
            if not math.isfinite(low) or not math.isfinite(high):
                raise DatasetError(
                    f'{name} goes from {low} to {high} in the training block, '
                    'which cannot be scaled; leave it out or normalize=None'
                )
        if kind == 'standard':
            return self.mean, self.std
        span = self.max - self.min
        return self.min, np.where(span == 0, 1.0, span)


def _moments(values: NDArray[Any]) -> tuple[float, float, float, float]:
    known = np.ascontiguousarray(values, np.float64)
    missing = np.isnan(known)
    if missing.any():
        known = known[~missing]
    if not len(known):
        return math.nan, 1.0, math.nan, math.nan
    low, high = float(known.min()), float(known.max())
    if low == high:
        return low, 1.0, low, high
    with np.errstate(invalid='ignore', over='ignore'):
        mean = float(known.mean())
        std = math.sqrt(float(np.square(known - mean).mean()))
    return mean, std or 1.0, low, high


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How inputs and outputs were scaled, and the way back.

    Attributes:
        kind: `standard` ((x - mean) / std), `minmax` (to 0...1), or `none`.
        inputs: Statistics of the training block's inputs.
        outputs: Statistics of its outputs.
    """

    kind: Scaling
    inputs: Statistics
    outputs: Statistics

    def normalize_inputs(self, values: Any) -> Any:
        """Scale inputs: a tensor or array whose last axis are the features."""
        return self._forth(values, self.inputs)

    def denormalize_inputs(self, values: Any) -> Any:
        """Undo `normalize_inputs`."""
        return self._back(values, self.inputs)

    def normalize_outputs(self, values: Any) -> Any:
        """Scale outputs: a tensor or array whose last axis are the features."""
        return self._forth(values, self.outputs)

    def denormalize_outputs(self, values: Any) -> Any:
        """Undo `normalize_outputs`: what a network gives becomes what the component gave."""
        return self._back(values, self.outputs)

    def _forth(self, values: Any, statistics: Statistics) -> Any:
        shift, scale = (_as(values, each) for each in statistics.shift_and_scale(self.kind))
        return (values - shift) / scale

    def _back(self, values: Any, statistics: Statistics) -> Any:
        shift, scale = (_as(values, each) for each in statistics.shift_and_scale(self.kind))
        return values * scale + shift

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold; float64 survives exactly."""
        return {
            'version': VERSION,
            'kind': self.kind,
            'inputs': _plain(self.inputs),
            'outputs': _plain(self.outputs),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Normalisation:
        """Return what `to_dict` made plain.

        Raises:
            DatasetError: If it is something else.
        """
        try:
            if data['version'] != VERSION or data['kind'] not in ('none', 'standard', 'minmax'):
                raise DatasetError(
                    f'a normalisation of version {data["version"]!r} and kind {data["kind"]!r} '
                    f'is not known; version {VERSION} and none, standard, minmax are'
                )
            return cls(data['kind'], _from_plain(data['inputs']), _from_plain(data['outputs']))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f'this is not a normalisation: {error!r}') from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON; what was at the path is replaced at once."""
        target = Path(path)
        temporary = target.with_name(f'.{target.name}.{os.getpid()}')
        try:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + '\n', encoding='utf-8')
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise DatasetError(f'{target} cannot be written: {error}') from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Normalisation:
        """Read what `save` wrote.

        Raises:
            DatasetError: If there is nothing, or something else.
        """
        try:
            data = json.loads(Path(path).read_text(encoding='utf-8'))
        except (OSError, ValueError, RecursionError) as error:
            raise DatasetError(f'{path} is not a normalisation: {error}') from error
        return cls.from_dict(data)


def _as(values: Any, numbers: NDArray[np.float64]) -> Any:
    """Return numbers as what `values` are: a tensor of the same device and type, or an array."""
    if hasattr(values, 'new_tensor'):
        return values.new_tensor(numbers)
    kind = np.asarray(values).dtype
    return numbers.astype(kind) if kind.kind == 'f' else numbers


def _plain(statistics: Statistics) -> dict[str, Any]:
    arrays = {name: getattr(statistics, name).tolist() for name in ('mean', 'std', 'min', 'max')}
    return {'names': list(statistics.names), 'count': statistics.count, **arrays}


def _from_plain(data: Mapping[str, Any]) -> Statistics:
    names = tuple(str(name) for name in data['names'])
    arrays = [np.array(data[name], np.float64) for name in ('mean', 'std', 'min', 'max')]
    for each in arrays:
        if each.shape != (len(names),):
            raise DatasetError(f'{len(names)} features have {each.shape} statistics')
    if not (arrays[1] > 0).all():
        raise DatasetError(f'standard deviations are positive; got {arrays[1].tolist()}')
    return Statistics(names, int(data['count']), *arrays)
