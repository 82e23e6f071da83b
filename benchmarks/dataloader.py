"""Measure the DataLoader against torch datasets that decode one message per item.

    make build && source env.sh && python benchmarks/dataloader.py [--rows 1000000]

All give one epoch of shuffled batches of float32 tensors, 256 pairs each, in this process: inputs
are the ten numbers of an Imu that are not covariances, outputs the twist that was commanded. The
peers hold serialized messages in a list, the friendliest case for them, and are measured on fewer
rows, since their rate does not depend on the count. Times are the best of three.
"""

from __future__ import annotations

import argparse
import functools
import gc
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mcap.records import Schema as McapSchema
from mcap.writer import CompressionType, Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.typesys import Stores, get_typestore

from lk_dataset_ros import Dataset
from lk_dataset_ros.dataset.training.torch_view import to_pytorch_dataset
from lk_dataset_ros.message import builtin_schema, codec_for, new_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.utils.data import DataLoader

TYPES = {'/imu': 'sensor_msgs/msg/Imu', '/cmd': 'geometry_msgs/msg/TwistStamped'}
INPUTS = {'/imu': ['orientation', 'angular_velocity', 'linear_acceleration']}
OUTPUTS = ['/cmd.twist']
BATCH = 256
STEP_NS = 1_000_000


def write_bag(path: Path, rows: int) -> None:
    """Write inputs and outputs of the same stamps; their numbers are random."""
    random = np.random.default_rng(1)
    with path.open('wb') as output:
        writer = Writer(output, chunk_size=768 * 1024, compression=CompressionType.NONE)
        writer.start('ros2', 'benchmark')
        for key, type_name in TYPES.items():
            schema = builtin_schema(type_name)
            number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
            channel = writer.register_channel(key, 'cdr', number, {})
            message = new_message(type_name)
            message.header.frame_id = 'base_link'
            cdr = np.frombuffer(codec_for(schema).encode(message), np.uint8).copy()
            # The stamp is at byte 4, the last numbers end the message: no encoder is needed.
            for index in range(rows):
                cdr[4:12] = np.array(divmod(index * STEP_NS, 10**9), '<u4').view(np.uint8)
                cdr[-48:] = random.standard_normal(6).view(np.uint8)
                writer.add_message(channel, index * STEP_NS, cdr.tobytes(), index * STEP_NS)
        writer.finish()


def mcap_ros2_decoder(type_name: str) -> Callable[[bytes], Any]:
    """Return the decoder of mcap-ros2-support."""
    schema = builtin_schema(type_name)
    record = McapSchema(1, schema.text.encode(), 'ros2msg', schema.name)
    decoder = DecoderFactory().decoder_for('cdr', record)
    assert decoder is not None
    return decoder


def rosbags_decoder(type_name: str) -> Callable[[bytes], Any]:
    """Return the decoder of rosbags."""
    store = get_typestore(Stores.ROS2_JAZZY)
    return functools.partial(store.deserialize_cdr, typename=type_name)


class DecodePerItem(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Serialized messages, decoded when they are asked for."""

    def __init__(self, path: Path, rows: int, decoder: Callable[[str], Any]) -> None:
        with Dataset.load(path) as dataset:
            stop = rows * STEP_NS
            self._imu, self._cmd = (
                [each.cdr for each in dataset.iterate_serialized([key], stop_ns=stop)]
                for key in TYPES
            )
        self._decode_imu, self._decode_cmd = (decoder(name) for name in TYPES.values())

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._imu)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode a pair."""
        imu, cmd = self._decode_imu(self._imu[index]), self._decode_cmd(self._cmd[index])
        turn, rate, push = imu.orientation, imu.angular_velocity, imu.linear_acceleration
        inputs = [turn.x, turn.y, turn.z, turn.w, rate.x, rate.y, rate.z, push.x, push.y, push.z]
        go, spin = cmd.twist.linear, cmd.twist.angular
        outputs = [go.x, go.y, go.z, spin.x, spin.y, spin.z]
        return torch.tensor(inputs), torch.tensor(outputs)


def epoch_s(loader: DataLoader[Any], rows: int, runs: int = 3) -> float:
    """Return the best wall time of an epoch, s."""
    times = []
    for _ in range(runs):
        gc.collect()
        started = time.perf_counter()
        found = sum(len(inputs) for inputs, _ in loader)
        times.append(time.perf_counter() - started)
        assert found == rows, found
    return min(times)


def peer(path: Path, rows: int, decoder: Callable[[str], Any]) -> DataLoader[Any]:
    """Return a loader that decodes item by item."""
    dataset = DecodePerItem(path, rows, decoder)
    return torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--rows', type=int, default=1_000_000)
    parser.add_argument('--peer-rows', type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'drive.mcap'
        write_bag(path, options.rows)
        few = min(options.peer_rows, options.rows)
        slow = {
            name: few / epoch_s(peer(path, few, decoder), few)
            for name, decoder in (
                ('mcap-ros2-support', mcap_ros2_decoder),
                ('rosbags', rosbags_decoder),
            )
        }
        with Dataset.load(path) as dataset:
            started = time.perf_counter()
            view = to_pytorch_dataset(dataset, INPUTS, OUTPUTS)
            made_s = time.perf_counter() - started
            assert not isinstance(view, tuple)
            windows = to_pytorch_dataset(dataset, INPUTS, OUTPUTS, window=20)
            assert not isinstance(windows, tuple)
            first, last = view[0], DecodePerItem(path, 1, rosbags_decoder)[0]
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, last, strict=True))
        cases = {
            'shuffled': view.dataloader(batch_size=BATCH, shuffle=True),
            'in order': view.dataloader(batch_size=BATCH),
            "torch's own DataLoader over our dataset": torch.utils.data.DataLoader(
                view, batch_size=BATCH, shuffle=True
            ),
            'shuffled windows of 20': windows.dataloader(batch_size=BATCH, shuffle=True),
        }
        print(f'{options.rows} pairs: from file to tensors {made_s:.2f} s')
        print('| one epoch | rows/s | mcap-ros2-support | rosbags | ratios |')
        print('|---|---|---|---|---|')
        for name, loader in cases.items():
            rows = len(windows if 'windows' in name else view)
            rate = rows / epoch_s(loader, rows)
            ratios = ', '.join(f'{rate / other:.0f}x' for other in slow.values())
            others = ' | '.join(f'{other:,.0f}/s' for other in slow.values())
            print(f'| {name} | {rate:,.0f}/s | {others} | {ratios} |', flush=True)


if __name__ == '__main__':
    main()
