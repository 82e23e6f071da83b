"""From messages to tables of numbers: read, match, split, scale."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.time import to_ns
from lk_dataset_ros.dataset.training.feature_tables import compact, numpy_dtype, table_of
from lk_dataset_ros.dataset.training.features import (
    Features,
    Selection,
    read_features,
    selected_fields,
)
from lk_dataset_ros.dataset.training.match_report import KeyReport, MatchReport
from lk_dataset_ros.dataset.training.missing_values import Faults, without_nan
from lk_dataset_ros.dataset.training.normalisation import Normalisation, Statistics
from lk_dataset_ros.dataset.training.pairs import distinct, pair
from lk_dataset_ros.dataset.training.splitting import longest_step_ns, run_starts, split_blocks
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.training.pairs import Clock, Pairs
    from lk_dataset_ros.dataset.training.sampling_options import Options

    Index = NDArray[np.int64]

_LOG = logging.getLogger('lk_dataset_ros.Dataset')


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of one block of time.

    Attributes:
        inputs: (r, f): rows of inputs, scaled, of the type that was asked for.
        outputs: (s, g): outputs of each sample, scaled.
        rows: int64, (s,): row of each sample's (last) inputs.
        time_ns: int64, (s,): time of that row.
    """

    inputs: NDArray[Any]
    outputs: NDArray[Any]
    rows: Index
    time_ns: Index


@dataclass(frozen=True, slots=True)
class Samples:
    """Blocks of samples, and what they have in common."""

    blocks: tuple[Block, ...]
    normalisation: Normalisation
    report: MatchReport


def make_samples(
    dataset: Dataset, inputs: Selection, outputs: Selection, options: Options
) -> Samples:
    """Read, match, split and scale.

    Raises:
        DatasetError: If an option is wrong, or there is no sample.
    """
    options.check()
    sources = _read(dataset, inputs, 'inputs', options)
    targets = _read(dataset, outputs, 'outputs', options)
    pairs = pair(
        sources,
        targets,
        options.match,
        limit_ns=None if options.limit is None else to_ns(options.limit),
        clock=_clock(options, (*sources, *targets)),
    )
    keys = _key_reports(sources, targets, pairs)
    found = len(pairs.sample_row)
    if not found:
        report = MatchReport(options.match, keys, 0, 0)
        raise DatasetError(f'nothing to learn from: {report}; another match=, or a larger limit=?')
    width = 1 if options.window is None else options.window
    if width == 1:
        # Rows without outputs are part of no sample.
        pairs = pairs.only_samples()
    row_faults = Faults.of(sources, pairs.inputs)
    answer_faults = Faults.of(targets, pairs.outputs)
    pairs, clean = without_nan(pairs, row_faults, answer_faults, options.nan)
    starts = _starts(pairs, options, width)
    fits = pairs.sample_row - (width - 1) >= starts[pairs.sample_row]
    within = np.flatnonzero(fits)
    blocks: list[tuple[Index, int]] = [(within, 0)]
    if options.split is not None:
        cut = split_blocks(
            pairs.sample_row[within], pairs.row_ns, options.split, to_ns(options.split_gap)
        )
        blocks = [(within[chosen], first) for chosen, first in cut]
        blocks = [
            (chosen[pairs.sample_row[chosen] - (width - 1) >= first], first)
            for chosen, first in blocks
        ]
    counts = tuple(len(chosen) for chosen, _ in blocks)
    report = MatchReport(
        options.match,
        keys,
        found,
        sum(counts),
        dropped_by_nan=found - clean,
        dropped_by_window=clean - len(within),
        dropped_by_split=len(within) - sum(counts),
        rows_with_nan=int(row_faults.nan.sum() + answer_faults.nan.sum()),
        rows_with_infinity=int(row_faults.infinite.sum() + answer_faults.infinite.sum()),
        blocks=counts if options.split is not None else (),
    )
    if not min(counts):
        raise DatasetError(f'a block has no sample: {report}; a shorter window=, or nan=?')
    _LOG.log(logging.INFO if report.is_complete else logging.WARNING, '%s', report)
    spans = [_Span.of(pairs, chosen, width) for chosen, _ in blocks]
    scaling = _scaling(sources, targets, pairs, spans[0], options)
    return Samples(
        tuple(_block(sources, targets, pairs, span, scaling, options) for span in spans),
        scaling,
        report,
    )


def _read(
    dataset: Dataset, selection: Selection, what: str, options: Options
) -> tuple[Features, ...]:
    chosen = selected_fields(selection, dataset.keys(), what=what)
    return tuple(
        read_features(dataset, key, fields, start_ns=options.start_ns, stop_ns=options.stop_ns)
        for key, fields in chosen.items()
    )


def _clock(options: Options, features: Sequence[Features]) -> Clock:
    """Return the clock to go by: header stamps where all have them."""
    if options.match != 'nearest':
        if options.clock == 'log':
            raise DatasetError(f"match={options.match!r} goes by stamps; clock='log' is not known")
        return 'stamp'
    if options.clock is not None:
        return options.clock
    has_stamps = all(each.stamp_ns is not None and each.stamp_ns.any() for each in features)
    return 'stamp' if has_stamps else 'log'


def _key_reports(
    sources: Sequence[Features], targets: Sequence[Features], pairs: Pairs
) -> tuple[KeyReport, ...]:
    used = [each[pairs.sample_row] for each in pairs.inputs]
    return tuple(
        KeyReport(features.key, role, len(features), _unused(features, index))
        for role, group, indices in (('input', sources, used), ('output', targets, pairs.outputs))
        for features, index in zip(group, indices, strict=True)
    )


def _unused(features: Features, index: Index) -> Index:
    unused = np.ones(len(features), np.bool_)
    unused[index] = False
    times = features.log_ns if features.stamp_ns is None else features.stamp_ns
    return times[unused]


def _starts(pairs: Pairs, options: Options, width: int) -> Index:
    if width == 1:
        return np.arange(len(pairs.row_ns))
    step = options.max_step
    longest = longest_step_ns(pairs.row_ns) if step is None else step * 1e9
    return run_starts(pairs.row_ns, pairs.broken, longest)


@dataclass(frozen=True, slots=True)
class _Span:
    """Rows that a block's samples are made of, each once, and the samples' places in them."""

    rows: Index
    samples: Index
    place: Index

    @classmethod
    def of(cls, pairs: Pairs, samples: Index, width: int) -> _Span:
        last = pairs.sample_row[samples]
        if width == 1:
            rows = last
            return cls(rows, samples, np.arange(len(rows)))
        rows = np.arange(int(last[0]) - (width - 1), int(last[-1]) + 1)
        return cls(rows, samples, last - rows[0])

    def covered(self, width: int) -> NDArray[np.bool_]:
        """Tell which rows are part of a sample."""
        ends = np.zeros(len(self.rows) + 1, np.int64)
        np.add.at(ends, self.place - (width - 1), 1)
        np.add.at(ends, self.place + 1, -1)
        return ends[:-1].cumsum() > 0


def _scaling(
    sources: Sequence[Features],
    targets: Sequence[Features],
    pairs: Pairs,
    train: _Span,
    options: Options,
) -> Normalisation:
    """Return the scaling that is asked for, of the first block's statistics."""
    names = [_names(each) for each in (sources, targets)]
    given = options.normalize
    if isinstance(given, Normalisation):
        for statistics, own in zip((given.inputs, given.outputs), names, strict=True):
            if statistics.names != tuple(own):
                raise DatasetError(
                    f'the normalisation is of {", ".join(statistics.names)}; '
                    f'asked for are {", ".join(own)}'
                )
        return given
    width = options.window or 1
    rows = distinct(train.rows) if width == 1 else train.rows[train.covered(width)]
    known = [
        Statistics.of(_chosen(group, indices, chosen), own)
        for group, indices, chosen, own in (
            (sources, pairs.inputs, rows, names[0]),
            (targets, pairs.outputs, train.samples, names[1]),
        )
    ]
    return Normalisation(given or 'none', *known)


def _chosen(
    features: Sequence[Features], indices: Sequence[Index], rows: Index
) -> list[NDArray[Any]]:
    return [
        block.values[place]
        for each, index in zip(features, indices, strict=True)
        for place in (compact(index[rows]),)
        for block in each.blocks
    ]


def _names(features: Sequence[Features]) -> list[str]:
    return [name for each in features for block in each.blocks for name in block.names]


def _block(
    sources: Sequence[Features],
    targets: Sequence[Features],
    pairs: Pairs,
    span: _Span,
    scaling: Normalisation,
    options: Options,
) -> Block:
    dtype = numpy_dtype(options.dtype)
    kind = scaling.kind
    return Block(
        table_of(
            sources,
            [each[span.rows] for each in pairs.inputs],
            scaling.inputs.shift_and_scale(kind),
            dtype,
            scaled=kind != 'none',
        ),
        table_of(
            targets,
            [each[span.samples] for each in pairs.outputs],
            scaling.outputs.shift_and_scale(kind),
            dtype,
            scaled=kind != 'none',
        ),
        span.place,
        pairs.row_ns[span.rows[span.place]],
    )
