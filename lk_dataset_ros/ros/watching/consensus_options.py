"""What the consensus node can be told, and what it means."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.comparison.rules_file import Rules
from lk_dataset_ros.comparison.tolerance import Tolerance
from lk_dataset_ros.component import Config, option
from lk_dataset_ros.dataset.consensus import ConsensusRecorder
from lk_dataset_ros.dataset.recording.storage_profile import PRESETS
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.ros.parameters import declare_options
from lk_dataset_ros.ros.watching.diagnostics_options import full_name

if TYPE_CHECKING:
    from rclpy.node import Node

#: Name of the group of arms that are given none.
ONLY_GROUP: Final = ''
#: Settings of a recorder that say which messages to keep: windows say that here.
_NOT_HERE: Final = (
    *('auto_timestamp', 'sample_every_n', 'max_rate', 'max_samples', 'use_ring_buffer'),
    *('ring_buffer_size', 'ring_buffer_bytes', 'ring_buffer_s'),
)
#: Defaults that are others than the engine's: a thread of its own writes, and a disk that is busy
#: holds nobody up.
_OTHERWISE: Final = {'cache_bytes': 64 * 1024 * 1024, 'when_full': 'drop_newest'}


@dataclass(kw_only=True)
class ConsensusNodeConfig(Config):
    """Settings of the node, beside those of the engine (`ConsensusRecorder.Config`)."""

    arms: list[str] = option(  # noqa: RUF009
        [],
        'what should agree, the original first, each as name:=topic; several groups as '
        'group/name:=topic',
    )
    inputs: list[str] = option(  # noqa: RUF009
        [], 'topics that the arms answer: recorded with them'
    )
    tolerance: str = option('', 'YAML file of rules as lk compare takes it (tolerances.yaml)')
    rtol: float = option(
        -1.0,
        'relative tolerance of floating-point fields; below 0 is what the file says, or the '
        'default of the type',
        minimum=-1.0,
        maximum=1e9,
    )
    atol: float = option(-1.0, 'absolute tolerance, likewise', minimum=-1.0, maximum=1e300)
    bag: str = option('', 'directory of the bag, must not exist; empty records nothing')
    preset: str = option('none', 'how the bag is written', choices=tuple(PRESETS))
    polling_period_s: float = option(
        0.2, 'how often to look for publishers, s', minimum=0.01, maximum=60.0
    )
    rest_s: float = option(
        0.002,
        'how long messages may wait in the middleware before they are taken, s: what it adds to '
        'the time in which a disagreement is noticed',
        minimum=0.0005,
        maximum=0.5,
    )
    history_bytes: int = option(
        64 * 1024 * 1024,
        'bytes of a topic that may wait in the middleware while the node is busy, about',
        minimum=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusOptions:
    """What the parameters mean.

    Attributes:
        node: Settings of the node.
        engine: Settings of the engine.
        arms: Topic of each arm by name, by group.
        inputs: Full names of the inputs.
        tolerance: How far values may lie apart.
        storage: Arguments for `McapDatabase`.
    """

    node: ConsensusNodeConfig
    engine: ConsensusRecorder.Config
    arms: dict[str, dict[str, str]]
    inputs: tuple[str, ...]
    tolerance: Tolerance
    storage: dict[str, Any]

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics that are listened to."""
        outputs = (topic for group in self.arms.values() for topic in group.values())
        return tuple(dict.fromkeys((*outputs, *self.inputs)))


def declare_consensus_options(node: Node) -> ConsensusOptions:
    """Declare the parameters and check them together.

    Raises:
        ComponentError: If one is wrong, or they do not fit together.
        ComparisonError: If the file of tolerances holds a fault.
    """
    config = ConsensusNodeConfig(
        **declare_options(node, ConsensusNodeConfig.options(), read_only=True)
    )
    options = [
        dataclasses.replace(each, default=_OTHERWISE.get(each.name, each.default))
        for each in ConsensusRecorder.Config.options()
        if each.name not in _NOT_HERE
    ]
    engine = ConsensusRecorder.Config(**declare_options(node, options, read_only=True))
    arms = _arms(node, config.arms)
    inputs = tuple(
        dict.fromkeys(full_name(node, 'inputs', each) for each in filter(None, config.inputs))
    )
    for group in arms.values():
        if twice := set(group.values()) & set(inputs):
            raise ComponentError(f'{min(twice)} is both an arm and an input')
    return ConsensusOptions(
        node=config,
        engine=engine,
        arms=arms,
        inputs=inputs,
        tolerance=_tolerance(config),
        storage=PRESETS[config.preset].options(),
    )


def _arms(node: Node, given: list[str]) -> dict[str, dict[str, str]]:
    """Return the topic of each arm by name, by group."""
    found: dict[str, dict[str, str]] = {}
    taken: dict[str, str] = {}
    for text in filter(None, given):
        name, equals, topic = text.partition(':=')
        group, slash, arm = name.rpartition('/')
        if not (equals and arm and topic) or (slash and not group) or '/' in group:
            raise ComponentError(
                f'arms holds {text!r}; write name:=topic, or group/name:=topic such as '
                'steering/original:=/steering'
            )
        topic = full_name(node, 'arms', topic)
        group = group or ONLY_GROUP
        if arm in found.setdefault(group, {}):
            raise ComponentError(f'arms holds {name!r} twice')
        if topic in taken:
            raise ComponentError(f'{topic} is the output of {taken[topic]!r} and of {name!r}')
        taken[topic] = name
        found[group][arm] = topic
    if not found:
        raise ComponentError(
            'no arms are given: name at least two, such as '
            "-p arms:=\"['original:=/cmd_vel', 'compiled:=/compiled/cmd_vel']\""
        )
    if len(found) > 1 and ONLY_GROUP in found:
        raise ComponentError(
            f'{", ".join(found[ONLY_GROUP])} is in no group and others are; name the group of '
            'each arm, or of none'
        )
    for group, group_arms in found.items():
        if len(group_arms) < 2:
            where = f' in group {group!r}' if group else ''
            raise ComponentError(f'there is one arm{where} only; agreeing takes two')
    return found


def _tolerance(config: ConsensusNodeConfig) -> Tolerance:
    tolerance = Rules.load(config.tolerance).tolerance if config.tolerance else Tolerance()
    changes = {
        name: value
        for name, value in (('rtol', config.rtol), ('atol', config.atol))
        if value >= 0.0
    }
    return dataclasses.replace(tolerance, **changes)
