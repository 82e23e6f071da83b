"""What a message type consists of, as rosidl sees it."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rosbags.interfaces import Nodetype

from lk_dataset_ros.message import ROS2MSG
from lk_dataset_ros.message.codec import raw_types
from lk_dataset_ros.message.definitions.definition import PLACEHOLDER
from lk_dataset_ros.message.definitions.resolution import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lk_dataset_ros.message import Schema
    from lk_dataset_ros.message.definitions.definition import Node, RawType

_IN_IDL: Final = {
    'bool': 'boolean',
    'byte': 'octet',
    'octet': 'octet',
    'float32': 'float',
    'float64': 'double',
}


@dataclass(frozen=True, slots=True)
class Member:
    """A field.

    Attributes:
        name: Its name.
        base: Type of a value: a name in IDL (`double`, `string`) or a full type name.
        kind: '' for one value, `array`, `bounded` (a bounded sequence) or `sequence`.
        size: Of an array, or bound of a sequence.
        bound: Bound of a string, 0 without.
        default: Default value; None without. Not part of the type hash.
    """

    name: str
    base: str
    kind: str = ''
    size: int = 0
    bound: int = 0
    default: Any = None

    @property
    def is_nested(self) -> bool:
        """Tell whether the values are messages."""
        return '/' in self.base

    def __str__(self) -> str:
        """Return it as a definition shows it, without the default."""
        bound = f'<={self.bound}' if self.bound else ''
        size = {'': '', 'array': f'[{self.size}]', 'bounded': f'[<={self.size}]'}
        return f'{self.base}{bound}{size.get(self.kind, "[]")} {self.name}'


@dataclass(frozen=True, slots=True)
class Interface:
    """A message type.

    Attributes:
        name: Full type name.
        members: Its fields, in order.
        constants: Type (in IDL), name and value of each.
    """

    name: str
    members: tuple[Member, ...]
    constants: tuple[tuple[str, str, Any], ...] = ()


def interfaces_of(schema: Schema) -> dict[str, Interface]:
    """Read a definition.

    Args:
        schema: The definition of a type.

    Returns:
        The type and all that it is made of, by name, nested ones first.

    Raises:
        MessageTypeError: If the definition is broken, or a nested type is missing.
    """
    texts: dict[str, RawType] = {}
    for each in raw_types(schema):
        if each.name not in texts or not texts[each.name].fields:
            texts[each.name] = each
    found = {}
    for name, definition in resolved(texts.values(), schema.name).items():
        # The checked definition has resolved names and values, the raw one `octet` and `char`.
        raw = texts.get(name)
        plain = raw.fields if raw and raw.fields else [(PLACEHOLDER, None, None)]
        if raw is None:
            plain = [(field.name, None, None) for field in definition.fields]
        members = tuple(
            _member(own, field.node, node, field.default, schema.encoding)
            for (own, node, _), field in zip(plain, definition.fields, strict=True)
        )
        constants = tuple(
            (_idl_name(base, schema.encoding), own, value)
            for (base, own, _), value in zip(
                raw.constants if raw else (), definition.constants.values(), strict=True
            )
        )
        found[name] = Interface(name, members, constants)
    return found if '/msg/' in schema.name else _as_parts(schema.name, found)


def _as_parts(of: str, found: dict[str, Interface]) -> dict[str, Interface]:
    """Call the parts of a service or action what ROS 2 calls them: bags name them like messages."""
    package, kind, own = of.split('/')
    stem = own.removesuffix('_Event').removesuffix('_FeedbackMessage')
    names = {
        f'{package}/msg/{stem}{part}': f'{package}/{kind}/{stem}{part}'
        for part in ('_Request', '_Response', '_Feedback')
    }
    return {
        names.get(name, name): Interface(
            names.get(name, name),
            tuple(
                dataclasses.replace(member, base=names.get(member.base, member.base))
                for member in interface.members
            ),
            interface.constants,
        )
        for name, interface in found.items()
    }


def _member(name: str, node: Node, raw: Node | None, default: Any, encoding: str) -> Member:
    kind, detail = node
    size, inner, raw_inner = 0, node, raw
    shape = ''
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        inner, size = detail
        raw_inner = raw[1][0] if raw else None
        shape = 'array' if kind == Nodetype.ARRAY else 'bounded' if size else 'sequence'
    if inner[0] == Nodetype.NAME:
        return Member(name, inner[1], shape, size)
    base, bound = inner[1]
    own = raw_inner[1][0] if raw_inner else base
    return Member(name, _idl_name(own, encoding), shape, size, bound or 0, default)


def _idl_name(base: str, encoding: str) -> str:
    if base == 'char' and encoding == ROS2MSG:
        return 'uint8'
    return _IN_IDL.get(base, base)


def closure(name: str, interfaces: Mapping[str, Interface]) -> set[str]:
    """Return the names of a type and of all that it is made of."""
    found: set[str] = set()
    queue = [name]
    while queue:
        each = queue.pop()
        if each not in found:
            found.add(each)
            queue += [member.base for member in interfaces[each].members if member.is_nested]
    return found


def to_plain(interfaces: Mapping[str, Interface]) -> dict[str, Any]:
    """Return definitions as plain values, for JSON."""
    return {name: dataclasses.astuple(each)[1:] for name, each in interfaces.items()}


def from_plain(content: Mapping[str, Any]) -> dict[str, Interface]:
    """Return what `to_plain` was given."""
    found = {}
    for name, (members, constants) in content.items():
        fields = []
        for own, base, kind, size, bound, default in members:
            value = tuple(default) if isinstance(default, list) else default
            fields.append(Member(own, base, kind, size, bound, value))
        found[name] = Interface(name, tuple(fields), tuple((a, b, c) for a, b, c in constants))
    return found


def difference(
    ours: Mapping[str, Interface], theirs: Mapping[str, Interface], names: Iterable[str]
) -> list[str]:
    """Return how definitions differ, in lines: `-` only in the first, `+` only in the second.

    Args:
        ours: Types by name.
        theirs: Types by name.
        names: The types to compare; those that are equal give no lines.
    """
    lines = []
    for name in names:
        first = [str(member) for member in ours[name].members] if name in ours else []
        second = [str(member) for member in theirs[name].members] if name in theirs else []
        if first != second:
            changes = difflib.ndiff(first, second)
            lines += [name, *(f'  {line}' for line in changes if not line.startswith('?'))]
    return lines
