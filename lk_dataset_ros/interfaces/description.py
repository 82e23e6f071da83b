"""Descriptions of types as rosidl writes them beside each type, and their hashes (REP-2011)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces.interface import Interface, Member, closure

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names in IDL, and their numbers in type_description_interfaces/msg/FieldType.
_NUMBERS: Final = {
    'int8': 2,
    'uint8': 3,
    'int16': 4,
    'uint16': 5,
    'int32': 6,
    'uint32': 7,
    'int64': 8,
    'uint64': 9,
    'float': 10,
    'double': 11,
    'char': 13,
    'boolean': 15,
    'octet': 16,
    'string': 17,
    'wstring': 18,
}
_NAMES: Final = {number: name for name, number in _NUMBERS.items()} | {21: 'string', 22: 'wstring'}
_NESTED, _BOUNDED_MORE = 1, 4
#: What is added to the number of the element.
_KINDS: Final = {'': 0, 'array': 48, 'bounded': 96, 'sequence': 144}


def type_hash(name: str, interfaces: Mapping[str, Interface]) -> str:
    """Return the type hash that rosidl gives a type.

    Args:
        name: Full type name.
        interfaces: At least the type and all that it is made of.
    """
    nested = sorted(closure(name, interfaces) - {name})
    description = {
        'type_description': _described(interfaces[name]),
        'referenced_type_descriptions': [_described(interfaces[each]) for each in nested],
    }
    # The spelling is that of REP-2011: separators and order are part of the hash.
    text = json.dumps(description, separators=(', ', ': '))
    return f'RIHS01_{hashlib.sha256(text.encode()).hexdigest()}'


def _described(interface: Interface) -> dict[str, Any]:
    return {
        'type_name': interface.name,
        'fields': [
            {
                'name': member.name,
                'type': {
                    'type_id': _type_id(member),
                    'capacity': member.size,
                    'string_capacity': member.bound,
                    'nested_type_name': member.base if member.is_nested else '',
                },
            }
            for member in interface.members
        ],
    }


def _type_id(member: Member) -> int:
    number = _NESTED if member.is_nested else _NUMBERS[member.base]
    return number + (_BOUNDED_MORE if member.bound else 0) + _KINDS[member.kind]


def read_description(text: str) -> tuple[dict[str, Interface], dict[str, str]]:
    """Read the description of a type that rosidl has written (`share/<package>/msg/<Type>.json`).

    Returns:
        The types in it (without constants and defaults), and their hashes.

    Raises:
        MessageTypeError: If it is not a description.
    """
    try:
        content = json.loads(text)
        description = content['type_description_msg']
        parts = [
            description['type_description'],
            *description['referenced_type_descriptions'],
        ]
        found = {part['type_name']: _read(part) for part in parts}
        hashes = {each['type_name']: each['hash_string'] for each in content['type_hashes']}
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise MessageTypeError(f'not a type description: {error!r}') from error
    return found, hashes


def _read(part: Any) -> Interface:
    members = []
    for field in part['fields']:
        of = field['type']
        number = int(of['type_id'])
        kind = next(name for name, first in reversed(_KINDS.items()) if number > first)
        base = of['nested_type_name'] or _NAMES.get(number - _KINDS[kind], f'type {number}')
        members.append(
            Member(field['name'], base, kind, int(of['capacity']), int(of['string_capacity']))
        )
    return Interface(part['type_name'], tuple(members))
