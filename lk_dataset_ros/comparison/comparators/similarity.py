"""How alike two pictures are: peak signal-to-noise ratio and structural similarity.

Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image Quality Assessment: From Error
Visibility to Structural Similarity, IEEE Transactions on Image Processing 13 (4), 2004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.comparators.packed import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Pixels of a window's side; all weigh the same.
WINDOW: Final = 7
_AREA: Final = WINDOW * WINDOW
_K1: Final = 0.01
_K2: Final = 0.03


def psnr_db(squares: Floats, counts: Floats, data_range: Floats) -> Floats:
    """Return peak signal-to-noise ratios in dB, infinite without noise, NaN without numbers.

    Args:
        squares: float64, (k,): sums of squared differences.
        counts: float64, (k,): of how many numbers.
        data_range: float64, (k,): from the smallest possible number to the largest.
    """
    with np.errstate(all='ignore'):
        found = 10.0 * np.log10(data_range**2 / (squares / counts))
    found[(squares == 0.0) & (counts > 0.0)] = np.inf
    found[(data_range == 0.0) & (squares > 0.0)] = np.nan
    return found


def structural_similarity(
    left: NDArray[Any], right: NDArray[Any], weights: Sequence[float], data_range: Floats
) -> Floats:
    """Return the mean structural similarity (SSIM) of pictures, 1 for equal ones.

    Windows of 7 by 7 pixels lie wholly within the picture; those with a pixel that is not finite
    are left out. A picture that has no window has no similarity: NaN.

    Args:
        left: (k, height, width, channels): pixels.
        right: Likewise.
        weights: (channels,): what a grey picture is made with.
        data_range: float64, (k,): as of `psnr_db`.
    """
    count, height, width, channels = left.shape
    reach = WINDOW - 1
    # Equal windows of integers are alike; others might hold what is not finite.
    is_whole = left.dtype.kind != 'f'
    total, used = np.zeros(count), np.zeros(count)
    c1, c2 = (((factor * data_range) ** 2)[:, None, None] for factor in (_K1, _K2))
    with np.errstate(all='ignore'):
        for rows, columns in blocks(height - reach, width - reach, count * channels):
            lines = slice(rows.start, rows.stop + reach)
            places = slice(columns.start, columns.stop + reach)
            one, other = left[:, lines, places], right[:, lines, places]
            if is_whole and not (one != other).any():
                found = np.ones((count, rows.stop - rows.start, columns.stop - columns.start))
            else:
                found = _similarities(grey(one, weights), grey(other, weights), c1, c2)
            finite = np.isfinite(found)
            total += np.sum(found, axis=(1, 2), where=finite)
            used += finite.sum(axis=(1, 2))
        return total / used


def grey(pixels: NDArray[Any], weights: Sequence[float]) -> Floats:
    """Return the weighted sum of the channels, float64, without the last axis."""
    found = pixels[..., 0].astype(np.float64)
    if weights[0] != 1.0:
        found *= weights[0]
    for channel, weight in enumerate(weights[1:], 1):
        if weight:
            found += weight * pixels[..., channel].astype(np.float64)
    return found


def _similarities(x: Floats, y: Floats, c1: Floats, c2: Floats) -> Floats:
    """Return the similarity of each window, (k, height - 6, width - 6)."""
    mean_x, mean_y = _windowed(x) / _AREA, _windowed(y) / _AREA
    both = mean_x * mean_y
    mean_squares = mean_x * mean_x + mean_y * mean_y
    covariance = (_windowed(x * y) - _AREA * both) / (_AREA - 1)
    variances = (_windowed(x * x + y * y) - _AREA * mean_squares) / (_AREA - 1)
    top = (2.0 * both + c1) * (2.0 * covariance + c2)
    return np.asarray(top / ((mean_squares + c1) * (variances + c2)))


def _windowed(values: Floats) -> Floats:
    """Return the sum of each window.

    Sums of two and of four are shared by neighbours. Running sums would be as fast, but carry
    their rounding, and any NaN, to all that follows.
    """
    two = values[:, :-1] + values[:, 1:]
    four = two[:, :-2] + two[:, 2:]
    lines = four[:, :-3] + two[:, 4:-1] + values[:, 6:]
    two = lines[:, :, :-1] + lines[:, :, 1:]
    four = two[:, :, :-2] + two[:, :, 2:]
    return np.asarray(four[:, :, :-3] + two[:, :, 4:-1] + lines[:, :, 6:])
