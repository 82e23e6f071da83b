"""The order of sending: where a message stands on the line of time by its publisher's stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.records import Heads, SerializedMessage

#: How long a message may have been on its way, ns: so far the reading has to look ahead. One that
#: took longer, or was sent by a clock that is wrong, stands as if it had taken this long, and one
#: that was received before it was sent stands where it was received.
SENT_WINDOW_NS: Final = NS_PER_S


def sent_ns(message: SerializedMessage) -> int:
    """Return the time of a message in the order of sending."""
    log_ns, stamp_ns = message.log_time_ns, message.publish_time_ns
    if not 0 < stamp_ns < log_ns:
        return log_ns
    return max(stamp_ns, log_ns - SENT_WINDOW_NS)


def sent_times_ns(heads: Heads) -> NDArray[np.int64]:
    """Return the times of messages in the order of sending, shape (n,)."""
    log, stamp = heads.log_time_ns, heads.publish_time_ns
    times: NDArray[Any] = np.maximum(stamp, log - SENT_WINDOW_NS)
    return np.where((stamp > 0) & (stamp < log), times, log)
