"""`lk compare`: compare two bags."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.comparison.renderers.text import print_keys, wide
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import BagExistsError


@click.command(name='compare')
@click.argument('original', type=click.Path(path_type=Path))
@click.argument('compiled', type=click.Path(path_type=Path))
@click.option('--key', 'keys', multiple=True, help='Compare this topic only; may be given again.')
@click.option('--rtol', type=click.FloatRange(min=0.0), help='Relative tolerance of floats.')
@click.option('--atol', type=click.FloatRange(min=0.0), help='Absolute tolerance of floats.')
@click.option(
    '--save',
    'files',
    multiple=True,
    type=click.Path(path_type=Path),
    help='Also write a .json, .html or .txt file; may be given again.',
)
def command(
    original: Path,
    compiled: Path,
    keys: tuple[str, ...],
    rtol: float | None,
    atol: float | None,
    files: tuple[Path, ...],
) -> int:
    """Compare the bags ORIGINAL and COMPILED, topic by topic and field by field.

    Messages are paired by header stamp. Exits 0 if they are equivalent, 1 if they differ, 2 if
    they cannot be compared.
    """
    for file in files:
        if file.exists():
            raise BagExistsError(f'{file} exists; it is not overwritten')
    comparison = Dataset.load(original).compare(
        Dataset.load(compiled),
        keys=list(keys) or None,
        tolerance=Tolerance(rtol=rtol, atol=atol),
        original_name=str(original),
        compiled_name=str(compiled),
    )
    console = wide(Console())
    print_keys(comparison, console)
    console.print(f'verdict: {comparison.verdict.value}', style='bold', markup=False)
    for file in files:
        comparison.save_to_file(file)
    return comparison.verdict.exit_code
