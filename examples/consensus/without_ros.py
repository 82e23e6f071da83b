"""Three controllers side by side without ROS: who is the odd one out, and when.

python examples/consensus/without_ros.py [BAG]

The components answer a minute of odometry, as fast as they can; the engine is the one of the node.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros import Component, Dataset
from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.dataset import McapDatabase, SerializedMessage
from lk_dataset_ros.dataset.consensus import ConsensusRecorder
from lk_dataset_ros.message import builtin_schema, codec_for

sys.path.insert(0, str(Path(__file__).parent / 'python'))

from three_controllers.controllers import Drifting, Original, Rewritten
from three_controllers.robot import Robot

if TYPE_CHECKING:
    from collections.abc import Iterator

ARMS: dict[str, Component] = {
    'original': Original(),
    'rewritten': Rewritten(),
    'drifting': Drifting(),
}
TOPICS = {name: f'/{name}/cmd' for name in ARMS}
SECONDS = 60.0
START_NS = 1_000_000_000_000


def drive() -> Iterator[tuple[str, Any, int]]:
    """Yield topic, message and time of the odometry and of every answer to it."""
    robot = Robot(start_ns=START_NS)
    while True:
        odom = robot()['odom']
        stamp = odom.header.stamp
        time_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        if time_ns > START_NS + SECONDS * 1e9:
            return
        yield '/odom', odom, time_ns
        for place, (name, arm) in enumerate(ARMS.items(), 1):
            # Each takes a fifth of a millisecond longer than the one before.
            yield TOPICS[name], arm(odom=odom)['cmd'], time_ns + place * 200_000


def main(bag: Path) -> None:
    """Watch them; print what there is to say."""
    recorder = ConsensusRecorder(
        McapDatabase(bag, 'w'), TOPICS, ['/odom'], tolerance=Tolerance(atol=0.005), pre_s=0.5
    )
    schemas = dict.fromkeys(TOPICS.values(), builtin_schema('geometry_msgs/msg/TwistStamped'))
    schemas['/odom'] = builtin_schema('nav_msgs/msg/Odometry')
    for topic, schema in schemas.items():
        recorder.add_input(topic, schema)
    for topic, message, time_ns in drive():
        cdr = codec_for(schemas[topic]).encode(message)
        recorder.record(SerializedMessage(topic, cdr, time_ns, time_ns))
        for event in recorder.advance(time_ns):
            when = 'ends' if event.is_over else 'begins'
            at_s = ((event.end_ns if event.is_over else event.start_ns) - START_NS) / 1e9
            print(f'{at_s:6.2f} s: {event.number} {when}, {", ".join(event.outliers)}')
    recorder.close()
    for group in recorder.get_consensus_stats().values():
        for pair in group.pairs:
            share = f'{pair.arm} agrees with {pair.other} in {100.0 * pair.agreement:.1f} %'
            print(share, *(f'{each.field}: at most {each.max:.4f}' for each in pair.fields))
    with Dataset.load(bag) as dataset:
        for topic in sorted(dataset.keys()):
            print(f'{topic}: {len(dataset[topic])} messages in the bag')


if __name__ == '__main__':
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / 'disagreements')
