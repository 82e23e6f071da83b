"""Images of pairs that differ: both sides and what differs, small enough for a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.errors import ComparisonError, LkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import Divergence, FieldComparison, KeyComparison

    Pixels = NDArray[np.uint8]

#: Types that are an image as a whole.
_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_RAW = ('height', 'width', 'encoding', 'is_bigendian', 'step', 'data')
_COMPRESSED = ('format', 'data')
#: Pixels of the longer side of a picture in a page.
SIDE = 512
#: Bytes of one picture, and of all pictures of a page.
MOST_BYTES = 160_000
PAGE_BYTES = 1_000_000
#: Of the frame around a small difference.
_FRAME = (255, 255, 255)
#: Pairs that a page shows.
MOST_PAIRS = 4


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one pair.

    Attributes:
        caption: Which pair.
        arrays: `original`, `compiled` and `difference`: uint8, (height, width) or
            (height, width, 3).
    """

    caption: str
    arrays: dict[str, Pixels]


@dataclass(frozen=True, slots=True)
class Picture:
    """The images of one pair as a page holds them.

    Attributes:
        caption: Which pair.
        images: Data addresses by name.
    """

    caption: str
    images: dict[str, str]


class Album:
    """Make pictures for a page, few enough of them."""

    def __init__(self) -> None:
        self._pairs = MOST_PAIRS
        self._bytes = PAGE_BYTES

    def of(self, key: KeyComparison, field: FieldComparison) -> list[Picture]:
        """Return pictures of the pair with the largest error and of the first beyond the limit.

        There are none of what is no image, or is damaged, or when the page has enough.
        """
        found: list[Picture] = []
        if not has_images(key, field):
            return found
        for position in worst_positions(key, field)[: self._pairs]:
            try:
                images = pair_images(key, field, position)
            except LkError:
                continue
            pngs = {name: _compressed(pixels) for name, pixels in images.arrays.items()}
            size = sum(len(each) for each in pngs.values())
            if size > self._bytes:
                break
            self._bytes -= size
            self._pairs -= 1
            found.append(
                Picture(images.caption, {name: _address(each) for name, each in pngs.items()})
            )
        return found


def has_images(key: KeyComparison, field: FieldComparison) -> bool:
    """Tell whether a field is an image whose pixels can be read."""
    if field.source is None or field.ignored_because:
        return False
    if field.comparator:
        return 'image' in field.comparator
    return key.type_name in _TYPES and field.path == 'data'


def worst_positions(key: KeyComparison, field: FieldComparison) -> list[int]:
    """Return the pairs of the largest error and of the first divergence; the first pair if none."""
    found = [_position(key, each) for each in (field.worst, field.first) if each is not None]
    return list(dict.fromkeys(each for each in found if each is not None)) or [0]


def _position(key: KeyComparison, found: Divergence) -> int | None:
    at = np.flatnonzero(key.indices == found.index)
    return int(at[0]) if len(at) else None


def pair_images(key: KeyComparison, field: FieldComparison, position: int) -> Images:
    """Read the images of one pair.

    Args:
        key: The field's key.
        field: A field that has images.
        position: Number of the pair.

    Raises:
        ComparisonError: If there is no such pair, or no image in it.
        MessageFormatError: If an image is damaged.
    """
    from lk_dataset_ros.comparison.comparators.pictures import difference_picture  # noqa: PLC0415

    if not 0 <= position < key.paired or field.source is None:
        raise ComparisonError(f'{key.label} has no pair {position}; it has {key.paired}')
    left, right = (_pixels(each, field.path) for each in field.source.messages(position))
    name = f'pair {position:,} at {_format.stamp(int(key.stamps_ns[position]))}'
    arrays = dict(zip(('original', 'compiled'), _visible(left, right), strict=True))
    arrays['difference'] = framed(difference_picture(left, right, field.limit))
    return Images(name, arrays)


def framed(picture: Pixels) -> Pixels:
    """Draw a frame around what is painted in colours, if that is easily overlooked.

    Args:
        picture: uint8, (height, width, 3).
    """
    coloured = np.ptp(picture, axis=2) > 0
    places = [np.flatnonzero(coloured.any(axis=axis)) for axis in (1, 0)]
    if not len(places[0]):
        return picture
    edges = []
    for found, size in zip(places, coloured.shape, strict=True):
        if found[-1] - found[0] > size // 16:
            return picture
        margin = max(size // 24, 4)
        edges.append((max(int(found[0]) - margin, 0), min(int(found[-1]) + margin, size - 1)))
    (top, bottom), (left, right) = edges
    picture = picture.copy()
    picture[[top, bottom], left : right + 1] = _FRAME
    picture[top : bottom + 1, [left, right]] = _FRAME
    return picture


def _pixels(message: Mapping[str, Any], path: str) -> NDArray[Any]:
    from lk_dataset_ros.comparison.comparators.compressed import picture_of  # noqa: PLC0415
    from lk_dataset_ros.comparison.comparators.pixels import decode_image  # noqa: PLC0415

    for part in (path, path.rpartition('.')[0]):
        found = {
            name: message.get(f'{part}.{name}' if part else name) for name in (*_RAW, *_COMPRESSED)
        }
        if all(found[name] is not None for name in _RAW):
            return decode_image(*(found[name] for name in _RAW))  # type: ignore[arg-type]
        if all(found[name] is not None for name in _COMPRESSED):
            picture = picture_of(str(found['format']), found['data'])  # type: ignore[arg-type]
            if picture is not None:
                return picture.pixels
    raise ComparisonError(f'{path or "the message"} has no image in this pair that can be read')


def _visible(*sides: NDArray[Any]) -> list[Pixels]:
    """Return pixels as bytes, both sides on one scale from the smallest to the largest number."""
    sides = tuple(_channels(each) for each in sides)
    if all(each.dtype == np.uint8 for each in sides):
        return [each.astype(np.uint8, copy=False) for each in sides]
    numbers = [each.astype(np.float64) for each in sides]
    finite = np.concatenate([each[np.isfinite(each)] for each in numbers])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    with np.errstate(all='ignore'):
        scaled = [
            np.nan_to_num((each / 2 - low / 2) / (high / 2 - low / 2))
            if high > low
            else each * 0.0
            for each in numbers
        ]
    return [(np.clip(np.nan_to_num(each), 0.0, 1.0) * 255.0).astype(np.uint8) for each in scaled]


def _channels(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return grey or red, green, blue, whatever the channels mean."""
    if pixels.ndim == 2:
        return pixels
    return pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, 0]


def _compressed(pixels: Pixels) -> bytes:
    """Return a PNG of few bytes."""
    from lk_dataset_ros.comparison.comparators.pictures import png  # noqa: PLC0415

    factor = max(-(-max(pixels.shape[:2]) // SIDE), 1)
    while True:
        found: bytes = png(_smaller(pixels, factor))
        if len(found) <= MOST_BYTES:
            return found
        factor += 1


def _smaller(pixels: Pixels, factor: int) -> Pixels:
    """Return a picture of which a pixel stands for several: of these the most colourful one.

    What differs is painted in colours over grey, so that a single pixel stays to be seen.
    """
    if factor == 1:
        return pixels
    if pixels.ndim == 2:
        return pixels[::factor, ::factor]
    for axis in (0, 1):
        count = pixels.shape[axis]
        best = np.take(pixels, range(0, count, factor), axis)
        for shift in range(1, factor):
            places = np.minimum(np.arange(0, count, factor) + shift, count - 1)
            other = np.take(pixels, places, axis)
            best = np.where((np.ptp(other, axis=2) > np.ptp(best, axis=2))[..., None], other, best)
        pixels = best
    return pixels


def _address(content: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(content).decode()}'
