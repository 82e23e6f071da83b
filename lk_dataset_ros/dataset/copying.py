"""Copy messages from datasets into one: the engine of `lk convert`, `lk merge` and `lk slice`."""

from __future__ import annotations

import dataclasses
import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from rosbags.interfaces import Nodetype

from lk_dataset_ros.dataset.offers import is_transient_local, offers_in
from lk_dataset_ros.errors import DatasetError, MessageTypeError
from lk_dataset_ros.message import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.records import SerializedMessage, Topic
    from lk_dataset_ros.message import Schema

#: Messages between two reports of progress.
_REPORT_EVERY = 256
#: Latched messages kept per key at most, whatever depth its publishers claim.
_MAX_LATCHED = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """What is taken from one dataset.

    Attributes:
        dataset: Where from.
        names: Name in the copy of each key that is taken; None takes all, under their names.
        start_ns: First log time.
        stop_ns: First log time that is left out.
        every: Take every n-th message of a key, the first one included.
        latched: Take the last messages before the start too, of keys whose publishers would
            send them to a late subscriber (durability transient local); they get the start as
            log time, their publish time stays.
        shift_ns: Added to log and publish times.
    """

    dataset: Dataset
    names: Mapping[str, str] | None = None
    start_ns: int | None = None
    stop_ns: int | None = None
    every: int = 1
    latched: bool = False
    shift_ns: int = 0

    def topics(self) -> dict[str, Topic]:
        """Return the topics that are taken, by their key in the source, with their new names.

        Raises:
            KeyNotFoundError: If a key is not there.
            DatasetError: If two keys get one name.
        """
        if self.names is None:
            return self.dataset.topics()
        taken = {
            key: dataclasses.replace(self.dataset.topic(key), name=name)
            for key, name in self.names.items()
        }
        if len({topic.name for topic in taken.values()}) < len(taken):
            raise DatasetError(f'{self.dataset.name}: two topics would get one name')
        return taken

    def messages(self) -> Iterator[SerializedMessage]:
        """Yield what is taken, under its new name and time, in order of log time."""
        names = {key: topic.name for key, topic in self.topics().items()}
        seen = dict.fromkeys(names, 0)
        if not names:
            return
        if self.latched and self.start_ns is not None:
            for message in self._latched(list(names)):
                yield self._moved(message, names[message.key])
        for message in self.dataset.iterate_serialized(list(names), self.start_ns, self.stop_ns):
            key = message.key
            if seen[key] % self.every == 0:
                yield self._moved(message, names[key])
            seen[key] += 1

    def _moved(self, message: SerializedMessage, name: str) -> SerializedMessage:
        if not self.shift_ns:
            return message if name == message.key else message._replace(key=name)
        return message._replace(
            key=name,
            log_time_ns=message.log_time_ns + self.shift_ns,
            publish_time_ns=message.publish_time_ns + self.shift_ns,
        )

    def _latched(self, keys: list[str]) -> list[SerializedMessage]:
        """Return the messages that a subscriber who came at the start would still be sent."""
        assert self.start_ns is not None
        found: list[SerializedMessage] = []
        for key in keys:
            depth = latched_depth(self.dataset.topic(key).qos)
            if not depth:
                continue
            times = self.dataset.heads(key, None, self.start_ns).log_time_ns[-depth:]
            if len(times):
                before = self.dataset.iterate_serialized([key], int(times[0]), self.start_ns)
                found += list(before)[-depth:]
        found.sort(key=lambda message: message.log_time_ns)
        return [message._replace(log_time_ns=self.start_ns) for message in found]


@dataclass(slots=True)
class Copied:
    """What was copied.

    Attributes:
        messages: How many.
        bytes: Serialized bytes of them.
        start_ns: First log time in the copy; None without messages.
        end_ns: Last log time in the copy; None without messages.
        by_key: Messages by key of the copy.
    """

    messages: int = 0
    bytes: int = 0
    start_ns: int | None = None
    end_ns: int | None = None
    by_key: dict[str, int] = field(default_factory=dict)


def merged_topics(sources: list[Source]) -> list[Topic]:
    """Return the topics of a copy, those of the same name as one.

    Raises:
        MessageTypeError: If a topic is of different types, or of types of one name that are
            defined differently.
    """
    topics: dict[str, Topic] = {}
    homes: dict[str, str] = {}
    for source in sources:
        for topic in source.topics().values():
            known = topics.get(topic.name)
            if known is None:
                topics[topic.name] = topic
                homes[topic.name] = source.dataset.name
                continue
            where = f'{topic.name} in {source.dataset.name}', f'in {homes[topic.name]}'
            if known.schema.name != topic.schema.name:
                raise MessageTypeError(
                    f'{where[0]} is {topic.schema.name}, {where[1]} it is {known.schema.name}; '
                    'give one of them another name (--prefix)'
                )
            if not is_same_definition(known.schema, topic.schema):
                raise MessageTypeError(
                    f'{where[0]} defines {topic.schema.name} differently than {where[1]}; '
                    'give one of them another name (--prefix)'
                )
            topics[topic.name] = dataclasses.replace(
                known, qos=_joined_qos(known.qos, topic.qos), count=known.count + topic.count
            )
    return list(topics.values())


def copy(
    sources: list[Source],
    target: Database,
    *,
    advance: Callable[[float], None] = lambda _: None,
) -> Copied:
    """Copy messages into a database, in order of log time, holding few of them at a time.

    Bytes, counters, QoS and definitions stay as they are; times too, but for `Source.shift_ns`.
    Messages of one time stand in the order of the sources.

    Args:
        sources: What is taken.
        target: Takes it; it is not closed.
        advance: Is told the seconds of log time passed since the last call.

    Raises:
        MessageTypeError: If a topic is of different types; nothing has been written then.
        LkError: If a source cannot be read or the target cannot be written.
    """
    for topic in merged_topics(sources):
        target.declare(topic.name, topic.schema, topic.qos)
    copied = Copied()
    count, size, reported_ns = 0, 0, None
    by_key: dict[str, int] = {}
    time_ns = 0
    streams = [source.messages() for source in sources]
    merged = heapq.merge(*streams, key=_log_time) if len(streams) > 1 else streams[0]
    for key, cdr, time_ns, publish_time_ns, sequence in merged:
        target.write_serialized(key, cdr, time_ns, publish_time_ns, sequence)
        by_key[key] = by_key.get(key, 0) + 1
        count += 1
        size += len(cdr)
        if reported_ns is None:
            copied.start_ns = reported_ns = time_ns
        elif not count % _REPORT_EVERY:
            advance((time_ns - reported_ns) / 1e9)
            reported_ns = time_ns
    if reported_ns is not None:
        advance((time_ns - reported_ns) / 1e9)
        copied.end_ns = time_ns
    copied.messages, copied.bytes, copied.by_key = count, size, by_key
    return copied


def is_same_definition(one: Schema, other: Schema) -> bool:
    """Tell whether two definitions mean the same; comments and spelling do not count."""
    if one.text == other.text and one.encoding == other.encoding:
        return True
    if one.type_hash and other.type_hash:
        return one.type_hash == other.type_hash
    return _meaning(one) == _meaning(other)


def _meaning(schema: Schema) -> dict[str, Any]:
    """Return the fields of a type and of all types in it."""
    codec = codec_for(schema)
    found: dict[str, Any] = {}
    open_types = [schema.name]
    while open_types:
        name = open_types.pop()
        if name not in found:
            found[name] = [(field_name, node) for field_name, node in codec.definition(name)]
            open_types += [inner for _, node in found[name] for inner in _types_in(node)]
    return found


def _types_in(node: Any) -> Iterator[str]:
    """Yield the message types that a field's description names."""
    kind, detail = node
    if kind == Nodetype.NAME:
        yield detail
    elif kind != Nodetype.BASE:
        yield from _types_in(detail[0])


def latched_depth(qos: str) -> int:
    """Return how many messages the publishers of a topic keep for a late subscriber, together.

    Args:
        qos: Offered profiles as rosbag2 writes them: numbers up to version 8, words from 9 on.

    Returns:
        0 where no publisher is transient local.
    """
    return min(
        sum(
            max(_whole(each.get('depth')), 1)
            for each in offers_in(qos)
            if is_transient_local(each)
        ),
        _MAX_LATCHED,
    )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _joined_qos(one: str, other: str) -> str:
    """Join the profiles of two recordings of a topic: one entry per publisher."""
    if one == other or not other:
        return one
    if not one:
        return other
    profiles = offers_in(one)
    profiles += [each for each in offers_in(other) if each not in profiles]
    return yaml.safe_dump(profiles, sort_keys=False)


def _log_time(message: SerializedMessage) -> int:
    return message.log_time_ns
