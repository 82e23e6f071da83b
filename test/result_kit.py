"""Builders of results of experiments that nobody has run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from lk_dataset_ros.comparison import Verdict, compare
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.experiment.checking.preflight import Inputs
from lk_dataset_ros.experiment.result import ArmResult, ExperimentResult, judge_arm
from lk_dataset_ros.experiment.running import ArmRun, Cost, Place
from lk_dataset_ros.experiment.specification import (
    Arm,
    BagInputs,
    Demands,
    Mode,
    Output,
    Specification,
)
from lk_dataset_ros.message import new_message

SENT = {'/odom': 100}


def dataset_of(offset: float = 0.0, count: int = 20) -> Dataset:
    """Return outputs that are off by so much from the tenth on."""
    dataset = Dataset.create('memory')
    for index in range(count):
        message = new_message('geometry_msgs/msg/TwistStamped')
        message.header.stamp.sec = 100 + index
        message.twist.linear.x = index + (offset if index >= 9 else 0.0)
        dataset.write('/smoothed', message, timestamp=float(index))
    return dataset


def cost_of(
    cpu_s: float = math.nan,
    latencies_s: Any = (),
    *,
    peak_bytes: float = math.nan,
) -> Cost:
    """Return what a run has cost."""
    return Cost(
        cpu_s=cpu_s,
        wall_s=2.0 * cpu_s,
        start_up_s=0.5,
        peak_bytes=peak_bytes,
        latencies_s=np.asarray(latencies_s, np.float64),
    )


def run_of(name: str = 'cpp', *, label: str = '', cost: Cost | None = None, **more: Any) -> ArmRun:
    """Return a run of an arm that got everything."""
    arm = Arm(name, component=f'package.module:{name.title()}', python_path=('/data/code',))
    defaults: dict[str, Any] = {
        'sent': SENT,
        'hashes': {'/odom': 'ab' * 32},
        'received': {'/smoothed': 20},
        'achieved_rtf': 1.0,
    }
    place = Place(arm, label or name)
    return ArmRun(place, Path('/run') / name, cost=cost or cost_of(), **{**defaults, **more})


def specification_of(
    demands: Demands | None = None, *, inputs: Any = None, **more: Any
) -> Specification:
    """Return a specification of two arms."""
    defaults: dict[str, Any] = {'mode': Mode.LOCKSTEP, 'repeats': 3}
    return Specification(
        name='smoother',
        path=Path('experiment.yaml'),
        inputs=inputs or BagInputs(Path('/data/bag'), ('/odom',)),
        original=Arm('original', component='package.module:Original'),
        compiled=(Arm('cpp', component='package.module:Cpp'),),
        outputs=(Output('/smoothed', '/odom'),),
        demands=demands or Demands(),
        **{**defaults, **more},
    )


def originals_of(*cpu_s: float, **more: Any) -> list[ArmRun]:
    """Return runs of the original with such processor times."""
    labels = ['original', *(f'original_{number}' for number in range(2, len(cpu_s) + 1))]
    return [
        run_of('original', label=label, cost=cost_of(each), **more)
        for label, each in zip(labels, cpu_s, strict=True)
    ]


def result_of(
    directory: Path,
    *arms: ArmResult,
    specification: Specification | None = None,
    originals: list[ArmRun] | None = None,
    **more: Any,
) -> ExperimentResult:
    """Return the result of an experiment."""
    first, *repeats = originals or originals_of(5.0, 5.1, 5.05)
    return ExperimentResult(
        specification or specification_of(),
        directory,
        Inputs(counts=dict(SENT)),
        first,
        tuple(repeats),
        arms,
        **more,
    )


def arm_of(
    name: str = 'cpp',
    *,
    cpu_s: float = 1.0,
    offset: float = 0.0,
    demands: Demands | None = None,
    originals: list[ArmRun] | None = None,
    peak_bytes: float = math.nan,
    **more: Any,
) -> ArmResult:
    """Return a compiled arm, judged."""
    run = run_of(name, cost=cost_of(cpu_s, peak_bytes=peak_bytes), **more)
    comparison = compare(dataset_of(), dataset_of(offset), compiled_name=name)
    return judge_arm(
        specification_of(demands), originals or originals_of(5.0, 5.1, 5.05), [run], comparison
    )


DIFFERS = Demands(verdict=Verdict.DIFFERS)
