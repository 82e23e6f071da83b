"""A ROS graph of its own for every test, and nothing left behind."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from graph_kit import MARK, REAL_BAG, Graph, marked_processes, write_odometry

from lk_dataset_ros.experiment.environment import child_environment, own_domain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """Hold a domain; afterwards make sure that no process is left."""
    mark = uuid.uuid4().hex
    with own_domain() as domain:
        # Types that the user has built must not decide how a test ends.
        more = {MARK: mark, 'XDG_CACHE_HOME': str(tmp_path / 'cache')}
        env = child_environment(domain, tmp_path / 'logs', more=more)
        graph = Graph(env, tmp_path)
        try:
            yield graph
        finally:
            graph.close()
    assert marked_processes(mark) == []


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Make a bag with 200 messages on /odom, 50 per second."""
    return write_odometry(tmp_path / 'bag')


@pytest.fixture
def real_bag() -> Path:
    """Return the real recording, or skip."""
    if not REAL_BAG.exists():
        pytest.skip(f'no real recording at {REAL_BAG}')
    return REAL_BAG
