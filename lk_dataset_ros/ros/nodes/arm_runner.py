"""The `arm_runner`: starts, feeds and records the arms of one round of an experiment.

Started by `lk ab` with the path of a job, a JSON file. Every arm has a ROS domain of its own, in
which this process has a node; the arms are its children. The course of it goes out as JSON lines
on the standard output.
"""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros import arms
from lk_dataset_ros.ros.arms.job import Job
from lk_dataset_ros.ros.arms.round import Round
from lk_dataset_ros.ros.host import use_profiles


class _Stop:
    """Whether SIGINT or SIGTERM has come."""

    def __init__(self) -> None:
        self._is_requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)

    def __call__(self) -> bool:
        return self._is_requested

    def _request(self, number: int, frame: Any) -> None:
        del number, frame
        self._is_requested = True


def report(event: str, **values: Any) -> None:
    """Write one line for `lk ab`."""
    values = {name: None if _is_nan(each) else each for name, each in values.items()}
    print(json.dumps({'event': event, **values}), flush=True)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def main(argv: list[str] | None = None) -> int:
    """Run a round.

    Returns:
        Exit code: 0, whatever the arms did; 2 if the job cannot be done.
    """
    stop = _Stop()
    logging.basicConfig(format='[%(levelname)s] %(message)s', level=logging.WARNING)
    arguments = sys.argv[1:] if argv is None else argv
    try:
        job = Job.load(arguments[0] if arguments else '')
        # The arms inherit them: all are treated alike.
        use_profiles(Path(arms.__file__).parent)
        Round(job, report, stop).run()
    except LkError as error:
        print(f'arm_runner: error: {error}', file=sys.stderr, flush=True)
        return 2
    except Exception:  # noqa: BLE001 - a fault of ours; the arms are ended all the same
        traceback.print_exc()
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
