"""YAML out of bags: read fast where there is a parser in C, and never deeper than it is safe."""

from __future__ import annotations

from typing import Any, Final

import yaml

#: The parser in C is ten times as fast, but ends the process where lists nest by the thousand.
_LOADER: Final[Any] = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_DUMPER: Final[Any] = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)
#: What rosbag2 writes nests to 6.
_DEEPEST: Final = 64


def load_yaml(text: str) -> Any:
    """Return the content of a YAML text that may come from anybody.

    Raises:
        yaml.YAMLError: If it is no YAML.
        ValueError: If lists and mappings in it nest too deep, or a value is none of its kind.
        RecursionError: If the parser cannot follow.
    """
    depth = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f'lists and mappings nest deeper than {_DEEPEST}')
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.load(text, _LOADER)  # noqa: S506 - one of the two safe ones


def dump_yaml(content: Any) -> str:
    """Return plain values as YAML, in their order, without breaking lines."""
    text: str = yaml.dump(content, Dumper=_DUMPER, sort_keys=False, width=1_000_000)
    return text
