"""A disagreement of several arms, and the message that tells of it in the bag."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final

from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.message import Schema, codec_for

#: Where the events are in the bag.
EVENTS_TOPIC: Final = '/consensus/events'
#: The definition, as in msg/ConsensusEvent.msg: no ROS is needed to write it.
DEFINITION: Final = """\
# One disagreement of several arms, from its first message to its last.
builtin_interfaces/Time start       # stamp of the first message beyond the tolerance
builtin_interfaces/Time end         # stamp of the last one
builtin_interfaces/Time window_start  # what is recorded around it
builtin_interfaces/Time window_end
uint64 number                       # counted from 1
string output                       # topic of the first arm's output, by which the group is known
string[] arms                       # all of the group
string[] outliers                   # those in the minority; all when there is no majority
string[] majority                   # those that agree among each other, empty when none do
uint32 messages                     # sets of messages that disagree
string field                        # where the largest error is
float64 error                       # the largest absolute error, in multiples of its limit: severity
float64 original                    # values there, NaN where they are no numbers
float64 compiled
"""
_TIME: Final = """\
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
EVENT_SCHEMA: Final = Schema('lk_dataset_ros/msg/ConsensusEvent', DEFINITION + _TIME)
#: Times that a builtin_interfaces/Time can tell.
_LAST_S: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """One disagreement, from its first message to its last; mirrors the message.

    Attributes:
        start_ns: Stamp of the first message beyond the tolerance; the time at which it came where
            messages have no stamp.
        end_ns: Stamp of the last one so far.
        window_start_ns: Log time from which on messages are recorded.
        window_end_ns: Log time up to which they are.
        number: Counted from 1, over all groups.
        output: Topic of the first arm's output, by which the group is known.
        arms: All of the group.
        outliers: Those in the minority; all when there is no majority.
        majority: Those that agree among each other, empty when none do.
        messages: Sets of messages that disagree.
        field: Where the largest error is.
        error: The largest error in multiples of its limit: severity; infinite where nothing is
            allowed.
        original: The value there of the pair's first arm, NaN where it is no number.
        compiled: The value there of the pair's second arm.
        is_over: It has ended; otherwise it has begun, and the rest is what is known so far.
        group: Name of the group.
    """

    start_ns: int
    end_ns: int
    window_start_ns: int
    window_end_ns: int
    number: int
    output: str
    arms: tuple[str, ...]
    outliers: tuple[str, ...]
    majority: tuple[str, ...]
    messages: int
    field: str
    error: float
    original: float
    compiled: float
    is_over: bool = True
    group: str = ''

    def to_cdr(self) -> bytes:
        """Return it as a serialized `lk_dataset_ros/msg/ConsensusEvent`."""
        message = SimpleNamespace(
            start=_time(self.start_ns),
            end=_time(self.end_ns),
            window_start=_time(self.window_start_ns),
            window_end=_time(self.window_end_ns),
            number=self.number,
            output=self.output,
            arms=list(self.arms),
            outliers=list(self.outliers),
            majority=list(self.majority),
            messages=min(self.messages, 2**32 - 1),
            field=self.field,
            error=self.error,
            original=self.original,
            compiled=self.compiled,
        )
        return codec_for(EVENT_SCHEMA).encode(message)


def _time(time_ns: int) -> SimpleNamespace:
    sec, nanosec = divmod(time_ns, NS_PER_S)
    return SimpleNamespace(sec=min(max(sec, -_LAST_S), _LAST_S), nanosec=nanosec)
