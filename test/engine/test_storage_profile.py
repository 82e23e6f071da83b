"""Presets and storage files of `ros2 bag record`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.recording.storage_profile import (
    MAX_BYTES,
    PRESETS,
    StorageProfile,
    with_storage_file,
)
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize('preset', PRESETS)
def test_every_preset_writes_a_bag(tmp_path: Path, preset: str) -> None:
    """Promise: each preset is options that the database takes."""
    with McapDatabase(tmp_path / 'bag', 'w', **PRESETS[preset].options()):
        pass
    assert (tmp_path / 'bag' / 'metadata.yaml').exists()


GIVEN: list[tuple[str, dict[str, Any]]] = [
    ('', {}),
    ('compression: Zstd\ncompressionLevel: Slowest', {'compression': 'zstd'}),
    ('compression: Lz4', {'compression': 'lz4'}),
    ('compression: None', {'compression': 'none'}),
    ('compressionLevel: Fast', {'compression_level': 'fast'}),
    ('chunkSize: 4096', {'chunk_size': 4096}),
    ('noChunkCRC: true', {'checksums': False}),
    ('noChunkCRC: false', {'checksums': True}),
]


@pytest.mark.parametrize(('text', 'changes'), GIVEN)
def test_a_storage_file_changes_the_profile(
    tmp_path: Path, text: str, changes: dict[str, Any]
) -> None:
    """Promise: what rosbag2 documents for the storage file is taken, the rest stays."""
    path = tmp_path / 'mcap.yaml'
    path.write_text(text)
    said: list[str] = []
    start = StorageProfile('lz4', 'slow', 7, checksums=False)
    changed = with_storage_file(start, path, said.append)
    assert said == []
    for name, value in start.options().items():
        if name != 'compression_level' or 'Level' not in text:
            assert getattr(changed, name) == changes.get(name, value)
    if 'Slowest' in text:
        assert changed.compression_level == 'slowest'


def test_what_changes_nothing_is_said(tmp_path: Path) -> None:
    """Promise: an option of rosbag2 that has no effect here is named."""
    path = tmp_path / 'mcap.yaml'
    path.write_text('noSummary: true\nnoChunking: true\n')
    said: list[str] = []
    assert with_storage_file(PRESETS['none'], path, said.append) == PRESETS['none']
    assert said == [
        'noSummary of the storage file changes nothing: there is a summary',
        'noChunking of the storage file changes nothing: messages are in chunks',
    ]


WRONG = [
    ('compression: zip', "compression is 'zip'; it has to be one of None, Lz4, Zstd"),
    ('compression: null', 'compression is None; it has to be one of'),
    ('compression: [1]', 'compression is [1]; it has to be one of'),
    ('compressionLevel: 3', 'compressionLevel is 3; it has to be one of Fastest,'),
    ('chunkSize: 0', 'chunkSize is 0; it has to be 1 or more'),
    ('chunkSize: 1.5', 'chunkSize is 1.5; it has to be bytes'),
    ('chunkSize: true', 'chunkSize is True; it has to be bytes'),
    ('chunkSize: 99999999999', 'chunkSize is 99999999999; it has to be bytes, up to 2147483647'),
    ('noChunkCRC: 1', 'noChunkCRC is 1; it has to be true or false'),
    ('speed: 3', "there is no option 'speed'; there is compression, compressionLevel,"),
    ('- a', 'it has to hold options, such as chunkSize: 1'),
    ('{', 'is not YAML'),
    ('a: 2001-13-01', 'is not YAML'),
    ('#' * (MAX_BYTES + 1), f'more than {MAX_BYTES} bytes are no options'),
]


@pytest.mark.parametrize(('text', 'said'), WRONG, ids=[said[:30] for _, said in WRONG])
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    """Promise: a wrong file is one line with its path, the option and what would have worked."""
    path = tmp_path / 'mcap.yaml'
    path.write_text(text)
    with pytest.raises(ComponentError) as caught:
        with_storage_file(PRESETS['none'], path, pytest.fail)
    assert str(caught.value).startswith(f'storage file {path}')
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize('name', ['missing', '.', 'binary'])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    """Promise: a missing file, a folder, binary data are one line each."""
    (tmp_path / 'binary').write_bytes(b'\xff\xfe')
    with pytest.raises(ComponentError, match='storage file '):
        with_storage_file(PRESETS['none'], tmp_path / name, pytest.fail)
