"""What passes between databases: topics and serialized messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Heads:
    """What is known of a key's messages without decoding them, in order of log time.

    Attributes:
        log_time_ns: int64, (n,): when each was received.
        publish_time_ns: int64, (n,): when each was sent.
        sequence: uint32, (n,): the publisher's counters, 0 where unknown.
        size: int64, (n,): serialized bytes of each.
    """

    log_time_ns: NDArray[np.int64]
    publish_time_ns: NDArray[np.int64]
    sequence: NDArray[np.uint32]
    size: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.log_time_ns)
