"""Compare two datasets: pair messages, judge them block by block, collect statistics."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lk_dataset_ros.comparison import transforms, unpaired
from lk_dataset_ros.comparison.acceptance import Acceptance
from lk_dataset_ros.comparison.judging.blocks import Budget, Side
from lk_dataset_ros.comparison.judging.key import Judging
from lk_dataset_ros.comparison.matching import STAMP_PATHS, Inputs, match, shifted
from lk_dataset_ros.comparison.pairing import Pairing
from lk_dataset_ros.comparison.result import DatasetComparison, KeyComparison
from lk_dataset_ros.comparison.tolerance import Tolerance
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Column, Columns, codec_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Dataset


class _Rules(NamedTuple):
    tolerance: Tolerance
    pairing: Pairing
    acceptance: Acceptance
    inputs: Inputs | None = None


def compare(
    original: Dataset,
    compiled: Dataset,
    *,
    keys: Sequence[str] | None = None,
    tolerance: Tolerance | None = None,
    pairing: Pairing | str = 'auto',
    acceptance: Acceptance | None = None,
    noise: Sequence[Dataset] = (),
    original_name: str = '',
    compiled_name: str = '',
) -> DatasetComparison:
    """Compare two datasets key by key and field by field.

    Messages are paired by header stamp, or by index where a type has no header, unless `pairing`
    says otherwise. A message without partner is a difference. NaN equals NaN, and infinities equal
    those of the same sign. Bags may be larger than memory.

    Args:
        original: What is right by definition.
        compiled: What is judged.
        keys: The keys to compare; all keys of either when left out.
        tolerance: How far values may lie apart; by default as torch.testing.assert_close.
        pairing: How messages are paired, or the name of a way.
        acceptance: What may differ besides values: keys, counts, times.
        noise: Further runs of the original: what they differ by is the noise floor, and the
            compiled is judged by its excess over it.
        original_name: What to call the original.
        compiled_name: What to call the compiled.

    Raises:
        ComparisonError: If a key is in neither dataset, or an option makes no sense.
    """
    rule, accepted = tolerance or Tolerance(), acceptance or Acceptance()
    ways = pairing if isinstance(pairing, Pairing) else Pairing(pairing)
    chosen = _chosen(keys, original, compiled, accepted)
    inputs = Inputs(original, compiled, ways.inputs) if ways.inputs else None
    rules, budget = _Rules(rule, ways, accepted, inputs), Budget()
    comparison = DatasetComparison(
        original,
        compiled,
        original_name or original.name,
        compiled_name or compiled.name,
        tuple(
            each for key in chosen for each in _compare_key(original, compiled, key, rules, budget)
        ),
    )
    if not noise:
        return comparison
    from lk_dataset_ros.comparison.noise import with_noise  # noqa: PLC0415

    originals = [original, *noise]
    floors = noise_floors(originals, keys=keys, tolerance=rule, pairing=ways)
    return with_noise(comparison, floors, len(originals))


def noise_floors(
    originals: Sequence[Dataset],
    *,
    keys: Sequence[str] | None = None,
    tolerance: Tolerance | None = None,
    pairing: Pairing | str = 'auto',
) -> list[DatasetComparison]:
    """Compare runs of the original among each other, for `with_noise`; see `compare`.

    Args:
        originals: All runs.
        keys: The keys to compare.
        tolerance: How far values may lie apart.
        pairing: How messages are paired.
    """
    return [
        compare(
            one,
            other,
            keys=keys,
            tolerance=tolerance,
            pairing=pairing,
            acceptance=Acceptance.everything(),
        )
        for one, other in combinations(originals, 2)
    ]


def compare_columns(
    original: Columns | Mapping[str, NDArray[Any]],
    compiled: Columns | Mapping[str, NDArray[Any]],
    *,
    tolerance: Tolerance | None = None,
    name: str = 'columns',
) -> DatasetComparison:
    """Compare arrays by name, row by row.

    Args:
        original: Arrays, first axis = row, all of one length; or the columns of a key.
        compiled: Likewise.
        tolerance: How far values may lie apart.
        name: What the result calls the key.

    Raises:
        ComparisonError: If the arrays of a side differ in length.
    """
    sides = [Side.of_columns(_columns(each)) for each in (original, compiled)]
    key = _judge(
        name,
        ('', ''),
        {},
        (sides[0], sides[1]),
        _Rules(tolerance or Tolerance(), Pairing('auto'), Acceptance()),
    )
    return DatasetComparison(None, None, 'original', 'compiled', (key,))


def _columns(arrays: Columns | Mapping[str, NDArray[Any]]) -> Columns:
    if isinstance(arrays, Columns):
        return arrays
    counts = {path: len(each) for path, each in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ', '.join(f'{path}: {count}' for path, count in counts.items())
        raise ComparisonError(f'the columns differ in length: {told}')
    rows = np.arange(next(iter(counts.values()), 0))
    return Columns(
        {path: Column(np.asarray(each), rows) for path, each in arrays.items()}, rows, None
    )


def _chosen(
    keys: Sequence[str] | None, original: Dataset, compiled: Dataset, accepted: Acceptance
) -> list[str]:
    mine, theirs = original.keys(), compiled.keys()
    known = list(dict.fromkeys([*mine, *theirs]))
    for key in keys or ():
        if key not in known:
            raise ComparisonError(
                f'{key} is in neither dataset; there is {", ".join(known) or "nothing"}'
            )
    if keys is not None:
        return list(dict.fromkeys(keys))
    return known if accepted.keys else [key for key in known if key in mine and key in theirs]


def _compare_key(
    original: Dataset, compiled: Dataset, key: str, rules: _Rules, budget: Budget
) -> list[KeyComparison]:
    schemas = [
        dataset.topic(key).schema if key in dataset.keys() else None  # noqa: SIM118
        for dataset in (original, compiled)
    ]
    types = [each.name if each else '' for each in schemas]
    if types[0] != types[1] or schemas[0] is None:
        told = [each or 'not there' for each in types]
        problem = f'{told[0]} in the original, {told[1]} in the compiled'
        return [KeyComparison(key, types[0], types[1], problem=problem)]
    names = types[0], types[1]
    if types[0] == transforms.TYPE:
        found = _compare_transforms((original, compiled), key, rules)
        if found:
            return found
    parts = codec_for(schemas[0]).layout.parts
    sides = [Side.of_key(each, key, budget) for each in (original, compiled)]
    return [_judge(key, names, parts, (sides[0], sides[1]), rules)]


def _compare_transforms(
    datasets: tuple[Dataset, Dataset], key: str, rules: _Rules
) -> list[KeyComparison]:
    """Compare the transforms of each pair of frames by themselves."""
    streams = [transforms.streams(each.column_batches(key)) for each in datasets]
    names = transforms.TYPE, transforms.TYPE
    compared = []
    for frames in dict.fromkeys([*streams[0], *streams[1]]):
        sides = [Side.of_columns(each.get(frames) or transforms.nothing()) for each in streams]
        found = _judge(key, names, transforms.PARTS, (sides[0], sides[1]), rules)
        compared.append(replace(found, part=transforms.label(*frames)))
    return compared


def _judge(
    key: str,
    types: tuple[str, str],
    parts: Mapping[str, str],
    sides: tuple[Side, Side],
    rules: _Rules,
) -> KeyComparison:
    left, right = sides
    if rules.pairing.by == unpaired.BY:
        return unpaired.compare_unpaired(key, types, sides, rules.tolerance, STAMP_PATHS)
    try:
        pairs, paired_by, lag_ns = match(left, right, rules.pairing, rules.inputs)
    except ComparisonError as error:
        raise ComparisonError(f'{key}: {error}') from error
    stamps_ns = left.times_ns[pairs.original]
    judging = Judging(
        key,
        parts,
        sides,
        pairs,
        stamps_ns,
        rules.tolerance,
        STAMP_PATHS if left.stamp_ns is not None and paired_by != 'index' else (),
    )
    late = rules.acceptance.late(pairs, left.log_time_ns, right.log_time_ns)
    return KeyComparison(
        key,
        types[0],
        types[1],
        paired_by=paired_by,
        paired=len(pairs.original),
        missing_ns=left.times_ns[pairs.missing],
        extra_ns=right.times_ns[pairs.extra],
        late_ns=stamps_ns[late],
        reordered_ns=stamps_ns[rules.acceptance.reordered(pairs)],
        stamps_ns=stamps_ns,
        indices=pairs.original,
        lag_ns=lag_ns,
        fields=judging.fields(),
        ignored_counts=not rules.acceptance.counts,
        hint='' if len(pairs.original) else shifted(left.times_ns, right.times_ns),
    )
