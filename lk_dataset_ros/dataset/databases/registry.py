"""Which kinds of databases there are: our own, and those that other packages bring.

A package brings one by an entry point of the group `lk_dataset_ros.databases`, whose name is the
kind and whose value is a `Database` class with `recognises` and `open`:

    [project.entry-points."lk_dataset_ros.databases"]
    influx = "my_package.influx:InfluxDatabase"
"""

from __future__ import annotations

import importlib
import logging
import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.errors import (
    BagNotFoundError,
    CapabilityError,
    DatasetError,
    DatasetFormatError,
    LkError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

_LOG = logging.getLogger('lk_dataset_ros.Dataset')

GROUP: Final = 'lk_dataset_ros.databases'


class _BuiltIn(NamedTuple):
    """One of our own: where its class is, and what its locations look like."""

    module: str
    name: str
    location: str = ''


# Imported when asked for, in the order in which they are asked whether they know a location.
BUILT_IN: Final[dict[str, _BuiltIn]] = {
    'memory': _BuiltIn('memory', 'MemoryDatabase'),
    'pickle': _BuiltIn('pickle', 'PickleDatabase', 'a .pkl file of a dataset'),
    'mcap': _BuiltIn('mcap', 'McapDatabase', 'a rosbag2 folder, an .mcap or a .db3 file'),
    'reductstore': _BuiltIn(
        'reductstore', 'ReductStoreDatabase', 'reductstore://host:port/bucket'
    ),
    'foxglove': _BuiltIn('foxglove', 'FoxgloveDatabase', 'foxglove://host:port'),
}

_reported: set[str] = set()


def kinds() -> list[str]:
    """Return the kinds of databases, our own first."""
    return [*BUILT_IN, *_third_party()]


def database_class(kind: str) -> type[Database]:
    """Return the class of a kind of database.

    Raises:
        DatasetError: If there is no such kind.
        CapabilityError: If it is there, but its class cannot be loaded.
    """
    if kind in BUILT_IN:
        own = BUILT_IN[kind]
        module = importlib.import_module(f'lk_dataset_ros.dataset.databases.{own.module}')
        found: type[Database] = getattr(module, own.name)
        return found
    entry = _third_party().get(kind)
    if entry is None:
        raise DatasetError(f'there is no kind of database {kind!r}; there is {", ".join(kinds())}')
    return _load(entry)


def make(kind: str, location: str | PathLike[str] | None, **options: Any) -> Database:
    """Make a new database.

    Args:
        kind: One of `kinds()`.
        location: A path or a URL; None for a kind that has none.
        options: Of the kind.

    Raises:
        DatasetError: If the kind is unknown, its location is missing, or it lacks an option.
    """
    cls = database_class(kind)
    if location is None and kind in BUILT_IN and BUILT_IN[kind].location:
        raise DatasetError(f'a dataset of kind {kind} needs a location: {BUILT_IN[kind].location}')
    return _opened(cls, kind, '' if location is None else text_of(location), 'w', options)


def open_existing(location: str | PathLike[str], **options: Any) -> Database:
    """Open what is at a location, with the first kind that recognises it.

    Raises:
        BagNotFoundError: If nothing is at a path.
        DatasetFormatError: If no kind recognises it.
    """
    where = text_of(location)
    for kind, cls in _classes():
        if _recognises(cls, kind, where):
            return _opened(cls, kind, where, 'r', options)
    sought = [f'{kind} ({own.location})' for kind, own in BUILT_IN.items() if own.location]
    looked_for = f'looked for {", ".join([*sought, *_third_party()])}'
    if '://' not in where and not _exists(where):
        raise BagNotFoundError(f'there is no bag at {where}, nor another dataset; {looked_for}')
    if '://' not in where and not os.access(where, os.R_OK):
        raise DatasetFormatError(f'{where} cannot be read: permission denied')
    raise DatasetFormatError(f'{where} is no dataset that any database knows; {looked_for}')


def text_of(location: str | PathLike[str]) -> str:
    """Return a location as text.

    Raises:
        DatasetError: If it is neither a path nor a URL.
    """
    try:
        text = os.fspath(location)
    except TypeError as error:
        raise DatasetError(f'{location!r} is no location: give a path or a URL') from error
    if not isinstance(text, str) or not text:
        raise DatasetError(f'{location!r} is no location: give a path or a URL')
    return text


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


def _opened(
    cls: type[Database],
    kind: str,
    location: str,
    mode: Literal['r', 'w'],
    options: dict[str, Any],
) -> Database:
    try:
        return cls.open(location, mode, **options)
    except TypeError as error:
        found = ('unexpected keyword argument', 'multiple values for argument')
        if isinstance(error, LkError) or not any(text in str(error) for text in found):
            raise
        name = str(error).rpartition('argument ')[2]
        raise DatasetError(f'a database of kind {kind} has no option {name}') from error


def _classes() -> Iterator[tuple[str, type[Database]]]:
    """Yield the classes that can be loaded, our own first; report the others once."""
    for kind in BUILT_IN:
        yield kind, database_class(kind)
    for kind, entry in _third_party().items():
        try:
            yield kind, _load(entry)
        except CapabilityError as error:
            _report(str(error))


def _recognises(cls: type[Database], kind: str, location: str) -> bool:
    try:
        return bool(cls.recognises(location))
    except Exception as error:
        if kind in BUILT_IN:
            raise
        _report(f'database {kind} failed to look at {location}: {_line(error)}')
        return False


def _third_party() -> dict[str, EntryPoint]:
    """Return the entry points by kind; one that would replace another kind is left out."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in BUILT_IN:
            _report(
                f'{_origin(entry)} brings a database {entry.name!r}, which is one of our own: ours is used'
            )
        elif entry.name in found and found[entry.name].value != entry.value:
            first = _origin(found[entry.name])
            _report(f'{_origin(entry)} brings a database {entry.name!r}; that of {first} is used')
        else:
            found.setdefault(entry.name, entry)
    return found


def _load(entry: EntryPoint) -> type[Database]:
    try:
        found = entry.load()
    except Exception as error:
        raise CapabilityError(
            f'database {entry.name} ({entry.value} of {_origin(entry)}) cannot be loaded: '
            f'{_line(error)}'
        ) from error
    if not (isinstance(found, type) and issubclass(found, Database)):
        raise CapabilityError(
            f'database {entry.name} ({entry.value} of {_origin(entry)}) is no Database class'
        )
    return found


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else 'a package'


def _line(error: Exception) -> str:
    return ' '.join(f'{type(error).__name__}: {error}'.split())


def _report(text: str) -> None:
    if text not in _reported:
        _reported.add(text)
        _LOG.warning('%s', text)
