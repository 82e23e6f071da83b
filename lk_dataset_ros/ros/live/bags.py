"""The bags of a live run: who is subscribed to, where it goes, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from lk_dataset_ros.dataset import DataRecorder, McapDatabase
from lk_dataset_ros.ros.intake import Intake
from lk_dataset_ros.ros.live.clock_times import CLOCK
from lk_dataset_ros.ros.live.lineage import Lineage, has_header
from lk_dataset_ros.ros.live.router import Route, Router
from lk_dataset_ros.ros.qos import DEEP, offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.types import schema_of

if TYPE_CHECKING:
    from pathlib import Path

    from rclpy.node import Node

    from lk_dataset_ros.ros.live.job import LiveArm, LiveJob

#: Bytes that may wait for the disk, for each bag.
CACHE_BYTES: Final = 64 * 1024 * 1024


class LiveBags:
    """Records inputs and outputs.

    Args:
        node: The node.
        job: What is recorded.
    """

    def __init__(self, node: Node, job: LiveJob) -> None:
        self._node = node
        self._job = job
        self.router = Router(is_simulated=job.is_simulated)
        # It asks of a recorder what a router has.
        self.intake = Intake(node, self.router)  # type: ignore[arg-type]
        self._recorders: dict[str, DataRecorder] = {}
        self._lineages: dict[tuple[str, str], Lineage] = {}
        self._best_effort: set[str] = set()

    def hear_clock(self) -> None:
        """Take `/clock`, behind everything that is taken already."""
        if CLOCK in self.intake.topics:
            self.intake.remove(CLOCK)
        if CLOCK not in self._job.topics:
            self.router.lead(CLOCK, Route(None, CLOCK, is_input=True))
        self._add(CLOCK)

    def take_outputs(self, arms: list[LiveArm]) -> None:
        """Take the outputs of arms; to be done before the inputs are taken."""
        for arm in arms:
            recorder = self._recorder(arm.bag)
            for output in self._job.outputs:
                topic = arm.prefix + output.topic
                headed = has_header(self._schema(topic))
                lineage = self._lineages[arm.label, output.topic] = Lineage(
                    output,
                    by_stamp=headed,
                    limit_s=self._job.answer_limit_s,
                    warm_up_s=self._job.warm_up_s,
                )
                self.router.lead(topic, Route(recorder, output.topic, lineage, has_header=headed))
                self._add(topic)

    def take_inputs(self, arms: list[LiveArm]) -> None:
        """Take the inputs, and the clock behind them."""
        recorder = self._recorder(self._job.inputs_bag or arms[0].bag)
        for topic in self._job.topics:
            asks = [
                self._lineages[arm.label, output.topic]
                for arm in arms
                for output in self._job.outputs
                if output.answers == topic
            ]
            headed = has_header(self._schema(topic))
            if not headed:
                for each in asks:
                    each.go_by_order()
            route = Route(recorder, topic, asks=asks, is_input=True, has_header=headed)
            self.router.lead(topic, route)
            self._add(topic)
        if self._job.is_simulated:
            self.hear_clock()

    def silent(self) -> list[str]:
        """Return the topics of which nothing has been heard."""
        return [topic for topic in self.intake.topics if topic not in self.router.heard]

    def _schema(self, topic: str) -> Any:
        return schema_of(self._node.get_publishers_info_by_topic(topic)[0].topic_type)

    def _recorder(self, bag: str) -> DataRecorder:
        if bag not in self._recorders:
            self._recorders[bag] = DataRecorder(
                McapDatabase(bag, 'w'), log=self._node.get_logger(), cache_bytes=CACHE_BYTES
            )
        return self._recorders[bag]

    def _add(self, topic: str) -> None:
        if topic in self.intake.topics:
            return
        infos = self._node.get_publishers_info_by_topic(topic)
        offers = [info.qos_profile for info in infos]
        hashes = {str(info.topic_type_hash) for info in infos} - {'INVALID'}
        self.router.route(topic).is_latched = all(
            offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers
        )
        if any(offer.reliability != ReliabilityPolicy.RELIABLE for offer in offers):
            self._best_effort.add(topic)
        self.intake.add(
            topic,
            infos[0].topic_type,
            profile_for_offers(offers, DEEP),
            offers_yaml=offers_to_yaml(offers),
            type_hash=hashes.pop() if len(hashes) == 1 else '',
        )

    def unmatched(self) -> list[str]:
        """Return the topics whose publishers have not been matched."""
        return [topic for topic in self.intake.topics if not self.intake.publisher_count(topic)]

    def poll(self) -> None:
        """Take what has arrived.

        Raises:
            LkError: If a bag cannot be written.
        """
        self.intake.poll()
        self.router.settle()
        for recorder in self._recorders.values():
            if recorder.error is not None:
                raise recorder.error

    def owed(self, arms: list[LiveArm]) -> int:
        """Return how many inputs wait for answers of arms."""
        labels = [arm.label for arm in arms]
        return sum(
            lineage.owed for (label, _), lineage in self._lineages.items() if label in labels
        )

    def are_even(self, arms: list[LiveArm]) -> bool:
        """Tell whether all arms have given equally many outputs."""
        return all(
            len({self.router.route(arm.prefix + output.topic).count for arm in arms}) <= 1
            for output in self._job.outputs
        )

    def input_count(self) -> int:
        """Return how many inputs were recorded."""
        return sum(
            self.router.route(topic).count
            for topic in self._job.topics
            if topic in self.intake.topics
        )

    def close(self) -> None:
        """Take what has arrived, finish the bags."""
        self.intake.stop()
        self.router.settle()
        for recorder in self._recorders.values():
            recorder.close()

    def inputs(self) -> dict[str, Any]:
        """Return what was recorded of the inputs."""
        routes = {topic: self.router.route(topic) for topic in self._job.topics}
        lost = self.router.lost(self._job.topics)
        return {
            'sent': {topic: route.count for topic, route in routes.items()},
            'hashes': {topic: route.digest.hexdigest() for topic, route in routes.items()},
            'lost': lost,
            'best_effort': sorted(self._best_effort & set(self._job.topics)),
        }

    def outputs(self, arm: LiveArm, latencies: Path) -> dict[str, Any]:
        """Return what was recorded of an arm's outputs.

        Args:
            arm: The arm.
            latencies: File for the time from each answered input to its answer, s.
        """
        names = {output.topic: arm.prefix + output.topic for output in self._job.outputs}
        lineages = {topic: self._lineages[arm.label, topic] for topic in names}
        found = [each for lineage in lineages.values() for each in lineage.latencies_s]
        np.save(latencies, np.asarray(found, np.float64), allow_pickle=False)
        return {
            'received': {topic: self.router.route(name).count for topic, name in names.items()},
            'lost': self.router.lost(names.values()),
            'unanswered': (
                {}
                if self._job.is_world
                else {topic: lineage.unanswered for topic, lineage in lineages.items()}
            ),
            'latencies': str(latencies),
        }

    def is_open_for(self, arm: LiveArm) -> bool:
        """Tell whether an arm has been subscribed to."""
        return any(label == arm.label for label, _ in self._lineages)
