"""Which arms there are, in which groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset.consensus.event import EVENTS_TOPIC
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Arms of one group: all of them are judged against each other.
_MOST_ARMS: Final = 16


def groups_of(arms: Mapping[str, Any], inputs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the topics of arms by group; an unnamed group is called by its first topic.

    Args:
        arms: Topic by name of the arm, or such a mapping for each group.
        inputs: Topics that are no arm's.

    Raises:
        ComponentError: If they make no group.
    """
    groups: dict[str, dict[str, str]] = {}
    if all(isinstance(each, str) for each in arms.values()):
        groups[next(iter(arms.values()), '')] = dict(arms)
    elif all(isinstance(each, Mapping) for each in arms.values()):
        groups = {name: dict(each) for name, each in arms.items()}
    else:
        raise ComponentError('arms are topics by name, or such a mapping for each group; not both')
    seen: dict[str, str] = {}
    for name, each in groups.items():
        if not 2 <= len(each) <= _MOST_ARMS:
            raise ComponentError(
                f'group {name!r} has {len(each)} arms; give 2 to {_MOST_ARMS} that should agree'
            )
        for arm, topic in each.items():
            if topic in seen or topic in inputs or topic == EVENTS_TOPIC:
                other = f'of {seen[topic]}' if topic in seen else 'an input'
                raise ComponentError(f'{topic} cannot be the output of {arm}: it is {other}')
            seen[topic] = arm
    return groups
