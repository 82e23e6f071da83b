"""How far two values may lie apart, and what is not compared at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


_EXACT = Limit(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Tolerances and exceptions of a comparison.

    A pattern is matched against `<key>.<field path>` and against the field path alone; `*` stays
    within one name, `**` crosses dots and slashes: `/odom.pose.**`, `**.orientation.*`, `header.**`.
    What is given to a part of a message holds for all fields in it.

    Attributes:
        rtol: For every floating-point field; None for the default of its type.
        atol: Likewise.
        fields: Limits by pattern, the last that matches wins.
        ignore: Reasons by pattern, for fields that are not compared.
        comparators: Names of comparators by pattern, for parts of messages that are not compared
            value by value; see `lk_dataset_ros.comparison.comparators`.
    """

    rtol: float | None = None
    atol: float | None = None
    fields: Mapping[str, Limit] = field(default_factory=dict)
    ignore: Mapping[str, str] = field(default_factory=dict)
    comparators: Mapping[str, str] = field(default_factory=dict)

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
        """Return the limit of a field.

        Strings and booleans have to be equal, integers too unless a pattern names the field itself
        (`/count.data`, `**.data`): one that ends in `*` or names a part of the message does not
        mean them.
        """
        if dtype.kind not in 'fiu':
            return _EXACT
        named = self._pattern_for(key, path)
        if dtype.kind != 'f':
            means_it = named is not None and named[1] == path and not named[0].endswith('*')
            return self.fields[named[0]] if named is not None and means_it else _EXACT
        if named is not None:
            return self.fields[named[0]]
        rtol, atol = DEFAULTS.get(dtype.name, DEFAULTS['float64'])
        if self.rtol is None and self.atol is None:
            return Limit(rtol, atol)
        return Limit(self.rtol or 0.0, self.atol or 0.0)

    def named(self, key: str, path: str) -> tuple[Limit, str] | None:
        """Return the limit that a pattern gives a field, and the field path that it names.

        That is the field itself, or a part of the message that it belongs to: `**.orientation`
        names a quaternion, and so gives a limit to its four components. The last pattern wins.
        """
        found = self._pattern_for(key, path)
        return None if found is None else (self.fields[found[0]], found[1])

    def _pattern_for(self, key: str, path: str) -> tuple[str, str] | None:
        for pattern in reversed(list(self.fields)):
            for part in (path, *ancestors(path)):
                if matches(pattern, key, part):
                    return pattern, part
        return None

    def comparator_for(self, key: str, path: str) -> str | None:
        """Return the name of the comparator that a pattern gives a part of a message."""
        for pattern, name in reversed(list(self.comparators.items())):
            if matches(pattern, key, path):
                return name
        return None

    def reason_to_ignore(self, key: str, path: str) -> str | None:
        """Return why a field is not compared, or None if it is."""
        for pattern, reason in self.ignore.items():
            if any(matches(pattern, key, part) for part in (path, *ancestors(path))):
                return reason
        return None


def ancestors(path: str) -> Iterator[str]:
    """Yield the parts of a message that a field belongs to, the innermost first."""
    while '.' in path or path.endswith(']'):
        path = path.rpartition('[' if path.endswith(']') else '.')[0]
        yield path
    if path:
        yield ''


def matches(pattern: str, key: str, path: str) -> bool:
    """Tell whether a pattern names a part of a message, the whole message as `''`."""
    expression = _compile(pattern)
    if not path:
        return bool(expression.fullmatch(key))
    return bool(expression.fullmatch(path) or expression.fullmatch(f'{key}.{path}'))


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    parts = re.split(r'(\*\*|\*)', pattern)
    special = {'**': '.*', '*': r'[^./]*'}
    return re.compile(''.join(special.get(part, re.escape(part)) for part in parts))
