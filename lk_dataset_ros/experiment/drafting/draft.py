"""What a draft consists of: data only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.experiment.specification import Arm, BagInputs, LiveInputs, Mode

_TOPIC = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
#: Topics that every node has, or that belong to the tools.
_COMMON = ('/clock', '/parameter_events', '/rosout', '/diagnostics', '/diagnostics_agg')


@dataclass(frozen=True, slots=True)
class TopicSeen:
    """A topic of a bag or of a graph.

    Attributes:
        name: Its name.
        type_name: Its type.
        count: Messages in the bag, None on a graph.
        mean_hz: Messages per second in the bag, None if unknown.
        qos: `reliable, volatile` and the like on a graph, empty otherwise.
    """

    name: str
    type_name: str
    count: int | None = None
    mean_hz: float | None = None
    qos: str = ''

    @property
    def can_be_input(self) -> bool:
        """Tell whether it can be played: it has messages, and a name that ROS allows."""
        return self.count != 0 and bool(_TOPIC.fullmatch(self.name)) and len(self.name) <= 250

    @property
    def is_common(self) -> bool:
        """Tell whether it says nothing of what a node does, or is hidden (actions)."""
        return self.name in _COMMON or '/_' in self.name


@dataclass(frozen=True, slots=True)
class OutputDraft:
    """An output that is proposed.

    Attributes:
        topic: Its name.
        type_name: Its type, empty if unknown.
        answers: The input that it probably answers.
        count: How often.
    """

    topic: str
    type_name: str
    answers: str
    count: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A specification that is proposed.

    Attributes:
        name: Its name.
        mode: How the arms are fed.
        inputs: Where the inputs come from.
        original: The original.
        compiled: The compiled arms.
        outputs: What is compared.
        seen: All topics that there are, those of the inputs too.
        duration_s: How long the bag is, s.
        notes: What has to be looked at, one line each.
        options: Names of the settings of a component, by the name of its arm.
    """

    name: str
    mode: Mode
    inputs: BagInputs | LiveInputs
    original: Arm
    compiled: tuple[Arm, ...]
    outputs: tuple[OutputDraft, ...]
    seen: tuple[TopicSeen, ...]
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()


def outputs_for(
    topics: Sequence[tuple[str, str]], inputs: Sequence[TopicSeen], *, is_component: bool
) -> tuple[OutputDraft, ...]:
    """Propose what each output answers, and how often.

    A component with one input probably answers every message; of the others nobody knows.

    Args:
        topics: Name and type of each output.
        inputs: The inputs.
        is_component: The original is a component that is run for the experiment.
    """
    count = 'each' if is_component and len(inputs) == 1 else 'maybe'
    drafts = []
    for name, kind in topics:
        alike = [each for each in inputs if each.type_name == kind] or inputs
        answered = max(alike, key=lambda each: each.count or 0)
        drafts.append(OutputDraft(name, kind, answered.name, count))
    return tuple(drafts)
