"""`lk types`: which message types a bag needs, and building those that are missing."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces import State, build_missing, needs_of

if TYPE_CHECKING:
    from lk_dataset_ros.interfaces import Built, Need, Needs

#: Name and version of the machine format; a change that breaks its readers raises the version.
JSON_FORMAT, JSON_VERSION = 'lk_dataset_ros/types', 1


@click.command(name='types')
@click.argument('bag')
@click.option('--build', is_flag=True, help='Build the types that are missing.')
@click.option(
    '--time-limit',
    type=click.FloatRange(1.0, 86400.0),
    default=600.0,
    show_default=True,
    help='Longest time that building may take, in seconds.',
)
@click.option('--json', 'as_json', is_flag=True, help='Print JSON (see docs/cli.md).')
def command(bag: str, build: bool, time_limit: float, as_json: bool) -> int:
    """Tell which message types BAG needs, and which of them are not installed.

    With --build, packages are written from the definitions in the bag, built by colcon into the
    user's cache, and used from then on by playback, recorder and lk ab. Nothing is installed.

    Exits 0 if every type is there, 1 if some are missing, 2 if an installed type is another one
    than that of the bag, or if a build fails.
    """
    with load(bag) as dataset:
        carried = [(topic.name, topic.schema) for topic in dataset.topics().values()]
    built: Built | None = None
    if build:
        built = build_missing(carried, time_limit_s=time_limit, say=_say)
    needs = needs_of(carried)
    if as_json:
        click.echo(json.dumps(to_json(needs, built), indent=2, allow_nan=False))
    else:
        _show(needs, built, bag)
    differing = needs.of(State.DIFFERS)
    if differing:
        raise MessageTypeError(differing[0].reason)
    return 1 if needs.of(State.MISSING, State.UNUSABLE) else 0


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def _show(needs: Needs, built: Built | None, bag: str) -> None:
    rows = [('type', 'state', 'topics'), *(_row(need) for need in needs.types.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for row in rows:
        first = '  '.join(text.ljust(width) for text, width in zip(row, widths, strict=False))
        click.echo(f'{first}  {row[2]}'.rstrip())
    for need in needs.of(State.DIFFERS):
        click.echo(f'\n{need.name} differs from the installed one:')
        click.echo(f'  in the bag  {need.type_hash}\n  installed   {need.found_hash}')
        for line in need.changes:
            click.echo(f'  {line}')
    for need in needs.of(State.UNUSABLE):
        click.echo(f'\n{need.reason}')
    _show_built(built)
    missing = needs.of(State.MISSING)
    if needs.of(State.UNKNOWN):
        click.echo('\nNo ROS 2 is sourced: what is installed is not known.')
    elif missing:
        what = '1 type is' if len(missing) == 1 else f'{len(missing)} types are'
        click.echo(f'\n{what} missing; to build: lk types {shlex.quote(bag)} --build')


def _show_built(built: Built | None) -> None:
    if built is None:
        return
    if not built.overlays:
        click.echo('\nNothing had to be built.')
    for overlay in built.overlays:
        count = len(overlay.types)
        types = '1 type' if count == 1 else f'{count} types'
        click.echo(f'\nbuilt {overlay.package} ({types}, hashes as in the bag): {overlay.path}')
    for each in built.left_out:
        click.echo(f'left out: {each}')


def _row(need: Need) -> tuple[str, str, str]:
    return need.name, need.state.value, ', '.join(need.topics) or '(part of another type)'


def to_json(needs: Needs, built: Built | None) -> dict[str, Any]:
    """Return needs as plain values; every name in it is part of the format."""
    return {
        'format': JSON_FORMAT,
        'version': JSON_VERSION,
        'types': [
            {
                'name': need.name,
                'state': need.state.value,
                'type_hash': need.type_hash,
                'installed_hash': need.found_hash,
                'topics': list(need.topics),
                'reason': need.reason,
                'changes': list(need.changes),
            }
            for need in needs.types.values()
        ],
        'built': [
            {
                'package': overlay.package,
                'path': str(overlay.path),
                'types': dict(overlay.types),
            }
            for overlay in (built.overlays if built else ())
        ],
        'left_out': list(built.left_out) if built else [],
    }
