"""The import rules of the design, read out of the source."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / 'lk_dataset_ros'
RANKS = {
    'errors': 0,
    'process': 0,
    'message': 1,
    'component': 2,
    'dataset': 3,
    'interfaces': 4,
    'comparison': 5,
    'world': 5,
    'experiment': 6,
    'compile': 7,
    'testing': 7,
    'ros': 8,
    'cli': 8,
}
OF_ROS = ('rclpy', 'ament_index_python', 'rosidl_runtime_py', 'launch', 'launch_ros', 'ros2cli')
#: Where something of `dataset` imports `comparison`, in the function that needs it.
DOORS = (Path('dataset/dataset.py'), Path('dataset/consensus/judging.py'))


class Import(NamedTuple):
    """One import statement's module."""

    file: Path
    line: int
    module: str
    in_function: bool
    for_types: bool


def imports_of(source: str, file: Path) -> list[Import]:
    """Return all imports of a module, relative ones made absolute."""
    found: list[Import] = []

    def visit(node: ast.AST, in_function: bool, for_types: bool) -> None:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parents = ('lk_dataset_ros', *file.parent.parts)
                above = '.'.join(parents[: len(parents) - node.level + 1])
                base = f'{above}.{base}' if base else above
            # `from lk_dataset_ros import dataset` imports a room, too.
            names = [alias.name for alias in node.names]
            modules = [f'{base}.{name}' for name in names] if base == 'lk_dataset_ros' else [base]
        else:
            modules = []
        found.extend(
            Import(file, getattr(node, 'lineno', 0), module, in_function, for_types)
            for module in modules
        )
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
            for child in node.body:
                visit(child, in_function, True)
            for child in node.orelse:
                visit(child, in_function, for_types)
            return
        for child in ast.iter_child_nodes(node):
            visit(child, in_function or is_function, for_types)

    visit(ast.parse(source), False, False)
    return found


def all_imports() -> list[Import]:
    """Return the imports of the whole package; the facade `__init__.py` looks up by design."""
    return [
        each
        for path in sorted(PACKAGE.rglob('*.py'))
        if path != PACKAGE / '__init__.py'
        for each in imports_of(path.read_text(), path.relative_to(PACKAGE))
    ]


def room_of(file: Path) -> str:
    """Return the room that a file stands in."""
    return file.parts[0].removesuffix('.py')


def faults_of(imports: list[Import]) -> list[str]:
    """Return what breaks the rules."""
    faults = []
    for each in imports:
        room, (top, *rest) = room_of(each.file), each.module.split('.')
        where = f'{each.file}:{each.line} imports {each.module}'
        if top == 'lk_dataset_ros' and rest and rest[0] in RANKS:
            target = rest[0]
            at_the_door = each.file in DOORS and (
                each.for_types or (each.in_function and target == 'comparison')
            )
            same_height = RANKS[target] == RANKS[room] and target != room
            if (RANKS[target] > RANKS[room] and not at_the_door) or same_height:
                faults.append(f'{where}: upwards')
        elif top == 'lk_dataset_ros' and rest and rest[0] in ('msg', 'srv') and room != 'ros':
            faults.append(f'{where}: generated messages outside of ros')
        generated = len(rest) > 0 and rest[0] in ('msg', 'srv', 'action')
        if room != 'ros' and (top in OF_ROS or (generated and top != 'lk_dataset_ros')):
            faults.append(f'{where}: ROS outside of ros')
        if top in ('torch', 'matplotlib') and not (each.in_function or each.for_types):
            faults.append(f'{where}: at module level')
    return faults


def test_every_room_is_known() -> None:
    """Promise: each folder and module of the package has its place in the order."""
    parts = [path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py')]
    rooms = {room_of(path) for path in parts} - {'__init__'}
    assert rooms - RANKS.keys() == set()
    assert {'errors', 'message', 'component', 'dataset', 'comparison', 'ros', 'cli'} <= rooms


def test_imports_run_downwards_only() -> None:
    """Promise: no room imports a higher one, ROS stays in its room, torch in its functions."""
    assert faults_of(all_imports()) == []


@pytest.mark.parametrize(
    ('file', 'source'),
    [
        ('message/a.py', 'import lk_dataset_ros.dataset'),
        ('message/a.py', 'from lk_dataset_ros import dataset'),
        ('message/a.py', 'from ..dataset import Dataset'),
        ('errors.py', 'def f():\n    from lk_dataset_ros.message import Schema'),
        ('dataset/a.py', 'def f():\n    from lk_dataset_ros.comparison import compare'),
        ('dataset/dataset.py', 'from lk_dataset_ros.comparison import compare'),
        ('dataset/dataset.py', 'def f():\n    from lk_dataset_ros.experiment import run'),
        ('comparison/a.py', 'if TYPE_CHECKING:\n    from lk_dataset_ros.experiment import X'),
        ('cli/a.py', 'from lk_dataset_ros.ros.qos import x'),
        ('ros/a.py', 'from lk_dataset_ros.cli.main import main'),
        ('experiment/a.py', 'import rclpy'),
        ('cli/a.py', 'def f():\n    from rclpy.node import Node'),
        ('dataset/a.py', 'from std_msgs.msg import String'),
        ('dataset/a.py', 'from lk_dataset_ros.msg import Status'),
        ('dataset/a.py', 'import torch'),
        ('compile/a.py', 'from torch import nn'),
        ('comparison/renderers/a.py', 'import matplotlib.pyplot as plt'),
    ],
)
def test_the_rules_can_be_broken(file: str, source: str) -> None:
    """Promise: this test would notice: each of these lines is a fault."""
    assert len(faults_of(imports_of(source, Path(file)))) == 1


@pytest.mark.parametrize(
    ('file', 'source'),
    [
        ('dataset/dataset.py', 'def f():\n    from lk_dataset_ros.comparison import compare'),
        ('dataset/dataset.py', 'if TYPE_CHECKING:\n    from lk_dataset_ros.comparison import X'),
        ('cli/a.py', 'from lk_dataset_ros.experiment import run_experiment'),
        ('ros/nodes/a.py', 'import rclpy\nfrom std_msgs.msg import String'),
        ('message/a.py', 'from lk_dataset_ros.message.schema import Schema'),
        ('dataset/a.py', 'def f():\n    import torch'),
    ],
)
def test_what_is_allowed_is_no_fault(file: str, source: str) -> None:
    """Promise: the doors of the design are open."""
    assert faults_of(imports_of(source, Path(file))) == []
