"""The original: a navigator in plain Python, around obstacles to a goal.

A vector field histogram: each sector around the robot that an obstacle blocks, its width made
larger by the robot's, is closed; of the open ones the cheapest is driven to. Source: Ulrich and
Borenstein, VFH+: reliable obstacle avoidance for fast mobile robots, ICRA 1998.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lk_dataset_ros import Component, Config, Input, Output, option

#: Sectors around the robot; the first begins behind it, and they go on counter-clockwise.
SECTORS = 72
WIDTH = 2.0 * math.pi / SECTORS


@dataclass(kw_only=True)
class NavigatorConfig(Config):
    """Settings that all implementations of the navigator share."""

    max_speed: float = option(0.5, 'm/s', minimum=0.0, maximum=2.0)
    max_turn_rate: float = option(1.5, 'rad/s', minimum=0.0, maximum=4.0)
    heading_gain: float = option(
        2.0, 'turn rate per angle to where it wants to go, 1/s', minimum=0.0, maximum=20.0
    )
    look_ahead_m: float = option(1.2, 'obstacles beyond do not matter', minimum=0.1, maximum=10.0)
    keep_away_m: float = option(
        0.3, "from the lidar to obstacles: the robot's radius and a margin",
        minimum=0.01, maximum=2.0,
    )  # fmt: skip
    slow_within_m: float = option(
        1.0, 'nearer to what is ahead it is slower', minimum=0.01, maximum=10.0
    )
    change_cost: float = option(
        0.4, 'of an angle to the direction before, per that to the goal', minimum=0.0, maximum=10.0
    )


def wrapped(angle: float) -> float:
    """Return an angle between -pi and pi."""
    while angle > math.pi:
        angle = angle - 2.0 * math.pi
    while angle < -math.pi:
        angle = angle + 2.0 * math.pi
    return angle


class Steering:
    """What to command, from a scan and where the goal is.

    Args:
        config: The settings.
    """

    def __init__(self, config: NavigatorConfig) -> None:
        self._config = config
        self._before = 0.0

    def command(
        self, ranges: list[float], range_min: float, goal_x: float, goal_y: float
    ) -> tuple[float, float]:
        """Return speed (m/s) and turn rate (rad/s).

        Args:
            ranges: Of a scan all around, beginning behind, m; REP 117.
            range_min: Smallest range that is one, m.
            goal_x: How far the goal is ahead, m.
            goal_y: How far it is to the left, m.
        """
        config = self._config
        nearest = self._nearest(ranges, range_min)
        distance = math.sqrt(goal_x * goal_x + goal_y * goal_y)
        wanted = math.atan2(goal_y, goal_x)
        closed = self._closed(nearest, min(config.look_ahead_m, distance))
        direction, cheapest = 0.0, math.inf
        for sector in range(SECTORS):
            if closed[sector]:
                continue
            angle = (sector + 0.5) * WIDTH - math.pi
            cost = abs(wrapped(angle - wanted)) + config.change_cost * abs(
                wrapped(angle - self._before)
            )
            if cost < cheapest:
                direction, cheapest = angle, cost
        if cheapest == math.inf:
            # Nowhere to go: turn until there is.
            return 0.0, config.max_turn_rate
        if abs(wrapped(direction - wanted)) < WIDTH:
            direction = wanted
        self._before = direction
        turn = config.heading_gain * direction
        turn = min(max(turn, -config.max_turn_rate), config.max_turn_rate)
        ahead = min(nearest[SECTORS // 2 - 3 : SECTORS // 2 + 3]) - config.keep_away_m
        room = min(max(ahead / config.slow_within_m, 0.0), 1.0)
        speed = config.max_speed * max(math.cos(direction), 0.0) * room
        # What is left of the way slows it down, so that it stops at the goal.
        return min(speed, distance), turn

    def _nearest(self, ranges: list[float], range_min: float) -> list[float]:
        """Return the nearest obstacle in each sector, m."""
        count = len(ranges)
        found = []
        for sector in range(SECTORS):
            nearest = math.inf
            for each in ranges[sector * count // SECTORS : (sector + 1) * count // SECTORS]:
                # What is too near to be measured is as near as can be; NaN is nothing.
                nearest = min(nearest, max(each, range_min))
            found.append(nearest)
        return found

    def _closed(self, nearest: list[float], within: float) -> list[bool]:
        """Return which sectors lead into an obstacle."""
        closed = [False] * SECTORS
        for sector in range(SECTORS):
            distance = nearest[sector]
            if distance > within + self._config.keep_away_m:
                continue
            half = math.pi / 2.0
            if distance > self._config.keep_away_m:
                half = math.asin(self._config.keep_away_m / distance)
            span = int(half / WIDTH + 0.5)
            for other in range(sector - span, sector + span + 1):
                closed[other % SECTORS] = True
        return closed


class Navigator(Component):
    """Drive to a goal, around what the lidar sees."""

    Config = NavigatorConfig

    goal_pose = Input('geometry_msgs/msg/PoseStamped', description='where to go, in odom')
    odom = Input('nav_msgs/msg/Odometry', description='where the robot takes itself to be')
    scan = Input('sensor_msgs/msg/LaserScan', description='all around, answered by a command')
    cmd_vel = Output('geometry_msgs/msg/Twist', description='speed and turn rate')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._goal: tuple[float, float] | None = None
        self._pose = 0.0, 0.0, 0.0
        self._steering = self.make_steering()

    def make_steering(self) -> Any:
        """Make what computes the commands."""
        return Steering(self.config)

    def configure(self, config: NavigatorConfig) -> None:
        """Take new settings; it starts afresh."""
        super().configure(config)
        self.reset()

    def step(
        self, goal_pose: Any = None, odom: Any = None, scan: Any = None
    ) -> dict[str, Any] | None:
        """Keep goal and pose; answer a scan by a command."""
        if goal_pose is not None:
            place = goal_pose.pose.position
            self._goal = place.x, place.y
        if odom is not None:
            pose = odom.pose.pose
            turn = 2.0 * math.atan2(pose.orientation.z, pose.orientation.w)
            self._pose = pose.position.x, pose.position.y, turn
        if scan is None:
            return None
        out = self.new('cmd_vel')
        if self._goal is not None:
            x, y, yaw = self._pose
            dx, dy = self._goal[0] - x, self._goal[1] - y
            cos, sin = math.cos(yaw), math.sin(yaw)
            out.linear.x, out.angular.z = self._steering.command(
                list(map(float, scan.ranges)),
                scan.range_min,
                cos * dx + sin * dy,
                cos * dy - sin * dx,
            )
        return {'cmd_vel': out}
