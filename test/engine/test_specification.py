"""Specifications: what is read, and how faults are pointed at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison import Limit
from lk_dataset_ros.errors import LkError, SpecificationError
from lk_dataset_ros.experiment import Specification
from lk_dataset_ros.experiment.specification import json_schema

WHOLE = """\
version: 1
name: smooth
inputs:
  bag: bags/drive
  topics: [/odom, /scan]
original:
  component: pkg.mod:Original
  python_path: [python]
compiled:
  cpp:
    package: pkg
    executable: node
    parameters: {gain: 2.0}
    remappings: {out: /smoothed}
  nn:
    component: pkg.mod:Net
outputs:
  - topic: /smoothed
    answers: /odom
tolerance:
  rtol: 1.0e-6
  fields:
    '**.orientation.*': {atol: 0.001}
  ignore:
    header.frame_id: named by the driver
rtf: 0.5
clock_hz: 100
limits: {answer_s: 2}
"""


def load(folder: Path, text: str) -> Specification:
    """Write a specification and read it."""
    path = folder / 'experiment.yaml'
    path.write_text(text)
    return Specification.load(path)


def fault(folder: Path, text: str) -> str:
    """Return the error of a wrong specification, without the folder."""
    with pytest.raises(SpecificationError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert '\n' not in message
    assert message.startswith(str(folder / 'experiment.yaml'))
    return message.removeprefix(str(folder / 'experiment.yaml'))


def test_everything_that_is_said_is_read(tmp_path: Path) -> None:
    """Promise: each field arrives, paths relative to the file's folder."""
    found = load(tmp_path, WHOLE)
    assert (found.name, found.bag) == ('smooth', tmp_path / 'bags' / 'drive')
    assert found.topics == ('/odom', '/scan')
    assert [arm.name for arm in found.arms] == ['original', 'cpp', 'nn']
    assert found.original.python_path == (str(tmp_path / 'python'),)
    cpp, nn = found.compiled
    assert (cpp.what, nn.what) == ('pkg/node', 'pkg.mod:Net')
    assert dict(cpp.parameters) == {'gain': 2.0}
    assert (cpp.topic_of('out'), cpp.topic_of('in')) == ('/smoothed', '/in')
    assert [(output.topic, output.answers) for output in found.outputs] == [('/smoothed', '/odom')]
    assert found.tolerance.rtol == 1e-6
    assert found.tolerance.fields['**.orientation.*'] == Limit(0.0, 0.001)
    assert dict(found.tolerance.ignore) == {'header.frame_id': 'named by the driver'}
    assert (found.rtf, found.clock_hz, found.limits.answer_s) == (0.5, 100.0, 2)


def test_the_rest_has_defaults(tmp_path: Path) -> None:
    """Promise: the smallest specification is named after its file and runs as fast as it can."""
    found = load(
        tmp_path,
        'version: 1\ninputs: {bag: b, topics: [/a]}\noriginal: {component: a:B}\n'
        'compiled: {c: {component: a:C}}\noutputs: [{topic: /o}]\n',
    )
    assert (found.name, found.rtf, found.clock_hz) == ('experiment', 0.0, 0.0)
    assert found.outputs[0].answers == '/a'
    assert (found.tolerance.rtol, found.tolerance.atol) == (None, None)
    assert found.original.python_path == (str(tmp_path / '.'),)


def test_the_example_is_a_specification() -> None:
    """Promise: the example that ships is read."""
    path = Path(__file__).resolve().parents[2] / 'examples/odometry_smoother/experiment.yaml'
    assert Specification.load(path).name == 'odometry_smoother'


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'reason'),
    [
        ('version: 1', 'version: 2', 1, '2 is not known; 1 is'),
        ('name: smooth', 'name: ../x', 2, "'../x' is not a valid name"),
        ('name: smooth', 'nam: smooth', 2, "unknown field 'nam'; known are version, name"),
        ('  bag: bags/drive\n', '', 4, "inputs: 'bag' is missing"),
        ('[/odom, /scan]', '[odom]', 5, "'odom' is not a valid name"),
        ('[/odom, /scan]', '[]', 5, 'inputs.topics'),
        ('[/odom, /scan]', '[/odom, /odom]', 5, 'inputs.topics'),
        ('component: pkg.mod:Original', 'package: p', 7, 'either component, or package and'),
        ('    executable: node\n', '', 10, 'either component, or package and executable'),
        ('  cpp:', '  original:', 10, 'a compiled arm cannot have this name'),
        ('  cpp:', '  a b:', 9, "'a b' is not a valid name"),
        ('topic: /smoothed', 'topic: /odom', 17, 'is an input already'),
        ('answers: /odom', 'answers: /other', 17, 'which is not an input'),
        ('    answers: /odom', '  - topic: /smoothed', 18, 'listed twice'),
        ('rtol: 1.0e-6', 'rtol: -1', 20, 'tolerance.rtol'),
        ('rtol: 1.0e-6', 'rtol: small', 20, 'tolerance.rtol'),
        ('rtol: 1.0e-6', 'rtol: .nan', 20, 'tolerance.rtol'),
        ('named by the driver', "''", 24, 'tolerance.ignore'),
        ('named by the driver', "'  '", 24, 'tolerance.ignore'),
        ('rtf: 0.5', 'rtf: -1', 25, 'rtf'),
        ('rtf: 0.5', 'rtf: .nan', 25, 'rtf'),
        ('rtf: 0.5', 'rtf: fast', 25, 'rtf'),
        ('answer_s: 2', 'answer_s: 0', 27, 'limits.answer_s'),
        ('answer_s: 2', 'answer: 2', 27, "unknown field 'answer'"),
        ('rtf: 0.5', 'name: again', 25, 'given twice'),
        ('rtf: 0.5', 'rtf: [', 27, ''),
    ],
)
def test_faults_name_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    """Promise: a fault is one line with file, line, field, and what would have worked."""
    assert old in WHOLE
    message = fault(tmp_path, WHOLE.replace(old, new, 1))
    assert reason in message
    # A part that is missing is pointed at by where it should be: its parent, one line off at most.
    assert abs(int(message.split(':')[1]) - line) <= 1, message


@pytest.mark.parametrize(
    'text',
    [
        '',
        '3',
        '[]',
        'a: &a [*a]',
        '&a {b: *a}',
        'version: 1\ninputs: &x {bag: *x, topics: [/a]}',
        '? [a]\n: 1',
        '{1: 2}',
        '? {a: b}\n: 1',
        'a: !!python/object:os.system {}',
        'a: *b',
        '\x00',
        '\x07',
        '---\na: 1\n---\nb: 2',
        'a: 2026-99-99',
        '[' * 3000,
        'a: ' + '{a: ' * 500 + '1' + '}' * 500,
        WHOLE.replace('rtol: 1.0e-6', 'rtol: 1' + '0' * 400),
        WHOLE.replace('  cpp:', '  1:'),
        WHOLE.replace('  cpp:', '  null:'),
        WHOLE.replace('{gain: 2.0}', '{1: 2.0}'),
        WHOLE.replace('{out: /smoothed}', '{1: /smoothed}'),
        WHOLE.replace('{out: /smoothed}', '{out: 2026-01-01}'),
    ],
)
def test_texts_of_every_kind_are_one_line_or_read(tmp_path: Path, text: str) -> None:
    """Promise: whatever stands in the file, the answer is an LkError of one line, or it is read."""
    path = tmp_path / 'experiment.yaml'
    path.write_text(text)
    try:
        found = Specification.load(path)
    except LkError as error:
        assert '\n' not in str(error)  # noqa: PT017
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(arm.name, str) for arm in found.arms)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    """Promise: a text that unfolds to a billion parts is refused at once."""
    lines = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, 10)]
    assert 'too many parts' in fault(tmp_path, '\n'.join(lines))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Promise: a missing file, a folder, bytes and a giant are each one line."""
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'bytes').write_bytes(b'\xff\xfe\xfd')
    (tmp_path / 'giant').write_text(' ' * (1024 * 1024 + 1))
    for name, reason in (
        ('nothing', 'cannot be read'),
        ('folder', 'cannot be read'),
        ('bytes', 'is not text'),
        ('giant', 'larger than 1 MiB'),
    ):
        with pytest.raises(SpecificationError, match=reason):
            Specification.load(tmp_path / name)


def test_changes_make_a_copy(tmp_path: Path) -> None:
    """Promise: another bag or factor changes a copy only."""
    found = load(tmp_path, WHOLE)
    other = found.with_changes(bag=tmp_path / 'x', rtf=0.0)
    assert (other.bag, other.rtf) == (tmp_path / 'x', 0.0)
    assert (found.bag, found.rtf) == (tmp_path / 'bags' / 'drive', 0.5)
    assert found.with_changes() == found


def test_several_inputs_need_an_answer_at_factor_0(tmp_path: Path) -> None:
    """Promise: at rtf 0 with several inputs each output says which one it answers."""
    text = WHOLE.replace('    answers: /odom\n', '').replace('rtf: 0.5', 'rtf: 0')
    assert 'say which input it answers (answers: /odom)' in fault(tmp_path, text)
    assert load(tmp_path, text.replace('rtf: 0', 'rtf: 1')).outputs[0].answers == '/odom'


def test_the_schema_describes_itself() -> None:
    """Promise: the JSON schema is valid, and each property of the top has a place in it."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json_schema())
    assert set(yaml.safe_load(WHOLE)) <= set(json_schema()['properties'])


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(['component', 'topic', 'bag', 'rtol', 'topics', '/a', '**']),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(field=st.sampled_from(sorted(json_schema()['properties'])), part=PARTS)
def test_any_part_is_read_or_refused(tmp_path: Path, field: str, part: Any) -> None:
    """Promise: any value in any field is read, or an LkError that names the file."""
    content = yaml.safe_load(WHOLE)
    content[field] = part
    path = tmp_path / 'experiment.yaml'
    path.write_text(json.dumps(content))
    try:
        Specification.load(path)
    except LkError as error:
        assert str(path) in str(error)  # noqa: PT017
