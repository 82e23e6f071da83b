"""Which of a graph's topics a recorder takes: the rules of `ros2 bag record`, as a pure function.

Source: rosbag2 (Jazzy) `rosbag2_transport/src/rosbag2_transport/topic_filter.cpp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lk_dataset_ros.errors import ComponentError

#: What follows a service's name in the name of the topic of its events (REP 2012).
SERVICE_EVENTS = '/_service_event'


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChoice:
    """What is asked for.

    Topics are taken that are named, or have one of the types, or match the pattern; those that
    are excluded, and hidden ones, are taken away from these. Services are chosen in the same way
    by their own names; neither hiding nor types concern them.

    Attributes:
        topics: Full names of topics.
        topic_types: Types whose topics are taken.
        services: Full names of services.
        regex: Pattern that a topic's or service's name contains; no pattern if empty.
        all_topics: Take every topic.
        all_services: Take every service.
        exclude_topics: Full names of topics.
        exclude_topic_types: Types.
        exclude_services: Full names of services.
        exclude_regex: Pattern that a topic's or service's name contains.
        include_hidden_topics: Take topics with a part that begins with an underscore.
        include_unpublished_topics: Take topics that nobody publishes.
        ignore_leaf_topics: Take only topics that somebody subscribes to.

    Raises:
        ComponentError: If a pattern is not a regular expression.
    """

    topics: frozenset[str] = frozenset()
    topic_types: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    regex: str = ''
    all_topics: bool = False
    all_services: bool = False
    exclude_topics: frozenset[str] = frozenset()
    exclude_topic_types: frozenset[str] = frozenset()
    exclude_services: frozenset[str] = frozenset()
    exclude_regex: str = ''
    include_hidden_topics: bool = False
    include_unpublished_topics: bool = False
    ignore_leaf_topics: bool = False

    def __post_init__(self) -> None:
        """Check the patterns."""
        for name in ('regex', 'exclude_regex'):
            text = getattr(self, name)
            try:
                re.compile(text)
            except (re.error, RecursionError, OverflowError) as error:
                raise ComponentError(
                    f'{name} is {text!r}, which is not a regular expression: {error}'
                ) from error

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing can ever be chosen."""
        return not (
            self.all_topics
            or self.all_services
            or self.topics
            or self.topic_types
            or self.services
            or self.regex
        )

    def names(self) -> frozenset[str]:
        """Return the topics that are asked for by name, those of services' events too."""
        return self.topics | {f'{each}{SERVICE_EVENTS}' for each in self.services}

    def takes(self, topic: str, type_name: str) -> bool:
        """Tell whether a topic is taken, whoever publishes or subscribes to it.

        Args:
            topic: Full name.
            type_name: Its type, as the graph tells it.
        """
        service = service_of(topic, type_name)
        if service:
            return self._takes_service(service)
        return self._wants_topic(topic, type_name) and (
            self.include_hidden_topics or not is_hidden(topic)
        )

    def is_left_out_as_hidden(self, topic: str, type_name: str) -> bool:
        """Tell whether a topic would be taken if it were not hidden."""
        return (
            not self.include_hidden_topics
            and not service_of(topic, type_name)
            and is_hidden(topic)
            and self._wants_topic(topic, type_name)
        )

    def takes_now(self, *, publishers: int, subscribers: int) -> bool:
        """Tell whether a topic's endpoints are those that it has to have."""
        return (publishers > 0 or self.include_unpublished_topics) and (
            subscribers > 0 or not self.ignore_leaf_topics
        )

    def _wants_topic(self, topic: str, type_name: str) -> bool:
        wanted = (
            self.all_topics
            or topic in self.topics
            or type_name in self.topic_types
            or _contains(self.regex, topic)
        )
        return wanted and not (
            topic in self.exclude_topics
            or type_name in self.exclude_topic_types
            or _contains(self.exclude_regex, topic)
        )

    def _takes_service(self, service: str) -> bool:
        wanted = self.all_services or service in self.services or _contains(self.regex, service)
        return wanted and not (
            service in self.exclude_services or _contains(self.exclude_regex, service)
        )


def service_of(topic: str, type_name: str) -> str:
    """Return the service whose events a topic carries, empty if it is none of these."""
    service = topic.removesuffix(SERVICE_EVENTS)
    is_event = '/srv/' in type_name and type_name.endswith('_Event')
    return service if is_event and service != topic else ''


def is_hidden(topic: str) -> bool:
    """Tell whether a part of a topic's name begins with an underscore."""
    return topic.startswith('_') or '/_' in topic


def _contains(pattern: str, name: str) -> bool:
    return bool(pattern) and re.search(pattern, name) is not None
