"""Records in ReductStore: what their labels say, and what a topic's attachment says."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.errors import BagTimeError, ServerError
from lk_dataset_ros.message import Schema

#: Most microseconds that a message's record may lie behind the message's own time.
MAX_SHIFT_US = 1_000_000

_VERSION = 1
_LEAST_SHIFT_US = 64
_MAX_NS = 2**63
#: Later than any record, of others too.
LAST_US = 2**63
_SLOTS_REMEMBERED = 65_536


@dataclass(slots=True)
class Pending:
    """A message on its way to the server.

    Attributes:
        message: The message.
        entry: Its entry.
        slot_us: The record's time; unlike the message's it is unique in the entry.
        labels: The record's labels.
        step_us: How far to go on when the slot is taken.
        is_sent: An attempt was made to hand it over, with unknown outcome.
    """

    message: SerializedMessage
    entry: str
    slot_us: int
    labels: dict[str, str]
    step_us: int = 1
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it came back.

    Attributes:
        slot_us: The record's time.
        size: Bytes of its content.
        labels: Its labels.
        content: Its content; empty when only the head was asked for.
    """

    slot_us: int
    size: int
    labels: dict[str, str]
    content: bytes

    def message(self, key: str) -> tuple[int, int, SerializedMessage] | None:
        """Return `(log time, ordinal, message)`, None if the labels are not ours."""
        names = ('lk_time', 'lk_sent', 'lk_seq', 'lk_n')
        texts = [self.labels.get(name, '') for name in names]
        if not all(text.removeprefix('-').isdecimal() and len(text) < 21 for text in texts):
            return None
        time_ns, sent_ns, sequence, ordinal = (int(text) for text in texts)
        if not 0 <= self.slot_us - time_ns // 1000 <= MAX_SHIFT_US:
            return None
        return time_ns, ordinal, SerializedMessage(key, self.content, time_ns, sent_ns, sequence)


@dataclass(frozen=True, slots=True)
class StoredTopic:
    """What a topic's attachment says.

    Attributes:
        key: Topic name.
        schema: Definition of the message type.
        qos: Offered QoS profiles.
        order: Place in the order of declaration.
        shift_us: Most microseconds that a record of the topic lies behind its message.
    """

    key: str
    schema: Schema
    qos: str
    order: int
    shift_us: int = 0

    def shifted(self, shift_us: int) -> StoredTopic:
        """Return the same with a larger shift, rounded up so that this happens rarely."""
        rounded_us = max(_LEAST_SHIFT_US, 2 ** (shift_us - 1).bit_length())
        return replace(self, shift_us=min(MAX_SHIFT_US, rounded_us))

    def to_json(self) -> bytes:
        """Return the attachment's content."""
        return json.dumps(
            {
                'version': _VERSION,
                'topic': self.key,
                'schema_name': self.schema.name,
                'schema': self.schema.text,
                'schema_encoding': self.schema.encoding,
                'type_hash': self.schema.type_hash,
                'encoding': 'cdr',
                'qos': self.qos,
                'order': self.order,
                'shift_us': self.shift_us,
            }
        ).encode()

    @classmethod
    def from_json(cls, content: bytes) -> StoredTopic:
        """Read an attachment's content.

        Raises:
            ValueError: If it does not say what a topic is.
        """
        told = json.loads(content)
        if not isinstance(told, dict) or told.get('version') != _VERSION:
            raise ValueError(f'it is not of version {_VERSION}')

        def text(name: str) -> str:
            return str(_of_type(told, name, str))

        schema = Schema(text('schema_name'), text('schema'), text('schema_encoding'))
        order, shift_us = _of_type(told, 'order', int), _of_type(told, 'shift_us', int)
        if not 0 <= shift_us <= MAX_SHIFT_US:
            raise ValueError(f'shift_us is {shift_us}')
        schema = replace(schema, type_hash=text('type_hash'))
        return cls(text('topic'), schema, text('qos'), order, shift_us)


class Slots:
    """Gives each message of an entry a microsecond of its own, not before the message's time.

    Only the latest slots are remembered; that an older one is taken is the server's to say.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def take(self, time_ns: int, not_before_us: int = 0) -> int:
        """Return a free slot for a message.

        Raises:
            BagTimeError: If the time is before 1970 or after 2262.
            ServerError: If there is no free slot nearby.
        """
        if not 0 <= time_ns < _MAX_NS:
            raise BagTimeError(f'{time_ns} ns is no log time; 0 to 2^63 - 1 can be stored')
        slot_us = max(time_ns // 1000, not_before_us)
        passed = []
        while (following := self._next.get(slot_us) or self._older.get(slot_us)) is not None:
            passed.append(slot_us)
            slot_us = following
        if slot_us - time_ns // 1000 > MAX_SHIFT_US:
            raise ServerError(
                f'there are more than {MAX_SHIFT_US} messages around {time_ns} ns; '
                'ReductStore holds one per microsecond and entry'
            )
        if len(self._next) >= _SLOTS_REMEMBERED:
            self._older, self._next = self._next, {}
        for each in (*passed, slot_us):
            self._next[each] = slot_us + 1
        return slot_us


def labels_of(
    message: SerializedMessage, type_name: str, writer: str, ordinal: int
) -> dict[str, str]:
    """Return the labels of a message's record.

    `key` and `type` are for people and queries; the others are what reading needs.
    """
    return {
        'key': quote(message.key),
        'type': quote(type_name),
        'lk_time': str(message.log_time_ns),
        'lk_sent': str(message.publish_time_ns),
        'lk_seq': str(message.sequence),
        'lk_n': str(ordinal),
        'lk_by': writer,
    }


def _of_type(told: dict[str, Any], name: str, kind: type) -> Any:
    value = told.get(name)
    if type(value) is not kind:
        raise ValueError(f'{name} is {value!r:.40}')
    return value
