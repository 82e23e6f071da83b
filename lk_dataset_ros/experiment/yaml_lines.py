"""YAML that remembers its lines, so that a fault can be pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.errors import SpecificationError

if TYPE_CHECKING:
    from pathlib import Path

#: A specification larger than this is something else.
MAX_BYTES = 1024 * 1024
_MAX_NODES = 100_000

Place = tuple[str | int, ...]


class YamlDocument:
    """A YAML file's content, with the line of each part.

    Args:
        path: The file.

    Raises:
        SpecificationError: If it cannot be read, or is not YAML.

    Attributes:
        content: The content as plain Python.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.stat().st_size > MAX_BYTES:
                raise SpecificationError(f'{path} is larger than 1 MiB: not a specification')
            text = path.read_text()
        except OSError as error:
            raise SpecificationError(f'{path} cannot be read: {error.strerror}') from error
        except UnicodeDecodeError as error:
            raise SpecificationError(f'{path} is not text') from error
        self._lines: dict[Place, int] = {}
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            self.content: Any = None if node is None else loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SpecificationError(f'{path}:{line}: {error.problem}') from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise SpecificationError(f'{path}: {str(error).splitlines()[0]}') from error
        if node is not None:
            self._note(node, (), frozenset())

    def error(self, place: Place, text: str) -> SpecificationError:
        """Make an error that names file, line and field."""
        known = place
        while known and known not in self._lines:
            known = known[:-1]
        line = self._lines.get(known, 1)
        field = '.'.join(map(str, place))
        return SpecificationError(f'{self.path}:{line}: {field + ": " if field else ""}{text}')

    def _note(self, node: yaml.Node, place: Place, above: frozenset[int]) -> None:
        if id(node) in above:
            raise self.error(place, 'contains itself')
        above |= {id(node)}
        self._lines.setdefault(place, node.start_mark.line + 1)
        if len(self._lines) > _MAX_NODES:
            raise SpecificationError(f'{self.path} has too many parts for a specification')
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                part = (*place, str(key.value))
                if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(':str'):
                    raise self.error(place, f'{key.value!r} is not a name; put it in quotes')
                if part in self._lines:
                    line = key.start_mark.line + 1
                    raise SpecificationError(
                        f'{self.path}:{line}: {".".join(map(str, part))}: is given twice'
                    )
                self._lines[part] = key.start_mark.line + 1
                self._note(value, part, above)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note(value, (*place, index), above)
