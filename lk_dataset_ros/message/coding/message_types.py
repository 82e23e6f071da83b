"""Classes of messages, made from their definitions."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message.definitions.definition import STRINGS, dtype_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lk_dataset_ros.message.definitions.definition import Field, Node, TypeDefinition

#: A new message that takes more memory than this is refused.
MAX_FRESH_BYTES: Final = 2**28
#: Arrays of up to this many bytes are copied from a template, larger ones are made anew.
_TEMPLATE_BYTES: Final = 4096
_EMPTY = {'string': '', 'wstring': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}
_ANNOTATIONS = {'string': 'str', 'wstring': 'str', 'bool': 'bool'}


class Message:
    """Base of the message classes: equal fields make equal messages."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    __msgtype__: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __eq__(self, other: object) -> bool:
        """Tell whether another message of this type has the same values."""
        if not isinstance(other, Message) or other.__msgtype__ != self.__msgtype__:
            return NotImplemented
        names = self.__dataclass_fields__
        return names.keys() == other.__dataclass_fields__.keys() and all(
            _equal(getattr(self, name), getattr(other, name)) for name in names
        )

    def __repr__(self) -> str:
        """Return the type and the fields, as rclpy shows them."""
        fields = ', '.join(f'{name}={getattr(self, name)!r}' for name in self.__dataclass_fields__)
        return f'{type(self).__qualname__}({fields})'


def _equal(mine: Any, other: Any) -> bool:
    if isinstance(mine, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(mine, other))
    return bool(mine == other)


def message_classes(definitions: Mapping[str, TypeDefinition]) -> dict[str, type[Message]]:
    """Make the classes of types.

    A class takes its fields by position or by keyword; those left out have their default value
    from the definition, or are zero, false or empty. Constants are attributes of the class.

    Args:
        definitions: The types, nested ones first.
    """
    classes: dict[str, type[Message]] = {}
    for name, definition in definitions.items():
        classes[name] = _class(definition, classes)
    return classes


def _class(definition: TypeDefinition, classes: Mapping[str, type[Message]]) -> type[Message]:
    too_large = definition.fresh_bytes > MAX_FRESH_BYTES
    fields = []
    for each in definition.fields:
        default = default_of(each, classes)
        if callable(default):
            factory = partial(_refuse, definition) if too_large else default
            fields.append((each.name, _annotation(each.node), field(default_factory=factory)))
        else:
            fields.append((each.name, _annotation(each.node), field(default=default)))
    namespace = {
        **definition.constants,
        '__doc__': f'A message of the type {definition.name}.',
        '__module__': __name__,
        '__qualname__': definition.name.replace('/', '.'),
        '__msgtype__': definition.name,
    }
    made: Any = make_dataclass(
        definition.name.split('/')[-1],
        fields,
        bases=(Message,),
        namespace=namespace,
        repr=False,
        eq=False,
        match_args=False,
        slots=True,
    )
    cls: type[Message] = made
    return cls


def _refuse(definition: TypeDefinition) -> Any:
    raise MessageTypeError(
        f'a new {definition.name} would take {definition.fresh_bytes} bytes; '
        f'at most {MAX_FRESH_BYTES} are made: give its fields when you make it'
    )


def _annotation(node: Node) -> str:
    kind, detail = node
    if kind == Nodetype.BASE:
        return _ANNOTATIONS.get(detail[0], 'float' if detail[0].startswith('float') else 'int')
    if kind == Nodetype.NAME:
        return 'Message'
    element = detail[0]
    is_number = element[0] == Nodetype.BASE and element[1][0] not in STRINGS
    return 'numpy.ndarray' if is_number else 'list'


def default_of(each: Field, classes: Mapping[str, type[Message]]) -> Any:
    """Return the default of a field, or what makes it where it is mutable."""
    kind, detail = each.node
    if kind == Nodetype.BASE:
        return _EMPTY.get(detail[0], 0) if each.default is None else each.default
    if kind == Nodetype.NAME:
        return classes[detail]
    (element_kind, element), size = detail
    count = size if kind == Nodetype.ARRAY else 0
    if element_kind == Nodetype.NAME:
        return partial(_several, classes[element], count) if count else list
    if element[0] in STRINGS:
        if each.default is not None:
            return partial(list, each.default)
        return partial(_empty_texts, count) if count else list
    dtype = dtype_of(element[0])
    if each.default is not None:
        return np.array(each.default, dtype).copy
    if count * dtype.itemsize > _TEMPLATE_BYTES:
        return partial(np.zeros, count, dtype)
    return np.zeros(count, dtype).copy


def _empty_texts(count: int) -> list[str]:
    return [''] * count


def _several(cls: Callable[[], Any], count: int) -> list[Any]:
    return [cls() for _ in range(count)]
