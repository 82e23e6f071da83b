"""Which topic belongs to which port: by name, by the end of the name, by type."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lk_dataset_ros.experiment.drafting.draft import TopicSeen


def match_ports(
    ports: Mapping[str, str], topics: Sequence[TopicSeen]
) -> tuple[dict[str, TopicSeen], list[str]]:
    """Find the topic of each port; none serves two.

    Args:
        ports: Types of the ports by name.
        topics: What there is.

    Returns:
        Topics by port, and one line for each port where several would have done.
    """
    found: dict[str, TopicSeen] = {}
    doubts: list[str] = []
    ways: list[Callable[[str, TopicSeen], bool]] = [
        lambda port, topic: topic.name == f'/{port.lstrip("/")}',
        lambda port, topic: topic.name.endswith(f'/{port.lstrip("/")}'),
        lambda _, __: True,
    ]
    for fits in ways:
        for port, kind in ports.items():
            if port in found:
                continue
            free = [
                each
                for each in topics
                if each.type_name == kind and each not in found.values() and fits(port, each)
            ]
            if not free:
                continue
            found[port] = max(free, key=lambda each: each.count or 0)
            if len(free) > 1:
                doubts.append(
                    f'port {port} takes {found[port].name}; it could be '
                    f'{" or ".join(each.name for each in free if each != found[port])}'
                )
    return found, doubts


def remappings_of(found: Mapping[str, TopicSeen]) -> dict[str, str]:
    """Return the remappings of ports whose topics have other names."""
    return {
        port: topic.name for port, topic in found.items() if topic.name != f'/{port.lstrip("/")}'
    }
