"""How a recorder writes its bag: the presets and the storage file that `ros2 bag record` takes.

Source: rosbag2 (Jazzy) `rosbag2_storage_mcap/src/mcap_storage.cpp`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

#: A longer file is no list of options.
MAX_BYTES: Final = 64 * 1024
MAX_CHUNK_BYTES: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class StorageProfile:
    """Options of `McapDatabase`.

    Attributes:
        compression: Of the chunks: `none`, `lz4`, `zstd`.
        compression_level: How hard it tries: `fastest`, `fast`, `default`, `slow`, `slowest`.
        chunk_size: Bytes after which a chunk is complete.
        checksums: Whether chunks get one.
    """

    compression: str = 'none'
    compression_level: str = 'default'
    chunk_size: int = 768 * 1024
    checksums: bool = True

    def options(self) -> dict[str, Any]:
        """Return the arguments for `McapDatabase`."""
        return {name: getattr(self, name) for name in self.__slots__}


#: By the names of rosbag2. Its `none` and `fastwrite` have no checksums and `fastwrite` no chunks
#: either; here chunks are free, and checksums cost less than the disk.
PRESETS: Final = {
    'none': StorageProfile(),
    'fastwrite': StorageProfile(checksums=False),
    'zstd_fast': StorageProfile('zstd', 'fastest', checksums=False),
    'zstd_small': StorageProfile('zstd', 'slowest', chunk_size=4 * 1024 * 1024),
}

_COMPRESSIONS: Final = {'None': 'none', 'Lz4': 'lz4', 'Zstd': 'zstd'}
_LEVELS: Final = {
    'Fastest': 'fastest',
    'Fast': 'fast',
    'Default': 'default',
    'Slow': 'slow',
    'Slowest': 'slowest',
}
#: Options of rosbag2 that change nothing here, and what is always done.
_FIXED: Final = {
    'noAttachmentCRC': 'there are no attachments',
    'enableDataCRC': 'chunks have checksums of their own',
    'noSummaryCRC': 'the summary has a checksum',
    'noChunking': 'messages are in chunks',
    'noMessageIndex': 'messages are indexed',
    'noSummary': 'there is a summary',
    'forceCompression': 'every chunk is compressed that gets smaller',
    'noRepeatedSchemas': 'the summary has everything',
    'noRepeatedChannels': 'the summary has everything',
    'noAttachmentIndex': 'the summary has everything',
    'noMetadataIndex': 'the summary has everything',
    'noChunkIndex': 'the summary has everything',
    'noStatistics': 'the summary has everything',
    'noSummaryOffsets': 'the summary has everything',
}


def with_storage_file(
    profile: StorageProfile, path: str | PathLike[str], warn: Callable[[str], None]
) -> StorageProfile:
    """Return a profile changed by a file for `--storage-config-file`.

    Args:
        profile: Where it starts from.
        path: The YAML file.
        warn: Is told of options that change nothing here.

    Raises:
        ComponentError: If the file cannot be read or is wrong; the text names file and option.
    """
    try:
        with Path(path).open('rb') as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ComponentError(
                f'storage file {path}: more than {MAX_BYTES} bytes are no options'
            )
        found = yaml.safe_load(text.decode())
    except OSError as error:
        reason = error.strerror or error
        raise ComponentError(f'storage file {path} cannot be read: {reason}') from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ComponentError):
            raise
        why = ' '.join(str(error).split())[:200]
        raise ComponentError(f'storage file {path} is not YAML: {why}') from error
    if found is None:
        return profile
    if not isinstance(found, dict):
        raise ComponentError(f'storage file {path}: it has to hold options, such as chunkSize: 1')
    for name, value in found.items():
        try:
            profile = _changed(profile, name, value, warn)
        except ComponentError as error:
            raise ComponentError(f'storage file {path}: {error}') from error
    return profile


def _changed(
    profile: StorageProfile, name: Any, value: Any, warn: Callable[[str], None]
) -> StorageProfile:
    if name == 'compression':
        return replace(profile, compression=_one_of(name, value, _COMPRESSIONS))
    if name == 'compressionLevel':
        return replace(profile, compression_level=_one_of(name, value, _LEVELS))
    if name == 'chunkSize':
        if isinstance(value, bool) or not isinstance(value, int) or value > MAX_CHUNK_BYTES:
            raise ComponentError(f'chunkSize is {value!r}; it has to be bytes, up to 2147483647')
        if value < 1:
            raise ComponentError(f'chunkSize is {value!r}; it has to be 1 or more')
        return replace(profile, chunk_size=value)
    if name == 'noChunkCRC':
        if not isinstance(value, bool):
            raise ComponentError(f'noChunkCRC is {value!r}; it has to be true or false')
        return replace(profile, checksums=not value)
    if name in _FIXED:
        warn(f'{name} of the storage file changes nothing: {_FIXED[name]}')
        return profile
    known = ('compression', 'compressionLevel', 'chunkSize', 'noChunkCRC', *_FIXED)
    raise ComponentError(f'there is no option {name!r}; there is {", ".join(known)}')


def _one_of(name: str, value: Any, known: dict[str, str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ComponentError(f'{name} is {value!r}; it has to be one of {", ".join(known)}')
    return known[value]
