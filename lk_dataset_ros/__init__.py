"""Prove that a compiled component does what the original does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.component import Component, Config, Diagnostics, Input, Output, option
    from lk_dataset_ros.dataset import (
        ConsensusDx,
        ConsensusRecorder,
        Database,
        DataPlayback,
        DataRecorder,
        Dataset,
        FoxgloveDatabase,
        McapDatabase,
        MemoryDatabase,
        PickleDatabase,
        ReductStoreDatabase,
    )
    from lk_dataset_ros.errors import LkError
    from lk_dataset_ros.message import (
        Columns,
        Schema,
        from_flat_vector,
        is_flattenable,
        message_class,
        new_message,
        to_flat_vector,
    )

__version__ = '0.1.0'

# Looked up when asked for: `lk --help` and the nodes should not load what they do not use.
_HOMES = {
    'Columns': 'message',
    'Component': 'component',
    'Config': 'component',
    'ConsensusDx': 'dataset',
    'ConsensusRecorder': 'dataset',
    'DataPlayback': 'dataset',
    'DataRecorder': 'dataset',
    'Database': 'dataset',
    'Dataset': 'dataset',
    'DatasetComparison': 'comparison',
    'Diagnostics': 'component',
    'FoxgloveDatabase': 'dataset',
    'Input': 'component',
    'LkError': 'errors',
    'McapDatabase': 'dataset',
    'MemoryDatabase': 'dataset',
    'Output': 'component',
    'PickleDatabase': 'dataset',
    'ReductStoreDatabase': 'dataset',
    'Schema': 'message',
    'new_message': 'message',
    'to_flat_vector': 'message',
    'message_class': 'message',
    'is_flattenable': 'message',
    'from_flat_vector': 'message',
    'option': 'component',
}

__all__ = [
    'Columns',
    'Component',
    'Config',
    'ConsensusDx',
    'ConsensusRecorder',
    'DataPlayback',
    'DataRecorder',
    'Database',
    'Dataset',
    'DatasetComparison',
    'Diagnostics',
    'FoxgloveDatabase',
    'Input',
    'LkError',
    'McapDatabase',
    'MemoryDatabase',
    'Output',
    'PickleDatabase',
    'ReductStoreDatabase',
    'Schema',
    'from_flat_vector',
    'is_flattenable',
    'message_class',
    'new_message',
    'option',
    'to_flat_vector',
]


def __getattr__(name: str) -> Any:
    """Import a public name from its room when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f'lk_dataset_ros.{_HOMES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    """Name what can be imported, for completion and `help`."""
    return sorted({*globals(), *__all__})
