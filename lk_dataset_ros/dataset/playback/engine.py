"""The engine of the playback: decides what is due; somebody else publishes and sleeps."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.dataset import Dataset
from lk_dataset_ros.dataset.playback.actions import Action, Publish
from lk_dataset_ros.dataset.playback.choice import choose
from lk_dataset_ros.dataset.playback.config import PlaybackConfig
from lk_dataset_ros.dataset.playback.latched import depths_of
from lk_dataset_ros.dataset.playback.playing import Playing
from lk_dataset_ros.dataset.playback.restamp import restamped_topics
from lk_dataset_ros.dataset.playback.schedule import Schedule
from lk_dataset_ros.dataset.playback.stats import PlaybackStats, summed, topic_playback
from lk_dataset_ros.dataset.playback.timeline import Timeline
from lk_dataset_ros.message import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from lk_dataset_ros.component.component import Log
    from lk_dataset_ros.dataset.playback.player import PlayThread
    from lk_dataset_ros.dataset.playback.playing import ProgressOption, Publisher
    from lk_dataset_ros.dataset.playback.read_ahead import ReadAhead
    from lk_dataset_ros.dataset.playback.timeline import Entry


class DataPlayback(Playing):
    """Play datasets at a real-time factor.

        DataPlayback(Dataset.load('my_bag'), rtf=2.0).play(print)

    `play` does it on a thread. A host with a loop of its own calls `advance()` instead, which
    never waits for a moment in time: it returns what to do next, or for how long nothing is due.
    All methods may be called from any thread.

    Nothing is left out unless `late_policy` is `drop_late`: a playback that is late publishes at
    once what is due, in order.

    Args:
        dataset: What is played: a dataset, or several on one line of time.
        now_ns: The wall clock, monotonic; handed in by tests.
        config: The settings; defaults when left out.
        log: Where `self.log` goes.
        skip: Topics that are not played, and why, such as a type that is not installed.
        publish: What `play` calls with each message, where it is not told.
        auto_play: Call `play` at once.
        blocking: As in `play`, for `auto_play`.
        progress: As in `play`, for `auto_play`.
        settings: Single settings, instead of `config`.

    Raises:
        KeyNotFoundError: If a topic is not in the datasets.
        ComponentError: If a setting is wrong, or nothing is left to play.
        MessageTypeError: If topics of different types would be published under one name.

    Attributes:
        datasets: What is played.
        topics: The topics by the name under which they are published.
        latched: Transient-local topics among them, and how many last messages of each a
            subscriber gets that comes late; these are sent first, after an offset and a seek too.
        error: What ended `play` before its end, or None.
    """

    @dataclass(kw_only=True)
    class Config(PlaybackConfig):
        """Settings of a playback."""

    def __init__(
        self,
        dataset: Dataset | Sequence[Dataset],
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
        config: PlaybackConfig | None = None,
        log: Log | None = None,
        skip: Mapping[str, str] | None = None,
        publish: Publisher | None = None,
        auto_play: bool = False,
        blocking: bool = True,
        progress: ProgressOption = None,
        **settings: Any,
    ) -> None:
        super().__init__(config, log=log, **settings)
        self.datasets = (dataset,) if isinstance(dataset, Dataset) else tuple(dataset)
        self._now_ns = now_ns
        self._publish = publish
        options: PlaybackConfig = self.config
        choice = choose(self.datasets, options, self.log, skip or {})
        self.topics = choice.topics
        self.latched = depths_of(choice.topics)
        self.error: BaseException | None = None
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._held: Action | None = None
        self._is_stepping = self._is_playing = False
        self._thread: PlayThread | None = None
        self._ahead: ReadAhead[Entry] | None = None
        self._timeline = Timeline(
            self.datasets,
            choice,
            self.latched,
            is_sent=options.order == 'sent',
            window_bytes=options.read_ahead_bytes,
        )
        self._set_range(options.start_offset_s, options.duration_s, options.until_ns)
        self._schedule = Schedule(
            self._timeline,
            options,
            now_ns=now_ns,
            read=self._read,
            waits=lambda: 0 if self._ahead is None else self._ahead.waits,
            latched=self.latched,
            restamped=restamped_topics(self.topics) if options.restamp else {},
            names=list(self.topics),
        )
        if auto_play:
            self.play(blocking=blocking, progress=progress)

    @property
    def dataset(self) -> Dataset:
        """The first dataset that is played."""
        return self.datasets[0]

    @property
    def total(self) -> int:
        """Number of messages of the topics that are played, in the whole bags."""
        return sum(topic.count for topic in self.topics.values())

    @property
    def counts(self) -> dict[str, int]:
        """Messages handed out, by topic."""
        return self._schedule.counts

    @property
    def finished(self) -> bool:  # type: ignore[override]
        """The same, for a host of components."""
        return self.is_finished

    def status(self) -> PlaybackStats:
        """Return where the playback is and how well it keeps time."""
        with self._lock:
            schedule = self._schedule
            counted = {name: schedule.counted(name) for name in self.topics}
            state = self._state()
            position_ns, achieved = schedule.position_ns, schedule.achieved_rtf
            rtf, starved, rounds = schedule.rtf, schedule.starved, schedule.round
        # What takes long is not done while the playback waits for it.
        all_topics = summed(list(counted.values()))
        topics = {
            name: topic_playback(topic.schema.name, counted[name])
            for name, topic in self.topics.items()
        }
        return PlaybackStats(
            state=state,
            position_ns=position_ns,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            round=rounds,
            requested_rtf=rtf,
            achieved_rtf=achieved,
            count=all_topics.count,
            total=self.total,
            lateness_p50_s=all_topics.lateness_p50_s,
            lateness_p99_s=all_topics.lateness_p99_s,
            lateness_max_s=all_topics.lateness_max_s,
            late=all_topics.late,
            dropped=all_topics.dropped,
            starved=starved,
            topics=topics,
        )

    def _state(self) -> str:
        if self.is_finished:
            return 'finished'
        if self.is_paused:
            return 'paused'
        return 'playing' if self._schedule.is_begun else 'waiting'

    def step(self, **inputs: Any) -> dict[str, Any]:
        """Return the message that is due, by key, or nothing."""
        del inputs
        action = self.advance()
        if not isinstance(action, Publish):
            return {}
        message = action.message
        codec = codec_for(self.topics[message.key].schema)
        return {message.key: codec.decode(message.cdr)}

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """Return the message that is due, by key: the keys of the dataset are the ports."""
        return self.step(**inputs)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.close()
