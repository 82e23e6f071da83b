"""`lk recover`: repair a bag whose recorder was killed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lk_dataset_ros.cli.copying import counted
from lk_dataset_ros.cli.info_text import megabytes
from lk_dataset_ros.dataset.databases.rosbag2.recovery import recover

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.databases.rosbag2.file_recovery import RecoveredFile
    from lk_dataset_ros.dataset.databases.rosbag2.recovery import Recovered

#: Of a file with many damaged places the first ones are told.
_PROBLEMS = 10


@click.command(name='recover')
@click.argument('bag')
@click.option(
    '-o',
    '--out',
    metavar='OUT',
    help='Make a whole copy here, a folder of a folder, and leave BAG as it is.',
)
def command(bag: str, out: str | None) -> int:
    """Make BAG whole again: a folder of .mcap files, or one of them.

    Summaries, message indexes and `metadata.yaml` are written anew; every message that is whole
    is kept. What could not be used stays beside its file, as NAME.rest or NAME.damaged.
    """
    for line in _lines(recover(Path(bag), Path(out) if out is not None else None)):
        click.echo(line)
    return 0


def _lines(recovered: Recovered) -> list[str]:
    """Return what was done, in words."""
    lines = [line for file in recovered.files for line in _file_lines(file)]
    lines += [
        f'{name}: holds nothing, and was renamed to {name}.damaged' for name in recovered.set_aside
    ]
    files = f' in {counted(len(recovered.files), "file")}' if len(recovered.files) > 1 else ''
    content = f'{counted(recovered.messages, "message")} of {counted(recovered.topics, "topic")}'
    written = '; metadata.yaml written' if recovered.metadata_written else ''
    return [*lines, f'{recovered.path}: {content}{files}{written}']


def _file_lines(file: RecoveredFile) -> list[str]:
    name = file.path.name
    if not file.problems:
        return [f'{name}: is whole, {counted(file.messages, "message")}']
    lines = [f'{name}: {each}' for each in file.problems[:_PROBLEMS]]
    if len(file.problems) > _PROBLEMS:
        lines.append(f'{name}: and {len(file.problems) - _PROBLEMS} more of that kind')
    rescued = f', {file.rescued} of them out of a cut chunk' if file.rescued else ''
    lines.append(f'{name}: repaired, {counted(file.messages, "message")}{rescued}')
    if file.kept_in:
        lines.append(
            f'{name}: what was taken out ({megabytes(file.left_out)}) is kept in {file.kept_in}'
        )
    return lines
