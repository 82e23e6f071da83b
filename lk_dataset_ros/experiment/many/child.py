"""Run an experiment on one bag, in a process of its own: whatever happens to it stays in there.

Says on standard output how it goes, one JSON object per line: `{"event": "advances", "done": 5,
"total": 90}`, and `{"event": "error", "text": ...}` where nothing could be run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lk_dataset_ros.errors import LkError

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.running import ArmRun

#: Time between two reports, s.
_EVERY_S = 0.1


class Telling:
    """Tells the parent how it goes.

    Args:
        stream: Where to.
        places: How many runs of arms there will be.
    """

    def __init__(self, stream: IO[str], places: int) -> None:
        self._stream, self._places = stream, places
        self._sent: dict[str, int] = {}
        self._told_s = 0.0

    def say(self, event: str, **more: Any) -> None:
        """Write one line."""
        self._stream.write(json.dumps({'event': event, **more}) + '\n')
        self._stream.flush()

    def arm_starts(self, label: str) -> None:
        """Learn that an arm is started."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Tell how many inputs all arms got together."""
        self._sent[label] = sent
        now_s = time.monotonic()
        if now_s - self._told_s >= _EVERY_S:
            self._told_s = now_s
            done = sum(self._sent.values())
            self.say('advances', done=done, total=max(total * self._places, done))

    def arm_ends(self, run: ArmRun) -> None:
        """Learn that an arm is through."""

    def warn(self, text: str) -> None:
        """Leave a warning in the log."""
        print(f'lk: warning: {text}', file=sys.stderr, flush=True)


def run(request: dict[str, Any], stream: IO[str]) -> int:
    """Run one experiment.

    Args:
        request: `specification`, `bag` and `output`, paths; `falsify`.
        stream: Takes how it goes.
    """
    from lk_dataset_ros.experiment.rounds import plan  # noqa: PLC0415
    from lk_dataset_ros.experiment.run import run_experiment  # noqa: PLC0415
    from lk_dataset_ros.experiment.specification import (  # noqa: PLC0415
        BagInputs,
        load_specification,
    )

    telling = Telling(stream, 1)
    try:
        specification = load_specification(Path(request['specification']))
        if isinstance(specification.inputs, BagInputs):
            inputs = dataclasses.replace(specification.inputs, bag=Path(request['bag']))
            specification = specification.replace(inputs=inputs)
        telling = Telling(stream, sum(map(len, plan(specification))))
        result = run_experiment(
            specification, telling, output=Path(request['output']), falsify=request['falsify']
        )
    except LkError as error:
        telling.say('error', text=' '.join(str(error).split()))
        return 2
    return result.exit_code


def main(argv: list[str]) -> int:
    """Answer one request, a JSON object."""
    # SIGTERM unwinds: every process that was started ends in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # What a component prints while it is looked at is no event.
    events = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(events, 'w') as stream:
        return run(json.loads(argv[0]), stream)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
