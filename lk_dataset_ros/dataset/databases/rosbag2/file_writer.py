"""Write one file of a bag: its topics, its messages, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.databases.mcap_files.output import open_output
from lk_dataset_ros.dataset.databases.mcap_files.writer import Compression, Level, McapWriter
from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.databases.rosbag2.own_record import OWN_RECORD, OwnRecord
from lk_dataset_ros.dataset.records import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.records import SerializedMessage
    from lk_dataset_ros.message import Batch


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How a bag is written.

    Attributes:
        compression: Of the chunks.
        level: How hard compression tries.
        chunk_size: Bytes after which a chunk is complete.
        checksums: Whether the chunks have some.
        sync: Wait until what is flushed is on the disk.
        custom_data: Is kept in `metadata.yaml`.
        max_files: Keep the last n files only; 0 keeps all.
    """

    compression: Compression = 'zstd'
    level: Level = 'default'
    chunk_size: int = 1024 * 1024
    checksums: bool = True
    sync: bool = False
    custom_data: Mapping[str, str] = field(default_factory=dict)
    max_files: int = 0


class FileWriter:
    """One MCAP file of a bag.

    Args:
        path: Where nothing is.
        options: How it is written.
        topics: Those that are declared from the start.

    Raises:
        OSError: If the file cannot be made.

    Attributes:
        name: Of the file.
        counts: Messages taken, by topic.
        span_ns: Their first and last log time, None without messages.
    """

    def __init__(self, path: Path, options: WriterOptions, topics: Iterable[Topic] = ()) -> None:
        self.name = path.name
        self.counts: dict[str, int] = {}
        self.span_ns: tuple[int, int] | None = None
        self._path = path
        self._options = options
        self._topics: dict[str, Topic] = {}
        self._late: list[tuple[str, Mapping[str, str]]] = []
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._channels: dict[str, int] = {}
        self._output = open_output(path)
        self._mcap = McapWriter(
            self._output,
            compression=options.compression,
            level=options.level,
            chunk_size=options.chunk_size,
            checksums=options.checksums,
        )
        try:
            self._mcap.start(profile='ros2', library='lk_dataset_ros')
            # What `metadata.yaml` could not tell any more after a crash.
            told = OwnRecord(metadata.ros_distro(), options.custom_data)
            self._mcap.add_metadata(OWN_RECORD, told.entries())
            for topic in topics:
                self.declare(topic)
        except BaseException:
            self._output.close()
            path.unlink(missing_ok=True)
            raise

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._mcap.size

    def declare(self, topic: Topic) -> None:
        """Register schema and channel."""
        schema = topic.schema
        definition = (schema.name, schema.encoding, schema.text)
        if definition not in self._schemas:
            self._schemas[definition] = self._mcap.register_schema(
                schema.name, schema.encoding, schema.text.encode()
            )
        self._channels[topic.name] = self._mcap.register_channel(
            topic.name,
            'cdr',
            self._schemas[definition],
            {'offered_qos_profiles': topic.qos, 'topic_type_hash': schema.type_hash},
        )
        self._topics[topic.name] = topic
        self.counts[topic.name] = 0

    def write(self, message: SerializedMessage) -> None:
        """Add a message of a declared topic."""
        key, cdr, log_time_ns, publish_time_ns, sequence = message
        self._count(key, 1, log_time_ns, log_time_ns)
        self._mcap.add_message(
            self._channels[key], log_time_ns, cdr, publish_time_ns, sequence & 0xFFFFFFFF
        )

    def write_batch(
        self,
        key: str,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.integer[Any]],
    ) -> None:
        """Add messages of a declared topic that have `McapWriter`'s prefix before each."""
        self._count(key, len(batch), int(log_time_ns.min()), int(log_time_ns.max()))
        self._mcap.add_messages(self._channels[key], batch, log_time_ns, publish_time_ns, sequence)

    def _count(self, key: str, count: int, first_ns: int, last_ns: int) -> None:
        self.counts[key] += count
        if self.span_ns is None:
            self.span_ns = first_ns, last_ns
        elif first_ns < self.span_ns[0] or last_ns > self.span_ns[1]:
            self.span_ns = min(first_ns, self.span_ns[0]), max(last_ns, self.span_ns[1])

    def add_metadata(self, name: str, data: Mapping[str, str]) -> None:
        """Add a metadata record."""
        self._mcap.add_metadata(name, data)

    def add_metadata_at_end(self, name: str, data: Mapping[str, str]) -> None:
        """Add a metadata record when the file is finished, in the room that is made for that."""
        self._late.append((name, data))

    def flush(self, *, sync: bool) -> None:
        """Complete the chunk in progress and hand all to the system."""
        self._mcap.flush(sync=sync)

    def settle(self) -> int:
        """Let go of what could not be written; return how many messages that are."""
        self._mcap.forget_unwritten()
        written = self._mcap.written
        kept = {key: written.get(channel, 0) for key, channel in self._channels.items()}
        lost = sum(self.counts.values()) - sum(kept.values())
        self.counts, self.span_ns = kept, self._mcap.span_ns
        return lost

    def give_back(self, size: int) -> int | None:
        """Take chunks out again, so that so many bytes come free.

        Returns:
            How many messages were in them; None where no chunk is left.
        """
        had = self._mcap.give_back(size)
        lost = self.settle()
        return lost if had else None

    def information(self) -> metadata.BagFile:
        """Return what `metadata.yaml` tells of the file."""
        start_ns, end_ns = self.span_ns or (0, 0)
        return metadata.BagFile(self.name, start_ns, end_ns - start_ns, sum(self.counts.values()))

    def topics(self) -> list[Topic]:
        """Return the topics, with the number of messages taken."""
        return [
            Topic(key, topic.schema, topic.qos, self.counts[key])
            for key, topic in self._topics.items()
        ]

    def finish(self) -> None:
        """Write what is left, and the summary. The file is not closed: it can be taken back."""
        self._mcap.flush()
        information = metadata.information_of(
            [self.information()], self.topics(), custom_data=self._options.custom_data
        )
        # Without the outer key: `ros2 bag play` wants it so.
        told = {'serialized_metadata': metadata.dump(information)}
        self._mcap.finish([*self._late, ('rosbag2', told)], sync=self._options.sync)

    def close(self) -> None:
        """Close the file."""
        self._mcap.forget_unwritten()
        self._output.close()

    def remove(self) -> None:
        """Close the file and remove it."""
        self.close()
        self._path.unlink(missing_ok=True)
