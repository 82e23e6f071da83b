"""`lk diffdiff`: every difference of two bags as text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from lk_dataset_ros.cli.comparing import compared
from lk_dataset_ros.cli.rule_options import RuleOptions, rule_options
from lk_dataset_ros.cli.targets import check_files
from lk_dataset_ros.comparison.renderers import save_diffdiff, write_diffdiff


@click.command(name='diffdiff')
@click.argument('original')
@click.argument('compiled')
@rule_options
@click.option(
    '-o',
    '--output',
    default='diffdiff.txt',
    show_default=True,
    metavar='FILE',
    help='File to write; - is standard output.',
)
@click.option('--overwrite', is_flag=True, help='Replace the file if it is there.')
def command(original: str, compiled: str, output: str, overwrite: bool, **rules: Any) -> int:
    """Write every difference of the bags ORIGINAL and COMPILED to a text file.

    Key, field, index, stamp, both values, error and tolerance; nothing is left out. Exits 0 if
    they are equivalent, 1 if they differ, 2 if they cannot be judged; docs/comparing.md tells of
    all rules.
    """
    options = RuleOptions(**rules)
    if output == '-':
        comparison = compared(original, compiled, options)
        write_diffdiff(comparison, sys.stdout)
        return comparison.verdict.exit_code
    file = Path(output)
    check_files([file], overwrite=overwrite)
    comparison = compared(original, compiled, options)
    save_diffdiff(comparison, file)
    click.echo(f'verdict: {comparison.verdict.value}; the differences are in {file}')
    return comparison.verdict.exit_code
