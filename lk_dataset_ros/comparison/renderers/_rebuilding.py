"""Make a comparison again of the plain data that a file holds."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.distribution import DistributionTest
from lk_dataset_ros.comparison.noise import NoiseFloor
from lk_dataset_ros.comparison.result import (
    DatasetComparison,
    Divergence,
    FieldComparison,
    KeyComparison,
    Sample,
)
from lk_dataset_ros.comparison.statistics import Statistics
from lk_dataset_ros.comparison.tolerance import Limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: Pairs of a key whose stamps are kept.
PLACES = 1025
#: Pairs of a file, over all keys, that get a stamp again each.
_MOST_STAMPS = 16 * 1024 * 1024
#: Bits of a file, one for each pair of each field that differs.
_MOST_BITS = 2**31
_NOT_FINITE = frozenset({'nan', 'inf', '-inf'})
_EXACT_INTEGERS = 2**53
#: Bits that are set in each byte.
_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)


def places_of(count: int, most: int = PLACES) -> NDArray[np.int64]:
    """Return numbers of pairs, evenly taken, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.arange(most) * (count - 1) // (most - 1)


class WrongError(ValueError):
    """What is wrong with a file, and where."""


class Left:
    """What may still be allocated for one file."""

    def __init__(self) -> None:
        self.bits = _MOST_BITS
        self.stamps = _MOST_STAMPS


def rebuilt(content: dict[str, Any]) -> DatasetComparison:
    """Return the comparison that a file holds.

    Raises:
        WrongError: If parts of it contradict each other.
    """
    left = Left()
    return DatasetComparison(
        None,
        None,
        content['original'],
        content['compiled'],
        tuple(
            _at(f'keys[{place}]', _key, each, left) for place, each in enumerate(content['keys'])
        ),
        noise_runs=int(content['noise_runs']),
        runs=int(content['runs']),
    )


def _at(where: str, read: Callable[..., Any], *arguments: Any) -> Any:
    """Read a part, and name it if that fails."""
    try:
        return read(*arguments)
    except WrongError as error:
        is_part = str(error).startswith(('fields[', 'pairs:'))
        raise WrongError(f'{where}{"." if is_part else ": "}{error}') from error
    except (ValueError, OverflowError) as error:
        raise WrongError(f'{where}: {error}') from error


def _key(content: dict[str, Any], left: Left) -> KeyComparison:
    paired = int(content['paired'])
    stamps_ns, indices = (
        _spread(name, np.array(content['pairs'][name], np.int64), paired, left)
        for name in ('stamps_ns', 'indices')
    )
    left.stamps -= paired
    unpaired = {
        name: np.array(content[name], np.int64)
        for name in ('missing_ns', 'extra_ns', 'late_ns', 'reordered_ns')
    }
    return KeyComparison(
        content['key'],
        content['type'],
        content['compiled_type'],
        part=content['part'],
        paired_by=content['paired_by'],
        paired=paired,
        **unpaired,
        stamps_ns=stamps_ns,
        indices=indices,
        lag_ns=None if content['lag_ns'] is None else int(content['lag_ns']),
        fields=tuple(
            _at(f'fields[{place}]', _field, each, paired, left)
            for place, each in enumerate(content['fields'])
        ),
        problem=content['problem'],
        ignored_counts=content['ignored_counts'],
        unpaired_floor=int(content['unpaired_floor']),
        hint=content['hint'],
    )


def _spread(name: str, values: NDArray[np.int64], paired: int, left: Left) -> NDArray[np.int64]:
    """Return a number for each pair, on straight lines between those that were kept."""
    places = places_of(paired)
    if not len(values) or len(values) == paired or left.stamps < paired:
        return values
    if len(values) != len(places):
        raise WrongError(f'pairs: {len(values)} {name} for {paired} pairs; not {len(places)}')
    wanted = np.arange(paired)
    first = int(values[0])
    offsets = [each - first for each in values.tolist()]
    if max(map(abs, offsets)) >= _EXACT_INTEGERS:
        return values[np.searchsorted(places, wanted, 'right') - 1]
    between: NDArray[np.int64] = np.rint(np.interp(wanted, places, offsets)).astype(np.int64)
    return first + between


def _field(content: dict[str, Any], paired: int, left: Left) -> FieldComparison:
    matched, mismatched = int(content['matched']), int(content['mismatched'])
    if matched + mismatched not in (0, paired):
        raise WrongError(f'{matched} and {mismatched} are not the {paired} pairs of the key')
    is_text = content['dtype'].startswith(('str', 'bytes', 'object'))
    sample, profile = content['sample'], content['profile']
    if len(profile['largest']) not in (0, profile['parts']):
        raise WrongError(f'profile of {len(profile["largest"])}, not {profile["parts"]} parts')
    errors = content['error_sample']
    return FieldComparison(
        content['path'],
        content['dtype'],
        Limit(float(content['rtol']), float(content['atol'])),
        matched=matched,
        mismatched=mismatched,
        ignored_because=content['ignored_because'],
        comparator=content['comparator'],
        unit=content['unit'],
        is_judged=content['is_judged'],
        statistics=_statistics(content['statistics']),
        measures={name: _statistics(each) for name, each in content['measures'].items()},
        worst=_divergence(content['worst'], is_text=is_text),
        first=_divergence(content['first'], is_text=is_text),
        profile=_floats(profile['largest'] or [0.0] * profile['parts']),
        over_bits=_bits(content['over'], matched + mismatched, mismatched, left),
        sample=None if sample is None else _sample(sample, paired),
        error_sample=None if errors is None else _floats(errors),
        distribution=_distribution(content['distribution']),
        noise=_noise(content['noise']),
        is_different=content['is_different'],
    )


def _floats(values: list[Any]) -> NDArray[np.float64]:
    return np.array([float(each) for each in values], np.float64)


def _statistics(content: dict[str, Any]) -> Statistics:
    found = Statistics.from_dict(content)
    told = int(found.bins.sum()) if len(found.bins) else 0
    if told != found.finite or found.finite > found.count or found.signed_count > found.count:
        raise WrongError(
            f'statistics of {found.count} values, {found.finite} finite, {told} in the histogram'
        )
    for name in ('largest', 'total', 'scaled_squares', 'scale'):
        if not getattr(found, name) >= 0.0:
            raise WrongError(f'statistics: {name} is {getattr(found, name)!r}, not 0 or more')
    return found


def _divergence(content: dict[str, Any] | None, *, is_text: bool) -> Divergence | None:
    if content is None:
        return None
    original, compiled = (
        content[side] if is_text else _value(content[side]) for side in ('original', 'compiled')
    )
    return Divergence(
        int(content['index']),
        int(content['stamp_ns']),
        original,
        compiled,
        tuple(int(each) for each in content['element']),
        float(content['error']),
    )


def _value(content: Any) -> Any:
    """Return a value as it was: what is no finite number is written as text."""
    if isinstance(content, str):
        return float(content) if content in _NOT_FINITE else content
    if isinstance(content, list):
        return [_value(each) for each in content]
    if isinstance(content, dict):
        return {name: _value(each) for name, each in content.items()}
    return content


def _bits(
    content: dict[str, Any], count: int, mismatched: int, left: Left
) -> NDArray[np.uint8] | None:
    ranges = content.get('ranges')
    if ranges == []:
        return None
    left.bits -= count
    if left.bits < 0:
        raise WrongError(f'over: {count} more pairs are more than are read')
    if ranges is None:
        bits = _unpacked(content['bits'], -(-count // 8))
        if count % 8 and int(bits[-1]) >> (count % 8):
            raise WrongError(f'over: bits beyond the {count} pairs')
    else:
        edges = np.array(ranges, np.int64).reshape(-1)
        if (np.diff(edges) <= 0).any() or int(edges[-1]) > count:
            raise WrongError(f'over: ranges do not ascend within {count} pairs')
        over = np.zeros(count, np.bool_)
        for first, end in ranges:
            over[int(first) : int(end)] = True
        bits = np.packbits(over, bitorder='little')
    found = int(_ONES[bits].sum())
    if found != mismatched:
        raise WrongError(f'over: {found} pairs, but {mismatched} are beyond the limit')
    return bits


def _unpacked(text: str, size: int) -> NDArray[np.uint8]:
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(base64.b64decode(text, validate=True), size + 1)
    except (zlib.error, binascii.Error) as error:
        raise WrongError(f'over: bits that cannot be unpacked: {error}') from error
    if len(found) != size:
        raise WrongError(f'over: bits of another length than {size} bytes')
    return np.frombuffer(found, np.uint8)


def _sample(content: dict[str, Any], paired: int) -> Sample:
    positions = np.array(content['positions'], np.int64)
    original = _floats(content['original'])
    compiled = original if content['compiled'] is None else _floats(content['compiled'])
    if not len(positions) == len(original) == len(compiled):
        raise WrongError(
            f'sample: {len(positions)} positions, {len(original)} and {len(compiled)} values'
        )
    if (np.diff(positions) <= 0).any() or (len(positions) and int(positions[-1]) >= paired):
        raise WrongError(f'sample: positions do not ascend within {paired} pairs')
    return Sample(positions, original, compiled)


def _distribution(content: dict[str, Any] | None) -> DistributionTest | None:
    if content is None:
        return None
    numbers = (float(content[name]) for name in ('statistic', 'p_value', 'wasserstein'))
    counts = (
        int(content[f'{side}_{what}'])
        for what in ('count', 'dropped')
        for side in ('original', 'compiled')
    )
    return DistributionTest(*numbers, *counts)  # type: ignore[arg-type]


def _noise(content: dict[str, Any] | None) -> NoiseFloor | None:
    if content is None:
        return None
    return NoiseFloor(
        runs=int(content['runs']),
        statistics=_statistics(content['statistics']),
        mismatched=int(content['mismatched']),
        is_exceeded=content['is_exceeded'],
        is_unclear=content['is_unclear'],
        detectable=float(content['detectable']),
        text=content['text'],
    )
