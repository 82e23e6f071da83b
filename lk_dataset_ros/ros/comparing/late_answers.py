"""A service whose answers take longer than a callback may."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.ros.intake import NeverExecuted

if TYPE_CHECKING:
    from rclpy.node import Node


class LateAnswers:
    """Takes requests when asked to, and answers the first of them when there is an answer.

    An executor answers as soon as a callback returns, and runs nothing else meanwhile. So the
    service is kept away from it.

    Args:
        node: The node.
        kind: The service's type.
        name: Its name.
    """

    def __init__(self, node: Node, kind: Any, name: str) -> None:
        self._kind = kind
        self._service = node.create_service(
            kind, name, lambda _, response: response, callback_group=NeverExecuted()
        )
        self._asking: deque[Any] = deque()

    def take(self) -> Any:
        """Return the next request, None if there is none."""
        with self._service.handle:
            found = self._service.handle.service_take_request(self._kind.Request)
        request, header = found
        if header is None:
            return None
        self._asking.append(header)
        return request

    def answer(self, response: Any) -> None:
        """Answer the request that was taken first of those that wait."""
        self._service.send_response(response, self._asking.popleft())

    def close(self) -> None:
        """Let go of who still waits."""
        self._asking.clear()
