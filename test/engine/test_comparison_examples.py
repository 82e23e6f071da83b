"""The programs of examples/comparison, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples' / 'comparison'


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program with this interpreter."""
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(('bias', 'code', 'says'), [(0.0, 0, 'equivalent'), (0.02, 1, 'differs')])
def test_noisy_runs(tmp_path: Path, bias: float, code: int, says: str) -> None:
    """Promise: equal noise is equivalent, a bias of 2 cm in noise of 5 cm is not; with reports."""
    done = run(EXAMPLES / 'noisy_runs.py', 'out', '--bias', str(bias), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (code, '')
    assert says in done.stdout.splitlines()[0]
    assert {each.name for each in (tmp_path / 'out').iterdir() if each.is_file()} == {
        *('report.html', 'comparison.json', 'comparison.md')
    }


def test_own_comparator(tmp_path: Path) -> None:
    """Promise: half a percent is the same to the driver, eight percent are not."""
    done = run(EXAMPLES / 'own_comparator.py', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('equivalent\n')
    assert 'battery' in done.stdout
    assert 'differs' in done.stdout


def test_trajectories(tmp_path: Path) -> None:
    """Promise: the drift that was put in is the error that is told."""
    done = run(EXAMPLES / 'trajectories.py', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'absolute' in done.stdout


def test_same_as_before(tmp_path: Path) -> None:
    """Promise: the regression test passes, and fails with the field when the gain changes."""
    file = EXAMPLES / 'test_same_as_before.py'
    options = ('-m', 'pytest', '-q', '-p', 'no:cacheprovider')
    assert run(*options, file, cwd=tmp_path).returncode == 0
    changed = tmp_path / file.name
    changed.write_text(file.read_text().replace('0.2001', '0.3'))
    done = run(*options, changed, cwd=tmp_path)
    assert done.returncode == 1
    assert '/level' in done.stdout
