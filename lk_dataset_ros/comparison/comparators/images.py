"""Judge images pixel by pixel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.comparators.compressed import Picture, picture_of
from lk_dataset_ros.comparison.comparators.packed import (
    any_channel,
    blocks,
    judge_block,
    judge_packed,
    largest_of_rows,
)
from lk_dataset_ros.comparison.comparators.pictures import difference_picture, png
from lk_dataset_ros.comparison.comparators.pixels import (
    Layout,
    decode_image,
    encoding_of,
    pixels_of,
)
from lk_dataset_ros.comparison.comparators.similarity import psnr_db, structural_similarity
from lk_dataset_ros.comparison.judging.judged import Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Columns = Mapping[str, Column]
    Bytes = NDArray[np.uint8]
    Header = tuple[Any, ...]

__all__ = [
    'compressed_image',
    'decode_image',
    'difference_picture',
    'image',
    'judge_pixels',
    'picture_of',
    'png',
]

#: Measures of two images that are equal.
_EQUAL: Final = {'pixels_over': 0.0, 'psnr_db': np.inf, 'ssim': 1.0}


def image(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge images (sensor_msgs/Image) pixel by pixel and channel by channel.

    Colours are compared as such, whatever their order and byte order; what fills rows up is not
    compared. An image has no finite error against one of another size or meaning (mono8 and 8UC1
    are one, rgb8 and rgba8 are two), nor has one of an unknown encoding, or of sizes that do not
    fit, against another that is not the same byte by byte. NaN equals NaN.

    Measures are `pixels_over`, pixels of which any channel is beyond the limit, `psnr_db`, the
    peak signal-to-noise ratio, and `ssim`, the mean structural similarity of the grey pictures
    (7 by 7 pixels). Both need to know how large a value can be: what integers can hold, and the
    range of the original's finite values for floating-point numbers.

    Args:
        original: height, width, encoding, is_bigendian, step, data.
        compiled: Likewise.
        limit: Of each channel of each pixel.
    """
    return judge_packed(
        original,
        compiled,
        header=Layout._fields,
        equal=_EQUAL,
        judge=partial(_judge_images, limit=limit),
    )


def compressed_image(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge compressed images (sensor_msgs/CompressedImage) by their pixels; see `image`.

    What is equal byte by byte is not decoded. What cannot be decoded without loss is compared byte
    by byte; see `picture_of`.

    Args:
        original: format, data.
        compiled: Likewise.
        limit: Of each channel of each pixel.

    Raises:
        ExtraMissingError: If images differ and Pillow is not here.
    """
    return judge_packed(
        original,
        compiled,
        header=('format',),
        equal=_EQUAL,
        judge=partial(_judge_compressed, limit=limit),
    )


def _judge_images(
    said: Header, left: Bytes, told: Header, right: Bytes, *, limit: Limit
) -> Judged | None:
    """Judge images of one layout."""
    layouts = Layout.of(said), Layout.of(told)
    if layouts[0] is None or layouts[1] is None:
        return None
    encodings = [encoding_of(each.encoding) for each in layouts if each is not None]
    if encodings[0] is None or encodings[1] is None:
        return None
    if encodings[0].comparable != encodings[1].comparable:
        return None
    one, other = pixels_of(layouts[0], left), pixels_of(layouts[1], right)
    if one is None or other is None or one.shape != other.shape:
        return None
    return judge_pixels(one, other, limit, weights=encodings[0].weights)


def _judge_compressed(
    said: Header, left: Bytes, told: Header, right: Bytes, *, limit: Limit
) -> Judged | None:
    """Judge compressed images one by one."""
    judged = [
        _judge_pictures(picture_of(said[0], one), picture_of(told[0], other), limit)
        for one, other in zip(left, right, strict=True)
    ]
    return Judged(
        np.concatenate([each.errors for each in judged]),
        np.concatenate([each.over for each in judged]),
        measures={
            name: np.concatenate([each.measures[name] for each in judged]) for name in _EQUAL
        },
    )


def _judge_pictures(left: Picture | None, right: Picture | None, limit: Limit) -> Judged:
    if (
        left is None
        or right is None
        or left.encoding != right.encoding
        or left.pixels.shape != right.pixels.shape
    ):
        return Judged(
            np.array([np.inf]),
            np.array([True]),
            measures={name: np.array([np.nan]) for name in _EQUAL},
        )
    weights = left.encoding.weights
    return judge_pixels(left.pixels[None], right.pixels[None], limit, weights=weights)


def judge_pixels(
    left: NDArray[Any], right: NDArray[Any], limit: Limit, *, weights: tuple[float, ...]
) -> Judged:
    """Judge pictures of one size and type, not empty.

    Args:
        left: (k, height, width, channels).
        right: Likewise.
        limit: Of each channel of each pixel.
        weights: (channels,): what a grey picture is made with.
    """
    count, height, width, channels = left.shape
    errors, pixels_over, squares, counts = np.zeros((4, count))
    ranges = _Ranges(count, left.dtype)
    for rows, columns in blocks(height, width, count * channels):
        one, other = left[:, rows, columns], right[:, rows, columns]
        apart, over = judge_block(one, other, limit)
        if not ranges.is_float and not apart.any():
            continue
        np.maximum(errors, largest_of_rows(apart), out=errors)
        pixels_over += any_channel(over).sum(axis=(1, 2))
        noise = apart.astype(np.float64).reshape(count, -1)
        if ranges.is_float:
            valid = (np.isfinite(one) & np.isfinite(other)).reshape(count, -1)
            noise[~valid] = 0.0
            counts += valid.sum(axis=1)
            ranges.add(one)
        with np.errstate(over='ignore'):
            squares += np.einsum('ki,ki->k', noise, noise)
    data_range = ranges.widths()
    ssim = np.ones(count)
    differ = np.flatnonzero(errors)
    if len(differ):
        # All of them need no copy.
        some = slice(None) if len(differ) == count else differ
        ssim[some] = structural_similarity(left[some], right[some], weights, data_range[some])
    psnr = psnr_db(squares, counts if ranges.is_float else counts + left[0].size, data_range)
    psnr[errors == 0.0] = np.inf
    measures = {'pixels_over': pixels_over, 'psnr_db': psnr, 'ssim': ssim}
    return Judged(errors, pixels_over > 0, measures=measures)


class _Ranges:
    """How far apart two values of a picture can be.

    Args:
        count: Number of pictures.
        dtype: Of their values.
    """

    def __init__(self, count: int, dtype: np.dtype[Any]) -> None:
        self.is_float = dtype.kind == 'f'
        self._low, self._high = np.full(count, np.inf), np.full(count, -np.inf)
        if not self.is_float:
            self._low[:], self._high[:] = np.iinfo(dtype).min, np.iinfo(dtype).max

    def add(self, values: NDArray[Any]) -> None:
        """Take in some of each picture's values, the first axis = picture."""
        finite, axes = np.isfinite(values), tuple(range(1, values.ndim))
        low = np.min(values, axis=axes, initial=np.inf, where=finite)
        high = np.max(values, axis=axes, initial=-np.inf, where=finite)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)

    def widths(self) -> NDArray[np.float64]:
        """Return the range of each picture, NaN where nothing is finite."""
        with np.errstate(all='ignore'):
            found = self._high - self._low
        found[found < 0.0] = np.nan
        return np.asarray(found)
