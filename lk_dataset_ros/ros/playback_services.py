"""The services of a playback node: those that `ros2 bag play` has, each with an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from std_srvs.srv import Trigger

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros.host import is_stopping
from lk_dataset_ros.srv import (
    Burst,
    GetRate,
    IsPaused,
    Play,
    PlayNext,
    Seek,
    SetRate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from lk_dataset_ros.dataset import DataPlayback

NS_PER_S = 1_000_000_000
#: Messages of a burst between two looks at whether the node is to stop.
BURST_PIECE = 500


class Stage(Protocol):
    """The course of a playback around its engine."""

    @property
    def hindrance(self) -> str:
        """Why nothing is played now, empty if the engine is playing (or paused)."""

    def stop(self) -> None:
        """End the playback, also one that still waits."""

    def play(self, start_offset_s: float, duration_s: float, until_ns: int) -> None:
        """Play again.

        Raises:
            LkError: If it is playing, or asked for what is not there.
        """


class PlaybackServices:
    """Serve `~/pause` and the others.

    Args:
        node: The node.
        playback: The engine.
        stage: What is around it.
    """

    def __init__(self, node: Node, playback: DataPlayback, stage: Stage) -> None:
        self._playback = playback
        self._stage = stage
        for name, act in (
            ('pause', self._pause),
            ('resume', self._resume),
            ('toggle_paused', self._toggle),
            ('stop', self._stop),
        ):
            node.create_service(Trigger, f'~/{name}', _answering(act))
        node.create_service(IsPaused, '~/is_paused', self._is_paused)
        node.create_service(GetRate, '~/get_rate', self._get_rate)
        node.create_service(SetRate, '~/set_rate', _answering(self._set_rate))
        node.create_service(PlayNext, '~/play_next', _answering(self._play_next))
        node.create_service(Burst, '~/burst', _answering(self._burst))
        node.create_service(Seek, '~/seek', _answering(self._seek))
        node.create_service(Play, '~/play', _answering(self._play))

    def _pause(self, request: Any, response: Any) -> None:
        del request, response
        self._refuse_after_end('paused')
        self._playback.pause()

    def _resume(self, request: Any, response: Any) -> None:
        del request, response
        self._refuse_after_end('resumed')
        self._playback.resume()

    def _toggle(self, request: Any, response: Any) -> None:
        del request
        self._refuse_after_end('paused')
        response.message = 'paused' if self._playback.toggle() else 'resumed'

    def _stop(self, request: Any, response: Any) -> None:
        del request, response
        self._refuse_after_end('stopped')
        self._stage.stop()

    def _is_paused(self, request: Any, response: Any) -> Any:
        del request
        response.paused = bool(self._playback.is_paused)
        return response

    def _get_rate(self, request: Any, response: Any) -> Any:
        del request
        response.rate = float(self._playback.rtf)
        return response

    def _set_rate(self, request: Any, response: Any) -> None:
        del response
        self._playback.set_rate(request.rate)

    def _play_next(self, request: Any, response: Any) -> None:
        del request, response
        self._refuse_unless_playing()
        if self._playback.play_next() is None:
            raise _RefusedError('nothing is left to be played')

    def _burst(self, request: Any, response: Any) -> None:
        self._refuse_unless_playing()
        wanted = request.num_messages
        done = 0
        while not is_stopping() and (done < wanted or not wanted):
            piece = min(BURST_PIECE, wanted - done) if wanted else BURST_PIECE
            count = self._playback.burst(piece)
            done += count
            response.actually_burst = done
            if count < piece:
                break
        if done < wanted:
            response.message = f'{done} were left to be played'

    def _seek(self, request: Any, response: Any) -> None:
        del response
        self._refuse_after_end('sought in; ~/play plays it again, from an offset')
        self._playback.seek(request.time.sec * NS_PER_S + request.time.nanosec)

    def _play(self, request: Any, response: Any) -> None:
        del response
        offset, duration = request.start_offset, request.playback_duration
        until = request.playback_until_timestamp
        self._stage.play(
            offset.sec + offset.nanosec / NS_PER_S,
            duration.sec + duration.nanosec / NS_PER_S,
            until.sec * NS_PER_S + until.nanosec,
        )

    def _refuse_after_end(self, what: str) -> None:
        if self._playback.is_finished:
            raise _RefusedError(f'the playback has finished; it cannot be {what}')

    def _refuse_unless_playing(self) -> None:
        self._refuse_after_end('played from; ~/play plays it again')
        if self._stage.hindrance:
            raise _RefusedError(self._stage.hindrance)


class _RefusedError(LkError, RuntimeError):
    """Raise when a service is called at the wrong moment."""


def _answering(act: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
    """Return a service's callback: errors become its answer, and the node stays alive."""

    def handle(request: Any, response: Any) -> Any:
        try:
            act(request, response)
        except LkError as error:
            response.success = False
            response.message = str(error)
        else:
            response.success = True
        return response

    return handle
