"""`lk export` as a user calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from lk_dataset_ros.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


@pytest.fixture
def bag(kit: Any) -> Path:
    """Record a drive with commands and a camera."""
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8)
    items = kit.drive(20)
    for index in range(20):
        time = 100 * S + index * S // 10
        twist = kit.message('geometry_msgs/msg/Twist', linear__x=float(index))
        picture = kit.message(
            'sensor_msgs/msg/Image', height=4, width=5, step=15, encoding='rgb8', data=pixels
        )
        items += [('/cmd_vel', twist, time), ('/front/image_raw', picture, time)]
    return kit.bag('bag', sorted(items, key=lambda item: item[2]))


def lk(*arguments: Any) -> int:
    """Run `lk export` in this process, as the command's entry does."""
    return main(['export', *map(str, arguments)])


def refused(capsys: Any, *arguments: Any) -> str:
    """Check that a command was refused in one line, and return that line."""
    assert lk(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('lk: error: ')
    return str(line)


@pytest.mark.parametrize('kind', ['parquet', 'csv'])
def test_tables(bag: Path, capsys: Any, kind: str) -> None:
    """Promise: each topic becomes a table, and its rows are told."""
    out = bag.parent / 'out'
    assert lk(bag, '--to', kind, '--out', out, '--key', '/odom', '--key', '/cmd_vel') == 0
    assert capsys.readouterr().out.splitlines() == ['/odom: 20 rows', '/cmd_vel: 20 rows']
    assert sorted(file.name for file in out.iterdir()) == [f'cmd_vel.{kind}', f'odom.{kind}']


def test_lerobot_by_options(bag: Path, capsys: Any) -> None:
    """Promise: signals on the command line become features; the cost of resampling is told."""
    out, report = bag.parent / 'out', bag.parent / 'report.json'
    code = lk(
        *(bag, bag, '--to', 'lerobot', '--out', out, '--fps', 5, '--task', 'drive'),
        *('--state', '/odom.pose.pose.position.x', '--state', '/odom.pose.pose.position.y'),
        *('--action', '/cmd_vel.linear.x', '--image', 'front=/front/image_raw'),
        *('--report', report, '--method', 'linear', '--slerp', '--stamps', '--max-age', '0.5'),
    )
    assert code == 0
    said = capsys.readouterr().out
    assert '2 episodes, 20 frames' in said
    assert 'time error' in said
    assert 'odom.pose.pose.position.y' in said
    features = json.loads((out / 'meta/info.json').read_text())['features']
    assert features['observation.state']['shape'] == [2]
    assert features['observation.images.front']['dtype'] == 'image'
    table = pq.read_table(out / 'data/chunk-000/file-000.parquet')
    assert table['action'].to_pylist()[:3] == [0, 2, 4]
    assert json.loads(report.read_text())['frames'] == 20


def test_robomimic_by_a_file(bag: Path) -> None:
    """Promise: a YAML file can say what the features are."""
    mapping, out = bag.parent / 'map.yaml', bag.parent / 'out.hdf5'
    mapping.write_text('action: /cmd_vel.linear.x\nobservation.state: [/odom.twist.twist]\n')
    command = [bag, '--to', 'robomimic', '--out', out, '--fps', 10, '--mapping', mapping]
    assert lk(*command, '--valid', 0, '--marker', '/cmd_vel') == 2
    assert lk(*command, '--valid', 0) == 0
    with h5py.File(out) as file:
        assert file['data/demo_0/obs/state'].shape == (18, 6)
        assert list(file['mask']) == ['train']


def test_the_default_mapping_is_told(bag: Path, capsys: Any) -> None:
    """Promise: without signals, what was chosen is printed."""
    assert lk(bag, '--to', 'lerobot', '--out', bag.parent / 'out', '--fps', 10) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith('action: /cmd_vel.linear.x, /cmd_vel.linear.y')
    assert lines[2] == 'observation.images.front: /front/image_raw'


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (['--to', 'xml'], "'xml'"),
        (['--to', 'lerobot'], '--fps 20'),
        (['--to', 'lerobot', '--fps', '29.97'], 'whole frames'),
        (['--to', 'lerobot', '--fps', 'nan'], 'nan'),
        (['--to', 'lerobot', '--fps', 'inf'], 'inf'),
        (['--to', 'robomimic', '--fps', '0'], '0.0 frames per second'),
        (['--to', 'lerobot', '--fps', '5', '--state', '/none.x'], '/none.x begins with no'),
        (['--to', 'robomimic', '--fps', '5', '--state', '/odom'], 'needs a feature action'),
        (['--to', 'lerobot', '--fps', '5', '--image', 'front'], 'front=/camera/image_raw'),
        (['--to', 'lerobot', '--fps', '5', '--marker', '/none'], 'there is no /none'),
        (['--to', 'lerobot', '--fps', '5', '--mapping', '/none.yaml'], '/none.yaml'),
        (['--to', 'csv', '--key', '/none'], 'there is no /none'),
        (['--to', 'csv', '--field', 'none'], 'has a field none'),
    ],
)
def test_wrong_use_is_one_line(bag: Path, capsys: Any, options: list[str], reason: str) -> None:
    """Promise: what cannot be done is told in one line with exit code 2, and nothing is made."""
    assert reason in refused(capsys, bag, *options, '--out', bag.parent / 'out')
    assert [file.name for file in bag.parent.iterdir()] == ['bag']


def test_nothing_is_overwritten(bag: Path, capsys: Any) -> None:
    """Promise: a target or report that exists is refused before anything is read."""
    for options in (['--out', bag], ['--out', bag.parent / 'x', '--report', bag]):
        line = refused(capsys, '/no/such/bag', '--to', 'csv', *options)
        assert f'{bag} exists; it is not overwritten' in line


def test_several_bags_are_episodes_not_tables(bag: Path, capsys: Any) -> None:
    """Promise: several bags into one table are refused, with what to do."""
    assert 'lk merge' in refused(capsys, bag, bag, '--to', 'csv', '--out', bag.parent / 'x')


@pytest.mark.parametrize(
    'text', ['[1, 2]', 'a: {b: c}', '{', '', 'x: !!python/object:os.system {}']
)
def test_a_broken_mapping_is_refused(bag: Path, capsys: Any, text: str) -> None:
    """Promise: a mapping file that is none is refused in one line."""
    mapping = bag.parent / 'map.yaml'
    mapping.write_text(text)
    command = [bag, '--to', 'lerobot', '--out', bag.parent / 'x', '--fps', 5]
    refused(capsys, *command, '--mapping', mapping)
