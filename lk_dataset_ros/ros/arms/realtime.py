"""Feed arms at the times of a recording, at any real-time factor, all beside each other."""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Final

from rclpy.duration import Duration

from lk_dataset_ros.dataset import Finished, Publish, PublishClock, Wait
from lk_dataset_ros.ros.arms.latencies import numbers_of
from lk_dataset_ros.ros.arms.wake import Wake
from lk_dataset_ros.ros.qos import DEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.dataset import DataPlayback
    from lk_dataset_ros.ros.arms.ends import Hearing
    from lk_dataset_ros.ros.arms.job import Job
    from lk_dataset_ros.ros.arms.station import Station

_PIECE_S: Final = 0.05
#: How long nothing has to come after the last input until nothing more is expected, s.
_QUIET_S: Final = 0.2


class Realtime:
    """Feeds all arms each input when it is due.

    Args:
        stations: The arms; they are ready.
        job: Limits.
        playback: Tells what is due.
        is_stopping: Tells whether to give up.
        on_step: Is called now and then.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        job: Job,
        playback: DataPlayback,
        *,
        is_stopping: Callable[[], bool],
        on_step: Callable[[], None],
    ) -> None:
        self._stations = stations
        self._job = job
        self._playback = playback
        self._is_stopping = is_stopping
        self._on_step = on_step
        self._wake = Wake(stations)
        self._begun_ns = 0
        self._start_ns = playback.start_ns
        #: Messages known to be acknowledged, by arm and topic.
        self._acknowledged: dict[tuple[str, str], int] = {}

    def run(self) -> None:
        """Feed all, until the recording ends."""
        for each in self._stations:
            each.place = self._place
        self._begun_ns = time.time_ns()
        live = self._live()
        advance = self._playback.advance
        while live and not self._is_stopping():
            match advance():
                case Publish(message):
                    time_ns = max(message.log_time_ns, self._start_ns)
                    for each in live:
                        each.feeds[message.key].publish(message.cdr, time_ns)
                        each.feeds[message.key].note()
                        self._guard_history(each, message.key)
                    live.reverse()
                case PublishClock(time_ns):
                    for each in live:
                        each.send_clock(time_ns)
                case Wait(ns):
                    live = self._listen(live, ns)
                case Finished():
                    break
        for each in live:
            self._see_through(each)
        self._wake.close()

    def _live(self) -> list[Station]:
        return [each for each in self._stations if not each.is_through]

    def _listen(self, live: list[Station], ns: int) -> list[Station]:
        self._wake.wait(live, min(ns * 1e-9, _PIECE_S))
        for each in live:
            each.take()
            each.write_old()
            each.check()
        self._on_step()
        return [each for each in live if not each.is_through]

    def _place(self, hearing: Hearing, cdr: bytes, came_ns: int) -> tuple[int, int]:
        """Return where on the recording's line of time an output came."""
        del cdr
        hearing.owed.received += 1
        since_ns = max(came_ns - self._begun_ns, 0)
        return self._start_ns + round(since_ns * self._job.rtf), -1

    def _guard_history(self, station: Station, topic: str) -> None:
        """Notice when messages would leave the publisher's history unacknowledged."""
        feed, key = station.feeds[topic], (station.label, topic)
        ahead = feed.count - self._acknowledged.get(key, 0)
        if ahead < DEEP // 2:
            return
        if feed.publisher.wait_for_all_acked(Duration()):
            self._acknowledged[key] = feed.count
        elif ahead >= DEEP:
            station.unconfirmed.add(topic)

    def _see_through(self, station: Station) -> None:
        """Take the answers that are still on their way."""
        job = self._job
        last_s = time.monotonic()
        while not station.is_through and not self._is_stopping():
            self._wake.wait([station], _PIECE_S)
            now_s = time.monotonic()
            if station.take():
                last_s = now_s
            station.check()
            limit_s = _QUIET_S if self._is_complete(station) else job.answer_s
            if now_s - last_s > limit_s:
                break
        station.finish()
        if not station.problem and not station.is_confirmed(job.answer_s):
            station.unconfirmed.update(
                topic for topic, feed in station.feeds.items() if feed.is_heard
            )
        self._pair(station)

    def _is_complete(self, station: Station) -> bool:
        return all(
            station.answers.owed[each.topic].received
            >= each.least * station.feeds[each.answers].count
            for each in self._job.outputs
        )

    def _pair(self, station: Station) -> None:
        """Find out what answers what; count what is missing."""
        asked = {each.topic: each for each in self._job.outputs}
        for hearing in station.hearings:
            output = asked[hearing.topic]
            feed = station.feeds[output.answers]
            numbers = numbers_of(feed, hearing, output.least, output.most)
            hearing.numbers = array('q', numbers.tolist())
            hearing.owed.unanswered = max(output.least * feed.count - hearing.owed.received, 0)
