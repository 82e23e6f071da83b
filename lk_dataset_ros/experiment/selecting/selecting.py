"""Choose the fastest arm that passes, from what a run has left."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lk_dataset_ros.errors import ArmError, DatasetFormatError
from lk_dataset_ros.experiment.cost.cost import MEASURES
from lk_dataset_ros.experiment.cost.intervals import Estimate
from lk_dataset_ros.experiment.reporting.data import FORMAT, VERSION
from lk_dataset_ros.experiment.reporting.figures import estimate
from lk_dataset_ros.experiment.selecting.selection import Choice, arm_of, estimate_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: What speed is judged by: the first of which there is an interval.
_SPEEDS = ('cpu', 'p50')
#: Runs of the original from which on processor time has an interval of some use.
ENOUGH_REPEATS = 3
_MAX_BYTES = 512 * 1024 * 1024
_NUMBER = {'type': ['number', 'null']}
_RUN = {
    'type': 'object',
    'required': ['start', 'cost'],
    'properties': {
        'start': {
            'type': 'object',
            'properties': {
                **{name: {'type': 'string'} for name in ('component', 'package', 'executable')},
                'directory': {'type': 'string'},
                'running': {'type': 'boolean'},
                'parameters': {'type': 'object'},
                'remappings': {'type': 'object', 'additionalProperties': {'type': 'string'}},
                **{
                    name: {'type': 'array', 'items': {'type': 'string'}}
                    for name in ('command', 'python_path')
                },
            },
        },
        'cost': {'type': 'object', 'properties': {'peak_bytes': _NUMBER}},
        'problem': {'type': 'string'},
    },
}
_ESTIMATE = {
    'type': 'object',
    'properties': dict.fromkeys(('value', 'low', 'high'), _NUMBER),
}
_SCHEMA = {
    'type': 'object',
    'required': ['name', 'original', 'compiled'],
    'properties': {
        'name': {'type': 'string', 'minLength': 1},
        'original': _RUN,
        'compiled': {
            'type': 'object',
            'additionalProperties': {
                **_RUN,
                'required': ['start', 'cost', 'verdict', 'exit_code', 'ratios'],
                'properties': {
                    **_RUN['properties'],  # type: ignore[dict-item]
                    'verdict': {'type': 'string'},
                    'exit_code': {'enum': [0, 1, 2]},
                    'ratios': {'type': 'object', 'additionalProperties': _ESTIMATE},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A compiled arm as a run has left it.

    Attributes:
        name: The arm.
        verdict: Its verdict.
        exit_code: 0 if it was accepted, 1 if not, 2 if it could not be judged.
        problem: Why it could not be judged, or empty.
        ratios: What the original costs per what it costs, by name of the measure.
        peak_bytes: Its peak memory, infinity if that is not known.
        start: How it is started, as plain data.
    """

    name: str
    verdict: str
    exit_code: int
    problem: str
    ratios: Mapping[str, Estimate]
    peak_bytes: float
    start: Mapping[str, Any]

    @property
    def passes(self) -> bool:
        """Whether it was accepted, and does what the original does."""
        return self.exit_code == 0 and self.verdict == 'equivalent'

    def ratio(self, measure: str) -> Estimate:
        """Return one of its ratios."""
        return self.ratios.get(measure, Estimate())


def load_run(directory: Path) -> dict[str, Any]:
    """Read the `comparison.json` of a run.

    Args:
        directory: Folder of the run, or the file itself.

    Raises:
        DatasetFormatError: If there is none, or it is not one of an experiment.
    """
    path = directory / 'comparison.json' if directory.is_dir() else directory
    try:
        with path.open('rb') as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DatasetFormatError(
            f'{path} cannot be read: {error.strerror}; give the folder of a finished run'
        ) from error
    if len(text) > _MAX_BYTES:
        raise DatasetFormatError(f'{path} is larger than {_MAX_BYTES >> 20} MiB')
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetFormatError(f'{path} is no JSON: {error}') from error
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise DatasetFormatError(f'{path} is not the result of an experiment ({FORMAT})')
    if content.get('version') != VERSION:
        raise DatasetFormatError(
            f'{path} is of version {content.get("version")!r}, which says too little; '
            f'{VERSION} is read; run the experiment again'
        )
    fault = best_match(_validator().iter_errors(content))
    if fault is not None:
        place = '.'.join(map(str, fault.absolute_path))
        raise DatasetFormatError(f'{path}: {place}: {fault.message[:200]}')
    return content


def candidates_of(content: Mapping[str, Any]) -> list[Candidate]:
    """Return the compiled arms of a run."""
    return [_candidate(name, each) for name, each in content['compiled'].items()]


def select(content: Mapping[str, Any], run: Path, *, date: str) -> Choice:
    """Choose the fastest arm that passes; the original if none is significantly faster.

    Among arms whose intervals overlap with the fastest one's, the one with the least memory is
    chosen.

    Args:
        content: The run, as in its `comparison.json`.
        run: Folder of the run.
        date: Today, ISO 8601.

    Raises:
        ArmError: If no arm could be judged.
    """
    candidates = candidates_of(content)
    if content['original'].get('problem'):
        raise ArmError(f'nothing to select from: the original failed: {_problem(content)}')
    if all(each.exit_code == 2 for each in candidates):
        told = '; '.join(f'{each.name}: {each.problem or each.verdict}' for each in candidates)
        raise ArmError(f'nothing to select from: no arm could be judged: {told}')
    passing = [each for each in candidates if each.passes]
    measure = next(
        (each for each in _SPEEDS if any(arm.ratio(each).has_interval for arm in passing)), ''
    )
    faster = [arm for arm in passing if measure and _is_faster(arm, measure)]
    if not faster:
        why = _why_original(candidates, passing, measure)
        start = content['original']['start']
        arm = arm_of('original', start, run)
        return Choice(arm, why, Estimate(), '', str(run), date)
    chosen = _best(faster, measure)
    why = _why(chosen, faster, measure, len(passing))
    arm = arm_of(chosen.name, chosen.start, run)
    return Choice(arm, why, chosen.ratio(measure), chosen.verdict, str(run), date)


def _is_faster(arm: Candidate, measure: str) -> bool:
    """Tell whether an arm is faster beyond chance, and not at the price of processor time."""
    cpu = arm.ratio('cpu')
    return arm.ratio(measure).low > 1.0 and not cpu.value <= 1.0


def _best(faster: Sequence[Candidate], measure: str) -> Candidate:
    fastest = max(faster, key=lambda arm: arm.ratio(measure).value)
    tied = [arm for arm in faster if arm.ratio(measure).high >= fastest.ratio(measure).low]
    return min(tied, key=lambda arm: (arm.peak_bytes, -arm.ratio(measure).value))


def _why(chosen: Candidate, faster: Sequence[Candidate], measure: str, passing: int) -> str:
    fastest = max(faster, key=lambda arm: arm.ratio(measure).value)
    told = (
        f'{MEASURES[measure]} of the original is {estimate(chosen.ratio(measure))} times as much'
    )
    if chosen is not fastest:
        return f'as fast as {fastest.name} within confidence, with less memory; {told}'
    count = f'the fastest of {passing} that pass' if passing > 1 else 'the only one that passes'
    return f'{count}; {told}'


def _why_original(
    candidates: Sequence[Candidate], passing: Sequence[Candidate], measure: str
) -> str:
    if not passing:
        told = ', '.join(
            f'{each.name} {each.verdict}' + (' but not accepted' * (each.verdict == 'equivalent'))
            for each in candidates
        )
        return f'no compiled arm passes: {told}'
    shown = ', '.join(f'{each.name} {estimate(each.ratio(measure or "cpu"))}' for each in passing)
    if not measure:
        return (
            f'whether one is faster is not known: {shown}; one run has no interval, '
            f'repeats: {ENOUGH_REPEATS} or more has'
        )
    return f'none that passes is faster beyond chance ({MEASURES[measure]}): {shown}'


def _candidate(name: str, content: Mapping[str, Any]) -> Candidate:
    peak = content['cost'].get('peak_bytes')
    return Candidate(
        name,
        content['verdict'],
        content['exit_code'],
        content.get('problem', ''),
        {measure: estimate_of(each) for measure, each in content['ratios'].items()},
        math.inf if peak is None else float(peak),
        content['start'],
    )


def _problem(content: Mapping[str, Any]) -> str:
    problem: str = content['original']['problem']
    return problem


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_SCHEMA)
