"""Build the packages of missing types with colcon, check them, put them in place."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.errors import TypeBuildError
from lk_dataset_ros.interfaces.choosing import choose
from lk_dataset_ros.interfaces.colcon import (
    POLL_S,
    Deadline,
    check_import,
    colcon_command,
    run_colcon,
)
from lk_dataset_ros.interfaces.installed import MANIFEST, Installed
from lk_dataset_ros.interfaces.interface import Interface, closure
from lk_dataset_ros.interfaces.needs import Needs, State, needs_of
from lk_dataset_ros.interfaces.overlay import (
    Overlay,
    built_overlays,
    check_private,
    overlay_root,
)
from lk_dataset_ros.interfaces.packages import PackageSource, package_sources
from lk_dataset_ros.interfaces.texts import definition_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lk_dataset_ros.message import Schema

#: How long a build may take, s.
TIME_LIMIT_S: Final = 600.0
_KEPT_LOGS: Final = 20


@dataclass(frozen=True, slots=True)
class Built:
    """What a build has made.

    Attributes:
        overlays: The packages that were built now.
        left_out: Constants and defaults of the definitions that the packages do not have.
        duration_s: How long it took.
    """

    overlays: tuple[Overlay, ...]
    left_out: tuple[str, ...]
    duration_s: float


def build_missing(
    carried: Sequence[tuple[str, Schema]],
    *,
    installed: Installed | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    say: Callable[[str], None] = lambda _: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Built:
    """Build the types that are missing for some topics; what was built before is not built again.

    Args:
        carried: Name and schema of each topic.
        installed: What is installed; that of the sourced environment by default.
        time_limit_s: How long waiting for another build, and building, may take.
        say: Is told what is going on, a line at a time.
        is_stopping: Tells that the build is to be given up; asked ten times a second.

    Raises:
        EnvironmentNotReadyError: If there is no ROS 2, or a tool is missing; the text says what to
            install.
        TypeBuildError: If the build fails, takes too long, or gives other types than those of
            the bag.
    """
    place = installed or Installed()
    root = overlay_root(place)
    started_s = time.monotonic()
    _make_private(root)
    deadline = Deadline(time_limit_s, is_stopping)
    with _lock(root, deadline, say):
        # Another process may have built them while this one waited.
        needs = needs_of(carried, installed=place)
        if not needs.of(State.MISSING):
            return Built((), (), 0.0)
        sources, definitions, texts = _what_to_build(needs, place)
        command = colcon_command(place)
        older = _older(sources, place)
        names = ', '.join(source.name for source in sources)
        say(f'building {names} ...')
        log = _log_file(root, sources)
        with tempfile.TemporaryDirectory(dir=root, prefix='.build-') as folder:
            made = Path(folder) / 'install'
            run_colcon(command, sources, Path(folder), older, log, deadline)
            for source in sources:
                _check(source, made / source.name, log)
            overlays = [_overlay(each, made / each.name, definitions) for each in sources]
            check_import(overlays, older, log, deadline)
            placed = [
                _put_in_place(overlay, source, root, texts)
                for overlay, source in zip(overlays, sources, strict=True)
            ]
    left_out = tuple(each for source in sources for each in source.left_out)
    return Built(tuple(placed), left_out, time.monotonic() - started_s)


def _what_to_build(
    needs: Needs, place: Installed
) -> tuple[list[PackageSource], dict[str, Interface], dict[str, str]]:
    """Return the packages to build, their definitions, and the texts of these.

    A package gets the types, too, that it was built with before: there can be only one package of
    a name in a process.
    """
    packages = {need.name.split('/')[0] for need in needs.of(State.MISSING)}
    wanted = {
        need.name: need.type_hash
        for need in needs.of(State.MISSING, State.BUILT)
        if need.name.split('/')[0] in packages
    }
    definitions, texts = dict(needs.interfaces), dict(needs.texts)
    known = {need.name: need.type_hash for need in needs.types.values()}
    overlays = built_overlays(place)
    for overlay in overlays:
        if overlay.package in packages and _fits(overlay, definitions, known, overlays, place):
            definitions = {**overlay.interfaces, **definitions}
            wanted |= overlay.types
            texts = {**_texts_of(overlay), **texts}
    return package_sources(definitions, wanted), definitions, texts


def _fits(
    overlay: Overlay,
    definitions: Mapping[str, Interface],
    known: Mapping[str, str],
    overlays: Sequence[Overlay],
    place: Installed,
) -> bool:
    """Tell whether the types of an earlier build can be built together with others."""
    for name, interface in overlay.interfaces.items():
        if name in definitions and definitions[name].members != interface.members:
            return False
    for name, wanted in overlay.requires.items():
        found = place.find(name)
        there = found.type_hash if found else known.get(name)
        if there is None and not choose(overlays, {name: wanted}, place):
            return False
        if there is not None and there != wanted:
            return False
    return True


def _texts_of(overlay: Overlay) -> dict[str, str]:
    folder = overlay.path / 'share' / overlay.package / 'msg'
    return {
        f'{overlay.package}/msg/{path.stem}': path.read_text()
        for path in sorted(folder.glob('*.msg'))
    }


def _older(sources: Sequence[PackageSource], place: Installed) -> list[Overlay]:
    """Choose the packages built before that others need."""
    own = {source.name for source in sources}
    required = {
        name: value
        for source in sources
        for name, value in source.requires.items()
        if name.split('/')[0] not in own
    }
    return choose(built_overlays(place), required, place)


def _check(source: PackageSource, made: Path, log: Path) -> None:
    found = Installed([made])
    for name, wanted in source.types.items():
        has = found.find(name)
        if has is None or has.type_hash != wanted:
            raise TypeBuildError(
                f'{name} was built with the hash {has.type_hash if has else "(none)"}, but the '
                f'bag says {wanted}; it is not used; the log is {log}'
            )


def _overlay(source: PackageSource, made: Path, definitions: Mapping[str, Interface]) -> Overlay:
    parts = set().union(*(closure(name, definitions) for name in source.types))
    return Overlay(
        made,
        source.name,
        source.types,
        source.requires,
        tuple(sorted({name.split('/')[0] for name in source.requires})),
        {name: definitions[name] for name in sorted(parts)},
        time.time_ns(),
    )


def _put_in_place(
    overlay: Overlay, source: PackageSource, root: Path, texts: Mapping[str, str]
) -> Overlay:
    """Move a package that was built to where it is looked for."""
    made = overlay.path
    for path, text in definition_files(source.types, texts).items():
        (made / 'share' / source.name / path).write_text(text)
    overlay = dataclasses.replace(overlay, path=root / f'{source.name}-{source.key}')
    (made / MANIFEST).write_text(overlay.to_json())
    if overlay.path.exists():
        # Damaged, or it would not have been missing.
        overlay.path.replace(made.parent / f'{source.name}-damaged')
    made.replace(overlay.path)
    return overlay


def _make_private(root: Path) -> None:
    for folder in (root.parent.parent, root.parent, root):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TypeBuildError(f'{folder} cannot be made: {error.strerror}') from error
    check_private(root)


@contextmanager
def _lock(root: Path, deadline: Deadline, say: Callable[[str], None]) -> Iterator[None]:
    """Let one build happen at a time; clean up after one that was killed."""
    with (root / '.lock').open('w') as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                deadline.check('waiting for another process that builds types')
                if not told:
                    say('waiting for another process that builds types ...')
                told = True
                time.sleep(POLL_S)
        for path in root.glob('.build-*'):
            shutil.rmtree(path, ignore_errors=True)
        yield


def _log_file(root: Path, sources: list[PackageSource]) -> Path:
    folder = root / 'logs'
    folder.mkdir(exist_ok=True)
    for old in sorted(folder.glob('*.log'))[: -_KEPT_LOGS + 1]:
        old.unlink(missing_ok=True)
    stamp = time.strftime('%Y%m%d-%H%M%S')
    return folder / f'{stamp}-{sources[-1].name}-{os.getpid()}.log'
