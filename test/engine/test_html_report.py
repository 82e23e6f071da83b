"""The HTML report: what it shows, that it is safe to open, and that it stays small."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lk_dataset_ros.comparison import DatasetComparison, Limit, Tolerance, Verdict, compare
from lk_dataset_ros.comparison.engine import compare_columns
from lk_dataset_ros.comparison.renderers._charts import Budget, chart_data, histogram
from lk_dataset_ros.comparison.renderers._facts import growth
from lk_dataset_ros.comparison.renderers._heat import groups_of, of_elements, of_key
from lk_dataset_ros.comparison.renderers._places import shown
from lk_dataset_ros.comparison.renderers._points import pick, spans
from lk_dataset_ros.comparison.renderers._series import Times
from lk_dataset_ros.comparison.renderers.html import Arm, Table, report_html, to_html
from lk_dataset_ros.comparison.renderers.pictures import Album, framed, pair_images
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Column, Columns, new_message

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import Browser

EVIL = '</script><img src=x onerror=alert(1)>'


def _dataset(count=50, *, key='/cmd', frame='base_link', offset_from=10**9, skip=(), noise=0.0):
    rng = np.random.default_rng(int(noise * 1e9))
    dataset = Dataset.create('memory')
    for i in range(count):
        if i in skip:
            continue
        message = new_message('geometry_msgs/msg/TwistStamped')
        message.header.stamp.sec = 1_700_000_000 + i
        message.header.stamp.nanosec = 123
        message.header.frame_id = frame
        drift = 0.5 * (1 + i - offset_from) if i >= offset_from else 0.0
        message.twist.linear.x = math.sin(i / 10) + drift + noise * rng.standard_normal()
        message.twist.angular.z = math.cos(i / 10)
        dataset.write(key, message, timestamp=float(i))
    return dataset


def _comparison(**changes):
    return compare(_dataset(), _dataset(**changes), original_name='node', compiled_name='cpp')


def _charts(page):
    blocks = re.findall(
        r'<div class="charts"[^>]*><script type="application/json">(.*?)</script>', page, re.DOTALL
    )
    return [json.loads(block) for block in blocks]


def _columns(fields, count, share=0.5):
    """Two sides of which each field differs in a share of the rows, from some row on."""
    rng = np.random.default_rng(7)
    sides = [{}, {}]
    for number in range(fields):
        values = rng.standard_normal(count).cumsum()
        errors = np.where(rng.random(count) < share, 0.01, 0.0) * rng.standard_normal(count)
        errors[: int(rng.integers(count // 2))] = 0.0
        path = f'state.joint_{number:03}.position'
        sides[0][path], sides[1][path] = values, values + errors
    return compare_columns(*sides, tolerance=Tolerance(rtol=0.0, atol=1e-3), name='/joints')


def _joints(count=60, *, bad_from=10**9):
    dataset = Dataset.create('memory')
    for i in range(count):
        message = new_message('sensor_msgs/msg/JointState')
        message.header.stamp.sec = i
        message.name = ['pan', 'lift', EVIL]
        message.position = np.array([1.0, 2.0, 3.0 + (i >= bad_from)])
        dataset.write('/joint_states', message, timestamp=float(i))
    return dataset


def _camera(count=4, *, bad=()):
    dataset = Dataset.create('memory')
    for i in range(count):
        message = new_message('sensor_msgs/msg/Image')
        message.header.stamp.sec = i
        message.height, message.width, message.encoding, message.step = 30, 1000, 'rgb8', 3000
        pixels = np.full((30, 1000, 3), 10 * i, np.uint8)
        if i in bad:
            pixels[7, 333] = 200
        message.data = pixels.reshape(-1)
        dataset.write('/camera', message, timestamp=float(i))
    return dataset


def _before_the_arms(page):
    return page[: page.index('<main')]


def test_equal_datasets_give_an_equivalent_page_with_nothing_unfolded():
    """Promise: equal datasets are equivalent, and nothing is unfolded."""
    page = to_html({'cpp': _comparison()}, 'a title')
    assert '<p class="verdict" role="status">equivalent</p>' in page
    assert '7 fields are equal within tolerance' in page
    assert '<details class="field"' in page
    assert ' open>' not in page
    assert 'constant 0' in page
    assert 'Every value is equal.' in _before_the_arms(page)


def test_an_equivalent_page_tells_how_close_it_was():
    """Promise: without a difference the top names the field closest to its limit."""
    rule = Tolerance(fields={'**.x': Limit(0.0, 1.0)})
    compared = compare(_dataset(), _dataset(offset_from=49), tolerance=rule)
    top = _before_the_arms(to_html({'cpp': compared}, ''))
    assert 'The closest to its limit: /cmd twist.linear.x, with 50 % of what is allowed.' in top


def test_a_difference_is_on_top_with_key_field_stamp_values_and_errors():
    """Promise: the top says of the first divergence all that there is to know."""
    page = to_html({'cpp': _comparison(offset_from=20, skip=(30,))}, 'a title')
    top = re.sub(r'<[^>]+>', '', _before_the_arms(page))
    assert '<title>differs: a title</title>' in page
    assert (
        'First divergence /cmd twist.linear.x at 1700000020.000000123 (message 20, 20 s after the '
        'first pair): original 0.909297, compiled 1.4093; error 0.5, allowed 1.909e-07.'
    ) in top
    assert '1 of 7 fields differ; 1 message missing; 1 of 1 keys affected.' in top
    assert 'Noise floor unknown: the original was run once.' in top
    assert page.count(' open>') == 1


def test_long_values_are_told_by_their_beginning_and_length():
    """Promise: of lists the first values and the length are told, of parts only what differs."""
    left, right = shown([1.0] * 60, [1.0] * 61)
    assert left == '[1, 1, 1, 1, 1, 1, 1, 1, … (60 values)]'
    assert right == '[1, 1, 1, 1, 1, 1, 1, 1, … (61 values)]'
    assert shown({'x': 1.0, 'y': 2}, {'x': 1.0, 'y': 3}) == ('y: 2', 'y: 3')
    assert shown(1.0, 1.0 + 1e-12) == ('1.0', '1.000000000001')


def test_the_growth_of_an_error_is_told_from_the_first_divergence_on():
    """Promise: when the error is twice, ten times as large, largest, and over, is told."""
    (key,) = _comparison(offset_from=20).keys
    (field,) = key.differing
    assert growth(key, field) == (
        'twice as large after 1 s; 10 times as large after 9 s; largest 15 after 29 s; '
        'last pair beyond after 29 s'
    )


def test_the_noise_floor_is_stated_on_top_and_beside_the_field():
    """Promise: with runs of the original, the top says how many fields are above their noise."""
    compared = compare(_dataset(noise=1e-3), _dataset(noise=2e-3), noise=[_dataset(noise=3e-3)])
    page = to_html({'cpp': compared}, '')
    assert 'Noise floor measured from 2 runs of the original: of 7 fields,' in page
    (field,) = [each for each in compared.keys[0].fields if each.mismatched]
    assert field.noise.text in page


def test_the_worst_arm_decides_over_plain_comparisons():
    """Promise: one arm that differs makes the whole page differ; no arm at all is inconclusive."""
    page = to_html({'good': _comparison(), 'bad': _comparison(offset_from=3)}, '')
    assert '<p class="verdict" role="status">differs</p>' in page
    assert 'First divergence of bad' in page
    assert '<p class="verdict" role="status">inconclusive</p>' in to_html({}, 'nothing')


def test_fields_stand_worst_first_over_all_keys():
    """Promise: what differs is ranked over all keys by its share of pairs."""
    original, compiled = Dataset.create('memory'), Dataset.create('memory')
    for key, offset_from in (('/a', 40), ('/b', 10)):
        for side, start in ((original, 10**9), (compiled, offset_from)):
            for i, message in enumerate(_dataset(offset_from=start).read_all('/cmd')):
                side.write(key, message, timestamp=float(i))
    page = to_html({'cpp': compare(original, compiled)}, '')
    assert re.findall(r'<code class="of">(.*?)</code>', page) == ['/b', '/a']


def test_missing_messages_are_listed_up_to_twenty():
    """Promise: stamps of missing messages are listed, the rest of many counted."""
    page = to_html({'cpp': _comparison(skip=range(10, 35))}, '')
    assert '<strong>25 missing</strong>' in page
    assert '1700000010.000000123' in page
    assert 'and 5 more' in page


def test_ignored_fields_are_listed_with_their_reason():
    """Promise: an ignored field stands there with the reason."""
    rule = Tolerance(ignore={'twist.linear.x': 'not <driven>'})
    page = to_html({'cpp': compare(_dataset(), _dataset(offset_from=5), tolerance=rule)}, '')
    assert '<code>twist.linear.x</code>: not &lt;driven&gt;' in page


def test_an_arm_in_error_shows_its_problem_and_its_last_log_lines():
    """Promise: an arm in error shows what is wrong and the end of its log."""
    log = [f'line {i}' for i in range(80)] + [EVIL]
    arm = Arm('nn', Verdict.ERROR, None, {'exit code': '-11'}, 'it crashed', log)
    page = report_html([arm], 'a run', Verdict.ERROR, {'bag': '/data/drive'})
    assert '<p class="problem error">it crashed</p>' in page
    assert 'it crashed' in _before_the_arms(page)
    assert 'line 79' in page
    assert 'line 20' not in page
    assert '/data/drive' in page
    assert '<img' not in page


def test_text_from_bags_never_becomes_markup():
    """Promise: topics, frames, joints, titles, facts and logs are text wherever they appear."""
    arm = Arm(EVIL, Verdict.DIFFERS, _comparison(frame=EVIL), {EVIL: EVIL}, EVIL)
    page = report_html([arm], EVIL, Verdict.DIFFERS, {EVIL: EVIL})
    page += to_html({EVIL: compare(_dataset(key=f'/{EVIL}'), _dataset(offset_from=9))}, EVIL)
    page += to_html({'cpp': compare(_joints(), _joints(bad_from=9))}, '')
    assert '<img' not in page
    assert '&lt;img src=x' in page
    assert page.count('</script>') == page.count('<script')


def test_tables_over_all_arms_show_their_texts_and_nothing_else():
    """Promise: what an experiment knows of all arms stands in tables, as text, with headings."""
    table = Table('What each arm costs', ('arm', EVIL), [('cpp', EVIL), ('nn', '5 [4.8, 5.2]')])
    page = report_html([], 'a run', Verdict.EQUIVALENT, {}, tables=[table])
    assert '<h3 id="t0">What each arm costs</h3>' in page
    assert '<tr><th scope="row">nn</th><td class="n">5 [4.8, 5.2]</td></tr>' in page
    assert '<img' not in page
    assert page.count('</script>') == page.count('<script')
    assert 'class="over"' not in report_html([], 'a run', Verdict.EQUIVALENT, {})


def test_a_hostile_field_path_cannot_leave_its_attribute():
    """Promise: a field path with quotes and tags stays within its attribute."""
    path = f'" onmouseover="alert(1){EVIL}'
    compared = compare_columns({path: np.arange(9.0)}, {path: np.arange(9.0) + 1})
    page = to_html({'cpp': compared}, '')
    assert '" onmouseover' not in re.sub(r'<script.*?</script>', '', page, flags=re.DOTALL)
    assert '<img' not in page


def test_a_sequence_that_changes_its_length_has_a_chart_of_its_errors_only():
    """Promise: values of no fixed shape are not drawn, their errors are, infinite ones left out."""
    offsets = [np.array(each) for each in ([0, 1, 3, 5], [0, 1, 3, 6])]
    sides = [np.array([1.0, 2, 2, 3, 3]), np.array([1.0, 2, 2.5, 3, 3, 3])]
    rows = np.arange(3)
    columns = [
        Columns({'ranges': Column(values, rows, each)}, rows, None)
        for values, each in zip(sides, offsets, strict=True)
    ]
    page = to_html({'cpp': compare_columns(*columns)}, '')
    (data,) = _charts(page)
    assert data['x'] == []
    assert data['error'] == [0, 0.5, None]
    assert not data['signed']


def test_the_page_refers_to_no_network():
    """Promise: nothing in the page could make a request, or needs inline styles or handlers."""
    page = to_html({'cpp': _comparison(offset_from=5)}, '')
    assert not re.search(r'(src|href|action|data)\s*=\s*["\']?(https?:)?//', page)
    assert not re.search(r'@import|url\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon', page)
    assert "default-src 'none'" in page
    assert not re.search(r'<[^>]+ (style|on\w+)=', page)


def test_what_is_not_finite_is_null_in_the_charts():
    """Promise: NaN and infinities are gaps in the charts, and counted beside them."""
    values = np.arange(50.0)
    values[3:5] = math.nan, math.inf
    page = to_html({'cpp': compare_columns({'x': values}, {'x': np.arange(50.0)})}, '')
    (data,) = _charts(page)
    assert data['original'][3:5] == [None, None]
    assert data['error'][3:5] == [None, None]
    assert '2 values of the original are not finite' in page


def test_of_a_field_of_several_elements_the_worst_is_drawn_and_all_are_in_the_heatmap():
    """Promise: lines show the element with the largest error, the heatmap every element."""
    compared = compare(_joints(), _joints(bad_from=50))
    (field,) = compared.keys[0].differing
    data = chart_data(compared.keys[0], field, 100)
    assert data['error'] == [0] * 50 + [1] * 10
    assert data['heat']['rows'] == ['pan', 'lift', EVIL]
    assert data['heat']['cells'] == ['0' * 60, '0' * 60, '0' * 50 + '6' * 10]


def test_a_comparison_without_its_bags_still_draws_and_says_what_of():
    """Promise: without the bags the kept values and the profile of the errors are drawn."""
    compared = _columns(1, 100_000).without_sources()
    page = to_html({'cpp': compared}, '')
    (data,) = _charts(page)
    (field,) = compared.keys[0].fields
    assert 1_000 < len(data['x']) <= 3_000
    assert max(data['error']) == pytest.approx(field.max_error, rel=1e-3)
    assert len(data['error']) == len(field.profile)
    assert 'points shown, evenly taken; the error line is the largest of each of 1,024' in page


def test_a_page_of_a_loaded_comparison_says_the_same_as_before(tmp_path):
    """Promise: a comparison that was saved and loaded makes the same top of the page."""
    compared = _comparison(offset_from=20, skip=(30,))
    compared.save_to_file(tmp_path / 'comparison.json')
    loaded = DatasetComparison.load(tmp_path / 'comparison.json')
    pages = [to_html({'cpp': each}, 'a title') for each in (compared, loaded)]
    assert _before_the_arms(pages[0]) == _before_the_arms(pages[1])
    assert [len(each) for each in map(_charts, pages)] == [2, 2]


@given(
    st.lists(
        st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=400
    ),
    st.integers(6, 60),
)
def test_down_sampling_keeps_the_ends_the_extremes_and_the_limit(values, limit):
    """Promise: however few points are shown: both ends and all extremes are among them."""
    series = np.array(values)
    other = -series[::-1]
    shown = pick((series, other), limit)
    assert len(shown) <= limit
    assert shown[0] == 0
    assert shown[-1] == len(series) - 1
    assert (np.diff(shown) > 0).all()
    for each in (series, other):
        finite = each[np.isfinite(each)]
        if finite.size:
            kept = each[shown][np.isfinite(each[shown])]
            assert kept.min() == finite.min()
            assert kept.max() == finite.max()


@given(st.lists(st.booleans(), max_size=300), st.integers(2, 20))
def test_spans_cover_every_mismatch_and_are_few(over, limit):
    """Promise: shaded spans hide no mismatch and begin and end at one."""
    found = spans(np.arange(len(over), dtype=float), np.array(over, dtype=bool), limit)
    assert len(found) <= limit
    for place in np.flatnonzero(over):
        assert any(start <= place <= end for start, end in found)
    assert all(over[int(start)] and over[int(end)] for start, end in found)


@given(st.lists(st.floats(), max_size=100))
def test_a_histogram_counts_every_finite_value(values):
    """Promise: every finite value is in some bin, whatever the range."""
    series = np.array(values, dtype=float)
    finite = series[np.isfinite(series)]
    counted = histogram(series)
    if counted is None:
        assert not finite.size or np.abs(finite).max() > 1e300
    else:
        assert sum(counted['counts'][0]) == finite.size


NUMBERS = hnp.arrays(
    st.sampled_from(['f4', 'f8', 'i8', 'u8', 'u1', '?']),
    st.tuples(st.integers(0, 40)) | st.tuples(st.integers(1, 20), st.integers(0, 5)),
)


@settings(max_examples=150, deadline=None)
@given(st.data(), NUMBERS)
def test_whatever_numbers_a_bag_holds_the_page_is_made(data, original):
    """Promise: NaN, infinities, huge, empty and odd arrays make a page of valid JSON."""
    again = hnp.arrays(original.dtype, original.shape)
    compiled = data.draw(again | st.just(original.copy()))
    compared = compare_columns({'x': original}, {'x': compiled})
    for each in (compared, compared.without_sources()):
        page = to_html({'cpp': each}, '')
        assert 'NaN' not in ''.join(re.findall(r'json">(.*?)</script>', page))
        for chart in _charts(page):
            assert len(chart['original']) == len(chart['x'])
            assert len(chart['error']) in (0, len(chart['error_x'] or chart['x']))


@given(hnp.arrays('f8', (30, 3), elements=st.sampled_from([0.0, 0.5, 2.0, 50.0, math.inf])))
def test_a_heatmap_shows_the_largest_error_of_each_element_and_time(errors):
    """Promise: each cell is the largest error of its element then, in multiples of the limit."""
    original, compiled = np.zeros((30, 3)), errors
    compared = compare_columns(
        {'x': original}, {'x': compiled}, tolerance=Tolerance(rtol=0.0, atol=1.0)
    )
    (key,) = compared.keys
    (field,) = key.fields
    heat = of_elements(Times.of(key, 30), field, original, compiled)
    level = {0.0: '0', 0.5: '1', 2.0: '2', 50.0: '4', math.inf: '7'}
    expected = [''.join(level[each] for each in column) for column in errors.T.tolist()]
    assert heat['cells'] == expected
    (row,) = of_key(key, [field])['cells']
    assert row == ''.join(max(each) for each in zip(*expected, strict=True))


def test_a_heatmap_of_fields_tells_exactly_when_pairs_are_beyond():
    """Promise: a cell is beyond the tolerance if and only if a pair of that time is."""
    rng, count = np.random.default_rng(5), 8_001
    original = np.where(rng.random(count) < 0.5, 0.0, 1000.0)
    off = np.where(rng.random(count) < 0.004, rng.choice([0.5, 5.0], count), 0.0)
    rule = Tolerance(rtol=1e-3, atol=0.1)
    (key,) = compare_columns({'x': original}, {'x': original + off}, tolerance=rule).keys
    (row,) = of_key(key, key.fields)['cells']
    over = off > 0.1 + 1e-3 * original
    beyond = np.logical_or.reduceat(over, np.arange(0, 8_000, 50))
    assert 10 < beyond.sum() < 150
    assert [each > '1' for each in row] == beyond.tolist()


def test_of_elements_that_share_a_row_the_worst_is_shown():
    """Promise: one element of a hundred that is off is seen in the row that it shares."""
    original = np.zeros((20, 10, 10))
    compiled = original.copy()
    compiled[7, 6, 3] = 1.0
    (key,) = compare_columns({'x': original}, {'x': compiled}).keys
    heat = of_elements(Times.of(key, 20), key.fields[0], original, compiled)
    rows = dict(zip(heat['rows'], heat['cells'], strict=True))
    assert len(rows) == 40
    assert {name for name, cells in rows.items() if set(cells) != {'0'}} == {'[6, 2] … [6, 4]'}
    assert rows['[6, 2] … [6, 4]'] == '0' * 7 + '6' + '0' * 12


def test_a_heatmap_has_a_gap_where_there_are_no_messages():
    """Promise: time without a message is no column of equal values."""
    compared = compare(*(_dataset(skip=range(10, 40), offset_from=each) for each in (99, 45)))
    (key,) = compared.keys
    heat = of_key(key, key.differing)
    assert re.fullmatch(r'[0 ]+6[6 ]*', heat['cells'][0])
    assert heat['cells'][0].count(' ') > 5


@given(st.integers(1, 500))
def test_elements_share_rows_where_there_are_many(elements):
    """Promise: every element has one row, of at most forty."""
    groups = groups_of(elements)
    assert [each for group in groups for each in group] == list(range(elements))
    assert len(groups) <= 40
    assert all(len(group) for group in groups)


def test_images_that_differ_are_shown_with_what_differs():
    """Promise: the pair of the largest error is shown: both images and a third of what differs."""
    page = to_html({'cpp': compare(_camera(), _camera(bad=(2,)))}, '')
    assert page.count('<img src="data:image/png;base64,') == 3
    assert 'pair 2 at 2.000000000' in page


def test_a_single_pixel_that_differs_stays_to_be_seen():
    """Promise: a picture that is made smaller still shows one pixel, and frames it."""
    (key,) = compare(_camera(), _camera(bad=(2,))).keys
    images = pair_images(key, key.differing[0], 2).arrays
    assert images['original'].shape == (30, 1000, 3)
    assert (np.ptp(images['difference'], axis=2) > 0).sum() == 1
    assert (images['difference'] == 255).all(axis=2).sum() > 20
    whole = np.zeros((64, 64, 3), np.uint8)
    whole[:40, :40, 0] = 9
    assert np.array_equal(framed(whole), whole)


def test_damaged_images_are_left_out():
    """Promise: an image whose sizes do not fit is no picture, and no error."""
    broken = Dataset.create('memory')
    for i, message in enumerate(_camera(bad=(2,)).read_all('/camera')):
        message.height = 10**9
        broken.write('/camera', message, timestamp=float(i))
    (key,) = compare(_camera(), broken).keys
    field = next(each for each in key.differing if each.path in ('', 'data'))
    assert Album().of(key, field) == []
    with pytest.raises(ComparisonError, match='has no pair 4; it has 4'):
        pair_images(key, field, 4)


def test_few_fields_get_many_points_and_many_fields_few():
    """Promise: the budget of points is shared: many fields get fewer each."""
    few, many = (_columns(each, 20).keys[0].fields for each in (2, 300))
    assert Budget(few).points(few[0]) == 3_000
    assert 100 < Budget(many).points(many[0]) < 400
    assert Budget(many).points(many[0], unfolded=True) == 1_000
    assert Budget(many, 0).points(many[0]) == 0


@pytest.mark.timeout(120)
def test_300_fields_of_100000_messages_stay_below_5_megabytes():
    """Promise: a large comparison makes a page below 5 MB within a minute."""
    comparison = _columns(300, 100_000)
    started = time.monotonic()
    page = to_html({'cpp': comparison}, '')
    assert len(page.encode()) < 5_000_000
    assert time.monotonic() - started < 60.0
    assert re.search(r'\d+ of 100,000 points shown', page)
    assert len(comparison.differing) == 300
    assert page.count('<details class="field"') == 300


def test_thousands_of_fields_stay_below_5_megabytes_and_what_is_left_out_is_counted():
    """Promise: however many fields differ, are equal or are ignored, the page is below 5 MB."""
    sides = [
        {f'{kind}.{"long_name_" * 9}{i}': np.arange(4.0) + step for i in range(4_000)}
        for kind, step in (('differs', 0.0),)
    ]
    sides.append({path: values + 1.0 for path, values in sides[0].items()})
    for each in sides:
        each.update({f'equal.{i}': np.arange(4.0) for i in range(3_000)})
        each.update({f'ignored.{i}': np.arange(4.0) for i in range(3_000)})
    rule = Tolerance(ignore={'ignored.*': 'they say nothing'})
    page = to_html({'cpp': compare_columns(*sides, tolerance=rule)}, '')
    assert len(page.encode()) < 5_000_000
    assert 'and 2,000 more, left out' in page


def test_names_and_values_without_end_are_cut():
    """Promise: a bag whose names and strings are megabytes long makes a small page."""
    endless = 'x' * 2_000_000
    sides = [{endless: np.full(3, each, object)} for each in (endless, f'{endless}y')]
    assert len(to_html({'cpp': compare_columns(*sides, name=endless)}, '')) < 300_000


def test_a_million_messages_are_drawn_from_a_few_points_that_are_counted():
    """Promise: of a million messages a page shows thousands, keeps the extremes and says so."""
    values = np.random.default_rng(2).standard_normal(1_000_000)
    compiled = values.copy()
    compiled[123_456] += 7.0
    page = to_html({'cpp': compare_columns({'x': values}, {'x': compiled})}, '')
    (data,) = _charts(page)
    assert max(data['error']) == 7
    assert data['error_x'] == []
    assert 2_000 < len(data['x']) <= 3_000
    assert f'{len(data["x"]):,} of 1,000,000 points shown' in page
    assert len(page.encode()) < 500_000


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    """Return a Chromium for all tests of this file."""
    running = Browser(tmp_path_factory.mktemp('browser') / 'profile')
    yield running
    running.close()


def _written(tmp_path, comparisons, title='a title'):
    path = tmp_path / 'report.html'
    path.write_text(to_html(comparisons, title), 'utf-8')
    return path


DRAWN = '[...document.querySelectorAll(".charts")].filter(each => each.checkVisibility())'


@pytest.mark.parametrize('dark', [False, True])
@pytest.mark.parametrize('fields', [3, 300])
def test_a_browser_shows_the_verdict_and_draws_without_a_word(browser, tmp_path, fields, dark):
    """Promise: verdict and first divergence are seen at once; no request, nothing on the console."""
    path = _written(tmp_path, {'cpp': _columns(fields, 2_000)})
    with browser.page(path, dark=dark) as page:
        assert page.evaluate('document.querySelector(".verdict").innerText') == 'DIFFERS'
        for seen in ('.verdict', '.first', '.noise'):
            box = f'document.querySelector("{seen}").getBoundingClientRect()'
            assert page.evaluate(f'{box}.top') >= 0
            assert page.evaluate(f'{box}.bottom') < 400
        page.evaluate('document.querySelector(".field").scrollIntoView()')
        page.wait_for('document.querySelectorAll(".field canvas").length >= 4')
        assert page.evaluate('document.documentElement.scrollWidth') <= 1280
        assert page.evaluate('document.querySelectorAll(".heat canvas").length') == 1
        background = page.evaluate('getComputedStyle(document.body).backgroundColor')
        assert background == ('rgb(15, 19, 24)' if dark else 'rgb(246, 247, 249)')
        assert page.console == []
        assert page.requests == [path.as_uri()]


def test_a_browser_draws_four_charts_of_hostile_text(browser, tmp_path):
    """Promise: Chromium draws all charts under the content policy, whatever a bag's text says."""
    comparison = _comparison(frame=EVIL, offset_from=20, skip=(30,))
    with browser.page(_written(tmp_path, {EVIL: comparison}, EVIL), height=3000) as page:
        page.wait_for(f'{DRAWN}.every(each => each.dataset.done)')
        assert page.evaluate('document.querySelectorAll(".uplot canvas").length') == 4
        label = 'twist.linear.x: error over time, 49 of 49 points shown'
        assert (
            page.evaluate(f"""document.querySelectorAll('[aria-label="{label}"]').length""") == 1
        )
        assert page.evaluate('document.querySelectorAll("img").length') == 0
        assert page.console == []


def test_a_browser_shows_images_and_elements(browser, tmp_path):
    """Promise: pictures are decoded, and the elements of an array have a heatmap."""
    both = {
        'camera': compare(_camera(), _camera(bad=(2,))),
        'arm': compare(_joints(), _joints(bad_from=50)),
    }
    with browser.page(_written(tmp_path, both), height=6000) as page:
        page.wait_for(f'{DRAWN}.every(each => each.dataset.done)')
        page.wait_for('[...document.images].every(each => each.complete)')
        widths = page.evaluate('[...document.images].map(each => each.naturalWidth)')
        assert len(widths) == 3
        assert all(300 < each <= 512 for each in widths)
        names = page.evaluate(
            '[...document.querySelectorAll(".charts .names")].at(-1).innerText.split("\\n")'
        )
        assert names == ['pan', 'lift', EVIL]
        assert page.console == []
        assert all(each.startswith(('file:', 'data:image/png')) for each in page.requests)


def test_a_browser_opens_and_steers_with_the_keyboard_alone(browser, tmp_path):
    """Promise: folded fields open with Enter, and a heatmap is read out with the arrow keys."""
    with browser.page(_written(tmp_path, {'cpp': _comparison(offset_from=20)})) as page:
        page.evaluate('document.querySelector(".equal summary").focus()')
        page.press('Enter')
        assert page.evaluate('document.querySelector(".equal").open')
        page.evaluate('document.querySelector(".heat canvas").focus()')
        page.press('ArrowRight')
        told = page.evaluate('document.querySelector(".readout").textContent')
        assert re.fullmatch(r'twist.linear.x, 0 to 0\.98: equal', told)


def test_a_browser_finds_one_of_many_fields_by_its_name(browser, tmp_path):
    """Promise: the filter leaves only rows and charts of fields whose name has the text."""
    with browser.page(_written(tmp_path, {'cpp': _columns(30, 100)})) as page:
        page.evaluate('document.querySelector(".filter input").focus()')
        page.ask('Input.insertText', text='joint_017')
        shown = '[...document.querySelectorAll("[data-name]")].filter(each => !each.hidden)'
        assert page.evaluate(f'{shown}.map(each => each.tagName)') == ['TR', 'DETAILS']
        assert page.evaluate('document.querySelector(".filter [role=status]").textContent') == (
            '1 shown'
        )


CONTRAST = """
(() => {
  const light = (each) => { const c = each / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const of = (text) => text.match(/[\\d.]+/g).map(Number);
  const luma = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const under = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const found = of(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  let worst = [99, ''];
  for (const node of document.querySelectorAll('body *')) {
    if (!node.checkVisibility() || ![...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
    const [a, b] = [luma(of(getComputedStyle(node).color)), luma(under(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 200)];
  }
  return worst;
})()
"""


@pytest.mark.parametrize('dark', [False, True])
def test_text_has_the_contrast_that_people_need(browser, tmp_path, dark):
    """Promise: every text has a contrast of 4.5 to 1 at least (WCAG 2.2, 1.4.3), light and dark."""
    arms = {'a': _comparison(offset_from=20, skip=(30,)), 'b': _comparison()}
    empty = replace(arms['b'], keys=())
    with browser.page(_written(tmp_path, {**arms, 'c': empty}), dark=dark) as page:
        page.evaluate(
            'document.querySelectorAll("details").forEach(each => { each.open = true; })'
        )
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where


@pytest.mark.parametrize('dark', [False, True])
def test_tables_over_all_arms_can_be_read_on_every_screen(browser, tmp_path, dark):
    """Promise: a wide table scrolls in its own box, every text of it has contrast, no word said."""
    heading = ('arm', *(f'measure {number}' for number in range(20)))
    tables = [Table('What each arm costs', heading, [(each, *['12.3 ms'] * 20) for each in 'ab'])]
    path = tmp_path / 'report.html'
    arm = Arm('cpp', Verdict.EQUIVALENT, _comparison(), {})
    path.write_text(report_html([arm], 'a run', Verdict.EQUIVALENT, {}, tables=tables), 'utf-8')
    with browser.page(path, dark=dark) as page:
        assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
        assert page.evaluate(
            '(each => each.scrollWidth > each.clientWidth)(document.querySelector(".over .scroll"))'
        )
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where
        assert page.console == []
