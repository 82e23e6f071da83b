"""The settings of a playback."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lk_dataset_ros.component import Component, option
from lk_dataset_ros.errors import ComponentError

FOLLOWING = ('', 'absolute', 'relative')
ORDERS = ('received', 'sent')
LATE_POLICIES = ('catch_up', 'slow_down', 'drop_late')
#: Longest offset, duration and delay, s: the time since 1970 fits in.
LONGEST_S = 1e10


@dataclass(kw_only=True)
class PlaybackConfig(Component.Config):
    """Settings of a playback."""

    rtf: float = option(
        1.0,
        'real-time factor: recorded time per wall time; 0 is as fast as what is played is taken',
        minimum=0.0,
        maximum=1e6,
    )
    topics: list[str] = option([], 'topics to play, with those of regex; all when both are empty')  # noqa: RUF009
    regex: str = option('', 'topics whose whole name fits this regular expression are played')
    exclude_topics: list[str] = option([], 'topics that are not played')  # noqa: RUF009
    exclude_regex: str = option(
        '', 'topics whose whole name fits this regular expression are not played'
    )
    remap: list[str] = option([], 'other names to publish under, /old:=/new')  # noqa: RUF009
    clock_hz: float = option(
        0.0,
        'how often the time is published on /clock, per second of wall time; 0 is never. '
        'At RTF 0 it is published with every message',
        minimum=0.0,
        maximum=10_000.0,
    )
    clock_on_messages: bool = option(False, 'publish the time on /clock before every message')
    clock_topics: list[str] = option(  # noqa: RUF009
        [], 'publish the time on /clock before every message of these topics'
    )
    start_paused: bool = option(False, 'wait for resume before the first message')
    start_offset_s: float = option(
        0.0,
        'recorded time after the start of the bag to begin at, s',
        minimum=0.0,
        maximum=LONGEST_S,
    )
    duration_s: float = option(
        0.0, 'how much recorded time is played, s; 0 is all', minimum=0.0, maximum=LONGEST_S
    )
    until_ns: int = option(
        0,
        'recorded time at which the playback ends, ns since 1970; 0 is the end of the bag',
        minimum=0,
    )
    delay_s: float = option(
        0.0, 'wall time to wait before the first message, s', minimum=0.0, maximum=LONGEST_S
    )
    loop: bool = option(False, 'begin again at the end')
    order: str = option(
        'received',
        'play in the order and at the times at which messages were received, or were sent',
        choices=ORDERS,
    )
    late_policy: str = option(
        'catch_up',
        'with messages later than late_limit_s: catch_up publishes them at once, slow_down puts '
        'off all that follows, drop_late leaves them out',
        choices=LATE_POLICIES,
    )
    late_limit_s: float = option(
        0.1, 'wall time after which a message counts as late, s', minimum=0.0, maximum=1e6
    )
    read_ahead_bytes: int = option(
        64 * 1024 * 1024,
        'memory for messages that are read before they are due, bytes; 0 reads without a thread',
        minimum=0,
        maximum=2**40,
    )
    follow: str = option(
        '',
        'follow a clock from outside: absolute takes its time as recorded time, relative begins '
        'at the start of the bag at its first tick',
        choices=FOLLOWING,
    )
    restamp: bool = option(
        False, 'move header.stamp into the time at which messages are published'
    )

    def __post_init__(self) -> None:
        """Check every value, and those that do not go together.

        Raises:
            ComponentError: If one is wrong.
        """
        super().__post_init__()
        for name in ('regex', 'exclude_regex'):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise ComponentError(
                    f'{name} is {getattr(self, name)!r}, which is no regular expression: {error}'
                ) from error
        if self.follow:
            self._check_following()

    def _check_following(self) -> None:
        clock = self.clock_hz or self.clock_on_messages or any(self.clock_topics)
        wrong = {
            'rtf': self.rtf != 1.0 and 'the clock has a rate of its own',
            'clock_hz, clock_on_messages and clock_topics': clock and 'it cannot publish it too',
            'loop': self.loop and 'the clock says when it begins again',
            'delay_s': self.delay_s and 'the clock says when it begins',
            'late_policy slow_down': self.late_policy == 'slow_down' and 'it cannot slow it down',
        }
        for name, why in wrong.items():
            if why:
                raise ComponentError(f'a playback that follows a clock takes no {name}: {why}')
