"""Names that come out of bags, checked before they become files, CMake, C++ and Python."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path
from typing import Final

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces.installed import MANIFEST
from lk_dataset_ros.message.definitions.definition import shown

#: As rosidl has them (package names, type names), and short enough for the files made of them.
_PACKAGE: Final = re.compile(r'(?!.*__)[a-z][a-z0-9_]{0,58}[a-z0-9]')
_TYPE: Final = re.compile(r'[A-Z][A-Za-z0-9]{0,79}')
_MEMBER: Final = re.compile(r'[A-Za-z][A-Za-z0-9_]{0,119}')
#: Parts of ROS 2 itself, which build tools look for under these names.
_RESERVED: Final = ('ament_', 'catkin', 'colcon', 'lk_dataset_ros', 'rcl', 'rmw', 'rosidl')
#: Words of C++ and targets of make.
_WORDS: Final = re.compile(
    'all|auto|bool|break|case|catch|char|clean|class|const|continue|default|delete|do|double|else|'
    'enum|explicit|export|extern|false|float|for|friend|goto|if|inline|install|int|long|mutable|'
    'namespace|new|operator|package|private|protected|public|register|return|short|signed|sizeof|'
    'static|std|struct|switch|template|test|this|throw|true|try|typedef|typename|union|unsigned|'
    'using|virtual|void|volatile|while'
)


def check_package(name: str) -> None:
    """Check the name of a package that is named in what we write.

    Raises:
        MessageTypeError: If it is none.
    """
    if not _PACKAGE.fullmatch(name):
        raise MessageTypeError(
            f'{shown(name)} is not the name of a package; lower case letters, digits and single '
            'underscores are, up to 60'
        )


def check_new_package(name: str) -> None:
    """Check that a package may be written.

    Raises:
        MessageTypeError: If the name is none, or belongs to something else.
    """
    check_package(name)
    if name.startswith(_RESERVED) or _WORDS.fullmatch(name) or keyword.iskeyword(name):
        raise MessageTypeError(f'a package of messages cannot be named {name!r}: it is reserved')
    if name in sys.stdlib_module_names or _is_module(name):
        raise MessageTypeError(
            f'a package of messages cannot be named {name!r}: a Python module has that name'
        )


def _is_module(name: str) -> bool:
    """Tell whether Python finds something of that name that does not come from a bag."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    # A folder that happens to be on the path has no origin, and stands back behind a package.
    if spec is None or spec.origin is None:
        return False
    return not any((each / MANIFEST).is_file() for each in Path(spec.origin).parents)


def check_type(name: str) -> None:
    """Check the last part of a type name.

    Raises:
        MessageTypeError: If it is none.
    """
    if not _TYPE.fullmatch(name):
        raise MessageTypeError(
            f'{shown(name)} is not the name of a type; letters and digits are, a capital first, '
            'up to 80'
        )


def check_member(name: str, of: str) -> None:
    """Check the name of a field or constant.

    Raises:
        MessageTypeError: If it is none.
    """
    if not _MEMBER.fullmatch(name) or '__' in name or _WORDS.fullmatch(name):
        raise MessageTypeError(
            f'{of} has a field or constant {shown(name)}, which rosidl cannot build'
        )
