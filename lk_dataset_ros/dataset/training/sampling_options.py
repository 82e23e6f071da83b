"""How samples are made of messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lk_dataset_ros.dataset.training.normalisation import Normalisation, Scaling
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.training.pairs import Clock, Match

NanPolicy = Literal['raise', 'drop', 'keep']


@dataclass(frozen=True, slots=True)
class Options:
    """How samples are made; see `to_pytorch_dataset`."""

    match: Match = 'stamp'
    limit: float | None = None
    clock: Clock | None = None
    window: int | None = None
    max_step: float | None = None
    dtype: Any = None
    normalize: Scaling | Normalisation | None = None
    split: Sequence[float] | None = None
    split_gap: float = 0.0
    nan: NanPolicy = 'raise'
    start_ns: int | None = None
    stop_ns: int | None = None

    def check(self) -> None:
        """Raise a DatasetError if an option is none of its values."""
        for name, value, known in (
            ('match', self.match, ('stamp', 'lineage', 'nearest')),
            ('clock', self.clock, (None, 'stamp', 'log')),
            ('nan', self.nan, ('raise', 'drop', 'keep')),
        ):
            if value not in known:
                names = ', '.join(map(str, known))
                raise DatasetError(f'{name}={value!r} is not known; {names} are')
        if not isinstance(self.normalize, Normalisation) and self.normalize not in (
            None,
            'none',
            'standard',
            'minmax',
        ):
            raise DatasetError(
                f'normalize={self.normalize!r} is not known; None, standard, minmax '
                'and a Normalisation are'
            )
        if self.window is not None and (
            isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 1
        ):
            raise DatasetError(f'window={self.window!r} is not a number of inputs from 1')
        if self.split is not None and not (
            isinstance(self.split, Sequence)
            and all(isinstance(share, (int, float)) for share in self.split)
        ):
            raise DatasetError(f'split={self.split!r} is no list of shares, such as (0.8, 0.2)')
        for name in ('limit', 'max_step', 'split_gap'):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and value >= 0):
                raise DatasetError(f'{name}={value!r} is not a number of seconds from 0')
        if self.match == 'nearest' and self.limit is None:
            raise DatasetError("match='nearest' needs limit=, the most seconds between partners")
