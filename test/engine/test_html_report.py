"""The HTML report: what it shows, that it is safe to open, and that it stays small."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.comparison import (
    DatasetComparison,
    Divergence,
    FieldComparison,
    KeyComparison,
    Limit,
    Tolerance,
    Verdict,
    compare,
)
from lk_dataset_ros.comparison.renderers._series import (
    Budget,
    chart_data,
    element_of,
    histogram,
    pick,
    spans,
)
from lk_dataset_ros.comparison.renderers.html import Arm, report_html, to_html
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.message import new_message

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import open_page

EVIL = '</script><img src=x onerror=alert(1)>'


def _dataset(count=50, *, key='/cmd', frame='base_link', offset_from=10**9, skip=()):
    dataset = Dataset.create('memory')
    for i in range(count):
        if i in skip:
            continue
        message = new_message('geometry_msgs/msg/TwistStamped')
        message.header.stamp.sec = 1_700_000_000 + i
        message.header.stamp.nanosec = 123
        message.header.frame_id = frame
        message.twist.linear.x = math.sin(i / 10) + (0.5 if i >= offset_from else 0.0)
        message.twist.angular.z = math.cos(i / 10)
        dataset.write(key, message, timestamp=float(i))
    return dataset


def _comparison(**changes):
    return compare(_dataset(), _dataset(**changes), original_name='node', compiled_name='cpp')


def _charts(page):
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(block) for block in blocks]


def _field(path, count, rng, over_share=0.5):
    stamps = 1_700_000_000_000_000_000 + np.arange(count) * 10_000_000
    original = rng.standard_normal(count).cumsum()
    errors = np.where(rng.random(count) < over_share, 0.01, 0.0) * rng.standard_normal(count)
    compiled = original + errors
    over = np.abs(errors) > 1e-3
    first = int(over.argmax())
    return stamps, FieldComparison(
        path,
        'float64',
        Limit(0.0, 1e-3),
        matched=int((~over).sum()),
        mismatched=int(over.sum()),
        max_error=float(np.abs(errors).max()),
        first=Divergence(
            first, int(stamps[first]), float(original[first]), float(compiled[first])
        ),
        errors=np.abs(errors),
        over=over,
        original=original,
        compiled=compiled,
    )


def _synthetic(fields, count):
    rng = np.random.default_rng(7)
    made = [_field(f'state.joint_{i:03}.position', count, rng) for i in range(fields)]
    key = KeyComparison(
        '/joints',
        'x/msg/Joints',
        'x/msg/Joints',
        paired=count,
        stamps_ns=made[0][0],
        indices=np.arange(count),
        fields=tuple(field for _, field in made),
    )
    return DatasetComparison(None, None, 'node', 'cpp', (key,))


def test_equal_datasets_give_an_equivalent_page_with_nothing_unfolded():
    """Promise: equal datasets are equivalent, and nothing is unfolded."""
    page = to_html({'cpp': _comparison()}, 'a title')
    assert '<p class="verdict" role="status">equivalent</p>' in page
    assert '7 fields are equal within tolerance' in page
    assert '<details class="field"' in page
    assert ' open>' not in page
    assert 'constant 0' in page


def test_a_difference_is_on_top_with_stamp_field_and_both_values():
    """Promise: the summary names stamp and field of the first difference."""
    page = to_html({'cpp': _comparison(offset_from=20)}, 'a title')
    assert '<title>differs: a title</title>' in page
    summary = page[: page.index('<section class="arm"')]
    assert '1700000020.000000123' in summary
    assert '<code>twist.linear.x</code>' in summary
    assert f'{math.sin(2):.6g}' in page
    assert f'{math.sin(2) + 0.5:.6g}' in page
    assert page.count(' open>') == 1


def test_the_worst_arm_decides_over_plain_comparisons():
    """Promise: one arm that differs makes the whole page differ; no arm at all is inconclusive."""
    page = to_html({'good': _comparison(), 'bad': _comparison(offset_from=3)}, '')
    assert '<p class="verdict" role="status">differs</p>' in page
    assert '<p class="verdict" role="status">inconclusive</p>' in to_html({}, 'nothing')


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
    assert 'line 79' in page
    assert 'line 20' not in page
    assert '/data/drive' in page
    assert '<img' not in page


def test_text_from_bags_never_becomes_markup():
    """Promise: topics, frames, titles, facts and logs are text wherever they appear."""
    arm = Arm(EVIL, Verdict.DIFFERS, _comparison(frame=EVIL), {EVIL: EVIL}, EVIL)
    page = report_html([arm], EVIL, Verdict.DIFFERS, {EVIL: EVIL})
    page += to_html({EVIL: compare(_dataset(key=f'/{EVIL}'), _dataset(offset_from=9))}, EVIL)
    assert '<img' not in page
    assert '&lt;img src=x' in page
    assert page.count('</script>') == page.count('<script')


def test_a_hostile_field_path_cannot_leave_its_attribute():
    """Promise: a field path with quotes and tags stays within its attribute."""
    _, field = _field(f'" onmouseover="alert(1){EVIL}', 10, np.random.default_rng(0), 1.0)
    key = KeyComparison('/x', 't', 't', paired=10, stamps_ns=np.arange(10), fields=(field,))
    page = to_html({'cpp': DatasetComparison(None, None, 'a', 'b', (key,))}, '')
    assert '" onmouseover' not in page
    assert '<img' not in page


def test_a_sequence_that_changes_its_length_has_a_chart_of_its_errors_only():
    """Promise: values of no fixed shape are not drawn, their errors are, infinite ones left out."""
    errors = np.array([0.0, 0.5, math.inf])
    field = FieldComparison(
        'ranges',
        'float32',
        Limit(0.0, math.inf),
        1,
        2,
        errors=errors,
        over=errors > 0,
        first=Divergence(1, 1, [1.0], [1.5]),
    )
    key = KeyComparison('/x', 't', 't', paired=3, stamps_ns=np.arange(3), fields=(field,))
    page = to_html({'cpp': DatasetComparison(None, None, 'a', 'b', (key,))}, '')
    (data,) = _charts(page)
    assert data['original'] == []
    assert data['error'] == [0, 0.5, None]


def test_the_page_refers_to_no_network():
    """Promise: nothing in the page could make a request, or needs inline styles or handlers."""
    page = to_html({'cpp': _comparison(offset_from=5)}, '')
    assert not re.search(r'(src|href|action|data)\s*=\s*["\']?(https?:)?//', page)
    assert not re.search(r'@import|url\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon', page)
    assert "default-src 'none'" in page
    assert not re.search(r'<[^>]+ (style|on\w+)=', page)


def test_what_is_not_finite_is_null_in_the_charts():
    """Promise: NaN and infinities are gaps in the charts, and counted beside them."""
    compiled = _dataset()
    original = Dataset.create('memory')
    for i, message in enumerate(compiled.read_all('/cmd')):
        if i == 3:
            message.twist.linear.x = math.nan
        if i == 4:
            message.twist.linear.x = math.inf
        original.write('/cmd', message, timestamp=float(i))
    comparison = compare(original, _dataset())
    page = to_html({'cpp': comparison}, '')
    assert 'NaN' not in ''.join(re.findall(r'json">(.*?)</script>', page))
    (data,) = [data for data in _charts(page) if data['error']]
    assert data['original'][3] is None
    assert data['original'][4] is None
    assert '2 values of the original are not finite' in page


def test_of_a_field_of_several_elements_the_worst_is_drawn():
    """Promise: the charts of an array show the element with the largest error."""
    values = np.zeros((5, 2, 3))
    compiled = values.copy()
    compiled[2, 1, 2] = 4.0
    worst = Divergence(2, 2, 0.0, 4.0, (1, 2))
    field = FieldComparison(
        'm',
        'float64',
        Limit(0.0, 0.0),
        4,
        1,
        worst=worst,
        first=worst,
        errors=np.array([0.0, 0, 4, 0, 0]),
        over=np.arange(5) == 2,
        original=values,
        compiled=compiled,
    )
    data = chart_data(KeyComparison('/x', 't', 't', stamps_ns=np.arange(5)), field, 100)
    assert element_of(field) == (1, 2)
    assert data['error'] == [0, 0, 4, 0, 0]


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


def test_few_fields_get_many_points_and_many_fields_few():
    """Promise: the budget of points is shared: many fields get fewer each."""
    few, many = _synthetic(2, 10), _synthetic(300, 10)
    assert Budget(few.keys[0].fields).points(few.keys[0].fields[0]) == 3_000
    assert 200 < Budget(many.keys[0].fields).points(many.keys[0].fields[0]) < 400
    assert Budget(many.keys[0].fields, 0).points(many.keys[0].fields[0]) == 0


@pytest.mark.timeout(120)
def test_300_fields_of_100000_messages_stay_below_5_megabytes():
    """Promise: a large comparison makes a page below 5 MB within a minute."""
    comparison = _synthetic(300, 100_000)
    started = time.monotonic()
    page = to_html({'cpp': comparison}, '')
    assert len(page.encode()) < 5_000_000
    assert time.monotonic() - started < 60.0
    assert re.search(r'\d+ of 100000 points shown', page)


def test_a_browser_draws_the_charts_without_a_word_on_its_console(tmp_path):
    """Promise: Chromium draws all four charts under the content policy, its console silent."""
    comparison = _comparison(frame=EVIL, offset_from=20, skip=(30,))
    path = tmp_path / 'report.html'
    path.write_text(to_html({'cpp': comparison}, EVIL), 'utf-8')
    page = open_page(path, tmp_path / 'profile')
    assert page.console == []
    assert page.dom.count('<canvas') == 4
    assert 'aria-label="twist.linear.x: error over time, 49 of 49 points shown"' in page.dom
    assert '<img' not in page.dom
