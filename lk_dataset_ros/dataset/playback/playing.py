"""Play on a thread, and read ahead on another."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.playback.controls import Controls
from lk_dataset_ros.dataset.playback.player import PlayThread, Progress, print_progress
from lk_dataset_ros.dataset.playback.read_ahead import ReadAhead
from lk_dataset_ros.dataset.playback.timeline import size_of
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lk_dataset_ros.dataset.playback.stats import PlaybackStats
    from lk_dataset_ros.dataset.playback.timeline import Entry
    from lk_dataset_ros.dataset.records import SerializedMessage

    Publisher = Callable[[SerializedMessage], Any]
    ProgressOption = Callable[[PlaybackStats], Any] | bool | None

#: Part of the read-ahead that is filled before the first message, and longest wait for it, s:
#: what is read meanwhile disturbs the first messages.
_FILLED, _FILL_LIMIT_S = 0.9, 0.5


class Playing(Controls):
    """A playback that publishes by itself.

    Attributes:
        error: What ended `play` before its end, or None.
    """

    error: BaseException | None
    _now_ns: Callable[[], int]
    _publish: Publisher | None
    _ahead: ReadAhead[Entry] | None

    def status(self) -> PlaybackStats:
        """Return where the playback is and how well it keeps time."""
        raise NotImplementedError

    def set_rate(self, rtf: float) -> None:
        """Change the real-time factor from now on.

        Raises:
            ComponentError: If it is negative or not finite, or another clock is followed.
        """
        super().set_rate(rtf)
        with self._lock:
            self._set_rests()

    def play(
        self,
        publish: Publisher | None = None,
        *,
        blocking: bool = True,
        progress: ProgressOption = None,
        on_clock: Callable[[int], Any] | None = None,
        on_end: Callable[[], Any] | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> PlaybackStats:
        """Play on a thread of its own, which publishes and sleeps.

        Args:
            publish: Called with each message when it is due.
            blocking: Return at the end; else at once, and `wait` waits.
            progress: Called with a `PlaybackStats` five times per second; True prints a line.
            on_clock: Called with the recorded time, ns, where it is to be published.
            on_end: Called on the thread when it is over, whatever ended it.
            sleep: Used instead of waiting on the thread, such as by tests.

        Returns:
            What was played, where `blocking`.

        Raises:
            ComponentError: If it is being played, or there is nothing to publish with.
            Exception: What `publish` raised; then the playback is stopped.
        """
        publish = publish or self._publish
        if publish is None:
            raise ComponentError('play needs what publishes: play(print), for example')
        with self._lock:
            if self.is_playing:
                raise ComponentError('it is being played already')
            self.error = None
            tell = self._tell_of(progress)
            report = None if tell is None else Progress(tell)
            self._thread = PlayThread(
                self.advance,
                publish,
                on_clock=on_clock,
                now_ns=self._now_ns,
                sleep=sleep,
                at_start=self._fill,
                at_end=lambda: self._at_end(report, on_end),
            )
            self._is_playing = True
            if self.config.read_ahead_bytes and not self.is_finished:
                self._schedule.wrap(self._ahead_of)
            self._thread.start()
        if blocking:
            try:
                self.wait()
            except KeyboardInterrupt:
                self.close()
                raise
        return self.status()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of `play`.

        Returns:
            Whether it has come.

        Raises:
            Exception: What ended the playback before its end.
        """
        thread = self._thread
        if thread is not None and not thread.join(timeout_s):
            return False
        error, self.error = self.error, None
        if error is not None:
            raise error
        return True

    def close(self) -> None:
        """Stop, and end the threads; closing twice is no error."""
        self.stop()
        if self._thread is not None and not self._thread.is_current:
            self._thread.join()
        with self._lock:
            self._close_ahead()

    def _at_end(self, report: Progress | None, on_end: Callable[[], Any] | None) -> None:
        with self._lock:
            self._is_playing = False
            self._close_ahead()
            thread = self._thread
            if thread is not None and thread.error is not None:
                self.error = thread.error
                self._schedule.is_stopped = True
            self._end_stepping()
        if report is not None:
            report.close()
        if on_end is not None:
            on_end()

    def _tell_of(self, progress: ProgressOption) -> Callable[[], Any] | None:
        if callable(progress):
            return lambda: progress(self.status())
        return self._print_progress if progress else None

    def _print_progress(self) -> None:
        start_ns, end_ns, position_ns = self.start_ns, self.end_ns, self.position_ns
        print_progress(
            (position_ns - start_ns) / NS_PER_S,
            (end_ns - start_ns) / NS_PER_S,
            f'{self.achieved_rtf:.3g}',
            is_last=self.is_finished,
        )

    def _read(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Read entries ahead while a thread plays, else when they are asked for."""
        was_ahead = self._ahead is not None
        self._close_ahead()
        return self._ahead_of(entries) if was_ahead else entries

    def _ahead_of(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        self._ahead = ReadAhead(entries, size_of, self.config.read_ahead_bytes)
        self._set_rests()
        return chain.from_iterable(self._ahead)

    def _fill(self) -> None:
        """Wait until something was read ahead: the first messages should be in time, too."""
        ahead = self._ahead
        if ahead is not None:
            ahead.wait_until_filled(_FILLED, _FILL_LIMIT_S)

    def _set_rests(self) -> None:
        if self._ahead is not None:
            self._ahead.may_rest = self.config.rtf > 0.0

    def _close_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()
