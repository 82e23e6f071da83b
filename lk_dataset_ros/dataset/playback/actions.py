"""What a playback engine tells its host to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.records import SerializedMessage


@dataclass(frozen=True, slots=True)
class Publish:
    """A message is due."""

    message: SerializedMessage


@dataclass(frozen=True, slots=True)
class PublishClock:
    """The time of the playback is to be published on `/clock`."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due for a while, nanoseconds of wall time."""

    ns: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything was published."""


Action = Publish | PublishClock | Wait | Finished
