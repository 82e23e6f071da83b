"""A component's configuration: a dataclass whose fields know their range and meaning.

The host node makes one ROS parameter of each field, `lk` reads them from YAML; both get their
values checked here, in one place.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

_SCALARS: tuple[type, ...] = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one configuration field.

    Attributes:
        name: Field name, also the parameter's name.
        kind: bool, int, float, str, or list of one of them (`list[float]`).
        default: Value when none is given.
        description: One line.
        minimum: Smallest value allowed, or None.
        maximum: Largest value allowed, or None.
        choices: The values allowed, or empty.
    """

    name: str
    kind: Any
    default: Any
    description: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def is_list(self) -> bool:
        """Tell whether the value is a list."""
        return typing.get_origin(self.kind) is list

    @property
    def element(self) -> type:
        """Type of the value, or of a list's elements."""
        element: type = typing.get_args(self.kind)[0] if self.is_list else self.kind
        return element

    def check(self, value: Any) -> Any:
        """Return the value in the option's type.

        Raises:
            ComponentError: If it has another type, or is out of range.
        """
        if not self.is_list:
            return self._check_scalar(value)
        if isinstance(value, str) or not hasattr(value, '__iter__'):
            raise self._error(value, f'a list of {self.element.__name__}')
        return [self._check_scalar(item) for item in value]

    def _check_scalar(self, value: Any) -> Any:
        kind = self.element
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._error(value, f'a {kind.__name__}')
        if self.choices and value not in self.choices:
            raise self._error(value, 'one of ' + ', '.join(map(repr, self.choices)))
        if kind in (int, float):
            number = typing.cast('float', value)
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not low <= number <= high:
                raise self._error(value, f'between {low:g} and {high:g}')
        return value

    def _error(self, value: Any, wanted: str) -> ComponentError:
        return ComponentError(f'{self.name} is {value!r}; it has to be {wanted}')


def option(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Any] = (),
) -> Any:
    """Declare a configuration field.

    Args:
        default: Value when none is given; its type has to fit the annotation.
        description: One line, shown as the parameter's description.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        choices: The only values allowed.
    """
    metadata = {
        'description': description,
        'minimum': minimum,
        'maximum': maximum,
        'choices': tuple(choices),
    }
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(kw_only=True)
class Config:
    """Base of every component's configuration."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ComponentError: If a value has the wrong type or is out of range.
        """
        for each in self.options():
            setattr(self, each.name, each.check(getattr(self, each.name)))

    @classmethod
    def options(cls) -> list[Option]:
        """Return what is known of each field."""
        hints = typing.get_type_hints(cls)
        return [_option_of(item, hints[item.name], cls) for item in fields(cls)]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a configuration from names and values.

        Raises:
            ComponentError: If a name is unknown, or a value wrong.
        """
        known = [each.name for each in cls.options()]
        for name in values:
            if name not in known:
                raise ComponentError(
                    f'there is no parameter {name!r}; there is {", ".join(known) or "none"}'
                )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return names and values."""
        return dataclasses.asdict(self)


def _option_of(item: dataclasses.Field[Any], kind: Any, owner: type) -> Option:
    element = typing.get_args(kind)[0] if typing.get_origin(kind) is list else kind
    if isinstance(kind, types.UnionType) or element not in _SCALARS:
        raise ComponentError(
            f'{owner.__qualname__}.{item.name} is a {kind}; a configuration field is a bool, int, '
            'float, str or a list of one of them'
        )
    default = item.default if item.default is not MISSING else None
    if item.default_factory is not MISSING:
        default = item.default_factory()
    known = ('description', 'minimum', 'maximum', 'choices')
    return Option(
        name=item.name,
        kind=kind,
        default=default,
        **{key: item.metadata[key] for key in known if key in item.metadata},
    )
