"""Messages on their way to ReductStore: batches, slots that are taken, broken connections."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.databases.reduct.names import TOPICS_ENTRY, entry_of
from lk_dataset_ros.dataset.databases.reduct.records import Pending, Slots, StoredTopic, labels_of
from lk_dataset_ros.errors import LkError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.dataset.databases.reduct.connection import Connection
    from lk_dataset_ros.dataset.records import SerializedMessage

#: Records per request: the server takes 100 header fields, one per record and some of HTTP.
MOST_BATCH_RECORDS = 80


class Outbox:
    """Holds messages until there are enough of them for a request; threads may share it.

    Args:
        connection: To the bucket.
        topics: The topics by key; it grows by `declare`, and shifts are updated in it.
        batch_records: Messages per request, at most 80.
        batch_bytes: Bytes of messages per request.
    """

    def __init__(
        self,
        connection: Connection,
        topics: dict[str, StoredTopic],
        *,
        batch_records: int,
        batch_bytes: int,
    ) -> None:
        self._connection = connection
        self.topics = topics
        self._batch_records = min(max(1, batch_records), MOST_BATCH_RECORDS)
        self._batch_bytes = max(1, batch_bytes)
        self._writer = secrets.token_hex(4)
        self._ordinal = time.time_ns()  # a later writer counts on from a higher number
        self._pending: list[Pending] = []
        self._bytes = 0
        self._slots: dict[str, Slots] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return the number of messages that are not handed over."""
        return len(self._pending)

    def declare(self, topic: StoredTopic) -> None:
        """Store what a topic is."""
        name = f'topic:{entry_of(topic.key)}'
        with self._lock:
            self._connection.write_attachment(TOPICS_ENTRY, name, topic.to_json())
            self.topics[topic.key] = topic

    def refresh(self, read: Callable[[], dict[str, StoredTopic]]) -> dict[str, StoredTopic]:
        """Hand over everything, then read the topics anew; return them."""
        with self._lock:
            self.flush()
            self.topics = read()
            return self.topics

    def add(self, message: SerializedMessage) -> None:
        """Take a message of a declared topic; hand over what there is if that is enough.

        Raises:
            LkError: If the message was not taken.
        """
        with self._lock:
            self._add(message)

    def discard(self) -> None:
        """Give up what is not handed over."""
        with self._lock:
            self._pending, self._bytes = [], 0

    def flush(self) -> None:
        """Hand over everything, in batches; slots that are taken are changed for free ones.

        Raises:
            ServerError: If the server cannot be reached (everything is kept), or refused single
                messages (they are given up, the others are stored).
        """
        with self._lock:
            self._flush()

    def _add(self, message: SerializedMessage) -> None:
        if len(self._pending) >= self._batch_records or self._bytes >= self._batch_bytes:
            self.flush()
        entry = entry_of(message.key)
        slot_us = self._slots.setdefault(entry, Slots()).take(message.log_time_ns)
        self._ordinal += 1
        type_name = self.topics[message.key].schema.name
        labels = labels_of(message, type_name, self._writer, self._ordinal)
        self._pending.append(Pending(message, entry, slot_us, labels))
        self._bytes += len(message.cdr)

    def _flush(self) -> None:
        refused: list[tuple[Pending, str]] = []
        while self._pending:
            batch = self._next_batch()
            self._allow_shifts(batch)
            kept = self._send(batch, refused)
            self._pending = kept + self._pending[len(batch) :]
            self._bytes = sum(len(each.message.cdr) for each in self._pending)
        if refused:
            first, words = refused[0]
            raise ServerError(
                f'the server refused {len(refused)} messages, they are not stored; the first, '
                f'{first.message.key} at {first.message.log_time_ns} ns: {words}'
            )

    def _send(self, batch: list[Pending], refused: list[tuple[Pending, str]]) -> list[Pending]:
        """Send a batch; return what has to be sent again, to another slot."""
        repeated = {id(each) for each in batch if each.is_sent}
        for each in batch:
            each.is_sent = True
        failed = self._connection.write(batch)
        kept = []
        for each in batch:
            words = failed.get((each.entry, each.slot_us), '')
            if words:
                refused.append((each, words))
            elif words is None and not (id(each) in repeated and self._is_there(each)):
                try:
                    self._move(each)
                except LkError as error:
                    refused.append((each, str(error)))
                else:
                    kept.append(each)
        return kept

    def _move(self, pending: Pending) -> None:
        """Choose another slot, farther away each time."""
        after_us = pending.slot_us + pending.step_us
        slots = self._slots[pending.entry]
        pending.slot_us = slots.take(pending.message.log_time_ns, after_us)
        pending.step_us *= 2
        pending.is_sent = False

    def _next_batch(self) -> list[Pending]:
        size = count = 0
        for each in self._pending[: self._batch_records]:
            size += len(each.message.cdr)
            if count and size > self._batch_bytes:
                break
            count += 1
        return self._pending[:count]

    def _allow_shifts(self, batch: Sequence[Pending]) -> None:
        """Store how far the batch's records lie behind, before any of them can be read."""
        needed: dict[str, int] = {}
        for each in batch:
            shift_us = each.slot_us - each.message.log_time_ns // 1000
            key = each.message.key
            needed[key] = max(needed.get(key, 0), shift_us)
        for key, shift_us in needed.items():
            if shift_us > self.topics[key].shift_us:
                self.declare(self.topics[key].shifted(shift_us))

    def _is_there(self, sent: Pending) -> bool:
        """Tell whether a slot is taken by the message itself, from a try without an answer."""
        slot_us = sent.slot_us
        found = self._connection.page(sent.entry, slot_us, slot_us + 1, head=True, limit=1)
        return bool(found) and found[0].labels == sent.labels
