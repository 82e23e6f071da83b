"""The demo, the launch files and the README's commands, as a user would run them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from graph_kit import ROOT, Graph

if TYPE_CHECKING:
    from pathlib import Path

DEMO = str(ROOT / 'examples' / 'odometry_smoother' / 'demo.py')


def test_demo_shows_both_verdicts(graph: Graph, tmp_path: Path) -> None:
    """The demo records by itself, finds the right arm equivalent and the wrong one differing."""
    code, said = graph.finish(graph.start(sys.executable, DEMO))
    assert code == 0, said
    assert re.search(r'The C\+\+ port: +equivalent', said)
    assert re.search(r'without clamp: +differs, first at stamp \d+\.\d{9}: /smoothed twist', said)
    report = re.search(r'The report: +(\S+)', said)
    assert report is not None
    assert (tmp_path / report.group(1)).stat().st_size > 10_000
    result = json.loads((tmp_path / report.group(1)).with_name('comparison.json').read_text())
    assert result['inputs'] == {'/odom': 600}


def test_demo_runs_on_a_real_recording(graph: Graph, real_bag: Path) -> None:
    """The demo takes a user's own recording."""
    process = graph.start(sys.executable, DEMO, '--bag', str(real_bag), '--topic', '/odom')
    code, said = graph.finish(process)
    assert code == 0, said
    assert '2639 of 2639' in said


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (('--bag', 'nowhere'), 'there is no bag at nowhere'),
        (('--bag', 'bag', '--topic', '/none'), 'there is no /none in bag; there is /odom'),
    ],
)
def test_demo_refuses_what_it_cannot_use(
    graph: Graph, bag: Path, arguments: tuple[str, ...], says: str
) -> None:
    """A recording that is not there is one line, exit code 2, and no folder is left."""
    code, said = graph.finish(graph.start(sys.executable, DEMO, *arguments))
    assert code == 2
    assert said.startswith(f'demo: error: {says}')
    assert len(said.splitlines()) == 1
    assert not (bag.parent / 'runs').exists()


def readme_commands() -> list[str]:
    """Return the commands of the README that are marked as tested."""
    text = (ROOT / 'README.md').read_text()
    blocks = re.findall(r'<!-- tested -->\n```bash\n(.*?)```', text, re.DOTALL)
    return [block.strip() for block in blocks]


@pytest.mark.parametrize('script', readme_commands(), ids=lambda script: script.split('\n')[0])
def test_readme_commands_work(graph: Graph, bag: Path, tmp_path: Path, script: str) -> None:
    """The README's commands do what they say, in a folder with a bag and the example."""
    assert bag.exists()
    shutil.copy(ROOT / 'examples' / 'odometry_smoother' / 'experiment.yaml', tmp_path)
    process = graph.start('bash', '-c', f'set -eu\n{script}\n')
    code, said = graph.finish(process)
    assert code == 0, said
