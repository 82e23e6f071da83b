"""Publish large messages on a thread of their own, so that small ones need not wait for them.

Publishing an image of 1 MB takes 0.4 ms, in which rclpy lets no other Python run: a message of
1 kHz that is due meanwhile would be late by that.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.threads import give_up_priority

if TYPE_CHECKING:
    from rclpy.publisher import Publisher

#: From this size on a message is large, bytes: it takes 0.03 ms and more.
LARGE_BYTES = 64 * 1024
#: Most bytes that wait for the thread; who brings more waits himself.
MAX_WAITING_BYTES = 64 * 1024 * 1024


class BackgroundPublishing:
    """Publishes messages in order of their arrival, on a thread that begins with the first one."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Publisher, bytes]] = deque()
        self._bytes = 0
        self._is_closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def is_possible(self) -> bool:
        """Whether the library that it takes is there."""
        return _rcl() is not None

    def publish(self, publisher: Publisher, cdr: bytes) -> None:
        """Have a message published soon.

        Raises:
            Exception: What went wrong with an earlier one.
        """
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name='lk large', daemon=True)
                self._thread.start()
            while self._bytes >= MAX_WAITING_BYTES and self._error is None:
                self._changed.wait()
            self._raise()
            self._waiting.append((publisher, cdr))
            self._bytes += len(cdr)
            self._changed.notify_all()

    def drain(self, limit_s: float | None = None) -> bool:
        """Wait until all have been published; tell whether they have within the limit."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: not self._waiting or self._error is not None, limit_s
            )
            self._raise()
            return done

    def close(self) -> None:
        """End the thread; what still waits is published before."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            self._waiting.clear()
            self._bytes = 0
            raise error

    def _run(self) -> None:
        give_up_priority()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if not self._waiting:
                    return
                publisher, cdr = self._waiting[0]
            try:
                publish_apart(publisher, cdr)
            except Exception as error:  # noqa: BLE001 - raised where the next one is brought
                self._error = error
            with self._changed:
                if self._waiting:
                    self._waiting.popleft()
                    self._bytes -= len(cdr)
                self._changed.notify_all()


class _Allocator(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ('allocate', 'deallocate', 'reallocate', 'zero_allocate', 'state')
    ]


class _SerializedMessage(ctypes.Structure):
    """`rcl_serialized_message_t`."""

    _fields_ = [
        ('buffer', ctypes.c_void_p),
        ('length', ctypes.c_size_t),
        ('capacity', ctypes.c_size_t),
        ('allocator', _Allocator),
    ]


@lru_cache(maxsize=1)
def _rcl() -> Any:
    """Return rcl's call that publishes, None if it cannot be found: rclpy has loaded it."""
    try:
        call = ctypes.CDLL('librcl.so').rcl_publish_serialized_message
    except (OSError, AttributeError):
        return None
    call.argtypes = [ctypes.c_void_p, ctypes.POINTER(_SerializedMessage), ctypes.c_void_p]
    call.restype = ctypes.c_int
    return call


def publish_apart(publisher: Publisher, cdr: bytes) -> None:
    """Publish serialized bytes while other threads run Python.

    Raises:
        RuntimeError: If rcl refuses it.
    """
    call = _rcl()
    assert call is not None
    message = _SerializedMessage(
        ctypes.cast(ctypes.c_char_p(cdr), ctypes.c_void_p), len(cdr), len(cdr)
    )
    handle = publisher.handle
    with handle:
        code = call(handle.pointer, ctypes.byref(message), None)
    if code:
        raise RuntimeError(f'rcl cannot publish on {publisher.topic_name} (error {code})')
