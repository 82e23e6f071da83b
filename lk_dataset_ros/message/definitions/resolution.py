"""Check the types of a definition, nested ones first.

Whatever their texts say, this takes bounded time and memory, and only plain identifiers reach the
code generation of the libraries that code the messages.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message.definitions.definition import (
    EIGHT_BYTES,
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_MESSAGE_BYTES,
    MAX_PATHS,
    NUMBERS,
    OCTETS,
    PLACEHOLDER,
    STRINGS,
    Field,
    RawType,
    TypeDefinition,
    dtype_of,
    shown,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lk_dataset_ros.message.definitions.definition import Node

_UNSUPPORTED = {
    'float128': 'long double has no common representation',
    'wchar': 'rclpy cannot carry it either',
    'fixed': 'ROS 2 does not know it',
}
_IDENTIFIER = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
_OBJECT_BYTES = 64
_BUILTIN = {
    'builtin_interfaces/msg/Time': 'int32',
    'builtin_interfaces/msg/Duration': 'int32',
}


def resolved(raw: Iterable[RawType], root: str) -> dict[str, TypeDefinition]:
    """Check a type and all that it is made of.

    Args:
        raw: The types of a definition.
        root: Full name of the type that is wanted.

    Returns:
        The types that the wanted one needs and itself, nested ones first.

    Raises:
        MessageTypeError: If a type is missing, contains itself, or is not well-formed.
    """
    types: dict[str, RawType] = {}
    for each in raw:
        known = types.get(each.name)
        if known and known.fields and each.fields and known != each:
            raise MessageTypeError(f'the definition of {root} defines {each.name} twice')
        if not known or not known.fields:
            types[each.name] = each
    for name, seconds in _BUILTIN.items():
        basic: list[tuple[str, Node, Any]] = [
            (own, (Nodetype.BASE, (base, 0)), None)
            for own, base in (('sec', seconds), ('nanosec', 'uint32'))
        ]
        types.setdefault(name, RawType(name, [], basic))
    if root not in types:
        raise MessageTypeError(f'the definition of {root} does not define that type')
    done: dict[str, TypeDefinition] = {}
    _resolve(root, types, _short_names(types), done, ())
    return done


def _short_names(types: Mapping[str, RawType]) -> dict[str, str]:
    """Return the full name for each `package/Type`; a message wins over a service's part."""
    short: dict[str, str] = {}
    for name in types:
        parts = name.split('/')
        key = f'{parts[0]}/{parts[-1]}'
        if key not in short or parts[1:2] == ['msg']:
            short[key] = name
    return short


def _resolve(
    name: str,
    types: Mapping[str, RawType],
    short: Mapping[str, str],
    done: dict[str, TypeDefinition],
    within: tuple[str, ...],
) -> TypeDefinition:
    if name in done:
        return done[name]
    if name in within:
        raise MessageTypeError(f'{within[0]} cannot be coded: {name} contains itself')
    if len(within) >= MAX_DEPTH:
        raise MessageTypeError(f'{within[0]} has more than {MAX_DEPTH} levels of nested types')
    raw = types[name]
    if len(raw.fields) + len(raw.constants) > MAX_FIELDS:
        raise MessageTypeError(f'{name} has more than {MAX_FIELDS} fields and constants')
    constants: dict[str, Any] = {}
    fields: list[Field] = []
    taken: set[str] = set()
    for base, own, value in raw.constants:
        attribute = _attribute(own, taken, name)
        kind, _ = _base(base, 0, f'{name}.{own}')[1]
        constants[attribute] = value_of(kind, value, f'{name}.{own}')
    least, fresh, paths, exceeds = 0, _OBJECT_BYTES, 0, False
    members = raw.fields or [(PLACEHOLDER, (Nodetype.BASE, ('uint8', 0)), None)]
    for own, raw_node, default in members:
        where = f'{name}.{own}'
        node = _node(raw_node, where, name, types, short)
        inner = node[1][0] if node[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE) else node
        nested = None
        if inner[0] == Nodetype.NAME:
            nested = _resolve(inner[1], types, short, done, (*within, name))
        size = _Size.of(node, inner, nested)
        least, fresh, paths = least + size.least, fresh + size.fresh, paths + size.paths
        exceeds |= nested.may_exceed if nested else _exceeds(node, inner)
        attribute = _attribute(own, taken, name)
        fields.append(Field(attribute, node, _default(node, default, where)))
    if least > MAX_MESSAGE_BYTES:
        raise MessageTypeError(
            f'{name} would take at least {shown(least)} bytes; a message has at most 2^32 - 1'
        )
    if paths > MAX_PATHS:
        raise MessageTypeError(f'{name} has more than {MAX_PATHS} field paths')
    frozen = MappingProxyType(constants)
    done[name] = TypeDefinition(name, frozen, tuple(fields), least, fresh, paths, exceeds)
    return done[name]


@dataclass(frozen=True, slots=True)
class _Size:
    """What a field takes: bytes on the wire, bytes in memory, field paths."""

    least: int
    fresh: int
    paths: int

    @classmethod
    def of(cls, node: Node, inner: Node, nested: TypeDefinition | None) -> _Size:
        if nested:
            one = cls(nested.least_bytes, nested.fresh_bytes, nested.paths)
        elif inner[1][0] in STRINGS:
            one = cls(4, 8, 1)
        else:
            bytes_of_one = dtype_of(inner[1][0]).itemsize
            one = cls(bytes_of_one, bytes_of_one, 1)
        if node[0] == Nodetype.ARRAY:
            return cls(one.least * node[1][1], one.fresh * node[1][1], one.paths)
        if node[0] == Nodetype.SEQUENCE:
            return cls(4, _OBJECT_BYTES, one.paths)
        return one


def _exceeds(node: Node, inner: Node) -> bool:
    base = inner[1][0]
    return base == 'wstring' or (node[0] == Nodetype.SEQUENCE and base in EIGHT_BYTES)


def _attribute(name: str, taken: set[str], of: str) -> str:
    if not _IDENTIFIER.fullmatch(name) or len(name) > 255:
        raise MessageTypeError(f'{of} has a field or constant {shown(name)}, which is no name')
    attribute = f'{name}_' if keyword.iskeyword(name) else name
    if attribute in taken:
        raise MessageTypeError(f'{of} has more than one field or constant {attribute}')
    taken.add(attribute)
    return attribute


def _base(name: str, bound: Any, where: str) -> Node:
    if name in _UNSUPPORTED:
        raise MessageTypeError(f'{where} is a {name}, which is not known: {_UNSUPPORTED[name]}')
    base = 'uint8' if name in OCTETS else name
    if base not in STRINGS and base not in NUMBERS:
        raise MessageTypeError(f'{where} is of an unknown type {shown(name)}')
    return (Nodetype.BASE, (base, _count(bound, where, least=0)))


def _count(value: Any, where: str, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise MessageTypeError(f'{where} has the size {shown(value)}; a count was expected')
    return value


def _node(
    node: Node,
    where: str,
    owner: str,
    types: Mapping[str, RawType],
    short: Mapping[str, str],
) -> Node:
    kind, detail = node
    if kind == Nodetype.BASE:
        return _base(detail[0], detail[1], where)
    if kind == Nodetype.NAME:
        return (Nodetype.NAME, _full_name(detail, where, owner, types, short))
    element, size = detail
    inner = _node(element, where, owner, types, short)
    return (kind, (inner, _count(size, where, least=1 if kind == Nodetype.ARRAY else 0)))


def _full_name(
    name: str,
    where: str,
    owner: str,
    types: Mapping[str, RawType],
    short: Mapping[str, str],
) -> str:
    package, *_, last = name.split('/')
    found = name if name in types else short.get(f'{package}/{last}')
    if found is None and last == 'Header' and package == owner.split('/', 1)[0]:
        # A bare `Header` is that of std_msgs, as it was in ROS 1.
        found = short.get('std_msgs/Header')
    if found is None:
        raise MessageTypeError(
            f'the definition of {owner} lacks the type {shown(name)} of its field {where}'
        )
    return found


def _default(node: Node, value: Any, where: str) -> Any:
    if value is None:
        return None
    kind, detail = node
    if kind == Nodetype.BASE:
        return _bounded(detail, value, where)
    if kind == Nodetype.NAME or detail[0][0] == Nodetype.NAME or not _is_list(value):
        raise MessageTypeError(f'{where} cannot have the default {shown(value)}')
    (_, base), size = detail
    too_many = size and len(value) > size
    if too_many or (kind == Nodetype.ARRAY and len(value) != size):
        raise MessageTypeError(f'{where} has {len(value)} default values for {size} places')
    return tuple(_bounded(base, item, where) for item in value)


def _bounded(base: Sequence[Any], value: Any, where: str) -> Any:
    name, bound = base
    checked = value_of(name, value, where)
    if bound and len(checked) > bound:
        raise MessageTypeError(f'{where} has a default longer than {bound}: {shown(value)}')
    return checked


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))
