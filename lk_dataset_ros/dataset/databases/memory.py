"""A database in memory."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
from lk_dataset_ros.errors import (
    BagTimeError,
    CapabilityError,
    DatasetError,
    KeyNotFoundError,
    MessageTypeError,
)
from lk_dataset_ros.message import Batch, codec_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Schema

_CDR, _LOG_TIME, _PUBLISH_TIME, _SEQUENCE = map(itemgetter, (1, 2, 3, 4))
# A bag counts time without a sign: what comes from one has its place here, too.
_FIRST_NS, _END_NS = -(2**63), 2**64
#: Bytes of serialized messages that are decoded at once.
_BATCH_BYTES = 32 * 1024 * 1024


class MemoryDatabase(Database):
    """Keeps serialized messages in lists; gone with the process.

    Messages of one log time come back in the order in which they were written, over all keys.
    Reading costs what is read: messages that come in order of time are never sorted, others once.
    """

    kind = 'memory'
    can_seek_time = True

    def __init__(self) -> None:
        self._topics: dict[str, tuple[Schema, str]] = {}
        self._messages: dict[str, _Messages] = {}
        self._everything = _Messages()

    @classmethod
    def open(cls, location: str, mode: Literal['r', 'w'], **options: Any) -> MemoryDatabase:
        """Make an empty one; memory has no location and takes no options."""
        if mode == 'r':
            raise CapabilityError('memory has no location: there is nothing to open for reading')
        if location or options:
            given = location or ', '.join(sorted(options))
            raise DatasetError(f'a memory database takes no location and no options, not {given}')
        return cls()

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name."""
        return {
            key: Topic(key, schema, qos, len(self._messages[key].written))
            for key, (schema, qos) in self._topics.items()
        }

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type."""
        known = self._topics.get(key)
        if known is None:
            self._messages[key] = _Messages()
            self._topics[key] = (schema, qos)
        elif known[0].name != schema.name:
            raise MessageTypeError(f'{key} is {known[0].name}, it cannot take {schema.name}')

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key."""
        messages = self._messages.get(key)
        if messages is None:
            raise KeyNotFoundError(f'{key} was not declared')
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        if not (_FIRST_NS <= log_time_ns < _END_NS and _FIRST_NS <= sent_ns < _END_NS):
            raise BagTimeError(f'{key}: {log_time_ns} ns, {sent_ns} ns is no time of 64 bits')
        message = SerializedMessage(key, bytes(cdr), log_time_ns, sent_ns, sequence)
        messages.add(message)
        self._everything.add(message)

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time; those written meanwhile are left out."""
        chosen = None if keys is None else {self.topic(key).name for key in keys}
        if chosen is not None and len(chosen) == 1:
            yield from self._messages[chosen.pop()].between(start_ns, stop_ns)
            return
        for message in self._everything.between(start_ns, stop_ns):
            if chosen is None or message.key in chosen:
                yield message

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        messages = self._everything.in_order()
        return (messages[0].log_time_ns, messages[-1].log_time_ns) if messages else None

    def read(self, key: str, index: int | None = None) -> Any:
        """Return one message of a key, the last one when no index is given."""
        topic = self.topic(key)
        messages = self._messages[key].in_order()
        try:
            message = messages[-1 if index is None else index]
        except IndexError as error:
            raise IndexError(
                f'{key} has {len(messages)} messages; there is no message {index}'
            ) from error
        return codec_for(topic.schema).decode(message.cdr)

    def timestamps(self, key: str) -> NDArray[np.int64]:
        """Return the log times of a key's messages, int64 nanoseconds, shape (n,)."""
        self.topic(key)
        return _times(key, self._messages[key].in_order(), _LOG_TIME)

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes of a key's messages, decoding none."""
        self.topic(key)
        messages = self._messages[key].between(start_ns, stop_ns)
        return Heads(
            _times(key, messages, _LOG_TIME),
            _times(key, messages, _PUBLISH_TIME),
            np.fromiter(map(_SEQUENCE, messages), np.uint32, len(messages)),
            np.fromiter(map(len, map(_CDR, messages)), np.int64, len(messages)),
        )

    def batches(
        self, key: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Yield a key's serialized messages in batches, each with its log times."""
        self.topic(key)
        messages = self._messages[key].between(start_ns, stop_ns)
        size = np.fromiter(map(len, map(_CDR, messages)), np.int64, len(messages))
        ends = np.cumsum(size)
        first = 0
        while first < len(messages):
            before = int(ends[first - 1]) if first else 0
            end = max(first + 1, int(np.searchsorted(ends, before + _BATCH_BYTES, 'right')))
            part = messages[first:end]
            buffer = np.frombuffer(b''.join(map(_CDR, part)), np.uint8)
            start = ends[first:end] - size[first:end] - before
            yield Batch(buffer, start, size[first:end]), _times(key, part, _LOG_TIME)
            first = end


class _Messages:
    """Messages in order of writing, and in order of time when asked for.

    The list that is written to is never sorted: a reader may be at work on it meanwhile.
    """

    __slots__ = ('_sorted', 'is_in_order', 'written')

    def __init__(self) -> None:
        self.written: list[SerializedMessage] = []
        self.is_in_order = True
        self._sorted: list[SerializedMessage] = []

    def add(self, message: SerializedMessage) -> None:
        """Add one."""
        if self.written and message.log_time_ns < self.written[-1].log_time_ns:
            self.is_in_order = False
        self.written.append(message)

    def in_order(self) -> list[SerializedMessage]:
        """Return all in order of log time, those of one time in order of writing."""
        if self.is_in_order:
            return self.written
        known = self._sorted
        if len(known) < len(self.written):
            # Sorting what is sorted already, with a tail, costs little more than walking over it.
            known = sorted(known + self.written[len(known) :], key=_LOG_TIME)
            self._sorted = known
        return known

    def between(self, start_ns: int | None, stop_ns: int | None) -> list[SerializedMessage]:
        """Return those of a span of log time, `stop_ns` left out."""
        messages = self.in_order()
        first = 0 if start_ns is None else bisect_left(messages, start_ns, key=_LOG_TIME)
        end = None if stop_ns is None else bisect_left(messages, stop_ns, key=_LOG_TIME)
        return messages[first:end]


def _times(
    key: str, messages: list[SerializedMessage], which: itemgetter[int]
) -> NDArray[np.int64]:
    try:
        return np.fromiter(map(which, messages), np.int64, len(messages))
    except OverflowError as error:
        latest = max(map(which, messages))
        raise BagTimeError(
            f'{key} has the time {latest} ns; arrays hold times to {2**63 - 1} ns'
        ) from error
