"""The ROS domain that a run has for itself."""

from __future__ import annotations

import socket

import pytest

from lk_dataset_ros.errors import EnvironmentNotReadyError
from lk_dataset_ros.experiment import environment


@pytest.mark.parametrize('offset', [0, 10], ids=['multicast', 'unicast'])
def test_a_domain_in_which_somebody_listens_is_left_alone(
    offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: a run does not move in where another graph of this machine is at home."""
    with environment.own_domain() as free:
        pass
    monkeypatch.setattr(environment, 'DOMAINS', [free])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(('127.0.0.1', 7400 + 250 * free + offset))
        with pytest.raises(EnvironmentNotReadyError, match='taken'), environment.own_domain():
            pass
