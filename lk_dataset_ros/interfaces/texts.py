"""The texts of a bag's definitions, kept as they are beside the packages made of them.

They are data: whoever records such a type stores the definition with its comments again. What is
compiled is written anew (`idl_text`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message import ROS2MSG, full_type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lk_dataset_ros.message import Schema

_SEPARATOR: Final = re.compile(r'\n={3,}[ \t]*\nMSG:[ \t]*(\S+)[ \t]*\n')


def parts_of(schema: Schema) -> dict[str, str]:
    """Return the text of a type and of each nested one, by full type name.

    Those in IDL have none: they are installed as IDL.
    """
    if schema.encoding != ROS2MSG:
        return {}
    first, *others = _SEPARATOR.split(f'\n{schema.text}')
    found = {schema.name: first[1:]}
    for header, text in zip(others[::2], others[1::2], strict=True):
        try:
            found.setdefault(full_type_name(header), text)
        except MessageTypeError:
            continue
    return found


def definition_files(types: Iterable[str], texts: Mapping[str, str]) -> dict[str, str]:
    """Return the `.msg` and `.srv` files of types, by path below `share/<package>`.

    Args:
        types: Full type names.
        texts: Text of each type that there is one of.
    """
    files = {}
    for name in types:
        package, kind, own = name.split('/')
        if kind == 'msg' and name in texts:
            files[f'msg/{own}.msg'] = texts[name]
        elif kind == 'srv' and own.endswith('_Event'):
            service = own.removesuffix('_Event')
            stem = f'{package}/msg/{service}'
            parts = [texts.get(f'{stem}_Request'), texts.get(f'{stem}_Response')]
            if None not in parts:
                lines = [line for part in parts for line in ('---', *(part or '').splitlines())]
                files[f'srv/{service}.srv'] = '\n'.join([*lines[1:], ''])
    return files
