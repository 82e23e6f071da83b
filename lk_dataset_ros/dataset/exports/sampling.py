"""How frames are made: the options of an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.exports.resampling import METHODS, Method, frames_per_second
from lk_dataset_ros.errors import ExportError

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.exports.samples import TimeSource


@dataclass(frozen=True, slots=True)
class Sampling:
    """How topics are brought onto one clock, and where episodes end.

    Attributes:
        fps: Frames per second.
        method: `hold` (the last sample; integers always), `nearest`, or `linear`.
        slerp: With `linear`, turn quaternions on the sphere instead of mixing their components.
        max_age_s: A frame without a sample this near is left out, and the episode ends there.
        time: `log`: when messages were received. `stamp`: their header stamps; a topic without,
            or whose stamps are all zero, counts by its log times.
        marker: Key whose messages each begin a new episode.
        min_frames: Shorter episodes are left out.
    """

    fps: float
    method: Method = 'hold'
    slerp: bool = False
    max_age_s: float | None = None
    time: TimeSource = 'log'
    marker: str | None = None
    min_frames: int = 2

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ExportError: If one is not possible.
        """
        frames_per_second(self.fps)
        if self.method not in METHODS:
            raise ExportError(f'there is no method {self.method!r}; there is {", ".join(METHODS)}')
        if self.time not in ('log', 'stamp'):
            raise ExportError(f'there is no time {self.time!r}; there is log, stamp')
        age = self.max_age_s
        if age is not None and not (isinstance(age, (int, float)) and 0 <= age < 1e9):
            raise ExportError(f'a sample cannot be {age!r} s old at most; 0 s and more can')
        if not isinstance(self.min_frames, int) or self.min_frames < 1:
            raise ExportError(
                f'an episode cannot have {self.min_frames!r} frames at least; 1 and more can'
            )
