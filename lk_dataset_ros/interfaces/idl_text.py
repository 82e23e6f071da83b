"""Definitions as IDL text, made anew from checked parts: nothing of a bag's text gets into it.

rosidl turns the text into C, C++ and Python source. Hence names are checked (`names`), numbers
are printed by us, strings are let through only if no language that they pass gives a character
of them a meaning, and comments are left out.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.interfaces.names import check_member

if TYPE_CHECKING:
    from lk_dataset_ros.interfaces.interface import Interface, Member

#: No quotes, backslashes, trigraphs, ends of comments, format or template characters.
_PLAIN_STRING: Final = re.compile(r'[A-Za-z0-9 _.,:;+=/()\[\]<>!^~|&-]{0,1024}')
_NOT_IDENTIFIER: Final = re.compile(r'[^A-Za-z0-9]+')


def idl_text(package: str, kind: str, parts: list[tuple[str, Interface]]) -> tuple[str, list[str]]:
    """Write an IDL file.

    Args:
        package: Its package.
        kind: `msg` or `srv`.
        parts: Structure name and definition of each structure in it.

    Returns:
        The text, and what was left out of it: constants and defaults that no code can be made of.
    """
    includes = sorted(
        {member.base for _, part in parts for member in part.members if member.is_nested}
    )
    left_out: list[str] = []
    lines = [f'#include "{each}.idl"' for each in includes]
    lines += ['', f'module {package} {{', f'  module {kind} {{']
    typedefs: dict[str, str] = {}
    for _, part in parts:
        for member in part.members:
            typedefs.update(_typedefs(member))
    lines += [f'    typedef {what} {name};' for name, what in typedefs.items()]
    for name, part in parts:
        lines += _constants(name, part, left_out)
        lines += [f'    struct {name} {{']
        for member in part.members:
            lines += _field(member, part.name, left_out)
        lines += ['    };']
    lines += ['  };', '};', '']
    return '\n'.join(lines), left_out


def _element(member: Member) -> str:
    if member.is_nested:
        return member.base.replace('/', '::')
    return f'{member.base}<{member.bound}>' if member.bound else member.base


def _alias(member: Member) -> str:
    return _NOT_IDENTIFIER.sub('__', _element(member)).rstrip('_')


def _typedefs(member: Member) -> dict[str, str]:
    """Return the names that an array needs: IDL has arrays in declarations only."""
    if member.kind != 'array':
        return {}
    element, alias = _element(member), _alias(member)
    named = {alias: element} if alias != element else {}
    return {**named, f'{alias}__{member.size}[{member.size}]': alias}


def _idl_type(member: Member) -> str:
    element = _element(member)
    if member.kind == 'array':
        return f'{_alias(member)}__{member.size}'
    if member.kind == 'bounded':
        return f'sequence<{element}, {member.size}>'
    return f'sequence<{element}>' if member.kind else element


def _constants(name: str, part: Interface, left_out: list[str]) -> list[str]:
    lines = []
    for base, own, value in part.constants:
        check_member(own, part.name)
        literal = _literal(base, value)
        if literal is None or base == 'char':
            left_out.append(f'constant {own} of {part.name}')
        else:
            lines.append(f'      const {base} {own} = {literal};')
    return [f'    module {name}_Constants {{', *lines, '    };'] if lines else []


def _field(member: Member, of: str, left_out: list[str]) -> list[str]:
    check_member(member.name, of)
    lines = []
    if member.default is not None and member.default != ():
        literal = _default(member)
        if literal is None:
            left_out.append(f'default of {of}.{member.name}')
        else:
            lines.append(f'      @default (value={literal})')
    return [*lines, f'      {_idl_type(member)} {member.name};']


def _default(member: Member) -> str | None:
    if not member.kind:
        return None if member.base == 'char' else _literal(member.base, member.default)
    if member.base == 'char' or any(
        _literal(member.base, value) is None for value in member.default
    ):
        return None
    # As rosidl_adapter writes the default of an array: a tuple of Python as a string.
    return f'"{tuple(member.default)!r}"'


def _literal(base: str, value: Any) -> str | None:
    if isinstance(value, str):
        return f'"{value}"' if _PLAIN_STRING.fullmatch(value) else None
    if base == 'boolean':
        return 'TRUE' if value else 'FALSE'
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return repr(value)
