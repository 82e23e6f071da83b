"""Call any service, with a request that was written as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.ros.types import message_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rclpy.node import Node

POLL_S = 0.01


class ServiceCall:
    """Calls one service.

    Args:
        node: The node.
        service: Its name.
        kind: Its type.

    Raises:
        MessageTypeError: If the type is not installed.
    """

    def __init__(self, node: Node, service: str, kind: str) -> None:
        self._kind: Any = message_class(kind)
        self._service = service
        self._client: Any = node.create_client(self._kind, service)

    @property
    def is_ready(self) -> bool:
        """Whether the service is there."""
        return bool(self._client.service_is_ready())

    def call(self, request: Mapping[str, Any], limit_s: float, now_s: Any) -> Iterator[float]:
        """Call it; yield how long to wait for events, s, until it has answered.

        Raises:
            ArmError: If it refuses, or does not answer in time.
        """
        message = self._kind.Request()
        fill(message, request, self._service)
        deadline_s = now_s() + limit_s
        while not self.is_ready:
            if now_s() > deadline_s:
                raise ArmError(f'the service {self._service} is not there')
            yield POLL_S
        future = self._client.call_async(message)
        while not future.done():
            if now_s() > deadline_s:
                raise ArmError(f'the service {self._service} does not answer')
            yield POLL_S
        response = future.result()
        if getattr(response, 'success', True) is False:
            why = getattr(response, 'message', '') or getattr(response, 'status_message', '')
            raise ArmError(f'the service {self._service} refuses: {why or "no reason given"}')


def fill(message: Any, values: Mapping[str, Any], what: str) -> None:
    """Give a message's fields their values.

    Args:
        message: A message.
        values: Fields by name; those of a message within as a mapping.
        what: What it belongs to, for a person.

    Raises:
        ArmError: If there is no such field, or it takes no such value.
    """
    for name, value in values.items():
        if name not in message.get_fields_and_field_types():
            known = ', '.join(message.get_fields_and_field_types()) or 'none'
            raise ArmError(f'{what}: a request has no field {name!r}; it has {known}')
        before = getattr(message, name)
        if isinstance(value, Mapping) and hasattr(before, 'get_fields_and_field_types'):
            fill(before, value, what)
            continue
        if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)  # noqa: PLW2901 - YAML writes 1 for 1.0
        try:
            setattr(message, name, value)
        except (AssertionError, TypeError, ValueError) as error:
            raise ArmError(
                f'{what}: {name} cannot be {value!r}: it is a '
                f'{message.get_fields_and_field_types()[name]}'
            ) from error
