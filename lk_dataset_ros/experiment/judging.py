"""Judge a compiled arm beside its outputs: its inputs, its cost, the outcome of its task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from lk_dataset_ros.experiment.cost.cost import percentile_s
from lk_dataset_ros.experiment.specification import WorldInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.experiment.cost.intervals import Estimate
    from lk_dataset_ros.experiment.running import ArmRun
    from lk_dataset_ros.experiment.specification import Demands, Specification


class State(Enum):
    """What became of a demand."""

    MET = 'met'
    NOT_MET = 'not met'
    NOT_CLEAR = 'not clear'


@dataclass(frozen=True, slots=True)
class Judged:
    """A demand, judged by the interval of what was found.

    Attributes:
        name: Its name in the specification: `speed_up`, `p99_latency_s`.
        limit: What is demanded: the least speed-up, the largest latency.
        found: What was found.
        state: What became of it.
    """

    name: str
    limit: float
    found: Estimate
    state: State


def judge_trust(
    original: ArmRun, run: ArmRun, *, specification: Specification | None = None
) -> str:
    """Return why two runs are not to be compared, or nothing.

    Args:
        original: A run of the original.
        run: A run of a compiled arm, or a further one of the original.
        specification: Tells which inputs have proven by an answer that they arrived, and whether
            arms that do the same get the same inputs at all: in a world they need not.
    """
    in_world = specification is not None and isinstance(specification.inputs, WorldInputs)
    if not in_world:
        reason = _unequal(original, run)
        if reason:
            return reason
    for each in (original, run):
        open_topics = [
            topic for topic in each.unconfirmed if not _is_answered(topic, each, specification)
        ]
        if open_topics:
            return (
                f'nobody confirmed that {each.place.label} got every message on '
                f'{", ".join(open_topics)} (best effort): loss cannot be ruled out'
            )
    return ''


def differing_outcomes(originals: Sequence[ArmRun], runs: Sequence[ArmRun]) -> list[str]:
    """Return the names of what became of the task otherwise than with the original.

    What is a number has no tolerance and does not count; nor does what runs of the original do
    not agree on.
    """
    names = dict.fromkeys(name for run in (*originals, *runs) for name in run.outcome)
    found = []
    for name in names:
        usual = [run.outcome.get(name) for run in originals]
        others = [run.outcome.get(name) for run in runs]
        is_number = all(_is_number(each) for each in (*usual, *others))
        if not is_number and len(set(usual)) == 1 and any(each != usual[0] for each in others):
            found.append(name)
    return found


def _is_number(value: bool | float | str | None) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unequal(original: ArmRun, run: ArmRun) -> str:
    """Say in one line which inputs are not the same."""
    names = f'{original.place.label} and {run.place.label}'
    for topic in dict.fromkeys((*original.sent, *run.sent)):
        counts = [each.sent.get(topic, 0) for each in (original, run)]
        if counts[0] != counts[1]:
            return f'unequal inputs: {names} were sent {counts[0]} and {counts[1]} on {topic}'
    for topic in dict.fromkeys((*original.hashes, *run.hashes)):
        hashes = [each.hashes.get(topic, '') for each in (original, run)]
        if hashes[0] != hashes[1]:
            shown = ' and '.join(each[:12] or 'unknown' for each in hashes)
            return f'unequal inputs: {names} got other messages on {topic} (SHA-256 {shown})'
    return ''


def _is_answered(topic: str, run: ArmRun, specification: Specification | None) -> bool:
    """Tell whether an answer to each message of a topic has proven that it arrived."""
    outputs = specification.outputs if specification is not None else ()
    return any(
        output.answers == topic and output.least and not run.unanswered.get(output.topic, 0)
        for output in outputs
    )


def judge_demands(
    demands: Demands, found: Mapping[str, Estimate], runs: Sequence[ArmRun]
) -> list[Judged]:
    """Judge what is demanded of an arm's cost.

    Args:
        demands: What is demanded.
        found: What the original costs per what the arm costs.
        runs: All runs of the arm.
    """
    judged = []
    if demands.speed_up is not None:
        estimate = found['cpu']
        state = _state(demands.speed_up, math.inf, estimate)
        judged.append(Judged('speed_up', demands.speed_up, estimate, state))
    if demands.p99_latency_s is not None:
        estimate = percentile_s(runs, 'p99')
        state = _state(-math.inf, demands.p99_latency_s, estimate)
        judged.append(Judged('p99_latency_s', demands.p99_latency_s, estimate, state))
    return judged


def _state(least: float, most: float, found: Estimate) -> State:
    if not found.has_interval:
        return State.NOT_CLEAR
    if least <= found.low and found.high <= most:
        return State.MET
    return State.NOT_MET if found.high < least or found.low > most else State.NOT_CLEAR
