"""A comparison as JSON, for machines: everything that is known without the bags.

The format carries its version; `docs/comparison-format.md` and `comparison.schema.json` describe
it. Reading is in `_reading`.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers._reading import FORMAT, VERSION, from_json, load
from lk_dataset_ros.comparison.renderers._rebuilding import places_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.distribution import DistributionTest
    from lk_dataset_ros.comparison.noise import NoiseFloor
    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        Divergence,
        FieldComparison,
        KeyComparison,
    )
    from lk_dataset_ros.comparison.statistics import Statistics

__all__ = ['FORMAT', 'VERSION', 'dumps', 'from_json', 'load', 'plain', 'to_dict', 'to_json']

#: Values of one field's sample that are kept.
MOST_VALUES = 512
#: Runs of pairs beyond the limit that are kept as ranges.
MOST_RANGES = 10_000


def to_json(comparison: DatasetComparison) -> str:
    """Return the machine format as text; `from_json` is its inverse."""
    from lk_dataset_ros import __version__  # noqa: PLC0415

    head = {'format': FORMAT, 'version': VERSION, 'package_version': __version__}
    return dumps({**head, **to_dict(comparison)})


def dumps(content: dict[str, Any]) -> str:
    """Write JSON that every parser reads: no NaN, no infinity; a list of numbers is one line."""
    return ''.join(_written(content, '')) + '\n'


def to_dict(comparison: DatasetComparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    first = comparison.first_divergence
    return {
        'original': comparison.original_name,
        'compiled': comparison.compiled_name,
        'verdict': comparison.verdict.value,
        'first_divergence': (
            {'key': first[0], 'stamp_ns': first[1], 'field': first[2]} if first else None
        ),
        'runs': comparison.runs,
        'noise_runs': comparison.noise_runs,
        'keys': [_key(each) for each in comparison.keys],
    }


def _key(key: KeyComparison) -> dict[str, Any]:
    return {
        'key': key.key,
        'part': key.part,
        'type': key.type_name,
        'compiled_type': key.compiled_type_name,
        'verdict': key.verdict.value,
        'problem': key.problem,
        'hint': key.hint,
        'paired_by': key.paired_by,
        'paired': key.paired,
        'missing': key.missing,
        'extra': key.extra,
        'late': key.late,
        'reordered': key.reordered,
        'ignored_counts': key.ignored_counts,
        'unpaired_floor': key.unpaired_floor,
        'lag_ns': key.lag_ns,
        'missing_ns': key.missing_ns.tolist(),
        'extra_ns': key.extra_ns.tolist(),
        'late_ns': key.late_ns.tolist(),
        'reordered_ns': key.reordered_ns.tolist(),
        'pairs': _pairs(key),
        'fields': [_field(each) for each in key.fields],
    }


def _pairs(key: KeyComparison) -> dict[str, Any]:
    """Return stamp and index of some pairs, evenly taken: those of all would be long."""
    places = places_of(key.paired)
    sides = []
    for values in (key.stamps_ns, key.indices):
        if len(values) == key.paired:
            sides.append(values[places].tolist())
        else:
            # Too many to be had again when the comparison was loaded: those that were kept.
            sides.append(values.tolist() if len(values) == len(places) else [])
    return {'stamps_ns': sides[0], 'indices': sides[1]}


def _field(field: FieldComparison) -> dict[str, Any]:
    return {
        'path': field.path,
        'dtype': field.dtype,
        'rtol': plain(field.limit.rtol),
        'atol': plain(field.limit.atol),
        'comparator': field.comparator,
        'unit': field.unit,
        'is_judged': field.is_judged,
        'is_equal': field.is_equal,
        'ignored_because': field.ignored_because,
        'matched': field.matched,
        'mismatched': field.mismatched,
        'max_error': plain(field.max_error),
        'mean_error': plain(field.mean_error),
        'rms_error': plain(field.rms_error),
        'bias': plain(field.bias),
        'max_relative_error': plain(field.max_relative_error),
        'percentiles': {
            str(each): plain(field.statistics.percentile(each)) for each in (50, 90, 99)
        },
        'worst': _divergence(field.worst),
        'first': _divergence(field.first),
        'statistics': _statistics(field.statistics),
        'measures': {name: _statistics(each) for name, each in field.measures.items()},
        'profile': {
            'parts': len(field.profile),
            'largest': _rounded(field.profile) if field.profile.any() else [],
        },
        'over': _over(field),
        'sample': _sample(field),
        'error_sample': None if field.error_sample is None else _thinned(field.error_sample),
        'distribution': _distribution(field.distribution),
        'noise': _noise(field.noise),
        'is_different': field.is_different,
    }


def _divergence(divergence: Divergence | None) -> dict[str, Any] | None:
    if divergence is None:
        return None
    return {
        'index': divergence.index,
        'stamp_ns': divergence.stamp_ns,
        'original': plain(divergence.original),
        'compiled': plain(divergence.compiled),
        'element': list(divergence.element),
        'error': plain(divergence.error),
    }


def _statistics(statistics: Statistics) -> dict[str, Any]:
    found = statistics.to_dict()
    numbers = ('largest', 'largest_relative', 'total', 'scaled_squares', 'scale', 'signed')
    return {**found, **{name: plain(float(found[name])) for name in numbers}}


def _over(field: FieldComparison) -> dict[str, Any]:
    """Return which pairs are beyond the limit: as ranges, or packed where those are many."""
    if field.over_bits is None:
        return {'ranges': []}
    edges = np.flatnonzero(np.diff(field.over.view(np.int8), prepend=0, append=0))
    if len(edges) <= 2 * MOST_RANGES:
        return {'ranges': edges.reshape(-1, 2).tolist()}
    packed = zlib.compress(field.over_bits.tobytes(), 6)
    return {'bits': base64.b64encode(packed).decode('ascii')}


def _sample(field: FieldComparison) -> dict[str, Any] | None:
    if field.sample is None:
        return None
    positions, original, compiled = (
        each[places_of(len(each), MOST_VALUES)] for each in field.sample
    )
    is_same = np.array_equal(original, compiled, equal_nan=True)
    return {
        'positions': positions.tolist(),
        'original': plain(original.tolist()),
        'compiled': None if is_same else plain(compiled.tolist()),
    }


def _thinned(values: NDArray[np.float64]) -> list[Any]:
    return _rounded(values[places_of(len(values), MOST_VALUES)])


def _rounded(values: NDArray[np.float64]) -> list[Any]:
    return [plain(float(f'{each:.7g}')) for each in values.tolist()]


def _distribution(test: DistributionTest | None) -> dict[str, Any] | None:
    if test is None:
        return None
    return {name: plain(getattr(test, name)) for name in type(test).__slots__}


def _noise(noise: NoiseFloor | None) -> dict[str, Any] | None:
    if noise is None:
        return None
    return {
        'runs': noise.runs,
        'mismatched': noise.mismatched,
        'is_exceeded': noise.is_exceeded,
        'is_unclear': noise.is_unclear,
        'detectable': plain(noise.detectable),
        'text': noise.text,
        'statistics': _statistics(noise.statistics),
    }


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: NaN and infinities become text, bytes hexadecimal."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist())
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _written(content: Any, indent: str) -> Iterator[str]:
    is_table = isinstance(content, dict)
    if not content or not (is_table or _has_tables(content)):
        yield json.dumps(content, allow_nan=False)
        return
    inner = f'{indent}  '
    yield '{\n' if is_table else '[\n'
    for number, each in enumerate(content):
        yield f'{"," if number else ""}{chr(10) if number else ""}{inner}'
        if is_table:
            yield f'{json.dumps(each)}: '
        yield from _written(content[each] if is_table else each, inner)
    yield f'\n{indent}{"}" if is_table else "]"}'


def _has_tables(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(each, dict) for each in content)
