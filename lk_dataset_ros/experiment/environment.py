"""What a run needs from its surroundings: ROS executables, a ROS domain of its own."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import EnvironmentNotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = 'lk_dataset_ros'
#: The domains whose ports lie below the ephemeral ones on every platform; 0 is everybody's.
DOMAINS = range(1, 102)
#: Ports of a domain (RTPS 2.5, 9.6.1.1): that of multicast discovery, and that of the first
#: participant's unicast discovery.
_FIRST_PORT = 7400
_PORTS_PER_DOMAIN = 250
_DISCOVERY_PORTS = (0, 10)


def find_executable(package: str, name: str) -> str | None:
    """Return the path of a ROS package's executable in the sourced environment, or None."""
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix) / 'lib' / package / name
        if prefix and path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return None


def own_executable(name: str) -> list[str]:
    """Return the command of one of this package's nodes.

    Raises:
        EnvironmentNotReadyError: If no ROS 2 with this package is sourced.
    """
    path = find_executable(PACKAGE, name)
    if path is None:
        raise EnvironmentNotReadyError(
            f'no ROS 2 with {PACKAGE} is sourced: source /opt/ros/<distro>/setup.bash and the '
            'install/setup.bash of your workspace (in a checkout without ROS: source env.sh)'
        )
    # By the interpreter that runs us: the one of the script's first line may be another.
    return [sys.executable, path]


@contextmanager
def own_domain() -> Iterator[int]:
    """Hold a ROS domain that no other run on this machine holds, and in which nobody is.

    Raises:
        EnvironmentNotReadyError: If all are taken.
    """
    folder = Path(tempfile.gettempdir()) / f'{PACKAGE}-domains-{os.getuid()}'
    folder.mkdir(mode=0o700, exist_ok=True)
    callers = os.environ.get('ROS_DOMAIN_ID', '0')
    candidates = [domain for domain in DOMAINS if str(domain) != callers]
    random.shuffle(candidates)
    for domain in candidates:
        with (folder / str(domain)).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            # Other graphs hold no lock of ours; their messages would be taken for an arm's.
            if _is_inhabited(domain):
                continue
            yield domain
            return
    raise EnvironmentNotReadyError('all ROS domains are taken by others on this machine')


def _is_inhabited(domain: int) -> bool:
    """Tell whether a participant on this machine listens on a discovery port of a domain."""
    for offset in _DISCOVERY_PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', _FIRST_PORT + _PORTS_PER_DOMAIN * domain + offset))
            except OSError:
                return True
    return False


def child_environment(
    domain: int, log_directory: Path, *, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a run's child processes.

    Args:
        domain: Their ROS domain.
        log_directory: Where they log.
        more: Variables beside those of this process (types that were built from the bag).
    """
    return {
        **os.environ,
        **(more or {}),
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(log_directory / 'ros'),
        'RCUTILS_COLORIZED_OUTPUT': '0',
        'PYTHONUNBUFFERED': '1',
    }
