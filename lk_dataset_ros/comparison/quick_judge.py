"""Tell at once which of a few messages are within tolerance of each other, where that is plain.

Messages of one layout (equal strings and lengths) are looked at as rows of numbers. What cannot be
told from those, `MessageJudge` judges; what can, it judges alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.comparison.comparators import geometry
from lk_dataset_ros.comparison.comparators.builtin import BY_TYPE
from lk_dataset_ros.comparison.judging.choosing import Choosing
from lk_dataset_ros.message import Batch, ColumnBuilder, Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.judging.choosing import Choice, Part
    from lk_dataset_ros.comparison.tolerance import Tolerance
    from lk_dataset_ros.message import Codec
    from lk_dataset_ros.message.columnar.plan import Plan

    Places = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Longer messages take their time anyway.
_MOST_BYTES: Final = 65_536
#: Layouts that are remembered, and how many are learned before it has to pay.
_MOST_LAYOUTS: Final = 8
_MOST_LEARNED: Final = 64
#: Judge element by element, but for matrices that begin with -1.
_COVARIANCES: Final = frozenset(
    each.judge for several in BY_TYPE.values() for each in several if each.name == 'covariance'
) | {geometry.covariance}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of a message are, and how far they may be apart.

    Attributes:
        fixed: Places of the bytes that decide about the layout, and what they are.
        exact: Places of bytes that are equal, or nothing is plain.
        doubles: Places of the bytes of all numbers of 8 bytes, one after the other.
        floats: Likewise of those of 4 bytes.
        atol: (k,): of each number, those of 8 bytes first.
        rtol: (k,): likewise.
        quaternions: (q, 4): which numbers are the components.
        covariances: First and last number (not included) of each matrix.
    """

    fixed: tuple[Places, bytes]
    exact: Places
    doubles: Places
    floats: Places
    atol: Floats
    rtol: Floats
    quaternions: Places
    covariances: tuple[tuple[int, int], ...]


class QuickJudge:
    """Judges a few messages of one type, each against each.

    Args:
        key: Topic name that the patterns of the tolerance are for.
        codec: Of the type.
        tolerance: How far values may lie apart.
        left_out: Field paths that are not compared.
    """

    def __init__(
        self, key: str, codec: Codec, tolerance: Tolerance, left_out: Sequence[str]
    ) -> None:
        self._key, self._codec, self._tolerance = key, codec, tolerance
        self._left_out = left_out
        #: By size of the messages; None where one cannot be laid out.
        self._layouts: dict[int, list[_Layout | None]] = {}
        self._known = self._learned = 0

    def __call__(self, messages: Sequence[bytes]) -> list[bool | None] | None:
        """Tell of each pair of messages whether it is beyond the limit.

        Args:
            messages: Serialized messages, two or more.

        Returns:
            For (0, 1), (0, 2) and so on to the last two; None for a pair where it is not plain,
            or for all of them.

        Raises:
            MessageFormatError: If the first one is not of the type.
        """
        size = len(messages[0])
        if size > _MOST_BYTES or any(len(each) != size for each in messages):
            return None
        rows = np.frombuffer(b''.join(messages), np.uint8).reshape(len(messages), size)
        layout = self._layout_of(rows, messages[0])
        return None if layout is None else _judged(layout, rows)

    def _layout_of(self, rows: NDArray[np.uint8], first: bytes) -> _Layout | None:
        known = self._layouts.setdefault(rows.shape[1], [])
        for each in known:
            if each is None:
                return None
            if _fits(each, rows):
                self._known += 1
                return each
        if self._learned >= _MOST_LEARNED and self._learned * 4 > self._known:
            return None
        self._learned += 1
        made = self._learn(first)
        known.append(made)
        del known[:-_MOST_LAYOUTS]
        if len(self._layouts) > _MOST_LAYOUTS:
            del self._layouts[next(iter(self._layouts))]
        return made if made is not None and _fits(made, rows) else None

    def _learn(self, message: bytes) -> _Layout | None:
        """Find out where everything is."""
        builder = ColumnBuilder(self._codec)
        batch = Batch(np.frombuffer(message, np.uint8), np.array([0]), np.array([len(message)]))
        builder.add(batch, np.zeros(1, np.int64))
        plan = builder.plan
        if plan is None or any(dtype.byteorder == '>' for *_, dtype in plan.numbers):
            return None
        paths = [p for p in Columns.from_builder(builder) if p not in self._left_out]
        choice = Choosing(self._key, self._codec.layout.parts, self._tolerance).of(paths)
        return self._laid_out(plan, choice, set(paths))

    def _laid_out(self, plan: Plan, choice: Choice, wanted: set[str]) -> _Layout:
        sizes = {path: int(np.prod(shape)) for path, shape, *_ in plan.numbers}
        plain, covariances = set(choice.single), set[str]()
        quaternions: list[Part] = []
        ignored = {path for path in choice.single if self._ignores(path)}
        for part in choice.parts:
            if not part.comparator.is_judged:
                continue
            members = [part.members[name] for name in part.covered]
            if self._ignores(part.path):
                ignored.update(members)
            elif part.comparator.judge in _COVARIANCES:
                covariances.update(members)
            elif part.comparator.judge is geometry.quaternion_components and all(
                sizes.get(part.members[axis]) == 1 for axis in 'xyzw'
            ):
                quaternions.append(part)
        first_of = {
            part.members[axis]: part.members[part.covered[0]]
            for part in quaternions
            for axis in 'xyzw'
        }
        exact: list[int] = []
        #: Size, place and limit of each number that may be off.
        numbers: list[tuple[int, int, str, float, float]] = []
        for path, _, kept, at, dtype in plan.numbers:
            if path not in wanted or path in ignored:
                continue
            may_be_off = path in plain or path in covariances or path in first_of
            size = dtype.itemsize
            if dtype.kind == 'f' and size in (4, 8) and may_be_off:
                limit = self._tolerance.limit_for(self._key, first_of.get(path, path), kept)
                numbers += [
                    (size, at + index * size, path, limit.atol, limit.rtol)
                    for index in range(sizes[path])
                ]
            else:
                exact += range(at, at + sizes[path] * size)
        numbers.sort(key=lambda each: -each[0])
        number_of: dict[str, int] = {}
        for number, (_, _, path, *_) in enumerate(numbers):
            number_of.setdefault(path, number)
        return _Layout(
            _fixed(plan),
            np.array(exact, np.int64),
            _places(numbers, 8),
            _places(numbers, 4),
            np.array([each[3] for each in numbers]),
            np.array([each[4] for each in numbers]),
            np.array(
                [[number_of[part.members[axis]] for axis in 'xyzw'] for part in quaternions],
                np.int64,
            ).reshape(-1, 4),
            tuple(
                (number_of[path], number_of[path] + sizes[path])
                for path in sorted(covariances)
                if path in number_of
            ),
        )

    def _ignores(self, path: str) -> bool:
        return self._tolerance.reason_to_ignore(self._key, path) is not None


def _places(numbers: Sequence[tuple[int, int, str, float, float]], wanted: int) -> Places:
    return np.array(
        [at + byte for size, at, *_ in numbers if size == wanted for byte in range(size)],
        np.int64,
    )


def _fixed(plan: Plan) -> tuple[Places, bytes]:
    fixed = sorted((at + more, byte) for at, data in plan.same for more, byte in enumerate(data))
    return np.array([at for at, _ in fixed], np.int64), bytes(byte for _, byte in fixed)


def _fits(layout: _Layout, rows: NDArray[np.uint8]) -> bool:
    places, data = layout.fixed
    return rows.take(places, axis=1).tobytes() == data * len(rows)


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[Places, Places]:
    pairs = np.array([*combinations(range(count), 2)], np.int64).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _judged(layout: _Layout, rows: NDArray[np.uint8]) -> list[bool | None]:
    one, other = _pairs(len(rows))
    values = _values(layout, rows)
    left, right = values.take(one, axis=0), values.take(other, axis=0)
    with np.errstate(all='ignore'):
        errors = np.abs(right - left)
        unbounded = None
        if not np.isfinite(errors.sum()):
            same = (left == right) | (np.isnan(left) & np.isnan(right))
            unbounded = ~same & ~(np.isfinite(left) & np.isfinite(right))
            errors[same] = 0.0
            errors[unbounded] = np.inf
        beyond = errors > layout.atol + layout.rtol * np.abs(left)
        if unbounded is not None:
            beyond = (beyond & (errors > 0.0)) | unbounded
    for first, end in layout.covariances:
        unknown = (left[:, first] == -1, right[:, first] == -1)
        if unknown[0].any() or unknown[1].any():
            beyond[unknown[0] & unknown[1], first:end] = False
            beyond[:, first] |= unknown[0] ^ unknown[1]
    doubtful = _turned(layout, left, errors, beyond)
    if len(layout.exact):
        exact = rows.take(layout.exact, axis=1)
        if exact.tobytes() != exact[0].tobytes() * len(rows):
            unequal = (exact.take(one, axis=0) != exact.take(other, axis=0)).any(axis=1)
            doubtful = unequal if doubtful is None else doubtful | unequal
    over: list[bool | None] = list(np.asarray(beyond.any(axis=1)).tolist())
    if doubtful is not None:
        for place in np.flatnonzero(doubtful).tolist():
            over[place] = over[place] or None
    return over


def _values(layout: _Layout, rows: NDArray[np.uint8]) -> Floats:
    """Return all numbers of all messages, (n, k)."""
    values: Floats = rows.take(layout.doubles, axis=1).view('<f8')
    if not len(layout.floats):
        return values
    with np.errstate(all='ignore'):
        narrow = rows.take(layout.floats, axis=1).view('<f4').astype(np.float64)
    return np.concatenate([values, narrow], axis=1)


def _turned(layout: _Layout, left: Floats, errors: Floats, beyond: Bools) -> Bools | None:
    """Tell which pairs have quaternions whose signs may have to be turned first."""
    found: Bools | None = None
    for numbers in layout.quaternions:
        largest = errors.take(numbers, axis=1).max(axis=1)
        with np.errstate(all='ignore'):
            sure = 2.0 * largest < np.abs(left.take(numbers, axis=1)).max(axis=1)
        sure |= largest == 0.0
        if not sure.all():
            beyond[np.ix_(~sure, numbers)] = False
            found = ~sure if found is None else found | ~sure
    return found
