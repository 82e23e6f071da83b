"""What the process of an arm without ROS does, whatever the arm is fed: says how it goes."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import traceback
from typing import IO, TYPE_CHECKING, Any, Protocol

from lk_dataset_ros.component import extend_python_path, load_component
from lk_dataset_ros.errors import LkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.component import Component
    from lk_dataset_ros.experiment.specification.parts import Arm


class Report(Protocol):
    """Says something to who has started this process."""

    def __call__(self, event: str, **more: Any) -> None:
        """Say that something has happened, and more of it."""


class Running(Protocol):
    """An arm that is set up."""

    def run(self) -> str:
        """Feed it; return what went wrong, or nothing."""

    def figures(self) -> Mapping[str, Any]:
        """Return what came out."""


def serve(do: Callable[[Report], None]) -> int:
    """Do something, and say how it goes on what was the standard output.

    Whatever else writes to it from now on writes to the log.

    Returns:
        The exit code.
    """
    with protocol() as output:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)

        def report(event: str, **more: Any) -> None:
            output.write(json.dumps({'event': event, **more}) + '\n')
            output.flush()

        do(report)
    return 0


def protocol() -> IO[str]:
    """Return the standard output, and let whatever writes to it from now on write to the log."""
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    return own


def run_arm(set_up: Callable[[dict[str, Any]], Running], report: Report) -> None:
    """Set an arm up, run it, and report what came out; whatever it does is a result.

    Args:
        set_up: Makes the arm and reports that it is ready; what it puts into its argument is
            reported at the end, too.
        report: Is told.
    """
    known: dict[str, Any] = {}
    arm, problem = None, ''
    try:
        arm = set_up(known)
        problem = arm.run()
    except Exception as error:  # noqa: BLE001 - whatever an arm does is a result
        problem = say(error)
    except SystemExit as error:
        problem = f'it has left with exit code {error.code}'
    report('done', problem=problem, **known, **({} if arm is None else arm.figures()))


def component_of(arm: Arm) -> Component:
    """Make the component of an arm."""
    extend_python_path(list(arm.python_path))
    cls = load_component(arm.component)
    return cls(config=cls.Config.from_mapping(arm.parameters))


def peak_bytes() -> int:
    """Return the most memory that this process had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024


def say(error: Exception) -> str:
    """Say what was raised and where, in one line; the log has it all."""
    traceback.print_exception(error)
    text = ' '.join(str(error).split())
    if isinstance(error, LkError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    where = f' ({frames[-1].filename}, line {frames[-1].lineno})' if frames else ''
    return f'{type(error).__name__}: {text}{where}'
