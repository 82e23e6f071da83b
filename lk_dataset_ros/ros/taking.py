"""Take serialized messages from a subscription, all that have arrived at once.

The work is done by `src/take.c`, which is built with the package.
"""

from __future__ import annotations

import ctypes
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from lk_dataset_ros.dataset.recording import PREFIX, Arrivals
from lk_dataset_ros.errors import EnvironmentNotReadyError
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.subscription import Subscription

#: Bytes of the memory that messages are taken into, and the room that has to be left in it.
ARENA: Final = 4 * 1024 * 1024
_LEAST_ROOM: Final = 64 * 1024
#: Most messages of one call.
_MAX_HEADS: Final = 8192
_HEAD: Final = np.dtype(
    [
        ('received_ns', '<i8'),
        ('sent_ns', '<i8'),
        ('sequence', '<u8'),
        ('start', '<u8'),
        ('length', '<u8'),
        ('publisher', 'V16'),
    ]
)


class Arena:
    """Memory that messages are taken into, one behind the other; a new one when it is full.

    It may be shared by the subscriptions of one thread.
    """

    def __init__(self) -> None:
        self.heads: NDArray[Any] = np.zeros(_MAX_HEADS, _HEAD)
        self.used = ctypes.c_uint64(0)
        self._renew(ARENA)

    def _renew(self, size: int) -> None:
        # What was taken into the old one keeps it alive as long as it is needed.
        self.buffer = np.empty(size, np.uint8)
        self.address = self.buffer.ctypes.data
        self.used.value = 0

    def make_room(self, size: int = _LEAST_ROOM) -> None:
        """Make sure that there is room for so many bytes."""
        if len(self.buffer) - self.used.value < size:
            self._renew(max(ARENA, size))


class Taker:
    """Takes the messages of one subscription.

    Args:
        subscription: The subscription; nobody else may take from it.
        arena: Where the messages go.
        key: What the topic is called in the bag.

    Attributes:
        largest: Bytes of the largest of the last messages: the next one may need as many.

    Raises:
        EnvironmentNotReadyError: If the library is not installed.
    """

    def __init__(self, subscription: Subscription, arena: Arena, key: str) -> None:
        self._library = _library()
        self._handle = subscription.handle
        self._pointer = ctypes.c_void_p(self._handle.pointer)
        self._arena = arena
        self._key = key
        self._left = ctypes.c_void_p(self._library.lk_left_new())
        self.largest = 0

    def take(self) -> Arrivals | None:
        """Take what has arrived, as much as there is room for; None if nothing has.

        Raises:
            RuntimeError: If the middleware fails.
        """
        arena = self._arena
        expected = max(self._library.lk_left_size(self._left), self.largest)
        arena.make_room(max(_LEAST_ROOM, expected + PREFIX))
        heads = arena.heads
        count: int = self._library.lk_take(
            self._pointer,
            self._left,
            arena.address,
            len(arena.buffer),
            PREFIX,
            heads.ctypes.data,
            _MAX_HEADS,
            ctypes.byref(arena.used),
        )
        if count < 0:
            raise RuntimeError(f'taking from {self._key} failed: rcl says {-1 - count}')
        if not count:
            # What did not fit is the first of the next: there is something to take.
            return self.take() if self._library.lk_left_size(self._left) else None
        taken = heads[:count].copy()
        _mend_times(taken)
        self.largest = int(taken['length'].max())
        return Arrivals(
            self._key,
            Batch(arena.buffer, taken['start'].astype(np.int64), taken['length'].astype(np.int64)),
            taken['received_ns'],
            taken['sent_ns'],
            taken['sequence'],
            taken['publisher'],
        )

    def close(self) -> None:
        """Take nothing any more."""
        if self._left:
            self._library.lk_left_free(self._left)
            self._left = ctypes.c_void_p(None)


def _mend_times(taken: NDArray[Any]) -> None:
    """Replace times that the middleware does not tell, or that no bag can hold."""
    received, sent = taken['received_ns'], taken['sent_ns']
    if int(received.min()) <= 0:
        received[received <= 0] = time.time_ns()
    if int(sent.min()) <= 0:
        sent[sent <= 0] = received[sent <= 0]


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    name = 'liblk_take.so'
    try:
        path = Path(get_package_prefix('lk_dataset_ros')) / 'lib' / name
        library = ctypes.CDLL(str(path))
    except (PackageNotFoundError, OSError) as error:
        raise EnvironmentNotReadyError(
            f'{name} of lk_dataset_ros cannot be loaded ({error}): build the workspace and '
            'source it'
        ) from error
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    library.lk_left_new.restype = pointer
    library.lk_left_free.argtypes = [pointer]
    library.lk_left_size.argtypes = [pointer]
    library.lk_left_size.restype = number
    library.lk_take.argtypes = [
        pointer,
        pointer,
        pointer,
        number,
        number,
        pointer,
        number,
        ctypes.POINTER(ctypes.c_uint64),
    ]
    library.lk_take.restype = ctypes.c_int64
    return library
