"""What a consensus recorder knows, as messages and as lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component.health import gravest
from lk_dataset_ros.msg import ConsensusEvent, ConsensusField, ConsensusPair, ConsensusStatus
from lk_dataset_ros.ros.host import to_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lk_dataset_ros.dataset.consensus import Event, FieldStats, GroupStats, PairStats

#: Fields of a pair that are told of, the worst.
MOST_FIELDS = 20


def status_of(stats: Mapping[str, GroupStats], now_ns: int, last_outlier: str = '') -> Any:
    """Return how all groups agree as one ConsensusStatus; arms of several are `group/arm`.

    Args:
        stats: By group.
        now_ns: The time of the status.
        last_outlier: The odd one out in the last event of all groups.
    """
    groups = list(stats.values())
    worst = gravest(each.level for each in groups)
    said = [
        f'{each.group}: {each.message}' if each.group and len(groups) > 1 else each.message
        for each in groups
        if each.level == worst
    ]
    begun = [each.since_ns for each in groups if each.since_ns]
    return ConsensusStatus(
        stamp=to_time(now_ns),
        since=to_time(min(begun, default=0)),
        arms=[f'{before}{name}' for before, each in _called(stats) for name in each.arms],
        level=int(worst),
        message='; '.join(said),
        events=sum(each.events for each in groups),
        recorded_events=sum(each.recorded_events for each in groups),
        skipped_events=sum(each.skipped_events for each in groups),
        outlier=last_outlier or next((each.outlier for each in groups if each.outlier), ''),
        pairs=[_pair(before, pair) for before, each in _called(stats) for pair in each.pairs],
    )


def _called(stats: Mapping[str, GroupStats]) -> Iterator[tuple[str, GroupStats]]:
    """Yield each group, and what is written before the names of its arms."""
    for each in stats.values():
        yield f'{each.group}/' if len(stats) > 1 else '', each


def _pair(before: str, pair: PairStats) -> Any:
    return ConsensusPair(
        arm=before + pair.arm,
        other=before + pair.other,
        compared=pair.compared,
        agreeing=pair.agreeing,
        agreement=pair.agreement,
        recent_agreement=pair.recent_agreement,
        missing=pair.missing,
        late=pair.late,
        lag_s=pair.lag_s,
        fields=[_field(each) for each in pair.fields[:MOST_FIELDS]],
    )


def _field(field: FieldStats) -> Any:
    return ConsensusField(
        field=field.field,
        compared=field.compared,
        differing=field.differing,
        agreement=field.agreement,
        recent_agreement=field.recent_agreement,
        p50=field.p50,
        p95=field.p95,
        p99=field.p99,
        max=field.max,
    )


def event_of(event: Event) -> Any:
    """Return an event as a message; one that is not over has no end of its window yet."""
    return ConsensusEvent(
        start=to_time(event.start_ns),
        end=to_time(event.end_ns),
        window_start=to_time(event.window_start_ns),
        window_end=to_time(event.window_end_ns if event.is_over else 0),
        number=event.number,
        output=event.output,
        arms=list(event.arms),
        outliers=list(event.outliers),
        majority=list(event.majority),
        messages=event.messages,
        field=event.field,
        error=event.error,
        original=event.original,
        compiled=event.compiled,
    )


def line_of(event: Event) -> str:
    """Return an event that is over as a line for a person."""
    odd = ', '.join(event.outliers) if event.majority else 'no majority'
    span_s = (event.end_ns - event.start_ns) / 1e9
    return (
        f'disagreement {event.number} on {event.output}: {odd}; {event.messages} sets within '
        f'{span_s:.3f} s, worst in {event.field or "?"}: {event.original:.6g} and '
        f'{event.compiled:.6g}, {event.error:.3g} times what is allowed'
    )


def summary_of(stats: Mapping[str, GroupStats]) -> Iterator[str]:
    """Yield what became of everything, as lines for a person."""
    for before, group in _called(stats):
        yield (
            f'{group.output}: {group.sets} sets of messages, {group.disagreeing} disagree; '
            f'{group.events} disagreements, {group.recorded_events} recorded, '
            f'{group.skipped_events} left out'
        )
        for arm in group.arms.values():
            parts = [
                f'{number} {what}'
                for number, what in (
                    (arm.outlier, 'as the odd one out'),
                    (arm.missing, 'missing'),
                    (arm.late, 'late'),
                    (arm.malformed, 'malformed'),
                    (arm.restarts, 'restarts'),
                )
                if number
            ]
            yield ', '.join((f'{before}{arm.arm}: {arm.received} messages', *parts))
        for pair in group.pairs:
            worst = f', worst in {pair.fields[0].field}' if pair.fields else ''
            yield (
                f'{before}{pair.arm} agrees with {pair.other} in {pair.agreeing} of '
                f'{pair.compared}{worst}'
            )
