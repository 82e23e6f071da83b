"""Definitions of message types for files that have none: from the user, or from ROS 2 itself."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.message import ROS2MSG, Schema, full_type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from rosbags.typesys.store import Typestore

_SUFFIXES = ('.msg', '.idl')
#: More files, or longer ones, than this are no folder of message definitions.
_MAX_FILES = 20_000
_MAX_BYTES = 16 * 1024 * 1024
#: What stands between the files of a definition in IDL, and lines for a preprocessor.
_NO_IDL = re.compile(r'^(?:={80}|IDL: .*|#.*)$', re.MULTILINE)

_SEPARATOR = '=' * 80
_SERVICE_PARTS = re.compile(r'^---[ \t]*\n', re.MULTILINE)
#: service_msgs/msg/ServiceEventInfo, without its constants.
_EVENT_INFO = """uint8 event_type
builtin_interfaces/Time stamp
char[16] client_gid
int64 sequence_number
"""


def plain_idl(text: str) -> str:
    """Return a definition in IDL as rosbag2 stores it without what is not IDL.

    The parser takes neither the separators between its files nor their `#include` lines.
    """
    return _NO_IDL.sub('', text)


def as_event(name: str, text: str) -> str:
    """Return the definition of a service's events, whose bag defines the service instead.

    Args:
        name: Type name of the events, such as `example_interfaces/srv/AddTwoInts_Event`.
        text: What the bag says; returned as it is unless it defines a service.
    """
    first, separator, nested = text.partition(f'\n{_SEPARATOR}\n')
    parts = _SERVICE_PARTS.split(f'{first}\n')
    package, _, last = name.partition('/srv/')
    if not last.endswith('_Event') or len(parts) != 2:
        return text
    service = f'{package}/{last.removesuffix("_Event")}'
    fields = f'{service}_Request[<=1] request\n{service}_Response[<=1] response\n'
    definitions = [
        f'service_msgs/ServiceEventInfo info\n{fields}',
        f'MSG: {service}_Request\n{parts[0]}',
        f'MSG: {service}_Response\n{parts[1]}',
        f'MSG: service_msgs/ServiceEventInfo\n{_EVENT_INFO}',
    ]
    if 'MSG: builtin_interfaces/Time\n' not in nested:
        definitions.append('MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n')
    if separator:
        definitions.append(nested)
    return f'{_SEPARATOR}\n'.join(definitions)


class Definitions:
    """What types mean where a bag does not say it.

    Args:
        sources: `.msg` and `.idl` files, or folders that are searched for them: a package's
            `msg` folder, a workspace's `src`. They win over ROS 2's own types.

    Raises:
        MessageTypeError: If a source is not there or not a definition.
    """

    def __init__(self, sources: Sequence[str | PathLike[str]] = ()) -> None:
        self._own: dict[str, Any] = {}
        for source in sources:
            for path in _files_of(Path(source)):
                self._own.update(_parsed(path))
        self._stores: dict[str, Typestore] = {}

    def find(self, name: str, type_hash: str = '', distro: str = '') -> Schema | None:
        """Return the definition of a type; None if nobody knows it.

        Args:
            name: Type name.
            type_hash: Its hash, as far as it is known.
            distro: The ROS distribution whose types are meant; Jazzy's otherwise.
        """
        try:
            full = full_type_name(name)
        except MessageTypeError:
            return None
        store = self._store(distro)
        if full not in store.fielddefs:
            return None
        try:
            text, _ = store.generate_msgdef(full, ros_version=2)
            return Schema(full, text, ROS2MSG, type_hash or store.hash_rihs01(full))
        except (KeyError, TypesysError) as error:
            raise MessageTypeError(f'the definition of {full} lacks the type {error}') from error

    def _store(self, distro: str) -> Typestore:
        known = f'ROS2_{distro.upper()}'
        stores = Stores.__members__
        name = known if known in stores else 'ROS2_JAZZY'
        if name not in self._stores:
            store = get_typestore(stores[name]) if self._own else _builtin(name)
            if self._own:
                # A user's definition takes the place of ROS 2's own.
                for each in self._own:
                    store.fielddefs.pop(each, None)
                    store.types.pop(each, None)
                try:
                    store.register(self._own)
                except TypesysError as error:
                    raise MessageTypeError(f'types do not fit together: {error}') from error
            self._stores[name] = store
        return self._stores[name]


@lru_cache(maxsize=8)
def _builtin(name: str) -> Typestore:
    return get_typestore(Stores[name])


def _files_of(source: Path) -> Iterable[Path]:
    if source.is_dir():
        found = sorted(
            path for suffix in _SUFFIXES for path in source.rglob(f'*{suffix}') if path.is_file()
        )
        # An installed package has each type in both forms; one is enough.
        texts = {path.with_suffix('') for path in found if path.suffix == '.msg'}
        found = [
            path for path in found if path.suffix == '.msg' or path.with_suffix('') not in texts
        ]
        if not found:
            raise MessageTypeError(f'{source} holds no .msg and no .idl file')
        if len(found) > _MAX_FILES:
            raise MessageTypeError(
                f'{source} holds {len(found)} definitions; up to {_MAX_FILES} are read'
            )
        return found
    if source.suffix not in _SUFFIXES or not source.is_file():
        raise MessageTypeError(
            f'{source} is no definition of types; .msg and .idl files and folders of them are'
        )
    return [source]


def _parsed(path: Path) -> dict[str, Any]:
    folder = path.absolute().parent
    package = folder.parent.name if folder.name in ('msg', 'srv', 'action') else folder.name
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MessageTypeError(f'{path} is too large for a definition')
        text = path.read_text()
        if path.suffix == '.idl':
            return dict(get_types_from_idl(plain_idl(text)))
        return dict(get_types_from_msg(text, f'{package}/msg/{path.stem}'))
    except MessageTypeError:
        raise
    except Exception as error:
        # The parser fails in many ways on what is no definition.
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MessageTypeError(f'{path} is no definition of a type: {summary}') from error
