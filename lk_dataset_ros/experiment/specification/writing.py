"""Write a specification as `experiment.yaml`, so that reading it gives the same experiment."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.comparison import Acceptance, Pairing, Verdict
from lk_dataset_ros.experiment.specification import Arm, BagInputs, Demands, Limits, LiveInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.comparison.rules_file import Rules
    from lk_dataset_ros.experiment.specification import Output, Specification, WorldInputs

_NS_PER_S = 1_000_000_000
_NOT_IN_NAMES = re.compile(r'[^A-Za-z0-9_.-]+')


def specification_text(specification: Specification, comment: str = '') -> str:
    """Return a specification as YAML.

    Args:
        specification: What to write. Paths in it are written as they are.
        comment: Is put above, one `#` per line.
    """
    head = ''.join(f'# {line}\n' for line in comment.splitlines())
    return head + yaml.safe_dump(
        specification_to_dict(specification), sort_keys=False, allow_unicode=True, width=99
    )


def specification_to_dict(specification: Specification) -> dict[str, Any]:
    """Return a specification as `experiment.yaml` says it."""
    return {
        'version': 1,
        'name': _name(specification.name),
        'mode': specification.mode.value,
        'inputs': _inputs(specification.inputs),
        'original': _arm(specification.original),
        'compiled': {arm.name: _arm(arm) for arm in specification.compiled},
        'outputs': [_output(each) for each in specification.outputs],
        **_given('tolerance', _rules(specification.rules)),
        'repeats': specification.repeats,
        'rtf': specification.rtf,
        **_given('clock_hz', specification.clock_hz),
        **_given('warm_up_s', specification.warm_up_s),
        'limits': {name: getattr(specification.limits, name) for name in Limits.__slots__},
        **_given('acceptance', _demands(specification.demands)),
    }


def _name(name: str) -> str:
    """Return what is allowed as a name; that of a file need not be."""
    return _NOT_IN_NAMES.sub('_', name).lstrip('_.-')[:100] or 'experiment'


def _given(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _inputs(inputs: BagInputs | WorldInputs | LiveInputs) -> dict[str, Any]:
    topics = list(inputs.topics)
    if isinstance(inputs, BagInputs):
        found = {'bag': str(inputs.bag), 'topics': topics, **_given('start_s', inputs.start_s)}
        if math.isfinite(inputs.duration_s):
            found['duration_s'] = inputs.duration_s
        return found
    if isinstance(inputs, LiveInputs):
        return {'live': {'duration_s': inputs.duration_s}, 'topics': topics}
    return _world(inputs, topics)


def _world(world: WorldInputs, topics: list[str]) -> dict[str, Any]:
    found = {
        'world': world.world,
        'topics': topics,
        'seed': world.seed,
        'duration_s': world.duration_s,
    }
    if not world.is_external:
        found.update(_given('parameters', dict(world.parameters)))
        return found | {'python_path': list(world.python_path)}
    return {
        **found,
        **_given('processes', [list(each) for each in world.processes]),
        'reset': world.reset,
        **_given('world_file', world.world_file),
        **_given('version_command', list(world.version_command)),
    }


def _arm(arm: Arm) -> dict[str, Any]:
    if arm.is_running:
        return {'running': True}
    found: dict[str, Any] = {}
    if arm.component:
        found = {'component': arm.component, 'python_path': list(arm.python_path)}
    elif arm.command:
        found = {'command': list(arm.command), **_given('directory', arm.directory)}
    else:
        found = {'package': arm.package, 'executable': arm.executable}
    found.update(_given('parameters', dict(arm.parameters)))
    return found | _given('remappings', dict(arm.remappings))


def _output(output: Output) -> dict[str, Any]:
    counts: Mapping[tuple[int, int], str] = {(1, 1): 'each', (0, 1): 'maybe'}
    count = counts.get((output.least, output.most), output.most)
    return {'topic': output.topic, 'answers': output.answers, 'count': count}


def _rules(rules: Rules) -> dict[str, Any]:
    tolerance = rules.tolerance
    found: dict[str, Any] = {
        name: value for name in ('rtol', 'atol') if (value := getattr(tolerance, name)) is not None
    }
    fields = {
        pattern: {'rtol': limit.rtol, 'atol': limit.atol}
        for pattern, limit in tolerance.fields.items()
    }
    found.update(_given('fields', fields))
    found.update(_given('comparators', dict(tolerance.comparators)))
    found.update(_given('ignore', dict(tolerance.ignore)))
    found.update(_given('pairing', _pairing(rules.pairing)))
    return found | _given('acceptance', _acceptance(rules.acceptance))


def _pairing(pairing: Pairing) -> dict[str, Any]:
    if pairing == Pairing():
        return {}
    found: dict[str, Any] = {'by': pairing.by}
    if pairing.limit_ns is not None:
        found['limit_s'] = pairing.limit_ns / _NS_PER_S
    if isinstance(pairing.offset_ns, str):
        found['offset'] = pairing.offset_ns
        found['max_lag_s'] = pairing.max_lag_ns / _NS_PER_S
    elif pairing.offset_ns:
        found['offset'] = pairing.offset_ns / _NS_PER_S
    return found | _given('inputs', list(pairing.inputs))


def _acceptance(acceptance: Acceptance) -> dict[str, Any]:
    usual = Acceptance()
    names = ('keys', 'counts', 'relative_time_s', 'absolute_time_s')
    return {
        name: getattr(acceptance, name)
        for name in names
        if getattr(acceptance, name) != getattr(usual, name)
    }


def _demands(demands: Demands) -> dict[str, Any]:
    found = {'verdict': demands.verdict.value} if demands.verdict != Verdict.EQUIVALENT else {}
    return {
        **found,
        **_given('speed_up', demands.speed_up),
        **_given('p99_latency_s', demands.p99_latency_s),
    }
