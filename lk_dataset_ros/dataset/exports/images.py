"""Images out of messages: as pixels, and as PNG or JPEG files in memory."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import ExportError
from lk_dataset_ros.message import codec_for, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.exports.episodes import ImageTrack
    from lk_dataset_ros.message import Codec

    Pixels = NDArray[np.uint8]

#: Channels of each encoding, and which of them are red, green and blue.
_ENCODINGS = {
    'rgb8': (3, (0, 1, 2)),
    'bgr8': (3, (2, 1, 0)),
    'rgba8': (4, (0, 1, 2)),
    'bgra8': (4, (2, 1, 0)),
    'mono8': (1, (0, 0, 0)),
    '8UC1': (1, (0, 0, 0)),
    '8UC3': (3, (2, 1, 0)),
}
_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG = b'\xff\xd8\xff'
#: More pixels than this are taken for a damaged header.
MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """An image: its pixels, or the file that they are compressed in.

    Attributes:
        pixels: uint8, (height, width, 3), red, green, blue; None if it came compressed.
        file: A PNG or JPEG file; None if it came as pixels.
    """

    pixels: Pixels | None
    file: bytes | None = None

    def to_pixels(self) -> Pixels:
        """Return the pixels, uint8, (height, width, 3).

        Raises:
            ExtraMissingError: If it came compressed and pillow is not here.
            ExportError: If the file is damaged.
        """
        if self.pixels is not None:
            return self.pixels
        image = require('PIL.Image', 'images', 'a compressed image')
        try:
            with image.open(io.BytesIO(self.file or b''), formats=('PNG', 'JPEG')) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise ExportError(f'an image of {opened.width}x{opened.height} is too large')
                return np.array(opened.convert('RGB'))
        except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
            raise ExportError(f'a compressed image cannot be read: {error}') from error

    def to_file(self) -> bytes:
        """Return it as a file: as it came, or as PNG, which loses nothing."""
        return self.file if self.file is not None else png(self.to_pixels())


def pictures(dataset: Dataset, track: ImageTrack) -> Iterator[tuple[int, Picture]]:
    """Yield the messages that frames show: `(how many frames show it, picture)`, in order.

    Raises:
        ExportError: If an image has an encoding that cannot be exported.
    """
    shown, counts = np.unique(track.index, return_counts=True)
    times = track.log_time_ns
    codec = codec_for(dataset.topic(track.key).schema)
    messages = dataset.iterate_serialized([track.key], int(times[0]), int(times[-1]) + 1)
    place = 0
    for index, message in enumerate(messages, start=track.first):
        if place < len(shown) and index == shown[place]:
            try:
                yield int(counts[place]), _picture(codec, message.cdr)
            except ExportError as error:
                raise ExportError(f'{track.key}, image {index}: {error}') from error
            place += 1
    if place != len(shown):
        raise ExportError(f'{track.key} has fewer images than its index says')


def _picture(codec: Codec, cdr: bytes) -> Picture:
    message = codec.decode(cdr)
    if hasattr(message, 'format'):
        data = bytes(message.data)
        if not data.startswith((_PNG, _JPEG)):
            raise ExportError(f'compression {message.format!r} is not png or jpeg')
        return Picture(None, data)
    return Picture(pixels_of(message))


def pixels_of(message: Any) -> Pixels:
    """Return the pixels of a `sensor_msgs/Image`: uint8, (height, width, 3), red, green, blue.

    Grey becomes three equal channels, as LeRobot and robomimic expect; transparency is left out.

    Raises:
        ExportError: If the encoding is another, or the size is not that of the data.
    """
    if message.encoding not in _ENCODINGS:
        raise ExportError(
            f'encoding {message.encoding!r} cannot be exported; {", ".join(_ENCODINGS)} can'
        )
    channels, rgb = _ENCODINGS[message.encoding]
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.asarray(message.data, np.uint8)
    if not (height and width) or step < width * channels or len(data) != height * step:
        raise ExportError(
            f'{width}x{height} {message.encoding} with {step} bytes a row is not {len(data)} bytes'
        )
    rows = data.reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    return np.ascontiguousarray(rows[..., list(rgb)])


def png(pixels: Pixels) -> bytes:
    """Compress pixels, uint8, (height, width, 3), as a PNG file (RFC 2083), without loss.

    Each row is told as its difference to the row above (filter 2), the best simple one for camera
    images.
    """
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), 4)
    chunks = [(b'IHDR', header), (b'IDAT', data), (b'IEND', b'')]
    return _PNG + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        for kind, body in chunks
    )
