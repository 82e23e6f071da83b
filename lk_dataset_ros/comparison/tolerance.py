"""How far two values may lie apart, and what is not compared at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

#: rtol and atol by type: those of torch.testing.assert_close.
DEFAULTS: dict[str, tuple[float, float]] = {
    'float16': (1e-3, 1e-5),
    'float32': (1.3e-6, 1e-5),
    'float64': (1e-7, 1e-7),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """|original - compiled| may be at most atol + rtol * |original|.

    Attributes:
        rtol: Relative part.
        atol: Absolute part.
    """

    rtol: float
    atol: float

    def __post_init__(self) -> None:
        """Refuse what is not a tolerance.

        Raises:
            ComparisonError: If a part is negative or not a number.
        """
        for name in ('rtol', 'atol'):
            value = getattr(self, name)
            if not value >= 0.0:
                raise ComparisonError(f'{name} is {value!r}; it has to be 0 or greater')


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Tolerances and exceptions of a comparison.

    A pattern is matched against `<key>.<field path>` and against the field path alone; `*` stays
    within one name, `**` crosses dots and slashes: `/odom.pose.**`, `**.orientation.*`, `header.**`.

    Attributes:
        rtol: For every floating-point field; None for the default of its type.
        atol: Likewise.
        fields: Limits by pattern, the last that matches wins.
        ignore: Reasons by pattern, for fields that are not compared.
    """

    rtol: float | None = None
    atol: float | None = None
    fields: Mapping[str, Limit] = field(default_factory=dict)
    ignore: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers and the reasons.

        Raises:
            ComparisonError: If a tolerance is negative, or an exception has no reason.
        """
        Limit(self.rtol or 0.0, self.atol or 0.0)
        for pattern, reason in self.ignore.items():
            if not reason.strip():
                raise ComparisonError(f'{pattern!r} is ignored without a reason')

    def limit_for(self, key: str, path: str, dtype: np.dtype[Any]) -> Limit:
        """Return the limit of a field; integers, booleans and strings have to be equal."""
        if dtype.kind != 'f':
            return Limit(0.0, 0.0)
        for pattern, limit in reversed(list(self.fields.items())):
            if _matches(pattern, key, path):
                return limit
        rtol, atol = DEFAULTS.get(dtype.name, DEFAULTS['float64'])
        if self.rtol is None and self.atol is None:
            return Limit(rtol, atol)
        return Limit(self.rtol or 0.0, self.atol or 0.0)

    def reason_to_ignore(self, key: str, path: str) -> str | None:
        """Return why a field is not compared, or None if it is."""
        for pattern, reason in self.ignore.items():
            if _matches(pattern, key, path):
                return reason
        return None


def _matches(pattern: str, key: str, path: str) -> bool:
    expression = _compile(pattern)
    return bool(expression.fullmatch(path) or expression.fullmatch(f'{key}.{path}'))


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    parts = re.split(r'(\*\*|\*)', pattern)
    special = {'**': '.*', '*': r'[^./]*'}
    return re.compile(''.join(special.get(part, re.escape(part)) for part in parts))
