"""Configurations: values are checked in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.errors import ComponentError


@dataclass(kw_only=True)
class Settings(Config):
    """One field of each kind."""

    flag: bool = option(False, 'a flag')
    count: int = option(3, 'a count', minimum=1, maximum=5)
    gain: float = option(1.0, 'a gain', minimum=-1.0, maximum=1.0)
    mode: str = option('slow', 'a mode', choices=('slow', 'fast'))
    names: list[str] = option(['a'], 'names')  # noqa: RUF009
    weights: list[float] = option([], 'weights', minimum=0.0)  # noqa: RUF009


@pytest.mark.parametrize(
    ('name', 'value', 'stored'),
    [
        ('flag', True, True),
        ('count', 5, 5),
        ('gain', 1, 1.0),
        ('gain', -1.0, -1.0),
        ('mode', 'fast', 'fast'),
        ('names', ('b', 'c'), ['b', 'c']),
        ('names', [], []),
        ('weights', [1, 2.5], [1.0, 2.5]),
    ],
)
def test_values_that_fit_are_stored_in_the_fields_type(name: str, value: Any, stored: Any) -> None:
    """Promise: an integer for a float is a float, a tuple for a list a list."""
    found = getattr(Settings.from_mapping({name: value}), name)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('flag', 1, 'a bool'),
        ('flag', 'true', 'a bool'),
        ('count', True, 'an? int'),
        ('count', 2.0, 'an? int'),
        ('count', 0, 'between 1 and 5'),
        ('count', 6, 'between 1 and 5'),
        ('gain', '1', 'a float'),
        ('gain', True, 'a float'),
        ('gain', math.nan, 'between -1 and 1'),
        ('gain', math.inf, 'between -1 and 1'),
        ('mode', 'medium', "one of 'slow', 'fast'"),
        ('mode', None, 'a str'),
        ('names', 'ab', 'a list of str'),
        ('names', [1], 'a str'),
        ('weights', 3.0, 'a list of float'),
        ('weights', [1.0, -1.0], 'between 0 and inf'),
    ],
)
def test_values_that_do_not_fit_are_refused(name: str, value: Any, reason: str) -> None:
    """Promise: wrong type or range is a ComponentError naming field, value and what fits."""
    with pytest.raises(ComponentError, match=reason) as caught:
        Settings.from_mapping({name: value})
    assert str(caught.value).startswith(f'{name} is ')


def test_unknown_names_are_refused() -> None:
    """Promise: a name that is no field is refused, naming those that are."""
    with pytest.raises(ComponentError, match=r"no parameter 'gian'; there is flag, count, gain"):
        Settings.from_mapping({'gian': 1.0})


def test_options_describe_every_field() -> None:
    """Promise: a host finds name, kind, default, range and description of every field."""
    options = {each.name: each for each in Settings.options()}
    assert list(options) == ['flag', 'count', 'gain', 'mode', 'names', 'weights']
    assert (options['count'].minimum, options['count'].maximum) == (1, 5)
    assert options['mode'].choices == ('slow', 'fast')
    assert options['names'].is_list
    assert options['names'].element is str
    assert options['names'].default == ['a']
    assert options['gain'].description == 'a gain'


def test_list_defaults_are_not_shared() -> None:
    """Promise: changing one configuration's list leaves the others alone."""
    Settings().names.append('b')
    assert Settings().names == ['a']


def test_round_trip_as_a_dictionary() -> None:
    """Promise: to_dict and from_mapping are inverse."""
    config = Settings(count=2, names=['x', 'y'])
    assert Settings.from_mapping(config.to_dict()) == config


@pytest.mark.parametrize('kind', [dict[str, int], int | str, list[dict[str, int]], bytes])
def test_kinds_that_are_no_parameter_are_refused(kind: Any) -> None:
    """Promise: a field of a kind that no parameter can have is refused, naming the field."""

    @dataclass(kw_only=True)
    class Odd(Config):
        value: Any = field(default=None)

    Odd.__annotations__['value'] = kind
    Odd.__dataclass_fields__['value'].type = kind
    with pytest.raises(ComponentError, match=r'Odd.value is a'):
        Odd.options()


def test_a_default_that_does_not_fit_is_refused() -> None:
    """Promise: a default out of its own range does not slip through."""

    @dataclass(kw_only=True)
    class Wrong(Config):
        count: int = option(0, 'a count', minimum=1)

    with pytest.raises(ComponentError, match='count is 0'):
        Wrong()


@given(st.floats(allow_nan=True))
def test_floats_are_accepted_exactly_within_their_range(value: float) -> None:
    """Promise: every float within the range is kept bit for bit, every other refused."""
    if -1.0 <= value <= 1.0:
        assert Settings(gain=value).gain.hex() == value.hex()
    else:
        with pytest.raises(ComponentError):
            Settings(gain=value)
