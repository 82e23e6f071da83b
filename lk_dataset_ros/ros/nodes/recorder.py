"""The `recorder` node: topics into a rosbag2 MCAP bag."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from lk_dataset_ros.errors import ComponentError, LkError
from lk_dataset_ros.msg import RecorderStatus, RecorderTopic
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node, to_time
from lk_dataset_ros.ros.keyboard import Keyboard
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.parameters import refuse_unknown
from lk_dataset_ros.ros.recorder_options import dated_bag, declare_recorder_options
from lk_dataset_ros.ros.recording_session import RecordingSession
from lk_dataset_ros.srv import IsPaused, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

STATUS_PERIOD_S: Final = 1.0
#: How long the end waits for subscribers to have the last status, s.
LAST_STATUS_S: Final = 1.0
#: How long `lk info` may take at the end, s.
INFO_LIMIT_S: Final = 60.0


class RecorderNode:
    """Parameters, services and status around a recording."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._log = node.get_logger()
        self._use_overlays()
        self._options = declare_recorder_options(node)
        refuse_unknown(node)
        status = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._own = (node.resolve_topic_name('~/status'),)
        # Said before anything is subscribed to: a directory that cannot be written.
        self._session = self._begin(self._options.node.bag)
        self.has_failed = False
        self._infos: list[subprocess.Popen[bytes]] = []
        self._status = node.create_publisher(RecorderStatus, '~/status', status)
        self._status_at_s = 0.0
        self._serve()
        self._keyboard = Keyboard() if self._options.node.keyboard else None
        if self._keyboard is not None and self._keyboard.is_there:
            self._log.info('press SPACE to pause and to resume')
        if self._options.engine.start_paused:
            self._log.info('paused from the start: SPACE or ~/resume begins')

    def _use_overlays(self) -> None:
        try:
            use_overlays()
        except LkError as error:
            # What is installed can be recorded all the same.
            self._log.warning(str(error))

    def _begin(self, bag: str) -> RecordingSession:
        path = Path(bag or dated_bag())
        session = RecordingSession(self._node, self._options, path, own=self._own)
        waiting = ' as soon as there is /clock' if session.is_waiting_for_clock else ''
        self._log.info(f'recording into {session.bag}{waiting}')
        return session

    def _serve(self) -> None:
        for name, action in (
            ('pause', self._pause),
            ('resume', self._resume),
            ('stop', self._stop),
            ('split', self._split),
            ('snapshot', self._snapshot),
        ):
            self._node.create_service(Trigger, f'~/{name}', _answering(action))
        self._node.create_service(IsPaused, '~/is_paused', self._is_paused)
        self._node.create_service(Record, '~/record', self._record)

    def turn(self) -> float | None:
        """Look for topics, keys and trouble; tell the status once per second."""
        for key in self._keyboard.pressed() if self._keyboard is not None else ():
            if key == 'space':
                self._toggle()
        if not self._session.is_closed:
            self._session.turn()
            if self._session.problem:
                self.has_failed = True
                return None
        now_s = time.monotonic()
        if now_s >= self._status_at_s:
            self._status_at_s = now_s + STATUS_PERIOD_S
            self._publish_status()
        return min(LONGEST_WAIT_S, self._options.node.polling_period_s)

    def _toggle(self) -> None:
        if self._session.is_closed:
            self._log.warning('nothing is being recorded')
        elif self._session.recorder.is_paused:
            self._log.info(self._resume())
        else:
            self._log.info(self._pause())

    def _running(self) -> RecordingSession:
        if self._session.is_closed:
            raise ComponentError('nothing is being recorded; ~/record begins another bag')
        return self._session

    def _pause(self) -> str:
        recorder = self._running().recorder
        was_paused = recorder.is_paused
        recorder.pause()
        return 'was paused already' if was_paused else 'paused'

    def _resume(self) -> str:
        recorder = self._running().recorder
        was_paused = recorder.is_paused
        recorder.resume()
        return 'recording again' if was_paused else 'was not paused'

    def _split(self) -> str:
        return f'recording into {self._running().split()}'

    def _snapshot(self) -> str:
        return f'wrote {self._running().snapshot()} messages'

    def _stop(self) -> str:
        session = self._running()
        self._close(session)
        if session.problem:
            raise ComponentError(session.problem)
        return f'finished {session.bag}'

    def _is_paused(self, request: IsPaused.Request, response: IsPaused.Response) -> Any:
        del request
        response.paused = self._session.is_closed or self._session.recorder.is_paused
        return response

    def _record(self, request: Record.Request, response: Record.Response) -> Any:
        # The new bag first: if it cannot be made, the one that is written goes on.
        try:
            session = self._begin(request.bag)
        except (LkError, OSError, ValueError) as error:
            response.message = str(error)
            return response
        self._close(self._session)
        self._session = session
        response.success = True
        response.message = str(session.bag)
        return response

    def _publish_status(self) -> None:
        session, recorder = self._session, self._session.recorder
        stats = dict(recorder.get_stats())
        self._status.publish(
            RecorderStatus(
                stamp=to_time(self._node.get_clock().now().nanoseconds),
                bag=str(session.bag),
                file='' if session.is_closed else session.file,
                recording=not session.is_closed,
                paused=recorder.is_paused,
                count=recorder.count,
                bytes=recorder.size,
                cache_bytes=recorder.cache_bytes_used,
                cache_limit_bytes=recorder.config.cache_bytes,
                lost=sum(each.lost for each in stats.values()),
                dropped=sum(each.dropped for each in stats.values()),
                skipped=sum(each.skipped for each in stats.values()),
                topics=[
                    RecorderTopic(
                        topic=name,
                        type=each.type_name,
                        count=each.count,
                        bytes=each.size,
                        lost=each.lost,
                        reported_lost=each.reported_lost,
                        dropped=each.dropped,
                        skipped=each.skipped,
                        publishers=each.publishers,
                        unknown=each.unknown,
                    )
                    for name, each in stats.items()
                ],
            )
        )

    def _close(self, session: RecordingSession) -> None:
        if session.is_closed:
            return
        session.close()
        self.has_failed = self.has_failed or bool(session.problem)
        self._publish_status()
        if self._options.node.print_info:
            self._infos.append(_print_info(session.bag))

    def close(self) -> None:
        """Take what has arrived, finish the bag, say what is in it."""
        if self._keyboard is not None:
            self._keyboard.close()
        self._close(self._session)
        self._status.wait_for_all_acked(Duration(seconds=LAST_STATUS_S))
        for each in self._infos:
            try:
                each.wait(INFO_LIMIT_S)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def _answering(action: Callable[[], str]) -> Any:
    """Return a service's callback that tells what an action returns, or why it failed."""

    def handle(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        del request
        try:
            response.message = action()
            response.success = True
        except (LkError, OSError, ValueError) as error:
            response.message = str(error)
        return response

    return handle


def _print_info(bag: Path) -> subprocess.Popen[bytes]:
    """Print what is in a bag, as `lk info` does: by a process of its own, as nodes and `lk` are."""
    command = [sys.executable, '-m', 'lk_dataset_ros.cli', 'info', '--summary', str(bag)]
    # In a session of its own: not reached by a second ctrl-C.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    made: list[RecorderNode] = []

    def make(node: Node) -> RecorderNode:
        made.append(RecorderNode(node))
        return made[-1]

    code = run_node('recorder', make, argv)
    return 1 if code == 0 and any(each.has_failed for each in made) else code


if __name__ == '__main__':
    sys.exit(main())
