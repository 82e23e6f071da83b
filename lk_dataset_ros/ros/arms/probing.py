"""Ask an arm's nodes a question: the answer proves that they know us, and have time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from rcl_interfaces.srv import GetParameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node

_SERVICE: Final = 'get_parameters'
#: A question is asked again after this time, s: an answer is lost whose reader is not yet known.
_AGAIN_S: Final = 0.2


class Probe:
    """Asks nodes for no parameter at all.

    DDS tells a participant of endpoints in their order. So who answers a question has heard of
    all readers and writers that we made before the one that asked; and a node that runs its
    callbacks one after the other is through with what it got before.

    Args:
        node: Our node.
        names: Full names of the nodes that are asked.
    """

    def __init__(self, node: Node, names: Iterable[str]) -> None:
        self._node = node
        self._clients: list[Any] = [
            node.create_client(GetParameters, f'{name}/{_SERVICE}') for name in sorted(names)
        ]
        self._asked_s: dict[Any, float] = {}
        self._answered: set[Any] = set()

    @property
    def is_possible(self) -> bool:
        """Whether there is somebody to ask."""
        return bool(self._clients)

    def ask(self) -> None:
        """Begin a new question."""
        for client in self._clients:
            while client.handle.take_response(GetParameters.Response)[0] is not None:
                pass
        self._asked_s.clear()
        self._answered.clear()

    def has_answer(self) -> bool:
        """Ask, or ask again; tell whether all have answered."""
        now_s = time.monotonic()
        for client in self._clients:
            if client in self._answered:
                continue
            if client.handle.take_response(GetParameters.Response)[0] is not None:
                self._answered.add(client)
                continue
            is_due = now_s - self._asked_s.get(client, -math.inf) >= _AGAIN_S
            if is_due and client.service_is_ready():
                self._asked_s[client] = now_s
                client.handle.send_request(GetParameters.Request())
        return len(self._answered) == len(self._clients)

    def wait(self, limit_s: float) -> bool:
        """Ask anew and wait for the answer; tell whether it came."""
        self.ask()
        deadline_s = time.monotonic() + limit_s
        while not self.has_answer():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(0.001)
        return True


def askable(node: Node, endpoints: Iterable[tuple[str, str]]) -> set[str]:
    """Return the full names of nodes that can be asked, out of names and namespaces."""
    found = set()
    for name, namespace in endpoints:
        full = f'{namespace.rstrip("/")}/{name}'
        try:
            services = node.get_service_names_and_types_by_node(name, namespace)
        except Exception:  # noqa: BLE001, S112 - rclpy's error for a node that is not known yet
            continue
        if any(service == f'{full}/{_SERVICE}' for service, _ in services):
            found.add(full)
    return found
