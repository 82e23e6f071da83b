"""What was read of a large file does not stay in the memory of the process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mcap.writer import CompressionType, Writer

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.dataset.databases.mcap_files import chunks
from lk_dataset_ros.dataset.inspection.summary import inspect_topic
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')

IMAGES, PIXELS = 48, 1_000_000
#: What may stay: what is given back at once, and what the system maps around it.
LEFT_BYTES = 16_000_000


@pytest.fixture(scope='module', params=['NONE', 'ZSTD'])
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a bag of 48 images that do not compress, a chunk each."""
    path = tmp_path_factory.mktemp('large') / 'images.mcap'
    schema = builtin_schema('sensor_msgs/msg/Image')
    codec, image = codec_for(schema), new_message('sensor_msgs/msg/Image')
    random = np.random.default_rng(1)
    with path.open('wb') as output:
        compression = CompressionType[request.param]
        writer = Writer(output, chunk_size=1_000, compression=compression)
        writer.start('ros2', 'test')
        number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
        channel = writer.register_channel('/image', 'cdr', number)
        for index in range(IMAGES):
            image.header.stamp.sec = index
            image.data = random.integers(0, 256, PIXELS, np.uint8)
            writer.add_message(channel, index, codec.encode(image), index)
        writer.finish()
    return path


def mapped() -> int:
    """Return how many bytes of files the process has in its memory."""
    fields = dict(
        line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines()
    )
    return int(fields['RssFile'].split()[0]) * 1024


def lazily(dataset: Dataset) -> list[int]:
    """Ask for a field after the columns were made."""
    return dataset.columns('/image')['header.stamp.sec'].values.tolist()


def one_field(dataset: Dataset) -> list[int]:
    """Ask for a field."""
    columns = dataset.columns('/image', fields=['header.stamp.sec'])
    return columns['header.stamp.sec'].values.tolist()


def streamed(dataset: Dataset) -> list[int]:
    """Stream all pixels."""
    found: list[int] = []
    for columns in dataset.column_batches('/image', max_bytes=8_000_000):
        assert columns['data'].values.shape[1:] == (PIXELS,)
        found += columns['header.stamp.sec'].values.tolist()
    return found


def serialized(dataset: Dataset) -> list[int]:
    """Stream serialized messages."""
    return [each.log_time_ns for each in dataset.iterate_serialized() if len(each.cdr) > PIXELS]


def inspected(dataset: Dataset) -> list[int]:
    """Inspect the topic."""
    (seconds,) = [
        each for each in inspect_topic(dataset, '/image').fields if each.path.endswith('.sec')
    ]
    assert seconds.maximum is not None
    return list(range(int(seconds.maximum) + 1))


@pytest.mark.parametrize('read', [lazily, one_field, streamed, serialized, inspected])
def test_pages_of_a_large_file_are_given_back(
    bag: Path, read: Callable[[Any], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a large file is read, and twice: all is found, and little of it stays mapped."""
    monkeypatch.setattr(chunks, 'LARGE_FILE', 1)
    with Dataset.load(bag) as dataset:
        before = mapped()
        for _ in range(2):
            assert read(dataset) == list(range(IMAGES))
        assert mapped() - before < LEFT_BYTES


def test_pages_are_given_back_when_the_summary_is_missing(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file that has to be scanned does not stay mapped."""
    monkeypatch.setattr(chunks, 'LARGE_FILE', 1)
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(bag.read_bytes()[:-64])
    before = mapped()
    with Dataset.load(cut) as dataset:
        assert mapped() - before < LEFT_BYTES
        assert dataset.topic('/image').count == IMAGES
