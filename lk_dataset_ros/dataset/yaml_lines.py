"""YAML that a person wrote, with its lines, so that a fault can be pointed at."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from lk_dataset_ros.errors import LkError

#: A file that is larger than this was not written by a person.
MAX_BYTES = 1024 * 1024
_MAX_NODES = 100_000
_DEEPEST = 32
_LONGEST = 240

Place = tuple[str | int, ...]


class _Loader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):  # type: ignore[misc]
    """Reads `1e-3` as the number that it is in YAML 1.2, in JSON and to everybody."""


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$'),
    list('-+.0123456789'),
)


class YamlDocument:
    """A YAML file's content, with the line of each part.

    Args:
        path: The file.
        what: What the file is, for errors: `a specification`.
        error: What is raised where it is wrong.

    Raises:
        LkError: The given one, if the file cannot be read, is no YAML, or is too large.

    Attributes:
        content: The content as plain Python.
    """

    def __init__(self, path: Path, *, what: str, error: type[LkError]) -> None:
        self.path = path
        self._what, self._error = what, error
        self._lines: dict[Place, int] = {}
        self._visits = 0
        text = self._read()
        try:
            self._check_depth(text)
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is not None:
                self._note(node, (), frozenset())
            self.content: Any = None if node is None else loader.construct_document(node)
        except yaml.MarkedYAMLError as found:
            mark = found.problem_mark or found.context_mark
            place = f':{mark.line + 1}' if mark else ''
            raise error(f'{path}{place}: {_reason(found)}') from found
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as found:
            if isinstance(found, error):
                raise
            raise error(f'{path}: {_short(str(found))}') from found

    def error(self, place: Place, text: str) -> LkError:
        """Make an error that names file, line and field."""
        known = place
        while known and known not in self._lines:
            known = known[:-1]
        field = '.'.join(map(str, place))
        told = f'{_short(field)}: ' if field else ''
        return self._error(f'{self.path}:{self._lines.get(known, 1)}: {told}{_short(text)}')

    def refuse_infinite(self, content: Any, place: Place = ()) -> None:
        """Refuse NaN and infinities, which pass every range of a JSON schema.

        Raises:
            LkError: Naming the first one.
        """
        if isinstance(content, float) and not math.isfinite(content):
            raise self.error(place, f'{content!r} is not a finite number')
        if isinstance(content, dict):
            for name, each in content.items():
                self.refuse_infinite(each, (*place, name))
        elif isinstance(content, list):
            for index, each in enumerate(content):
                self.refuse_infinite(each, (*place, index))

    def _read(self) -> str:
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise self._error(f'{self.path} is larger than 1 MiB: not {self._what}')
            with self.path.open('rb') as file:
                # A pipe or a device has no size to be checked before.
                content = file.read(MAX_BYTES + 1)
        except OSError as found:
            if isinstance(found, self._error):
                raise
            raise self._error(f'{self.path} cannot be read: {found.strerror}') from found
        if len(content) > MAX_BYTES:
            raise self._error(f'{self.path} is larger than 1 MiB: not {self._what}')
        try:
            return content.decode('utf-8-sig')
        except UnicodeDecodeError as found:
            raise self._error(f'{self.path} is not text') from found

    def _check_depth(self, text: str) -> None:
        """Refuse what the parser in C would end the process with."""
        depth = 0
        for event in yaml.parse(text, _Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEEPEST:
                    line = f':{event.start_mark.line + 1}' if event.start_mark else ''
                    raise self._error(f'{self.path}{line}: nests deeper than {_DEEPEST}')
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _note(self, node: yaml.Node, place: Place, above: frozenset[int]) -> None:
        """Remember the lines of a node and of what is in it."""
        if id(node) in above:
            raise self.error(place, 'contains itself')
        above |= {id(node)}
        self._lines.setdefault(place, node.start_mark.line + 1)
        self._visits += 1
        if self._visits > _MAX_NODES:
            raise self._error(f'{self.path} has too many parts for {self._what}')
        if isinstance(node, yaml.MappingNode):
            self._note_fields(node, place, above)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note(value, (*place, index), above)

    def _note_fields(self, node: yaml.MappingNode, place: Place, above: frozenset[int]) -> None:
        seen = set()
        for key, value in node.value:
            if key.tag.endswith(':merge'):
                # `<<: *other` brings the fields of another mapping, or of several.
                several = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for each in several:
                    self._note(each, place, above)
                continue
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(':str'):
                told = key.value if isinstance(key, yaml.ScalarNode) else 'a list or mapping'
                raise self._error(
                    f'{self.path}:{line}: {_short(repr(told))} is not a name; put it in quotes'
                )
            part = (*place, str(key.value))
            if part in seen:
                field = _short('.'.join(map(str, part)))
                raise self._error(f'{self.path}:{line}: {field}: is given twice')
            seen.add(part)
            self._lines[part] = line
            self._note(value, part, above)


def _reason(found: yaml.MarkedYAMLError) -> str:
    told = _short(str(found.problem))
    if 'alias' in f'{found.problem} {found.context}':
        told += '; a name that begins with * has to be in quotes'
    return told


def _short(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _LONGEST else f'{line[:_LONGEST]}...'
