"""Verbs that are nodes: options as `ros2 bag` has them, parameters as ROS takes them."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.experiment.environment import own_executable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROS_ARGS = '--ros-args'


class NodeCommand(click.Command):
    """A command some of whose options take several values: `--topics /odom /scan`.

    What follows `--ros-args` is passed on to the node, in `ctx.obj`.

    Args:
        several: Options that take all values up to the next option; to be declared `multiple`.
        optional: Options that may stand without their value, and the value they then have.
    """

    def __init__(
        self,
        *args: Any,
        several: Sequence[str] = (),
        optional: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._several = frozenset(several)
        self._optional = dict(optional or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bring the arguments into the form that click knows."""
        if ROS_ARGS in args:
            place = args.index(ROS_ARGS)
            args, ctx.obj = args[:place], args[place + 1 :]
        else:
            ctx.obj = []
        return super().parse_args(ctx, self._spread(args))

    def _spread(self, args: list[str]) -> list[str]:
        spread: list[str] = []
        place = 0
        while place < len(args):
            name = args[place]
            place += 1
            if name in self._several:
                values = _values(args[place:])
                place += len(values)
                for value in values:
                    spread += [name, value]
                if not values:
                    spread.append(name)  # click says that a value is missing
            elif name in self._optional and not _is_number(args[place : place + 1]):
                spread += [name, self._optional[name]]
            else:
                spread.append(name)
        return spread


def _values(args: Sequence[str]) -> list[str]:
    values: list[str] = []
    for each in args:
        if each.startswith('-') and len(each) > 1:
            break
        values.append(each)
    return values


def _is_number(args: Sequence[str]) -> bool:
    try:
        return bool(args) and float(args[0]) == float(args[0])
    except ValueError:
        return False


def start_node(executable: str, parameters: Mapping[str, Any], more: Sequence[str] = ()) -> int:
    """Become a node of this package: keys, ctrl-C and exit code are the node's from here on.

    Args:
        executable: Name of the node's executable.
        parameters: Parameters; no empty lists, which ROS cannot write.
        more: More ROS arguments.

    Raises:
        EnvironmentNotReadyError: If no ROS 2 with this package is sourced.
    """
    command = [*own_executable(executable), ROS_ARGS]
    for name, value in parameters.items():
        # JSON is YAML: whatever a string holds, it stays a string.
        command += ['-p', f'{name}:={json.dumps(value)}']
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], [*command, *more])  # noqa: S606 - no shell is the point
    return 0  # not reached, but where a test stands in for execv
