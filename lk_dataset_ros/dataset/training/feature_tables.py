"""Features side by side in one table, scaled and of one type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.training.features import Features

    Index = NDArray[np.int64]


def compact(index: Index) -> Index | slice:
    """Return an index of consecutive rows as a slice, which makes views instead of copies."""
    count = len(index)
    if count and index[-1] - index[0] == count - 1 and bool((index[1:] > index[:-1]).all()):
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


def table_of(
    features: Sequence[Features],
    indices: Sequence[Index],
    shift_and_scale: tuple[NDArray[np.float64], NDArray[np.float64]],
    dtype: np.dtype[Any],
    *,
    scaled: bool,
) -> NDArray[Any]:
    """Return features side by side; the column itself where it is what is asked for."""
    parts = [
        (block, rows)
        for each, rows in zip(features, map(compact, indices), strict=True)
        for block in each.blocks
    ]
    for block, _ in parts:
        _check_cast(block.values.dtype, dtype, block.names[0])
    if scaled and dtype.kind != 'f':
        raise DatasetError(f'dtype={dtype} cannot hold normalised values; a float type can')
    if len(parts) == 1 and not scaled and parts[0][0].values.dtype == dtype:
        values = parts[0][0].values[parts[0][1]]
        if values.flags.c_contiguous and values.flags.writeable:
            return values
    width = sum(block.values.shape[1] for block, _ in parts)
    table = np.empty((len(indices[0]), width), dtype)
    shift, scale = shift_and_scale
    first = 0
    for block, rows in parts:
        end = first + block.values.shape[1]
        values = block.values[rows]
        if scaled:
            # In float64, before the cast: an easting of 5e6 keeps its millimetres.
            values = (values - shift[first:end]) / scale[first:end]
        try:
            with np.errstate(over='raise'):
                table[:, first:end] = values
        except FloatingPointError as error:
            raise DatasetError(
                f'{block.names[0]} has values too large for {dtype}; take another dtype='
            ) from error
        first = end
    return table


def _check_cast(source: np.dtype[Any], target: np.dtype[Any], name: str) -> None:
    if target.kind != 'f' and not np.can_cast(source, target, 'safe'):
        raise DatasetError(f'dtype={target} cannot hold {name}, which is {source}')


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the type that a name, a NumPy or a torch type stands for; float32 for None.

    Raises:
        DatasetError: If NumPy and torch do not share it.
    """
    name = 'float32' if dtype is None else str(dtype).removeprefix('torch.')
    try:
        kind: np.dtype[Any] = np.dtype(
            name if isinstance(dtype, str) or 'torch.' in str(dtype) else dtype or name
        )
    except TypeError as error:
        raise DatasetError(
            f'dtype={dtype} is not known; float16, float32, float64 and integer types are'
        ) from error
    if kind.kind not in 'biuf' or kind.itemsize > 8:
        raise DatasetError(
            f'dtype={dtype} is no tensor of numbers; float16, float32, float64 and integers are'
        )
    native: np.dtype[Any] = kind.newbyteorder('=')
    return native
