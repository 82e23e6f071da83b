"""What is in a dataset, in numbers: the engine of `lk info`, without formatting."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.databases.mcap import McapDatabase
from lk_dataset_ros.dataset.inspection.files import StoredFiles, stored_files
from lk_dataset_ros.dataset.inspection.losses import TopicLosses, recorded_losses
from lk_dataset_ros.dataset.inspection.ranges import (
    FieldRange,
    LeftOut,
    fields_worth_it,
    ranges_of,
)
from lk_dataset_ros.dataset.inspection.timing import (
    SequenceDrops,
    StampDrops,
    Timing,
    sequence_drops_of,
    stamp_drops_of,
    timing_of,
)
from lk_dataset_ros.errors import CapabilityError, LkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.dataset import Dataset

_SERVICE_EVENT = '/_service_event'


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """A topic, as the summary of a bag tells.

    Attributes:
        name: Topic name.
        type_name: Message type.
        count: Messages.
        mean_hz: Messages per second over the whole bag; None for fewer than two.
        serialization_format: Of its messages.
    """

    name: str
    type_name: str
    count: int
    mean_hz: float | None
    serialization_format: str = 'cdr'


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """A service whose events were recorded.

    Attributes:
        name: Service name.
        type_name: Service type.
        event_count: Recorded events (requests and responses, at both ends).
        serialization_format: Of the events.
    """

    name: str
    type_name: str
    event_count: int
    serialization_format: str = 'cdr'


@dataclass(frozen=True, slots=True)
class Summary:
    """A dataset, as far as it is known without reading its messages.

    Attributes:
        location: Where it is.
        storage: Kind of storage.
        files: Names of its files; empty for what is not stored in files.
        size_bytes: Of the files with everything beside them; None if there are none.
        ros_distro: ROS distribution that recorded it; empty if unknown.
        start_ns: First log time; None without messages.
        end_ns: Last log time; None without messages.
        topics: Without service events.
        services: Services whose events were recorded.
        warnings: What a reader should know, such as a cut file.
        losses: What the recorder counted, by topic; None if it left no record.
    """

    location: str
    storage: str
    files: tuple[str, ...]
    size_bytes: int | None
    ros_distro: str
    start_ns: int | None
    end_ns: int | None
    topics: tuple[TopicSummary, ...]
    services: tuple[ServiceSummary, ...]
    warnings: tuple[str, ...]
    losses: tuple[TopicLosses, ...] | None = None

    @property
    def duration_ns(self) -> int:
        """Last log time minus first."""
        if self.start_ns is None or self.end_ns is None:
            return 0
        return self.end_ns - self.start_ns

    @property
    def messages(self) -> int:
        """Number of messages, without service events."""
        return sum(each.count for each in self.topics)


@dataclass(frozen=True, slots=True)
class TopicDetails:
    """What reading the messages of a topic tells.

    Attributes:
        name: Topic name.
        bytes: Serialized bytes of all messages.
        timing: Rate, jitter and gaps by log time; None without messages.
        sequence: Lost messages by the publisher's counter; None where nothing counts.
        stamps: Lost messages by header stamp; None for a type without header.
        fields: Ranges of the numeric fields.
        left_out: Fields that were not looked at.
        problem: Why the fields could not be read, or empty.
    """

    name: str
    bytes: int
    timing: Timing | None
    sequence: SequenceDrops | None
    stamps: StampDrops | None
    fields: tuple[FieldRange, ...]
    left_out: tuple[LeftOut, ...]
    problem: str = ''


def summarize(dataset: Dataset, location: str | os.PathLike[str] = '') -> Summary:
    """Sum up a dataset from what its storage tells, reading no message.

    Args:
        dataset: An open dataset.
        location: Where it was loaded from; its files are looked up there.
    """
    span = dataset.time_range_ns()
    start_ns, end_ns = span or (None, None)
    seconds = (span[1] - span[0]) / 1e9 if span else 0.0
    topics: list[TopicSummary] = []
    services: list[ServiceSummary] = []
    for topic in dataset.topics().values():
        name, type_name = topic.name, topic.schema.name
        if is_service_event(name, type_name):
            service = name.removesuffix(_SERVICE_EVENT)
            services.append(ServiceSummary(service, type_name[: -len('_Event')], topic.count))
        else:
            mean_hz = (topic.count - 1) / seconds if topic.count > 1 and seconds else None
            topics.append(TopicSummary(name, type_name, topic.count, mean_hz))
    source = _readable(dataset)
    stored = stored_files(location) if os.fspath(location) else StoredFiles()
    return Summary(
        os.fspath(location) or dataset.name,
        stored.storage or source.kind or source.name,
        stored.names,
        stored.size_bytes,
        stored.ros_distro,
        start_ns,
        end_ns,
        tuple(topics),
        tuple(services),
        tuple(dataset.warnings),
        recorded_losses(source.metadata()) if isinstance(source, McapDatabase) else None,
    )


def _readable(dataset: Dataset) -> Database:
    for database in dataset.databases:
        if database.can_read:
            return database
    raise CapabilityError(f'no database of this dataset can be read: {dataset!r}')


def is_service_event(name: str, type_name: str) -> bool:
    """Tell whether a topic carries the events of a service, as rosbag2 decides it."""
    return (
        name.endswith(_SERVICE_EVENT)
        and len(name) > len(_SERVICE_EVENT)
        and '/srv/' in type_name
        and type_name.endswith('_Event')
    )


def inspect_topic(
    dataset: Dataset,
    key: str,
    *,
    gap_factor: float = 3.0,
    advance: Callable[[int], None] = lambda _: None,
) -> TopicDetails:
    """Read a topic for rates, gaps, jitter, lost messages and ranges, in bounded memory.

    Args:
        dataset: An open dataset.
        key: Topic name.
        gap_factor: A period longer than this many medians is a gap.
        advance: Is told the number of messages read, part by part.

    Raises:
        KeyNotFoundError: If the key is not there.
    """
    source = _readable(dataset)
    problem = ''
    wanted: list[str] | None = []
    fields: list[FieldRange] = []
    left_out: list[LeftOut] = []
    stamp_ns = np.empty(0, np.int64)
    heads = dataset.heads(key)
    size = int(heads.size.sum())
    try:
        wanted, left_out = fields_worth_it(source, key, heads)
    except LkError as error:
        # Times and counters are still worth telling.
        problem = str(error)
    # Of ten million messages each of these takes 80 MB: none is kept longer than it is needed.
    log_time_ns, counters = heads.log_time_ns, heads.sequence
    del heads
    timing = timing_of(log_time_ns, gap_factor=gap_factor)
    del log_time_ns
    sequence = sequence_drops_of(counters)
    del counters
    if not problem:
        try:
            fields, stamp_ns = ranges_of(source, key, wanted, advance=advance)
        except LkError as error:
            problem = str(error)
    return TopicDetails(
        key,
        size,
        timing,
        sequence,
        stamp_drops_of(stamp_ns),
        tuple(fields),
        tuple(left_out),
        problem,
    )
