"""Arms as a person names them on a command line, and what their components say of themselves."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.checking.description import Question, answers
from lk_dataset_ros.experiment.specification import ORIGINAL, Arm

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPONENT = re.compile(r'[A-Za-z_][\w.]*:[A-Za-z_]\w*', re.ASCII)
_EXECUTABLE = re.compile(r'[A-Za-z]\w*/[\w.-]+', re.ASCII)
_NAME = re.compile(r'[A-Za-z]\w*', re.ASCII)
_LONGEST_NAME = 60
#: Arms that nobody has named: to be replaced by who reads the draft.
UNNAMED_ORIGINAL = Arm(ORIGINAL, package='my_package', executable='my_node')
UNNAMED_COMPILED = Arm('compiled', package='my_package', executable='my_compiled_node')


@dataclass(frozen=True, slots=True)
class ArmNamed:
    """An arm, and what its component says of itself.

    Attributes:
        arm: The arm.
        inputs: Types of its input ports by name; None if it is no component.
        outputs: The same of its output ports.
        options: Names of its settings.
    """

    arm: Arm
    inputs: dict[str, str] | None = None
    outputs: dict[str, str] | None = None
    options: tuple[str, ...] = ()

    @property
    def is_component(self) -> bool:
        """Tell whether it has said what its ports are."""
        return self.inputs is not None

    def remapped(self, remappings: dict[str, str]) -> ArmNamed:
        """Return the same with remappings."""
        return replace(self, arm=replace(self.arm, remappings=remappings))


def arm_named(name: str, text: str, python_path: Sequence[str]) -> Arm:
    """Return the arm that a text means.

    Args:
        name: Name of the arm.
        text: `package.module:Class`, `package/executable`, or a command line.
        python_path: Folders to import a component from.

    Raises:
        SpecificationError: If it is none of these.
    """
    if _COMPONENT.fullmatch(text):
        return Arm(name, component=text, python_path=tuple(python_path))
    if _EXECUTABLE.fullmatch(text):
        package, _, executable = text.partition('/')
        return Arm(name, package=package, executable=executable)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SpecificationError(f'{name}: {text!r} is no command line: {error}') from error
    if len(words) < 2 and not text.startswith(('/', './', '../')):
        raise SpecificationError(
            f'{name}: {text!r} is no arm; give package.module:Class, package/executable, or a '
            'command line'
        )
    return Arm(name, command=tuple(words))


def compiled_named(text: str, python_path: Sequence[str]) -> Arm:
    """Return the compiled arm that `NAME=PATH` means.

    Raises:
        SpecificationError: If it has no name, or one that no arm can have.
    """
    name, equals, path = text.partition('=')
    if not equals or not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or name == ORIGINAL:
        raise SpecificationError(
            f'{text!r} is no compiled arm; one is cpp=package.module:Class, another '
            'nn=package/executable'
        )
    return arm_named(name, path, python_path)


def described(arms: Sequence[Arm]) -> list[ArmNamed]:
    """Ask those arms that are components what their ports are, each in a process of its own.

    Raises:
        ComponentNotFoundError: If one does not import.
    """
    components = [arm for arm in arms if arm.component]
    found = answers(
        [
            Question(
                'lk_dataset_ros.component.describe',
                f'arm {arm.name}',
                arm.component,
                {
                    'component': arm.component,
                    'parameters': {},
                    'python_path': list(arm.python_path),
                },
            )
            for arm in components
        ],
        {},
    )
    said = dict(zip([arm.name for arm in components], found, strict=True))
    return [_named(arm, said.get(arm.name)) for arm in arms]


def _named(arm: Arm, said: dict[str, Any] | None) -> ArmNamed:
    if said is None:
        return ArmNamed(arm)
    return ArmNamed(arm, said['inputs'], said['outputs'], tuple(said['options']))
