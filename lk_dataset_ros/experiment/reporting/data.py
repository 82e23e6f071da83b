"""A result as plain data: `comparison.json` of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.renderers import to_dict
from lk_dataset_ros.comparison.renderers.json import plain
from lk_dataset_ros.experiment.cost.cost import PERCENTS, cpu_per_input_s, latency_s
from lk_dataset_ros.experiment.specification import BagInputs, WorldInputs

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.cost.intervals import Estimate
    from lk_dataset_ros.experiment.judging import Judged
    from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult
    from lk_dataset_ros.experiment.running import ArmRun
    from lk_dataset_ros.experiment.specification import Arm

FORMAT = 'lk_dataset_ros/experiment'
VERSION = 2


def result_to_dict(result: ExperimentResult) -> dict[str, Any]:
    """Return an experiment's result as plain data; what is not known is None."""
    specification, inputs = result.specification, result.specification.inputs
    return {
        'format': FORMAT,
        'version': VERSION,
        'name': specification.name,
        'verdict': result.verdict.value,
        'is_accepted': result.is_accepted,
        'exit_code': result.exit_code,
        'mode': specification.mode.value,
        'bag': str(inputs.bag) if isinstance(inputs, BagInputs) else None,
        'world': (
            {'name': inputs.world, 'seed': inputs.seed, **result.inputs.world}
            if isinstance(inputs, WorldInputs)
            else None
        ),
        'inputs': dict(result.inputs.counts),
        'warnings': list(result.inputs.warnings),
        'rtf': specification.rtf,
        'facts': dict(result.facts),
        'original': _run(result.original),
        'repeats': [_run(run) for run in result.repeats],
        'compiled': {arm.name: _compiled(result, arm) for arm in result.compiled},
    }


def arm_to_dict(arm: Arm) -> dict[str, Any]:
    """Return how an arm is started; what it does not need is left out."""
    found: dict[str, Any] = {
        'component': arm.component,
        'package': arm.package,
        'executable': arm.executable,
        'command': list(arm.command),
        'running': arm.is_running,
        'parameters': plain(dict(arm.parameters)),
        'remappings': dict(arm.remappings),
        'python_path': list(arm.python_path) if arm.component else [],
        'directory': arm.directory if arm.command else '',
    }
    return {name: value for name, value in found.items() if value}


def estimate_to_dict(found: Estimate) -> dict[str, float | None]:
    """Return a number and its interval; a side without bound is None, too."""
    return {name: _number(getattr(found, name)) for name in ('value', 'low', 'high')}


def _compiled(result: ExperimentResult, arm: ArmResult) -> dict[str, Any]:
    falsifying = result.falsifying.get(arm.name)
    return {
        'verdict': arm.verdict.value,
        'is_accepted': arm.is_accepted,
        'exit_code': arm.exit_code,
        **_run(arm.run),
        'problem': arm.problem,
        'repeats': [_run(run) for run in arm.repeats],
        'ratios': {name: estimate_to_dict(each) for name, each in arm.ratios.items()},
        'demands': [_judged(each) for each in arm.demands],
        'other_outcomes': list(arm.outcomes),
        'closed_loop': arm.closed_loop.to_dict() if arm.closed_loop else None,
        'falsifying': (
            {
                'bag': str(falsifying.bag),
                'command': falsifying.command,
                'inputs': falsifying.inputs,
                'latched': falsifying.latched,
                'runs': falsifying.runs,
                'is_minimal': falsifying.is_minimal,
                'duration_s': falsifying.duration_s,
            }
            if falsifying is not None
            else None
        ),
        'comparison': to_dict(arm.comparison) if arm.comparison else None,
    }


def _run(run: ArmRun) -> dict[str, Any]:
    return {
        'what': run.arm.what,
        'label': run.place.label,
        'start': arm_to_dict(run.arm),
        'bag': run.bag.name,
        'problem': run.problem,
        'sent': dict(run.sent),
        'hashes': dict(run.hashes),
        'unconfirmed': list(run.unconfirmed),
        'received': dict(run.received),
        'unanswered': dict(run.unanswered),
        'late': dict(run.late),
        'surplus': dict(run.surplus),
        'duration_s': _number(run.cost.wall_s),
        'achieved_rtf': _number(run.achieved_rtf),
        'cost': _cost(run),
        'outcome': {name: _plain(value) for name, value in run.outcome.items()},
        'log_tail': list(run.log_tail),
    }


def _cost(run: ArmRun) -> dict[str, Any]:
    cost = run.cost
    percentiles = {f'p{percent:g}': _number(latency_s(run, percent)) for percent in PERCENTS}
    return {
        'cpu_s': _number(cost.cpu_s),
        'cpu_per_input_s': _number(cpu_per_input_s(run)),
        'wall_s': _number(cost.wall_s),
        'start_up_s': _number(cost.start_up_s),
        'peak_bytes': _number(cost.peak_bytes),
        'latency_s': {
            'count': len(cost.latencies_s),
            **percentiles,
            'max': _number(latency_s(run, 100.0)),
        },
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        'name': judged.name,
        'limit': judged.limit,
        'state': judged.state.value,
        'found': estimate_to_dict(judged.found),
    }


def _plain(value: bool | float | str) -> bool | float | str | None:
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
