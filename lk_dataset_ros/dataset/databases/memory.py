"""A database in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.records import SerializedMessage, Topic
from lk_dataset_ros.errors import KeyNotFoundError, MessageTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lk_dataset_ros.message import Schema


class MemoryDatabase(Database):
    """Keeps serialized messages in lists; gone with the process."""

    can_seek_time = True

    def __init__(self) -> None:
        self._topics: dict[str, tuple[Schema, str]] = {}
        self._messages: dict[str, list[SerializedMessage]] = {}

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name."""
        return {
            key: Topic(key, schema, qos, len(self._messages[key]))
            for key, (schema, qos) in self._topics.items()
        }

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type."""
        known = self._topics.get(key)
        if known is None:
            self._topics[key] = (schema, qos)
            self._messages[key] = []
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
        if key not in self._topics:
            raise KeyNotFoundError(f'{key} was not declared')
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        self._messages[key].append(
            SerializedMessage(key, bytes(cdr), log_time_ns, sent_ns, sequence)
        )

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time."""
        chosen = self.keys() if keys is None else [self.topic(key).name for key in keys]
        found = [
            message
            for key in chosen
            for message in self._messages[key]
            if (start_ns is None or message.log_time_ns >= start_ns)
            and (stop_ns is None or message.log_time_ns < stop_ns)
        ]
        yield from sorted(found, key=lambda message: message.log_time_ns)
