"""Steer a playback: from any thread, at any moment."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from lk_dataset_ros.component import Component
from lk_dataset_ros.dataset.playback.actions import Action, Publish, PublishClock
from lk_dataset_ros.dataset.time import checked_ns, to_ns
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    import threading

    from lk_dataset_ros.dataset.playback.player import PlayThread
    from lk_dataset_ros.dataset.playback.schedule import Schedule
    from lk_dataset_ros.dataset.playback.timeline import Timeline
    from lk_dataset_ros.dataset.records import SerializedMessage


class Controls(Component):
    """What a playback does next, and what changes that; one thread at a time has the schedule."""

    _timeline: Timeline
    _schedule: Schedule
    _lock: threading.RLock
    _changed: threading.Condition
    #: What was found to be next and is still to be told.
    _held: Action | None
    #: Whether somebody waits for messages of a paused playback to be published.
    _is_stepping: bool
    _is_playing: bool
    _thread: PlayThread | None

    # Where it is.

    @property
    def start_ns(self) -> int:
        """Recorded time at which the playback begins."""
        return self._timeline.start_ns

    @property
    def end_ns(self) -> int:
        """Recorded time at which the playback ends."""
        return self._timeline.end_ns

    @property
    def position_ns(self) -> int:
        """Recorded time of the playback head."""
        with self._lock:
            return self._schedule.position_ns

    @property
    def achieved_rtf(self) -> float:
        """Recorded time per wall time, first to newest message, pauses left out."""
        with self._lock:
            return self._schedule.achieved_rtf

    @property
    def rtf(self) -> float:
        """The real-time factor asked for."""
        return self._schedule.rtf

    @property
    def is_paused(self) -> bool:
        """Whether the playback stands."""
        return self._schedule.is_paused

    @property
    def is_finished(self) -> bool:
        """Whether everything was published, or the playback was stopped."""
        with self._lock:
            return self._held is None and self._schedule.is_finished

    @property
    def is_playing(self) -> bool:
        """Whether `play` is running."""
        return self._is_playing

    def _wake(self) -> None:
        if self._thread is not None:
            self._thread.wake()

    # What is next.

    def advance(self) -> Action:
        """Return what is to be done now. The first call starts the clock.

        Raises:
            BagFormatError: If what is to be played cannot be read, or what else went wrong.
        """
        with self._lock:
            if self._held is not None:
                action, self._held = self._held, None
                return action
            if self._is_stepping and not self._schedule.credit:
                # Who asks for more has published what he got.
                self._end_stepping()
            return self._schedule.advance()

    def take_due(self, limit: int = 1000) -> list[SerializedMessage]:
        """Return messages that are due now, in order.

        Args:
            limit: How many at most.

        Returns:
            None of them if something else is next; `advance` tells it.
        """
        taken: list[SerializedMessage] = []
        with self._lock:
            while len(taken) < limit and self._held is None:
                action = self.advance()
                if isinstance(action, Publish):
                    taken.append(action.message)
                    continue
                if isinstance(action, PublishClock):
                    self._held = action
                break
        return taken

    def pause(self) -> None:
        """Stand until `resume`."""
        with self._lock:
            self._schedule.pause()
            self._wake()

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            self._schedule.resume()
            self._wake()

    def toggle(self) -> bool:
        """Pause or resume; return whether it is paused then."""
        with self._lock:
            (self.resume if self.is_paused else self.pause)()
            return self.is_paused

    def set_rate(self, rtf: float) -> None:
        """Change the real-time factor from now on.

        Raises:
            ComponentError: If it is negative or not finite, or another clock is followed.
        """
        with self._lock:
            if self.config.follow:
                raise ComponentError('the rate is that of the clock that is followed')
            self.config.rtf = _checked_rate(rtf)
            self._schedule.set_rate(self.config.rtf)
            self._wake()

    def seek(self, time_ns: int) -> None:
        """Go on from another recorded time; the last messages of latched topics come first.

        Raises:
            ComponentError: If it is not between `start_ns` and `end_ns`, the playback was
                stopped, or the clock that is followed says where it is.
        """
        with self._lock:
            self._timeline.check_position(checked_ns(time_ns))
            if self._schedule.is_stopped:
                raise ComponentError('the playback was stopped: it can only be played again')
            if self.config.follow == 'absolute':
                raise ComponentError('the position is that of the clock that is followed')
            self._held = None
            self._schedule.seek(time_ns)
            self._wake()

    def follow_clock(self, time_ns: int) -> None:
        """Take a tick of the clock that is followed, nanoseconds.

        What lies at or before it is due; between two ticks the playback stands. A tick that goes
        back is a jump: the playback goes on from there.

        Raises:
            ComponentError: If `follow` is not set.
        """
        with self._lock:
            if not self.config.follow:
                raise ComponentError("follow is ''; absolute and relative follow a clock")
            self._schedule.follow(checked_ns(time_ns))
            self._wake()

    def play_next(self) -> Publish | None:
        """Hand out the next message of a paused playback at once, and go on from there.

        While `play` is running it is published on its thread, before this returns.

        Returns:
            The message; None at the end.

        Raises:
            ComponentError: If the playback is not paused.
        """
        with self._lock:
            self._check_paused('the next message')
            if not self.is_playing:
                return self._schedule.take_next()
            self._step(1)
            return self._schedule.newest

    def burst(self, count: int = 0) -> int:
        """Have the next messages of a paused playback published by `play` at once.

        Args:
            count: How many; 0 is all.

        Returns:
            How many were published before the end, a stop or a resume.

        Raises:
            ComponentError: If the playback is not paused, or `play` is not running.
        """
        with self._lock:
            self._check_paused('a burst')
            if not self.is_playing:
                raise ComponentError('a burst needs somebody who publishes: call play first')
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise ComponentError(f'burst of {count!r} messages; it has to be 0 or more')
            return self._step(count or sys.maxsize)

    def _check_paused(self, what: str) -> None:
        if self._schedule.is_finished:
            return
        if not self.is_paused:
            raise ComponentError(f'{what} can be asked for while paused only; pause first')
        if self._thread is not None and self._thread.is_current:
            raise ComponentError(f'{what} cannot be waited for by what publishes')
        if self._is_stepping:
            raise ComponentError(f'{what} was asked for already')

    def _step(self, count: int) -> int:
        """Have messages published by the thread, and wait until they are."""
        self._schedule.newest = None
        before = sum(self._schedule.counts.values())
        self._schedule.credit = count
        self._is_stepping = True
        self._wake()
        while self._is_stepping:
            self._changed.wait()
        return sum(self._schedule.counts.values()) - before

    def _end_stepping(self) -> None:
        self._is_stepping = False
        self._schedule.credit = 0
        self._changed.notify_all()

    def stop(self) -> None:
        """End: `advance` returns Finished, and `play` returns."""
        with self._lock:
            self._schedule.is_stopped = True
            self._schedule.credit = 0
            self._held = None
            self._wake()

    def restart(
        self, start_offset_s: float = 0.0, duration_s: float = 0.0, until_ns: int = 0
    ) -> None:
        """Be ready to play again, or another part, with nothing counted; `play` plays it.

        Args:
            start_offset_s: Recorded time after the start of the bags to begin at.
            duration_s: How much is played; 0 is all.
            until_ns: Recorded time at which it ends; 0 is the end of the bags.

        Raises:
            ComponentError: If it has not finished, or nothing lies in there.
        """
        with self._lock:
            if not self.is_finished or self.is_playing:
                raise ComponentError('it is still played: stop it first')
            self._set_range(start_offset_s, duration_s, until_ns)
            self._schedule.is_paused = False
            self._schedule.begin()

    def _set_range(self, offset_s: float, duration_s: float, until_ns: int) -> None:
        for name, value in (('start_offset_s', offset_s), ('duration_s', duration_s)):
            if not (math.isfinite(value) and value >= 0.0):
                raise ComponentError(f'{name} is {value!r}; it has to be 0 or greater')
        if until_ns < 0:
            raise ComponentError(f'until_ns is {until_ns}; it has to be 0 or greater')
        self._timeline.set_range(to_ns(offset_s), to_ns(duration_s), until_ns)


def _checked_rate(rtf: float) -> float:
    if isinstance(rtf, bool) or not isinstance(rtf, (int, float)):
        raise ComponentError(f'rate is {rtf!r}; it has to be 0 or greater')
    if not (math.isfinite(rtf) and rtf >= 0.0):
        raise ComponentError(f'rate is {rtf!r}; it has to be 0 or greater')
    return float(rtf)
