"""The user's choice of how messages are paired."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lk_dataset_ros.comparison.pairing.exact import (
    pair_by_index,
    pair_by_lineage,
    pair_by_stamp,
)
from lk_dataset_ros.comparison.pairing.lag import Lag, estimate_lag
from lk_dataset_ros.comparison.pairing.nearest import pair_by_nearest, pair_by_relative_time
from lk_dataset_ros.comparison.pairing.pairs import since_earliest
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.pairing.pairs import Pairs

#: What messages can be paired by.
WAYS = (
    *('auto', 'header_stamp', 'log_time', 'relative_time', 'index', 'lineage', 'nearest'),
    'distribution',
)
_WITHOUT_TIME = ('index', 'lineage', 'distribution')
_BY_STAMP = ('header_stamp', 'lineage')


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Times of one side's messages of a key.

    Attributes:
        stamp_ns: int64, (n,): header stamps; None if the type has no header (or nobody knows,
            because there is no message).
        log_time_ns: int64, (n,): when each was recorded.
    """

    stamp_ns: NDArray[np.int64] | None
    log_time_ns: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairing:
    """How messages are paired.

    Attributes:
        by: `auto` (header stamp if both sides have one, otherwise index), `header_stamp`,
            `log_time`, `relative_time` (since each side's earliest message; header stamps if both
            have them, otherwise log times), `index`, `lineage` (output stamp = an input's stamp)
            or `nearest` (header stamps if both have them, otherwise log times); `distribution`
            pairs nothing: distributions of values are compared.
        limit_ns: How far the times of a pair may lie apart, nanoseconds; None for exactly equal.
            Needed by `nearest`.
        offset_ns: By how much the compiled's times are later, nanoseconds, or `estimate` (by
            cross-correlation of the values; needs a limit).
        max_lag_ns: The largest offset that an estimate looks for.
        inputs: The keys of the inputs whose stamps outputs carry; needed by `lineage`.
    """

    by: str = 'auto'
    limit_ns: int | None = None
    offset_ns: int | Literal['estimate'] = 0
    max_lag_ns: int = 1_000_000_000
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ComparisonError: If one is wrong, or does not go with another.
        """
        if self.by not in WAYS:
            raise ComparisonError(
                f'messages are not paired by {self.by!r}; there is {", ".join(WAYS)}'
            )
        if self.limit_ns is not None:
            self._set('limit_ns', _nanoseconds('limit_ns', self.limit_ns, or_else='None'))
        self._set('max_lag_ns', _nanoseconds('max_lag_ns', self.max_lag_ns))
        if not (isinstance(self.offset_ns, str) and self.offset_ns == 'estimate'):
            offset_ns = _nanoseconds(
                'offset_ns', self.offset_ns, or_else="'estimate'", may_be_negative=True
            )
            self._set('offset_ns', offset_ns)
        inputs = (self.inputs,) if isinstance(self.inputs, str) else tuple(self.inputs)
        self._set('inputs', inputs)
        self._check_that_they_go_together()

    def pair(
        self,
        original: Times,
        compiled: Times,
        *,
        inputs_ns: NDArray[np.int64] | None = None,
        compiled_inputs_ns: NDArray[np.int64] | None = None,
        signals: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ) -> tuple[Pairs, str]:
        """Pair the messages of a key.

        Args:
            original: Times of the original's messages.
            compiled: Times of the compiled's.
            inputs_ns: int64: stamps of the inputs, needed by `lineage`.
            compiled_inputs_ns: int64: stamps of the inputs of the compiled's run, if they differ.
            signals: Numbers of both sides' messages, from which an offset is estimated (see
                `lag`); without any there is none.

        Returns:
            The pairs, and by what they were paired: never `auto`.

        Raises:
            ComparisonError: If the messages do not have what they are to be paired by.
        """
        by, both = self._resolve(original, compiled)
        counts = len(original.log_time_ns), len(compiled.log_time_ns)
        if by == 'index' or not min(counts):
            return pair_by_index(*counts), by
        if by == 'lineage':
            if inputs_ns is None:
                raise ComparisonError(
                    f'pairing by lineage needs the stamps of {", ".join(self.inputs)}'
                )
            pairs = pair_by_lineage(*both, inputs_ns, compiled_inputs_ns=compiled_inputs_ns)
            return pairs, by
        offset_ns = self.lag(original, compiled, signals).lag_ns
        if by == 'relative_time':
            return (
                pair_by_relative_time(*both, limit_ns=self.limit_ns, offset_ns=offset_ns),
                by,
            )
        if self.limit_ns is None:
            return pair_by_stamp(*both, offset_ns=offset_ns), by
        return pair_by_nearest(*both, self.limit_ns, offset_ns=offset_ns), by

    def lag(
        self,
        original: Times,
        compiled: Times,
        signals: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ) -> Lag:
        """Return the offset that `pair` uses, and how sure it is.

        Args:
            original: Times of the original's messages.
            compiled: Times of the compiled's.
            signals: Numbers of both sides' messages, (n,) or (n, k), looked at only if the offset
                is to be estimated.

        Returns:
            What was given, with quality 1; or what `estimate_lag` finds, by relative times if that
            is what messages are paired by. No lag and quality 0 without signals.
        """
        if not isinstance(self.offset_ns, str):
            return Lag(self.offset_ns, 1.0)
        by, both = self._resolve(original, compiled)
        if signals is None or by == 'index' or not min(len(each) for each in both):
            return Lag(0, 0.0)
        if by == 'relative_time':
            both = since_earliest(both[0]), since_earliest(both[1])
        return estimate_lag(signals[0], both[0], signals[1], both[1], self.max_lag_ns)

    def _resolve(
        self, original: Times, compiled: Times
    ) -> tuple[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return by what this key's messages are paired, and those times of both sides."""
        logged = original.log_time_ns, compiled.log_time_ns
        if original.stamp_ns is not None and compiled.stamp_ns is not None:
            by = 'header_stamp' if self.by == 'auto' else self.by
            return by, logged if by == 'log_time' else (original.stamp_ns, compiled.stamp_ns)
        sides = {'original': original, 'compiled': compiled}
        lacking = [
            side
            for side, times in sides.items()
            if times.stamp_ns is None and len(times.log_time_ns)
        ]
        if self.by == 'auto':
            # An empty side does not tell whether its messages have a header.
            nobody_has = original.stamp_ns is None and compiled.stamp_ns is None
            return 'index' if lacking or nobody_has else 'header_stamp', logged
        if lacking and self.by in _BY_STAMP:
            raise ComparisonError(
                f'the messages of the {" and the ".join(lacking)} have no header stamp to be paired '
                f'by {self.by}; log_time, relative_time and index need none'
            )
        return self.by, logged

    def _check_that_they_go_together(self) -> None:
        if self.by == 'nearest' and self.limit_ns is None:
            raise ComparisonError(
                'limit_ns is None; to pair the nearest it has to say how near, in nanoseconds'
            )
        if self.by == 'lineage' and not self.inputs:
            raise ComparisonError(
                'inputs is empty; to pair by lineage it has to name the keys of the inputs'
            )
        if self.inputs and self.by != 'lineage':
            raise ComparisonError(
                f'inputs is {self.inputs!r}, but messages are paired by {self.by}; '
                'only lineage uses inputs'
            )
        for name, value in (('limit_ns', self.limit_ns), ('offset_ns', self.offset_ns or None)):
            if self.by in _WITHOUT_TIME and value is not None:
                raise ComparisonError(
                    f'{name} is {value!r}, but messages are paired by {self.by}; '
                    'header_stamp, log_time, relative_time and nearest use it'
                )

        if self.offset_ns == 'estimate' and self.limit_ns is None:
            raise ComparisonError(
                'offset_ns is estimate and limit_ns None; no estimate is right to the nanosecond, '
                'so limit_ns has to say how far apart a pair may be'
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _nanoseconds(
    name: str, value: Any, *, or_else: str = '', may_be_negative: bool = False
) -> int:
    wanted = f'an integer number of nanoseconds{"" if may_be_negative else ", 0 or more"}'
    wanted += f', or {or_else}' if or_else else ''
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (number < 0 and not may_be_negative):
        raise ComparisonError(f'{name} is {value!r}; it has to be {wanted}')
    return number
