"""What a runner of arms has said so far: its lines, checked."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.experiment.running.arm_run import ArmRun, Cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress

#: A longer line is none of a runner's.
_LONGEST: Final = 1 << 20


class Course:
    """Reads the lines of a runner.

    Args:
        labels: Of the arms that it runs.
        progress: Is told how far they are.
    """

    def __init__(self, labels: Sequence[str], progress: Progress) -> None:
        self._labels = frozenset(labels)
        self._progress = progress
        self._rest = b''
        self.arms: dict[str, Mapping[str, Any]] = {}

    def take(self, output: bytes) -> None:
        """Take more of its output."""
        *lines, rest = (self._rest + output).split(b'\n')
        self._rest = rest[:_LONGEST]
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get('label') in self._labels:
                self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        label = event['label']
        if event.get('event') == 'arm':
            self.arms[label] = event
        elif event.get('event') == 'advance':
            sent, total = event.get('sent'), event.get('total')
            if isinstance(sent, int) and isinstance(total, int):
                self._progress.arm_advances(label, sent, total)


def run_of(place: Place, bag: Path, event: Mapping[str, Any], logs: Path) -> ArmRun:
    """Return what a runner says of an arm.

    Args:
        place: The arm.
        bag: Its bag.
        event: The runner's line.
        logs: Folder with the latencies.
    """
    cost = Cost(
        cpu_s=_number(event, 'cpu_s'),
        wall_s=_number(event, 'wall_s'),
        start_up_s=_number(event, 'start_up_s'),
        peak_bytes=_number(event, 'peak_bytes'),
        latencies_s=_latencies(logs / f'{place.label}.latencies.npy'),
    )
    unconfirmed, outcome = event.get('unconfirmed'), event.get('outcome')
    return ArmRun(
        place,
        bag,
        problem=str(event.get('problem') or ''),
        sent=_counts(event, 'sent'),
        hashes={str(topic): str(each) for topic, each in dict(event.get('hashes') or {}).items()},
        unconfirmed=tuple(map(str, unconfirmed)) if isinstance(unconfirmed, list) else (),
        received=_counts(event, 'received'),
        unanswered=_counts(event, 'unanswered'),
        late=_counts(event, 'late'),
        surplus=_counts(event, 'surplus'),
        achieved_rtf=_number(event, 'achieved_rtf'),
        cost=cost,
        outcome=dict(outcome) if isinstance(outcome, dict) else {},
    )


def remarks_on(label: str, event: Mapping[str, Any], answer_s: float) -> list[str]:
    """Return what is odd about the answers of an arm."""
    late, surplus = _counts(event, 'late'), _counts(event, 'surplus')
    return [
        *(
            f'{label}: {count} messages on {topic} answer an input that had been given up '
            f'(limits: answer_s {answer_s:g} s, silence_s)'
            for topic, count in late.items()
        ),
        *(
            f'{label}: {count} messages on {topic} are more than its count says'
            for topic, count in surplus.items()
        ),
    ]


def _counts(event: Mapping[str, Any], name: str) -> dict[str, int]:
    found = event.get(name)
    if not isinstance(found, dict):
        return {}
    return {str(topic): each for topic, each in found.items() if isinstance(each, int)}


def _number(event: Mapping[str, Any], name: str) -> float:
    found = event.get(name)
    return float(found) if isinstance(found, (int, float)) else math.nan


def _latencies(path: Path) -> NDArray[np.float64]:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.zeros(0)
    return np.asarray(found, np.float64).ravel()
