"""Parts of messages are judged by what they mean, as their type or the tolerance says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros.comparison import Limit, Tolerance, Verdict, comparator, compare
from lk_dataset_ros.comparison.comparators.builtin import BY_TYPE, NAMED
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Schema, codec_for, new_message

if TYPE_CHECKING:
    from collections.abc import Iterator

POSE = 'geometry_msgs/msg/PoseStamped'


def one(message: Any, key: str = '/m') -> Dataset:
    """Make a dataset of one message."""
    dataset = Dataset.create('memory')
    dataset.write(key, message, timestamp_ns=1)
    return dataset


def pose(angle: float = 0.0, *, sign: float = 1.0, x: float = 0.0) -> Any:
    """Make a pose that is turned about z."""
    message = new_message(POSE)
    message.pose.position.x = x
    message.pose.orientation.z = sign * math.sin(angle / 2)
    message.pose.orientation.w = sign * math.cos(angle / 2)
    return message


def paths(comparison: Any) -> list[str]:
    """Return the fields that differ."""
    return [field.path for key in comparison.keys for field in key.differing]


def field_of(comparison: Any, path: str) -> Any:
    """Return one field."""
    return next(each for key in comparison.keys for each in key.fields if each.path == path)


def test_the_sign_of_a_quaternion_means_nothing() -> None:
    """Promise: q and -q are equal; a turned one differs, in rad, as a whole."""
    assert compare(one(pose(1.0)), one(pose(1.0, sign=-1.0))).is_equivalent
    comparison = compare(one(pose(1.0)), one(pose(1.01)))
    assert paths(comparison) == ['pose.orientation']
    field = field_of(comparison, 'pose.orientation')
    assert (field.comparator, field.unit) == ('quaternion', 'rad')
    assert field.max_error == pytest.approx(0.01, rel=1e-9)
    assert field.first.original['z'] == pytest.approx(math.sin(0.5))


def test_a_limit_for_a_quaternion_is_an_angle() -> None:
    """Promise: a limit for the quaternion itself is an angle; one for its fields is not."""
    original, compiled = one(pose(1.0)), one(pose(1.1))
    for limit, verdict in ((0.11, Verdict.EQUIVALENT), (0.09, Verdict.DIFFERS)):
        rule = Tolerance(fields={'**.orientation': Limit(0.0, limit)})
        assert compare(original, compiled, tolerance=rule).verdict is verdict
    loose = Tolerance(fields={'**.orientation.*': Limit(0.0, 0.06)})
    assert compare(original, compiled, tolerance=loose).is_equivalent


def test_a_limit_for_a_pose_holds_for_both_parts() -> None:
    """Promise: a limit for a pose is one in m and in rad; without one it is there to look at."""
    original = one(pose(1.0))
    rule = Tolerance(fields={'/m.pose': Limit(0.0, 0.2)})
    assert compare(original, one(pose(1.1, x=0.19)), tolerance=rule).is_equivalent
    assert paths(compare(original, one(pose(1.1, x=0.21)), tolerance=rule)) == ['pose']
    assert paths(compare(original, one(pose(1.3, x=0.0)), tolerance=rule)) == ['pose']
    comparison = compare(original, one(pose(1.1, x=3.0)))
    field = field_of(comparison, 'pose')
    assert not field.is_judged
    assert field.measures['translation_m'].largest == pytest.approx(3.0)
    assert field.measures['rotation_rad'].largest == pytest.approx(0.1)
    assert paths(comparison) == ['pose.position.x', 'pose.orientation']


def test_a_pose_inside_a_sequence_is_one_too() -> None:
    """Promise: the poses of a path are judged one by one, each by its place."""

    def path(*angles: float, sign: float = 1.0) -> Dataset:
        message = new_message('nav_msgs/msg/Path')
        message.poses = [pose(angle, sign=sign) for angle in angles]
        return one(message)

    assert compare(path(0.1, 0.2), path(0.1, 0.2, sign=-1.0)).is_equivalent
    assert paths(compare(path(0.1, 0.2), path(0.1, 0.3))) == ['poses[1].pose.orientation']
    longer = compare(path(0.1), path(0.1, 0.2))
    assert 'poses.length' in paths(longer)
    assert 'poses[1].pose.orientation' in paths(longer)


def test_a_heading_is_an_angle() -> None:
    """Promise: the heading of a Pose2D wraps; another field does where the tolerance says so."""

    def flat(theta: float) -> Dataset:
        message = new_message('geometry_msgs/msg/Pose2D')
        message.theta = theta
        return one(message)

    assert compare(flat(math.pi), flat(-math.pi)).is_equivalent
    assert paths(compare(flat(3.0), flat(-3.0))) == ['theta']
    plain = Tolerance(comparators={'**.theta': 'values'})
    assert paths(compare(flat(math.pi), flat(-math.pi), tolerance=plain)) == ['theta']

    def joint(angle: float) -> Dataset:
        message = new_message('std_msgs/msg/Float64')
        message.data = angle
        return one(message)

    assert not compare(joint(0.0), joint(2 * math.pi)).is_equivalent
    rule = Tolerance(comparators={'/m.data': 'angle'})
    assert compare(joint(0.0), joint(2 * math.pi), tolerance=rule).is_equivalent


def test_scans_agree_on_what_is_no_range() -> None:
    """Promise: beams that both sides call invalid agree, whatever stands there."""

    def scan(*ranges: float) -> Dataset:
        message = new_message('sensor_msgs/msg/LaserScan')
        message.range_min, message.range_max = 0.1, 10.0
        message.ranges = np.array(ranges, np.float32)
        return one(message)

    assert compare(scan(1.0, math.inf, 0.0), scan(1.0, math.nan, 99.0)).is_equivalent
    assert paths(compare(scan(1.0, math.inf), scan(1.0, 2.0))) == ['ranges']
    assert paths(compare(scan(1.0, 2.0), scan(1.0))) == ['ranges']


def test_images_say_how_many_pixels() -> None:
    """Promise: an image differs as a whole, with pixels, PSNR and SSIM as measures."""

    def image(pixel: int) -> Dataset:
        message = new_message('sensor_msgs/msg/Image')
        message.height, message.width, message.step, message.encoding = 9, 9, 9, 'mono8'
        data = np.full(81, 100, np.uint8)
        data[9] = pixel
        message.data = data
        return one(message)

    assert compare(image(100), image(100)).is_equivalent
    comparison = compare(image(100), image(110))
    assert paths(comparison) == ['data']
    field = field_of(comparison, 'data')
    assert (field.comparator, field.max_error) == ('image', 10.0)
    assert field.measures['pixels_over'].largest == 1.0
    expected = 10 * math.log10(255**2 / (100 / 81))
    assert field.measures['psnr_db'].largest == pytest.approx(expected)
    assert field.first.original['data'] == 'uint8[81]'
    loose = Tolerance(fields={'/m.data': Limit(0.0, 10.0)})
    assert compare(image(100), image(110), tolerance=loose).is_equivalent


def test_an_unknown_covariance_is_unknown() -> None:
    """Promise: an Imu without orientation (-1) agrees with another one, whatever else is there."""

    def imu(first: float, other: float) -> Dataset:
        message = new_message('sensor_msgs/msg/Imu')
        message.orientation_covariance = np.array([first, *[other] * 8])
        return one(message)

    assert compare(imu(-1.0, 0.0), imu(-1.0, 5.0)).is_equivalent
    assert paths(compare(imu(1.0, 0.0), imu(1.0, 5.0))) == ['orientation_covariance']


@pytest.fixture
def registry() -> Iterator[None]:
    """Forget what a test registers."""
    named, by_type = dict(NAMED), dict(BY_TYPE)
    yield
    NAMED.clear()
    NAMED.update(named)
    BY_TYPE.clear()
    BY_TYPE.update(by_type)


@pytest.mark.usefixtures('registry')
def test_ones_own_comparator_takes_five_lines() -> None:
    """Promise: a function of both sides' arrays judges a type, or what a tolerance names."""
    schema = Schema('my_msgs/msg/Heading', 'float64 yaw\nstring note\n')

    @comparator('my_msgs/msg/Heading', unit='rad', atol=0.01)
    def heading(original: Any, compiled: Any) -> Any:
        difference = compiled['yaw'] - original['yaw']
        return np.abs(np.arctan2(np.sin(difference), np.cos(difference)))

    def side(yaw: float, note: str = '') -> Dataset:
        message = codec_for(schema).new()
        message.yaw, message.note = yaw, note
        dataset = Dataset.create('memory')
        dataset.declare('/h', schema)
        dataset.write('/h', message, timestamp_ns=1)
        return dataset

    assert compare(side(0.0), side(2 * math.pi + 0.009)).is_equivalent
    comparison = compare(side(0.0), side(0.02, 'the note is judged by it too'))
    field = field_of(comparison, '(message)')
    assert (field.comparator, field.unit, field.mismatched) == ('heading', 'rad', 1)
    assert field.max_error == pytest.approx(0.02)
    wide = Tolerance(fields={'/h': Limit(0.0, 0.1)})
    assert compare(side(0.0), side(0.02), tolerance=wide).is_equivalent
    with pytest.raises(ComparisonError, match="'angle' is there already"):
        comparator(name='angle')(heading)


@pytest.mark.usefixtures('registry')
def test_a_comparator_that_returns_something_else_is_told() -> None:
    """Promise: not one error per pair is refused, naming the function and the shapes."""

    @comparator('std_msgs/msg/Float64')
    def mean(original: Any, compiled: Any) -> Any:
        return np.mean(original['data'] - compiled['data'])

    message = new_message('std_msgs/msg/Float64')
    with pytest.raises(ComparisonError, match=r'mean returned \(\) for 1 pairs'):
        compare(one(message), one(message))


def test_an_unknown_comparator_is_refused() -> None:
    """Promise: a name that is no comparator is refused with those that there are."""
    rule = Tolerance(comparators={'**': 'quaternions'})
    with pytest.raises(ComparisonError, match="'quaternions' is unknown; values, angle"):
        compare(one(pose()), one(pose()), tolerance=rule)


@pytest.mark.parametrize('name', sorted(BY_TYPE))
def test_a_type_of_the_same_name_with_other_fields_is_compared_by_value(name: str) -> None:
    """Promise: a comparator leaves alone what only has the name of its type."""
    schema = Schema(name, 'float64 other\n')
    sides = []
    for value in (1.0, 2.0):
        message = codec_for(schema).new()
        message.other = value
        dataset = Dataset.create('memory')
        dataset.declare('/m', schema)
        dataset.write('/m', message, timestamp_ns=1)
        sides.append(dataset)
    assert paths(compare(*sides)) == ['other']


def test_points_have_the_tolerance_of_floats() -> None:
    """Promise: points of a cloud may be off as floats may; a global tolerance reaches them."""

    def cloud(x: float) -> Dataset:
        message = new_message('sensor_msgs/msg/PointCloud2')
        field = new_message('sensor_msgs/msg/PointField')
        field.name, field.datatype, field.count = 'x', 7, 1
        message.fields = [field]
        message.height, message.width, message.point_step, message.row_step = 1, 3, 4, 12
        message.data = np.array([1.0, 2.0, x], np.float32).view(np.uint8)
        return one(message)

    assert compare(cloud(3.0), cloud(3.000005)).is_equivalent
    assert paths(compare(cloud(3.0), cloud(3.1))) == ['data']
    assert compare(cloud(3.0), cloud(3.1), tolerance=Tolerance(atol=0.2)).is_equivalent


def test_depth_images_have_the_tolerance_of_floats() -> None:
    """Promise: pixels of floats may be off as floats may, those of bytes may not."""

    def depth(value: float) -> Dataset:
        message = new_message('sensor_msgs/msg/Image')
        message.height, message.width, message.step, message.encoding = 1, 2, 8, '32FC1'
        message.data = np.array([1.0, value], np.float32).view(np.uint8)
        return one(message)

    assert compare(depth(3.0), depth(3.000005)).is_equivalent
    assert paths(compare(depth(3.0), depth(3.1))) == ['data']


def test_the_order_of_colours_is_no_difference() -> None:
    """Promise: the same picture as rgb8 and as bgr8 is the same picture."""

    def image(encoding: str, *pixel: int) -> Dataset:
        message = new_message('sensor_msgs/msg/Image')
        message.height, message.width, message.step, message.encoding = 1, 1, 3, encoding
        message.data = np.array(pixel, np.uint8)
        return one(message)

    assert compare(image('rgb8', 1, 2, 3), image('bgr8', 3, 2, 1)).is_equivalent
    assert paths(compare(image('rgb8', 1, 2, 3), image('bgr8', 1, 2, 3))) == ['data']
