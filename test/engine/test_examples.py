"""The programs of examples/dataset, run as a user runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lk_dataset_ros import Dataset

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples' / 'dataset'


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program with this interpreter; return what it prints."""
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the bag of the examples with the program that does."""
    folder = tmp_path_factory.mktemp('examples')
    run(EXAMPLES / 'drive.py', 'bag', cwd=folder)
    return folder / 'bag'


def test_the_drive_is_a_controller_at_work(bag: Path) -> None:
    """Promise: the bag holds three topics, and each command answers goal and odometry."""
    with Dataset.load(bag) as dataset:
        counts = {key: topic.count for key, topic in dataset.topics().items()}
        assert counts == {'/goal': 20, '/odom': 5000, '/cmd_vel': 5000}
        odometry, commands = dataset.columns('/odom'), dataset.columns('/cmd_vel')
        goal = dataset.columns('/goal')['point.x'].values.repeat(250)
        wanted = 1.5 * (goal - odometry['pose.pose.position.x'].values)
        assert (commands['twist.linear.x'].values == wanted.clip(-0.8, 0.8)).all()
        assert odometry.stamp_ns is not None
        assert (commands.stamp_ns == odometry.stamp_ns).all()


def test_columns_to_pandas(bag: Path) -> None:
    """Promise: the way that is told is the one that was driven."""
    said = run(EXAMPLES / 'columns_to_pandas.py', bag, cwd=bag.parent)
    with Dataset.load(bag) as dataset:
        x = dataset.columns('/odom', fields=['pose.pose.position.x'])['pose.pose.position.x']
    driven = abs(x.values[1:] - x.values[:-1]).sum()
    assert f'driven: {driven:.1f} m' in said.splitlines()


def test_train_from_bag(bag: Path) -> None:
    """Promise: the network is told what was matched, and errs less than a constant would."""
    said = run(
        *(EXAMPLES / 'train_from_bag.py', bag, '--epochs', '3', '-i', '/odom.pose.pose.position'),
        *('-i', '/goal.point', '-o', '/cmd_vel.twist.linear.x'),
        cwd=bag.parent,
    )
    assert '/cmd_vel 5000 of 5000' in said
    found = re.search(r'rms error ([\d.]+), standard deviation ([\d.]+)', said)
    assert found
    assert float(found[1]) < 0.5 * float(found[2])


def test_own_database(tmp_path: Path) -> None:
    """Promise: it stores what it is given, and its file is refused the second time."""
    said = run(EXAMPLES / 'own_database.py', cwd=tmp_path)
    assert '<Dataset drive.table: /share std_msgs/msg/Float64 5; 4.000 s>' in said
    assert '[0.   0.25 0.5  0.75 1.  ]' in said
    with pytest.raises(AssertionError, match=r'drive\.table exists'):
        run(EXAMPLES / 'own_database.py', cwd=tmp_path)


def test_own_database_keeps_the_promises(tmp_path: Path) -> None:
    """Promise: the suite passes as the docs start it, and it did run."""
    options = ['-q', '-p', 'no:cacheprovider', '--import-mode=prepend', '--basetemp', 'work']
    test = EXAMPLES / 'test_own_database.py'
    said = run('-m', 'pytest', *options, '--rootdir', tmp_path, test, cwd=tmp_path)
    found = re.search(r'(\d+) passed', said)
    assert found
    assert int(found[1]) > 25


def test_every_program_is_listed() -> None:
    """Promise: the README of the examples names each of them."""
    text = (EXAMPLES / 'README.md').read_text()
    for file in EXAMPLES.glob('*.py'):
        assert f'`{file.name}`' in text
