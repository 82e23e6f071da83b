"""Read the numbers of a message into a flat vector, and write them back."""

from __future__ import annotations

import array
import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import FlatVectorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_TOKEN = re.compile(r'\[(\d+)\]|([^.\[\]]+)')
#: Every whole number up to here is a float64.
_EXACT = 2**53


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """Consecutive entries of a vector: a number, an array, or one element of an array."""

    path: str
    dtype: np.dtype[Any]
    size: int | None
    element: int | None = None

    @property
    def width(self) -> int:
        """Count of numbers."""
        return 1 if self.size is None or self.element is not None else self.size

    def names(self) -> Iterator[str]:
        """Yield the name of each number."""
        if self.element is not None:
            yield f'{self.path}[{self.element}]'
        elif self.size is None:
            yield self.path
        else:
            yield from (f'{self.path}[{index}]' for index in range(self.size))


def _tokens(path: str) -> list[str | int]:
    return [int(index) if index else name for index, name in _TOKEN.findall(path)]


def get(message: Any, path: str) -> Any:
    """Return the value at a field path.

    Raises:
        FlatVectorError: If a sequence is shorter than the path says.
    """
    value = message
    for token in _tokens(path):
        if isinstance(token, str):
            value = getattr(value, token)
        elif token < len(value):
            value = value[token]
        else:
            raise FlatVectorError(f'{path}: there are {len(value)} values, no [{token}]')
    return value


def read(message: Any, entry: Entry) -> NDArray[np.float64]:
    """Return an entry's numbers, exactly.

    Raises:
        FlatVectorError: If there are others than expected, or one that no float64 equals.
    """
    where = entry.path if entry.element is None else f'{entry.path}[{entry.element}]'
    numbers = _numbers(get(message, where), where)
    if entry.width != len(numbers):
        raise FlatVectorError(f'{where} has {len(numbers)} values instead of {entry.width}')
    if numbers.dtype.kind in 'iu' and numbers.dtype.itemsize == 8:
        for number in numbers.tolist():
            if abs(number) > _EXACT and int(float(number)) != number:
                raise FlatVectorError(
                    f'{where} is {number}, which no float64 equals; leave it out by `fields`'
                )
    return numbers.astype(np.float64)


def _numbers(value: Any, where: str) -> NDArray[Any]:
    if isinstance(value, bytes) and len(value) == 1:  # A `byte` of rclpy.
        return np.frombuffer(value, np.uint8)
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        return np.frombuffer(b''.join(value), np.uint8)
    if isinstance(value, float):
        return np.array([value])
    try:
        numbers = np.asarray(value).reshape(-1)
    except (ValueError, OverflowError) as error:
        raise FlatVectorError(f'{where} is {value!r}, not a number: {error}') from error
    if numbers.dtype.kind not in 'biuf' and len(numbers):
        raise FlatVectorError(f'{where} is {value!r}, which no float64 equals')
    return numbers


def write(message: Any, entry: Entry, values: NDArray[np.float64]) -> None:
    """Set an entry's numbers, of the kind that is there (list, array, NumPy array).

    Raises:
        FlatVectorError: If a number does not fit.
    """
    parent, _, name = entry.path.rpartition('.')
    owner = get(message, parent)
    current = getattr(owner, name)
    numbers = _cast(values, entry)
    if entry.element is not None:
        if entry.element >= len(current):
            raise FlatVectorError(
                f'{entry.path} has {len(current)} values, no [{entry.element}]; '
                'give a message that has it'
            )
        whole = _numbers(current, entry.path).astype(entry.dtype)
        whole[entry.element] = numbers[0]
        numbers = whole
    single = entry.size is None and entry.element is None
    value = _like(numbers, current, single=single)
    if getattr(getattr(owner, '__dataclass_params__', None), 'frozen', False):
        object.__setattr__(owner, name, value)
    else:
        setattr(owner, name, value)


def _cast(values: NDArray[np.float64], entry: Entry) -> NDArray[Any]:
    kind = entry.dtype
    if kind.kind == 'f':
        with np.errstate(over='ignore'):
            numbers: NDArray[Any] = values.astype(kind)
        wrong = np.isfinite(values) & ~np.isfinite(numbers)
    elif kind.kind == 'b':
        wrong = ~np.isin(values, (0.0, 1.0))
    else:
        limits = np.iinfo(kind)
        # As float64 the highest int64 is one too high, hence `<` against the next power of two.
        wrong = ~(
            (values >= float(limits.min))
            & (values < float(limits.max) + (1.0 if kind.itemsize < 8 else 0.0))
            & (values == np.floor(values))
        )
    if wrong.any():
        index = int(wrong.argmax())
        name = list(entry.names())[index]
        raise FlatVectorError(f'{values[index]!r} does not fit {name}, which is {kind}')
    return values.astype(kind) if kind.kind != 'f' else numbers


def _like(numbers: NDArray[Any], current: Any, *, single: bool) -> Any:
    """Return numbers as the kind of value that is there now."""
    if isinstance(current, array.array):
        return array.array(current.typecode, numbers.tolist())
    if isinstance(current, (list, tuple)):
        of_bytes = bool(current) and isinstance(current[0], bytes)
        items = [bytes([number]) for number in numbers] if of_bytes else numbers.tolist()
        return type(current)(items)
    if not single:
        return numbers.copy()
    if isinstance(current, bytes):
        return bytes([int(numbers[0])])
    return type(current)(numbers[0]) if isinstance(current, np.generic) else numbers[0].item()
