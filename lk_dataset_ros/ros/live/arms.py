"""The arms of a live run on the graph: whether they are ready, gone, or in the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.ros.live.shadows import Shadows, is_below

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from lk_dataset_ros.ros.live.job import LiveArm, LiveJob


class LiveArms:
    """Looks at arms.

    Args:
        node: The node that looks.
        job: What is asked of them.
    """

    def __init__(self, node: Node, job: LiveJob) -> None:
        self._node = node
        self._job = job
        self._prefixes = [arm.prefix for arm in job.arms if arm.prefix]
        self._shadows = {arm.label: Shadows(node, arm.prefix) for arm in job.arms if arm.prefix}

    @staticmethod
    def is_gone(arm: LiveArm) -> bool:
        """Tell whether an arm's process has ended."""
        return bool(arm.gone) and Path(arm.gone).exists()

    def leak(self, arm: LiveArm, *, thorough: bool = False) -> str:
        """Return a topic that a shadowed arm publishes and must not, or nothing."""
        shadow = self._shadows.get(arm.label)
        if shadow is None:
            return ''
        return shadow.leak() or (shadow.hidden_leak() if thorough else '')

    def calls(self, arm: LiveArm) -> list[str]:
        """Return services of others that a shadowed arm may call."""
        shadow = self._shadows.get(arm.label)
        return [] if shadow is None else shadow.calls()

    def unready(self, arm: LiveArm) -> str:
        """Return what an arm lacks, or nothing."""
        for output in self._job.outputs:
            topic = arm.prefix + output.topic
            found = [
                info
                for info in self._node.get_publishers_info_by_topic(topic)
                if self._is_of(arm, info)
            ]
            if not found:
                return f'it does not publish {output.topic}'
            if len(found) > 1:
                return f'{topic} has {len(found)} publishers; one is expected'
            if not arm.is_running and not self._hears(arm, output.answers):
                return f'it does not subscribe to {output.answers}'
        if arm.prefix and (topic := self._shadows[arm.label].deaf_on()):
            return (
                f'it listens to {arm.prefix}{topic} instead of {topic}; list {topic} in '
                'inputs.topics, so that it hears it'
            )
        return ''

    def _hears(self, arm: LiveArm, topic: str) -> bool:
        return any(
            self._is_of(arm, info)
            for info in self._node.get_subscriptions_info_by_topic(topic)
            if info.node_name != self._node.get_name()
        )

    def _is_of(self, arm: LiveArm, info: TopicEndpointInfo) -> bool:
        space = f'{info.node_namespace}/'
        if arm.prefix:
            return is_below(space, arm.prefix)
        return not any(is_below(space, prefix) for prefix in self._prefixes)
