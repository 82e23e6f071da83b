"""The settings of a consensus recorder."""

from __future__ import annotations

from dataclasses import dataclass

from lk_dataset_ros.component import option
from lk_dataset_ros.dataset.recording import DataRecorder
from lk_dataset_ros.errors import ComponentError


@dataclass(kw_only=True)
class ConsensusConfig(DataRecorder.Config):
    """Settings of a consensus recorder: those of a recorder, pairing, events, what is kept."""

    record_mode: str = option(
        'mismatches',
        'what is written: windows around disagreements, all else, or everything',
        choices=('mismatches', 'matches', 'all'),
    )
    pair_by: str = option(
        'auto',
        'what tells which messages belong together; auto is the stamp where the type begins with '
        'a header, otherwise the arrival',
        choices=('auto', 'stamp', 'arrival', 'index'),
    )
    limit_s: float = option(
        0.05,
        'how long a set waits for the arms that have not answered yet; what comes later is late',
        minimum=0.0001,
        maximum=3600.0,
    )
    stamp_tolerance_s: float = option(
        0.0,
        'how far stamps of one set may lie apart; 0 pairs equal stamps',
        minimum=0.0,
        maximum=3600.0,
    )
    max_waiting: int = option(
        1000, 'most sets that wait for arms, for each group', minimum=1, maximum=1_000_000
    )
    hysteresis_s: float = option(
        0.5, 'agreement of that long ends a disagreement', minimum=0.0, maximum=3600.0
    )
    pre_s: float = option(
        2.0, 'what is recorded before a disagreement', minimum=0.0, maximum=3600.0
    )
    post_s: float = option(
        1.0, 'what is recorded after a disagreement', minimum=0.0, maximum=3600.0
    )
    max_window_s: float = option(
        30.0,
        'most that is recorded of one disagreement after its beginning; it goes on being counted',
        minimum=0.001,
        maximum=86400.0,
    )
    window_bytes: int = option(
        64 * 1024 * 1024,
        'most bytes kept for what comes before a disagreement, and of one window',
        minimum=1024,
    )
    waiting_bytes: int = option(
        64 * 1024 * 1024,
        'most bytes of windows that wait for room in the budget; the least different goes first',
        minimum=0,
    )
    max_events_per_minute: int = option(
        0, 'most disagreements recorded in a minute; 0 is no limit', minimum=0
    )
    budget_bytes_per_hour: int = option(
        0,
        'most bytes written in an hour; 0 is no limit. The most different come first',
        minimum=0,
    )
    window_s: float = option(
        60.0, 'what recent statistics are taken over', minimum=0.1, maximum=86400.0
    )
    stale_s: float = option(
        2.0, 'an arm that says nothing for so long is stale', minimum=0.001, maximum=86400.0
    )
    warn_agreement: float = option(
        0.999, 'recent agreement below is a warning', minimum=0.0, maximum=1.0
    )
    error_agreement: float = option(
        0.95, 'recent agreement below is an error', minimum=0.0, maximum=1.0
    )
    warn_missing: float = option(
        0.01, 'recent part of sets that an arm misses: a warning', minimum=0.0, maximum=1.0
    )
    error_missing: float = option(
        0.5, 'recent part of sets that an arm misses: an error', minimum=0.0, maximum=1.0
    )
    warn_lag_s: float = option(
        0.0, 'recent median lag beyond is a warning; 0 is none', minimum=0.0, maximum=3600.0
    )

    def __post_init__(self) -> None:
        """Check every value, and that they go together.

        Raises:
            ComponentError: If one is wrong, or two contradict each other.
        """
        super().__post_init__()
        if self.use_ring_buffer:
            raise ComponentError(
                'use_ring_buffer is for the plain recorder; pre_s and window_bytes say what a '
                'consensus recorder keeps'
            )
        if self.error_agreement > self.warn_agreement:
            raise ComponentError(
                f'error_agreement {self.error_agreement:g} is above warn_agreement '
                f'{self.warn_agreement:g}; give at most that'
            )
        if self.warn_missing > self.error_missing:
            raise ComponentError(
                f'warn_missing {self.warn_missing:g} is above error_missing '
                f'{self.error_missing:g}; give at most that'
            )
