"""The engine of the playback: decides what is due; somebody else publishes and sleeps."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component import Component, option
from lk_dataset_ros.dataset.clock import PlayerClock
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.records import SerializedMessage, Topic

#: How long a host may sleep while the playback is paused, nanoseconds.
PAUSED_WAIT_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Publish:
    """A message is due."""

    message: SerializedMessage


@dataclass(frozen=True, slots=True)
class PublishClock:
    """The time of the playback is to be published on `/clock`."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due for a while, nanoseconds of wall time."""

    ns: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything was published."""


Action = Publish | PublishClock | Wait | Finished


class DataPlayback(Component):
    """Play a dataset at a real-time factor.

    `advance()` never blocks: it returns what to do next. Nothing is ever left out: a playback
    that is late publishes at once what is due, in order.

    Args:
        dataset: What is played.
        now_ns: The wall clock, monotonic; handed in by tests.

    Raises:
        KeyNotFoundError: If a topic is not in the dataset.
    """

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of a playback."""

        rtf: float = option(
            1.0,
            'real-time factor: recorded time per wall time; 0 is as fast as what is played is taken',
            minimum=0.0,
            maximum=1e6,
        )
        topics: list[str] = option([], 'topics to play; all when empty')  # noqa: RUF009
        clock_hz: float = option(
            0.0,
            'how often the time is published on /clock, per second of wall time; 0 is never. '
            'At RTF 0 it is published with every message',
            minimum=0.0,
            maximum=10_000.0,
        )
        start_paused: bool = option(False, 'wait for resume before the first message')

    def __init__(
        self, dataset: Dataset, *, now_ns: Callable[[], int] = time.monotonic_ns, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self._now_ns = now_ns
        # An empty list cannot be written in a launch file: [''] stands for it.
        chosen = [topic for topic in self.config.topics if topic] or dataset.keys()
        self.topics: dict[str, Topic] = {key: dataset.topic(key) for key in chosen}
        self._messages = dataset.iterate_serialized(list(self.topics))
        self._next: SerializedMessage | None = next(self._messages, None)
        self.start_ns = self._next.log_time_ns if self._next else 0
        self._last_ns = self.start_ns
        self._last_active_ns = 0
        self._clock: PlayerClock | None = None
        self._clock_stamp_ns: int | None = None
        self._next_tick_ns = 0
        self._paused: bool = self.config.start_paused
        self.counts = dict.fromkeys(self.topics, 0)
        self.finished = self._next is None

    @property
    def total(self) -> int:
        """Number of messages that will be published."""
        return sum(topic.count for topic in self.topics.values())

    @property
    def end_ns(self) -> int:
        """Log time of the last message of the dataset."""
        span = self.dataset.time_range_ns()
        return span[1] if span else self.start_ns

    @property
    def rtf(self) -> float:
        """The real-time factor asked for."""
        rtf: float = self.config.rtf
        return rtf

    @property
    def is_paused(self) -> bool:
        """Whether the playback stands."""
        return self._paused

    @property
    def is_finished(self) -> bool:
        """Whether everything was published."""
        return self._next is None

    @property
    def position_ns(self) -> int:
        """Recorded time of the playback head."""
        if self._clock is None or self.rtf == 0.0 or self.is_finished:
            return self._last_ns
        return self._clock.position_ns()

    @property
    def achieved_rtf(self) -> float:
        """Recorded time per wall time, first to newest message, pauses left out."""
        if not self._last_active_ns:
            return math.nan
        return (self._last_ns - self.start_ns) / self._last_active_ns

    def pause(self) -> None:
        """Stand until `resume`."""
        self._paused = True
        if self._clock is not None:
            self._clock.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if self._clock is not None:
            self._clock.resume()

    def set_rate(self, rtf: float) -> None:
        """Change the real-time factor from now on.

        Raises:
            ComponentError: If it is negative or not finite.
        """
        if not (math.isfinite(rtf) and rtf >= 0.0):
            raise ComponentError(f'rate is {rtf!r}; it has to be 0 or greater')
        if self._clock is not None:
            if self.rtf == 0.0:
                self._clock = self._new_clock(self._last_ns, rtf, self._clock.active_ns())
            elif rtf > 0.0:
                self._clock.set_rate(rtf)
        self.config.rtf = rtf

    def advance(self) -> Action:
        """Return what is to be done now. The first call starts the clock."""
        if self._clock is None:
            self._clock = self._new_clock(self.start_ns, self.rtf)
            self._next_tick_ns = self._now_ns()
        if self._next is None:
            return Finished()
        if self.rtf == 0.0:
            return self._advance_unpaced(self._next)
        now_ns = self._now_ns()
        if self.config.clock_hz and now_ns >= self._next_tick_ns:
            period_ns = round(NS_PER_S / self.config.clock_hz)
            # Ticks that were missed are left out: a burst of old times helps nobody.
            self._next_tick_ns += period_ns * ((now_ns - self._next_tick_ns) // period_ns + 1)
            return PublishClock(self.position_ns)
        wait_ns = self._clock.wall_until_ns(self._next.log_time_ns)
        if wait_ns is None:
            wait_ns = PAUSED_WAIT_NS
        elif wait_ns <= 0:
            return self._take()
        if self.config.clock_hz:
            wait_ns = min(wait_ns, max(self._next_tick_ns - now_ns, 0))
        return Wait(wait_ns)

    def _advance_unpaced(self, message: SerializedMessage) -> Action:
        if self._paused:
            return Wait(PAUSED_WAIT_NS)
        if self.config.clock_hz and self._clock_stamp_ns != message.log_time_ns:
            self._clock_stamp_ns = message.log_time_ns
            return PublishClock(message.log_time_ns)
        return self._take()

    def _take(self) -> Publish:
        message = self._next
        assert message is not None
        self._next = next(self._messages, None)
        self._last_ns = message.log_time_ns
        assert self._clock is not None
        self._last_active_ns = self._clock.active_ns()
        self.counts[message.key] += 1
        self.finished = self._next is None
        return Publish(message)

    def _new_clock(self, start_ns: int, rtf: float, active_ns: int = 0) -> PlayerClock:
        clock = PlayerClock(start_ns, rtf or 1.0, self._now_ns, active_ns)
        if self._paused:
            clock.pause()
        return clock

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
