"""What lies around the messages of a bag: its files, their size, the distribution it is from."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.dataset.yaml_text import load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Larger metadata is not looked into.
MAX_METADATA_BYTES = 64 * 1024 * 1024

_MAGIC = b'\x89MCAP0\r\n'
_RECORD = struct.Struct('<BQ')
_FOOTER = struct.Struct('<QQI')
_FOOTER_OPCODE, _METADATA_OPCODE, _METADATA_INDEX_OPCODE, _OFFSET_OPCODE = 0x02, 0x0C, 0x0D, 0x0E


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files behind a location.

    Attributes:
        names: Relative to the bag's directory.
        size_bytes: Of everything at the location; None for what is not stored in files.
        storage: Kind of storage that the metadata names; empty if there is none.
        ros_distro: ROS distribution that the metadata names; empty if there is none.
    """

    names: tuple[str, ...] = ()
    size_bytes: int | None = None
    storage: str = ''
    ros_distro: str = ''


def stored_files(location: str | os.PathLike[str]) -> StoredFiles:
    """Look up the files at a location.

    Nothing here is vital: what cannot be read is left empty, opening the bag has said why.
    """
    path = Path(location)
    try:
        if path.is_dir():
            sizes = {each: each.stat().st_size for each in path.rglob('*') if each.is_file()}
            metadata = _yaml_of(_text_of(path / 'metadata.yaml'))
            listed = metadata.get('relative_file_paths')
            names = [str(each) for each in listed] if isinstance(listed, list) else []
            names = names or sorted(each.name for each in sizes if each.suffix == '.mcap')
            size = sum(sizes.values())
        elif path.is_file():
            names, size = [path.name], path.stat().st_size
            metadata = _metadata_inside(path) if path.suffix == '.mcap' else {}
        else:
            return StoredFiles()
    except OSError:
        return StoredFiles()
    return StoredFiles(
        tuple(names),
        size,
        str(metadata.get('storage_identifier') or ''),
        str(metadata.get('ros_distro') or ''),
    )


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size <= MAX_METADATA_BYTES:
            return path.read_text()
    except (OSError, UnicodeDecodeError):
        pass
    return ''


def _yaml_of(text: str) -> dict[str, Any]:
    """Parse the metadata of a bag, with or without its outer key."""
    try:
        content = load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    content = content if isinstance(content, dict) else {}
    found = content.get('rosbag2_bagfile_information', content)
    return found if isinstance(found, dict) else {}


def _metadata_inside(path: Path) -> dict[str, Any]:
    """Read what rosbag2 puts into an MCAP file about itself."""
    with path.open('rb') as file:
        try:
            for at in _metadata_positions(file):
                entries = _metadata_at(file, at)
                if entries is not None:
                    found = _yaml_of(entries.get('serialized_metadata', ''))
                    return {**found, **_distro_of(entries)}
        except (struct.error, UnicodeDecodeError, OSError):
            pass
    return {}


def _distro_of(entries: dict[str, str]) -> dict[str, str]:
    # Where recorders older than the serialized metadata wrote it.
    return {'ros_distro': entries['ROS_DISTRO']} if 'ROS_DISTRO' in entries else {}


def _metadata_positions(file: IO[bytes]) -> Iterator[int]:
    """Find the metadata records by footer, summary offsets and metadata index."""
    end = file.seek(0, os.SEEK_END)
    at = end - len(_MAGIC) - _RECORD.size - _FOOTER.size
    if at < 0:
        return
    tail = _read(file, at, end - at)
    opcode, _ = _RECORD.unpack_from(tail)
    _, offsets, _ = _FOOTER.unpack_from(tail, _RECORD.size)
    if opcode != _FOOTER_OPCODE or not tail.endswith(_MAGIC) or not 0 < offsets < at:
        return
    for group, body in _records_in(_read(file, offsets, at - offsets)):
        if group != _OFFSET_OPCODE or body[0] != _METADATA_INDEX_OPCODE:
            continue
        start, length = struct.unpack_from('<QQ', body, 1)
        for opcode, index in _records_in(_read(file, start, length)):
            if opcode == _METADATA_INDEX_OPCODE:
                yield struct.unpack_from('<Q', index)[0]


def _metadata_at(file: IO[bytes], at: int) -> dict[str, str] | None:
    """Read a metadata record; None if it is another one than rosbag2's."""
    opcode, length = _RECORD.unpack(_read(file, at, _RECORD.size))
    if opcode != _METADATA_OPCODE:
        return None
    body = _read(file, at + _RECORD.size, length)
    name, place = _text_at(body, 0)
    if name != 'rosbag2':
        return None
    (size,) = struct.unpack_from('<I', body, place)
    end, place = min(place + 4 + size, len(body)), place + 4
    entries: dict[str, str] = {}
    while place < end:
        key, place = _text_at(body, place)
        entries[key], place = _text_at(body, place)
    return entries


def _read(file: IO[bytes], at: int, length: int) -> bytes:
    if length > MAX_METADATA_BYTES or at >= 2**63:
        return b''
    file.seek(at)
    return file.read(length)


def _records_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _RECORD.size <= len(data):
        opcode, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        yield opcode, data[at : at + length]
        at += length


def _text_at(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from('<I', data, at)
    return data[at + 4 : at + 4 + length].decode(), at + 4 + length
