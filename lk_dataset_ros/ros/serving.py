"""Messages that `src/exchange.c`, which is built with the package, has taken."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from lk_dataset_ros.errors import EnvironmentNotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class _Taken(ctypes.Structure):
    """`lk_taken`."""

    _fields_ = [
        ('received_ns', ctypes.c_int64),
        ('start', ctypes.c_uint64),
        ('length', ctypes.c_uint64),
        ('subscription', ctypes.c_uint32),
        ('input', ctypes.c_uint32),
    ]


class _Kept(ctypes.Structure):
    """`lk_kept`, as far as it is of interest here."""

    _fields_ = [
        ('bytes', ctypes.c_void_p),
        ('used', ctypes.c_uint64),
        ('capacity', ctypes.c_uint64),
        ('heads', ctypes.POINTER(_Taken)),
        ('count', ctypes.c_uint64),
    ]


class Kept:
    """The messages of one call of the library; the next one overwrites them.

    Attributes:
        pointer: For the library.
    """

    def __init__(self) -> None:
        self.pointer = ctypes.c_void_p(library().lk_kept_new())
        if not self.pointer:
            raise MemoryError
        self._kept = ctypes.cast(self.pointer, ctypes.POINTER(_Kept)).contents

    def __iter__(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield number of subscription and of input, time of reception, ns, and bytes of each."""
        kept = self._kept
        heads, start = kept.heads, kept.bytes
        for number in range(kept.count):
            head = heads[number]
            yield (
                head.subscription,
                head.input,
                head.received_ns,
                ctypes.string_at(start + head.start, head.length),
            )

    def close(self) -> None:
        """Free the memory."""
        if self.pointer:
            library().lk_kept_free(self.pointer)
            self.pointer = ctypes.c_void_p(None)


def pointers(handles: Sequence[Any]) -> Any:
    """Return the addresses of rclpy's handles, for the library."""
    return (ctypes.c_void_p * len(handles))(*(each.pointer for each in handles))


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Load the library.

    Raises:
        EnvironmentNotReadyError: If it is not installed, or an older one.
    """
    name = 'liblk_take.so'
    pointer, number, signed = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int64
    try:
        found = ctypes.CDLL(str(Path(get_package_prefix('lk_dataset_ros')) / 'lib' / name))
        found.lk_kept_new.restype = pointer
        found.lk_kept_free.argtypes = [pointer]
        found.lk_serve.argtypes = [pointer, pointer, pointer, number, signed, pointer]
        found.lk_exchange.argtypes = [
            pointer, number, number, number, pointer, pointer, pointer, pointer, number,
            ctypes.c_bool, signed, signed, pointer, pointer,
        ]  # fmt: skip
        found.lk_serve.restype = found.lk_exchange.restype = signed
    except (PackageNotFoundError, OSError, AttributeError) as error:
        raise EnvironmentNotReadyError(
            f'{name} of lk_dataset_ros cannot be loaded ({error}): build the workspace and '
            'source it'
        ) from error
    return found
