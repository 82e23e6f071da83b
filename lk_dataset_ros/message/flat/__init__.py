"""Messages as flat vectors of numbers."""

from lk_dataset_ros.message.flat.vectors import (
    flat_names,
    from_flat_vector,
    is_flattenable,
    to_flat_vector,
    why_not_flattenable,
)

__all__ = [
    'flat_names',
    'from_flat_vector',
    'is_flattenable',
    'to_flat_vector',
    'why_not_flattenable',
]
