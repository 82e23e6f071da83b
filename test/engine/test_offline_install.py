"""`pip install .` gives the library and the lk command on a machine without ROS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lk_dataset_ros import Dataset, new_message

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the checkout into a folder of its own; return an environment that sees it only."""
    folder = tmp_path_factory.mktemp('site')
    env = {name: value for name, value in os.environ.items() if name != 'AMENT_PREFIX_PATH'}
    env['PYTHONPATH'] = str(folder)
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps']
    command += ['--no-build-isolation', '--no-index', '--target', str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return env


def test_library_works_without_ros(installed: dict[str, str], tmp_path: Path) -> None:
    """Bags are read and compared; nothing of ROS is imported, and nothing of it installed."""
    for name, value in (('a', 1), ('b', 1), ('c', 2)):
        with Dataset.create('mcap', tmp_path / name) as dataset:
            message = new_message('std_msgs/msg/Int32')
            message.data = value
            dataset.write('/count', message, timestamp=1.0)
    lk = [sys.executable, '-m', 'lk_dataset_ros.cli']
    for other, code in (('b', 0), ('c', 1), ('d', 2)):
        done = subprocess.run(
            [*lk, 'compare', 'a', other],
            cwd=tmp_path,
            env=installed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
    report = subprocess.run(
        [*lk, 'compare', 'a', 'c', '--save', 'report.html'],
        cwd=tmp_path, env=installed, capture_output=True, check=False,
    )  # fmt: skip
    assert report.returncode == 1
    assert '<html' in (tmp_path / 'report.html').read_text()
    check = (
        'import sys, pathlib, lk_dataset_ros.cli.main, lk_dataset_ros.experiment\n'
        'package = pathlib.Path(lk_dataset_ros.__file__).parent\n'
        'assert not (package / "ros").exists(), package\n'
        'assert "rclpy" not in sys.modules\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', check],
        cwd=tmp_path,
        env=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
