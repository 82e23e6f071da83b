"""Find a world by its name or its import path."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.component import extend_python_path
from lk_dataset_ros.errors import ComponentNotFoundError, LkError
from lk_dataset_ros.world.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The worlds that this package has, and where.
WORLDS: Final[Mapping[str, str]] = {
    'cart_pole': 'lk_dataset_ros.world.cart_pole:CartPole',
    'diff_drive': 'lk_dataset_ros.world.diff_drive:DiffDrive',
}


def world_class(name_or_path: str, python_path: Sequence[str] = ()) -> type[World]:
    """Return a world's class.

    Args:
        name_or_path: `diff_drive`, `cart_pole`, or `package.module:Class`.
        python_path: Folders to import it from, behind everything that is installed.

    Raises:
        ComponentNotFoundError: If there is no such world, or its module cannot be imported.
    """
    path = WORLDS.get(name_or_path, name_or_path)
    module_name, colon, class_name = path.partition(':')
    if not (colon and module_name and class_name):
        raise ComponentNotFoundError(
            f'there is no world {name_or_path!r}; there is {", ".join(WORLDS)}, or one of your own '
            'as package.module:Class'
        )
    extend_python_path(list(python_path))
    try:
        module = import_module(module_name)
    except LkError:
        raise
    except Exception as error:
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        raise ComponentNotFoundError(
            f'world {name_or_path!r}: importing {module_name} failed: {reason}'
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, World) and found is not World):
        what = 'has no' if found is None else 'has no world'
        raise ComponentNotFoundError(f'world {name_or_path!r}: {module_name} {what} {class_name}')
    return found


def load_world(
    name_or_path: str,
    parameters: Mapping[str, Any] | None = None,
    python_path: Sequence[str] = (),
) -> World:
    """Make a world, reset with seed 0.

    Args:
        name_or_path: `diff_drive`, `cart_pole`, or `package.module:Class`.
        parameters: Its settings.
        python_path: Folders to import it from.

    Raises:
        ComponentNotFoundError: If there is no such world, or its module cannot be imported.
        ComponentError: If a setting is unknown, of the wrong type or out of range.
        ExtraMissingError: If its simulator is not installed.
    """
    cls = world_class(name_or_path, python_path)
    world = cls(cls.Config.from_mapping(parameters or {}))
    world.reset(0)
    return world
