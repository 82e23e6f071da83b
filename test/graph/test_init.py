"""`lk init --graph`: what runs is found, and becomes an experiment that can be run."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from rclpy.qos import QoSProfile

from lk_dataset_ros.experiment.specification import LiveInputs, Mode, load_specification
from lk_dataset_ros.ros.nodes import graph_probe

if TYPE_CHECKING:
    from graph_kit import Graph

SMOOTHER = 'component:=odometry_smoother.original:OdometrySmoother'
COMPILED = 'cpp=odometry_smoother.compiled:OdometrySmootherCpp'


def test_a_running_node_becomes_an_experiment(graph: Graph) -> None:
    """Promise: --graph finds the node that runs, its topics and types; the file can be read."""
    graph.node('component', SMOOTHER, '-r', '__ns:=/robot')
    code, said, errors = graph.lk('init', '--graph', '--compiled', COMPILED)
    assert code == 0, errors
    assert 'experiment.yaml: 1 inputs, 1 outputs' in said
    found = load_specification(graph.folder / 'experiment.yaml')
    assert (found.mode, found.original.is_running) == (Mode.LIVE, True)
    assert found.inputs == LiveInputs(('/robot/odom',), 30.0)
    assert [each.topic for each in found.outputs] == ['/robot/smoothed']
    remappings = {'odom': '/robot/odom', 'smoothed': '/robot/smoothed'}
    assert dict(found.compiled[0].remappings) == remappings
    assert 'nav_msgs/msg/Odometry, reliable, volatile' in found.path.read_text()
    code, _, errors = graph.lk('init', '--node', 'nobody', '--limit', '1', '-o', 'other.yaml')
    assert code == 2
    assert 'there is no node nobody in this ROS domain' in errors
    assert not (graph.folder / 'other.yaml').exists()


class MadeUp:
    """A node that sees what it is told, one node with a subscription for each name."""

    def __init__(self) -> None:
        self.names: list[str] = ['graph_probe']

    def get_fully_qualified_name(self) -> str:
        return '/graph_probe'

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        return [(name, '/') for name in self.names]

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        return [('/odom', ['nav_msgs/msg/Odometry'])]

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        del topic
        return []

    def get_subscriptions_info_by_topic(self, topic: str) -> list[Any]:
        del topic
        profile = QoSProfile(depth=1)
        return [
            SimpleNamespace(
                node_name=name,
                node_namespace='/',
                topic_type='nav_msgs/msg/Odometry',
                qos_profile=profile,
            )
            for name in (*self.names, 'not_known_yet')
        ]


@pytest.mark.parametrize(
    ('wanted', 'limit_s', 'end_s', 'is_settled'),
    [('', 15.0, 3.5, True), ('/late', 15.0, 7.5, True), ('/nobody', 15.0, 15.0, False)],
)
def test_the_probe_waits_until_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wanted: str,
    limit_s: float,
    end_s: float,
    *,
    is_settled: bool,
) -> None:
    """Promise: the graph is known when it has not changed for a while and who is wanted is there."""
    options = {'quiet_s': 2.5, 'limit_s': limit_s, 'wait_for': wanted}
    monkeypatch.setattr(graph_probe, 'declare_options', lambda *_, **__: options)
    node, now_s = MadeUp(), 0.0
    probe = graph_probe.GraphProbe(node, lambda: now_s)  # type: ignore[arg-type]
    while probe.turn() is not None:
        now_s += 0.5
        node.names += {1.0: ['early'], 5.0: ['late']}.get(now_s, [])
    assert now_s == end_s
    found = json.loads(capsys.readouterr().out)
    assert found['settled'] is is_settled
    assert '/graph_probe' not in found['nodes']
    (heard,) = found['nodes']['/early']['subscriptions']
    assert (heard['topic'], heard['reliability']) == ('/odom', 'reliable')
    assert ('/late' in found['nodes']) == bool(wanted)
