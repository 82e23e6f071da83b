"""What a child process that runs an arm is given, and what it says."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_ROOT: Final = Path(__file__).parents[3]


def environment_of_child(more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that imports this very package, wherever it lies."""
    # The folder from which `lk` is called is not where its modules are.
    variables = {**os.environ, **more, 'PYTHONSAFEPATH': '1'}
    if not {'site-packages', 'dist-packages'}.intersection(_ROOT.parts):
        folders = [variables.get('PYTHONPATH', ''), str(_ROOT)]
        variables['PYTHONPATH'] = os.pathsep.join(filter(None, folders))
    return variables


def event_of(line: bytes) -> dict[str, Any]:
    """Return what a line says; empty if that is nothing."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return mapping(event)


def read_latencies(path: Path) -> NDArray[np.float64]:
    """Read the latencies, s; none where the arm did not get so far."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.zeros(0)
    is_right = isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype == np.int64
    return found * 1e-9 if is_right else np.zeros(0)


def count(value: Any) -> int:
    """Return a count; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def number(value: Any) -> float:
    """Return a number; NaN for what is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


def counts(value: Any) -> dict[str, int]:
    """Return counts by name."""
    return {str(key): count(each) for key, each in mapping(value).items()}


def texts(value: Any) -> dict[str, str]:
    """Return texts by name."""
    return {str(key): str(each) for key, each in mapping(value).items()}


def mapping(value: Any) -> dict[Any, Any]:
    """Return a mapping; empty for what is none."""
    return value if isinstance(value, dict) else {}
