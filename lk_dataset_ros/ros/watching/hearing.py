"""How topics are: rate, age of stamps, silence, losses. What the node diagnostics is made of."""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.component import (
    Component,
    Diagnostics,
    Frequency,
    Health,
    Level,
    StampAge,
    option,
)
from lk_dataset_ros.component.health import gravest
from lk_dataset_ros.dataset.recording.losses import Sequences
from lk_dataset_ros.message import codec_for
from lk_dataset_ros.ros.watching.expected import Expected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.dataset import Arrivals
    from lk_dataset_ros.message import Schema

_HEADER: Final = 'std_msgs/msg/Header'
#: Where a message that begins with a header has its stamp: seconds, nanoseconds; by endianness.
_STAMPS: Final = {0: struct.Struct('>4xiI'), 1: struct.Struct('<4xiI')}
_NS_PER_S: Final = 1_000_000_000


class Topics(Component):
    """Watches topics; takes what an intake hands to a recorder, and keeps nothing of it.

    Args:
        expected: What is expected, by topic; others that are added are only described.
        now_ns: The clock of rates and silence; handed in by tests.
    """

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of the watching."""

        rate_tolerance: float = option(
            0.1, 'how far a rate may lie outside, as a part of it', minimum=0.0, maximum=10.0
        )
        window_s: float = option(5.0, 'what a rate is taken over, s', minimum=0.1, maximum=3600.0)
        silent_s: float = option(
            3.0,
            'a named topic that says nothing for so long is stale',
            minimum=0.01,
            maximum=86400.0,
        )
        minimum_age_s: float = option(
            -0.5,
            'least age of a stamp when it arrives; below 0 lies in the future',
            minimum=-86400.0,
            maximum=86400.0,
        )
        maximum_age_s: float = option(
            5.0, 'largest age of a stamp when it arrives', minimum=-86400.0, maximum=1e9
        )

    def __init__(
        self,
        expected: Mapping[str, Expected],
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._expected = expected
        self._now_ns = now_ns
        # Without a name of its own: each topic's status is called by the topic.
        self._dx = Diagnostics(monotonic_ns=now_ns)
        self._lock = threading.Lock()
        self._topics: dict[str, _Topic] = {}
        self.count = 0
        for each in expected.values():
            self._watch(each)

    def _watch(self, expected: Expected) -> None:
        topic = self._topics[expected.topic] = _Topic(expected, self.config, self._lock)
        self.dx.add_task(expected.topic, topic.health)

    def add_input(self, name: str, schema: Schema, qos: str = '') -> None:
        """Take a topic from now on; it may come back with another type."""
        del qos
        with self._lock:
            if name not in self._topics:
                self._watch(Expected(name, is_named=False))
            self._topics[name].describe(schema)

    def take(self, arrivals: Arrivals) -> None:
        """Take messages as they came from a middleware."""
        if len(arrivals):
            with self._lock:
                self._topics[arrivals.key].take(arrivals, self._now_ns())
                self.count += len(arrivals)

    def note_publishers(self, name: str, count: int, trouble: str = '') -> None:
        """Say how many publish a topic, and why not all of it is heard."""
        with self._lock:
            if topic := self._topics.get(name):
                topic.publishers, topic.trouble = count, trouble

    def note_unknown(self, name: str, why: str) -> None:
        """Say why not all losses of a topic can be known."""
        self._topics[name].unknown = why

    def note_reported_lost(self, name: str, count: int) -> None:
        """Do nothing: the numbers of the messages tell of the same."""

    def received(self, name: str) -> int:
        """Return how many messages of a topic have come."""
        return self._topics[name].rate.count


class _Topic:
    """One topic.

    Args:
        expected: What is expected of it.
        config: Settings.
        lock: Held while it is looked at: messages come from another thread.
    """

    def __init__(self, expected: Expected, config: Topics.Config, lock: threading.Lock) -> None:
        self._expected = expected
        self._lock = lock
        self._silent_ns = round(config.silent_s * _NS_PER_S)
        # A slow topic needs a window with some messages in it.
        least_hz = expected.minimum_hz * (1.0 - min(config.rate_tolerance, 0.9))
        self.rate = Frequency(
            expected.minimum_hz,
            expected.maximum_hz,
            tolerance=config.rate_tolerance,
            window_s=max(config.window_s, 5.0 / least_hz if least_hz else 0.0),
        )
        self._age = StampAge(config.minimum_age_s, config.maximum_age_s)
        self._sequences = Sequences()
        self._told_lost = 0
        self._last_ns: int | None = None
        self._bytes = 0
        self._has_stamp = False
        self.type_name = ''
        self.publishers = 0
        self.trouble = self.unknown = ''

    def describe(self, schema: Schema) -> None:
        """Take note of the type."""
        self.type_name = schema.name
        first = next(iter(codec_for(schema).fields.values()), None)
        self._has_stamp = first is not None and first[1] == _HEADER

    def take(self, arrivals: Arrivals, now_ns: int) -> None:
        """Take messages."""
        self._sequences.take(arrivals)
        self.rate.tick(now_ns, len(arrivals))
        self._last_ns = now_ns
        self._bytes += arrivals.size
        if self._has_stamp:
            self._take_stamps(arrivals)

    def _take_stamps(self, arrivals: Arrivals) -> None:
        buffer, tick = arrivals.batch.buffer, self._age.tick
        for start, length, came_ns in zip(
            arrivals.batch.start.tolist(),
            arrivals.batch.length.tolist(),
            arrivals.log_time_ns.tolist(),
            strict=True,
        ):
            if length >= 12:
                sec, nanosec = _STAMPS[int(buffer[start + 1]) & 1].unpack_from(buffer, start)
                tick(sec * _NS_PER_S + nanosec, came_ns)

    def health(self, now_ns: int) -> Health:
        """Judge what came since the last time."""
        with self._lock:
            found = [self._silence(now_ns), self._losses()]
            rate, age = self.rate(now_ns), self._age(now_ns)
            if found[0].level == Level.OK:
                # A named topic that is silent says so already; of the others nothing is demanded.
                found += [rate] if rate.level != Level.STALE else []
                found += [age] if self._has_stamp else []
            if self.trouble:
                found.append(Health(Level.ERROR, self.trouble))
            level = gravest(each.level for each in found)
            said = [each.message for each in found if each.level != Level.OK]
            values = {
                'type': self.type_name,
                'publishers': self.publishers,
                **rate.values,
                'bytes': self._bytes,
                'lost': self._sequences.lost,
            }
            if self._last_ns is not None:
                values['silent_s'] = max(now_ns - self._last_ns, 0) / _NS_PER_S
            if self._has_stamp:
                values |= {f'age_{name}': value for name, value in age.values.items()}
            if self.unknown:
                values['unknown'] = self.unknown
        return Health(level, '; '.join(said) or rate.message, values)

    def _silence(self, now_ns: int) -> Health:
        if not self._expected.is_named:
            return Health()
        if self._last_ns is None:
            who = '' if self.publishers else ': nobody publishes it'
            return Health(Level.STALE, f'nothing has come yet{who}')
        silent_ns = now_ns - self._last_ns
        if silent_ns <= self._silent_ns:
            return Health()
        who = '' if self.publishers else ', nobody publishes it'
        return Health(Level.STALE, f'nothing for {silent_ns / _NS_PER_S:.1f} s{who}')

    def _losses(self) -> Health:
        lost = self._sequences.lost
        # A message that comes late is not lost any more.
        new, self._told_lost = lost - self._told_lost, lost
        return Health(Level.WARN, f'{new} messages lost') if new > 0 else Health()
