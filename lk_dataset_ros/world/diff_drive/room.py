"""A room with obstacles, drawn from a seed: where things stand, and how far it is to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

#: So much is free between obstacles, and between them and the walls, m: the robot fits through.
PASSAGE_M: Final = 0.9
#: So much is free around the start and around goals, m.
FREE_M: Final = 0.7
_TRIES: Final = 1000


class Obstacle(NamedTuple):
    """A thing that stands in the room.

    Attributes:
        x: Of its middle, m.
        y: Likewise.
        yaw: How it is turned, rad.
        half_length: Along its own x, m; of a round one its radius.
        half_width: Along its own y, m; 0 for a round one.
    """

    x: float
    y: float
    yaw: float
    half_length: float
    half_width: float

    @property
    def radius(self) -> float:
        """Radius of the circle around it, m."""
        return math.sqrt(self.half_length**2 + self.half_width**2)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is in the room.

    Attributes:
        x: m, from the middle of the room.
        y: m.
        yaw: rad, from the room's x axis.
    """

    x: float
    y: float
    yaw: float = 0.0


class Room:
    """A room with its middle at the origin.

    Args:
        length: Along x, m.
        width: Along y, m.
        obstacles: How many are put into it; those that find no place are left out.
        generator: Draws what is random. Start and obstacles at once, goals when they are asked
            for.

    Attributes:
        length: Along x, m.
        width: Along y, m.
        obstacles: What stands in it.
        start: Where the robot starts.
    """

    def __init__(
        self, length: float, width: float, *, obstacles: int, generator: np.random.Generator
    ) -> None:
        self.length, self.width = length, width
        self._random = generator
        side = width / 2.0 - 1.0
        y, goal_y = self._random.uniform(-side, side, 2).tolist()
        x = length / 2.0 - 1.0
        towards = math.atan2(goal_y - y, 2.0 * x)
        self.start = Place(-x, y, towards + float(self._random.uniform(-0.5, 0.5)))
        self._goal = Place(x, goal_y)
        self._goals = 0
        self.obstacles = self._draw(obstacles)
        self._shapes = np.array(self.obstacles, np.float64).reshape(-1, 5)
        self._cos = np.cos(self._shapes[:, 2])
        self._sin = np.sin(self._shapes[:, 2])
        is_round = self._shapes[:, 4] == 0.0
        self._halves = np.where(is_round, 0.0, self._shapes[:, 3:].T)
        self._radii = np.where(is_round, self._shapes[:, 3], 0.0)

    def next_goal(self) -> Place:
        """Return the next goal: the first one across the room, others anywhere free."""
        self._goals += 1
        if self._goals == 1:
            return self._goal
        before = self._goal
        for _ in range(_TRIES):
            x, y = self._somewhere(1.0)
            if math.dist((x, y), (before.x, before.y)) < min(self.length, self.width) / 3.0:
                continue
            if self.clearance(x, y) >= FREE_M:
                self._goal = Place(x, y)
                return self._goal
        # No room for another: back to where it came from.
        self._goal = Place(self.start.x, self.start.y) if before != self.start else before
        return self._goal

    def clearance(self, x: float, y: float) -> float:
        """Return how far a point is from the nearest wall or obstacle, m; negative beyond a wall."""
        wall = min(self.length / 2.0 - abs(x), self.width / 2.0 - abs(y))
        if not self.obstacles:
            return wall
        dx, dy = x - self._shapes[:, 0], y - self._shapes[:, 1]
        ahead = np.maximum(np.abs(self._cos * dx + self._sin * dy) - self._halves[0], 0.0)
        aside = np.maximum(np.abs(self._cos * dy - self._sin * dx) - self._halves[1], 0.0)
        return min(wall, float((np.sqrt(ahead * ahead + aside * aside) - self._radii).min()))

    def _somewhere(self, margin: float) -> tuple[float, float]:
        x = self.length / 2.0 - margin
        y = self.width / 2.0 - margin
        found = self._random.uniform((-x, -y), (x, y)).tolist()
        return found[0], found[1]

    def _draw(self, count: int) -> tuple[Obstacle, ...]:
        found: list[Obstacle] = []
        tries = _TRIES
        while len(found) < count and tries:
            tries -= 1
            size, share, yaw = self._random.uniform((0.15, 0.4, -math.pi), (0.5, 1.0, math.pi))
            is_round = bool(self._random.random() < 0.5)
            x, y = self._somewhere(PASSAGE_M)
            half_width = 0.0 if is_round else float(size * share)
            each = Obstacle(x, y, 0.0 if is_round else float(yaw), float(size), half_width)
            if self._fits(each, found):
                found.append(each)
        return tuple(found)

    def _fits(self, each: Obstacle, others: Sequence[Obstacle]) -> bool:
        wall = min(self.length / 2.0 - abs(each.x), self.width / 2.0 - abs(each.y))
        return (
            wall - each.radius >= PASSAGE_M
            and all(
                math.dist((each.x, each.y), (other.x, other.y)) - each.radius - other.radius
                >= PASSAGE_M
                for other in others
            )
            and all(
                math.dist((each.x, each.y), (place.x, place.y)) - each.radius >= FREE_M
                for place in (self.start, self._goal)
            )
        )
