"""Which messages belong together: rows of inputs, and the outputs that answer to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.training.features import Features

    Index = NDArray[np.int64]

Match = Literal['stamp', 'lineage', 'nearest']
Clock = Literal['stamp', 'log']
#: Index of a message that has no partner.
NONE = -1


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows (what was known at a time) and samples (a row and its outputs).

    Attributes:
        row_ns: int64, (r,): time of each row on the clock that was used.
        inputs: int64, (r,) for each input: index of the row's message.
        broken: bool, (r,): something was left out between the row before and this one.
        sample_row: int64, (s,): row of each sample, ascending.
        outputs: int64, (s,) for each output: index of the sample's message.
    """

    row_ns: Index
    inputs: tuple[Index, ...]
    broken: NDArray[np.bool_]
    sample_row: Index
    outputs: tuple[Index, ...]

    def only_samples(self) -> Pairs:
        """Return the same without rows that belong to no sample."""
        rows = distinct(self.sample_row)
        place = np.searchsorted(rows, self.sample_row)
        inputs = tuple(each[rows] for each in self.inputs)
        return Pairs(self.row_ns[rows], inputs, self.broken[rows], place, self.outputs)


def pair(
    inputs: Sequence[Features],
    outputs: Sequence[Features],
    match: Match,
    *,
    limit_ns: int | None = None,
    clock: Clock = 'stamp',
) -> Pairs:
    """Find out which messages belong together.

    - `stamp`: a row is a message of the first input with the messages of the others that have the
      same header stamp; its outputs are those of the same stamp. Where several share a stamp,
      the first belongs to the first.
    - `nearest`: to each message of the first input the nearest of each other input, and to each
      row the output that is nearest to it and that has no nearer row, all within the limit.
    - `lineage`: a row is what a component had at hand when a message of any input arrived: the
      latest message of each. An output belongs to the last row that the message of its stamp
      made before it was recorded.

    Raises:
        DatasetError: If there are no stamps to go by.
    """
    if match == 'lineage':
        return _by_lineage(inputs, outputs, limit_ns)
    times = [_times(each, clock) for each in (*inputs, *outputs)]
    reference, others = times[0], times[1 : len(inputs)]
    answers = times[len(inputs) :]
    if match == 'stamp':
        joined = [join_equal(reference, other) for other in others]
    else:
        joined = [join_nearest(reference, other, limit_ns) for other in others]
    complete = np.ones(len(reference), np.bool_)
    for each in joined:
        complete &= each != NONE
    rows = np.flatnonzero(complete)
    row_ns = reference[rows]
    if match == 'stamp':
        answered = [join_equal(reference, answer)[rows] for answer in answers]
    else:
        answered = [join_mutual(row_ns, answer, limit_ns) for answer in answers]
    has_all = np.ones(len(rows), np.bool_)
    for each in answered:
        has_all &= each != NONE
    return Pairs(
        row_ns,
        (rows, *(each[rows] for each in joined)),
        np.diff(rows, prepend=rows[:1] - 1) != 1,
        np.flatnonzero(has_all),
        tuple(each[has_all] for each in answered),
    )


def distinct(ascending: Index) -> Index:
    """Return each of ascending numbers once."""
    found: Index = ascending[np.diff(ascending, prepend=ascending[:1] - 1) != 0]
    return found


def _times(features: Features, clock: Clock) -> Index:
    if clock == 'log':
        return features.log_ns
    return stamps_of(features)


def stamps_of(features: Features) -> Index:
    """Return header stamps.

    Raises:
        DatasetError: If there are none.
    """
    stamps = features.stamp_ns
    hint = "match='nearest' with limit=... goes by the time of recording"
    if stamps is None:
        raise DatasetError(f'{features.key} has no header, hence no stamps to match; {hint}')
    if len(stamps) > 1 and not stamps.any():
        raise DatasetError(f'the header stamps of {features.key} are all zero; {hint}')
    return stamps


def join_equal(left: Index, right: Index) -> Index:
    """Return for each time of the left the index of an equal one of the right, or NONE.

    The k-th of equal times belongs to the k-th.
    """
    order = np.argsort(right, kind='stable')
    ordered = right[order]
    found = np.searchsorted(ordered, left, 'left') + _ranks(left)
    inside = np.minimum(found, len(ordered) - 1)
    equal = (found < len(ordered)) & (ordered[inside] == left)
    return np.where(equal, order[inside], NONE)


def _ranks(times: Index) -> Index:
    """Return for each time how many equal ones came before."""
    if len(times) < 2 or bool((times[1:] > times[:-1]).all()):
        return np.zeros(len(times), np.int64)
    order = np.argsort(times, kind='stable')
    ordered = times[order]
    ranks = np.empty(len(times), np.int64)
    ranks[order] = np.arange(len(times)) - np.searchsorted(ordered, ordered, 'left')
    return ranks


def join_nearest(left: Index, right: Index, limit_ns: int | None) -> Index:
    """Return for each time of the left the index of the nearest of the right, or NONE.

    Of two equally near the earlier one is taken, of equal ones the first.
    """
    order = np.argsort(right, kind='stable')
    ordered = right[order]
    after = np.searchsorted(ordered, left, 'left')
    before = np.maximum(after - 1, 0)
    after = np.minimum(after, len(ordered) - 1)
    take_before = np.abs(left - ordered[before]) <= np.abs(ordered[after] - left)
    chosen = np.where(take_before, before, after)
    chosen = np.searchsorted(ordered, ordered[chosen], 'left')
    far = False if limit_ns is None else np.abs(left - ordered[chosen]) > limit_ns
    return np.where(far, NONE, order[chosen])


def join_mutual(left: Index, right: Index, limit_ns: int | None) -> Index:
    """Return for each time of the left its nearest of the right whose nearest it is, or NONE."""
    if not len(left):
        return np.empty(0, np.int64)
    there = join_nearest(left, right, limit_ns)
    back = join_nearest(right, left, limit_ns)
    mutual = (there != NONE) & (back[there] == np.arange(len(left)))
    return np.where(mutual, there, NONE)


def join_held(left: Index, right: Index, limit_ns: int | None) -> Index:
    """Return for each time of the left the last of the (ascending) right until then, or NONE."""
    held = np.searchsorted(right, left, 'right') - 1
    too_old = False if limit_ns is None else left - right[np.maximum(held, 0)] > limit_ns
    return np.where(too_old, NONE, held)


def _by_lineage(
    inputs: Sequence[Features], outputs: Sequence[Features], limit_ns: int | None
) -> Pairs:
    if all(each.stamp_ns is None for each in inputs):
        stamps_of(inputs[0])
    answers = [stamps_of(each) for each in outputs]
    # One event per input message, in order of arrival; where several arrive at once, in order of
    # the inputs. What the last of them made known is a row.
    log_ns = np.concatenate([each.log_ns for each in inputs])
    owner = np.repeat(np.arange(len(inputs)), [len(each) for each in inputs])
    order = np.argsort(log_ns, kind='stable')
    log_ns, owner = log_ns[order], owner[order]
    held = [join_held(log_ns, each.log_ns, limit_ns) for each in inputs]
    complete = np.ones(len(log_ns), np.bool_)
    for each in held:
        complete &= each != NONE
    stamped = np.array([each.stamp_ns is not None for each in inputs])[owner]
    none = [np.zeros(len(each), np.int64) for each in inputs]
    stamps = np.concatenate(
        [empty if each.stamp_ns is None else each.stamp_ns
         for each, empty in zip(inputs, none, strict=True)]
    )[order]  # fmt: skip
    events = np.flatnonzero(stamped)
    event = _cause(stamps[events], log_ns[events], answers[0], outputs[0].log_ns)
    event = np.where(event == NONE, NONE, events[event])
    answered = [join_equal(answers[0], answer) for answer in answers[1:]]
    chosen = (event != NONE) & complete[event]
    for each in answered:
        chosen &= each != NONE
    samples = np.flatnonzero(chosen)
    samples = samples[np.argsort(event[samples], kind='stable')]
    rows = np.flatnonzero(complete)
    return Pairs(
        log_ns[rows],
        tuple(each[rows] for each in held),
        np.diff(rows, prepend=rows[:1] - 1) != 1,
        np.searchsorted(rows, event[samples]),
        (samples, *(each[samples] for each in answered)),
    )


def _cause(event_stamps: Index, event_log: Index, stamps: Index, log_ns: Index) -> Index:
    """Return for each stamp the last event of it until a time; the first one if all are later."""
    order = np.argsort(event_stamps, kind='stable')
    ordered = event_stamps[order]
    first = np.searchsorted(ordered, stamps, 'left')
    end = np.searchsorted(ordered, stamps, 'right')
    until = np.searchsorted(event_log, log_ns, 'right')
    # Events of one stamp are in order of arrival: one number orders by stamp, then by arrival.
    group = np.cumsum(np.diff(ordered, prepend=ordered[:1]) != 0)
    count = len(ordered) + 1
    place = np.minimum(first, len(ordered) - 1)
    last = np.searchsorted(group * count + order, group[place] * count + until, 'left') - 1
    chosen = np.clip(last, place, None)
    return np.where(end > first, order[np.minimum(chosen, len(ordered) - 1)], NONE)
