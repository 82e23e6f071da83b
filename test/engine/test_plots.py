"""Plots: what they draw, what they are called, and what they refuse."""

from __future__ import annotations

import io
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lk_dataset_ros.comparison import Limit, Tolerance, compare
from lk_dataset_ros.comparison.engine import compare_columns
from lk_dataset_ros.comparison.renderers._units import unit_of
from lk_dataset_ros.comparison.renderers.plots import (
    plot_heatmap,
    plot_histogram,
    plot_images,
    plot_timeseries,
)
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import ComparisonError, ExtraMissingError
from lk_dataset_ros.message import new_message

pytest.importorskip('matplotlib')

from matplotlib.figure import Figure

SECOND = 1_700_000_000


def _drive(count=80, *, offset_from=10**9):
    dataset = Dataset.create('memory')
    for i in range(count):
        message = new_message('geometry_msgs/msg/TwistStamped')
        message.header.stamp.sec = SECOND + i
        message.header.frame_id = 'base' if i >= offset_from else 'base_link'
        message.twist.linear.x = math.sin(i / 9) + (0.25 if i >= offset_from else 0.0)
        message.twist.angular.z = math.cos(i / 9) + (0.01 if i >= offset_from + 20 else 0.0)
        dataset.write('/cmd_vel', message, timestamp=float(i))
        joints = new_message('sensor_msgs/msg/JointState')
        joints.header = message.header
        joints.name = ['pan', 'lift']
        joints.position = np.array([1.0, 2.0 + (i >= offset_from)])
        dataset.write('/joints', joints, timestamp=float(i))
    return dataset


def _camera(count=3, *, bad=()):
    dataset = Dataset.create('memory')
    for i in range(count):
        message = new_message('sensor_msgs/msg/Image')
        message.header.stamp.sec = i
        message.height, message.width, message.encoding, message.step = 6, 8, 'mono8', 8
        message.data = np.full(48, 10 * i + 100 * (i in bad), np.uint8)
        dataset.write('/camera', message, timestamp=float(i))
    return dataset


@pytest.fixture(scope='module')
def comparison():
    """Return a comparison with a twist and an array that differ from message 30 on."""
    rule = Tolerance(fields={'twist.linear.x': Limit(0.0, 0.1)})
    return compare(_drive(), _drive(offset_from=30), tolerance=rule)


def _drawn(figure):
    """Draw a figure as a PNG file, and return its size."""
    content = io.BytesIO()
    figure.savefig(content, format='png', dpi=40)
    return len(content.getvalue())


def _labels(axes):
    return [each.get_label() for each in axes.get_lines() if not each.get_label().startswith('_')]


def test_a_time_series_shows_both_sides_the_error_and_the_tolerance(comparison):
    """Promise: both lines, the band around the original, the error between its limits, units."""
    figure = plot_timeseries(comparison, '/cmd_vel', 'twist.linear.x')
    assert isinstance(figure, Figure)
    values, errors = figure.axes
    assert _labels(values) == ['original', 'compiled']
    assert _labels(errors) == ['error', 'tolerance']
    original, compiled = (each.get_ydata() for each in values.get_lines()[:2])
    assert np.allclose(original, np.sin(np.arange(80) / 9))
    assert np.allclose(compiled - original, np.where(np.arange(80) >= 30, 0.25, 0.0))
    assert np.allclose(errors.get_lines()[0].get_ydata(), compiled - original)
    assert np.allclose(errors.get_lines()[1].get_ydata(), 0.1)
    band = values.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(original.max() + 0.1)
    assert values.get_title() == '/cmd_vel twist.linear.x; 50 of 80 pairs beyond 0.1'
    assert values.get_ylabel() == 'value [m/s]'
    assert errors.get_ylabel() == 'compiled - original [m/s]'
    assert errors.get_xlabel() == f'time [s] since {SECOND}.000000000'
    assert _drawn(figure) > 5_000


def test_the_worst_field_is_taken_where_none_is_named(comparison):
    """Promise: without a path the field with the largest share of pairs beyond is drawn."""
    figure = plot_timeseries(comparison, '/cmd_vel')
    assert figure.axes[0].get_title().startswith('/cmd_vel twist.linear.x;')
    values = np.zeros(9)
    shares = {f'x{count}': np.where(np.arange(9) < count, 1.0, 0.0) for count in (2, 7, 5)}
    columns = compare_columns(dict.fromkeys(shares, values), shares)
    assert plot_timeseries(columns, 'columns').axes[0].get_title().startswith('columns x7;')


def test_of_an_array_the_worst_element_is_drawn(comparison):
    """Promise: the title names the element that the lines show."""
    figure = plot_timeseries(comparison, '/joints', 'position')
    assert figure.axes[0].get_title().startswith('/joints position[1];')
    assert figure.axes[0].get_lines()[1].get_ydata()[-1] == 3.0


def test_a_long_series_keeps_its_extremes_and_tells_how_many_points_are_shown():
    """Promise: of a long line the extremes are drawn, and the title counts the points."""
    values = np.zeros(50_000)
    compiled = values.copy()
    compiled[12_345] = 9.0
    figure = plot_timeseries(
        compare_columns({'x': values}, {'x': compiled}), 'columns', points=1_000
    )
    x, y = figure.axes[0].get_lines()[1].get_data()
    assert len(x) <= 1_000
    assert x[y == 9.0].tolist() == [12_345]
    assert f'{len(x):,} of 50,000 points shown' in figure.axes[0].get_title()


def test_a_histogram_counts_the_values_of_both_sides_and_the_errors(comparison):
    """Promise: the bins hold every value of either side, and every error."""
    figure = plot_histogram(comparison, '/cmd_vel', 'twist.linear.x', bins=10)
    values, errors = figure.axes
    counts = [each.get_data().values.sum() for each in values.patches[::2]]
    assert counts == [80, 80]
    assert errors.patches[0].get_data().values.tolist() == [30, *[0] * 8, 50]
    assert values.get_xlabel() == 'value [m/s]'
    assert 'Kolmogorov-Smirnov' in figure.get_suptitle()
    assert _drawn(figure) > 5_000


def test_a_histogram_is_drawn_into_axes_that_are_given(comparison):
    """Promise: given axes get the values, and their figure is returned."""
    figure = Figure()
    axes = figure.subplots()
    assert plot_histogram(comparison, '/cmd_vel', ax=axes) is figure
    assert len(axes.patches) == 4
    assert axes.get_title().startswith('/cmd_vel twist.linear.x')


def test_a_heatmap_of_a_key_has_a_row_for_each_field_that_differs(comparison):
    """Promise: the fields that differ are the rows, worst first; cells are where they differ."""
    figure = plot_heatmap(comparison, '/cmd_vel')
    axes = figure.axes[0]
    rows = [each.get_text() for each in axes.get_yticklabels()]
    assert sorted(rows[:2]) == ['header.frame_id', 'twist.linear.x']
    assert rows[2] == 'twist.angular.z'
    cells = axes.collections[0].get_array().reshape(3, 80)
    assert [int((row > 1).argmax()) for row in cells] == [30, 30, 50]
    assert _drawn(figure) > 5_000


def test_a_heatmap_of_an_array_has_a_row_for_each_element(comparison):
    """Promise: elements are the rows, called as the message calls them."""
    figure = plot_heatmap(comparison, '/joints', 'position')
    axes = figure.axes[0]
    assert [each.get_text() for each in axes.get_yticklabels()] == ['pan', 'lift']
    cells = axes.collections[0].get_array().reshape(2, 80)
    assert (cells > 1).sum(axis=1).tolist() == [0, 50]


def test_images_stand_side_by_side_with_what_differs():
    """Promise: original, compiled and difference of the pair of the largest error."""
    compared = compare(_camera(), _camera(bad=(1,)))
    figure = plot_images(compared, '/camera')
    assert [each.get_title() for each in figure.axes] == ['original', 'compiled', 'difference']
    pixels = [each.get_images()[0].get_array() for each in figure.axes]
    assert (pixels[0] == 10).all()
    assert (pixels[1] == 110).all()
    assert 'pair 1 at 1.000000000' in figure.get_suptitle()
    assert 'pair 2' in plot_images(compared, '/camera', position=2).get_suptitle()
    assert _drawn(figure) > 1_000


def test_a_comparison_without_its_bags_is_drawn_from_what_was_kept(comparison):
    """Promise: without the bags lines and histograms are there; images are refused."""
    kept = comparison.without_sources()
    with_bags, without = (plot_timeseries(each, '/cmd_vel') for each in (comparison, kept))
    for one, other in zip(with_bags.axes, without.axes, strict=True):
        assert np.array_equal(one.get_lines()[0].get_ydata(), other.get_lines()[0].get_ydata())
    assert len(plot_histogram(kept, '/joints', 'position').axes) == 2
    assert len(plot_heatmap(kept, '/joints', 'position').axes) == 1
    with pytest.raises(ComparisonError, match='/camera has no field with images to draw'):
        plot_images(compare(_camera(), _camera()).without_sources(), '/camera')


def test_the_noise_floor_is_drawn():
    """Promise: where runs of the original were compared, their largest difference is a line."""
    rng = np.random.default_rng(3)

    def run(offset):
        dataset = Dataset.create('memory')
        for i in range(60):
            message = new_message('geometry_msgs/msg/PointStamped')
            message.header.stamp.sec = i
            message.point.x = offset + 0.01 * rng.standard_normal()
            dataset.write('/p', message, timestamp=float(i))
        return dataset

    compared = compare(run(0.0), run(1.0), noise=[run(0.0)])
    errors = plot_timeseries(compared, '/p', 'point.x').axes[1]
    assert _labels(errors)[-1] == 'noise floor'
    assert errors.get_lines()[-2].get_ydata()[0] < 0.1


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        (('/cmd_ve', None), "'/cmd_ve' was not compared; did you mean /cmd_vel?"),
        (('/q', None), "'/q' was not compared; there is /cmd_vel, /joints"),
        (('/cmd_vel', 'twist.linear.w'), 'did you mean twist.linear.'),
        (('/cmd_vel', 'header.frame_id'), 'header.frame_id has no numbers to draw; these have: '),
    ],
)
def test_what_is_not_there_is_told_in_one_line_with_near_names(comparison, arguments, told):
    """Promise: an unknown key or field is named with those that come near."""
    for plot in (plot_timeseries, plot_histogram):
        with pytest.raises(ComparisonError) as caught:
            plot(comparison, *arguments)
        assert told in str(caught.value)
        assert '\n' not in str(caught.value)


def test_wrong_options_are_told(comparison):
    """Promise: bins, points and positions that make no sense are refused."""
    with pytest.raises(ComparisonError, match='0 bins; 1 to 10000'):
        plot_histogram(comparison, '/cmd_vel', bins=0)
    with pytest.raises(ComparisonError, match='2 points are too few'):
        plot_timeseries(comparison, '/cmd_vel', points=2)
    with pytest.raises(ComparisonError, match='/cmd_vel has no field with images'):
        plot_images(comparison, '/cmd_vel')
    with pytest.raises(ComparisonError, match='has no pair 99; it has 3'):
        plot_images(compare(_camera(), _camera()), '/camera', position=99)


def test_without_matplotlib_the_extra_is_named(comparison, monkeypatch):
    """Promise: where matplotlib is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    with pytest.raises(ExtraMissingError, match=r'lk_dataset_ros\[plots\]'):
        plot_timeseries(comparison, '/cmd_vel')


def test_pyplot_is_left_alone(comparison):
    """Promise: figures are made without pyplot: nothing is registered, nothing has to be closed."""
    plot_heatmap(comparison, '/cmd_vel')
    pyplot = sys.modules.get('matplotlib.pyplot')
    assert pyplot is None or not pyplot.get_fignums()


NUMBERS = hnp.arrays(
    st.sampled_from(['f4', 'f8', 'i8', 'u1', '?']),
    st.tuples(st.integers(2, 20)) | st.tuples(st.integers(2, 8), st.integers(1, 3)),
)


@settings(max_examples=8, deadline=None)
@given(st.data(), NUMBERS)
def test_whatever_numbers_there_are_can_be_drawn(data, original):
    """Promise: NaN, infinities and huge numbers are drawn without a warning."""
    compiled = data.draw(hnp.arrays(original.dtype, original.shape))
    compared = compare_columns({'x': original}, {'x': compiled})
    for plot in (plot_timeseries, plot_histogram, plot_heatmap):
        assert _drawn(plot(compared, 'columns', 'x')) > 1_000


@pytest.mark.parametrize(
    ('type_name', 'path', 'unit'),
    [
        ('geometry_msgs/msg/TwistStamped', 'twist.linear.x', 'm/s'),
        ('geometry_msgs/msg/Twist', 'angular.z', 'rad/s'),
        ('nav_msgs/msg/Odometry', 'pose.pose.position.y', 'm'),
        ('nav_msgs/msg/Odometry', 'pose.pose.orientation.w', ''),
        ('sensor_msgs/msg/Imu', 'linear_acceleration.z', 'm/s²'),
        ('geometry_msgs/msg/AccelStamped', 'accel.linear.x', 'm/s²'),
        ('geometry_msgs/msg/WrenchStamped', 'wrench.torque.x', 'N m'),
        ('sensor_msgs/msg/LaserScan', 'ranges', 'm'),
        ('x/msg/Y', 'values', ''),
    ],
)
def test_units_of_common_fields_are_those_of_rep_103(type_name, path, unit):
    """Promise: common fields have SI units, others none."""
    assert unit_of(type_name, path) == unit
