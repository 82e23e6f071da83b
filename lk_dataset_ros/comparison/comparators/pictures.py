"""Show where two images differ."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.comparators.packed import any_channel, blocks, judge_block
from lk_dataset_ros.comparison.comparators.pixels import LUMA
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pixels of the longer side of a picture, at most.
MOST_PIXELS: Final = 512
#: From a small error to the largest one: dark red, red, orange, yellow.
_HEAT: Final = np.array([[150, 0, 24], [222, 45, 20], [250, 140, 20], [255, 240, 90]], np.float64)
#: What differs by no more than is allowed.
_WITHIN: Final = np.array([60, 120, 216], np.uint8)
#: How bright the original is beneath.
_DARKEST, _BRIGHTEST = 40.0, 190.0
_EXACT: Final = Limit(0.0, 0.0)


def difference_picture(
    original: NDArray[Any], compiled: NDArray[Any], limit: Limit = _EXACT
) -> NDArray[np.uint8]:
    """Paint the pixels that differ over a grey picture of the original.

    Pixels beyond the limit are red to yellow, the largest error of the picture yellow; those that
    differ by less are blue. A picture of more than 512 pixels a side is reduced: each of its
    pixels shows the largest error of those it stands for, so that a single one stays to be seen.
    Where the other image has no pixel, or none of the same type, all is beyond the limit.

    Args:
        original: (height, width) or (height, width, channels), as of `decode_image`.
        compiled: Likewise.
        limit: Of each channel of each pixel; nothing is allowed when left out.

    Returns:
        uint8, (height, width, 3): red, green, blue.

    Raises:
        ComparisonError: If an image has no pixel, or is none.
    """
    left, right = _channels(original), _channels(compiled)
    step = -(-max(left.shape[:2]) // MOST_PIXELS)
    errors, over, differ = _reduced_errors(left, right, limit, step)
    picture = np.repeat(_grey(left[::step, ::step])[:, :, None], 3, axis=2)
    picture[differ] = _WITHIN
    if over.any():
        finite = errors[over & np.isfinite(errors)]
        largest = float(finite.max()) if finite.size else 0.0
        share = np.ones(int(over.sum()))
        if largest > 0.0:
            share = np.minimum(errors[over], largest) / largest
        place = share * (len(_HEAT) - 1)
        stops = np.arange(len(_HEAT))
        picture[over] = np.stack(
            [np.interp(place, stops, channel) for channel in _HEAT.T], axis=1
        ).astype(np.uint8)
    return picture


def _channels(image: NDArray[Any]) -> NDArray[Any]:
    image = np.asarray(image)
    found = image[:, :, None] if image.ndim == 2 else image
    if found.ndim != 3 or not found.size or found.dtype.kind not in 'iufb':
        raise ComparisonError(
            f'an array of shape {image.shape}, {image.dtype}, is no image; '
            '(height, width) or (height, width, channels) with a pixel at least is needed'
        )
    return found.view(np.uint8) if found.dtype.kind == 'b' else found


def _reduced_errors(
    left: NDArray[Any], right: NDArray[Any], limit: Limit, step: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the largest error of each reduced pixel, whether one is too large, or any is there."""
    height, width = left.shape[:2]
    shape = -(-height // step), -(-width // step)
    errors = np.zeros(shape)
    over = np.zeros(shape, np.bool_)
    if left.dtype != right.dtype or left.shape[2] != right.shape[2]:
        return errors + np.inf, ~over, ~over
    for rows, columns in blocks(height, width, left.shape[2]):
        one, other = left[rows, columns], right[rows, columns]
        apart = np.full(one.shape[:2], np.inf)
        beyond = np.ones(one.shape[:2], np.bool_)
        here = slice(0, other.shape[0]), slice(0, other.shape[1])
        if other.size:
            found, is_over = judge_block(one[here], other, limit)
            apart[here], beyond[here] = found.max(axis=2), any_channel(is_over)
        starts, place = zip(*(_shared(each, step) for each in (rows, columns)), strict=True)
        for whole, part, function in ((errors, apart, np.maximum), (over, beyond, np.logical_or)):
            reduced = function.reduceat(function.reduceat(part, starts[0]), starts[1], axis=1)
            function(whole[place], reduced, out=whole[place])
    return errors, over, errors > 0.0


def _shared(places: slice, step: int) -> tuple[NDArray[np.int64], slice]:
    """Return where in a block each reduced pixel begins, and which reduced pixels those are."""
    reduced = np.arange(places.start, places.stop) // step
    starts = np.flatnonzero(np.diff(reduced, prepend=-1))
    return starts, slice(int(reduced[0]), int(reduced[-1]) + 1)


def _grey(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image in grey, bytes as they are and other numbers by their range, uint8."""
    values = image.astype(np.float64)
    is_colour = values.shape[2] in {3, 4}
    values = values[:, :, :3] @ np.array(LUMA) if is_colour else values[:, :, 0]
    low, high = 0.0, 255.0
    if image.dtype != np.uint8:
        finite = values[np.isfinite(values)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    with np.errstate(all='ignore'):
        share = np.clip((values - low) / (high - low), 0.0, 1.0)
    share[~np.isfinite(share)] = 0.0
    return (_DARKEST + (_BRIGHTEST - _DARKEST) * share).astype(np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: uint8, (height, width) grey, or (height, width, 3) red, green, blue.

    Raises:
        ComparisonError: If it is none, or has no pixel.
    """
    picture = np.asarray(picture)
    is_colour = picture.ndim == 3 and picture.shape[2] == 3
    if picture.dtype != np.uint8 or not (is_colour or picture.ndim == 2) or not picture.size:
        raise ComparisonError(
            f'an array of shape {picture.shape}, {picture.dtype}, is no picture; '
            'uint8, (height, width) or (height, width, 3) is needed'
        )
    height, width = picture.shape[:2]
    lines = picture.reshape(height, -1)
    # Filter 2: each line as its difference from the one above, which compresses better.
    filtered = np.full((height, lines.shape[1] + 1), 2, np.uint8)
    filtered[0, 1:] = lines[0]
    filtered[1:, 1:] = lines[1:] - lines[:-1]
    head = struct.pack('>IIBBBBB', width, height, 8, 2 if is_colour else 0, 0, 0, 0)
    parts = ((b'IHDR', head), (b'IDAT', zlib.compress(filtered.tobytes(), 6)), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        for name, body in parts
    )
