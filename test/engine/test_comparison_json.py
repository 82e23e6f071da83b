"""A comparison as JSON: complete, valid against its schema, loaded again without the bags."""

from __future__ import annotations

import base64
import json
import re
import tracemalloc
import zlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lk_dataset_ros.comparison import (
    DatasetComparison,
    Limit,
    Tolerance,
    compare,
    compare_columns,
)
from lk_dataset_ros.comparison.noise import NoiseFloor
from lk_dataset_ros.comparison.renderers import from_json
from lk_dataset_ros.comparison.renderers._rebuilding import places_of
from lk_dataset_ros.errors import BagNotFoundError, DatasetFormatError

SCHEMA = json.loads(
    (files('lk_dataset_ros.comparison.renderers') / 'comparison.schema.json').read_text()
)
PAGE = Path(__file__).resolve().parents[2] / 'docs/comparison-format.md'


def strict(text: str) -> Any:
    """Parse JSON as the standard has it, and check it against the schema."""

    def refuse(name: str) -> None:
        raise AssertionError(f'{name} is not JSON')

    content = json.loads(text, parse_constant=refuse)
    Draft202012Validator(SCHEMA).validate(content)
    return content


SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 1e308, 5e-324])


class Made:
    """A comparison whose text is short: a test that fails shows what it was made of."""

    def __init__(self, comparison: DatasetComparison, about: str) -> None:
        self.comparison = comparison
        self._about = about

    def __repr__(self) -> str:
        return self._about


@st.composite
def comparisons(draw: st.DrawFn) -> Made:
    """Return comparisons of arrays of any kind, with all that a key and a field can have."""
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    count = draw(st.sampled_from([0, 1, 7, 100, 600, 1500, 17_000]))
    share = draw(st.sampled_from([0.0, 0.001, 0.1, 1.0]))
    has_noise, is_ignored = draw(st.booleans()), draw(st.booleans())
    original: dict[str, Any] = {
        'f64': rng.normal(size=count),
        'f32': rng.normal(size=(count, 3)).astype(np.float32),
        'u64': rng.integers(0, 2**64 - 1, count, np.uint64),
        'bool': rng.random(count) < 0.5,
        'text': np.array([draw(st.text(max_size=5)), 'nan', 'inf'] * count, object)[:count],
    }
    original['f64'][rng.random(count) < 0.05] = rng.choice(SPECIAL)
    compiled = {name: values.copy() for name, values in original.items()}
    for values in compiled.values():
        changed = rng.random(count) < share
        values[changed] = values[::-1][changed]
    compiled['f64'][rng.random(count) < share / 4] = rng.choice(SPECIAL)
    with np.errstate(all='ignore'):
        tolerance = Tolerance(
            fields={'f32': Limit(0.0, draw(st.sampled_from([0.0, 0.5])))},
            ignore={'bool': 'of [no] interest'} if is_ignored else {},
        )
        made = compare_columns(original, compiled, tolerance=tolerance)
    (key,) = made.keys
    fields = list(key.fields)
    if fields and has_noise:
        noise = NoiseFloor(
            3, fields[0].statistics, 4, draw(st.booleans()), draw(st.booleans()), 0.1, 'so so'
        )
        fields[0] = replace(
            fields[0], noise=noise, comparator='pose', unit='m', is_judged=draw(st.booleans())
        )
        fields[1] = replace(
            fields[1],
            measures={'psnr_db': fields[0].statistics},
            error_sample=rng.random(700),
            is_different=draw(st.sampled_from([None, True, False])),
        )
    stamps = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(
        lambda each: np.array(each, np.int64)
    )
    key = replace(
        key,
        fields=tuple(fields),
        part=draw(st.sampled_from(['', 'map -> odom'])),
        stamps_ns=1_700_000_000_000_000_000 + np.cumsum(rng.integers(1, 10**7, count)),
        missing_ns=draw(stamps),
        extra_ns=draw(stamps),
        late_ns=draw(stamps),
        reordered_ns=draw(stamps),
        lag_ns=draw(st.sampled_from([None, 0, -5])),
        hint=draw(st.text(max_size=5)),
        problem=draw(st.sampled_from(['', 'of another type'])),
        ignored_counts=draw(st.booleans()),
        unpaired_floor=draw(st.integers(0, 3)),
    )
    made = replace(made, keys=(key,), runs=draw(st.integers(1, 3)), noise_runs=2)
    return Made(made, f'seed {seed}, {count} pairs, {share} of them, {has_noise}, {is_ignored}')


@given(comparisons())
@settings(max_examples=60, deadline=None)
def test_what_was_saved_is_loaded(made: Made) -> None:
    """Promise: valid JSON; loaded again every summary is the same, to the last character."""
    comparison = made.comparison
    text = comparison.to_json()
    strict(text)
    loaded = from_json(text)
    assert loaded.to_json() == text
    assert loaded.to_str() == comparison.to_str()
    assert loaded.to_junit() == comparison.to_junit()
    assert loaded.to_markdown() == comparison.to_markdown()
    assert loaded.verdict is comparison.verdict
    assert loaded.first_divergence == comparison.first_divergence
    (key,), (before,) = loaded.keys, comparison.keys
    places = places_of(before.paired)
    assert np.array_equal(key.indices, before.indices)
    assert np.array_equal(key.stamps_ns[places], before.stamps_ns[places])
    for mine, theirs in zip(key.fields, before.fields, strict=True):
        assert np.array_equal(mine.over, theirs.over)
        # Bins behind the last that holds something are the same as none.
        bins = [np.trim_zeros(each.statistics.bins, 'b') for each in (mine, theirs)]
        assert np.array_equal(bins[0], bins[1])
        assert np.allclose(mine.profile, theirs.profile, rtol=1e-6, atol=0.0, equal_nan=True)
        assert mine.values() is None
        assert (mine.sample is None) is (theirs.sample is None)
        if mine.sample is not None and theirs.sample is not None:
            taken = places_of(len(theirs.sample.positions), 512)
            for found, right in zip(mine.sample, theirs.sample, strict=True):
                assert np.array_equal(found, right[taken], equal_nan=right.dtype.kind == 'f')
        for name in ('first', 'worst', 'distribution'):
            assert repr(getattr(mine, name)) == repr(getattr(theirs, name))


def test_json_is_complete(kit: Any) -> None:
    """Promise: format, version, verdict, stamps, counts and values are there by name."""
    bent = kit.drive(12)
    bent[2] = ('/odom', kit.odometry(2, pose__pose__position__x=5.0), bent[2][2])
    bent[4] = ('/odom', kit.odometry(4, child_frame_id='nan'), bent[4][2])
    del bent[9]
    comparison = compare(
        kit.memory(kit.drive(11)),
        kit.memory(bent),
        tolerance=Tolerance(ignore={'twist.covariance': 'not computed [yet]'}),
        compiled_name='cpp',
    )
    content = strict(comparison.to_json())
    assert (content['format'], content['version']) == ('lk_dataset_ros/comparison', 2)
    assert content['package_version']
    assert content['verdict'] == 'differs'
    assert content['first_divergence'] == {
        'key': '/odom',
        'stamp_ns': 100_200_000_000,
        'field': 'pose.pose.position.x',
    }
    (odom,) = content['keys']
    assert odom['missing_ns'] == [100_900_000_000]
    assert odom['extra_ns'] == [101_100_000_000]
    assert (odom['paired'], odom['paired_by']) == (10, 'header_stamp')
    assert odom['pairs']['indices'] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    fields = {field['path']: field for field in odom['fields']}
    position = fields['pose.pose.position.x']
    assert (position['matched'], position['mismatched']) == (9, 1)
    assert position['over'] == {'ranges': [[2, 3]]}
    assert (position['first']['compiled'], position['first']['error']) == (5.0, 3.5)
    assert position['max_error'] == 3.5
    assert fields['twist.covariance']['ignored_because'] == 'not computed [yet]'
    loaded = from_json(comparison.to_json())
    frame = next(each for each in loaded.keys[0].fields if each.path == 'child_frame_id')
    assert frame.first is not None
    assert frame.first.compiled == 'nan'


def test_json_is_small_however_many_pairs_there_are() -> None:
    """Promise: a million pairs, half of them beyond the limit, are less than 1 MB and exact."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=1_000_000)
    comparison = compare_columns({'x': values}, {'x': values + (rng.random(len(values)) < 0.5)})
    text = comparison.to_json()
    assert len(text) < 1_000_000
    content = strict(text)
    assert len(content['keys'][0]['fields'][0]['sample']['positions']) == 512
    loaded = from_json(text)
    assert np.array_equal(loaded.keys[0].fields[0].over, comparison.keys[0].fields[0].over)
    assert np.array_equal(loaded.keys[0].stamps_ns, comparison.keys[0].stamps_ns)


def changed(path: str, value: Any) -> str:
    """Return the JSON of a small comparison, one thing in it changed."""
    made = compare_columns({'x': np.zeros(5)}, {'x': np.array([0.0, 1.0, 1.0, 0.0, np.nan])})
    content = json.loads(made.to_json())
    target: Any = content
    *parents, last = [int(each) if each.isdigit() else each for each in path.split('.')]
    for parent in parents:
        target = target[parent]
    target[last] = value
    return json.dumps(content)


FIELD = 'keys.0.fields.0'


@pytest.mark.parametrize(
    ('path', 'value', 'told'),
    [
        ('version', 1, 'it is of version 1, .* version 2 is read: compare the bags again'),
        ('version', 3, 'it is of version 3; version 2 is read'),
        ('format', 'lk_dataset_ros/experiment', "format is 'lk_dataset_ros/experiment'"),
        ('runs', 0, 'runs: 0 is less than the minimum of 1'),
        ('keys.0.paired', -1, r'keys\[0\]\.paired: -1 is less'),
        ('keys.0.paired', 6, r'keys\[0\]\.pairs: 5 stamps_ns for 6 pairs; not 6'),
        ('keys.0.paired', 2**40, r'keys\[0\]\.fields\[0\]: 2 and 3 are not the 1099511627776'),
        ('keys.0.missing_ns', [2**63], r'keys\[0\]\.missing_ns\[0\]: 9223372036854775808 is gr'),
        ('keys.0.missing_ns', [1, True], r'keys\[0\]\.missing_ns\[1\]: True is not of type'),
        ('keys.0.key', None, r"keys\[0\]\.key: None is not of type 'string'"),
        (f'{FIELD}.rtol', -1.0, r'keys\[0\]\.fields\[0\]: rtol is -1.0; it has to be 0'),
        (f'{FIELD}.matched', 7, r'keys\[0\]\.fields\[0\]: 7 and 3 are not the 5 pairs'),
        (f'{FIELD}.over', {'ranges': [[3, 2]]}, 'ranges do not ascend within 5 pairs'),
        (f'{FIELD}.over', {'ranges': [[0, 9]]}, 'ranges do not ascend within 5 pairs'),
        (f'{FIELD}.over', {'ranges': [[0, 1]]}, '1 pairs, but 3 are beyond the limit'),
        (f'{FIELD}.over', {'bits': 'AAAA'}, 'bits that cannot be unpacked'),
        (f'{FIELD}.over', {}, 'should be non-empty|does not have enough properties'),
        (f'{FIELD}.profile.largest', [1.0], 'profile of 1, not 5 parts'),
        (f'{FIELD}.profile.largest', ['x'] * 5, r"profile\.largest\[\d\]: 'x' does not match"),
        (f'{FIELD}.sample.positions', [0, 0, 1, 2, 3], 'positions do not ascend within 5'),
        (f'{FIELD}.sample.positions', [0], 'sample: 1 positions, 5 and 5 values'),
        (f'{FIELD}.statistics.bins', [[0, 9]], '4 finite, 9 in the histogram'),
        (f'{FIELD}.statistics.bins', [[9999, 4]], '9999'),
        (f'{FIELD}.statistics.scaled_squares', -1.0, 'scaled_squares is -1.0, not 0 or more'),
        (f'{FIELD}.statistics.total', 'nan', 'total is nan, not 0 or more'),
        (f'{FIELD}.statistics.total', 10**400, 'too large'),
        (f'{FIELD}.first', 5, r"first: 5 is not of type 'object', 'null'"),
    ],
)
def test_a_wrong_file_is_one_line(path: str, value: Any, told: str, tmp_path: Path) -> None:
    """Promise: what contradicts schema or itself is one line: which file, where, what."""
    file = tmp_path / 'comparison.json'
    file.write_text(changed(path, value))
    with pytest.raises(DatasetFormatError) as caught:
        DatasetComparison.load(file)
    text = str(caught.value)
    assert text.startswith(f'{file}: ')
    assert '\n' not in text
    assert len(text) < 600
    assert re.search(told, text), text


@pytest.mark.parametrize(
    'text',
    ['', '[]', '{', '1', '{"format": NaN}', '[' * 100_000, '{"a":' * 50_000, '\x00', '9' * 5000],
)
def test_what_is_no_comparison_is_one_line(text: str) -> None:
    """Promise: any other text is one line, also one that is nested without end."""
    with pytest.raises(DatasetFormatError, match=r'^comparison\.json: [^\n]+$'):
        from_json(text)


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    """Promise: a binary file, none, and a folder are one line each."""
    (tmp_path / 'a.json').write_bytes(b'\xff\xfe\x00\x80{')
    with pytest.raises(DatasetFormatError, match=r'a\.json: it is no JSON'):
        DatasetComparison.load(tmp_path / 'a.json')
    with pytest.raises(BagNotFoundError, match=r'b\.json is not there'):
        DatasetComparison.load(tmp_path / 'b.json')
    with pytest.raises(DatasetFormatError, match='cannot be read'):
        DatasetComparison.load(tmp_path)


def test_a_small_file_does_not_take_much_memory() -> None:
    """Promise: bits that unpack to more than there are pairs are not unpacked."""
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    text = changed(f'{FIELD}.over', {'bits': bomb})
    tracemalloc.start()
    try:
        with pytest.raises(DatasetFormatError, match='bits of another length than 1 bytes'):
            from_json(text)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    huge = json.loads(changed('keys.0.paired', 2**40))
    huge['keys'][0]['fields'] = []
    (key,) = from_json(json.dumps(huge)).keys
    assert (key.paired, len(key.stamps_ns)) == (2**40, 5)
    huge['keys'][0]['fields'] = [
        {**json.loads(changed('runs', 1))['keys'][0]['fields'][0], 'matched': 2**40 - 3}
    ]
    with pytest.raises(DatasetFormatError, match='more pairs are more than are read'):
        from_json(json.dumps(huge))


def check_use(comparison: DatasetComparison) -> None:
    """Render, save and load a comparison."""
    assert comparison.to_str()
    assert comparison.to_junit()
    assert comparison.to_markdown()
    assert from_json(comparison.to_json()).verdict is comparison.verdict


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_change_of_a_file_crashes(data: st.DataObject) -> None:
    """Promise: any value put anywhere loads, and then renders, or is one error."""
    content = json.loads(changed('runs', 1))
    target: Any = content
    while True:
        name = data.draw(
            st.sampled_from(list(target) if isinstance(target, dict) else range(len(target)))
        )
        inner = target[name]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        target = inner
    target[name] = data.draw(
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(['', 'nan', 'inf', '-inf', 'x', [], {}, [0], [[0, 1]]])
    )
    try:
        loaded = from_json(json.dumps(content))
    except DatasetFormatError as error:
        told = str(error)
    else:
        told = ''
        check_use(loaded)
    assert '\n' not in told


def named(schema: Any) -> set[str]:
    """Return the names of all properties of a schema."""
    found = set()
    if isinstance(schema, dict):
        found |= set(schema.get('properties', {}))
        for each in schema.values():
            found |= named(each)
    return found


def test_every_field_of_the_format_is_documented() -> None:
    """Promise: docs/comparison-format.md names every field, and no field that there is not."""
    told = set(re.findall(r'^\| `(\w+)` \|', PAGE.read_text(), re.MULTILINE))
    assert told == named(SCHEMA)


def test_everything_that_is_written_is_in_the_schema(kit: Any) -> None:
    """Promise: the schema describes each name that is written."""
    made = compare(kit.memory(kit.drive(5)), kit.memory(kit.drive(6)))

    def check(content: Any, schema: Any) -> None:
        schema = SCHEMA['$defs'][schema['$ref'].split('/')[-1]] if '$ref' in schema else schema
        if isinstance(content, dict) and 'properties' in schema:
            assert set(content) <= set(schema['properties'])
            for name, each in content.items():
                check(each, schema['properties'][name])
        elif isinstance(content, list) and 'items' in schema:
            for each in content:
                check(each, schema['items'])

    check(json.loads(made.to_json()), SCHEMA)
