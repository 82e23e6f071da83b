"""Open what a verb reads, and tell what is wrong with it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence


def load(location: str) -> Dataset:
    """Open a dataset for reading; its warnings go to stderr, one line each.

    Args:
        location: A bag, a file or a URL.

    Raises:
        LkError: If nothing there can be read.
    """
    log = logging.getLogger('lk_dataset_ros.Dataset')
    # The front end logs the same warnings; without a handler Python prints them bare.
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    dataset = Dataset.load(location)
    warn(dataset.warnings)
    return dataset


def warn(texts: Sequence[str]) -> None:
    """Write warnings to stderr."""
    for text in texts:
        print(f'lk: warning: {" ".join(text.split())}', file=sys.stderr)
