"""The frame of a rosbag2 bag: its `metadata.yaml`, and which files belong to it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.dataset.databases.rosbag2.qos_profiles import profiles_in
from lk_dataset_ros.dataset.yaml_text import dump_yaml, load_yaml
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.dataset.records import Topic

METADATA = 'metadata.yaml'
#: How the files of bags are named; a packed one stands behind the one it unpacks to.
SUFFIXES = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
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


def ros_distro() -> str:
    """Return the ROS distribution that new bags name."""
    return os.environ.get('ROS_DISTRO', 'jazzy')


def information_of(
    files: Sequence[BagFile],
    topics: Sequence[Topic],
    *,
    custom_data: Mapping[str, str] | None = None,
    distro: str = '',
) -> dict[str, Any]:
    """Make the content of a `metadata.yaml`, without its outer key.

    Args:
        files: Those of the bag.
        topics: With the number of messages in all of these.
        custom_data: What the user keeps with the bag.
        distro: The ROS distribution; the present one if left out.
    """
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
        'custom_data': dict(custom_data) if custom_data else None,
        'ros_distro': distro or ros_distro(),
    }


def _topic_information(topic: Topic) -> dict[str, Any]:
    return {
        'topic_metadata': {
            'name': topic.name,
            'type': topic.schema.name,
            'serialization_format': 'cdr',
            'offered_qos_profiles': profiles_in(topic.qos),
            'type_description_hash': topic.schema.type_hash,
        },
        'message_count': topic.count,
    }


def dump(content: dict[str, Any]) -> str:
    """Return metadata as YAML text."""
    return dump_yaml(content)


def write_atomically(path: Path, text: str, *, sync: bool = False) -> None:
    """Write a file so that it is there either whole or not at all.

    Args:
        path: Of the file.
        text: Its content.
        sync: Wait until it is on the disk.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'w') as output:
            output.write(text)
            if sync:
                output.flush()
                os.fsync(output.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class BagContent:
    """What a bag consists of.

    Attributes:
        files: Its files in order.
        packed_messages: Whether each message is compressed; None if nothing tells.
        types: Type name and type hash by topic, as far as `metadata.yaml` tells them.
        distro: The ROS distribution that wrote it, or empty.
        custom_data: What a user keeps with it.
        warnings: What is wrong with it although it can be read.
    """

    files: tuple[Path, ...]
    packed_messages: bool | None = None
    types: dict[str, tuple[str, str]] = field(default_factory=dict)
    distro: str = ''
    custom_data: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def content_of(path: Path) -> BagContent:
    """Find out what a bag consists of.

    Args:
        path: A bag's directory, with or without (after a crash) its `metadata.yaml`, or one file.

    Raises:
        BagFormatError: If it is not a bag that can be read.
    """
    if not path.is_dir():
        return BagContent((path,))
    metadata = path / METADATA
    if not metadata.exists():
        found = files_in(path)
        if not found:
            raise BagFormatError(
                f'{path} is not a bag: it has no {METADATA} and no .mcap or .db3 file'
            )
        _check_kind(path, found)
        return BagContent(
            found, warnings=(f'{path} has no {METADATA}: its files are used as they are',)
        )
    information = _load(metadata)
    mode = _text(information, 'compression_mode').lower() or 'none'
    packing = _text(information, 'compression_format').lower()
    if mode not in ('none', 'file', 'message', 'storage'):
        raise BagFormatError(f'{metadata} has the unknown compression_mode {mode!r}')
    if mode in ('file', 'message') and packing != 'zstd':
        raise BagFormatError(f'{path} is compressed by {packing!r}; zstd is read')
    files, warnings = _files_listed(path, information)
    return BagContent(
        files,
        packed_messages=mode == 'message',
        types=_types_in(information),
        distro=_text(information, 'ros_distro'),
        custom_data=_texts(information.get('custom_data')),
        warnings=warnings,
    )


def loaded(path: Path) -> dict[str, Any] | None:
    """Return the content of a `metadata.yaml`; None if it is not there, or is none."""
    try:
        return _load(path)
    except (OSError, BagFormatError):
        return None


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two contents name the same files, topics and numbers of messages."""
    return bool(_essence(one) == _essence(other))


def _essence(information: dict[str, Any]) -> Any:
    files = information.get('files')
    return (
        information.get('relative_file_paths'),
        information.get('message_count'),
        information.get('starting_time'),
        information.get('duration'),
        _counts_in(information),
        # Before version 5 there was no such list.
        [each for each in files if isinstance(each, dict)] if isinstance(files, list) else None,
    )


def _counts_in(information: dict[str, Any]) -> dict[str, Any]:
    topics = information.get('topics_with_message_count')
    found: dict[str, Any] = {}
    for each in topics if isinstance(topics, list) else ():
        if isinstance(each, dict) and isinstance(each.get('topic_metadata'), dict):
            found[_text(each['topic_metadata'], 'name')] = each.get('message_count')
    return found


def _text(information: dict[str, Any], name: str) -> str:
    value = information.get(name)
    return value if isinstance(value, str) else ''


def _texts(found: Any) -> dict[str, str]:
    """Return names and values, whatever YAML took the values for."""
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(name): str(value) for name, value in pairs if isinstance(value, str | int | float)}


def _files_listed(
    directory: Path, information: dict[str, Any]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the files that the metadata list and that are there, and warnings."""
    metadata = directory / METADATA
    names = information.get('relative_file_paths')
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BagFormatError(f'{metadata} does not list its files in relative_file_paths')
    listed = [directory / Path(name).name for name in names]
    there = [present for each in listed if (present := _packed_or_not(each)) is not None]
    missing = [each.name for each in listed if _packed_or_not(each) is None]
    found = files_in(directory)
    if missing and not there:
        if not found:
            raise BagFormatError(f'{metadata} names {missing[0]}, which is not there')
        _check_kind(directory, found)
        return found, (
            f'{metadata} names {missing[0]}, which is not there: the files found are used',
        )
    known = {_unpacked_name(each) for each in there}
    others = [each.name for each in found if _unpacked_name(each) not in known]
    warnings = [f'{metadata} names {name}, which is not there' for name in missing]
    if others:
        warnings.append(f'{metadata} does not name {", ".join(others)}: not read')
    return tuple(there), tuple(warnings)


def _packed_or_not(path: Path) -> Path | None:
    """Return a file as it is named, or as somebody has packed or unpacked it."""
    for each in (path, path.with_name(f'{path.name}.zstd'), _unpacked(path)):
        if each.is_file():
            return each
    return None


def _unpacked(path: Path) -> Path:
    return path.with_suffix('') if path.suffix == '.zstd' else path


def _unpacked_name(path: Path) -> str:
    return _unpacked(path).name


def files_in(directory: Path) -> tuple[Path, ...]:
    """Return the files of bags in a folder, one of each name, in order of their numbers."""
    found: dict[str, Path] = {}
    for suffix in SUFFIXES:
        for path in directory.glob(f'*{suffix}'):
            if path.is_file():
                found.setdefault(_unpacked_name(path), path)
    return tuple(sorted(found.values(), key=lambda path: _number_in_name(_unpacked(path))))


def _check_kind(directory: Path, files: tuple[Path, ...]) -> None:
    if len({_unpacked(path).suffix for path in files}) > 1:
        raise BagFormatError(
            f'{directory} holds both .db3 and .mcap files, and no {METADATA} tells which are the '
            'bag: open one of them'
        )


def _types_in(information: dict[str, Any]) -> dict[str, tuple[str, str]]:
    types: dict[str, tuple[str, str]] = {}
    topics = information.get('topics_with_message_count')
    for each in topics if isinstance(topics, list) else ():
        topic = each.get('topic_metadata') if isinstance(each, dict) else None
        if isinstance(topic, dict):
            name = _text(topic, 'name')
            types[name] = (_text(topic, 'type'), _text(topic, 'type_description_hash'))
    return types


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_METADATA_BYTES:
        raise BagFormatError(f'{path} is too large for a {METADATA}')
    try:
        content = load_yaml(path.read_text())
        information = content[OUTER_KEY]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BagFormatError(f'{path} is not YAML: {str(error).splitlines()[0]}') from error
    except (TypeError, KeyError) as error:
        raise BagFormatError(f'{path} is not the {METADATA} of a bag') from error
    if not isinstance(information, dict):
        raise BagFormatError(f'{path} is not the {METADATA} of a bag')
    return information


def _number_in_name(path: Path) -> tuple[int, str]:
    digits = path.stem.rpartition('_')[2]
    return (int(digits) if digits.isdecimal() else 0, path.name)
