"""Message types of the sourced ROS 2: classes, definitions, hashes."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ament_index_python import has_resource
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from lk_dataset_ros.dataset.databases.rosbag2.definitions import as_event
from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message import ROS2IDL, ROS2MSG, Schema, full_type_name
from lk_dataset_ros.ros.overlay import look_again

_SEPARATOR = '=' * 80
_PRIMITIVES = frozenset(
    [
        'bool',
        'byte',
        'char',
        'float32',
        'float64',
        'int8',
        'uint8',
        'int16',
        'uint16',
        'int32',
        'uint32',
        'int64',
        'uint64',
        'string',
        'wstring',
    ]
)
_MSG_FIELD = re.compile(
    r'^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[(?:<=)?\d*\])?\s+[a-zA-Z]\w*', re.MULTILINE
)
#: What is made of a service or an action, by the ends of the names.
_PARTS = {
    'srv': ('_Request', '_Response', '_Event'),
    'action': ('_Goal', '_Result', '_FeedbackMessage', '_Feedback'),
}
_PART = re.compile(r'^---[ \t]*\n', re.MULTILINE)
_IDL_NAME = re.compile(r'\b(\w+)::(msg|srv|action)::(\w+)')


def message_class(type_name: str) -> Any:
    """Import the class of a message type.

    Raises:
        MessageTypeError: If the type is not installed.
    """
    package, kind, name = full_type_name(type_name).split('/')
    if find_spec(package) is None:
        # It may have been built from a bag since this process began.
        look_again()
    try:
        return getattr(import_module(f'{package}.{kind}'), name)
    except (ImportError, AttributeError) as error:
        raise MessageTypeError(
            f'message type {type_name} is not installed in this ROS 2 (ros-...-'
            f'{package.replace("_", "-")}, or a workspace that has it, sourced)'
        ) from error


@lru_cache(maxsize=512)
def schema_of(type_name: str) -> Schema:
    """Return the definition of an installed type, as rosbag2 would store it.

    Raises:
        MessageTypeError: If the type is not installed.
    """
    name = full_type_name(type_name)
    derived = _derived_text(name)
    if derived:
        return Schema(name, derived, ROS2MSG, type_hash_of(name))
    texts: dict[str, str] = {}
    try:
        _collect_msg(name, texts)
        encoding, label = ROS2MSG, 'MSG'
    except FileNotFoundError:
        texts.clear()
        _collect_idl(name, texts)
        encoding, label = ROS2IDL, 'IDL'
    if encoding == ROS2MSG:
        parts = [
            text if index == 0 else f'{_SEPARATOR}\n{label}: {_short(each)}\n{text}'
            for index, (each, text) in enumerate(texts.items())
        ]
    else:
        parts = [f'{_SEPARATOR}\n{label}: {each}\n{text}' for each, text in texts.items()]
    return Schema(name, '\n'.join(parts), encoding, type_hash_of(name))


def type_hash_of(type_name: str) -> str:
    """Return the type hash of an installed type, empty if the package does not tell it."""
    package, kind, base = full_type_name(type_name).split('/')
    if kind in _PARTS:
        base = base.removesuffix(next(filter(base.endswith, _PARTS[kind]), ''))
    try:
        description = json.loads(_interface_file(f'{package}/{kind}/{base}', 'json').read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return ''
    for entry in description.get('type_hashes', []):
        if entry.get('type_name') == full_type_name(type_name):
            return str(entry.get('hash_string', ''))
    return ''


def _derived_text(name: str) -> str:
    """Return the definition of a service's events or an action's feedback, empty for others.

    These are made when an interface is built; no file says them.
    """
    package, kind, base = name.split('/')
    if kind == 'srv' and base.endswith('_Event'):
        text = _source_of(name, '_Event', 'srv')
        return as_event(name, _with_nested(package, text)) if text else ''
    if kind == 'action' and base.endswith('_FeedbackMessage'):
        text = _source_of(name, '_FeedbackMessage', 'action')
        if not text:
            return ''
        feedback = base.removesuffix('Message')
        part = _PART.split(f'{text}\n')[-1]
        first = f'unique_identifier_msgs/UUID goal_id\n{package}/{feedback} feedback\n'
        nested = _with_nested(package, part, 'unique_identifier_msgs/UUID goal_id\n')
        return f'{first}{_SEPARATOR}\nMSG: {package}/{feedback}\n{nested}'
    return ''


def _source_of(name: str, suffix: str, kind: str) -> str:
    try:
        return _interface_file(name.removesuffix(suffix), kind).read_text()
    except FileNotFoundError:
        return ''


def _with_nested(package: str, text: str, more: str = '') -> str:
    """Return a definition followed by those of the types in it, and of those in `more`."""
    texts: dict[str, str] = {}
    _collect_nested(package, f'{text}\n{more}', texts)
    nested = [f'{_SEPARATOR}\nMSG: {_short(each)}\n{found}' for each, found in texts.items()]
    return '\n'.join((text, *nested))


def _interface_file(type_name: str, suffix: str) -> Path:
    package, kind, name = type_name.split('/')
    try:
        if not has_resource('packages', package):
            look_again()
        share = get_package_share_directory(package)
    except (PackageNotFoundError, ValueError) as error:  # ValueError: no name of a package
        raise MessageTypeError(f'package {package} of {type_name} is not installed') from error
    path = Path(share) / kind / f'{name}.{suffix}'
    if not path.exists():
        raise FileNotFoundError(path)
    return path


def _collect_msg(name: str, texts: dict[str, str]) -> None:
    if name in texts:
        return
    texts[name] = _interface_file(name, 'msg').read_text()
    _collect_nested(name.split('/', maxsplit=1)[0], texts[name], texts)


def _collect_nested(package: str, text: str, texts: dict[str, str]) -> None:
    for found in _MSG_FIELD.findall(_without_comments(text)):
        if found not in _PRIMITIVES:
            nested = 'std_msgs/Header' if found == 'Header' else found
            _collect_msg(full_type_name(nested if '/' in nested else f'{package}/{nested}'), texts)


def _collect_idl(name: str, texts: dict[str, str]) -> None:
    if name in texts:
        return
    try:
        texts[name] = _interface_file(name, 'idl').read_text()
    except FileNotFoundError as error:
        raise MessageTypeError(f'the definition of {name} is not installed') from error
    for package, kind, nested in _IDL_NAME.findall(texts[name]):
        if not nested.endswith('_Constants'):
            _collect_idl(f'{package}/{kind}/{nested}', texts)


def _without_comments(text: str) -> str:
    return '\n'.join(line.split('#', 1)[0] for line in text.splitlines())


def _short(name: str) -> str:
    package, _, base = name.split('/')
    return f'{package}/{base}'
