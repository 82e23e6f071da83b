"""Documentation is executed: Python sessions, marked commands, and what it says of the verbs."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import lk_dataset_ros
from lk_dataset_ros.cli.main import VERBS
from lk_dataset_ros.dataset import dataset as dataset_module

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *('README.md', 'docs/dataset.md', 'docs/cli.md', 'docs/comparing.md', 'docs/experiment.md'),
    'examples/dataset/README.md',
]


def marked_blocks() -> list[tuple[str, str]]:
    """Return page and text of the commands that are marked as tested and need no ROS."""
    blocks = [
        (page, block.strip())
        for page in PAGES
        for block in re.findall(
            r'<!-- tested -->\n```bash\n(.*?)```', (ROOT / page).read_text(), re.DOTALL
        )
    ]
    # `lk ab` starts nodes: test/graph/test_demo.py has it.
    return [(page, block) for page, block in blocks if 'lk ab' not in block]


@pytest.mark.parametrize(
    ('page', 'least'),
    [
        *(('README.md', 9), ('docs/dataset.md', 70), ('docs/comparing.md', 30)),
        *(('docs/viewing-differences.md', 8), ('docs/falsifying.md', 3)),
    ],
    ids=['README', 'dataset', 'comparing', 'viewing', 'falsifying'],
)
def test_python_sessions_do_what_they_show(
    page: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's Python session, from top to bottom, gives the output that it shows."""
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(ROOT / page), module_relative=False)
    assert result.attempted > least
    assert result.failed == 0


@pytest.fixture(scope='module')
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bag of 4 s of odometry, where the pages' commands are run in turn."""
    folder = tmp_path_factory.mktemp('commands')
    sys.path.insert(0, str(ROOT / 'examples' / 'dataset'))
    try:
        import_module('drive').make_drive(folder / 'bag', count=200)
    finally:
        sys.path.pop(0)
        sys.modules.pop('drive', None)
    return folder


@pytest.mark.parametrize(('page', 'block'), marked_blocks(), ids=lambda text: text.split('\n')[0])
def test_commands_work(page: str, block: str, commands: Path) -> None:
    """The commands of a page do what they say, one after the other, and say nothing is wrong."""
    work = commands / page.replace('/', '_')
    if not work.exists():
        shutil.copytree(commands / 'bag', work / 'bag')
    # The `lk` of this checkout, whatever is installed.
    script = f'set -eu\nlk() {{ "{sys.executable}" -m lk_dataset_ros.cli "$@"; }}\n{block}\n'
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
    }
    done = subprocess.run(
        ['bash', '-c', script],
        capture_output=True,
        text=True,
        cwd=work,
        env=environment,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ''), done


def test_every_new_verb_has_tested_commands() -> None:
    """docs/cli.md shows each verb at work; a block that is not marked would not be executed."""
    blocks = '\n'.join(block for page, block in marked_blocks() if page == 'docs/cli.md')
    # Those that start nodes are shown at work on a graph: test/graph.
    for verb in set(VERBS) - {'ab', 'compare', 'diffdiff', 'play', 'record', 'select'}:
        assert f'lk {verb} ' in blocks


def test_readme_component_works() -> None:
    """The README's component can be made and stepped."""
    text = (ROOT / 'README.md').read_text()
    source = next(
        block for block in re.findall(r'```python\n(.*?)```', text, re.DOTALL) if 'Gain' in block
    )
    names: dict[str, object] = {'__name__': __name__}
    exec(source, names)
    gain = names['Gain'](gain=3.0)  # type: ignore[operator]
    message = lk_dataset_ros.new_message('std_msgs/msg/Float64')
    message.data = 2.0
    assert gain(position=message)['scaled'].data == 6.0


def test_dataset_docstring_works() -> None:
    """The example in the docstring of Dataset gives the output that it shows."""
    result = doctest.testmod(
        dataset_module, extraglobs={'new_message': lk_dataset_ros.new_message}
    )
    assert result.attempted >= 3
    assert result.failed == 0


def test_public_names_are_importable() -> None:
    """Every public name at the top leads somewhere."""
    for name in lk_dataset_ros.__all__:
        assert getattr(lk_dataset_ros, name) is not None


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    """The README tells of every verb, and docs/cli.md of every option of the verbs it describes."""
    assert f'lk {verb}' in (ROOT / 'README.md').read_text()
    page = (ROOT / 'docs/cli.md').read_text()
    # docs/comparing.md has those that compare: test_lk_compare.py.
    if verb in ('ab', 'compare', 'diffdiff', 'select'):
        return
    _, _, section = page.partition(f'\n## lk {verb}\n')
    assert section
    command: Any = import_module(f'lk_dataset_ros.cli.{verb}').command
    for option in command.params:
        if option.param_type_name == 'option':
            assert option.help, option.name
            # One of the names is enough; options that verbs share are told of once.
            assert any(name in page for name in option.opts), option.name


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page leads to a file that is there."""
    for link in re.findall(r'\]\(([^)#:]+)\)', (ROOT / page).read_text()):
        assert ((ROOT / page).parent / link).exists(), link


def test_every_extra_is_named() -> None:
    """The README names every extra that pyproject.toml defines."""
    lines = (ROOT / 'pyproject.toml').read_text()
    extras = re.search(r'\[project.optional-dependencies\]\n(.*?)\n\n', lines, re.DOTALL)
    assert extras
    named = re.search(r"pip install '\.\[([a-z0-9,]+)\]'", (ROOT / 'README.md').read_text())
    assert named
    found = set(re.findall(r'^(\w+) = ', extras[1], re.MULTILINE)) - {'test', 'testing'}
    assert set(named[1].split(',')) == found
