"""`lk info` as text: first the words of `ros2 bag info`, then what it does not tell.

The tables are set here and not by rich, whose import alone takes a tenth of a second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lk_dataset_ros.dataset.inspection.ranges import FieldRange
    from lk_dataset_ros.dataset.inspection.summary import Summary, TopicDetails

_INDENT = ' ' * 19
_SECOND = 1_000_000_000


def summary_text(summary: Summary) -> str:
    """Return what `ros2 bag info` (Jazzy) prints, word for word."""
    start_ns, end_ns = summary.start_ns or 0, summary.end_ns or 0
    lines = [
        '',
        f'Files:             {f"{chr(10)}{_INDENT}".join(summary.files)}',
        *(
            [f'Bag size:          {_binary_size(summary.size_bytes)}']
            if summary.size_bytes is not None
            else []
        ),
        f'Storage id:        {summary.storage}',
        f'ROS Distro:        {summary.ros_distro or "unknown"}',
        f'Duration:          {seconds(summary.duration_ns)}s',
        f'Start:             {date(start_ns)} ({seconds(start_ns)})',
        f'End:               {date(end_ns)} ({seconds(end_ns)})',
        f'Messages:          {summary.messages}',
        'Topic information: '
        + f'\n{_INDENT}'.join(
            f'Topic: {each.name} | Type: {each.type_name} | Count: {each.count} | '
            f'Serialization Format: {each.serialization_format}'
            for each in summary.topics
        ),
        f'Service:           {len(summary.services)}',
        'Service information: '
        + f'\n{_INDENT}  '.join(
            f'Service: {each.name} | Type: {each.type_name} | Event Count: {each.event_count} | '
            f'Serialization Format: {each.serialization_format}'
            for each in summary.services
        ),
    ]
    return '\n'.join(lines)


def losses_text(summary: Summary, *, verbose: bool = False) -> str:
    """Return what the recorder counted, a line for each topic; empty if it left no record.

    Args:
        summary: What is in the bag.
        verbose: Say so, too, where there is no record.
    """
    if summary.losses is None:
        return 'Losses:            no record of losses' if verbose else ''
    lines = [
        f'Topic: {each.name} | Recorded: {each.recorded} | Lost: {each.lost} '
        f'({each.reported_lost} reported) | Dropped: {each.dropped} | Skipped: {each.skipped} | '
        f'Publishers: {each.publishers}'
        + (f' | Not certain: {" ".join(each.unknown.split())}' if each.unknown else '')
        for each in summary.losses
    ]
    return 'Losses:            ' + (f'\n{_INDENT}'.join(lines) or 'nothing was recorded')


def rates_text(summary: Summary) -> str:
    """Return the mean rate of every topic over the whole bag."""
    rows = [(each.name, _rate(each.mean_hz)) for each in summary.topics]
    return '\n'.join(_table(('topic', 'mean Hz'), rows, left=(0,)))


def details_text(
    summary: Summary, details: Sequence[TopicDetails], *, width: int | None = None
) -> str:
    """Return the timing of all topics, then the ranges of each.

    Args:
        summary: What is in the bag.
        details: Of its topics, in the same order.
        width: Characters of a line of the terminal, None for no limit. Where the table of timing
            does not fit, each topic gets lines of its own.
    """
    lines = ['', *_timing_lines(summary, details, width)]
    for topic, each in zip(summary.topics, details, strict=True):
        if each.fields or each.left_out or each.problem:
            lines += ['', f'{each.name} ({topic.type_name}), {megabytes(each.bytes)}']
        if each.problem:
            lines.append(f'  cannot be read: {each.problem}')
        rows = [_range_row(field) for field in each.fields]
        lines += _table(('  field', 'type', 'min', 'max', 'remarks'), rows, left=(0, 1, 4))
        lines += [
            f'  {left.path or "all fields"}: left out, {left.reason}' for left in each.left_out
        ]
    return '\n'.join(lines)


def _timing_lines(
    summary: Summary, details: Sequence[TopicDetails], width: int | None
) -> Iterator[str]:
    start_ns = summary.start_ns or 0
    factors = {each.timing.gap_factor for each in details if each.timing is not None}
    gaps = f'gaps >{min(factors):g}x' if factors else 'gaps'
    rows = []
    for each in details:
        timing = each.timing
        if timing is None:
            rows.append((each.name, '0', '', '', '', '', '', ''))
            continue
        widest = ''
        if timing.largest_gap_ns is not None and timing.largest_gap_at_ns is not None:
            at_s = (timing.largest_gap_at_ns - start_ns) / _SECOND
            widest = f'{timing.largest_gap_ns / _SECOND:.3f} s at {at_s:.3f} s'
        rows.append(
            (
                each.name,
                _rate(timing.mean_hz),
                _milliseconds(timing.median_period_ns),
                _milliseconds(timing.std_period_ns),
                _span(timing.p1_period_ns, timing.p99_period_ns),
                str(timing.gaps or ''),
                widest,
                losses(each),
            )
        )
    headings = (
        'topic',
        'Hz',
        'median ms',
        'jitter ms',
        'p1..p99 ms',
        gaps,
        'largest gap',
        'lost messages',
    )
    lines = list(_table(headings, rows, left=(0, 7)))
    fits = width is None or max(map(len, lines), default=0) <= width
    yield from lines if fits else _stacked(headings, rows)


def losses(details: TopicDetails) -> str:
    """Return in words what counter and stamps tell of lost messages."""
    parts: list[str] = []
    if details.sequence is not None:
        parts.append(f'{details.sequence.missing} by sequence')
        parts += [
            f'{count} {word}'
            for count, word in (
                (details.sequence.duplicates, 'duplicate'),
                (details.sequence.reordered, 'reordered'),
                (details.sequence.resets, 'counter resets'),
            )
            if count
        ]
    if details.stamps is not None:
        if details.stamps.missing is not None:
            parts.append(f'{details.stamps.missing} by stamp')
        parts += [
            f'{count} {word}'
            for count, word in (
                (details.stamps.repeated, 'stamps repeated'),
                (details.stamps.backwards, 'stamps backwards'),
            )
            if count
        ]
    return ', '.join(parts) or 'not known'


def _range_row(field: FieldRange) -> tuple[str, ...]:
    remarks = []
    if field.constant:
        remarks.append('constant')
    if field.nan:
        remarks.append(f'{field.nan} NaN')
    if field.infinite:
        remarks.append(f'{field.infinite} infinite')
    low, high = (_number(end, field.dtype) for end in (field.minimum, field.maximum))
    return f'  {field.path}', field.dtype, low, high, ', '.join(remarks)


def _number(value: float | None, dtype: str) -> str:
    if value is None:
        return ''
    if dtype == 'bool':
        return str(bool(value)).lower()
    # -0 is written as 0.
    return f'{value + 0.0:.6g}' if isinstance(value, float) else str(value)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], left: Any) -> Iterator[str]:
    """Yield the lines of a table; the columns in `left` are set left, others right."""
    if not rows:
        return
    lines = [headings, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    for line in lines:
        cells = [
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield '  '.join(cells).rstrip()


def _stacked(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of a table one below the other, with a line for each cell."""
    width = max(map(len, headings))
    for name, *cells in rows:
        yield name
        for heading, cell in zip(headings[1:], cells, strict=True):
            if cell:
                yield f'  {heading:<{width}}  {cell}'


def _rate(hertz: float | None) -> str:
    return '' if hertz is None else f'{hertz:.2f}'


def _milliseconds(value_ns: float | None) -> str:
    return '' if value_ns is None else f'{value_ns / 1e6:.3f}'


def _span(low_ns: float | None, high_ns: float | None) -> str:
    return '' if low_ns is None else f'{_milliseconds(low_ns)}..{_milliseconds(high_ns)}'


def seconds(time_ns: int) -> str:
    """Return nanoseconds as seconds, exactly, with nine digits."""
    return f'{time_ns // _SECOND}.{time_ns % _SECOND:09d}'


def date(time_ns: int) -> str:
    """Return a time as `ros2 bag info` writes it: in local time, with nine digits.

    A time that has no date (a year beyond what the system knows) is written as seconds only.
    """
    try:
        local = time.localtime(time_ns // _SECOND)
    except (OverflowError, ValueError, OSError):
        return '?'
    month = time.strftime('%b', local)
    clock = time.strftime('%H:%M:%S', local)
    return f'{month} {local.tm_mday:2d} {local.tm_year} {clock}.{time_ns % _SECOND:09d}'


def megabytes(size: int) -> str:
    """Return bytes in a unit one can read."""
    for unit, divisor in (('GB', 1e9), ('MB', 1e6), ('kB', 1e3)):
        if size >= divisor:
            return f'{size / divisor:.1f} {unit}'
    return f'{size} B'


def _binary_size(size: int) -> str:
    """Return bytes as `ros2 bag info` does."""
    value, units = float(size), ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    at = 0
    while value >= 1024 and at < len(units) - 1:
        value /= 1024
        at += 1
    return f'{value:.{1 if at else 0}f} {units[at]}'
