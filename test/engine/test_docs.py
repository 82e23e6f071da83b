"""Documentation is executed."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import lk_dataset_ros
from lk_dataset_ros.dataset import dataset as dataset_module

ROOT = Path(__file__).resolve().parents[2]


def test_readme_python_does_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python session gives the output that it shows."""
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(ROOT / 'README.md'), module_relative=False)
    assert result.attempted > 3
    assert result.failed == 0


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
    assert result.attempted == 3
    assert result.failed == 0


def test_public_names_are_importable() -> None:
    """Every public name at the top leads somewhere."""
    for name in lk_dataset_ros.__all__:
        assert getattr(lk_dataset_ros, name) is not None


@pytest.mark.parametrize('verb', ['ab', 'compare'])
def test_every_verb_is_documented(verb: str) -> None:
    """The README tells of every verb."""
    assert f'lk {verb}' in (ROOT / 'README.md').read_text()
