"""The bags that patterns mean: in their natural order, each once, each with a name of its own."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.errors import BagNotFoundError, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

METADATA = 'metadata.yaml'
#: More are a mistake in a pattern.
MOST = 10_000
_MOST_BYTES = 16 * 1024 * 1024
_DIGITS = re.compile(r'(\d+)')
_NOT_IN_NAMES = re.compile(r'[^A-Za-z0-9_.-]+')
_SUFFIXES = ('.zstd', '.mcap', '.db3')
#: What a folder of many runs has beside those of its bags.
_TAKEN = ('logs', 'summary.json', 'summary.md', 'junit.xml', 'experiment.yaml')


@dataclass(frozen=True, slots=True)
class NamedBag:
    """A bag.

    Attributes:
        name: Names its run; no other bag has it.
        path: Where it is, absolute.
    """

    name: str
    path: Path


def expand_bags(patterns: Sequence[str]) -> list[NamedBag]:
    """Return the bags that patterns mean.

    What a pattern matches and is no bag is passed over; what is named without a pattern is taken
    as it is, and a folder that is no bag stands for the bags in it. A file of a rosbag2 folder
    stands for the whole bag.

    Args:
        patterns: Paths, or patterns with `*`, `?`, `[...]` and `**`.

    Raises:
        BagNotFoundError: If a pattern matches no bag, or nothing is at a path.
        SpecificationError: If there are too many.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        of_pattern = [_whole(path) for path in _matches(pattern)]
        if not of_pattern:
            raise BagNotFoundError(
                f"no bag matches {pattern}; 'data/*.mcap' would match the files in data, "
                "'data/*' its rosbag2 folders too"
            )
        found.update({path.resolve(): path.absolute() for path in of_pattern})
    if len(found) > MOST:
        raise SpecificationError(f'{len(found)} bags match; {MOST} can be run at once')
    return named_bags(found.values())


def named_bags(paths: Iterable[Path]) -> list[NamedBag]:
    """Return bags in natural order (2 before 10), named by file, and by folder where they must."""
    ordered = sorted(paths, key=_natural)
    short = [_stem(path) for path in ordered]
    taken = {each.casefold() for each in _TAKEN}
    found = []
    for path, stem in zip(ordered, short, strict=True):
        is_double = sum(stem.casefold() == each.casefold() for each in short) > 1
        name = f'{_clean(path.parent.name)}-{stem}' if is_double else stem
        base, number = name, 1
        while name.casefold() in taken:
            number += 1
            name = f'{base}-{number}'
        taken.add(name.casefold())
        found.append(NamedBag(name, path))
    return found


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_dir() and not _is_bag_folder(path):
        return [each for each in path.iterdir() if _is_bag(each)]
    if path.exists():
        return [path]
    if not glob.has_magic(pattern):
        raise BagNotFoundError(f'there is no bag at {pattern}')
    # pathlib's own raises for absolute patterns.
    matched = glob.glob(pattern, recursive=True)  # noqa: PTH207
    return [path for path in map(Path, matched) if _is_bag(path)]


def _is_bag(path: Path) -> bool:
    return _is_bag_folder(path) if path.is_dir() else McapDatabase.recognises(str(path))


def _is_bag_folder(folder: Path) -> bool:
    """Tell a rosbag2 folder, one of a killed recorder too, from one that bags were put into."""
    if (folder / METADATA).is_file():
        return True
    files = [each for each in folder.iterdir() if each.name.endswith(_SUFFIXES)]
    own = re.compile(re.escape(folder.name) + r'_\d+\..*')
    return bool(files) and all(own.fullmatch(each.name) for each in files)


def _whole(path: Path) -> Path:
    """Return the folder of a bag for one of its files."""
    folder = path.absolute().parent
    if path.is_dir() or not _is_bag_folder(folder):
        return path
    metadata = folder / METADATA
    if not metadata.is_file():
        return folder
    if metadata.stat().st_size > _MOST_BYTES:
        return path
    return folder if path.name in metadata.read_text(errors='replace') else path


def _stem(path: Path) -> str:
    name = path.name
    for suffix in _SUFFIXES:
        if not path.is_dir():
            name = name.removesuffix(suffix)
    return _clean(name)


def _clean(name: str) -> str:
    return _NOT_IN_NAMES.sub('_', name).strip('.-')[:100] or 'bag'


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = _DIGITS.split(str(path))
    return [(int(each) if place % 2 else -1, each) for place, each in enumerate(parts)]
