"""Specifications from the arguments of launch files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.dataset.yaml_text import dump_yaml, load_yaml
from lk_dataset_ros.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNING = 'running'
#: How Gazebo is taken back to its beginning, and let go when the arm is ready.
GAZEBO_RESET = (
    '/world/{world}/control ros_gz_interfaces/srv/ControlWorld '
    '[{{world_control: {{pause: true, reset: {{all: true}}, seed: {{seed}}}}}}, '
    '{{world_control: {{pause: false}}}}]'
)


def list_of(given: Mapping[str, str], name: str) -> list[str]:
    """Return a launch argument that is a YAML list of texts, without empty ones.

    Raises:
        SpecificationError: If it is none.
    """
    text = given.get(name, '')
    try:
        found = load_yaml(text) if text.strip() else []
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecificationError(f'{name} is {text!r}, which is no YAML') from error
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise SpecificationError(f"{name} is {text!r}; it has to be a list such as ['/odom']")
    return [each for each in found if each]


def arm_of(text: str, name: str) -> dict[str, Any]:
    """Return how an arm is started.

    Raises:
        SpecificationError: If that cannot be understood.
    """
    if text == RUNNING:
        return {'running': True}
    package, slash, executable = text.partition('/')
    if ':' in text and '/' not in text:
        return {'component': text}
    if slash and package and executable and '/' not in executable:
        return {'package': package, 'executable': executable}
    raise SpecificationError(
        f'{name} is {text!r}; it has to be package.module:Class or package/executable'
    )


def write_experiment(given: Mapping[str, str]) -> Path:
    """Write the specification of a live run below `runs/ab_live`; return its path.

    Args:
        given: The launch arguments.

    Raises:
        SpecificationError: If they make none.
    """
    topics, outputs = list_of(given, 'topics'), list_of(given, 'outputs')
    arms = list_of(given, 'compiled')
    for name, found in (('topics', topics), ('outputs', outputs), ('compiled', arms)):
        if not found:
            raise SpecificationError(
                f'{name} is empty; give topics, outputs and compiled, or experiment'
            )
    path = [str(Path(given.get('python_path') or '.').absolute())]
    compiled = {}
    for place, each in enumerate(arms, 1):
        name, equals, what = each.rpartition('=')
        name = name if equals else ('compiled' if place == 1 else f'compiled_{place}')
        compiled[name] = _importing(arm_of(what, 'compiled'), path)
    content = {
        'version': 1,
        'name': 'ab_live',
        'mode': 'live',
        'inputs': {'live': True, 'topics': topics},
        'original': _importing(arm_of(given.get('original') or RUNNING, 'original'), path),
        'compiled': compiled,
        'outputs': [{'topic': topic} for topic in outputs],
    }
    return _write(Path('runs') / 'ab_live', content)


def _importing(arm: dict[str, Any], path: list[str]) -> dict[str, Any]:
    return {**arm, 'python_path': path} if 'component' in arm else arm


def write_gazebo_experiment(given: Mapping[str, str]) -> Path:
    """Write an experiment anew, with the Gazebo that a launch file starts; return its path.

    Args:
        given: The launch arguments `experiment`, `world_file`, `world_name` and `seed`.

    Raises:
        SpecificationError: If it cannot be read.
    """
    source = Path(given['experiment'])
    try:
        content = load_yaml(source.read_text())
    except OSError as error:
        raise SpecificationError(f'{source} cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecificationError(f'{source} is no YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict) or not isinstance(content.get('inputs'), dict):
        raise SpecificationError(f'{source} is not a specification; it has no inputs')
    inputs = content['inputs']
    if inputs.get('world', 'external') != 'external' or 'bag' in inputs or 'live' in inputs:
        raise SpecificationError(f'{source}: Gazebo is an external world: inputs.world: external')
    inputs['world'] = 'external'
    inputs['seed'] = int(given.get('seed') or inputs.get('seed', 0))
    inputs['world_file'] = str(Path(given['world_file']).absolute())
    inputs.setdefault('version_command', ['gz', 'sim', '--versions'])
    inputs.setdefault('reset', GAZEBO_RESET.format(world=given['world_name']))
    inputs.pop('processes', None)
    # Its relative paths are those from its folder.
    folder = source.absolute().parent
    for arm in (content.get('original'), *(content.get('compiled') or {}).values()):
        if isinstance(arm, dict):
            _make_absolute(arm, folder)
    content.setdefault('name', source.stem)
    return _write(Path('runs') / 'gazebo_ab', content)


def _make_absolute(arm: dict[str, Any], folder: Path) -> None:
    if 'component' in arm:
        arm['python_path'] = [str(folder / each) for each in arm.get('python_path', ['.'])]
    if 'command' in arm:
        arm['directory'] = str(folder / arm.get('directory', ''))


def _write(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    now = time.strftime('%Y%m%d-%H%M%S')
    for number in range(1, 1000):
        path = folder / (f'{now}.yaml' if number == 1 else f'{now}-{number}.yaml')
        try:
            with path.open('x') as file:
                file.write(dump_yaml(content))
        except FileExistsError:
            continue
        return path
    raise SpecificationError(f'{folder} is full of specifications of this second')
