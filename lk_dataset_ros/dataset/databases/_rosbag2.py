"""The frame of a rosbag2 bag: `metadata.yaml`, version 9, as `ros2 bag` writes and reads it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.dataset.records import Topic

METADATA = 'metadata.yaml'
OUTER_KEY = 'rosbag2_bagfile_information'
#: A metadata.yaml larger than this is not one.
MAX_METADATA_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BagFile:
    """One file of a bag.

    Attributes:
        path: Name relative to the bag's directory.
        start_ns: First log time, 0 without messages.
        duration_ns: Last log time minus first.
        count: Number of messages.
    """

    path: str
    start_ns: int
    duration_ns: int
    count: int


def information_of(files: Sequence[BagFile], topics: Sequence[Topic]) -> dict[str, Any]:
    """Make the content of a `metadata.yaml`, without its outer key."""
    filled = [each for each in files if each.count]
    start_ns = min((each.start_ns for each in filled), default=0)
    stop_ns = max((each.start_ns + each.duration_ns for each in filled), default=0)
    return {
        'version': 9,
        'storage_identifier': 'mcap',
        'duration': {'nanoseconds': stop_ns - start_ns},
        'starting_time': {'nanoseconds_since_epoch': start_ns},
        'message_count': sum(each.count for each in files),
        'topics_with_message_count': [_topic_information(topic) for topic in topics],
        'compression_format': '',
        'compression_mode': '',
        'relative_file_paths': [each.path for each in files],
        'files': [
            {
                'path': each.path,
                'starting_time': {'nanoseconds_since_epoch': each.start_ns},
                'duration': {'nanoseconds': each.duration_ns},
                'message_count': each.count,
            }
            for each in files
        ],
        'custom_data': None,
        'ros_distro': os.environ.get('ROS_DISTRO', 'jazzy'),
    }


def _topic_information(topic: Topic) -> dict[str, Any]:
    return {
        'topic_metadata': {
            'name': topic.name,
            'type': topic.schema.name,
            'serialization_format': 'cdr',
            'offered_qos_profiles': yaml.safe_load(topic.qos) or [],
            'type_description_hash': topic.schema.type_hash,
        },
        'message_count': topic.count,
    }


def dump(content: dict[str, Any]) -> str:
    """Return metadata as YAML text."""
    return yaml.safe_dump(content, sort_keys=False, width=1_000_000)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there either whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'w') as output:
            output.write(text)
        os.chmod(temporary, 0o644)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def files_of_bag(directory: Path) -> tuple[list[Path], str]:
    """Find the files of a bag.

    Args:
        directory: A bag's directory, with or without (after a crash) its `metadata.yaml`.

    Returns:
        The files in order, and a warning or an empty text.

    Raises:
        BagFormatError: If it is not a bag that can be read.
    """
    metadata = directory / METADATA
    if not metadata.exists():
        found = sorted(directory.glob('*.mcap'), key=_number_in_name)
        if not found:
            raise BagFormatError(
                f'{directory} is not a bag: it has no {METADATA} and no .mcap file'
            )
        return found, f'{directory} has no {METADATA}: its .mcap files are used as they are'
    information = _load(metadata)
    storage = information.get('storage_identifier')
    if storage != 'mcap':
        raise BagFormatError(
            f'{directory} is a bag of storage {storage!r}; mcap is read (ros2 bag convert makes one)'
        )
    if information.get('compression_mode'):
        raise BagFormatError(
            f'{directory} is compressed by {information["compression_mode"]}; bags with '
            'compressed chunks are read (ros2 bag convert makes one)'
        )
    names = information.get('relative_file_paths')
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BagFormatError(f'{metadata} does not list its files in relative_file_paths')
    files = [directory / Path(name).name for name in names]
    for file in files:
        if not file.exists():
            raise BagFormatError(f'{metadata} names {file.name}, which is not there')
    return files, ''


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_METADATA_BYTES:
        raise BagFormatError(f'{path} is too large for a {METADATA}')
    try:
        content = yaml.safe_load(path.read_text())
        information = content[OUTER_KEY]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BagFormatError(f'{path} is not YAML: {str(error).splitlines()[0]}') from error
    except (TypeError, KeyError) as error:
        raise BagFormatError(f'{path} is not the {METADATA} of a bag') from error
    if not isinstance(information, dict):
        raise BagFormatError(f'{path} is not the {METADATA} of a bag')
    return information


def _number_in_name(path: Path) -> tuple[int, str]:
    digits = path.stem.rpartition('_')[2]
    return (int(digits) if digits.isdecimal() else 0, path.name)
