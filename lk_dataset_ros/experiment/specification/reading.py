"""Read `experiment.yaml`, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.yaml_lines import YamlDocument
from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.specification.checks import faults, is_timed
from lk_dataset_ros.experiment.specification.parts import ORIGINAL, Mode, Specification
from lk_dataset_ros.experiment.specification.parts_reading import (
    arm_of,
    demands_of,
    inputs_of,
    limits_of,
    mode_of,
    outputs_of,
    rules_of,
)
from lk_dataset_ros.experiment.specification.schema import check_against_schema, json_schema

if TYPE_CHECKING:
    from os import PathLike

__all__ = ['json_schema', 'load_specification']

#: Modes that a real-time factor decides between, where it is given instead of the file's.
_BY_RTF = ('lockstep', 'realtime')


def load_specification(
    path: str | PathLike[str],
    *,
    bag: str | PathLike[str] | None = None,
    mode: str | None = None,
    rtf: float | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    duration_s: float | None = None,
) -> Specification:
    """Read a specification.

    Args:
        path: The file, 1 MiB at most; docs/experiment.md tells of every field.
        bag: Taken instead of the bag that it names, relative to the working directory.
        mode: Taken instead of its mode; its rtf, too, counts only where it goes with that.
        rtf: Taken instead of its rtf; its mode, too, counts only where it goes with that.
        repeats: Taken instead of its repeats.
        seed: Taken instead of the seed of its world.
        duration_s: Taken instead of the duration of its inputs.

    Raises:
        SpecificationError: Naming file, line and field of the first fault.
    """
    document = YamlDocument(Path(path), what='a specification', error=SpecificationError)
    content = check_against_schema(document)
    changed = {
        **content,
        'inputs': _changed_inputs(document, content, bag=bag, seed=seed, duration_s=duration_s),
        **_changed_speed(content, mode=mode, rtf=rtf),
        **({} if repeats is None else {'repeats': repeats}),
    }
    changed = {name: each for name, each in changed.items() if each is not None}
    if changed != content:
        document.content = changed
        content = check_against_schema(document)
    specification = _read(document, content)
    for place, text in faults(specification, content):
        raise document.error(place, text)
    return specification


def _changed_inputs(
    document: YamlDocument,
    content: dict[str, Any],
    *,
    bag: str | PathLike[str] | None,
    seed: int | None,
    duration_s: float | None,
) -> dict[str, Any]:
    """Return the inputs as if the file had said something else of them."""
    inputs: dict[str, Any] = {**content['inputs']}
    if bag is not None:
        if 'bag' not in inputs:
            raise document.error(('inputs',), 'there is no bag that another could be taken for')
        inputs['bag'] = str(Path(bag).resolve())
    if seed is not None:
        if 'world' not in inputs:
            raise document.error(('inputs',), 'there is no world that could take a seed')
        inputs['seed'] = seed
    if duration_s is not None and 'live' in inputs:
        inputs['live'] = {'duration_s': duration_s}
    elif duration_s is not None:
        inputs['duration_s'] = duration_s
    return inputs


def _changed_speed(
    content: dict[str, Any], *, mode: str | None, rtf: float | None
) -> dict[str, Any]:
    """Return mode and rtf as if the file had said something else; None takes one away."""
    changed: dict[str, Any] = {}
    if rtf is not None:
        changed['rtf'] = rtf
        if mode is None and content.get('mode') in _BY_RTF:
            changed['mode'] = None
    if mode is not None:
        changed['mode'] = mode
        if rtf is None and mode != content.get('mode'):
            changed['rtf'] = None
    return changed


def _read(document: YamlDocument, content: dict[str, Any]) -> Specification:
    mode, inputs = mode_of(content), inputs_of(document, content['inputs'])
    rtf = float(content.get('rtf', 1.0 if mode == Mode.REALTIME else 0.0))
    return Specification(
        name=content.get('name', document.path.stem),
        path=document.path,
        mode=mode,
        inputs=inputs,
        original=arm_of(document, ORIGINAL, content['original'], (ORIGINAL,)),
        compiled=tuple(
            arm_of(document, name, each, ('compiled', name))
            for name, each in content['compiled'].items()
        ),
        outputs=outputs_of(content, is_timed=is_timed(mode, rtf, inputs)),
        rules=rules_of(document, content),
        repeats=int(content.get('repeats', 1)),
        rtf=rtf,
        clock_hz=float(content.get('clock_hz', 0.0)),
        warm_up_s=float(content.get('warm_up_s', 0.0)),
        limits=limits_of(content.get('limits', {})),
        demands=demands_of(content.get('acceptance', {})),
    )
