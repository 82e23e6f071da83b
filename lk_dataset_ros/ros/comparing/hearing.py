"""Find original and compiled topics on the graph, and hand what they say to a comparison."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rclpy.qos import QoSCompatibility, qos_check_compatible

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros.intake import Intake
from lk_dataset_ros.ros.qos import offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.types import schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from lk_dataset_ros.comparison.live import LiveComparison
    from lk_dataset_ros.comparison.pairing.incremental import Side
    from lk_dataset_ros.dataset import Arrivals
    from lk_dataset_ros.message import Schema

LOOK_PERIOD_S: Final = 0.2


class Hearing:
    """Subscribes to pairs of topics as they appear, with the type and the QoS that they have.

    Args:
        node: The node.
        live: Is told what comes.
        topics: The compiled's topic by the original's.
        namespace: Where to look for compiled topics, if there are no topics.
        on_add: Called with the original's topic and the type of a pair that is heard from now on.
    """

    def __init__(
        self,
        node: Node,
        live: LiveComparison,
        topics: Mapping[str, str],
        namespace: str,
        *,
        on_add: Callable[[str, Schema], None],
    ) -> None:
        self._node, self._log = node, node.get_logger()
        self._live, self._on_add = live, on_add
        self.topics = dict(topics)
        for each in topics:
            live.expect(each)
        self._namespace = '' if topics else namespace
        # It asks of a recorder what this has.
        self._intake = Intake(node, self)  # type: ignore[arg-type]
        #: By topic that is heard: whose it is, and the original's topic.
        self._sides: dict[str, tuple[Side, str]] = {}
        self._profiles: dict[str, QoSProfile] = {}
        self._types: dict[str, str] = {}
        self._look_at_s = 0.0
        #: Messages taken; the intake asks.
        self.count = 0
        self._intake.start()

    @property
    def error(self) -> Exception | None:
        """What ended the intake."""
        return self._intake.error

    def look(self) -> None:
        """Subscribe to what is there, if it is time to."""
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_PERIOD_S
        if self._namespace:
            self._find_all()
        for original, compiled in self.topics.items():
            self._look_at(original, compiled)

    def _find_all(self) -> None:
        there = {name for name, _ in self._node.get_topic_names_and_types()}
        for compiled in sorted(there):
            original = compiled.removeprefix(self._namespace)
            if (
                compiled.startswith(f'{self._namespace}/')
                and original in there
                and original not in self.topics
                and self._node.count_publishers(original)
                and self._node.count_publishers(compiled)
            ):
                self.topics[original] = compiled
                self._live.expect(original)

    def _look_at(self, original: str, compiled: str) -> None:
        infos = [self._node.get_publishers_info_by_topic(each) for each in (original, compiled)]
        types = [sorted({info.topic_type for info in each}) for each in infos]
        problem = self._problem((original, compiled), types)
        # What is said of types holds until others are seen: who ends takes none of it back.
        if problem or all(types):
            self._tell(original, problem)
        if all(types) and not problem and self._types.get(original) != types[0][0]:
            try:
                self._hear(original, compiled, types[0][0], infos)
            except (LkError, ValueError) as error:
                self._tell(original, ' '.join(str(error).split()))
        for topic, theirs in zip((original, compiled), infos, strict=True):
            self._follow_offers(topic, theirs)

    def _problem(self, names: tuple[str, str], types: Sequence[Sequence[str]]) -> str:
        for name, several in zip(names, types, strict=True):
            if len(several) > 1:
                return f'{name} has several types ({", ".join(several)})'
        left, right = types
        if left and right and left != right:
            return f'{names[0]} is {left[0]}, {names[1]} is {right[0]}'
        return ''

    def _tell(self, original: str, problem: str) -> None:
        if problem and self._live.problems.get(original) != problem:
            self._log.error(f'{original} cannot be compared: {problem}')
        self._live.refuse(original, problem)

    def _hear(
        self,
        original: str,
        compiled: str,
        type_name: str,
        infos: Sequence[Sequence[TopicEndpointInfo]],
    ) -> None:
        schema = schema_of(type_name)
        for topic in (original, compiled):
            self._leave(topic)
        self._live.add(original, compiled, schema)
        self._on_add(original, schema)
        self._types[original] = type_name
        sides: tuple[tuple[Side, str], ...] = (('original', original), ('compiled', compiled))
        for (side, topic), theirs in zip(sides, infos, strict=True):
            self._sides[topic] = side, original
            self._subscribe(topic, type_name, theirs)
        by = self._live.paired_by(original)
        self._log.info(f'comparing {original} with {compiled} ({type_name}), paired by {by}')

    def _subscribe(self, topic: str, type_name: str, infos: Sequence[TopicEndpointInfo]) -> None:
        offers = [info.qos_profile for info in infos]
        profile = profile_for_offers(offers)
        self._intake.add(topic, type_name, profile, offers_yaml=offers_to_yaml(offers))
        self._profiles[topic] = profile

    def _leave(self, topic: str) -> None:
        if topic in self._profiles:
            self._intake.remove(topic)
            del self._profiles[topic]

    def _follow_offers(self, topic: str, infos: Sequence[TopicEndpointInfo]) -> None:
        """Ask for less if a publisher has come that offers less."""
        wanted = self._profiles.get(topic)
        if wanted is None or all(
            qos_check_compatible(info.qos_profile, wanted)[0] != QoSCompatibility.ERROR
            for info in infos
        ):
            return
        self._log.warning(f'{topic}: a publisher offers less than the others: asking for less')
        self._leave(topic)
        self._subscribe(topic, self._types[self._sides[topic][1]], infos)

    def add_input(self, topic: str, schema: Schema, qos: str) -> None:
        """Do nothing: the pair was added (asked by the intake)."""

    def note_unknown(self, topic: str, why: str) -> None:
        """Say why not all losses can be known (asked by the intake)."""
        self._log.info(f'{topic} is {why}')

    def note_reported_lost(self, topic: str, count: int) -> None:
        """Count what the middleware has lost (asked by the intake)."""
        self._log.warning(f'{count} messages of {topic} were lost on their way here')
        self._live.note_lost(self._sides[topic][1], count)

    def take(self, arrivals: Arrivals) -> None:
        """Hand messages on (asked by the intake)."""
        self.count += len(arrivals)
        side, original = self._sides[arrivals.key]
        now_ns = time.monotonic_ns()
        heads: Any = zip(
            arrivals.messages(),
            arrivals.log_time_ns.tolist(),
            arrivals.publish_time_ns.tolist(),
            arrivals.sequence.tolist(),
            strict=True,
        )
        for cdr, received_ns, sent_ns, sequence in heads:
            self._live.take(
                side,
                original,
                cdr,
                log_time_ns=received_ns,
                publish_time_ns=sent_ns,
                sequence=sequence & 0xFFFFFFFF,
                now_ns=now_ns,
            )

    def close(self) -> None:
        """Take what has arrived, and nothing more."""
        self._intake.stop()
