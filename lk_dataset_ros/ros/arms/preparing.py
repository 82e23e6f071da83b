"""Bring an arm so far that no message can get lost: by what the graph says, never by the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.ros.arms.ends import Feed, Hearing, has_stamp
from lk_dataset_ros.ros.arms.probing import Probe, askable
from lk_dataset_ros.ros.playing import TopicPublishers
from lk_dataset_ros.ros.qos import DEEP, offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.types import message_class, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from lk_dataset_ros.dataset import Topic
    from lk_dataset_ros.ros.arms.job import Job, OutputJob
    from lk_dataset_ros.ros.arms.station import Station

#: Of nodes without services nobody can be asked; they get this time to know us as we know them.
SETTLE_S: Final = 0.3
#: A node that has services but does not answer, such as one that waits for its first message.
ASK_LIMIT_S: Final = 3.0


class Preparation:
    """Makes an arm's publishers and subscriptions, and waits until each has found its other end.

    Args:
        station: The arm.
        job: Limits.
        outputs: What the arm gives.
        topics: Types and offers of the inputs.
    """

    def __init__(
        self,
        station: Station,
        job: Job,
        outputs: Sequence[OutputJob],
        topics: Mapping[str, Topic],
    ) -> None:
        self._station = station
        self._node = station.node
        self._job = job
        self._outputs = outputs
        self._topics = topics
        self._answered = {each.answers for each in outputs}
        self._latched: set[str] = set()
        self._publishers: TopicPublishers | None = None

    def run(self) -> Iterator[None]:
        """Yield until it is done.

        Raises:
            ArmError: If the limit is reached, or the arm does not fit.
        """
        yield from self._until(self._absent)
        self._subscribe()
        self._publish()
        yield from self._until(self._unmatched)
        yield from self._ask()
        if self._wanted_latched() != self._latched:
            # Topics that nothing answers are subscribed when they are: now all are known.
            self._publish()
        yield from self._until(self._unmatched)
        self._feed()

    def _until(self, lacking: Callable[[], str]) -> Iterator[None]:
        deadline_s = time.monotonic() + self._job.ready_s
        while lack := lacking():
            if time.monotonic() > deadline_s:
                raise ArmError(f'not ready after {self._job.ready_s:g} s: {lack}')
            yield

    def _publishers_of(self, topic: str) -> list[TopicEndpointInfo]:
        return self._others(self._node.get_publishers_info_by_topic(topic))

    def _subscribers_of(self, topic: str) -> list[TopicEndpointInfo]:
        return self._others(self._node.get_subscriptions_info_by_topic(topic))

    def _others(self, infos: list[TopicEndpointInfo]) -> list[TopicEndpointInfo]:
        return [each for each in infos if each.node_name != self._node.get_name()]

    def _absent(self) -> str:
        for output in self._outputs:
            if not self._publishers_of(output.topic):
                return f'nobody publishes {output.topic}'
        for topic in self._topics:
            infos = self._subscribers_of(topic)
            wanted = self._topics[topic].schema.name
            for info in infos:
                if info.topic_type != wanted:
                    raise ArmError(f'it takes {info.topic_type} on {topic}, which is {wanted}')
            if topic in self._answered and not infos:
                return f'nobody subscribes to {topic}'
        return ''

    def _subscribe(self) -> None:
        station, stamped = self._station, []
        schemas = {}
        for output in self._outputs:
            infos = self._publishers_of(output.topic)
            if len(infos) > 1:
                raise ArmError(f'{output.topic} has {len(infos)} publishers; one is expected')
            schemas[output.topic] = schema_of(infos[0].topic_type)
            asked = self._topics.get(output.answers)
            if asked and has_stamp(asked.schema) and has_stamp(schemas[output.topic]):
                stamped.append(output.topic)
        station.use_stamps(stamped, self._outputs)
        for topic, schema in schemas.items():
            offers = [info.qos_profile for info in self._publishers_of(topic)]
            station.bag.declare(topic, schema, offers_to_yaml(offers))
            subscription = self._node.create_subscription(
                message_class(schema.name),
                topic,
                _ignore,
                profile_for_offers(offers, DEEP),
                raw=True,
            )
            owed = station.answers.owed[topic]
            station.hearings.append(Hearing(subscription, owed, is_stamped=has_stamp(schema)))

    def _wanted_latched(self) -> set[str]:
        return {
            topic
            for topic in self._topics
            if any(
                info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                for info in self._subscribers_of(topic)
            )
        }

    def _publish(self) -> None:
        self._latched = self._wanted_latched()
        if self._publishers is not None:
            for topic in self._topics:
                self._node.destroy_publisher(self._publishers.publisher(topic))
        self._publishers = TopicPublishers(self._node, self._topics, self._latched)
        if self._job.clock_hz or self._job.world is not None:
            self._station.has_clock()

    def _unmatched(self) -> str:
        assert self._publishers is not None
        for hearing in self._station.hearings:
            if not hearing.subscription.get_publisher_count():
                return f'the publisher of {hearing.topic} did not match: its QoS does not fit'
        for topic in self._topics:
            found = len(self._subscribers_of(topic))
            if self._publishers.subscription_count(topic) < found:
                return f'the subscription to {topic} did not match: its QoS does not fit'
        return ''

    def _ask(self) -> Iterator[None]:
        """Wait until the arm's nodes know our endpoints, too."""
        node, since_s = self._node, time.monotonic()
        names: set[str] = set()
        ends: set[tuple[str, str]] = set()
        while not ends or len(names) < len(ends):
            ends = self._ends()
            names = askable(node, ends)
            if time.monotonic() - since_s > SETTLE_S:
                break
            yield
        probe = self._station.probe = Probe(node, names)
        probe.ask()
        since_s = time.monotonic()
        while not probe.has_answer() and time.monotonic() - since_s < ASK_LIMIT_S:
            yield

    def _ends(self) -> set[tuple[str, str]]:
        """Return names and namespaces of the arm's nodes, as far as they are known."""
        infos: list[Any] = [
            info
            for topic in {*self._topics, *(each.topic for each in self._outputs)}
            for info in (*self._publishers_of(topic), *self._subscribers_of(topic))
        ]
        return {(info.node_name, info.node_namespace) for info in infos}

    def _feed(self) -> None:
        assert self._publishers is not None
        for topic, about in self._topics.items():
            self._station.feeds[topic] = Feed(
                self._publishers.publisher(topic),
                is_stamped=has_stamp(about.schema),
                is_heard=bool(self._subscribers_of(topic)),
                is_reliable=all(
                    info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                    for info in self._subscribers_of(topic)
                ),
            )


def _ignore(message: Any) -> None:
    """Do nothing: outputs are taken, no executor hands them over."""
    del message
