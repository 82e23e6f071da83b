"""Running colcon: what it needs, its environment, what it says when it fails."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.errors import EnvironmentNotReadyError, TypeBuildError
from lk_dataset_ros.interfaces.overlay import Overlay, variables_with
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lk_dataset_ros.interfaces.installed import Installed
    from lk_dataset_ros.interfaces.packages import PackageSource

POLL_S: Final = 0.1
#: Imports each class, and loads the code that converts its messages; rosidl only logs a failure.
_IMPORT: Final = """
import importlib, sys
for name in sys.argv[1:]:
    package, kind, own = name.split('/')
    cls = getattr(importlib.import_module(f'{package}.{kind}'), own)
    cls.__import_type_support__()
    if cls._TYPE_SUPPORT is None:
        sys.exit(f'no type support of {name}')
"""


class Deadline:
    """When a build has to be through, and whether it is still wanted.

    Args:
        limit_s: Time from now on.
        is_stopping: Tells that it is not wanted any more (a node was told to end).
    """

    def __init__(self, limit_s: float, is_stopping: Callable[[], bool]) -> None:
        self._end_s = time.monotonic() + limit_s
        self._is_stopping = is_stopping

    def check(self, what: str) -> None:
        """Check that there is time left.

        Raises:
            TypeBuildError: If not.
        """
        if self._is_stopping():
            raise TypeBuildError(f'{what} was interrupted')
        if time.monotonic() > self._end_s:
            raise TypeBuildError(f'{what} is not through in time')

    def wait(self, process: GuardedProcess, what: str) -> int:
        """Wait for a process; return its exit code.

        Raises:
            TypeBuildError: If it is not through in time; its log is named.
        """
        while (code := process.wait(POLL_S)) is None:
            try:
                self.check(what)
            except TypeBuildError as error:
                raise TypeBuildError(f'{error}; its log is {process.log}') from None
        return code


def colcon_command(place: Installed) -> list[str]:
    """Return the command of colcon.

    Raises:
        EnvironmentNotReadyError: If it, or something else that a build needs, is not there.
    """
    distro = os.environ.get('ROS_DISTRO', '')
    apt = f'sudo apt install ros-{distro}-' if distro.isalnum() else 'pip install ros-'
    for package in ('ament_cmake', 'rosidl_default_generators'):
        if place.package(package) is None:
            raise EnvironmentNotReadyError(
                f'types cannot be built: {package} is not installed '
                f'({apt}{package.replace("_", "-")})'
            )
    compiler = os.environ.get('CXX', 'c++').split()[:1] or ['c++']
    for tool, package in (('cmake', 'cmake'), ('make', 'make'), (compiler[0], 'g++')):
        if shutil.which(tool) is None:
            raise EnvironmentNotReadyError(
                f'types cannot be built: {tool} is not installed (sudo apt install {package})'
            )
    if importlib.util.find_spec('colcon') and importlib.util.find_spec('colcon_ros'):
        return [sys.executable, '-m', 'colcon']
    path = shutil.which('colcon')
    if path is None:
        raise EnvironmentNotReadyError(
            'types cannot be built: colcon is not installed (pip install colcon-common-extensions '
            'colcon-ros, or sudo apt install python3-colcon-common-extensions)'
        )
    return [path]


def run_colcon(
    command: list[str],
    sources: list[PackageSource],
    folder: Path,
    older: Sequence[Overlay],
    log: Path,
    deadline: Deadline,
) -> None:
    """Build packages into `folder/install/<package>`.

    Args:
        command: The command of colcon.
        sources: The packages.
        folder: An empty folder for all that is written.
        older: Packages built before that they need.
        log: File that takes what colcon and the compilers say.
        deadline: When it has to be through.

    Raises:
        TypeBuildError: If it fails or is not through in time; nothing of it is left running.
    """
    for source in sources:
        source.write(folder / 'src' / source.name)
    defaults = folder / 'defaults.yaml'
    defaults.write_text('{}\n')
    arguments = [
        *command,
        *('--log-base', str(folder / 'log'), 'build'),
        *('--base-paths', str(folder / 'src')),
        *('--build-base', str(folder / 'build'), '--install-base', str(folder / 'install')),
        *('--event-handlers', 'console_direct+'),
        *('--cmake-args', '-DBUILD_TESTING=OFF', '-DCMAKE_BUILD_TYPE=Release', '-Wno-dev'),
        f'-DPython3_EXECUTABLE={sys.executable}',
        '-DPython3_FIND_VIRTUALENV=ONLY' if sys.prefix != sys.base_prefix else '',
    ]
    names = ', '.join(source.name for source in sources)
    with GuardedProcess(
        [argument for argument in arguments if argument],
        env=_environment(older, folder, defaults),
        log=log,
    ) as process:
        code = deadline.wait(process, f'building {names}')
    if code:
        raise TypeBuildError(
            f'building {names} failed (exit code {code}): {_first_error(process)}; '
            f'its log is {log}'
        )


def _environment(older: Sequence[Overlay], folder: Path, defaults: Path) -> dict[str, str]:
    """Return the environment of colcon: the sourced one, and packages built before."""
    environment = {
        **os.environ,
        **variables_with(older, os.environ),
        # A user's settings (a merged or linked installation) are not for this.
        'COLCON_HOME': str(folder / 'colcon'),
        'COLCON_DEFAULTS_FILE': str(defaults),
        'COLCON_EXTENSION_BLOCKLIST': 'colcon_core.event_handler.desktop_notification',
        'CMAKE_GENERATOR': 'Unix Makefiles',
        'LC_ALL': 'C.UTF-8',
    }
    ament = environment['AMENT_PREFIX_PATH'].split(os.pathsep)
    cmake = [part for part in environment['CMAKE_PREFIX_PATH'].split(os.pathsep) if part]
    more = [part for part in ament if part not in cmake]
    environment['CMAKE_PREFIX_PATH'] = os.pathsep.join([*cmake, *more])
    for name in ('CMAKE_ARGS', 'AMENT_CMAKE_SYMLINK_INSTALL', 'DESTDIR', 'PYTHONSTARTUP'):
        environment.pop(name, None)
    return environment


def _first_error(process: GuardedProcess) -> str:
    lines = process.log_tail(400)
    marks = ('error:', 'CMake Error', 'Error:', 'ERROR')
    found = next((line for line in lines if any(mark in line for mark in marks)), '')
    return ' '.join((found or (lines or ['no message'])[-1]).split())[:300]


def check_import(
    overlays: Sequence[Overlay], older: Sequence[Overlay], log: Path, deadline: Deadline
) -> None:
    """Check in a process of its own that this Python can load what was built.

    Args:
        overlays: What was built.
        older: Packages built before that it needs.
        log: File that takes what is said.
        deadline: When it has to be through.

    Raises:
        TypeBuildError: If it cannot.
    """
    names = [name for each in overlays for name in each.types]
    with GuardedProcess(
        [sys.executable, '-c', _IMPORT, *names],
        env={**os.environ, **variables_with([*older, *overlays], os.environ)},
        log=log,
    ) as process:
        code = deadline.wait(process, 'loading what was built')
    if code != 0:
        raise TypeBuildError(
            f'{", ".join(sorted({each.package for each in overlays}))} cannot be loaded by {sys.executable}: '
            f'{(process.log_tail(1) or ["no message"])[0][:300]}; its log is {log}'
        )
