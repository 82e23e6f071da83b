"""Read times that a user writes: seconds or ISO dates."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation

from lk_dataset_ros.errors import DatasetError

_SECOND = 1_000_000_000
_MAX_SECONDS = 2**63 // _SECOND
_FRACTION = re.compile(r'[.,](\d+)')


def time_ns_of(text: str, span_ns: tuple[int, int], *, absolute: bool = False) -> int:
    """Return a time in nanoseconds.

    Args:
        text: Seconds (`12.5`) since the first message, or, below zero (`-5`), before the last;
            or an ISO date (`2026-05-08T09:59:13.25Z`), in local time if it names no zone.
        span_ns: First and last log time.
        absolute: Seconds are those since 1970.

    Raises:
        DatasetError: If it is none of these.
    """
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        return _date_ns(text)
    if not seconds.is_finite() or abs(seconds) > _MAX_SECONDS:
        raise DatasetError(f'{text} s is not a time that a bag can hold')
    time_ns = int((seconds * _SECOND).to_integral_value())
    if absolute:
        return time_ns
    return time_ns + (span_ns[1] if seconds.is_signed() else span_ns[0])


def _date_ns(text: str) -> int:
    # Python keeps six digits of a second, bags nine: the digits are taken apart.
    fraction = _FRACTION.search(text)
    digits = fraction.group(1) if fraction else ''
    plain = _FRACTION.sub('', text, count=1)
    try:
        if len(digits) > 9:
            raise ValueError(text)
        date = datetime.fromisoformat(re.sub('[zZ]$', '+00:00', plain))
        since = date.astimezone(timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    except (ValueError, OverflowError) as error:
        raise DatasetError(
            f'{text!r} is not a time: write seconds (12.5) or a date (2026-05-08T09:59:13.25)'
        ) from error
    return (since.days * 86_400 + since.seconds) * _SECOND + int(digits.ljust(9, '0'))
