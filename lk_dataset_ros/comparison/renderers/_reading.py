"""Read a comparison that was saved as JSON. Whatever the file holds, the worst is one error."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.renderers._rebuilding import WrongError, rebuilt
from lk_dataset_ros.errors import BagNotFoundError, DatasetFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

    from lk_dataset_ros.comparison.result import DatasetComparison

FORMAT = 'lk_dataset_ros/comparison'
VERSION = 2
#: Larger files are not read.
MOST_BYTES = 256 * 1024 * 1024
_TEXTS = {'nan', 'inf', '-inf'}
_EXACT_INTEGERS = 2**53


def load(path: str | PathLike[str]) -> DatasetComparison:
    """Load a comparison that was saved as JSON; the bags are not needed.

    Raises:
        BagNotFoundError: If there is no file.
        DatasetFormatError: If it is none of a comparison, or cannot be read.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise DatasetFormatError(f'{file} has {size} bytes; {MOST_BYTES} are read at most')
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise BagNotFoundError(f'{file} is not there') from error
    except OSError as error:
        raise DatasetFormatError(f'{file} cannot be read: {error.strerror}') from error
    return from_json(content, name=str(file))


def from_json(text: str | bytes, *, name: str = 'comparison.json') -> DatasetComparison:
    """Return the comparison that `to_json` wrote; without the bags, and with fewer samples.

    Args:
        text: JSON.
        name: What errors call it.

    Raises:
        DatasetFormatError: If it is something else.
    """
    try:
        return rebuilt(_checked(_parsed(text)))
    except RecursionError as error:
        raise DatasetFormatError(f'{name}: it is nested too deeply') from error
    except (WrongError, OverflowError) as error:
        told = _format.escaped(str(error))
        short = told if len(told) <= 300 else f'{told[:300]}...'
        raise DatasetFormatError(f'{name}: {short}') from error


def _parsed(text: str | bytes) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise WrongError(f'{len(text)} characters; {MOST_BYTES} are read at most')
    try:
        content = json.loads(text, parse_constant=_refused)
    except ValueError as error:
        raise WrongError(f'it is no JSON: {error}') from error
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        found = content.get('format') if isinstance(content, dict) else type(content).__name__
        raise WrongError(f'its format is {found!r:.80}; {FORMAT!r} is read')
    version = content.get('version')
    if version == 1:
        raise WrongError(
            f'it is of version 1, which holds no values; version {VERSION} is read: '
            'compare the bags again'
        )
    if version != VERSION:
        raise WrongError(f'it is of version {version!r:.80}; version {VERSION} is read')
    return content


def _refused(constant: str) -> None:
    raise ValueError(f'{constant} is a number of JavaScript, not of JSON')


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    error = best_match(islice(_validator().iter_errors(content), 16))
    if error is not None:
        raise WrongError(f'{error.json_path.removeprefix("$.")}: {error.message:.200}')
    return content


@lru_cache(maxsize=1)
def _validator() -> Any:
    text = (files('lk_dataset_ros.comparison.renderers') / 'comparison.schema.json').read_text(
        encoding='utf-8'
    )
    kind: Any = extend(Draft202012Validator, {'items': _items})  # type: ignore[no-untyped-call]
    return kind(json.loads(text))


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Check a list at once; one by one only to find what is wrong in it."""
    check = _QUICK.get(items.get('$ref', ''))
    if check is not None and isinstance(instance, list) and check(instance):
        return
    yield from Draft202012Validator.VALIDATORS['items'](validator, items, instance, schema)


def _are_counts(values: list[Any]) -> bool:
    return not values or (
        set(map(type, values)) == {int} and min(values) >= 0 and max(values) <= _EXACT_INTEGERS
    )


def _are_stamps(values: list[Any]) -> bool:
    return not values or (
        set(map(type, values)) == {int} and min(values) >= -(2**63) and max(values) < 2**63
    )


def _are_numbers(values: list[Any]) -> bool:
    kinds = set(map(type, values))
    return kinds <= {int, float, str} and (
        str not in kinds or {each for each in values if type(each) is str} <= _TEXTS
    )


def _are_ranges(values: list[Any]) -> bool:
    return (
        set(map(type, values)) <= {list}
        and set(map(len, values)) <= {2}
        and _are_counts([each for pair in values for each in pair])
    )


_QUICK: Mapping[str, Callable[[list[Any]], bool]] = {
    '#/$defs/count': _are_counts,
    '#/$defs/stamp': _are_stamps,
    '#/$defs/number': _are_numbers,
    '#/$defs/range': _are_ranges,
}
