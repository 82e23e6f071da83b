"""Read definitions in IDL with rosbags' parser, including what it leaves out: default values."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final, cast

from rosbags.interfaces import Nodetype
from rosbags.typesys.base import BaseName, BaseType
from rosbags.typesys.idl import ExpType, IDLParser, Member, eval_expression
from rosbags.typesys.peg import Failure, Success

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message.definitions.definition import MAX_FIELDS, Node, RawType

if TYPE_CHECKING:
    from collections.abc import Callable

#: Structures and constants of one text.
_MAX_TYPES: Final = 512
_NOT_IDL = re.compile(r'^(?:={3,}\s*|IDL:.*|#.*)$', re.MULTILINE)
_STRING = r'"(?:\\.|[^"\\])*"'
#: As the above; one that never ends goes to the end of the text, which keeps the search linear.
_ANY_STRING = r'"(?:\\.|[^"\\])*(?:"|\\?\Z)'
_TOKEN = re.compile(
    # Strings; comments; and the annotations that hold the comments of a .msg file.
    rf'(?:\bL)?{_ANY_STRING}|/\*.*?(?:\*/|\Z)|//[^\n]*|@verbatim\s*\((?:{_ANY_STRING}|[^()"])*\)',
    re.DOTALL,
)
_SPACE = re.compile(r'\s+')
_ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))', re.DOTALL)
_ESCAPED = {'n': '\n', 't': '\t', 'v': '\v', 'b': '\b', 'r': '\r', 'f': '\f', 'a': '\a'}
_REFUSED = (
    (re.compile(r'sequence ?< ?sequence\b'), 'a sequence of sequences'),
    (re.compile(r'\bsequence ?<[^;{}]{0,400}>[^;{}<>]{0,400}\['), 'an array of sequences'),
    (re.compile(r'<<|\*'), 'a shift or a product in a constant'),
)
#: Rules that the parser tries again and again at the same place.
_REPEATED = (
    'or_expr',
    'xor_expr',
    'and_expr',
    'shift_expr',
    'add_expr',
    'mult_expr',
    'unary_expr',
    'primary_expr',
    'annotation_appl',
    'scoped_name',
    'type_spec',
    'space',
    'optspace',
)


def read_idl(text: str, name: str) -> list[RawType]:
    """Read a definition in IDL, several files of it as rosbag2 stores them included.

    Args:
        text: The definition.
        name: Full name of the type that it is for, used in errors.

    Raises:
        MessageTypeError: If it is not a definition, or has what ROS 2 does not take either.
    """
    plain = _TOKEN.sub(_kept_string, _NOT_IDL.sub('', text))
    bare = _SPACE.sub(' ', re.sub(_ANY_STRING, '""', plain, flags=re.DOTALL))
    for pattern, what in _REFUSED:
        if pattern.search(bare):
            raise MessageTypeError(
                f'the definition of {name} has {what}, which ROS 2 does not take'
            )
    if len(re.findall(r'\bstruct\b', bare)) > _MAX_TYPES:
        raise MessageTypeError(f'the definition of {name} has more than {_MAX_TYPES} structures')
    if len(re.findall(r'\bconst\b', bare)) > MAX_FIELDS:
        raise MessageTypeError(f'the definition of {name} has more than {MAX_FIELDS} constants')
    try:
        return [_raw(message) for message in _Parser(plain).specification()]
    except Exception as error:
        # TypesysError, and KeyError, AssertionError, RecursionError from within the parser.
        reason = ' '.join(str(error).split()) or type(error).__name__
        shown = reason if len(reason) <= 200 else f'{reason[:60]} ... {reason[-120:]}'
        raise MessageTypeError(f'the definition of {name} is broken: {shown}') from error


def _raw(message: Any) -> RawType:
    return RawType(
        message.name,
        [(each.typ.value, each.name, each.value) for each in message.constants],
        [
            (str(each.name), _node(each.typ), _default(each.name, each.typ))
            for each in message.fields
        ],
    )


def _kept_string(found: re.Match[str]) -> str:
    """Keep a string, a wide one as a plain one, and drop a comment."""
    return ' ' if found[0][0] in '/@' else found[0].removeprefix('L')


class _Name(str):
    """The name of a field, with its default value."""

    __slots__ = ('default',)
    default: Any


def _named(member: Member, default: Any) -> Member:
    name = _Name(member.name)
    name.default = default
    return member._replace(name=name)


def _default(name: str, typ: Any) -> Any:
    value = name.default if isinstance(name, _Name) else None
    if typ.cardinality.value == 'scalar' or not isinstance(value, str):
        return value
    # ROS 2 writes the default of an array as the text of a tuple.
    listed = ast.literal_eval(value)
    return list(listed) if isinstance(listed, tuple) else [listed]


def _node(typ: Any) -> Node:
    inner: Node
    if isinstance(typ.ref, BaseType):
        inner = (Nodetype.BASE, (typ.ref.name.value, typ.str_size))
    else:
        inner = (Nodetype.NAME, typ.ref.name.lstrip('/'))
    cardinality = typ.cardinality.value
    if cardinality == 'scalar':
        return inner
    kind = Nodetype.ARRAY if cardinality == 'array' else Nodetype.SEQUENCE
    return (kind, (inner, typ.size))


class _Parser(IDLParser):
    """rosbags' parser with defaults and escapes, in linear time."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.seen: dict[tuple[str, int], Any] = {}

    def member(self, pos: int) -> Any:
        """Parse a field, and keep the value of its annotation `@default`."""
        result = super().member(pos)
        if isinstance(result, Failure):
            return result
        found = self.many0(pos, lambda p: self.all(p, (self.annotation_appl, self.space)))
        values = [each.arg for each, _ in found.value if each.name == 'default' and each.arg]
        if not values:
            return result
        plain = ExpType(BaseType(BaseName.INT32))
        value: Any = eval_expression(values[0][0][1], plain, '', ()).value
        return Success(result.pos, [_named(each, value) for each in result.value])

    def string_literal(self, pos: int) -> Any:
        """Parse a string, and resolve its escapes."""
        result = self.regex(pos, _STRING, re.DOTALL)
        if isinstance(result, Failure):
            return result
        return Success(result.pos, _ESCAPE.sub(_unescaped, result.value[1:-1]))


def _unescaped(found: re.Match[str]) -> str:
    hexadecimal, unicode, octal, other = found.groups()
    if other is not None:
        return _ESCAPED.get(other, other)
    return chr(int(octal, 8) if octal else int(hexadecimal or unicode, 16))


def _once(name: str) -> Callable[[_Parser, int], Any]:
    rule = cast('Callable[[_Parser, int], Any]', getattr(IDLParser, name))

    def parse(self: _Parser, pos: int) -> Any:
        place = (name, pos)
        if place not in self.seen:
            self.seen[place] = rule(self, pos)
        return self.seen[place]

    return parse


for _rule in _REPEATED:
    setattr(_Parser, _rule, _once(_rule))
