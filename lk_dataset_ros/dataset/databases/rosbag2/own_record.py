"""What each file that we write tells of its bag, for the case that `metadata.yaml` is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Name of the MCAP metadata record.
OWN_RECORD: Final = 'lk_bag'


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """What a file tells of its bag.

    Attributes:
        ros_distro: The ROS distribution that recorded it; empty if it does not tell.
        custom_data: What a user keeps with the bag.
    """

    ros_distro: str = ''
    custom_data: Mapping[str, str] = field(default_factory=dict)

    def entries(self) -> dict[str, str]:
        """Return the content of the record."""
        told = {'ros_distro': self.ros_distro}
        if self.custom_data:
            told['custom_data'] = json.dumps(dict(self.custom_data))
        return told


def own_record(records: Iterable[tuple[str, Mapping[str, str]]]) -> OwnRecord:
    """Find the record among others; what is not there, or no text, is left empty."""
    for name, entries in records:
        if name != OWN_RECORD:
            continue
        try:
            data = json.loads(entries.get('custom_data', '{}'))
        except (ValueError, RecursionError):
            data = {}
        pairs = data.items() if isinstance(data, dict) else ()
        return OwnRecord(
            entries.get('ros_distro', ''),
            {key: value for key, value in pairs if isinstance(value, str)},
        )
    return OwnRecord()
