"""Make what a user gives for a message fit for encoding, or say which field does not fit.

Any object with the attributes of a type is taken. What needs no change is not copied: a message
of our own class with arrays of the right type goes to the encoder as it is.
"""

from __future__ import annotations

import operator
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.message.definitions.definition import PLACEHOLDER, STRINGS, dtype_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.message.definitions.definition import Node, TypeDefinition

    #: Returns the value itself where it fits as it is; raises ValueError where it does not fit.
    Convert = Callable[[Any], Any]

_EMPTY = SimpleNamespace(**{PLACEHOLDER: 0})


def adopters(definitions: Mapping[str, TypeDefinition]) -> dict[str, Convert | None]:
    """Return what makes a message of each type fit; None where nothing needs to be done.

    Args:
        definitions: The types, nested ones first.
    """
    made: dict[str, Convert | None] = {}
    for name, definition in definitions.items():
        if definition.fields[0].name == PLACEHOLDER:
            made[name] = _empty
            continue
        steps = [
            (each.name, convert)
            for each in definition.fields
            if (convert := converter(each.node, made)) is not None
        ]
        names = [each.name for each in definition.fields]
        made[name] = partial(_adopt, steps, names) if steps else None
    return made


def _adopt(steps: list[tuple[str, Convert]], names: list[str], message: Any) -> Any:
    changed: dict[str, Any] | None = None
    for name, convert in steps:
        value = getattr(message, name)
        new = convert(value)
        if new is not value:
            if changed is None:
                changed = {}
            changed[name] = new
    if changed is None:
        return message
    values = {name: changed[name] if name in changed else getattr(message, name) for name in names}
    return SimpleNamespace(**values)


def _empty(_message: Any) -> Any:
    return _EMPTY


def converter(node: Node, made: Mapping[str, Convert | None]) -> Convert | None:
    """Return what makes a value of a node fit; None where nothing needs to be done."""
    kind, detail = node
    if kind == Nodetype.NAME:
        return made[detail]
    if kind == Nodetype.BASE:
        return _scalar_converter(*detail)
    (element_kind, element), size = detail
    exact = kind == Nodetype.ARRAY
    if element_kind == Nodetype.NAME:
        return partial(_messages, made[element], size, exact)
    if element[0] in STRINGS:
        return partial(_texts, element[1], size, exact)
    return partial(_numbers, dtype_of(element[0]), size, exact)


def _scalar_converter(base: str, bound: int) -> Convert | None:
    if base == 'bool':
        return truth_value
    if base == 'uint8':
        return octet_value
    return partial(text_value, bound) if base in STRINGS and bound else None


def truth_value(value: Any) -> Any:
    """Return a bool, as which 0 and 1 pass too."""
    if value is True or value is False:
        return value
    if isinstance(value, (np.bool_, int, np.integer)) and value in (0, 1):
        return bool(value)
    raise ValueError(f'{shown(value)} is not a bool')


def octet_value(value: Any) -> Any:
    """Return the number of a `byte` or `char`, which rclpy gives as bytes or text of length 1."""
    if type(value) is int:
        return value
    if isinstance(value, (bytes, bytearray)) and len(value) == 1:
        return value[0]
    if isinstance(value, str) and len(value) == 1:
        return ord(value)
    return value


def text_value(bound: int, value: Any) -> Any:
    """Return a text that keeps its bound, in characters as rclpy counts them; 0 is none."""
    if not isinstance(value, str):
        raise TypeError(f'{shown(value)} is not a text')
    if bound and len(value) > bound:
        raise ValueError(f'{shown(value)} is longer than the bound of {bound} characters')
    return value


def _counted(value: Any, size: int, exact: bool) -> None:
    count = len(value)
    if exact and count != size:
        raise ValueError(f'an array of {size} got {count} values')
    if size and count > size:
        raise ValueError(f'{count} values are more than the bound of {size}: {shown(value)}')


def is_listed(value: Any) -> bool:
    """Tell whether a value can be a sequence of texts or messages."""
    return hasattr(value, '__iter__') and not isinstance(value, (str, bytes, dict))


def _listed(value: Any) -> list[Any]:
    if type(value) is list:
        return value
    if not is_listed(value):
        raise ValueError(f'{shown(value)} is not a sequence')
    return list(value)


def _messages(adopt: Convert | None, size: int, exact: bool, value: Any) -> Any:
    items = _listed(value)
    _counted(items, size, exact)
    if adopt is None:
        return items
    adopted = [adopt(item) for item in items]
    return items if all(map(operator.is_, adopted, items)) else adopted


def _texts(bound: int, size: int, exact: bool, value: Any) -> Any:
    items = _listed(value)
    _counted(items, size, exact)
    for item in items:
        text_value(bound, item)
    return items


def _numbers(dtype: np.dtype[Any], size: int, exact: bool, value: Any) -> Any:
    if type(value) is np.ndarray and value.dtype == dtype and value.ndim == 1:
        array = value if value.flags.c_contiguous else np.ascontiguousarray(value)
    else:
        array = _array(dtype, value)
    if size:
        _counted(array, size, exact)
    return array


def _array(dtype: np.dtype[Any], value: Any) -> Any:
    """Return numbers as an array of a type; refuse what would change them."""
    if isinstance(value, (bytes, bytearray, memoryview)) and dtype.itemsize == 1:
        return np.frombuffer(value, dtype)
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, '__len__'):
        raise ValueError(f'{shown(value)} is not a sequence of {dtype.name}')
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [octet_value(item) for item in value] if dtype == np.uint8 else list(value)
        if dtype.kind in 'iu':
            return _integers(dtype, items)
        value = np.array(items) if items else np.zeros(0, dtype)
    given = np.asarray(value)
    if given.ndim != 1 or given.dtype.kind not in 'biuf':
        raise ValueError(f'{shown(value)} are not {dtype.name}, in one dimension')
    with np.errstate(over='ignore', invalid='ignore'):
        cast = given.astype(dtype)
    if dtype.kind == 'f':
        fits = np.array_equal(np.isfinite(given), np.isfinite(cast))
    else:
        fits = (given.dtype.kind != 'f' or not len(given)) and np.array_equal(cast, given)
    if not fits:
        raise ValueError(f'{shown(value)} do not fit {dtype.name}')
    return cast


def _integers(dtype: np.dtype[Any], items: list[Any]) -> Any:
    try:
        return np.fromiter(map(operator.index, items), dtype, len(items))
    except (TypeError, OverflowError) as error:
        raise ValueError(f'{shown(items)} are not {dtype.name}: {error}') from error


def shown(value: Any) -> str:
    """Return a value as an error shows it, in one line."""
    text = ' '.join(repr(value[:20] if isinstance(value, (list, tuple, str)) else value).split())
    return text if len(text) <= 80 else f'{text[:77]}...'
