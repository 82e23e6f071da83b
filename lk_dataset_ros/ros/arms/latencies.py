"""How long an arm took to answer: inputs and answers paired. No ROS."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.ros.arms.ends import Feed, Hearing

#: Part of the answers whose stamp has to be that of an input, for stamps to tell what belongs
#: together.
_STAMPED: Final = 0.9


def numbers_of(feed: Feed, hearing: Hearing, least: int, most: int) -> NDArray[np.int64]:
    """Return which input each output answers, -1 for none, int64, shape (n,).

    By equal stamps where outputs carry those of their inputs; else in order, where every input is
    answered as often; else the newest input that was sent before.

    Args:
        feed: The inputs.
        hearing: The outputs.
        least: Answers to each input at least.
        most: At most.
    """
    came = np.frombuffer(hearing.came_ns, np.int64)
    sent = np.frombuffer(feed.sent_ns, np.int64)
    if not len(came) or not len(sent):
        return np.full(len(came), -1, np.int64)
    if len(feed.stamps) == 8 * len(sent) and len(hearing.stamps) == 8 * len(came):
        asked = np.frombuffer(bytes(feed.stamps), np.uint64)
        given = np.frombuffer(bytes(hearing.stamps), np.uint64)
        order = np.argsort(asked, kind='stable')
        place = np.searchsorted(asked[order], given)
        found = order[np.minimum(place, len(order) - 1)]
        is_same = asked[found] == given
        if is_same.mean() >= _STAMPED and len(np.unique(asked)) == len(asked):
            return np.where(is_same, found, -1)
    if least == most and len(came) == least * len(sent):
        return np.arange(len(came), dtype=np.int64) // max(least, 1)
    return np.searchsorted(sent, came, side='right').astype(np.int64) - 1


def latencies_s(
    feeds: dict[str, Feed], pairs: Sequence[tuple[str, Hearing]], warm_up_ns: int
) -> NDArray[np.float64]:
    """Return the time from each answered input to its (last) answer, s, in order of the inputs.

    Args:
        feeds: Inputs by topic.
        pairs: Which input each output answers, and the output; its `numbers` are set.
        warm_up_ns: Inputs whose recorded time is this close to the first are left out.
    """
    starts = [feed.times_ns[0] for feed in feeds.values() if feed.times_ns]
    if not starts:
        return np.zeros(0)
    first_ns = min(starts) + warm_up_ns
    sent_all, found_all = [], []
    for topic, feed in feeds.items():
        sent = np.frombuffer(feed.sent_ns, np.int64)
        last = np.zeros(len(sent), np.int64)
        for answered, hearing in pairs:
            if answered != topic:
                continue
            numbers = np.frombuffer(hearing.numbers, np.int64)
            came = np.frombuffer(hearing.came_ns, np.int64)
            is_answer = (numbers >= 0) & (numbers < len(sent))
            np.maximum.at(last, numbers[is_answer], came[is_answer])
        times = np.frombuffer(feed.times_ns, np.int64)
        counts = (last > 0) & (times >= first_ns)
        sent_all.append(sent[counts])
        found_all.append(last[counts] - sent[counts])
    sent, found = np.concatenate(sent_all), np.concatenate(found_all)
    # The clock of the wall may be set back meanwhile.
    return np.maximum(found[np.argsort(sent, kind='stable')], 0) / 1e9


def achieved_rtf(feeds: dict[str, Feed]) -> float:
    """Return recorded time per wall time, from the first input to the last; NaN if it is short."""
    sent = [each for feed in feeds.values() for each in feed.sent_ns[:1] + feed.sent_ns[-1:]]
    times = [each for feed in feeds.values() for each in feed.times_ns[:1] + feed.times_ns[-1:]]
    if not sent or max(sent) <= min(sent):
        return math.nan
    return (max(times) - min(times)) / (max(sent) - min(sent))
