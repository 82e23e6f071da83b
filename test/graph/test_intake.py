"""Taking messages from DDS many at once: all bytes, in order, whatever their sizes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from graph_kit import LIMIT_S

if TYPE_CHECKING:
    from graph_kit import Graph

PROGRAM = """
import json, random, time
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from std_msgs.msg import ByteMultiArray, String
from lk_dataset_ros.dataset import DataRecorder, MemoryDatabase
from lk_dataset_ros.ros import intake as room, taking

rclpy.init()
node, other = rclpy.create_node('taker'), rclpy.create_node('sender')
recorder = DataRecorder(MemoryDatabase())
intake = room.Intake(node, recorder)
qos = QoSProfile(depth=5000)
intake.add('/text', 'std_msgs/msg/String', qos, offers_yaml='')
intake.add('/bytes', 'std_msgs/msg/ByteMultiArray', qos, offers_yaml='')
text = [other.create_publisher(String, '/text', qos) for _ in range(2)]
blob = other.create_publisher(ByteMultiArray, '/bytes', qos)
while intake.publisher_count('/text') < 2 or not intake.publisher_count('/bytes'):
    time.sleep(0.01)
rng = random.Random(7)
sent = {'/text': [], '/bytes': []}
def publish(topic, publisher, size):
    if topic == '/text':
        message = serialize_message(String(data=chr(rng.randint(65, 90)) * size))
    else:
        message = serialize_message(ByteMultiArray(data=[bytes([7])] * 3))
        message = message[:-7] + np.array([size], '<u4').tobytes() + rng.randbytes(size)
    publisher.publish(bytes(message))
    sent[topic].append(bytes(message))
started = time.time_ns()
# Larger than the memory that messages are taken into, one that just fits, and the rest of it.
sizes = [0, 1, 5_000_000, 0, 3_000_000, 1_200_000, 70_000, 9_000_000, 17]
sizes += [rng.choice([3, 40, 2000, 70_000, 500_000]) for _ in range(300)]
for number, size in enumerate(sizes):
    publish('/bytes', blob, size)
    publish('/text', text[0], size % 1000)
    if rng.random() < 0.3:
        # Polled before: messages of two publishers would come in another order otherwise.
        while recorder.count < sum(map(len, sent.values())):
            intake.poll()
        publish('/text', text[1], size % 100)
        while recorder.count < sum(map(len, sent.values())):
            intake.poll()
deadline = time.monotonic() + 120
while recorder.count < sum(map(len, sent.values())) and time.monotonic() < deadline:
    intake.poll()
stats = recorder.get_stats()
got = {topic: [m for m in recorder.database.iterate_serialized([topic])] for topic in sent}
order = {topic: sorted(each, key=lambda m: m.publish_time_ns) for topic, each in got.items()}
print(json.dumps({
    'same': {t: [m.cdr for m in order[t]] == sent[t] for t in sent},
    'count': {t: (len(got[t]), len(sent[t])) for t in sent},
    'stats': {t: (s.count, s.lost, s.publishers, s.unknown) for t, s in stats.items()},
    'numbers': [m.sequence for m in got['/bytes']] == list(range(1, len(sizes) + 1)),
    'times': all(
        started <= m.publish_time_ns <= m.log_time_ns <= time.time_ns()
        for each in got.values() for m in each
    ),
}))
intake.stop()
"""


def test_every_message_arrives_untouched(graph: Graph) -> None:
    """Promise: bytes of any size, numbers and times of each publisher's messages, none twice."""
    process = graph.start(sys.executable, '-c', PROGRAM)
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    got = json.loads(output.splitlines()[-1])
    assert got['count']['/bytes'] == [309, 309], got
    assert got['same'] == {'/text': True, '/bytes': True}, got
    assert got['stats']['/bytes'] == [309, 0, 1, '']
    assert got['stats']['/text'][1:] == [0, 2, '']
    assert got['numbers']
    assert got['times']
