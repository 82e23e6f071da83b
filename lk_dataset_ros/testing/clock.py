"""A clock that only moves when it is told to."""

from __future__ import annotations

from lk_dataset_ros.dataset.time import NS_PER_S, to_ns


class FakeClock:
    """Time in the test's hand; stands in for `time.time_ns` and `time.monotonic_ns`.

        clock = FakeClock()
        playback = DataPlayback(dataset, now_ns=clock)
        clock.advance(0.5)

    Args:
        now_ns: The time that it shows first, nanoseconds.
    """

    def __init__(self, now_ns: int = 5 * NS_PER_S) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        """Return the time, nanoseconds."""
        return self.now_ns

    def advance(self, seconds: float = 0.0, *, ns: int = 0) -> int:
        """Let time pass; return the new time in nanoseconds.

        Raises:
            ValueError: If time would run backwards.
        """
        step_ns = to_ns(seconds) + ns
        if step_ns < 0:
            raise ValueError(f'a clock cannot be advanced by {step_ns} ns; 0 and more can')
        self.now_ns += step_ns
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        """Let time pass instead of waiting; stands in for `time.sleep`."""
        self.advance(seconds)
