"""Read the pixels of images as their encoding says.

Sources: sensor_msgs/image_encodings.hpp (names; order and type of the channels), sensor_msgs/Image
(rows of `step` bytes), REP 118 (depth images).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from lk_dataset_ros.errors import MessageFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Of red, green and blue: luma of Rec. ITU-R BT.601.
LUMA: Final = (0.299, 0.587, 0.114)
#: As many as a cv::Mat can have.
_MOST_CHANNELS: Final = 512
_COLOURS: Final = {
    'rgb': ('rgb', LUMA, None),
    'bgr': ('rgb', LUMA, (2, 1, 0)),
    'rgba': ('rgba', (*LUMA, 0.0), None),
    'bgra': ('rgba', (*LUMA, 0.0), (2, 1, 0, 3)),
}
_YUV: Final = {
    'yuv422': ('uyvy', (0.0, 1.0)),
    'uyvy': ('uyvy', (0.0, 1.0)),
    'yuv422_yuy2': ('yuyv', (1.0, 0.0)),
    'yuyv': ('yuyv', (1.0, 0.0)),
}
_TYPES: Final = {
    '8U': 'u1', '8S': 'i1', '16U': 'u2', '16S': 'i2', '32S': 'i4', '32F': 'f4', '64F': 'f8',
}  # fmt: skip


class Encoding(NamedTuple):
    """What the bytes of a pixel are.

    Attributes:
        dtype: Of each channel, such as `u1`.
        meaning: What the channels are; pixels of two meanings cannot be compared.
        weights: Of the channels in a grey picture.
        order: Where red, green, blue (and alpha) are found; None where they are in order.
    """

    dtype: str
    meaning: str
    weights: tuple[float, ...]
    order: tuple[int, ...] | None = None

    @property
    def channels(self) -> int:
        """Numbers per pixel."""
        return len(self.weights)

    @property
    def size(self) -> int:
        """Bytes per pixel."""
        return self.channels * int(self.dtype[1])

    @property
    def comparable(self) -> tuple[str, str, int]:
        """What two encodings must have in common for pixels to be compared."""
        return self.dtype, self.meaning, self.channels


class Layout(NamedTuple):
    """What a sensor_msgs/Image says of its bytes, named and ordered as there."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int

    @classmethod
    def of(cls, header: Sequence[Any]) -> Layout | None:
        """Take what a message says of itself, None if that is no layout."""
        layout = cls(*header)
        numbers = (layout.height, layout.width, layout.is_bigendian, layout.step)
        is_one = isinstance(layout.encoding, str) and all(
            isinstance(each, int) for each in numbers
        )
        return layout if is_one else None


@lru_cache(maxsize=256)
def encoding_of(name: str) -> Encoding | None:
    """Return what an encoding means, None for one that is unknown."""
    if found := re.fullmatch(r'(rgba?|bgra?)(8|16)', name):
        meaning, weights, order = _COLOURS[found[1]]
        return Encoding(f'u{int(found[2]) // 8}', meaning, weights, order)
    if found := re.fullmatch(r'(mono|bayer_(?:rggb|bggr|gbrg|grbg))(8|16)', name):
        meaning = 'channels' if found[1] == 'mono' else found[1]
        return Encoding(f'u{int(found[2]) // 8}', meaning, (1.0,))
    if found := re.fullmatch(r'(8U|8S|16U|16S|32S|32F|64F)C([1-9]\d{0,2})?', name):
        count = int(found[2] or 1)
        if count <= _MOST_CHANNELS:
            return Encoding(_TYPES[found[1]], 'channels', (1.0 / count,) * count)
    if name in _YUV:
        return Encoding('u1', *_YUV[name])
    return None


def fits(layout: Layout, size: int) -> bool:
    """Tell whether an image of so many bytes can have the height, width and step that it says."""
    encoding = encoding_of(layout.encoding)
    needed = layout.width * (1 if encoding is None else encoding.size)
    return (
        min(layout.height, layout.width) > 0
        and needed <= layout.step
        and layout.step * layout.height == size
    )


def pixels_of(layout: Layout, raw: NDArray[np.uint8]) -> NDArray[Any] | None:
    """Return the pixels of images of one layout, (k, height, width, channels).

    Nothing is copied where the channels are in order.

    Args:
        layout: What the images say of themselves.
        raw: uint8, (k, size): their bytes.

    Returns:
        The pixels, None for an unknown encoding or sizes that do not fit each other.
    """
    encoding = encoding_of(layout.encoding)
    if encoding is None or not fits(layout, raw.shape[1]):
        return None
    lines = raw.reshape(len(raw), layout.height, layout.step)[:, :, : layout.width * encoding.size]
    values = lines.view(('>' if layout.is_bigendian else '<') + encoding.dtype)
    pixels = values.reshape(len(raw), layout.height, layout.width, encoding.channels)
    if encoding.order is None:
        return pixels
    return pixels[..., ::-1] if encoding.channels == 3 else pixels[..., list(encoding.order)]


def decode_image(
    height: int, width: int, encoding: str, is_bigendian: int, step: int, data: NDArray[np.uint8]
) -> NDArray[Any]:
    """Return the pixels of an image, (height, width) or (height, width, channels).

    Colours are in the order red, green, blue, alpha; those of an unknown encoding are the bytes as
    they are, uint8, (height, step). Bayer patterns stay as they are, (height, width).

    Args:
        height: Rows.
        width: Pixels of a row.
        encoding: Such as `bgr8`.
        is_bigendian: Whether numbers of several bytes begin with the highest.
        step: Bytes of a row.
        data: uint8, (step * height,).

    Raises:
        MessageFormatError: If these do not fit each other.
    """
    raw = np.asarray(data, np.uint8).reshape(1, -1)
    layout = Layout(int(height), int(width), encoding, int(is_bigendian), int(step))
    if not fits(layout, raw.size):
        raise MessageFormatError(
            f'an image of {width} x {height} pixels, {encoding}, in rows of {step} bytes cannot '
            f'have {raw.size} bytes; step * height is needed'
        )
    found = pixels_of(layout, raw)
    if found is None:
        return raw.reshape(layout.height, layout.step)
    return found[0, :, :, 0] if found.shape[3] == 1 else found[0]
