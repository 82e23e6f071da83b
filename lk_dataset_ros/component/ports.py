"""Typed input and output ports of a component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lk_dataset_ros.message import full_type_name

#: `reliable`: everything arrives. `sensor_data`: best effort, the newest matters. `latched`:
#: reliable, and late subscribers get the last message (transient local).
PortQos = Literal['reliable', 'sensor_data', 'latched']


@dataclass(frozen=True, slots=True)
class Port:
    """A place where messages of one type go in or out.

    Attributes:
        type_name: Message type, `nav_msgs/msg/Odometry`.
        qos: What the transport has to guarantee where the component is hosted as a node.
        depth: How many messages the host keeps for a component that is busy.
        description: What the messages mean.
    """

    type_name: str
    qos: PortQos = 'reliable'
    depth: int = 1000
    description: str = ''

    def __post_init__(self) -> None:
        """Write the type name in full."""
        object.__setattr__(self, 'type_name', full_type_name(self.type_name))


@dataclass(frozen=True, slots=True)
class Input(Port):
    """A port that messages go into."""


@dataclass(frozen=True, slots=True)
class Output(Port):
    """A port that messages come out of."""
