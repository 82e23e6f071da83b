"""Libraries that only a part of the package needs: imported at use, named when missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lk_dataset_ros.errors import ExtraMissingError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an extra.

    Args:
        module: Its import path.
        extra: The extra of this package that installs it.
        purpose: What it is needed for, such as `a table`.

    Raises:
        ExtraMissingError: If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ExtraMissingError(
            f'{purpose} needs {module.partition(".")[0]}, which is not here ({error}): '
            f"pip install 'lk_dataset_ros[{extra}]'"
        ) from error
