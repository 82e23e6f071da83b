"""The `switch` node: hands the actuators from the original to the compiled, and back."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from std_msgs.msg import String

from lk_dataset_ros.comparison.rules_file import Rules
from lk_dataset_ros.component import Config, option
from lk_dataset_ros.dataset.consensus.switching import COMPILED, ORIGINAL, ActuatorSwitch
from lk_dataset_ros.errors import ComponentError, LkError
from lk_dataset_ros.message.stamps import begins_with_header, stamp_of
from lk_dataset_ros.msg import SwitchStatus
from lk_dataset_ros.ros.comparing.agreement import Agreement
from lk_dataset_ros.ros.comparing.forwarding import Forwarding
from lk_dataset_ros.ros.comparing.numbers import ArrivalNumbers
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node, to_time, waker
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.parameters import declare_options, refuse_unknown
from lk_dataset_ros.ros.qos import offers_to_yaml, profile_for_offers, profile_for_playback
from lk_dataset_ros.ros.types import message_class, schema_of
from lk_dataset_ros.srv import SwitchTo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from lk_dataset_ros.comparison.pairing.incremental import Side

STATUS_PERIOD_S: Final = 1.0
LOOK_PERIOD_S: Final = 0.2
_LAST_STATUS_S: Final = 1.0
#: What a stamp is replaced by where a message is too short for one: it pairs with nothing.
_NO_STAMP: Final = -1


@dataclass(kw_only=True)
class SwitchConfig(Config):
    """Settings of the node, beside those of the engine (`ActuatorSwitch.Config`)."""

    original: str = option('', "the original's topic")
    compiled: str = option('', "the compiled's topic")
    actuator: str = option('', 'the topic that the actuators listen to')
    tolerances: str = option('', 'YAML file of rules, as lk compare takes it')
    depth: int = option(
        10, "messages that the actuator's publisher keeps", minimum=1, maximum=100_000
    )


class SwitchNode:
    """Parameters, service and status around a switch."""

    def __init__(self, node: Node) -> None:
        self._node, self._log = node, node.get_logger()
        try:
            use_overlays()
        except LkError as error:
            self._log.warning(str(error))
        config = SwitchConfig(**declare_options(node, SwitchConfig.options(), read_only=True))
        engine = ActuatorSwitch.Config(
            **declare_options(node, ActuatorSwitch.Config.options(), read_only=True)
        )
        refuse_unknown(node)
        self._depth = config.depth
        self._topics: dict[Side, str] = {
            'original': _full_name(node, 'original', config.original),
            'compiled': _full_name(node, 'compiled', config.compiled),
        }
        self._actuator = _full_name(node, 'actuator', config.actuator)
        if len({*self._topics.values(), self._actuator}) < 3:
            raise ComponentError(
                'original, compiled and actuator have to be three topics; they are '
                f'{self._topics["original"]}, {self._topics["compiled"]} and {self._actuator}'
            )
        rules = Rules.load(config.tolerances) if config.tolerances else Rules()
        self._tolerance = rules.tolerance
        self._agreement: Agreement | None = None
        self._numbers = ArrivalNumbers(round(engine.limit_s * 1e9))
        self._is_stamped = False
        self._type = ''
        self._profiles: dict[Side, QoSProfile] = {}
        self._problem = ''
        self.has_failed = False
        self.switch = ActuatorSwitch(self._agrees, config=engine, log=self._log)
        self._wake = waker(node)
        self._forwarding = Forwarding(node, self.switch, self._key_of, self._changed)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = node.create_publisher(SwitchStatus, '~/status', latched)
        node.create_service(SwitchTo, '~/switch_to', self._switch_to)
        node.create_subscription(String, '~/wanted', self._on_wanted, 10)
        self._status_at_s = self._look_at_s = 0.0
        self._log.info(
            f'{self._actuator} is driven by {self._topics["original"]}; '
            f'{self._topics["compiled"]} may when it is wanted and has agreed for '
            f'{engine.hold_s:g} s'
        )

    def _agrees(self, original: bytes, compiled: bytes) -> bool:
        return self._agreement is not None and self._agreement(original, compiled)

    def _key_of(self, side: Side, cdr: bytes, now_ns: int) -> int:
        if not self._is_stamped:
            return self._numbers.number(side, now_ns)
        stamp_ns = stamp_of(cdr)
        return _NO_STAMP if stamp_ns is None else stamp_ns

    def _changed(self) -> None:
        self._status_at_s = 0.0
        self._wake()

    def turn(self) -> float | None:
        """Look for topics, tell the status; messages are handed on elsewhere."""
        if self._forwarding.error is not None:
            self._log.error(f'nothing is handed on any more: {self._forwarding.error}')
            self.has_failed = True
            return None
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + LOOK_PERIOD_S
            self._look()
        if now_s >= self._status_at_s:
            self._status_at_s = now_s + STATUS_PERIOD_S
            self._publish_status()
        return LONGEST_WAIT_S

    def _look(self) -> None:
        infos: dict[Side, list[TopicEndpointInfo]] = {
            side: self._node.get_publishers_info_by_topic(topic)
            for side, topic in self._topics.items()
        }
        types = {
            side: sorted({each.topic_type for each in found}) for side, found in infos.items()
        }
        if not self._type and len(types['original']) == 1:
            self._begin(types['original'][0], infos['original'])
        problem = self._problem_of(types)
        if problem is not None:
            self._tell(problem)
        if self._type and types['compiled'] == [self._type] and 'compiled' not in self._profiles:
            self._listen('compiled', infos['compiled'])
        for side, found in infos.items():
            self._follow_offers(side, [each for each in found if each.topic_type == self._type])

    def _problem_of(self, types: dict[Side, list[str]]) -> str | None:
        """Return why the two cannot be judged, nothing if they can, None if nobody knows."""
        for side, several in types.items():
            topic = self._topics[side]
            if len(several) > 1:
                return f'{topic} has several types ({", ".join(several)})'
            if several and self._type and several[0] != self._type:
                return f'{self._topics["original"]} is {self._type}, {topic} is {several[0]}'
        return '' if all(types.values()) else None

    def _tell(self, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            self._log.error(f'the original drives, the two cannot be judged: {problem}')
            self._forwarding.want(ORIGINAL)
        else:
            self._log.info('the two can be judged again')
        self._status_at_s = 0.0

    def _begin(self, type_name: str, infos: Sequence[TopicEndpointInfo]) -> None:
        """Hand on the original's messages."""
        try:
            schema, kind = schema_of(type_name), message_class(type_name)
            self._is_stamped = begins_with_header(schema)
            self._agreement = Agreement(self._topics['original'], schema, self._tolerance)
        except LkError as error:
            self._tell(' '.join(str(error).split()))
            return
        self._type = type_name
        offers = [info.qos_profile for info in infos]
        publisher = self._node.create_publisher(kind, self._actuator, _like(offers, self._depth))
        self._listen('original', infos)
        self._forwarding.start(publisher, kind)
        by = 'header stamp' if self._is_stamped else 'arrival'
        self._log.info(f'handing on {type_name}, paired by {by}')

    def _listen(self, side: Side, infos: Sequence[TopicEndpointInfo]) -> None:
        profile = profile_for_offers([info.qos_profile for info in infos])
        kind = message_class(self._type)
        self._forwarding.listen(side, self._topics[side], kind, profile)
        self._profiles[side] = profile

    def _follow_offers(self, side: Side, infos: Sequence[TopicEndpointInfo]) -> None:
        """Ask for less if a publisher has come that offers less."""
        wanted = self._profiles.get(side)
        if wanted is not None and any(
            qos_check_compatible(info.qos_profile, wanted)[0] == QoSCompatibility.ERROR
            for info in infos
        ):
            self._log.warning(f'{self._topics[side]}: a publisher offers less: asking for less')
            self._listen(side, infos)

    def _want(self, arm: str) -> str:
        """Ask for a side; return why it does not drive."""
        if arm == COMPILED and self._problem:
            return self._problem
        reason = self._forwarding.want(arm)
        self._status_at_s = 0.0
        return '' if self.switch.active == arm else reason

    def _switch_to(
        self, request: SwitchTo.Request, response: SwitchTo.Response
    ) -> SwitchTo.Response:
        try:
            response.message = self._want(request.arm)
            response.success = not (request.arm == COMPILED and self._problem)
        except LkError as error:
            response.message = str(error)
        return response

    def _on_wanted(self, message: String) -> None:
        try:
            reason = self._want(message.data)
        except LkError as error:
            reason = str(error)
        if reason:
            self._log.warning(f'wanted {message.data!r}: {reason}')

    def _reason(self) -> str:
        if self._problem:
            return self._problem
        told = self._agreement.problem if self._agreement is not None else ''
        return self.switch.reason + (f' ({told})' if told and self.switch.reason else '')

    def _publish_status(self) -> None:
        switch = self.switch
        with self._forwarding.lock:
            status = SwitchStatus(
                stamp=to_time(self._node.get_clock().now().nanoseconds),
                active=switch.active,
                wanted=switch.wanted,
                reason=self._reason(),
                agreed_s=switch.agreed_s(time.monotonic_ns()),
                forwarded=switch.forwarded,
                fallbacks=switch.fallbacks,
            )
        self._status.publish(status)

    def close(self) -> None:
        """Hand on no more; say what was."""
        self._forwarding.close()
        self._publish_status()
        self._log.info(
            f'handed on {self.switch.forwarded} messages, went back to the original by itself '
            f'{self.switch.fallbacks} times'
        )
        self._status.wait_for_all_acked(Duration(seconds=_LAST_STATUS_S))


def _like(offers: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """Return a profile that promises what the original's publishers promise."""
    profile = profile_for_playback(offers_to_yaml(offers), depth)
    if any(each.reliability != ReliabilityPolicy.RELIABLE for each in offers):
        profile.reliability = ReliabilityPolicy.BEST_EFFORT
    return profile


def _full_name(node: Node, option_name: str, name: str) -> str:
    if not name:
        raise ComponentError(
            f'{option_name} is empty; give the topic, such as {option_name}:=/cmd'
        )
    try:
        full: str = node.resolve_topic_name(name)
    except Exception as error:
        # rclpy's errors for wrong names share no class; the second line points at the place.
        reason = str(error).splitlines()[0].rstrip(':')
        raise ComponentError(f'{option_name} is {name!r}, which is no name: {reason}') from error
    return full


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    made: list[SwitchNode] = []

    def make(node: Node) -> SwitchNode:
        made.append(SwitchNode(node))
        return made[-1]

    code = run_node('switch', make, argv)
    return 1 if code == 0 and any(each.has_failed for each in made) else code


if __name__ == '__main__':
    sys.exit(main())
