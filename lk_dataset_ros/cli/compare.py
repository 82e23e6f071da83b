"""`lk compare`: compare two bags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from lk_dataset_ros.cli.comparing import compared
from lk_dataset_ros.cli.loading import warn
from lk_dataset_ros.cli.rule_options import RuleOptions, rule_options
from lk_dataset_ros.cli.targets import check_files, check_folder, make_folder
from lk_dataset_ros.comparison import DatasetComparison
from lk_dataset_ros.comparison.renderers import save, save_diffdiff
from lk_dataset_ros.comparison.renderers.text import print_head, print_keys, wide
from lk_dataset_ros.errors import ComparisonError

STYLES = {'equivalent': 'bold green', 'differs': 'bold red', 'inconclusive': 'bold yellow'}
#: Endings of the files that `--save` writes.
ENDINGS = ('.html', '.json', '.md', '.txt', '.xml', '.mcap', '.rrd')
#: What is in the folder of a report; what no tool may miss is written first.
REPORT = ('comparison.json', 'junit.xml', 'comparison.md', 'report.html', 'diffdiff.txt')


@click.command(name='compare')
@click.argument('original', required=False)
@click.argument('compiled', required=False)
@rule_options
@click.option(
    '--load',
    'saved',
    type=click.Path(path_type=Path),
    metavar='FILE',
    help='Show a saved comparison.json again, without the bags.',
)
@click.option(
    '--report',
    type=click.Path(path_type=Path),
    metavar='DIR',
    help=f'Write a folder with {", ".join(REPORT)}.',
)
@click.option(
    '--save',
    'files',
    multiple=True,
    type=click.Path(path_type=Path),
    metavar='FILE',
    help=f'Also write a file, {", ".join(ENDINGS)}. May be given again.',
)
@click.option('--overwrite', is_flag=True, help='Replace files that are there.')
@click.option('-v', '--verbose', is_flag=True, help='Show all fields that are equal, too.')
@click.option('-q', '--quiet', is_flag=True, help='Print the verdict only.')
@click.option('--no-color', is_flag=True, help='Print without colours.')
def command(
    original: str | None,
    compiled: str | None,
    saved: Path | None,
    report: Path | None,
    files: tuple[Path, ...],
    overwrite: bool,
    verbose: bool,
    quiet: bool,
    no_color: bool,
    **rules: Any,
) -> int:
    """Compare the bags ORIGINAL and COMPILED, topic by topic and field by field.

    Messages are paired by header stamp, or as --by says. Exits 0 if they are equivalent, 1 if they
    differ, 2 if they cannot be judged; docs/comparing.md tells of all rules.
    """
    if verbose and quiet:
        raise ComparisonError('--verbose and --quiet say the opposite of each other')
    check_files(files, ENDINGS, overwrite=overwrite)
    if report is not None:
        check_folder(report, REPORT, overwrite=overwrite)
    options = RuleOptions(**rules)
    comparison = _comparison(original, compiled, saved, options)
    console = Console(no_color=no_color)
    _show(comparison, console, verbose=verbose, quiet=quiet)
    for file in files:
        _save(comparison, file)
    if report is not None:
        _write_report(comparison, report)
        if not quiet:
            console.print(f'report:  {report / "report.html"}', markup=False, soft_wrap=True)
    return comparison.verdict.exit_code


def _comparison(
    original: str | None, compiled: str | None, saved: Path | None, options: RuleOptions
) -> DatasetComparison:
    """Compare, or load what was compared."""
    if saved is None:
        for name, value in (('ORIGINAL', original), ('COMPILED', compiled)):
            if value is None:
                raise click.UsageError(f"Missing argument '{name}'.")
        return compared(str(original), str(compiled), options)
    if original is not None or options != RuleOptions():
        raise ComparisonError(
            f'--load {saved} shows what was compared then; bags and rules have no effect on it'
        )
    return DatasetComparison.load(saved)


def _show(comparison: DatasetComparison, console: Console, *, verbose: bool, quiet: bool) -> None:
    if not quiet:
        print_head(comparison, wide(console))
        print_keys(comparison, console, verbose=verbose)
    # Last, too: the tables may have taken the head off the screen.
    verdict = comparison.verdict.value
    console.print(f'verdict: {verdict}', style=STYLES.get(verdict, 'bold red'), markup=False)


def _save(comparison: DatasetComparison, file: Path) -> None:
    """Save a comparison in the format that the ending names."""
    export = {'.mcap': comparison.to_foxglove, '.rrd': comparison.to_rerun}.get(file.suffix)
    if export is None:
        save(comparison, file)
        return
    # Exports replace nothing by themselves; what may be there was to be overwritten.
    file.unlink(missing_ok=True)
    warn(export(file).notes)


def _write_report(comparison: DatasetComparison, folder: Path) -> None:
    make_folder(folder)
    for name in REPORT:
        if name != 'diffdiff.txt':
            save(comparison, folder / name)
        elif comparison.original is not None:
            save_diffdiff(comparison, folder / name)
        else:
            warn([f'{folder / name} is left out: the differences are in the bags'])
