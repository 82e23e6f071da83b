"""What the options of rules say, as values: `PATTERN=REASON`, `atol:0.01,rtol:0.001`."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison import Limit
from lk_dataset_ros.comparison.comparators import NAMED
from lk_dataset_ros.component.component import extend_python_path
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def pairs_in(option: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what stands before and behind the first `=` of what was given to an option.

    Raises:
        ComparisonError: If one of both is missing.
    """
    for text in texts:
        pattern, equals, value = text.partition('=')
        if not (pattern.strip() and equals and value.strip()):
            wanted = {
                '--field': '/odom.pose.**=atol:0.01,rtol:0.001',
                '--ignore': "'header.frame_id=named by the driver'",
                '--comparator': f'/odom.pose=NAME, NAME one of {", ".join(NAMED)}',
            }[option]
            raise ComparisonError(f'{option} {text!r} is incomplete; write {option} {wanted}')
        yield pattern.strip(), value.strip()


def limit_in(text: str) -> Limit:
    """Return the limit of `atol:0.01,rtol:0.001`.

    Raises:
        ComparisonError: If it is none.
    """
    parts: dict[str, float] = {}
    for each in text.split(','):
        name, _, value = (part.strip() for part in each.partition(':'))
        try:
            if name not in ('rtol', 'atol') or name in parts:
                raise ValueError
            parts[name] = finite(name, float(value))
        except ValueError as error:
            if isinstance(error, ComparisonError):
                raise
            raise ComparisonError(
                f'{each!r} is no limit; write atol:0.01, rtol:0.001, or atol:0.01,rtol:0.001'
            ) from error
    return Limit(parts.get('rtol', 0.0), parts.get('atol', 0.0))


def finite(name: str, value: float) -> float:
    """Return a part of a tolerance.

    Raises:
        ComparisonError: If it is negative or no finite number.
    """
    if not (math.isfinite(value) and value >= 0.0):
        raise ComparisonError(
            f'{name} is {value!r}; give a finite number, 0 or more (--ignore takes a field out)'
        )
    return value


def offset_in(text: str) -> float | str:
    """Return a number, or the text if it is none."""
    try:
        return float(text)
    except ValueError:
        return text


def import_first(name: str) -> None:
    """Import a module from the working folder, or from what is installed.

    Raises:
        ComparisonError: If it does not import, for whatever reason.
    """
    extend_python_path([str(Path.cwd())])
    try:
        import_module(name)
    except (Exception, SystemExit) as error:
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise ComparisonError(f'--import {name}: {reason}') from error
