"""A comparator of one's own: battery levels are the same if the driver would not notice.

python own_comparator.py
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lk_dataset_ros import Dataset
from lk_dataset_ros.comparison import comparator
from lk_dataset_ros.message import new_message


@comparator('sensor_msgs/msg/BatteryState', unit='%', atol=1.0)
def battery(original: Any, compiled: Any) -> Any:
    """Return how far the shown percentages lie apart, for each pair of messages."""
    return 100.0 * np.abs(compiled['percentage'] - original['percentage'])


def levels(*percentages: float) -> Dataset:
    """Make a dataset of battery states, one per second."""
    dataset = Dataset.create('memory')
    for second, percentage in enumerate(percentages):
        message = new_message('sensor_msgs/msg/BatteryState')
        message.header.stamp.sec = second
        message.percentage = percentage
        message.voltage = 12.0 + second % 2  # Nobody looks at it.
        dataset.write('/battery', message, timestamp=float(second))
    return dataset


if __name__ == '__main__':
    original = levels(0.90, 0.89, 0.88)
    print(original.compare(levels(0.905, 0.885, 0.88)).verdict.value)
    print(original.compare(levels(0.905, 0.885, 0.80)).to_str())
