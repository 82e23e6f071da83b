"""What the robot measures: lidar, IMU and wheel odometry, each with noise of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.message import message_class
from lk_dataset_ros.world.diff_drive.model import (
    LIDAR_Z_M,
    SEEN_GROUP,
    WHEEL_RADIUS_M,
    WHEEL_SEPARATION_M,
)

if TYPE_CHECKING:
    from lk_dataset_ros.world.simulation import Simulation

#: Ticks of an encoder per turn of its wheel.
_ENCODER_TICKS: Final = 4096


def stamp(header: Any, time_ns: int, frame: str) -> None:
    """Fill a message's header."""
    header.stamp.sec, header.stamp.nanosec = divmod(time_ns, 1_000_000_000)
    header.frame_id = frame


class Lidar:
    """A planar lidar above `base_link`, all rays at one moment.

    Source of the special ranges: REP 117, +inf beyond the range, -inf below it.

    Args:
        simulation: What it looks at.
        rays: How many, all around.
        most: Largest range, m.
        noise: Standard deviation of a range, m.
        period_s: From scan to scan.
        generator: Draws the noise.
    """

    RANGE_MIN_M = 0.05

    def __init__(
        self,
        simulation: Simulation,
        *,
        rays: int,
        most: float,
        noise: float,
        period_s: float,
        generator: np.random.Generator,
    ) -> None:
        self._simulation = simulation
        self._rays, self._most, self._noise, self._period_s = rays, most, noise, period_s
        self._random = generator
        self._message = message_class('sensor_msgs/msg/LaserScan')
        self._increment = 2.0 * math.pi / rays
        angles = -math.pi + np.arange(rays) * self._increment
        self._rays_xyz = np.stack([np.cos(angles), np.sin(angles), np.zeros(rays)], axis=1)
        self._groups = np.zeros(6, np.uint8)
        self._groups[SEEN_GROUP] = 1
        self._robot = simulation.model.body('base_link').id
        self._place = np.array([0.0, 0.0, LIDAR_Z_M])
        self._hit = np.zeros(rays, np.int32)
        self._ranges = np.zeros(rays)

    def sense(self, time_ns: int) -> Any:
        """Return a LaserScan of what is around."""
        data = self._simulation.data
        rotation = data.xmat[self._robot].reshape(3, 3)
        place = data.xpos[self._robot] + rotation @ self._place
        self._simulation.mujoco.mj_multiRay(
            self._simulation.model, data, place, (self._rays_xyz @ rotation.T).ravel(),
            self._groups, True, self._robot, self._hit, self._ranges, None, self._rays, self._most,
        )  # fmt: skip
        ranges = self._ranges + self._noise * self._random.standard_normal(self._rays)
        ranges[ranges < self.RANGE_MIN_M] = -math.inf
        ranges[(self._hit < 0) | (ranges > self._most)] = math.inf
        message = self._message()
        stamp(message.header, time_ns, 'laser')
        message.angle_min, message.angle_max = -math.pi, math.pi - self._increment
        message.angle_increment = self._increment
        message.scan_time = self._period_s
        message.range_min, message.range_max = self.RANGE_MIN_M, self._most
        message.ranges = ranges.astype(np.float32)
        return message


class Imu:
    """A gyroscope and an accelerometer, each with white noise and a bias drawn at the start.

    Args:
        simulation: What it is in.
        gyro_noise: Standard deviation of a turn rate, rad/s.
        acceleration_noise: Standard deviation of an acceleration, m/s^2.
        generator: Draws noise and biases.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        gyro_noise: float,
        acceleration_noise: float,
        generator: np.random.Generator,
    ) -> None:
        self._data = simulation.data
        self._random = generator
        self._scale = np.repeat((gyro_noise, acceleration_noise), 3)
        self._bias = self._scale * generator.standard_normal(6)
        self._message = message_class('sensor_msgs/msg/Imu')
        self._variances = (gyro_noise**2, acceleration_noise**2)

    def sense(self, time_ns: int) -> Any:
        """Return an Imu; it has no orientation, as REP 145 has it for raw data."""
        noise = self._scale * self._random.standard_normal(6)
        values = (self._data.sensordata + self._bias + noise).tolist()
        message = self._message()
        stamp(message.header, time_ns, 'imu_link')
        message.orientation.w = 1.0
        message.orientation_covariance[0] = -1.0
        turn, acceleration = message.angular_velocity, message.linear_acceleration
        turn.x, turn.y, turn.z, acceleration.x, acceleration.y, acceleration.z = values
        message.angular_velocity_covariance[::4] = self._variances[0]
        message.linear_acceleration_covariance[::4] = self._variances[1]
        return message


class WheelOdometry:
    """Dead reckoning from the wheels' encoders; it drifts as a real one.

    The wheels slip, the encoders have ticks, and radii and separation are not quite what the
    robot takes them for.

    Args:
        simulation: What turns the wheels.
        calibration_error: Standard deviation of each radius and of the separation, relative.
        slip_noise: Standard deviation of each way that a wheel has made, relative.
        period_s: From one to the next.
        generator: Draws errors and noise.

    Attributes:
        x: Where it takes itself to be, from the start, m.
        y: Likewise.
        yaw: Likewise, rad.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        calibration_error: float,
        slip_noise: float,
        period_s: float,
        generator: np.random.Generator,
    ) -> None:
        model = simulation.model
        self._joints = [int(model.joint(name).qposadr[0]) for name in ('left', 'right')]
        self._data = simulation.data
        self._random = generator
        left, right, separation = (1.0 + calibration_error * generator.standard_normal(3)).tolist()
        per_tick = 2.0 * math.pi * WHEEL_RADIUS_M / _ENCODER_TICKS
        self._per_tick = (left * per_tick, right * per_tick)
        self._separation = separation * WHEEL_SEPARATION_M
        self._slip_noise, self._period_s = slip_noise, period_s
        self._ticks = (0, 0)
        self.x = self.y = self.yaw = 0.0
        self._message = message_class('nav_msgs/msg/Odometry')

    def sense(self, time_ns: int) -> Any:
        """Go on by what the wheels have turned, and return an Odometry."""
        turned = [float(self._data.qpos[joint]) for joint in self._joints]
        ticks = tuple(math.floor(angle / (2.0 * math.pi) * _ENCODER_TICKS) for angle in turned)
        noise = (1.0 + self._slip_noise * self._random.standard_normal(2)).tolist()
        left, right = (
            (new - old) * way * factor
            for new, old, way, factor in zip(
                ticks, self._ticks, self._per_tick, noise, strict=True
            )
        )
        self._ticks = (ticks[0], ticks[1])
        way, turn = (left + right) / 2.0, (right - left) / self._separation
        middle = self.yaw + turn / 2.0
        self.x += way * math.cos(middle)
        self.y += way * math.sin(middle)
        self.yaw += turn
        message = self._message()
        stamp(message.header, time_ns, 'odom')
        message.child_frame_id = 'base_link'
        pose, twist = message.pose.pose, message.twist.twist
        pose.position.x, pose.position.y = self.x, self.y
        pose.orientation.z, pose.orientation.w = math.sin(self.yaw / 2.0), math.cos(self.yaw / 2.0)
        twist.linear.x, twist.angular.z = way / self._period_s, turn / self._period_s
        return message


class GroundTruth:
    """Where the robot really is.

    Args:
        simulation: What it is in.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._data = simulation.data
        self._robot = simulation.model.body('base_link').id
        self._message = message_class('nav_msgs/msg/Odometry')

    def pose(self) -> tuple[float, float, float]:
        """Return x, y (m) and yaw (rad) in the room."""
        x, y, _, w, i, j, k = self._data.qpos[:7].tolist()
        return x, y, math.atan2(2.0 * (w * k + i * j), 1.0 - 2.0 * (j * j + k * k))

    def sense(self, time_ns: int) -> Any:
        """Return an Odometry from `map` to `base_link`."""
        message = self._message()
        stamp(message.header, time_ns, 'map')
        message.child_frame_id = 'base_link'
        pose, twist = message.pose.pose, message.twist.twist
        position, turn = pose.position, pose.orientation
        position.x, position.y, position.z, turn.w, turn.x, turn.y, turn.z = self._data.qpos[
            :7
        ].tolist()
        rotation = self._data.xmat[self._robot].reshape(3, 3)
        # MuJoCo has the speed of a free body in the room's frame, its turn rate in the body's.
        linear, angular = twist.linear, twist.angular
        linear.x, linear.y, linear.z = (self._data.qvel[:3] @ rotation).tolist()
        angular.x, angular.y, angular.z = self._data.qvel[3:6].tolist()
        return message
