"""Look at a topic with pandas: how far the robot drove, how fast, and how much of it per minute.

    pip install '.[pandas]'
    python columns_to_pandas.py BAG [TOPIC]

BAG is anything that `Dataset.load` opens, with odometry in TOPIC (`/odom`).
"""

from __future__ import annotations

import sys

import numpy as np

from lk_dataset_ros import Dataset

FIELDS = ['pose.pose.position', 'twist.twist.linear']


def main(bag: str, topic: str = '/odom') -> None:
    """Print what there is to say about a drive."""
    with Dataset.load(bag) as dataset:
        # No other field is copied out of the bag.
        frame = dataset.columns(topic, fields=FIELDS).to_pandas()
    frame = frame.rename(columns=lambda path: path.rpartition('.')[0].split('.')[-1] + path[-2:])
    frame['driven'] = np.hypot(frame['position.x'].diff(), frame['position.y'].diff()).fillna(0.0)
    frame['speed'] = np.hypot(frame['linear.x'], frame['linear.y'])
    print(frame[['position.x', 'position.y', 'speed']].describe().round(3))
    print(frame['driven'].resample('1min').sum().round(2).to_string())
    print(f'driven: {frame["driven"].sum():.1f} m')


if __name__ == '__main__':
    main(*sys.argv[1:])
