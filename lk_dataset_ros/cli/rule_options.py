"""What `lk compare` and `lk diffdiff` have in common: the options that are rules of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.cli.rule_texts import finite, import_first, limit_in, offset_in, pairs_in
from lk_dataset_ros.comparison.comparators import NAMED
from lk_dataset_ros.comparison.pairing import WAYS
from lk_dataset_ros.comparison.rules_file import WITHOUT_TIME, Rules, pairing_of
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lk_dataset_ros.comparison import Pairing


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What the command line says about the rules; it wins over the file.

    Attributes:
        config: File of rules.
        modules: Python modules to import first.
        keys: Topics to compare.
        by: What messages are paired by.
        limit: How far the times of a pair may lie apart, s.
        offset: By how much the compiled is later, s, or `estimate`.
        inputs: Topics that outputs descend from.
        rtol: Relative tolerance of floats.
        atol: Absolute tolerance of floats.
        fields: Limits, `PATTERN=atol:0.01,rtol:0.001`.
        ignored: Fields that are not compared, `PATTERN=REASON`.
        comparators: What judges parts of messages, `PATTERN=NAME`.
        accept_missing_keys: A topic that one side lacks is no difference.
        accept_counts: A message without partner is no difference.
        relative_time: How late a message may be, from the first one of its side, s.
        absolute_time: How late a message may be by the clock, s.
        noise: Further runs of the original.
    """

    config: Path | None = None
    modules: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    by: str | None = None
    limit: float | None = None
    offset: str | None = None
    inputs: tuple[str, ...] = ()
    rtol: float | None = None
    atol: float | None = None
    fields: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    comparators: tuple[str, ...] = ()
    accept_missing_keys: bool | None = None
    accept_counts: bool | None = None
    relative_time: float | None = None
    absolute_time: float | None = None
    noise: tuple[str, ...] = ()

    def rules(self) -> Rules:
        """Return the rules of the file, changed as the options say.

        Raises:
            ComparisonError: If one makes no sense, in one line.
        """
        for name in self.modules:
            import_first(name)
        rules = Rules() if self.config is None else Rules.load(self.config)
        limits = {pattern: limit_in(text) for pattern, text in pairs_in('--field', self.fields)}
        reasons = dict(pairs_in('--ignore', self.ignored))
        names = dict(pairs_in('--comparator', self.comparators))
        for name in names.values():
            if name not in NAMED:
                raise ComparisonError(f'comparator {name!r} is unknown; {", ".join(NAMED)} are')
        known = rules.tolerance
        tolerance = replace(
            known,
            rtol=known.rtol if self.rtol is None else finite('--rtol', self.rtol),
            atol=known.atol if self.atol is None else finite('--atol', self.atol),
            # The last limit that matches wins, and the first reason.
            fields={**_without(known.fields, limits), **limits},
            ignore={**reasons, **_without(known.ignore, reasons)},
            comparators={**_without(known.comparators, names), **names},
        )
        accepted = replace(rules.acceptance, **self._accepted())
        keys = tuple(dict.fromkeys(self.keys)) or rules.keys
        return Rules(tolerance, self._pairing(rules.pairing), accepted, keys)

    def _accepted(self) -> dict[str, Any]:
        flags = {'keys': self.accept_missing_keys, 'counts': self.accept_counts}
        given: dict[str, Any] = {
            name: not flag for name, flag in flags.items() if flag is not None
        }
        times = {'relative_time_s': self.relative_time, 'absolute_time_s': self.absolute_time}
        return given | {name: time for name, time in times.items() if time is not None}

    def _pairing(self, known: Pairing) -> Pairing:
        """Return the file's pairing, changed; what the way of the options has no use for goes."""
        given = (self.by, self.limit, self.offset, self.inputs or None)
        if all(each is None for each in given):
            return known
        by = known.by if self.by is None else self.by.replace('-', '_')
        if by not in WAYS:
            raise ComparisonError(
                f'messages are not paired by {self.by!r}; there is {", ".join(WAYS)}'
            )
        has_time, has_inputs = by not in WITHOUT_TIME, by == 'lineage'
        limit, offset = self.limit, None if self.offset is None else offset_in(self.offset)
        if limit is None and has_time and known.limit_ns is not None:
            limit = known.limit_ns / 1e9
        if offset is None:
            kept = known.offset_ns if has_time else 0
            offset = kept if isinstance(kept, str) else kept / 1e9
        return pairing_of(
            by,
            limit_s=limit,
            offset=offset,
            max_lag_s=known.max_lag_ns / 1e9,
            inputs=self.inputs or (known.inputs if has_inputs else ()),
        )


def rule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `RuleOptions`; they arrive under the names of its fields."""
    for option in reversed([*_options()]):
        command = option(command)
    return command


def _options() -> Iterator[Callable[..., Any]]:
    def many(*names: str, **settings: Any) -> Callable[..., Any]:
        settings['help'] += ' May be given again.'
        return click.option(*names, multiple=True, **settings)

    yield click.option(
        '--config',
        type=click.Path(path_type=Path),
        metavar='FILE',
        help='File of rules (YAML); options win over it.',
    )
    yield many('--key', 'keys', metavar='TOPIC', help='Compare this topic only.')
    yield click.option(
        '--by', metavar='WAY', help=f'Pair messages by {", ".join(WAYS)}; auto if left out.'
    )
    yield click.option(
        '--limit',
        type=float,
        metavar='S',
        help='How far the times of a pair may lie apart, s; not at all if left out.',
    )
    yield click.option(
        '--offset',
        metavar='S',
        help='By how much the times of COMPILED are later, s; or estimate, which finds out.',
    )
    yield many('--input', 'inputs', metavar='TOPIC', help='An input, for --by lineage.')
    yield click.option(
        '--rtol', type=float, metavar='NUMBER', help='Relative tolerance of floats.'
    )
    yield click.option(
        '--atol', type=float, metavar='NUMBER', help='Absolute tolerance of floats.'
    )
    yield many(
        '--field',
        'fields',
        metavar='PATTERN=LIMIT',
        help='Tolerance of some fields, such as /odom.pose.**=atol:0.01,rtol:0.001.',
    )
    yield many(
        '--ignore',
        'ignored',
        metavar='PATTERN=REASON',
        help='Do not compare some fields; the report gives the reason.',
    )
    yield many(
        '--comparator',
        'comparators',
        metavar='PATTERN=NAME',
        help='What judges some parts of messages; values is value by value.',
    )
    yield many(
        '--import',
        'modules',
        metavar='MODULE',
        help='Import a Python module first, one that registers comparators.',
    )
    yield click.option(
        '--accept-missing-keys/--judge-missing-keys',
        default=None,
        help='A topic that one side lacks is no difference.',
    )
    yield click.option(
        '--accept-counts/--judge-counts',
        default=None,
        help='A message without partner is no difference.',
    )
    yield click.option(
        '--relative-time',
        type=float,
        metavar='S',
        help='A message that comes more than this later than its partner is late, s; both '
        'counted from the first message of their side.',
    )
    yield click.option(
        '--absolute-time', type=float, metavar='S', help='The same by the clock, s.'
    )
    yield many(
        '--noise',
        metavar='BAG',
        help='A further run of the original; what its runs differ by is the noise floor.',
    )


def _without(known: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {pattern: each for pattern, each in known.items() if pattern not in others}
