"""The contract of a simulated world: what an arm senses follows from what it commands. No ROS."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lk_dataset_ros.component import Config as _BaseConfig
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Topics below are for judging: recorded, and fed to an arm only if it is asked for.
GROUND_TRUTH = '/ground_truth/'


class World(ABC):
    """A simulation in closed loop, deterministic.

    The same class, settings, seed and commands give the same messages, bit by bit. A subclass
    says which topics it takes and gives, and has the abstract methods:

        class Room(World):
            @dataclass(kw_only=True)
            class Config(World.Config):
                size_m: float = option(5.0, 'length of the walls, m', minimum=1.0, maximum=100.0)

            commands = {'/cmd_vel': 'geometry_msgs/msg/Twist'}
            sensors = {'/scan': 'sensor_msgs/msg/LaserScan'}

    Topics below `/ground_truth/` are sensors that only the judge reads.

    Args:
        config: The settings; defaults when left out.
        settings: Single settings, instead of `config`.

    Raises:
        ComponentError: If a setting is unknown, of the wrong type or out of range.

    Attributes:
        config: The settings.
        time_ns: Simulated time, ns; 0 after `reset`.
        finished: Nothing more will happen: the task is over.
    """

    @dataclass(kw_only=True)
    class Config(_BaseConfig):
        """Settings of a world that has none."""

    #: Topics that the world takes, and their types.
    commands: ClassVar[Mapping[str, str]] = {}
    #: Topics that the world gives, and their types.
    sensors: ClassVar[Mapping[str, str]] = {}

    time_ns: int = 0
    finished: bool = False

    def __init__(self, config: _BaseConfig | None = None, **settings: Any) -> None:
        if config is not None and settings:
            raise ComponentError('give a config or single settings, not both')
        self.config: Any = config or type(self).Config.from_mapping(settings)

    @abstractmethod
    def reset(self, seed: int) -> None:
        """Return to the beginning, with everything random drawn anew from a seed.

        A world is reset before its first step; afterwards it is as a new one.
        """

    @abstractmethod
    def step(self, commands: Sequence[tuple[str, Any]]) -> list[tuple[str, Any, int]]:
        """Take commands and go on to the next moment at which a sensor is due.

        Args:
            commands: Topic and message, in their order. Empty: the last ones stay in force.

        Returns:
            Topic, message and time (ns, `time_ns`) of each sensor that is due, always in the same
            order; nothing only if the world was finished before.

        Raises:
            ComponentError: If there is no such command.
        """

    @abstractmethod
    def outcome(self) -> dict[str, bool | float | str]:
        """Return what has become of the task so far."""

    @abstractmethod
    def description(self) -> dict[str, str]:
        """Return name, version of the simulator and SHA-256 of the model, as `reset` left it."""

    def check_command(self, topic: str) -> None:
        """Refuse a command that the world does not take.

        Raises:
            ComponentError: If there is no such command.
        """
        if topic not in self.commands:
            raise ComponentError(
                f'{type(self).__name__} takes no {topic}; it takes '
                f'{", ".join(self.commands) or "none"}'
            )
