"""Which topics are recorded, against rosbag2's filter written down line by line."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.dataset.recording.topic_choice import TopicChoice, is_hidden
from lk_dataset_ros.errors import ComponentError

TOPICS = [
    '/odom',
    '/scan',
    '/robot/odom',
    '/_hidden',
    '/robot/_hidden/odom',
    '/ros_out_',
    '/_service_event',
    '/add/_service_event',
    '/robot/add/_service_event',
    '/_add/_service_event',
    '/add/_service_event/odom',
]
TYPES = [
    'nav_msgs/msg/Odometry',
    'sensor_msgs/msg/LaserScan',
    'example_interfaces/srv/AddTwoInts_Event',
    'example_interfaces/srv/AddTwoInts',
    'example_interfaces/msg/Some_Event',
]
SERVICES = ['/add', '/robot/add', '/_add', '/odom']
PATTERNS = ['', 'odom', '^/robot', 'add$', '_', '/[os]', 'event']


def some(values: list[str]) -> st.SearchStrategy[frozenset[str]]:
    """Draw a few of the values."""
    return st.frozensets(st.sampled_from(values), max_size=3)


CHOICES = st.fixed_dictionaries(
    {
        'topics': some(TOPICS),
        'topic_types': some(TYPES),
        'services': some(SERVICES),
        'regex': st.sampled_from(PATTERNS),
        'all_topics': st.booleans(),
        'all_services': st.booleans(),
        'exclude_topics': some(TOPICS),
        'exclude_topic_types': some(TYPES),
        'exclude_services': some(SERVICES),
        'exclude_regex': st.sampled_from(PATTERNS),
        'include_hidden_topics': st.booleans(),
    }
)


def rosbag2_takes(  # noqa: C901 - as the original is
    options: dict[str, Any], topic: str, type_name: str
) -> bool:
    """Say what `TopicFilter::take_topic` of rosbag2 (Jazzy) says, statement by statement."""
    postfix = '/_service_event'
    is_event = (
        len(topic) > len(postfix)
        and topic[-len(postfix) :] == postfix
        and '/srv/' in type_name
        and type_name.endswith('_Event')
    )
    event_topics = {f'{each}{postfix}' for each in options['services']}
    excluded_events = {f'{each}{postfix}' for each in options['exclude_services']}
    if not is_event:
        if not options['all_topics']:
            named = topic in options['topics'] or type_name in options['topic_types']
            if not named and not options['regex']:
                return False
            if not named and re.search(options['regex'], topic) is None:
                return False
        if type_name in options['exclude_topic_types']:
            return False
        if topic in options['exclude_topics']:
            return False
        if options['exclude_regex'] and re.search(options['exclude_regex'], topic):
            return False
        tokens = [token for token in topic.split('/') if token]
        return options['include_hidden_topics'] or all(token[0] != '_' for token in tokens)
    service = topic[: -len(postfix)]
    if not options['all_services'] and topic not in event_topics:
        if not options['regex']:
            return False
        if re.search(options['regex'], service) is None:
            return False
    if topic in excluded_events:
        return False
    return not (options['exclude_regex'] and re.search(options['exclude_regex'], service))


@given(CHOICES)
def test_takes_what_rosbag2_takes(options: dict[str, Any]) -> None:
    """Promise: whatever is asked for, the topics taken are those of `ros2 bag record`."""
    choice = TopicChoice(**options)
    for topic, type_name in itertools.product(TOPICS, TYPES):
        taken = choice.takes(topic, type_name)
        assert taken == rosbag2_takes(options, topic, type_name)
        shown = rosbag2_takes({**options, 'include_hidden_topics': True}, topic, type_name)
        assert choice.is_left_out_as_hidden(topic, type_name) == (shown and not taken)
        assert not (choice.is_empty and taken)


@given(st.booleans(), st.booleans(), st.integers(0, 2), st.integers(0, 2))
def test_endpoints_decide_when(
    unpublished: bool, ignore_leaf: bool, publishers: int, subscribers: int
) -> None:
    """Promise: unpublished topics are taken on wish only, leaves are left out on wish only."""
    choice = TopicChoice(
        all_topics=True, include_unpublished_topics=unpublished, ignore_leaf_topics=ignore_leaf
    )
    expected = True
    if not unpublished and publishers == 0:
        expected = False
    if ignore_leaf and subscribers == 0:
        expected = False
    assert choice.takes_now(publishers=publishers, subscribers=subscribers) == expected


@pytest.mark.parametrize('name', ['regex', 'exclude_regex'])
@pytest.mark.parametrize('text', ['(', '[z-a]', '*', '(?P<a', 'a{99999999999999999999}'])
def test_a_wrong_pattern_is_named(name: str, text: str) -> None:
    """Promise: a pattern that is none is one line with its option and its text."""
    with pytest.raises(ComponentError, match=rf'^{name} is .*not a regular expression') as caught:
        TopicChoice(**{name: text})
    assert repr(text) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_names_are_those_asked_for() -> None:
    """Promise: topics asked for by name are known, those of services' events too."""
    choice = TopicChoice(topics=frozenset({'/a'}), services=frozenset({'/add'}), regex='x')
    assert choice.names() == {'/a', '/add/_service_event'}


@pytest.mark.parametrize(
    ('topic', 'hidden'), [('/a', False), ('/_a', True), ('/a/_b', True), ('/a_/b', False)]
)
def test_hidden_is_a_leading_underscore(topic: str, hidden: bool) -> None:
    """Promise: a part that begins with an underscore hides a topic, one that ends so does not."""
    assert is_hidden(topic) == hidden
