"""Read definitions in the `.msg` form with ROS 2's own parser, rosidl_adapter.

It comes with mcap-ros2-support. A copy of the module is loaded for this package, in which names
may be written as ROS 1 allowed it, and errors are not printed before they are raised.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from typing import Any, Final

from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message.definitions.definition import MAX_FIELDS, Node, RawType
from lk_dataset_ros.message.schema import full_type_name

_PARSER = 'mcap_ros2._vendor.rosidl_adapter.parser'
#: A longer line than this (a default of an array, say) makes the parser slow.
_MAX_LINE: Final = 2**16
_SEPARATOR = re.compile(r'={3,}\s*')
_HEADER = re.compile(r'MSG:\s+(\S+)\s*')
_LONG_NAME = re.compile(r'([A-Za-z]\w*)/(?:msg|srv|action)/([A-Za-z])')
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*\Z')
_OLD_NAMES = {'time': 'Time', 'duration': 'Duration'}


def read_msg(text: str, name: str) -> list[RawType]:
    """Read a definition with those of its nested types, as rosbag2 stores it.

    Args:
        text: The definition; lines of `=` and `MSG: package/Type` begin the nested ones.
        name: Full name of the first type.

    Raises:
        MessageTypeError: If it is not a definition.
    """
    return [_read(type_name, lines) for type_name, lines in _split(text, name)]


def _split(text: str, name: str) -> list[tuple[str, list[str]]]:
    parts: list[tuple[str, list[str]]] = [(name, [])]
    begins = True
    for line in text.splitlines():
        if _SEPARATOR.fullmatch(line):
            parts.append(('', []))
            begins = True
        elif begins and (header := _HEADER.fullmatch(line)):
            parts[-1] = (full_type_name(header[1]), [])
            begins = False
        else:
            # The parser cuts comments at the same place, but reads them first, and slowly.
            code = line.split('#', 1)[0].strip()
            if code:
                begins = False
                parts[-1][1].append(_LONG_NAME.sub(r'\1/\2', code, count=1))
    if any(not each for each, _ in parts):
        raise MessageTypeError(
            f'the definition of {name} has a part without the line MSG: its name'
        )
    return parts


def _read(name: str, lines: list[str]) -> RawType:
    if len(lines) > MAX_FIELDS:
        raise MessageTypeError(f'{name} has more than {MAX_FIELDS} fields and constants')
    if any(len(line) > _MAX_LINE for line in lines):
        raise MessageTypeError(f'the definition of {name} has a line of more than {_MAX_LINE}')
    package, _, base = name.split('/')
    try:
        # A first line keeps the parser from taking the others for comments of the file.
        parsed = _parser().parse_message_string(package, base, '\n'.join(['', *lines]))
    except Exception as error:
        # TypeError, ValueError, NameError, IndexError, and the parser's own: all say the same.
        reason = ' '.join(str(error).split())[:300] or type(error).__name__
        raise MessageTypeError(f'the definition of {name} is broken: {reason}') from error
    return RawType(
        name,
        [(each.type, each.name, each.value) for each in parsed.constants],
        [(each.name, _node(each.type), each.default_value) for each in parsed.fields],
    )


def _node(parsed: Any) -> Node:
    inner: Node
    if not parsed.is_primitive_type():
        inner = (Nodetype.NAME, f'{parsed.pkg_name}/{parsed.type}')
    elif parsed.type in _OLD_NAMES:
        inner = (Nodetype.NAME, f'builtin_interfaces/{_OLD_NAMES[parsed.type]}')
    else:
        inner = (Nodetype.BASE, (parsed.type, parsed.string_upper_bound or 0))
    if not parsed.is_array:
        return inner
    kind = Nodetype.ARRAY if parsed.is_fixed_size_array() else Nodetype.SEQUENCE
    return (kind, (inner, parsed.array_size or 0))


@lru_cache(maxsize=1)
def _parser() -> Any:
    spec = importlib.util.find_spec(_PARSER)
    if spec is None or spec.loader is None:
        raise MessageTypeError(f'{_PARSER} is not here; mcap-ros2-support 0.5.5 or newer has it')
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.print = lambda *_args, **_options: None
    for kind in ('PACKAGE', 'FIELD', 'MESSAGE', 'CONSTANT'):
        # Also: the original pattern of constants needs exponential time for some names.
        setattr(module, f'VALID_{kind}_NAME_PATTERN', _NAME)
    return module
