"""Generate functions that make new messages, one straight line of code for each type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosbags.interfaces import Nodetype

from lk_dataset_ros.message.coding.layout import MOST_PATHS, Lines
from lk_dataset_ros.message.coding.message_types import MAX_FRESH_BYTES, default_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.message.definitions.definition import TypeDefinition


def maker(
    definitions: Mapping[str, TypeDefinition], classes: Mapping[str, type[Any]], name: str
) -> Callable[[], Any]:
    """Return what makes a message with its defaults, faster than its class does.

    Args:
        definitions: The types.
        classes: Their classes.
        name: The type.
    """
    definition = definitions[name]
    if definition.fresh_bytes > MAX_FRESH_BYTES or definition.paths > MOST_PATHS:
        return classes[name]
    out = Lines()
    out.names['new'] = object.__new__
    message = _message(out, definitions, classes, name)
    out.add(f'return {message}')
    return out.function('', f'new {name}')


def _message(
    out: Lines,
    definitions: Mapping[str, TypeDefinition],
    classes: Mapping[str, type[Any]],
    name: str,
) -> str:
    message = out.fresh('m')
    out.add(f'{message} = new({out.constant("C", classes[name])})')
    for each in definitions[name].fields:
        kind, detail = each.node
        if kind == Nodetype.NAME:
            value = _message(out, definitions, classes, detail)
        else:
            default = default_of(each, classes)
            value = out.constant('d', default) + ('()' if callable(default) else '')
        out.add(f'{message}.{each.name} = {value}')
    return message
