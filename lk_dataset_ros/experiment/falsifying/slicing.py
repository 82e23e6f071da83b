"""The inputs of an experiment from a bag as one row, and slices of it as small bags."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.creation import creating
from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lk_dataset_ros.dataset import Dataset
    from lk_dataset_ros.dataset.records import SerializedMessage
    from lk_dataset_ros.experiment.specification import BagInputs


class InputRow:
    """All messages that an experiment plays, in order of log time, by number.

    Args:
        dataset: The bag.
        inputs: What is played of it.

    Raises:
        KeyNotFoundError: If the bag lacks a topic.
    """

    def __init__(self, dataset: Dataset, inputs: BagInputs) -> None:
        self._dataset = dataset
        self._topics = {topic: dataset.topic(topic) for topic in inputs.topics}
        span = dataset.time_range_ns() or (0, 0)
        self._bag_start_ns = span[0]
        first_ns = span[0] + round(inputs.start_s * NS_PER_S)
        last_ns = round(min(first_ns + inputs.duration_s * NS_PER_S, span[1]))
        self._of_topic = {
            topic: dataset.heads(topic, first_ns, last_ns + 1).log_time_ns
            for topic in self._topics
        }
        self._times = np.sort(np.concatenate([*self._of_topic.values()]))

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self._times)

    def number_of(self, topic: str, index: int) -> int | None:
        """Return the number in the row of a topic's message; None if there is none."""
        times = self._of_topic[topic]
        if not 0 <= index < len(times):
            return None
        return int(np.searchsorted(self._times, times[index], side='right')) - 1

    def duration_s(self, start: int, stop: int) -> float:
        """Return how long a slice lasts, s."""
        return float(self._times[stop - 1] - self._times[start]) / NS_PER_S

    def messages(self, start: int, stop: int) -> tuple[list[SerializedMessage], int]:
        """Return a slice with the latched state before it, and how many messages the state is.

        What a subscriber that comes at the start would still be sent stands first, with the log
        time of the start; everything else of it is as it was recorded.
        """
        first_ns, last_ns = int(self._times[start]), int(self._times[stop - 1])
        before = start - int(np.searchsorted(self._times, first_ns, side='left'))
        played = self._dataset.iterate_serialized([*self._topics], first_ns, last_ns + 1)
        at_start = list(islice(played, before))
        taken = list(islice(played, stop - start))
        state = [each._replace(log_time_ns=first_ns) for each in self._state(first_ns, at_start)]
        return [*state, *taken], len(state)

    def write(self, path: Path, start: int, stop: int) -> dict[str, int]:
        """Write a slice as a bare `.mcap` file, whole or not at all.

        Returns:
            The messages in it by topic, the latched state included; topics without are left out.
        """
        messages, _ = self.messages(start, stop)
        counts = dict.fromkeys(self._topics, 0)
        for message in messages:
            counts[message.key] += 1
        with creating('mcap', str(path)) as database:
            for name, topic in self._topics.items():
                if counts[name]:
                    database.declare(name, topic.schema, topic.qos)
            for message in messages:
                database.write_serialized(*message)
        return {name: count for name, count in counts.items() if count}

    def _state(
        self, position_ns: int, at_start: list[SerializedMessage]
    ) -> Iterator[SerializedMessage]:
        """Yield the latched messages before a slice, oldest first.

        Args:
            position_ns: Log time of its first message.
            at_start: Messages of the same time that do not belong to it.
        """
        # The player is loaded by those that look for a slice, not by every run.
        from lk_dataset_ros.dataset.playback.latched import (  # noqa: PLC0415
            depths_of,
            last_before,
        )

        found: list[tuple[int, SerializedMessage]] = []
        for topic, depth in depths_of(self._topics).items():
            last = last_before(
                self._dataset, topic, position_ns, depth, self._bag_start_ns, is_sent=False
            )
            last += [(position_ns, each) for each in at_start if each.key == topic]
            found += last[-depth:]
        yield from (message for _, message in sorted(found, key=lambda each: each[0]))
