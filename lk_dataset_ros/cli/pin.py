"""`lk pin`: a regression test made of a recording."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from lk_dataset_ros.cli.copying import counted
from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.cli.times import time_ns_of
from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.comparison.pairing import WAYS
from lk_dataset_ros.comparison.pinning import Bounds, Subject, pin, subject_of
from lk_dataset_ros.dataset.yaml_text import load_yaml
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.comparison.pinning import Pinned
    from lk_dataset_ros.dataset import Dataset

#: YAML 1.1 takes 1e-3 for a text.
_EXPONENT = re.compile(r'[-+]?\d+(\.\d*)?[eE][-+]?\d+')
#: Ways of pairing that need nothing else.
_WAYS = tuple(way for way in WAYS if way not in ('lineage', 'nearest'))


@click.command(name='pin')
@click.argument('bag')
@click.option(
    '--output',
    'outputs',
    multiple=True,
    required=True,
    metavar='TOPIC',
    help='Topic that must not change. May be given again.',
)
@click.option(
    '--input',
    'inputs',
    multiple=True,
    metavar='TOPIC',
    help='Input to keep; those that the component takes are kept anyway. May be given again.',
)
@click.option(
    '--component',
    metavar='MODULE:CLASS',
    help='The component; without one, the test judges a bag that LK_PINNED_BAG names.',
)
@click.option(
    '--param',
    'settings',
    multiple=True,
    metavar='NAME=VALUE',
    help='Setting of the component, the value as in YAML. May be given again.',
)
@click.option(
    '--topic',
    'topics',
    multiple=True,
    metavar='PORT=TOPIC',
    help='Topic of a port where it does not follow from name or type. May be given again.',
)
@click.option(
    '--python-path',
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    metavar='DIR',
    help='Folder to import from, here and in the test. May be given again.',
)
@click.option(
    '--into',
    type=click.Path(path_type=Path),
    default=Path(),
    metavar='DIR',
    help='Folder of the test and its recording; the current one by default.',
)
@click.option('--name', default='', metavar='NAME', help='The test is test_pinned_NAME.py then.')
@click.option(
    '--start', metavar='TIME', help='First time that is taken; the beginning if left out.'
)
@click.option(
    '--duration',
    type=click.FloatRange(min=0.0, min_open=True, max=1e9),
    metavar='S',
    help='Seconds that are taken; all to the end if left out.',
)
@click.option(
    '--max-messages',
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    metavar='N',
    help='Input messages that are taken at most.',
)
@click.option('--rtol', type=click.FloatRange(min=0.0), help='Relative tolerance of floats.')
@click.option('--atol', type=click.FloatRange(min=0.0), help='Absolute tolerance of floats.')
@click.option(
    '--ignore',
    'ignored',
    multiple=True,
    metavar='PATTERN=REASON',
    help='Field that may change, and why. May be given again.',
)
@click.option(
    '--by',
    type=click.Choice(_WAYS),
    default='auto',
    show_default=True,
    help='What messages are paired by.',
)
@click.option(
    '--rerun', is_flag=True, help='Pin what the component answers now, not what was recorded.'
)
@click.option('--overwrite', is_flag=True, help='Replace a test of this name.')
def command(
    bag: str,
    into: Path,
    name: str,
    start: str | None,
    duration: float | None,
    max_messages: int,
    rtol: float | None,
    atol: float | None,
    ignored: tuple[str, ...],
    by: str,
    rerun: bool,
    overwrite: bool,
    **named: Any,
) -> int:
    """Write a test that fails when what answers the inputs in BAG changes its outputs.

    Two files come to be in the folder: test_pinned_NAME.py for pytest, and pinned_NAME.mcap with
    the inputs and the outputs that it is held against. Outputs that BAG lacks are what the
    component answers now.

    Exits 0 if they are written, 1 if they are, but the test fails already, 2 if they are not.
    """
    with load(bag) as dataset:
        subject = _subject(dataset, **named)
        pinned = pin(
            dataset,
            into,
            outputs=_distinct(named['outputs']),
            inputs=_distinct(named['inputs']),
            subject=subject,
            name=name,
            bounds=_bounds(dataset, start, duration, max_messages),
            tolerance=Tolerance(
                rtol=rtol, atol=atol, ignore=dict(_pairs('--ignore', ignored, 'PATTERN=REASON'))
            ),
            pairing=by,
            rerun=rerun,
            overwrite=overwrite,
            command=_command_line(),
        )
    _tell(pinned)
    return 1 if pinned.difference else 0


def _subject(
    dataset: Dataset,
    *,
    outputs: tuple[str, ...],
    inputs: tuple[str, ...],
    component: str | None,
    settings: tuple[str, ...],
    topics: tuple[str, ...],
    python_path: tuple[str, ...],
) -> Subject | None:
    if component is None:
        for option, given in (
            ('--param', settings),
            ('--topic', topics),
            ('--python-path', python_path),
        ):
            if given:
                raise ComparisonError(f'{option} is about a component; name it with --component')
        return None
    return subject_of(
        component,
        dataset,
        inputs=inputs,
        outputs=outputs,
        settings={
            name: _value(name, text) for name, text in _pairs('--param', settings, 'NAME=VALUE')
        },
        topics=dict(_pairs('--topic', topics, 'PORT=TOPIC')),
        python_path=python_path,
    )


def _value(name: str, text: str) -> Any:
    """Return a setting: a number, a text, a list, as in YAML."""
    if _EXPONENT.fullmatch(text):
        return float(text)
    try:
        return load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ComparisonError(f'--param {name}: {text!r} is no value that YAML knows') from error


def _bounds(
    dataset: Dataset, start: str | None, duration: float | None, max_messages: int
) -> Bounds:
    span = dataset.time_range_ns()
    return Bounds(
        start_ns=None if start is None or span is None else time_ns_of(start, span),
        duration_ns=None if duration is None else max(round(duration * 1e9), 1),
        max_messages=max_messages,
    )


def _pairs(option: str, texts: tuple[str, ...], wanted: str) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition('=')
        if not (name.strip() and equals and value.strip()):
            raise ComparisonError(f'{option} {text!r} is incomplete; write {option} {wanted}')
        yield name.strip(), value.strip()


def _distinct(keys: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(keys))


def _command_line() -> str:
    """Return the command as it could be typed again, without what replaces files."""
    context = click.get_current_context()
    words = ['lk', 'pin']
    options = [each for each in context.command.params if isinstance(each, click.Option)]
    for parameter in [*(set(context.command.params) - set(options)), *options]:
        given = context.params[str(parameter.name)]
        is_left_out = given is None or given == parameter.get_default(context)
        if is_left_out or parameter.name == 'overwrite':
            continue
        if not isinstance(parameter, click.Option):
            words.append(str(given))
        elif parameter.is_flag:
            words.append(parameter.opts[0])
        else:
            for each in given if parameter.multiple else [given]:
                words += [parameter.opts[0], str(each)]
    return shlex.join(words)


def _tell(pinned: Pinned) -> None:
    counts = ', '.join(f'{key} {count}' for key, count in pinned.counts.items())
    size = pinned.reference.stat().st_size
    total = counted(sum(pinned.counts.values()), 'message')
    click.echo(f'wrote {pinned.test}')
    click.echo(f'wrote {pinned.reference}: {total} ({counts}), {size / 1000:,.0f} kB')
    if pinned.was_run:
        click.echo('the outputs are what the component answers now')
    if pinned.difference:
        click.echo('the test fails already (--rerun pins what the component answers now):')
        click.echo(pinned.difference)
