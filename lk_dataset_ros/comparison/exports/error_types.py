"""A message type for the errors of a key's pairs, made for the fields that differ.

The type is that of the key with errors as leaves: what plots `/original/odom.pose.pose.position.x`
plots `/error/odom.pose.pose.position.x`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.comparison.exports.choice import plain_name, unused
from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.message import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.comparison.result import FieldComparison

PACKAGE: Final = 'lk_comparison'
#: What can be said of a message; a pair is the first of these that holds, from `mismatch` on.
VERDICTS: Final = ('match', 'mismatch', 'late', 'reordered', 'missing', 'extra')
_PAIR: Final = f"""string verdict  # {', '.join(VERDICTS)}
bool differs
int64 index  # of the message in the original, -1 for one that is extra
int64 stamp_ns  # by which it was paired
"""
_SEPARATOR = '=' * 80


@dataclass(slots=True)
class _Node:
    """A message type in the making."""

    type_name: str
    lines: list[str] = field(default_factory=list)
    nodes: dict[str, tuple[str, _Node]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)


def error_schema(
    name: str, fields: Sequence[FieldComparison], taken: set[str]
) -> tuple[Schema, list[str]]:
    """Return a message type with an error for each field, and the path of each in it.

    Args:
        name: What the type is called after.
        fields: The fields.
        taken: Names of types that are there already; those of this one are added.
    """
    root = _Node(_type_name(f'{name} errors', taken))
    pair = _Node(_type_name(f'{name} errors pair', taken))
    root.nodes['pair'] = unused('pair', root.taken), pair
    pair.lines.append(_PAIR)
    paths = [_add(root, each, taken) for each in fields]
    parts = [_definition(root)]
    waiting = [node for _, node in root.nodes.values()]
    while waiting:
        node = waiting.pop(0)
        parts.append(f'{_SEPARATOR}\nMSG: {PACKAGE}/{node.type_name}\n{_definition(node)}')
        waiting += [inner for _, inner in node.nodes.values()]
    return Schema(f'{PACKAGE}/msg/{root.type_name}', ''.join(parts)), paths


def _add(root: _Node, each: FieldComparison, taken: set[str]) -> str:
    *segments, last = each.path.split('.')
    node, names = root, []
    for segment in segments:
        # The root's own `pair` is no part of the message: that one gets another name.
        key = f'{segment} of the message'
        if key not in node.nodes:
            inner = _Node(_type_name(f'{node.type_name} {segment}', taken))
            node.nodes[key] = unused(plain_name(segment), node.taken), inner
        name, node = node.nodes[key]
        names.append(name)
    name = unused(plain_name(last), node.taken)
    told = ', '.join(_format.escaped(text) for text in (each.unit, each.comparator) if text)
    node.lines.append(f'float64 {name}{"  # " if told else ""}{told}\n')
    return '.'.join([*names, name])


def _type_name(text: str, taken: set[str]) -> str:
    words = plain_name(text).split('_')
    return unused(''.join(word[:1].upper() + word[1:] for word in words), taken)


def _definition(node: _Node) -> str:
    nested = (f'{PACKAGE}/{inner.type_name} {name}\n' for name, inner in node.nodes.values())
    return ''.join([*nested, *node.lines])
