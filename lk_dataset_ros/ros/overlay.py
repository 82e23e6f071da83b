"""Message types that were built from bags (`lk types --build`), made usable in this process.

Call `use_overlays()` first in a node; call `ensure_types(schemas)` where the definitions are known
(playback: those of the bag), before the classes are imported. What is installed always wins.

The dynamic linker reads LD_LIBRARY_PATH at the start of a process only. The libraries of a package
are therefore loaded by their paths: whoever asks for one of them later, by its name (Python's
extension modules, rosidl's type support), gets the one that is there.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import shlex
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import LkError, MessageTypeError
from lk_dataset_ros.interfaces import (
    Installed,
    Overlay,
    State,
    build_missing,
    built_overlays,
    needs_of,
    newest,
    variables_with,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from lk_dataset_ros.message import Schema


def use_overlays(say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)) -> None:
    """Make the types that were built before importable.

    Cheap: no library is loaded before a package is imported. May be called again, and before
    `ensure_types`, which then still chooses the versions that fit.

    Args:
        say: Is told if what was built cannot be trusted, since others may write to its folder.
    """
    try:
        _offer_newest()
    except LkError as error:
        say(str(error))


def look_again() -> None:
    """Look for types that were built since `use_overlays`; does nothing without it."""
    if _finder in sys.meta_path:
        with contextlib.suppress(LkError):
            _offer_newest()


def _offer_newest() -> None:
    installed = Installed()
    _finder.offer(newest(built_overlays(installed), installed))


def ensure_types(
    schemas: Iterable[Schema],
    *,
    build: bool = False,
    bag: str = '',
    say: Callable[[str], None] = lambda _: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """Make the types of schemas usable in this process.

    Args:
        schemas: Definitions of the topics' types (from the bag).
        build: Build what is missing (takes seconds); otherwise only what was built before is used.
        bag: Path of the bag, named in the command that a problem suggests.
        say: Is told what is going on when something is built.
        is_stopping: Tells that building is to be given up (`host.is_stopping`).

    Returns:
        For each type that cannot be used (by type name) why not, in one line; empty if all can.
        Never raises for a bad bag.
    """
    carried = [(schema.name, schema) for schema in schemas]
    try:
        needs = needs_of(carried)
    except LkError as error:
        return _all_absent(carried, str(error))
    failure = ''
    if build and needs.of(State.MISSING):
        try:
            built = build_missing(carried, say=say, is_stopping=is_stopping)
            for left_out in built.left_out:
                say(f'{left_out} is left out')
            needs = needs_of(carried)
        except LkError as error:
            failure = str(error)
    problems = {
        need.name: failure or _remedy(need.reason, bag, need.state)
        for need in needs.types.values()
        if need.topics and not need.is_usable
    }
    try:
        _finder.load(needs.overlays)
    except LkError as error:
        problems |= {need.name: str(error) for need in needs.of(State.BUILT) if need.topics}
    return problems


def _remedy(reason: str, bag: str, state: State) -> str:
    if state != State.MISSING:
        return reason
    command = f'lk types {shlex.quote(bag) if bag else "BAG"} --build'
    return f'{reason}; {command} builds it, and so does the parameter build_types:=true'


def _all_absent(carried: Sequence[tuple[str, Schema]], reason: str) -> dict[str, str]:
    installed = Installed()
    found = {}
    for name, _ in carried:
        try:
            is_there = installed.find(name) is not None
        except (LkError, ValueError):
            is_there = False
        if not is_there:
            found[name] = reason
    return found


class _Finder(MetaPathFinder):
    """Finds packages that were built; the last one that Python asks."""

    def __init__(self) -> None:
        self._offered: dict[str, Overlay] = {}
        self._loaded: dict[str, Overlay] = {}

    def offer(self, overlays: Sequence[Overlay]) -> None:
        """Let packages be imported, except those of which another version is in use."""
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        self._offered |= {each.package: each for each in overlays}
        self._offered |= self._loaded
        # For the ament index, which is read when it is asked, and for child processes.
        os.environ.update(variables_with(self._offered.values(), os.environ))
        importlib.invalidate_caches()

    def load(self, overlays: Sequence[Overlay]) -> None:
        """Load packages.

        Raises:
            MessageTypeError: If another version is in use already, or one cannot be loaded.
        """
        if not overlays:
            return
        for overlay in overlays:
            other = self._loaded.get(overlay.package, overlay)
            if any(other.types.get(name) != value for name, value in overlay.types.items()):
                raise MessageTypeError(
                    f'another version of {overlay.package} is in use in this process: {other.path}'
                )
        self.offer(overlays)
        for overlay in overlays:
            self._load(overlay.package)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> ModuleSpec | None:
        """Find a package that was built; its libraries are loaded when it is imported."""
        overlay = self._offered.get(fullname) if path is None else None
        if overlay is None:
            return None
        spec = PathFinder.find_spec(fullname, [str(overlay.python_path)], target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec

    def prepare(self, package: str) -> None:
        """Load the libraries of a package that is being imported.

        Raises:
            ImportError: If they cannot be loaded.
        """
        try:
            self._load(package)
        except MessageTypeError as error:
            raise ImportError(str(error), name=package) from error

    def _load(self, package: str) -> None:
        overlay = self._offered.get(package)
        if overlay is None or package in self._loaded:
            return
        for each in overlay.depends:
            self._load(each)
        _load_libraries(overlay)
        self._loaded[package] = overlay


class _Loader(SourceFileLoader):
    """Loads a package's libraries before its modules."""

    def exec_module(self, module: ModuleType) -> None:
        """Load the libraries, run the module."""
        _finder.prepare(self.name)
        super().exec_module(module)


def _load_libraries(overlay: Overlay) -> None:
    """Load the shared libraries of a package, those first that others are linked with.

    Raises:
        MessageTypeError: If one cannot be loaded.
    """
    waiting = sorted(overlay.libraries.glob('lib*.so'))
    while waiting:
        failed, reason = [], ''
        for path in waiting:
            try:
                ctypes.CDLL(str(path))
            except OSError as error:
                failed.append(path)
                reason = ' '.join(str(error).split())
        if len(failed) == len(waiting):
            raise MessageTypeError(
                f'{overlay.package}, built from a bag, cannot be loaded: {reason} '
                f'(delete {overlay.path} to build it again)'
            )
        waiting = failed


_finder = _Finder()
