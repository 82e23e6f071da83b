"""Decode compressed images, as long as that loses nothing.

Sources: sensor_msgs/CompressedImage; the codec of compressed_depth_image_transport (12 bytes in
front of the picture; depths in m are kept as their inverse).
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from lk_dataset_ros.comparison.comparators.pixels import LUMA, Encoding
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A picture of more pixels is not decoded: a few bytes may stand for any number of them.
MOST_PIXELS: Final = 64 * 1024 * 1024
#: Some of Pillow's other formats run programs.
_FORMATS: Final = ('JPEG', 'PNG', 'TIFF', 'WEBP', 'BMP')
_DEPTH: Final = 'compressedDepth'
#: The kind of compression, int32, and two parameters, float32.
_DEPTH_HEADER: Final = struct.Struct('<iff')
_GREY: Final = (1.0,)
_MODES: Final = {
    '1': ('L', Encoding('u1', 'channels', _GREY)),
    'L': ('L', Encoding('u1', 'channels', _GREY)),
    'I;16': ('I;16', Encoding('u2', 'channels', _GREY)),
    'I;16B': ('I;16', Encoding('u2', 'channels', _GREY)),
    'I': ('I', Encoding('i4', 'channels', _GREY)),
    'F': ('F', Encoding('f4', 'channels', _GREY)),
    'RGB': ('RGB', Encoding('u1', 'rgb', LUMA)),
    'RGBA': ('RGBA', Encoding('u1', 'rgba', (*LUMA, 0.0))),
    'LA': ('RGBA', Encoding('u1', 'rgba', (*LUMA, 0.0))),
    'P': ('RGBA', Encoding('u1', 'rgba', (*LUMA, 0.0))),
}


class Picture(NamedTuple):
    """Pixels of one image.

    Attributes:
        pixels: (height, width, channels).
        encoding: What they are.
    """

    pixels: NDArray[Any]
    encoding: Encoding


def picture_of(text: str, data: NDArray[np.uint8]) -> Picture | None:
    """Decode a compressed image.

    Args:
        text: Its `format`, such as `rgb8; jpeg compressed bgr8` or `32FC1; compressedDepth png`.
        data: uint8, (size,).

    Returns:
        The picture; None if it cannot be decoded, has too many pixels or several pages, or more
        bits than would be left.

    Raises:
        ExtraMissingError: If Pillow is not here.
    """
    image_module = require('PIL.Image', 'images', 'comparing compressed images that differ')
    head, raw = b'', data.tobytes()
    if _DEPTH in str(text):
        head, raw = raw[: _DEPTH_HEADER.size], raw[_DEPTH_HEADER.size :]
    try:
        found = _opened(image_module, raw)
    except Exception:  # noqa: BLE001 - whatever a decoder says of damaged bytes
        return None
    if found is None or len(head) < _DEPTH_HEADER.size or not str(text).startswith('32FC1'):
        return found
    return _depths(found, *_DEPTH_HEADER.unpack(head)[1:])


def _opened(image_module: Any, raw: bytes) -> Picture | None:
    with image_module.open(io.BytesIO(raw), formats=_FORMATS) as opened:
        known = _MODES.get(opened.mode)
        is_deeper = any(';16' in str(tile) for tile in opened.tile) and opened.mode[0] not in 'IF'
        several = getattr(opened, 'n_frames', 1) != 1
        if (
            opened.width * opened.height > MOST_PIXELS
            or not opened.width * opened.height
            or known is None
            or is_deeper
            or several
        ):
            return None
        mode, encoding = known
        pixels = np.asarray(opened if opened.mode == mode else opened.convert(mode))
    return Picture(pixels.reshape(*pixels.shape[:2], -1), encoding)


def _depths(picture: Picture, factor: float, offset: float) -> Picture | None:
    """Return depths in m of what was kept of them; 0 is none, NaN."""
    if picture.encoding.dtype != 'u2':
        return None
    kept = picture.pixels
    with np.errstate(all='ignore'):
        depths = np.float32(factor) / (kept.astype(np.float32) - np.float32(offset))
    depths[kept == 0] = np.nan
    return Picture(depths, Encoding('f4', 'channels', _GREY))
