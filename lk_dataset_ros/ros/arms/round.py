"""One round of an experiment: the arms are started, brought to readiness, fed, ended, reported."""

from __future__ import annotations

import gc
import math
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.dataset.time import to_ns
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros.arms.latencies import achieved_rtf, latencies_s
from lk_dataset_ros.ros.arms.lockstep import Lockstep
from lk_dataset_ros.ros.arms.preparing import Preparation
from lk_dataset_ros.ros.arms.realtime import Realtime
from lk_dataset_ros.ros.arms.sources import Loop, playback_of, played
from lk_dataset_ros.ros.arms.station import Station

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.ros.arms.job import Job

POLL_S: Final = 0.005
_PROGRESS_PERIOD_S: Final = 0.1
#: What was recorded longer ago is in the bag, also if we are killed, s.
_FLUSH_PERIOD_S: Final = 1.0


class Round:
    """Runs all arms of a round, beside each other.

    Args:
        job: What to do.
        report: Takes events: what, and values.
        is_stopping: Tells whether to give up.
    """

    def __init__(
        self, job: Job, report: Callable[..., None], is_stopping: Callable[[], bool]
    ) -> None:
        self._job = job
        self._report = report
        self._is_stopping = is_stopping
        self._next_report_s = self._next_flush_s = 0.0
        self._total = 0
        self._stations: list[Station] = []
        self._loops: list[Loop] = []
        self._playback = None if job.world else playback_of(job)

    def run(self) -> None:
        """Do all of it; whatever an arm does is reported."""
        job = self._job
        try:
            outputs = job.outputs
            if job.world is not None:
                self._loops = [Loop(job.world, job.topics) for _ in job.arms]
                outputs = self._loops[0].outputs(job.outputs)
            self._outputs = outputs
            for number, arm in enumerate(job.arms):
                self._stations.append(Station(arm, outputs, is_first=not number))
            self._start()
            self._prepare()
            self._feed()
        finally:
            self._close()

    def _start(self) -> None:
        for station in self._stations:
            try:
                station.start()
            except OSError as error:
                station.fail(f'cannot be started: {error}')

    def _prepare(self) -> None:
        """Bring all arms to readiness, beside each other."""
        going = {}
        for index, each in enumerate(self._stations):
            topics = self._loops[index].topics() if self._loops else self._playback.topics
            going[each.label] = (each, Preparation(each, self._job, self._outputs, topics).run())
        while going and not self._is_stopping():
            for label, (station, course) in list(going.items()):
                station.check()
                try:
                    if not station.is_through:
                        next(course)
                        continue
                except StopIteration:
                    station.process.is_ready()
                except LkError as error:
                    station.fail(str(error))
                del going[label]
            time.sleep(POLL_S)

    def _feed(self) -> None:
        live = [each for each in self._stations if not each.is_through]
        if not live or self._is_stopping():
            return
        for each in live:
            each.process.begin()
        self._report('started')
        gc.collect()
        gc.freeze()
        job, playback = self._job, self._playback
        if playback is None:
            self._feed_from_worlds(live)
        elif job.rtf:
            self._total = _total(playback)
            Realtime(
                live, job, playback, is_stopping=self._is_stopping, on_step=self._on_step
            ).run()
        else:
            self._total = _total(playback)
            streams = tee(played(playback), len(live))
            sources = {each.label: stream for each, stream in zip(live, streams, strict=True)}
            self._lockstep(live).run(sources)

    def _lockstep(self, live: list[Station]) -> Lockstep:
        return Lockstep(
            live,
            self._job,
            self._outputs,
            is_stopping=self._is_stopping,
            on_step=self._on_step,
        )

    def _feed_from_worlds(self, live: list[Station]) -> None:
        loops = dict(zip((each.label for each in self._stations), self._loops, strict=True))
        for each in live:
            loops[each.label].join(each)
        self._total = 0
        self._lockstep(live).run({each.label: loops[each.label].items(each) for each in live})

    def _on_step(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_report_s:
            return
        self._next_report_s = now_s + _PROGRESS_PERIOD_S
        for each in self._stations:
            sent = sum(feed.count for feed in each.feeds.values())
            self._report('advance', label=each.label, sent=sent, total=max(self._total, sent))
            each.check()
        if now_s >= self._next_flush_s:
            self._next_flush_s = now_s + _FLUSH_PERIOD_S
            for each in self._stations:
                each.write()
                each.bag.flush()

    def _close(self) -> None:
        if self._is_stopping():
            for each in self._stations:
                each.fail('it was stopped before its end')
        with ThreadPoolExecutor() as pool:
            for each in self._stations:
                if each.process is not None:
                    pool.submit(each.process.end)
        for each in self._stations:
            if each.process is not None:
                each.problem = each.problem or each.process.ending
            try:
                each.close()
            except (LkError, OSError) as error:
                each.problem = each.problem or f'its outputs could not be kept: {error}'
            self._report('arm', **self._result(each))

    def _result(self, station: Station) -> dict[str, Any]:
        owed, process = station.answers.owed, station.process
        latencies = latencies_s(
            station.feeds,
            [(_answered(self._outputs, each.topic), each) for each in station.hearings],
            to_ns(self._job.warm_up_s),
        )
        # Many numbers are no matter of a line.
        file = Path(station.log).with_suffix('.latencies.npy')
        np.save(file, latencies)
        return {
            'label': station.label,
            'problem': station.problem,
            'sent': {topic: feed.count for topic, feed in station.feeds.items()},
            'hashes': {topic: feed.hash for topic, feed in station.feeds.items()},
            'unconfirmed': sorted(station.all_unconfirmed(lockstep=not self._job.rtf)),
            'received': {
                **{each.topic: each.owed.received for each in station.hearings},
                **station.sensed,
            },
            'unanswered': {t: each.unanswered for t, each in owed.items() if each.unanswered},
            'late': {t: each.late for t, each in owed.items() if each.late},
            'surplus': {t: each.surplus for t, each in owed.items() if each.surplus},
            'achieved_rtf': achieved_rtf(station.feeds),
            'cpu_s': process.cpu_s if process else math.nan,
            'wall_s': process.wall_s if process else math.nan,
            'start_up_s': process.start_up_s if process else math.nan,
            'peak_bytes': process.peak_bytes if process else math.nan,
            'outcome': station.outcome,
        }


def _answered(outputs: list[Any], topic: str) -> str:
    return next(each.answers for each in outputs if each.topic == topic)


def _total(playback: Any) -> int:
    if playback.config.start_offset_s or playback.config.duration_s:
        return 0
    return int(playback.total)
