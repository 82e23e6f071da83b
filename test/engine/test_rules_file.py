"""The file of rules: what is read, how faults are pointed at, which rules name nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison import Acceptance, Limit, Pairing, Tolerance, compare
from lk_dataset_ros.comparison.pairing import WAYS
from lk_dataset_ros.comparison.rules_file import Rules, json_schema, pairing_of
from lk_dataset_ros.comparison.unused import unused_patterns
from lk_dataset_ros.dataset.yaml_lines import MAX_BYTES, YamlDocument
from lk_dataset_ros.errors import ComparisonError, SpecificationError

WHOLE = """\
version: 1
rtol: 1e-3
atol: 0.001
keys: [/odom, /scan]
pairing: {by: nearest, limit_s: 0.05, offset: estimate, max_lag_s: 2}
acceptance: {keys: false, counts: false, relative_time_s: 0.1, absolute_time_s: 1}
fields:
  '**.orientation': {atol: 1e-2}
  /odom:
    pose:
      pose:
        atol: 0.5
        position: {x: {rtol: 1, atol: 2}}
  twist.**: {rtol: 0.125}
ignore:
  header.frame_id: named by the driver
comparators:
  /odom.pose.pose: values
"""


def load(folder: Path, text: str) -> Rules:
    """Write a file of rules and read it."""
    path = folder / 'tolerances.yaml'
    path.write_text(text)
    return Rules.load(path)


def fault(folder: Path, text: str) -> str:
    """Return the error of a wrong file, without the folder."""
    with pytest.raises(ComparisonError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert '\n' not in message
    assert len(message) < 700
    assert message.startswith(str(folder / 'tolerances.yaml'))
    return message.removeprefix(str(folder / 'tolerances.yaml'))


def test_everything_that_is_said_is_read(tmp_path: Path) -> None:
    """Promise: each rule arrives; nested names become patterns, a part's limit before its own."""
    rules = load(tmp_path, WHOLE)
    assert (rules.tolerance.rtol, rules.tolerance.atol) == (0.001, 0.001)
    assert rules.keys == ('/odom', '/scan')
    assert rules.pairing == Pairing(
        'nearest', limit_ns=50_000_000, offset_ns='estimate', max_lag_ns=2_000_000_000
    )
    assert rules.acceptance == Acceptance(
        keys=False, counts=False, relative_time_s=0.1, absolute_time_s=1
    )
    assert [*rules.tolerance.fields.items()] == [
        ('**.orientation', Limit(0.0, 0.01)),
        ('/odom.pose.pose', Limit(0.0, 0.5)),
        ('/odom.pose.pose.position.x', Limit(1.0, 2.0)),
        ('twist.**', Limit(0.125, 0.0)),
    ]
    assert rules.tolerance.ignore == {'header.frame_id': 'named by the driver'}
    assert rules.tolerance.comparators == {'/odom.pose.pose': 'values'}
    assert rules.options() == {
        'keys': rules.keys,
        'tolerance': rules.tolerance,
        'pairing': rules.pairing,
        'acceptance': rules.acceptance,
    }


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    """Promise: an empty mapping is the default of everything."""
    assert load(tmp_path, '{}') == Rules(Tolerance(), Pairing(), Acceptance(), None)


def test_the_last_of_equal_patterns_wins_and_stands_last(tmp_path: Path) -> None:
    """Promise: what is said nested and flat is said twice; the later one wins over all between."""
    text = 'fields:\n  a.b: {atol: 1}\n  a.*: {atol: 2}\n  a: {b: {atol: 3}}\n'
    tolerance = load(tmp_path, text).tolerance
    assert tolerance.limit_for('/k', 'a.b', np.dtype(float)) == Limit(0.0, 3.0)
    assert tolerance.limit_for('/k', 'a.c', np.dtype(float)) == Limit(0.0, 2.0)


def test_fields_that_are_called_as_limits_are_can_be_named(tmp_path: Path) -> None:
    """Promise: `atol` with names below it is a field of a message."""
    rules = load(tmp_path, 'fields: {/x: {atol: {rtol: 0.5}, rtol: 0.25}}')
    assert dict(rules.tolerance.fields) == {'/x': Limit(0.25, 0.0), '/x.atol': Limit(0.5, 0.0)}


def test_shared_parts_may_be_written_once(tmp_path: Path) -> None:
    """Promise: anchors and merges of YAML work, and a field may be changed after a merge."""
    text = 'fields:\n  /a: &a {rtol: 1, atol: 2}\n  /b:\n    <<: *a\n    atol: 3\n  /c: *a\n'
    assert dict(load(tmp_path, text).tolerance.fields) == {
        '/a': Limit(1.0, 2.0),
        '/b': Limit(1.0, 3.0),
        '/c': Limit(1.0, 2.0),
    }


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', ':1: there are no rules; one is "atol: 0.01", another "pairing: {by: index}"'),
        ('- a', ':1: there are no rules'),
        ('rtol: 1\n\natoll: 1', ':3: atoll: is not known; known are version, rtol, atol, pairing'),
        ('rtol: 1\natol: -1', ':2: atol: -1 is less than 0'),
        ('atol: .nan', ':1: atol: nan is not a finite number'),
        ('fields: {a: {b: {atol: .inf}}}', ':1: fields.a.b.atol: inf is not a finite number'),
        ('atol: "1"', ":1: atol: '1' is no number"),
        ('atol: true', ':1: atol: True is no number'),
        ('version: 2', ':1: version: 2 is not known; 1 is'),
        ('fields:\n  a: {}', ':2: fields.a: has no limit; write {atol: 0.01}'),
        ('fields:\n  a: 0.1', ':2: fields.a: has no limit; write {atol: 0.01}'),
        ('fields:\n  a:\n    b:\n      x: 0.1', ':4: fields.a.b.x: has no limit'),
        ('fields:\n  a: {atol: {}}', ':2: fields.a.atol: has no limit'),
        ('fields:\n  a: {rtol: 1, b: null}', ':2: fields.a.b: has no limit'),
        ('fields:\n  a: {rtol: x}', ":2: fields.a.rtol: 'x' is no number or mapping"),
        ('fields: [a]', ":1: fields: ['a'] is no mapping"),
        ('fields:\n  **.x: {atol: 1}', ':2: did not find expected alphabetic or numeric'),
        ('fields:\n  *x: {atol: 1}', 'a name that begins with * has to be in quotes'),
        ('fields:\n  "": {atol: 1}', ":1: fields: the pattern '' is no name or too long"),
        ('ignore:\n  a: ""', ':2: ignore.a: is ignored without a reason'),
        ('ignore:\n  a: "  "', ':2: ignore.a: is ignored without a reason'),
        ('ignore:\n  a: yes', ':2: ignore.a: is ignored without a reason'),
        ('ignore:\n  a:', ':2: ignore.a: is ignored without a reason'),
        ('comparators:\n  a: nonsense', ":2: comparators.a: comparator 'nonsense' is unknown; va"),
        ('keys: /odom', ":1: keys: '/odom' is no list"),
        ('keys: []', ':1: keys: [] '),
        ('keys:\n- /a\n- 3', ':3: keys.1: 3 is no text'),
        ('pairing:\n  by: magic', ":2: pairing.by: 'magic' is not known; auto, header_stamp,"),
        ('pairing:\n  by: nearest', ':1: pairing: pairing by nearest needs a limit'),
        ('pairing: {by: index, limit_s: 1}', ':1: pairing: pairing by index uses no limit; auto'),
        ('pairing: {by: index, offset: 1}', ':1: pairing: pairing by index uses no offset'),
        ('pairing: {by: lineage}', ':1: pairing: pairing by lineage needs inputs'),
        ('pairing: {inputs: [/a]}', ":1: pairing: inputs is ('/a',), but messages are paired by"),
        ('pairing: {offset: estimate}', ':1: pairing: an estimated offset needs a limit'),
        ('pairing: {offset: some}', ":1: pairing.offset: 'some' is neither a number of seconds"),
        ('pairing: {limit_s: 1e10}', ':1: pairing.limit_s: 10000000000.0 is greater'),
        ('acceptance: {keys: 1}', ':1: acceptance.keys: 1 is no true or false'),
        ('acceptance: {relative_time_s: -1}', ':1: acceptance.relative_time_s: -1 is less than 0'),
        ('a: 1\na: 2', ':2: a: is given twice'),
        ('1: 2', ":1: '1' is not a name; put it in quotes"),
        ('a: [', ':2: '),
        ('a: &a [*a]', ':1: a.0: contains itself'),
        ('[' * 50_000, ':1: nests deeper than 32'),
        ('a: !!python/object:os.x 1', ':1: could not determine a constructor'),
        ('a: "\x01"', ': '),
        ('a: 2020-99-99', ': month must be in 1..12'),
        ('rtol: ' + '9' * 400, ':1: rtol: '),
        ('rtol: ' + '9' * 5000, ': '),
        ('x' * 1000 + ': 1', ':1: xxx'),
        ('pairing:\n  by: index\n  limt: 1', ':3: pairing.limt: is not known; known are by, '),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Promise: a fault is told in one line with file, line and field, and what would have worked."""
    if message.startswith(':'):
        assert fault(tmp_path, text).startswith(message)
    else:
        assert message in fault(tmp_path, text)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Promise: a missing file, a folder, bytes and a large file are refused, nothing is read."""
    for path, reason in (
        (tmp_path / 'no.yaml', 'cannot be read: No such file'),
        (tmp_path, 'cannot be read: Is a directory'),
        (Path('/dev/zero'), 'larger than 1 MiB'),
    ):
        with pytest.raises(ComparisonError, match=reason):
            Rules.load(path)
    path = tmp_path / 'tolerances.yaml'
    path.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ComparisonError, match='is not text'):
        Rules.load(path)
    path.write_bytes(b'#' * (MAX_BYTES + 1))
    with pytest.raises(ComparisonError, match='larger than 1 MiB'):
        Rules.load(path)
    path.write_bytes(b'\xef\xbb\xbfatol: 1\n')
    assert Rules.load(path).tolerance.atol == 1.0


@pytest.mark.parametrize('merge', ['', '<<: '])
def test_a_small_file_that_unfolds_without_end_is_refused(tmp_path: Path, merge: str) -> None:
    """Promise: aliases of aliases are not unfolded: ten to the ninth parts are refused at once."""
    lines = ['a: &a0 {x: 1}']
    for level in range(9):
        many = ','.join([f'*a{level}'] * 10)
        lines.append(f'b{level}: &a{level + 1} {{{merge or "y: "}[{many}]}}')
    assert 'has too many parts' in fault(tmp_path, '\n'.join(lines))


def test_deep_nesting_that_is_allowed_is_checked(tmp_path: Path) -> None:
    """Promise: names nested as deep as YAML may be are validated without a RecursionError."""

    def nested(names: list[str]) -> str:
        opened = ''.join(f'{{{name}: ' for name in names)
        return f'fields: {opened}{{atol: 1}}{"}" * len(names)}'

    names = [f'n{number}' for number in range(31)]
    assert 'nests deeper' in fault(tmp_path, nested(names))
    found = load(tmp_path, nested(names[:30])).tolerance.fields
    assert list(found) == ['.'.join(names[:30])]


_NAMES = st.text('abc/._*', min_size=1, max_size=6)
_LIMITS = st.fixed_dictionaries(
    {}, optional={'rtol': st.floats(0, 1e6), 'atol': st.integers(0, 10**6)}
).filter(bool)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(_NAMES, _LIMITS, max_size=5), rtol=st.floats(0, 1e300))
def test_what_is_written_is_read(tmp_path: Path, fields: dict[str, Any], rtol: float) -> None:
    """Promise: whatever limits are written as YAML come back as they are, to the last bit."""
    rules = load(tmp_path, yaml.safe_dump({'rtol': rtol, 'fields': fields}))
    assert rules.tolerance.rtol == rtol
    assert dict(rules.tolerance.fields) == {
        name: Limit(each.get('rtol', 0.0), each.get('atol', 0.0)) for name, each in fields.items()
    }


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from([*json_schema()['properties'], 'x', 'by']), below)
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_ANYTHING)
def test_anything_else_is_refused_or_read(tmp_path: Path, content: Any) -> None:
    """Promise: whatever the YAML, there are rules or one line with the file's name."""
    path = tmp_path / 'tolerances.yaml'
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding='utf-8')
    told = ''
    try:
        Rules.load(path)
    except ComparisonError as error:
        told = str(error)
    assert not told or told.startswith(str(path))
    assert '\n' not in told


def test_the_schema_for_editors_says_the_same(tmp_path: Path) -> None:
    """Promise: the JSON schema is one, knows the ways of pairing, and explains each field."""
    from jsonschema import Draft202012Validator

    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    json.dumps(schema, allow_nan=False)
    assert schema['properties']['pairing']['properties']['by']['enum'] == list(WAYS)
    for name, each in schema['properties'].items():
        assert each.get('description') or each.get('properties'), name
    assert Draft202012Validator(schema).is_valid(yaml.safe_load(WHOLE.replace('1e-', '1.0e-')))


def test_the_example_is_read(kit: Any) -> None:
    """Promise: config/tolerances.yaml is read, with every comment mark of a rule taken off, too."""
    path = kit.repository / 'config' / 'tolerances.yaml'
    assert Rules.load(path) == Rules()
    lines = path.read_text().splitlines()
    whole = '\n'.join(line.replace('#: ', '', 1) for line in lines)
    rules = load(kit.folder, whole.replace('\n{}', '\n'))
    assert {kind for kind, _ in rules.patterns()} == {'fields', 'ignore', 'comparators'}
    named = set(yaml.safe_load(whole.replace('\n{}', '\n')))
    assert named == set(json_schema()['properties'])


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ({'limit_s': math.nan}, 'limit nan is no number of seconds from 0 to 4e\\+09'),
        ({'limit_s': -1.0}, 'limit -1.0'),
        ({'offset': math.inf}, 'offset inf'),
        ({'offset': 'x'}, "offset 'x' is neither"),
        ({'max_lag_s': 1e12}, 'largest lag 1000000000000.0'),
        ({'by': 'x'}, "not paired by 'x'; there is auto"),
    ],
)
def test_wrong_pairings_are_told_in_seconds(arguments: dict[str, Any], reason: str) -> None:
    """Promise: a pairing that makes no sense is refused in the units that it was given in."""
    with pytest.raises(ComparisonError, match=reason):
        pairing_of(**arguments)


def test_seconds_become_nanoseconds_exactly() -> None:
    """Promise: decimal seconds become the nanoseconds that they say."""
    for milliseconds in range(3000):
        found = pairing_of('log_time', limit_s=milliseconds / 1e3, offset=-milliseconds / 1e3)
        assert (found.limit_ns, found.offset_ns) == (milliseconds * 10**6, -milliseconds * 10**6)


def test_rules_of_a_part_of_a_file_keep_their_place(tmp_path: Path) -> None:
    """Promise: rules within another document are read, and faults named in it, by its error."""
    path = tmp_path / 'experiment.yaml'
    path.write_text('name: x\ntolerance:\n  atol: 1\n  fields:\n    a: {atol: -2}\n')
    document = YamlDocument(path, what='a specification', error=SpecificationError)
    with pytest.raises(SpecificationError) as caught:
        Rules.read(document, document.content['tolerance'], ('tolerance',))
    assert str(caught.value) == f'{path}:5: tolerance.fields.a.atol: -2 is less than 0'


@pytest.mark.parametrize(
    ('pattern', 'meant'),
    [
        ('/odom', None),
        ('/odom.pose', None),
        ('pose.pose.position.x', None),
        ('**.x', None),
        ('/odom.**', None),
        ('header.frame_id', None),
        ('/tf.transforms', None),
        ('transforms[0].header', None),
        ('transforms[*].transform.translation.x', None),
        ('transforms.length', None),
        ('/odmo', '/odom'),
        ('pose.pose.positon.x', 'pose.pose.position.x'),
        ('/tf.pose', ''),
        ('/odom.pose.*.x', ''),
        ('*.*.*.*.*.*.*.x', ''),
        ('pose.covariance[3]', 'pose.covariance'),
    ],
)
def test_rules_that_name_nothing_are_told(kit: Any, pattern: str, meant: str | None) -> None:
    """Promise: a pattern that is in neither bag is told with what may have been meant, no other."""
    dataset = kit.memory(kit.drive(3))
    other = kit.memory(
        [('/tf', kit.message('tf2_msgs/msg/TFMessage'), 100 * kit.second), *kit.drive(3)]
    )
    comparison = compare(dataset, other)
    for kind, tolerance in (
        ('fields', Tolerance(fields={pattern: Limit(0.0, 1.0)})),
        ('ignore', Tolerance(ignore={pattern: 'because'})),
        ('comparators', Tolerance(comparators={pattern: 'values'})),
    ):
        told = unused_patterns(Rules(tolerance), (dataset, other), comparison)
        if meant is None:
            assert told == []
            continue
        (line,) = told
        assert line.startswith(f'{kind}: {pattern} names nothing in either bag')
        if meant:
            assert line.endswith(f'; is {meant} meant?')


def test_rules_without_patterns_look_at_nothing(kit: Any) -> None:
    """Promise: where no rule has a pattern the datasets are not looked at."""
    comparison = compare(kit.memory(kit.drive(2)), kit.memory(kit.drive(2)))
    assert unused_patterns(Rules(), (), comparison) == []


def test_a_topic_that_is_not_decoded_is_named_all_the_same(kit: Any) -> None:
    """Promise: a rule for a topic of an unknown type, which was not compared, is no typing error."""
    dataset, other = kit.memory(kit.drive(2)), kit.memory(kit.drive(2))
    dataset.declare('/odd', kit.schema('a_msgs/msg/A', 'b_msgs/Missing field\n'))
    comparison = compare(dataset, other, keys=['/odom'])
    rules = Rules(Tolerance(ignore={'/odd': 'not known here', '/odd.field': 'nor this'}))
    (line,) = unused_patterns(rules, (dataset, other), comparison)
    assert '/odd.field names nothing' in line
