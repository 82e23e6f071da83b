"""How well arms and groups are, by thresholds, and all that is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.component.health import Health, Level, gravest
from lk_dataset_ros.dataset.consensus.stats import ArmStats, GroupStats, PairStats
from lk_dataset_ros.dataset.consensus.tallies import part_of
from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.consensus.group import Group


def arm_health(group: Group, place: int) -> Health:
    """Judge one arm of a group."""
    arm, tally = group.arms[place], group.tallies[place]
    judged, answered = tally.judged.recent, tally.answered.recent
    agreement = 1.0 - part_of(tally.outlier.recent, judged)
    missing = part_of(tally.missed.recent, tally.missed.recent + answered)
    values = {
        'topic': arm.topic,
        'received': arm.received,
        'recent_agreement': agreement,
        'recent_missing': missing,
        'missing': arm.missing,
        'late': arm.late,
        'duplicates': arm.duplicates,
        'restarts': arm.restarts,
        'alone': arm.alone,
        'malformed': arm.malformed,
    }
    level, message = _level(group, place, agreement, missing)
    return Health(level, message, values)


def _level(group: Group, place: int, agreement: float, missing: float) -> tuple[Level, str]:
    arm, config = group.arms[place], group.config
    found = _silence(group, place)
    if found is not None:
        return found
    tally = group.tallies[place]
    malformed = tally.malformed.recent
    wrong = part_of(malformed, malformed + tally.judged.recent)
    lag_s = group.pairs[0, place].lag_s if place else 0.0
    apart, missed = 1.0 - agreement, missing > 0.0
    judgements = (
        # Of two, the original's stamps are the right ones.
        (
            arm.is_astray and (place > 0 or len(group.arms) > 2),
            Level.ERROR,
            'its messages find no partners: other stamps',
        ),
        (
            missed and missing >= config.error_missing,
            Level.ERROR,
            f'misses {missing:.1%} of the sets',
        ),
        (
            malformed > 0 and wrong >= config.error_missing,
            Level.ERROR,
            f'{wrong:.1%} of its messages are not of the type',
        ),
        (
            agreement < config.error_agreement,
            Level.ERROR,
            f'disagrees in {apart:.1%} of the sets',
        ),
        (malformed > 0, Level.WARN, f'{malformed} messages are not of the type'),
        (
            missed and missing >= config.warn_missing,
            Level.WARN,
            f'misses {missing:.2%} of the sets',
        ),
        (
            agreement < config.warn_agreement,
            Level.WARN,
            f'disagrees in {apart:.2%} of the sets',
        ),
        (
            config.warn_lag_s > 0.0 and abs(lag_s) > config.warn_lag_s,
            Level.WARN,
            f'lags by {lag_s:.3g} s',
        ),
    )
    return next(
        ((level, message) for is_so, level, message in judgements if is_so),
        (Level.OK, 'agrees'),
    )


def _silence(group: Group, place: int) -> tuple[Level, str] | None:
    """Tell of an arm of which there is nothing to be judged."""
    arm = group.arms[place]
    if arm.other_type:
        return Level.ERROR, f'publishes {arm.other_type}, not the type of the group'
    if arm.heard_ns is None:
        return Level.STALE, 'nothing has come yet'
    silent_s = (group.now_ns - arm.heard_ns) / NS_PER_S
    if silent_s > group.config.stale_s:
        return Level.STALE, f'nothing for {silent_s:.3g} s'
    return None


def group_health(group: Group) -> Health:
    """Judge a group: as its worst arm."""
    found = [arm_health(group, place) for place in range(len(group.arms))]
    values = {
        'sets': group.sets,
        'disagreeing': group.disagreeing,
        'events': group.events,
        'recorded_events': group.recorded,
        'skipped_events': group.skipped,
        'outlier': group.outlier,
    }
    if group.problem:
        values['failed'] = group.failed
        return Health(Level.ERROR, f'cannot be judged: {group.problem}', values)
    level = gravest(each.level for each in found)
    for arm, each in zip(group.arms, found, strict=True):
        if each.level == level and level != Level.OK:
            return Health(level, f'{arm.name}: {each.message}', values)
    return Health(Level.OK, f'{len(found)} arms agree', values)


def stats_of(group: Group, waiting: int = 0) -> GroupStats:
    """Return all that is known of a group.

    Args:
        group: The group.
        waiting: Events that wait for room in the budget.
    """
    group.flush()
    health = group_health(group)
    return GroupStats(
        group=group.name,
        output=group.output,
        since_ns=group.since_ns,
        level=health.level,
        message=health.message,
        events=group.events,
        recorded_events=group.recorded,
        skipped_events=group.skipped,
        waiting_events=waiting,
        outlier=group.outlier,
        sets=group.sets,
        disagreeing=group.disagreeing,
        arms={arm.name: _arm_stats(group, place) for place, arm in enumerate(group.arms)},
        pairs=tuple(_pair_stats(group, arms) for arms in group.pairs),
    )


def _arm_stats(group: Group, place: int) -> ArmStats:
    arm, health = group.arms[place], arm_health(group, place)
    return ArmStats(
        arm=arm.name,
        topic=arm.topic,
        level=health.level,
        message=health.message,
        received=arm.received,
        missing=arm.missing,
        late=arm.late,
        duplicates=arm.duplicates,
        restarts=arm.restarts,
        alone=arm.alone,
        malformed=arm.malformed,
        other_type=arm.other_type,
        outlier=arm.outlier,
    )


def _pair_stats(group: Group, arms: tuple[int, int]) -> PairStats:
    tally = group.pairs[arms]
    other, arm = (group.arms[place] for place in arms)
    compared, agreeing = tally.compared, tally.agreeing
    return PairStats(
        arm=arm.name,
        other=other.name,
        compared=compared.total,
        agreeing=agreeing.total,
        agreement=part_of(agreeing.total, compared.total),
        recent_agreement=part_of(agreeing.recent, compared.recent),
        missing=tally.missing,
        extra=tally.extra,
        late=arm.late + other.late,
        lag_s=tally.lag_s,
        fields=tally.field_stats(),
    )
