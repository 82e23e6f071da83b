"""The pickle file of a dataset: what it consists of, written whole, read with distrust.

The file is a pickle (protocol 4) of plain builtins only, so `pickle.load` reads it anywhere:

    {'format': 'lk_dataset_ros.dataset', 'version': 1, 'topics': [topic, ...]}

A topic is a dict of `key`, `type`, `definition`, `encoding`, `type_hash` and `qos` (str), and of
arrays as little-endian bytes, one entry per message: `log_time_ns`,
`publish_time_ns` and `size` (int64), `sequence` (uint32), `place` (int64: the message's place
among all topics' messages where log times are equal). `cdr` holds the serialized messages one
after the other.

Reading looks at the operations first: those that make dicts, lists, strings, bytes and small
integers are let through, any other is refused before anything is made of it.
"""

from __future__ import annotations

import errno
import os
import pickle
import pickletools
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, cast

import numpy as np

from lk_dataset_ros.errors import (
    BagNotFoundError,
    BagWriteError,
    DatasetFormatError,
    LkError,
    MessageTypeError,
)
from lk_dataset_ros.message import Schema, full_type_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT: Final = 'lk_dataset_ros.dataset'
VERSION: Final = 1
#: A file of more operations is not one of a dataset: a topic takes about thirty.
MAX_OPERATIONS: Final = 500_000
#: Nor is one that has more values waiting to be put into a list: pickle puts in 1000 at once.
MAX_WAITING: Final = 2000

_TEXTS: Final = ('key', 'type', 'definition', 'encoding', 'type_hash', 'qos')
_ARRAYS: Final = {
    'log_time_ns': '<i8',
    'publish_time_ns': '<i8',
    'sequence': '<u4',
    'size': '<i8',
    'place': '<i8',
}
_VALUES: Final = frozenset(
    {
        *('EMPTY_DICT', 'EMPTY_LIST', 'BINGET', 'LONG_BINGET'),
        *('SHORT_BINUNICODE', 'BINUNICODE', 'SHORT_BINBYTES', 'BINBYTES', 'BINBYTES8'),
        *('BININT', 'BININT1', 'BININT2'),
    }
)
_TAKES: Final = {'APPEND': 1, 'SETITEM': 2}
_TAKES_TO_MARK: Final = frozenset({'APPENDS', 'SETITEMS'})
#: What ends in `find_class` or `persistent_load`, which say what was named.
_NAMING: Final = frozenset({'GLOBAL', 'STACK_GLOBAL', 'INST', 'PERSID', 'BINPERSID'})
_PLAIN: Final = (
    _VALUES | _TAKES.keys() | _TAKES_TO_MARK | {'PROTO', 'FRAME', 'STOP', 'MARK', 'MEMOIZE'}
)


@dataclass(frozen=True, slots=True)
class PackedTopic:
    """A topic and all its messages.

    Attributes:
        key: Topic name.
        schema: Definition of the message type.
        qos: Offered QoS profiles.
        log_time_ns: int64, (n,).
        publish_time_ns: int64, (n,).
        sequence: uint32, (n,).
        size: int64, (n,): serialized bytes of each message.
        place: int64, (n,): place among all topics' messages where log times are equal.
        cdr: The serialized messages one after the other.
    """

    key: str
    schema: Schema
    qos: str
    log_time_ns: NDArray[np.int64]
    publish_time_ns: NDArray[np.int64]
    sequence: NDArray[np.uint32]
    size: NDArray[np.int64]
    place: NDArray[np.int64]
    cdr: bytes


def save(path: Path, topics: list[PackedTopic], *, replace: bool) -> None:
    """Write a file so that it is there either whole or as it was before.

    Args:
        path: Where.
        topics: What.
        replace: Whether a file that is there may be replaced.

    Raises:
        BagWriteError: If it cannot be written, or something is in the way.
    """
    content = {'format': FORMAT, 'version': VERSION, 'topics': [_plain(each) for each in topics]}
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name[:200]}.')
        with os.fdopen(handle, 'wb') as output:
            pickle.dump(content, output, protocol=4)
            output.flush()
            os.fsync(output.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101
        if replace:
            os.replace(temporary, path)  # noqa: PTH105
            temporary = None
        else:
            _put_in_place(Path(temporary), path)
        _sync_folder(path.parent)
    except OSError as error:
        raise BagWriteError(f'{path} cannot be written: {error.strerror or error}') from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def load(path: Path) -> list[PackedTopic]:
    """Read a file.

    Raises:
        BagNotFoundError: If there is none.
        DatasetFormatError: If it is not the pickle of a dataset, or names what one has not.
    """
    try:
        with path.open('rb') as file:
            information = os.fstat(file.fileno())
            if not stat.S_ISREG(information.st_mode):
                raise DatasetFormatError(f'{path} is no file')
            content = _load_plain(path, file, information.st_size)
    except FileNotFoundError as error:
        raise BagNotFoundError(f'there is no dataset at {path}') from error
    except LkError:
        raise
    except (OSError, ValueError) as error:
        raise DatasetFormatError(f'{path} cannot be read: {error}') from error
    return _topics(path, content)


def is_one(path: Path) -> bool:
    """Tell whether a file starts like the pickle of a dataset; whatever it is, no error."""
    try:
        if not path.is_file():
            return False
        with path.open('rb') as file:
            head = file.read(256)
    except (OSError, ValueError):
        return False
    return head[:2] == b'\x80\x04' and FORMAT.encode() in head


def _plain(topic: PackedTopic) -> dict[str, Any]:
    schema = topic.schema
    texts = (topic.key, schema.name, schema.text, schema.encoding, schema.type_hash, topic.qos)
    arrays = {
        name: np.ascontiguousarray(getattr(topic, name), dtype).tobytes()
        for name, dtype in _ARRAYS.items()
    }
    return {**dict(zip(_TEXTS, texts, strict=True)), **arrays, 'cdr': topic.cdr}


def _put_in_place(temporary: Path, path: Path) -> None:
    """Give a file its name, unless something came there meanwhile."""
    try:
        # A link fails where a rename would silently replace.
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # A file system without links.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder; its rename is durable without.
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Bounded:
    """A file that never reads, or makes room for, more than there is."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        file.seek(0)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, count: int = -1) -> bytes:
        left = max(self._size - self._file.tell(), 0)
        if count > left:
            raise EOFError('it ends in the middle')
        return self._file.read(left if count < 0 else count)

    def readline(self) -> bytes:
        left = max(self._size - self._file.tell(), 0)
        return self._file.readline(min(left, 4096))


def _load_plain(path: Path, file: IO[bytes], size: int) -> Any:
    try:
        opcode, argument = _first_refused(path, _Bounded(file, size))
        if opcode and opcode not in _NAMING:
            raise _refusal(path, _described(opcode, argument))
        # One that names something ends here, with the name, in `find_class`.
        return _Unpickler(_Bounded(file, size), path).load()
    except LkError:
        raise
    except Exception as error:
        raise DatasetFormatError(f'{path} is no whole, sound pickle: {_line(error)}') from error


def _first_refused(path: Path, file: _Bounded) -> tuple[str, Any]:
    """Return the first operation beyond plain data and its argument, or an empty name."""
    waiting, marks = 0, [0]
    for number, (opcode, argument, _) in enumerate(pickletools.genops(cast('IO[bytes]', file))):
        name = opcode.name
        if name not in _PLAIN:
            return name, argument
        if name in _VALUES:
            waiting += 1
        elif name == 'MARK':
            marks.append(waiting)
        elif name in _TAKES_TO_MARK:
            waiting = marks.pop()
        else:
            waiting -= _TAKES.get(name, 0)
        if number > MAX_OPERATIONS or waiting + len(marks) > MAX_WAITING:
            raise DatasetFormatError(
                f'{path} is no dataset: it nests or repeats more than one can '
                f'({MAX_WAITING} values at once, {MAX_OPERATIONS} operations)'
            )
    return '', None


class _Unpickler(pickle.Unpickler):
    """Runs operations that were looked at; anything that is named is refused all the same."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, fix_imports=False)
        self._path = path

    def find_class(self, module: str, name: str) -> NoReturn:
        raise _refusal(self._path, f'names {module}.{name}'[:300])

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _refusal(self._path, f'names the persistent object {str(pid)[:100]!r}')


def _described(opcode: str, argument: Any) -> str:
    if opcode.startswith('EXT'):
        return f'names the extension code {argument}'
    return f'has the operation {opcode}'


def _refusal(path: Path, what: str) -> DatasetFormatError:
    return DatasetFormatError(
        f'{path} is refused: it {what}; a dataset consists of dict, list, str, bytes and int'
    )


def _topics(path: Path, content: Any) -> list[PackedTopic]:
    if type(content) is not dict or content.get('format') != FORMAT:
        raise DatasetFormatError(f'{path} is a pickle, but not of a dataset')
    if type(content.get('version')) is not int or content['version'] != VERSION:
        raise DatasetFormatError(
            f'{path} has version {content.get("version")!r:.50}; version {VERSION} is read'
        )
    if type(content.get('topics')) is not list:
        raise DatasetFormatError(f'{path} has no list of topics')
    topics = [_topic(path, each) for each in content['topics']]
    if len({topic.key for topic in topics}) < len(topics):
        raise DatasetFormatError(f'{path} has the same key twice')
    return topics


def _topic(path: Path, content: Any) -> PackedTopic:
    names = {*_TEXTS, *_ARRAYS, 'cdr'}
    if type(content) is not dict or set(content) != names:
        raise DatasetFormatError(f'{path} has a topic that does not consist of {sorted(names)}')
    for name in _TEXTS:
        if type(content[name]) is not str:
            raise DatasetFormatError(f'{path} has a topic whose {name} is no text')
    where = f'{path}, {content["key"][:100]}'
    for name in (*_ARRAYS, 'cdr'):
        if type(content[name]) is not bytes:
            raise DatasetFormatError(f'{where}: {name} is no bytes')
    try:
        full_type_name(content['type'])
    except MessageTypeError as error:
        raise DatasetFormatError(f'{where}: {error}') from error
    count = len(content['size']) // 8
    arrays = {}
    for name, dtype in _ARRAYS.items():
        if len(content[name]) != count * np.dtype(dtype).itemsize:
            raise DatasetFormatError(
                f'{where}: {name} has {len(content[name])} bytes, which are not {count} values'
            )
        arrays[name] = np.frombuffer(content[name], dtype)
    sizes = arrays['size']
    # Each size against the whole first: their sum could wrap around.
    whole = len(content['cdr'])
    fits = count == 0 or (int(sizes.min()) >= 0 and int(sizes.max()) <= whole)
    if not fits or sum(sizes.tolist()) != whole:
        raise DatasetFormatError(f'{where}: the sizes of the messages are not those of its bytes')
    schema = Schema(
        content['type'], content['definition'], content['encoding'], content['type_hash']
    )
    return PackedTopic(content['key'], schema, content['qos'], cdr=content['cdr'], **arrays)


def _line(error: Exception) -> str:
    return ' '.join(f'{error}'.split())[:200] or type(error).__name__
