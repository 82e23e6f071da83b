"""Images of some pairs that differ: both sides and how far their pixels are apart."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.dataset.exports.images import pixels_of
from lk_dataset_ros.errors import LkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import KeyComparison

TYPE: Final = 'sensor_msgs/msg/Image'
#: Pairs of one key whose images are shown.
MOST_IMAGES: Final = 4
#: Encodings of depth images, and what a pixel is.
_DEPTHS = {'16UC1': np.uint16, 'mono16': np.uint16, '32FC1': np.float32}


@dataclass(frozen=True, slots=True)
class Shot:
    """The images of one pair.

    Attributes:
        stamp_ns: By which it was paired.
        original: uint8, (height, width, 3), or depths, (height, width); None where it is damaged
            or of an encoding that is not known.
        compiled: Likewise.
    """

    stamp_ns: int
    original: NDArray[Any] | None
    compiled: NDArray[Any] | None

    def sides(self) -> Iterator[tuple[str, NDArray[Any] | None]]:
        """Yield both sides and the absolute difference, which is None if they differ in shape."""
        left, right = self.original, self.compiled
        yield 'original', left
        yield 'compiled', right
        if left is None or right is None or left.shape != right.shape or left.dtype != right.dtype:
            yield 'error', None
        elif left.dtype == np.float32:
            with np.errstate(all='ignore'):
                yield 'error', np.abs(right - left)
        else:
            yield 'error', np.where(left > right, left - right, right - left)


def shots(key: KeyComparison) -> Iterator[Shot]:
    """Yield the images of a few pairs that differ, the first and the last one among them."""
    differing = [each for each in key.differing if each.source is not None]
    if key.type_name != TYPE or not differing:
        return
    over = np.zeros(key.paired, np.bool_)
    for each in differing:
        over |= each.over
    positions = np.flatnonzero(over)
    places = np.unique(np.linspace(0, len(positions) - 1, MOST_IMAGES).astype(int))
    source = differing[0].source
    assert source is not None
    for position in positions[places[places >= 0]].tolist():
        original, compiled = source.messages(position)
        yield Shot(int(key.stamps_ns[position]), _pixels(original), _pixels(compiled))


def _pixels(fields: Mapping[str, Any]) -> NDArray[Any] | None:
    try:
        message = SimpleNamespace(**fields)
        kind = _DEPTHS.get(message.encoding)
        return pixels_of(message) if kind is None else _depths(message, np.dtype(kind))
    except (LkError, AttributeError, ValueError):
        return None


def _depths(message: Any, kind: np.dtype[Any]) -> NDArray[Any]:
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.asarray(message.data, np.uint8).reshape(height, step)[:, : width * kind.itemsize]
    found = np.ascontiguousarray(data).view(kind).reshape(height, width)
    return found.byteswap() if message.is_bigendian else found
