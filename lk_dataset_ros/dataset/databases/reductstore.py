"""A bucket of a ReductStore server: one entry per key, one record per message."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases.reduct.connection import Connection
from lk_dataset_ros.dataset.databases.reduct.names import (
    TOPICS_ENTRY,
    Place,
    checked_bucket,
    entry_of,
    place_of,
    server_url,
)
from lk_dataset_ros.dataset.databases.reduct.outbox import MOST_BATCH_RECORDS, Outbox
from lk_dataset_ros.dataset.databases.reduct.reader import PAGE_BYTES, Found, Reader
from lk_dataset_ros.dataset.databases.reduct.records import StoredTopic
from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
from lk_dataset_ros.dataset.time import to_ns
from lk_dataset_ros.errors import (
    BagExistsError,
    KeyNotFoundError,
    LkError,
    MessageTypeError,
    ServerError,
)
from lk_dataset_ros.message import builtin_schema, codec_for, type_name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Schema

Mode = Literal['r', 'w', 'a']

_LEAST_PAGE_BYTES = 256 * 1024


class ReductStoreDatabase(Database):
    """A bucket of a ReductStore server.

    The server counts microseconds and holds one record per microsecond and entry. Log time,
    publish time and sequence are kept exactly, as labels; the record's own time is the first free
    microsecond from the log time on.

        with ReductStoreDatabase('http://127.0.0.1:8383', 'drives', token=token) as database:
            database.write('/odom', message, timestamp_ns=now_ns)

    Messages are handed over in batches, by `flush`, and before anything is read. If that fails
    the messages are kept and the next batch, `flush` or `close` tries again; what the server
    refuses for good is named in the error and given up.

    Args:
        url: Of the server, `http://host:port`; `reductstore://` and `reductstores://` do too.
        bucket: Name of the bucket.
        token: API token, if the server asks for one.
        mode: `r` reads; `w` makes a dataset where there is none; `a` adds to what is there. `w`
            and `a` make the bucket if it is not there.
        timeout_s: Seconds of silence after which the server counts as gone.
        verify_tls: Check the server's certificate.
        batch_records: Messages per request, at most 80.
        batch_bytes: Bytes of messages per request.

    Raises:
        ServerError: If the server cannot be reached, is too old, or refuses the token.
        BagNotFoundError: If there is no such bucket to read.
        BagExistsError: If there is a dataset already where a new one should be made.
        ExtraMissingError: If reduct-py is not installed.
    """

    kind = 'reductstore'
    is_persistent = True
    can_seek_time = True

    def __init__(
        self,
        url: str,
        bucket: str,
        *,
        token: str | None = None,
        mode: Mode = 'a',
        timeout_s: float = 10.0,
        verify_tls: bool = True,
        batch_records: int = MOST_BATCH_RECORDS,
        batch_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        server, path, url_token = server_url(url)
        if path:
            raise ServerError(f'{path!r} is too much in the URL of a server: {server} will do')
        if mode not in {'r', 'w', 'a'}:
            raise ValueError(f'mode {mode!r} is none; r, w and a are')
        if not timeout_s > 0:
            raise ValueError(f'timeout_s is {timeout_s}; more than 0 will do')
        self.place = Place(server, checked_bucket(bucket), token or url_token)
        self._mode = mode
        self._foreign: dict[str, int] = {}
        self._warnings: dict[str, str] = {}
        self._connection = Connection(self.place, timeout_s=timeout_s, verify_tls=verify_tls)
        try:
            self._connection.open_bucket(create=mode != 'r')
            topics = self._read_topics()
            if mode == 'w' and topics:
                raise BagExistsError(
                    f'{self.name} holds a dataset already; take another bucket, or add to it '
                    'with mode a'
                )
        except BaseException:
            self._connection.close()
            raise
        self._outbox = Outbox(
            self._connection, topics, batch_records=batch_records, batch_bytes=batch_bytes
        )

    @classmethod
    def recognises(cls, location: str) -> bool:
        """Tell whether a location is a URL `reductstore://` or `reductstores://`."""
        return location.startswith(('reductstore://', 'reductstores://'))

    @classmethod
    def open(cls, location: str, mode: Mode, **options: Any) -> ReductStoreDatabase:
        """Open `reductstore://[token@]host[:port]/bucket`; options are the constructor's."""
        place = place_of(location)
        token = options.pop('token', None) or place.token
        return cls(place.url, place.bucket, token=token, mode=mode, **options)

    @property
    def name(self) -> str:
        """The server and the bucket, without the token."""
        return f'{self.place.url}/{self.place.bucket}'

    @property
    def can_write(self) -> bool:  # type: ignore[override]
        """What is opened for reading is not written."""
        return self._mode != 'r'

    @property
    def warnings(self) -> list[str]:
        """What was left out when reading."""
        return list(self._warnings.values())

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name."""
        chosen = self._chosen(None)
        stats = self._connection.stats()
        found = {}
        for topic in chosen:
            entry = entry_of(topic.key)
            stored = stats[entry].count if entry in stats else 0
            count = max(0, stored - self._foreign.get(topic.key, 0))
            found[topic.key] = Topic(topic.key, topic.schema, topic.qos, count)
        return found

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type."""
        self.check_writable()
        topics = self._outbox.topics
        if key not in topics:
            order = max((topic.order for topic in topics.values()), default=-1) + 1
            self._outbox.declare(StoredTopic(key, schema, qos, order))
        elif topics[key].schema.name != schema.name:
            name = topics[key].schema.name
            raise MessageTypeError(f'{key} is {name}, it cannot take {schema.name}')

    def write(self, key: str, value: Any, timestamp: Any = None, *, timestamp_ns: int) -> None:
        """Store a message object."""
        known = self._outbox.topics.get(key)  # the base class would ask the server each time
        schema = builtin_schema(type_name_of(value)) if known is None else known.schema
        if known is None:
            self.declare(key, schema)
        time_ns = timestamp_ns if timestamp is None else to_ns(timestamp)
        self.write_serialized(key, codec_for(schema).encode(value), time_ns)

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key."""
        self.check_writable()
        if key not in self._outbox.topics:
            raise KeyNotFoundError(f'{key} was not declared')
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        self._outbox.add(SerializedMessage(key, bytes(cdr), log_time_ns, sent_ns, sequence))

    def flush(self) -> None:
        """Hand over everything written so far."""
        self._outbox.flush()

    def close(self) -> None:
        """Hand over what is left and end the connection."""
        try:
            self._outbox.flush()
        except LkError as error:
            left = f'; {len(self._outbox)} messages were not stored' if len(self._outbox) else ''
            self._outbox.discard()
            raise ServerError(f'{error}{left}') from error
        finally:
            self._connection.close()

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time."""
        chosen = self._chosen(keys)
        page_bytes = max(_LEAST_PAGE_BYTES, PAGE_BYTES // max(1, len(chosen)))
        sources = [self._read(topic, start_ns, stop_ns, page_bytes=page_bytes) for topic in chosen]
        for found in heapq.merge(*sources, key=lambda item: item.order[0]):
            yield found.message

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes; the contents stay at the server."""
        (topic,) = self._chosen([key])
        rows = [
            (
                each.message.log_time_ns,
                each.message.publish_time_ns,
                each.message.sequence,
                each.size,
            )
            for each in self._read(topic, start_ns, stop_ns, head=True)
        ]
        log, sent, sequence, size = np.array(rows, np.int64).reshape(-1, 4).T
        return Heads(log, sent, sequence.astype(np.uint32), size)

    def timestamps(self, key: str) -> NDArray[np.int64]:
        """Return the log times of a key's messages, int64 nanoseconds, shape (n,)."""
        return self.heads(key).log_time_ns

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        ends: list[int] = []
        chosen = self._chosen(None)
        stats = self._connection.stats()
        for topic in chosen:
            entry = stats.get(entry_of(topic.key))
            first = next(self._read(topic, head=True), None) if entry else None
            if entry is None or first is None:
                continue
            # The last message is at most the topic's shift before the last record; where that is
            # somebody else's, everything has to be looked at.
            tail_ns = max(0, entry.latest_us - topic.shift_us) * 1000
            last = list(self._read(topic, tail_ns, head=True)) or self._read(topic, head=True)
            ends += [first.order[0], *(each.order[0] for each in last)]
        return (min(ends), max(ends)) if ends else None

    def read(self, key: str, index: int | None = None) -> Any:
        """Return one message of a key, the last one when no index is given."""
        times = self.timestamps(key)
        count = len(times)
        position = count - 1 if index is None else index + count if index < 0 else index
        if not 0 <= position < count:
            raise IndexError(f'{key} has {count} messages; there is no message {index}')
        time_ns = int(times[position])
        before = position - int(np.searchsorted(times, time_ns))
        for current, (_, message, _) in enumerate(self.iterate([key], time_ns, time_ns + 1)):
            if current == before:
                return message
        raise ServerError(f'{self.name}: message {index} of {key} was removed while it was read')

    def _chosen(self, keys: Sequence[str] | None) -> list[StoredTopic]:
        """Hand over what was written, look at the topics anew, return those of some keys."""
        topics = self._outbox.refresh(self._read_topics)
        for key in keys or ():
            if key not in topics:
                there = ', '.join(topics) or 'nothing'
                raise KeyNotFoundError(f'there is no {key} in {self.name}; there is {there}')
        return [topics[key] for key in (topics if keys is None else keys)]

    def _read(
        self,
        topic: StoredTopic,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        *,
        head: bool = False,
        page_bytes: int = PAGE_BYTES,
    ) -> Iterator[Found]:
        """Yield what is found of a topic, then tell what was found of others."""
        reader = Reader(self._connection, topic, start_ns, stop_ns, head, page_bytes)
        yield from reader
        if reader.is_complete:
            self._foreign[topic.key] = reader.foreign
        if reader.foreign:
            self._warnings[topic.key] = (
                f'{self.name}: {reader.foreign} records of entry {entry_of(topic.key)} are no '
                f'messages of {topic.key} written by lk_dataset_ros; they are left out'
            )

    def _read_topics(self) -> dict[str, StoredTopic]:
        found: list[StoredTopic] = []
        for name, content in self._connection.attachments(TOPICS_ENTRY).items():
            try:
                topic = StoredTopic.from_json(content)
            except (ValueError, RecursionError) as error:
                self._warnings[f'${name}'] = (
                    f'{self.name}: attachment {name} of {TOPICS_ENTRY} describes no topic '
                    f'({error}); it is left out'
                )
                continue
            found.append(topic)
        return {topic.key: topic for topic in sorted(found, key=lambda each: each.order)}
