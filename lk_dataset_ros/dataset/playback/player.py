"""Play on a thread, on time: sleep, then watch the clock for the last moment."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset.playback.actions import Finished, Publish, PublishClock, Wait
from lk_dataset_ros.dataset.threads import ask_for_priority, prompt_switching

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset.playback.actions import Action
    from lk_dataset_ros.dataset.records import SerializedMessage

#: Bounds of the time before the moment that counts that is spent awake, ns.
LEAST_SPIN_NS: Final = 100_000
MOST_SPIN_NS: Final = 500_000
#: What it becomes longer by after a sleep that ended too late, and shorter by after another one,
#: ns: one of 200 ends too late where it stays as it is.
_LONGER_NS: Final = 100_000
_SHORTER_NS: Final = 500
#: Longest sleep of a sleeper that cannot be woken, s.
LONGEST_SLEEP_S: Final = 0.01


class Margin:
    """How long before the moment that counts a sleep has to end, as sleeps end late.

    On a quiet machine that is 0.1 ms; a virtual one can need several times that.

    Attributes:
        ns: So long.
    """

    def __init__(self) -> None:
        self.ns = LEAST_SPIN_NS

    def learn(self, late_ns: int) -> None:
        """Take note of how late a sleep ended."""
        if late_ns > self.ns:
            self.ns = min(self.ns + _LONGER_NS, MOST_SPIN_NS)
        else:
            self.ns = max(self.ns - _SHORTER_NS, LEAST_SPIN_NS)


class PlayThread:
    """Does what an engine says, until it has finished.

    Args:
        advance: Tells what is next.
        publish: Takes messages.
        on_clock: Takes the time for `/clock`.
        now_ns: The wall clock.
        sleep: Sleeps instead of the thread's own waiting, which ends early when `wake` is called.
        at_start: Called on the thread before the first message.
        at_end: Called on the thread when it is over.

    Attributes:
        error: What ended the playback before its end, or None.
    """

    def __init__(
        self,
        advance: Callable[[], Action],
        publish: Callable[[SerializedMessage], Any],
        *,
        on_clock: Callable[[int], Any] | None,
        now_ns: Callable[[], int],
        sleep: Callable[[float], Any] | None,
        at_start: Callable[[], None],
        at_end: Callable[[], None],
    ) -> None:
        self._advance = advance
        self._publish = publish
        self._on_clock = on_clock
        self._now_ns = now_ns
        self._sleep = sleep
        self._at_start = at_start
        self._at_end = at_end
        self._woken = threading.Event()
        self._margin = Margin()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name='lk playback', daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller is what plays."""
        return threading.current_thread() is self._thread

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; return whether it has come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wake(self) -> None:
        """Ask the engine again at once: something has changed."""
        self._woken.set()

    def _run(self) -> None:
        try:
            ask_for_priority()
            with prompt_switching():
                self._at_start()
                self._play()
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            self.error = error
        finally:
            self._at_end()

    def _play(self) -> None:
        advance, publish = self._advance, self._publish
        while True:
            action = advance()
            if isinstance(action, Publish):
                publish(action.message)
            elif isinstance(action, Wait):
                self._wait(action.ns)
            elif isinstance(action, PublishClock):
                if self._on_clock is not None:
                    self._on_clock(action.time_ns)
            elif isinstance(action, Finished):
                return

    def _wait(self, wait_ns: int) -> None:
        now_ns = self._now_ns
        if self._sleep is not None:
            self._sleep(min(wait_ns * 1e-9, LONGEST_SLEEP_S))
            return
        begin_ns = now_ns()
        due_ns = begin_ns + wait_ns
        sleep_ns = wait_ns - self._margin.ns
        if sleep_ns > 0:
            if self._woken.wait(sleep_ns * 1e-9):
                self._woken.clear()
                return
            self._margin.learn(now_ns() - begin_ns - sleep_ns)
        while now_ns() < due_ns:
            pass


class Progress:
    """Tells how far a playback is, now and then, on a thread of its own.

    Args:
        tell: What is called.
        period_s: How often.
    """

    def __init__(self, tell: Callable[[], Any], period_s: float = 0.2) -> None:
        self._tell = tell
        self._period_s = period_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name='lk progress', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell a last time, and end."""
        self._is_over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._tell()

    def _run(self) -> None:
        while not self._is_over.wait(self._period_s):
            self._tell()


def print_progress(position_s: float, duration_s: float, rate: str, *, is_last: bool) -> None:
    """Write a line over the last one, to the standard error."""
    share = 1.0 if duration_s <= 0.0 else min(max(position_s / duration_s, 0.0), 1.0)
    bar = '#' * round(30 * share)
    sys.stderr.write(
        f'\r[{bar:<30}] {position_s:.1f} of {duration_s:.1f} s, RTF {rate}   ' + '\n' * is_last
    )
    sys.stderr.flush()
