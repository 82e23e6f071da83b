"""Configuration fields as ROS parameters: declared, described, ranged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.parameter import Parameter

from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.node import Node

    from lk_dataset_ros.component import Config, Option

_LARGEST_INT = 2**63 - 1
#: Parameters that nodes have without declaring them here.
_OF_ROS = ('use_sim_time', 'start_type_description_service')

_TYPES = {
    bool: (Parameter.Type.BOOL, Parameter.Type.BOOL_ARRAY),
    int: (Parameter.Type.INTEGER, Parameter.Type.INTEGER_ARRAY),
    float: (Parameter.Type.DOUBLE, Parameter.Type.DOUBLE_ARRAY),
    str: (Parameter.Type.STRING, Parameter.Type.STRING_ARRAY),
}


def declare_options(
    node: Node, options: Sequence[Option], *, read_only: bool = False
) -> dict[str, Any]:
    """Declare one parameter per option and return the values.

    An integer is taken where a float is meant (`-p rtf:=2`), which ROS itself refuses.

    Raises:
        ComponentError: If a value has the wrong type, or is out of range.
    """
    return {each.name: _declare(node, each, read_only) for each in options}


def _declare(node: Node, each: Option, read_only: bool) -> Any:
    override = overrides(node).get(each.name)
    default = (
        override.value if override is not None and override.value is not None else each.default
    )
    value = each.check(default)
    descriptor = _descriptor(each, read_only)
    # The override was checked and converted here: declaring must not look at it again.
    if each.is_list and not value:
        node.declare_parameter(
            each.name, _TYPES[each.element][1], descriptor, ignore_override=True
        )
    else:
        node.declare_parameter(each.name, value, descriptor, ignore_override=True)
    return value


def _descriptor(each: Option, read_only: bool) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=each.description, read_only=read_only)
    if each.choices:
        descriptor.additional_constraints = 'one of ' + ', '.join(map(str, each.choices))
    if each.is_list or (each.minimum is None and each.maximum is None):
        return descriptor
    low = -math.inf if each.minimum is None else each.minimum
    high = math.inf if each.maximum is None else each.maximum
    if each.element is float:
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif each.element is int:
        descriptor.integer_range = [
            IntegerRange(
                from_value=int(max(low, -_LARGEST_INT)), to_value=int(min(high, _LARGEST_INT))
            )
        ]
    return descriptor


def overrides(node: Node) -> dict[str, Parameter]:
    """Return the parameter values given from outside (command line, YAML, launch)."""
    found: dict[str, Parameter] = node._parameter_overrides  # noqa: SLF001
    return found


def refuse_unknown(node: Node) -> None:
    """Refuse values for parameters that do not exist: a typing error must not pass in silence.

    Raises:
        ComponentError: Naming the parameter, and those that exist.
    """
    for name in overrides(node):
        if not node.has_parameter(name) and not name.startswith(('qos_overrides.', *_OF_ROS)):
            known = sorted(
                each
                for each in node._parameters  # noqa: SLF001
                if not each.startswith(_OF_ROS)
            )
            raise ComponentError(f'there is no parameter {name!r}; there is {", ".join(known)}')


def follow_changes(node: Node, config: Config, apply: Callable[[Config], None]) -> None:
    """Hand every accepted change of parameters on as a whole configuration."""
    names = {each.name for each in config.options()}
    current = config.to_dict()

    def on_change(parameters: list[Parameter]) -> SetParametersResult:
        changes = {each.name: each.value for each in parameters if each.name in names}
        if not changes:
            return SetParametersResult(successful=True)
        try:
            wanted = type(config).from_mapping({**current, **changes})
            apply(wanted)
        except ComponentError as error:
            return SetParametersResult(successful=False, reason=str(error))
        current.update(wanted.to_dict())
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_change)
