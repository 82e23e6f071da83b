"""What the launch files share: start `lk`, end with its exit code, refuse in one line."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ament_index_python.packages import get_package_prefix
from launch.actions import EmitEvent, ExecuteProcess, LogInfo
from launch.events import Shutdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launch import LaunchContext

MEANINGS = {
    0: 'equivalent',
    1: 'differs',
    2: 'could not be judged',
}


def end_with(code: int) -> None:
    """Let the process of this launch end with an exit code.

    A launch itself knows 0 and 1 only, and its processes have to be ended before.
    """
    atexit.register(_leave, code)


def _leave(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def refuse(reason: str) -> list[Any]:
    """Say in one line why nothing is started; the launch ends with exit code 2."""
    print(f'error: {reason}', file=sys.stderr, flush=True)
    end_with(2)
    return [EmitEvent(event=Shutdown(reason='nothing to start'))]


def run_lk(arguments: Sequence[str]) -> list[Any]:
    """Start `lk`; when it has ended, the launch does, with its exit code.

    Args:
        arguments: Its command line.
    """

    def pass_on(event: Any, context: LaunchContext) -> list[Any]:
        del context
        code = event.returncode if event.returncode >= 0 else 128 - event.returncode
        if code:
            end_with(code)
        said = f'lk {arguments[0]}: {MEANINGS.get(code, "ended")} (exit code {code})'
        return [LogInfo(msg=said), EmitEvent(event=Shutdown(reason=said))]

    lk = Path(get_package_prefix('lk_dataset_ros')) / 'bin' / 'lk'
    # Ctrl-C goes to lk, which ends its arms; give them the time before anybody gets impatient.
    return [
        ExecuteProcess(
            cmd=[sys.executable, str(lk), *arguments],
            name='lk',
            output='screen',
            on_exit=pass_on,
            sigterm_timeout='20',
            sigkill_timeout='20',
        )
    ]


def options_of(context: LaunchContext, names: Sequence[str]) -> list[str]:
    """Return those launch arguments that are given as options of `lk`."""
    given = ((name, context.launch_configurations.get(name, '')) for name in names)
    return [f'--{name}={value}' for name, value in given if value]
