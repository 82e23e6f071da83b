"""How far a playback is, on one line of the terminal."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.playback import PlaybackStats

STATES = {'waiting': 'W', 'playing': 'R', 'paused': 'P', 'finished': 'F'}
NS_PER_S = 1_000_000_000
BAR_WIDTH = 20


class ProgressLine:
    """Write how far a playback is, some times per second, and only to a terminal.

    Args:
        rate_hz: How often, per second; 0 is never.
        stream: Where to.
    """

    def __init__(self, rate_hz: float, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        is_terminal = self._stream is not None and self._stream.isatty()
        self._period_s = 1.0 / rate_hz if rate_hz > 0.0 and is_terminal else math.inf
        self._next_s = 0.0
        self._is_shown = False

    def is_due(self) -> bool:
        """Tell whether the line is to be written again."""
        return math.isfinite(self._period_s) and time.monotonic() >= self._next_s

    def show(self, stats: PlaybackStats, note: str = '') -> None:
        """Write the line over the one that stands there."""
        self._next_s = time.monotonic() + self._period_s
        width = shutil.get_terminal_size().columns - 1
        # The cursor goes back to the beginning: a log line writes over the progress.
        self._write(f'\r{progress_text(stats, note)[:width]}\x1b[K\r')
        self._is_shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            self._write('\r\x1b[K')
            self._is_shown = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal has gone; the playback goes on
            self._period_s = math.inf


def progress_text(stats: PlaybackStats, note: str = '') -> str:
    """Return one line: state, recorded time, how much is done, rates, lateness."""
    span_ns = max(stats.end_ns - stats.start_ns, 0)
    done_ns = min(max(stats.position_ns - stats.start_ns, 0), span_ns)
    share = done_ns / span_ns if span_ns else 1.0
    full = round(share * BAR_WIDTH)
    seconds, rest = divmod(stats.position_ns, NS_PER_S)
    parts = [
        f'[{STATES.get(stats.state, "?")}]',
        f'[{seconds}.{rest:09d}]',
        f'{done_ns / NS_PER_S:.2f}/{span_ns / NS_PER_S:.2f} s',
        f'[{"=" * full}{" " * (BAR_WIDTH - full)}]',
        f'{share:4.0%}',
        'RTF max' if stats.requested_rtf == 0.0 else f'RTF {stats.requested_rtf:.3g}',
    ]
    if math.isfinite(stats.achieved_rtf) and stats.achieved_rtf > 0.0:
        parts.append(f'({stats.achieved_rtf:.3g})')
    if stats.round:
        parts.append(f'round {stats.round + 1}')
    if stats.late:
        parts.append(f'late {stats.late}')
    if stats.dropped:
        parts.append(f'dropped {stats.dropped}')
    return ' '.join([*parts, note] if note else parts)
