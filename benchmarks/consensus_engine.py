"""Processor time of the consensus engine: four arms, Odometry, all a little different.

    python benchmarks/consensus_engine.py [sets]

Prints what one set of messages (four arms and an input) takes, and which part of a core that is at
200 Hz: when all agree, and when one arm is off all the time.
"""

from __future__ import annotations

import random
import struct
import sys
import time

from lk_dataset_ros import new_message
from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.dataset import MemoryDatabase, SerializedMessage
from lk_dataset_ros.dataset.consensus import ConsensusRecorder
from lk_dataset_ros.message import builtin_schema, codec_for

TYPE = 'nav_msgs/msg/Odometry'
HZ = 200
ARMS = {name: f'/{name}/odom' for name in ('original', 'cpp', 'nn', 'onnx')}


def stream(sets: int, off: float) -> list[list[SerializedMessage]]:
    """Return what comes: for each set the input and the arms' answers."""
    message = new_message(TYPE)
    message.header.frame_id, message.child_frame_id = 'odom', 'base_link'
    template = codec_for(builtin_schema(TYPE)).encode(message)
    chance = random.Random(0)
    found = []
    for number in range(sets):
        now_ns = 1_700_000_000_000_000_000 + number * 1_000_000_000 // HZ
        each = []
        for place, topic in enumerate(('/input', *ARMS.values())):
            data = bytearray(template)
            struct.pack_into('<iI', data, 4, *divmod(now_ns, 1_000_000_000))
            for at in range(len(data) - 8 * 42, len(data) - 8 * 36, 8):
                noise = chance.uniform(-1e-4, 1e-4)
                struct.pack_into('<d', data, at, 1.0 + noise + off * (place == 2))
            at_ns = now_ns + place * 100_000
            each.append(SerializedMessage(topic, bytes(data), at_ns, at_ns))
        found.append(each)
    return found


def measure(sets: int, off: float) -> float:
    """Return the processor time of a set, s."""
    recorder = ConsensusRecorder(
        MemoryDatabase(), ARMS, ['/input'], tolerance=Tolerance(atol=1e-3, rtol=0.0)
    )
    for topic in ('/input', *ARMS.values()):
        recorder.add_input(topic, TYPE)
    messages = stream(sets, off)
    start = time.process_time()
    for each in messages:
        for message in each:
            recorder.record(message)
        recorder.advance(each[-1].log_time_ns + 1_000_000)
    took = (time.process_time() - start) / sets
    (stats,) = recorder.get_consensus_stats().values()
    assert stats.sets == sets
    assert stats.disagreeing == (sets if off else 0)
    return took


def main() -> None:
    """Measure both."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    for name, off in (('all agree', 0.0), ('one is off', 1.0)):
        took = measure(sets, off)
        print(f'{name}: {took * 1e6:.0f} us per set, {took * HZ:.1%} of a core at {HZ} Hz')


if __name__ == '__main__':
    main()
