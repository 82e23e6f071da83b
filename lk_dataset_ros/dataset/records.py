"""What passes between databases: topics and serialized messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lk_dataset_ros.message import Schema


class SerializedMessage(NamedTuple):
    """One message as it was on the wire.

    Attributes:
        key: Topic name.
        cdr: Encapsulated CDR bytes.
        log_time_ns: When it was received.
        publish_time_ns: When it was sent (the publisher's source stamp).
        sequence: The publisher's counter, 0 if unknown.
    """

    key: str
    cdr: bytes
    log_time_ns: int
    publish_time_ns: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Topic:
    """A key of a database and what its messages are.

    Attributes:
        name: Topic name.
        schema: Definition of the message type.
        qos: Offered QoS profiles as rosbag2 writes them (YAML, one entry per publisher).
        count: Messages stored.
    """

    name: str
    schema: Schema
    qos: str = ''
    count: int = 0
