"""Look at the running graph, by the node `graph_probe` in a process of its own."""

from __future__ import annotations

import json
import os
import selectors
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lk_dataset_ros.errors import EnvironmentNotReadyError
from lk_dataset_ros.experiment.drafting.draft import TopicSeen
from lk_dataset_ros.experiment.environment import own_executable
from lk_dataset_ros.process import GuardedProcess

#: How long the process may take beside looking, s.
_START_LIMIT_S = 60.0
_LARGEST = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node of the graph.

    Attributes:
        name: Its name with its namespace.
        publishers: What it publishes.
        subscriptions: What it subscribes to.
    """

    name: str
    publishers: tuple[TopicSeen, ...]
    subscriptions: tuple[TopicSeen, ...]


def look_at_graph(*, node: str = '', limit_s: float = 15.0) -> tuple[list[NodeSeen], bool]:
    """Look at the graph of the ROS domain that this process is in.

    Args:
        node: A node that has to be there before the graph is known.
        limit_s: After that the graph is taken as it is, s.

    Returns:
        The nodes, and whether the graph had settled.

    Raises:
        EnvironmentNotReadyError: If no ROS 2 with this package is sourced, or it does not run.
    """
    wanted = f'/{node.lstrip("/")}' if node else ''
    command = [*own_executable('graph_probe'), '--ros-args']
    command += ['-p', f'wait_for:={json.dumps(wanted)}', '-p', f'limit_s:={float(limit_s)}']
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'graph_probe.log'
        with GuardedProcess(command, env=os.environ, log=log, piped=True) as process:
            output = _read(process, limit_s + _START_LIMIT_S)
            code = process.wait(_START_LIMIT_S)
            if code != 0 or output is None:
                last = process.log_tail(1) or ['no message']
                raise EnvironmentNotReadyError(f'the graph cannot be looked at: {last[0]}')
    return nodes_of(output)


def _read(process: GuardedProcess, limit_s: float) -> bytes | None:
    """Return all that a process says; None if it takes too long or says too much."""
    deadline_s, output = time.monotonic() + limit_s, b''
    with selectors.DefaultSelector() as selector:
        selector.register(process.output, selectors.EVENT_READ)
        while (left_s := deadline_s - time.monotonic()) > 0 and len(output) <= _LARGEST:
            if not selector.select(timeout=left_s):
                return None
            part = os.read(process.output.fileno(), 65536)
            if not part:
                return output
            output += part
    return None


def nodes_of(output: bytes) -> tuple[list[NodeSeen], bool]:
    """Return what the node has said.

    Raises:
        EnvironmentNotReadyError: If it has said something else.
    """
    try:
        said = json.loads(output.strip().splitlines()[-1])
        nodes = [
            NodeSeen(str(name), _topics(each['publishers']), _topics(each['subscriptions']))
            for name, each in said['nodes'].items()
        ]
        return nodes, bool(said['settled'])
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise EnvironmentNotReadyError(
            'graph_probe says nothing that could be understood; is another version sourced?'
        ) from error


def _topics(said: list[dict[str, Any]]) -> tuple[TopicSeen, ...]:
    """Return each topic once: a node may have several endpoints on it."""
    found = {
        str(each['topic']): TopicSeen(
            str(each['topic']),
            str(each['type']),
            qos=f'{each["reliability"]}, {each["durability"]}',
        )
        for each in said
    }
    return tuple(found[name] for name in sorted(found))
