"""Say which field of a message does not fit its type."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.message.coding.adoption import (
    adopters,
    converter,
    is_listed,
    octet_value,
    shown,
    text_value,
    truth_value,
)
from lk_dataset_ros.message.definitions.definition import PLACEHOLDER, STRINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.message.coding.adoption import Convert
    from lk_dataset_ros.message.definitions.definition import Node, TypeDefinition

_LARGEST_FLOAT32 = float(np.finfo('f4').max)


def misfit(message: Any, definitions: Mapping[str, TypeDefinition], name: str) -> str:
    """Say what does not fit in a message that could not be encoded, empty if all does.

    Args:
        message: The message.
        definitions: The types.
        name: Its type.
    """
    made = adopters(definitions)
    for field in definitions[name].fields:
        if field.name == PLACEHOLDER:
            continue
        try:
            value = getattr(message, field.name)
        except AttributeError:
            return f'it has no field {field.name}'
        reason = _reason(value, field.node, definitions, made)
        if reason:
            return f'{field.name}{reason}'
    return ''


def _reason(
    value: Any,
    node: Node,
    definitions: Mapping[str, TypeDefinition],
    made: dict[str, Convert | None],
) -> str:
    kind, detail = node
    if kind == Nodetype.NAME:
        inner = misfit(value, definitions, detail)
        return f': {inner}' if inner.startswith('it has') else f'.{inner}' if inner else ''
    try:
        if kind == Nodetype.BASE:
            _check_scalar(value, *detail)
        else:
            convert = converter(node, made)
            items = convert(value) if convert else value
            if detail[0][0] == Nodetype.BASE and detail[0][1][0] not in STRINGS:
                return ''
            for index, item in enumerate(items):
                inner = _reason(item, detail[0], definitions, made)
                if inner:
                    return f'[{index}]{inner}'
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        if kind != Nodetype.BASE and detail[0][0] == Nodetype.NAME and is_listed(value):
            for index, item in enumerate(value):
                inner = _reason(item, detail[0], definitions, made)
                if inner:
                    return f'[{index}]{inner}'
        return f': {error}'
    return ''


def _check_scalar(value: Any, base: str, bound: int) -> None:
    if base in STRINGS:
        text_value(bound, value).encode('utf-16-le')
    elif base == 'bool':
        truth_value(value)
    elif base.startswith('float'):
        number = float(value) if hasattr(value, '__float__') else None
        if number is None:
            raise ValueError(f'{shown(value)} is not a {base}')
        if base == 'float32' and math.isfinite(number) and abs(number) > _LARGEST_FLOAT32:
            raise ValueError(f'{shown(value)} is too large for float32')
    else:
        number = octet_value(value) if base == 'uint8' else value
        limits = np.iinfo(base)
        if not hasattr(number, '__index__'):
            raise ValueError(f'{shown(value)} is not an integer')
        if not limits.min <= operator.index(number) <= limits.max:
            raise ValueError(f'{shown(value)} is not from {limits.min} to {limits.max} ({base})')
