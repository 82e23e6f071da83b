"""The engine of the recorder: takes messages, writes them to a database, counts them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component import Component
from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.message import Schema, builtin_schema, codec_for, type_name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset.database import Database


@dataclass(slots=True)
class TopicStats:
    """What was recorded of one topic.

    Attributes:
        type_name: Message type.
        count: Messages written.
        size: Their serialized bytes.
        lost: Messages that are known to be lost before they came here.
    """

    type_name: str
    count: int = 0
    size: int = 0
    lost: int = 0


class DataRecorder(Component):
    """Write what comes in to a database.

        recorder = DataRecorder(McapDatabase('bag', 'w'))
        recorder.add_input('/count', 'std_msgs/msg/Int32')
        recorder(**{'/count': message})
        recorder.close()

    Args:
        database: Where the messages go.
        now_ns: The time of day; handed in by tests.
    """

    def __init__(
        self, database: Database, *, now_ns: Callable[[], int] = time.time_ns, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.database = database
        self._now_ns = now_ns
        self._stats: dict[str, TopicStats] = {}

    def add_input(self, name: str, schema: Schema | str, qos: str = '') -> None:
        """Take a topic from now on; taking it twice is no error.

        Args:
            name: Topic name.
            schema: Definition of its type, or the name of a common ROS 2 type.
            qos: Offered QoS profiles as rosbag2 writes them.

        Raises:
            MessageTypeError: If the topic is taken with another type already.
        """
        if isinstance(schema, str):
            schema = builtin_schema(schema)
        self.database.declare(name, schema, qos)
        self._stats.setdefault(name, TopicStats(schema.name))

    def record(self, message: SerializedMessage) -> None:
        """Write a serialized message of a topic that was added."""
        self.database.write_serialized(*message)
        stats = self._stats[message.key]
        stats.count += 1
        stats.size += len(message.cdr)

    def note_lost(self, name: str, count: int) -> None:
        """Count messages that were lost before they came here."""
        self._stats[name].lost += count
        self.dx.count('lost', count)
        self.dx.warn('messages were lost')

    def get_stats(self) -> dict[str, TopicStats]:
        """Return what was recorded, by topic."""
        return self._stats

    @property
    def count(self) -> int:
        """Messages written, over all topics."""
        return sum(stats.count for stats in self._stats.values())

    @property
    def size(self) -> int:
        """Serialized bytes written, over all topics."""
        return sum(stats.size for stats in self._stats.values())

    def step(self, **inputs: Any) -> None:
        """Write message objects, at the time of day."""
        now_ns = self._now_ns()
        for name, message in inputs.items():
            if name not in self._stats:
                topics = self.database.topics()
                known = topics[name].schema if name in topics else None
                self.add_input(name, known or builtin_schema(type_name_of(message)))
            schema = self.database.topic(name).schema
            cdr = codec_for(schema).encode(message)
            self.record(SerializedMessage(name, cdr, now_ns, now_ns))

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """Write message objects: any topic is a port."""
        self.step(**inputs)
        return {}

    def close(self) -> None:
        """Finish the database."""
        self.database.close()
