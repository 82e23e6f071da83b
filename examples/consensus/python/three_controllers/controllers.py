"""A controller of the speed: the original, one that was written anew, and one that drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lk_dataset_ros import Component, Config, Input, Output, option


@dataclass(kw_only=True)
class ControllerConfig(Config):
    """Settings that all three share."""

    speed: float = option(1.0, 'wanted, m/s', minimum=0.0, maximum=10.0)
    kp: float = option(0.8, 'proportional gain', minimum=0.0, maximum=100.0)
    ki: float = option(0.5, 'integral gain, 1/s', minimum=0.0, maximum=100.0)


class Controller(Component):
    """What the three have in common: ports, stamps, standing still."""

    Config = ControllerConfig

    odom = Input('nav_msgs/msg/Odometry', description='measured velocity')
    cmd = Output('geometry_msgs/msg/TwistStamped', description='stamp and frame of the input')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._stamp_ns: int | None = None
        self.begin()

    def begin(self) -> None:
        """Begin anew, as after standing still."""
        raise NotImplementedError

    def control(self, error: float, dt: float) -> float:
        """Return the speed to ask for.

        Args:
            error: Wanted less measured speed, m/s.
            dt: Since the last time, s; 0 at first.
        """
        raise NotImplementedError

    def step(self, odom: Any) -> dict[str, Any]:
        """Answer one measurement."""
        stamp = odom.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        before, self._stamp_ns = self._stamp_ns, stamp_ns
        dt = 0.0 if before is None else max((stamp_ns - before) * 1e-9, 0.0)
        measured = odom.twist.twist.linear.x
        cmd = self.new('cmd')
        cmd.header = odom.header
        if measured == 0.0:
            self.begin()
        else:
            cmd.twist.linear.x = self.control(self.config.speed - measured, dt)
        return {'cmd': cmd}


class Original(Controller):
    """Add up the error."""

    def begin(self) -> None:
        """Forget the sum."""
        self._sum = 0.0

    def control(self, error: float, dt: float) -> float:
        """Answer with a part of the error and a part of its sum."""
        self._sum += error * dt
        return float(self.config.kp * error + self.config.ki * self._sum)


class Rewritten(Controller):
    """Change the last answer: the same but for rounding."""

    def begin(self) -> None:
        """Forget the last answer."""
        self._answer = self._error = 0.0

    def control(self, error: float, dt: float) -> float:
        """Answer with the last answer and what has changed."""
        change = self.config.kp * (error - self._error) + self.config.ki * error * dt
        self._answer, self._error = self._answer + change, error
        return float(self._answer)


class Drifting(Rewritten):
    """Take it for granted that measurements come with 100 Hz, which they do not."""

    def control(self, error: float, dt: float) -> float:
        """Answer as if 10 ms had passed."""
        return super().control(error, 0.01 if dt else 0.0)
