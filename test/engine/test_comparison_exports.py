"""Exports for viewers hold what the bags hold, and errors that a second computation finds too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from lk_dataset_ros.comparison import compare, compare_columns
from lk_dataset_ros.comparison.exports import to_foxglove, to_rerun
from lk_dataset_ros.comparison.exports.error_types import error_schema
from lk_dataset_ros.comparison.exports.images import shots
from lk_dataset_ros.comparison.result import FieldComparison
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import BagExistsError, ComparisonError, ExportError, ExtraMissingError
from lk_dataset_ros.message import Encoder, codec_for

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000
START_NS = 100 * S + 1_000_000
ODOMETRY = 'nav_msgs/msg/Odometry'


def drives(kit: Any, *, late_s: float = 0.0) -> tuple[Dataset, Dataset]:
    """Make a drive, and one that is off in x from the 4th message on and lacks the 7th."""
    items = kit.drive()
    changed = [
        (
            key,
            kit.odometry(
                index,
                pose__pose__position__x=message.pose.pose.position.x
                + (0.01 * index) * (index > 3),
                child_frame_id='base' if index == 5 else 'base_link',
            ),
            time_ns + int(late_s * S),
        )
        for index, (key, message, time_ns) in enumerate(items)
        if index != 7
    ]
    extra = kit.odometry(10)
    changed.append(('/odom', extra, START_NS + S + int(late_s * S)))
    return kit.memory(items), kit.memory(changed)


def read_by_mcap(path: Path) -> dict[str, list[tuple[int, bytes, Any]]]:
    """Return log time, bytes and message of each topic, decoded by the reference library."""
    found: dict[str, list[tuple[int, bytes, Any]]] = {}
    with path.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == 'ros2'
        for _, channel, message, decoded in reader.iter_decoded_messages():
            entry = message.log_time, message.data, decoded
            found.setdefault(channel.topic, []).append(entry)
    return found


def raw(dataset: Dataset, key: str = '/odom') -> list[tuple[int, bytes]]:
    """Return log time and bytes of a key's messages."""
    return [(each.log_time_ns, each.cdr) for each in dataset.iterate_serialized([key])]


def test_both_sides_are_copied_and_the_errors_told(kit: Any, tmp_path: Path) -> None:
    """Promise: bytes, types and times are the bags' own, errors those of a plain subtraction."""
    original, compiled = drives(kit)
    exported = to_foxglove(compare(original, compiled), tmp_path / 'both.mcap')
    found = read_by_mcap(exported.path)
    assert sorted(found) == ['/compiled/odom', '/error/odom', '/original/odom', '/verdict']
    for side, dataset in (('original', original), ('compiled', compiled)):
        assert [each[:2] for each in found[f'/{side}/odom']] == raw(dataset)
    errors = {each.pair.index: each for _, _, each in found['/error/odom'] if each.pair.index >= 0}
    for index in range(10):
        error = errors[index].pose.pose.position.x
        expected = 0.01 * index * (index > 3)
        assert np.isnan(error) if index == 7 else error == pytest.approx(expected, abs=1e-12)
    assert [each[0] for each in found['/error/odom']][:10] == [each[0] for each in raw(original)]


def test_each_pair_has_its_verdict(kit: Any, tmp_path: Path) -> None:
    """Promise: pairs match or not, and messages without partner have a message too, in order."""
    exported = to_foxglove(compare(*drives(kit)), tmp_path / 'both.mcap')
    pairs = [message.pair for _, _, message in read_by_mcap(exported.path)['/error/odom']]
    expected = ['match'] * 4 + ['mismatch'] * 3 + ['missing'] + ['mismatch'] * 2 + ['extra']
    assert [each.verdict for each in pairs] == expected
    assert [each.differs for each in pairs] == [each != 'match' for each in expected]
    assert [each.index for each in pairs] == [*range(10), -1]
    assert [each.stamp_ns for each in pairs] == [100 * S + index * S // 10 for index in range(11)]


def test_the_verdict_stands_at_the_start(kit: Any, tmp_path: Path) -> None:
    """Promise: the first message tells the verdict, the first divergence and what is not shown."""
    exported = to_foxglove(compare(*drives(kit)), tmp_path / 'both.mcap')
    with exported.path.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        _, channel, first, message = next(reader.iter_decoded_messages())
    assert (channel.topic, first.log_time, message.verdict) == ('/verdict', START_NS, 'differs')
    assert 'pose.pose.position.x' in message.first_divergence
    assert message.notes == list(exported.notes)
    assert exported.notes == ('1 more field that cannot be plotted: what differs is no number',)


def test_our_own_reader_reads_it(kit: Any, tmp_path: Path) -> None:
    """Promise: Dataset.load reads every topic without a warning; sides compare as before."""
    original, compiled = drives(kit)
    path = to_foxglove(compare(original, compiled), tmp_path / 'both.mcap').path
    dataset = Dataset.load(path)
    assert dataset.warnings == []
    assert {key: topic.count for key, topic in dataset.topics().items()} == {
        '/verdict': 1,
        '/original/odom': 10,
        '/compiled/odom': 10,
        '/error/odom': 11,
    }
    errors = dataset.columns('/error/odom')['pose.pose.position.x'].values
    assert errors[[0, 4, 9]] == pytest.approx([0.0, 0.04, 0.09])
    assert dataset.topic('/compiled/odom').schema == original.topic('/odom').schema


def test_runs_at_different_times_lie_on_each_other(kit: Any, tmp_path: Path) -> None:
    """Promise: what was recorded an hour later is shifted to the original, and the file says so."""
    comparison = compare(*drives(kit, late_s=3600.0))
    exported = to_foxglove(comparison, tmp_path / 'both.mcap')
    found = read_by_mcap(exported.path)
    assert found['/compiled/odom'][0][0] == found['/original/odom'][0][0] == START_NS
    assert found['/error/odom'][-1][0] == START_NS + S
    assert any('shifted by -3600.000000000 s' in note for note in exported.notes)


def test_runs_at_one_time_are_not_shifted(kit: Any, tmp_path: Path) -> None:
    """Promise: a compiled that answers 30 ms later than the original does so in the file."""
    exported = to_foxglove(compare(*drives(kit, late_s=0.03)), tmp_path / 'both.mcap')
    found = read_by_mcap(exported.path)
    assert found['/compiled/odom'][0][0] - found['/original/odom'][0][0] == 30_000_000
    assert not any('shifted' in note for note in exported.notes)


def test_only_the_worst_fields_have_errors(kit: Any, tmp_path: Path) -> None:
    """Promise: beyond a number of fields the worst are there, and the notes name how many."""
    original = kit.memory(kit.drive())
    changed = {'pose__pose__position__y': 9.0, 'twist__twist__linear__x': 0.3001}
    items = [(key, kit.odometry(n, **changed), at) for n, (key, _, at) in enumerate(kit.drive())]
    comparison = compare(original, kit.memory(items))
    exported = to_foxglove(comparison, tmp_path / 'both.mcap', most_fields=1)
    ((_, _, error), *_) = read_by_mcap(exported.path)['/error/odom']
    assert error.pose.pose.position.y == 9.0
    assert not hasattr(error, 'twist')
    assert exported.notes == ('of 2 fields that differ only the worst 1 are here',)


def test_a_key_of_one_side_is_copied(kit: Any, tmp_path: Path) -> None:
    """Promise: a key that cannot be compared is there on the side that has it."""
    original = kit.memory([*kit.drive(), *kit.drive(3, key='/alone')])
    path = to_foxglove(compare(original, kit.memory(kit.drive())), tmp_path / 'both.mcap').path
    found = read_by_mcap(path)
    assert len(found['/original/alone']) == 3
    assert not {'/compiled/alone', '/error/alone'} & set(found)


def test_keys_can_be_chosen(kit: Any, tmp_path: Path) -> None:
    """Promise: other keys than the chosen ones stay out; one that was not compared is named."""
    sides = [kit.memory([*kit.drive(), *kit.drive(key='/other')]) for _ in range(2)]
    comparison = compare(*sides)
    path = to_foxglove(comparison, tmp_path / 'both.mcap', keys=['/other']).path
    assert sorted(read_by_mcap(path)) == [
        '/compiled/other',
        '/error/other',
        '/original/other',
        '/verdict',
    ]
    with pytest.raises(ComparisonError, match=r'^/none was not compared; there is /odom, /other$'):
        to_foxglove(comparison, tmp_path / 'none.mcap', keys=['/none'])


def test_transforms_have_an_error_topic_for_each_pair_of_frames(kit: Any, tmp_path: Path) -> None:
    """Promise: of a /tf each pair of frames has its own errors, at the time of its message."""

    def tf(shift: float) -> Dataset:
        items = []
        for index in range(6):
            transform = kit.message(
                'geometry_msgs/msg/TransformStamped',
                header__stamp__sec=index,
                header__frame_id='map' if index % 2 else 'odom',
                child_frame_id='robot/base',
                transform__translation__x=shift * (index % 2),
                transform__rotation__w=1.0,
            )
            message = kit.message('tf2_msgs/msg/TFMessage', transforms=[transform])
            items.append(('/tf', message, index * S + 5))
        dataset: Dataset = kit.memory(items)
        return dataset

    found = read_by_mcap(to_foxglove(compare(tf(0.0), tf(0.5)), tmp_path / 'tf.mcap').path)
    assert [each[0] for each in found['/error/tf/map_to_robot_base']] == [
        S + 5,
        3 * S + 5,
        5 * S + 5,
    ]
    assert [each[2].pair.differs for each in found['/error/tf/map_to_robot_base']] == [True] * 3
    assert [each[2].pair.differs for each in found['/error/tf/odom_to_robot_base']] == [False] * 3


def test_a_comparison_without_bags_cannot_be_copied(tmp_path: Path) -> None:
    """Promise: without datasets there is one line that says what to do, and no file."""
    comparison = compare_columns({'x': np.zeros(3)}, {'x': np.ones(3)})
    with pytest.raises(ComparisonError, match=r'without its bags.*compare the bags again'):
        to_foxglove(comparison, tmp_path / 'none.mcap')
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_or_left_half(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: what is there stays, and an export that fails leaves nothing behind."""
    comparison = compare(*drives(kit))
    target = tmp_path / 'there.mcap'
    target.write_text('mine')
    with pytest.raises(BagExistsError, match='is not overwritten'):
        to_foxglove(comparison, target)
    assert target.read_text() == 'mine'
    with pytest.raises(ComparisonError, match=r'does not end in \.mcap'):
        to_foxglove(comparison, tmp_path / 'both.bag')

    def full(*_: Any) -> None:
        raise OSError(28, 'No space left on device')

    writer = 'lk_dataset_ros.dataset.databases.rosbag2.file_writer.FileWriter.write'
    monkeypatch.setattr(writer, full)
    with pytest.raises(ExportError, match='cannot be written: No space left on device'):
        to_foxglove(comparison, tmp_path / 'both.mcap')
    assert list(tmp_path.iterdir()) == [target]


def test_a_bag_that_has_changed_is_noticed(kit: Any, tmp_path: Path) -> None:
    """Promise: a dataset that has other messages than those compared is not exported wrongly."""
    original, compiled = drives(kit)
    comparison = compare(original, compiled)
    original.write('/odom', kit.odometry(11), timestamp_ns=START_NS + 2 * S)
    with pytest.raises(ComparisonError, match='/odom: there are 11 and 10 messages'):
        to_foxglove(comparison, tmp_path / 'both.mcap')


NAMES = st.sampled_from(
    ['pair', 'x', 'a[0]', 'a_0', '(message)', 'a', '9', 'é', 'x y', '', 'X', 'string', 'class']
)


@given(st.lists(st.lists(NAMES, min_size=1, max_size=4), unique_by=tuple, max_size=12))
def test_any_field_paths_make_a_type(paths: list[list[str]]) -> None:
    """Promise: whatever fields are called, each has a path of its own in a type that is valid."""
    limit, unit = Limit(0.0, 0.0), 'rad\nfloat64 y\n===\nMSG: a/b'
    fields = [FieldComparison('.'.join(path), 'float64', limit, unit=unit) for path in paths]
    schema, places = error_schema('/a topic [map -> x]', fields, set())
    assert len(set(places)) == len(paths)
    numbers = np.arange(1.0, len(places) + 1.0)
    columns = {place: numbers[row : row + 1] for row, place in enumerate(places)}
    encoder = Encoder(columns, codec_for(schema), 1)
    batch = encoder.encode(0, 1, np.zeros(encoder.size(0, 1, 0), np.uint8), 0)
    message = codec_for(schema).decode(batch.buffer.tobytes())
    for place, number in zip(places, numbers, strict=True):
        value = message
        for name in place.split('.'):
            value = getattr(value, name)
        assert value == number


def columns_of(path: Path) -> dict[str, list[Any]]:
    """Return the rows of a Rerun recording: by entity and component, as Python values."""
    chunk = pytest.importorskip('rerun.chunk')
    found: dict[str, list[Any]] = {}
    for each in chunk.RrdReader(path).stream():
        for name, values in each.to_record_batch().to_pydict().items():
            found.setdefault(f'{each.entity_path}:{name}', []).extend(values)
    return found


def test_rerun_holds_both_sides_and_the_error(kit: Any, tmp_path: Path) -> None:
    """Promise: a recording has the values of both sides, the errors and the verdict."""
    pytest.importorskip('rerun')
    comparison = compare(*drives(kit))
    exported = to_rerun(comparison, tmp_path / 'both.rrd')
    found = columns_of(exported.path)
    place = 'odom/pose/pose/position/x'
    pairs = [index for index in range(10) if index != 7]
    values = {
        side: np.ravel(found[f'/{side}/{place}:Scalars:scalars'])
        for side in ('original', 'compiled', 'error')
    }
    off = [0.01 * index * (index > 3) for index in pairs]
    assert values['original'] == pytest.approx([1.0 + 0.25 * index for index in pairs])
    assert values['compiled'] - values['original'] == pytest.approx(off)
    assert values['error'] == pytest.approx(off)
    stamps = [each.total_seconds() for each in found[f'/original/{place}:stamp']]
    assert stamps == pytest.approx([100.0 + index / 10 for index in pairs])
    (text,) = found['/verdict:TextDocument:text']
    assert comparison.to_markdown() in text[0]
    assert exported.notes[0] in text[0]


def test_rerun_draws_the_elements_that_differ_most(tmp_path: Path) -> None:
    """Promise: of a large array the nine worst elements are there, each with its place as name."""
    pytest.importorskip('rerun')
    random = np.random.default_rng(1)
    original = random.normal(size=(50, 4, 5))
    size = random.permutation(20).reshape(4, 5)
    compiled = original + size * 0.1
    comparison = compare_columns({'m': original}, {'m': compiled})
    found = columns_of(to_rerun(comparison, tmp_path / 'm.rrd').path)
    worst = size >= 11
    rows = np.array(found['/compiled/columns/m:Scalars:scalars'])
    assert rows == pytest.approx(compiled[:, worst])
    (names,) = found['/compiled/columns/m:SeriesLines:names']
    expected = [f'compiled [{row}][{column}]' for row, column in np.argwhere(worst)]
    assert names == expected


def test_rerun_shows_images_that_differ(kit: Any, tmp_path: Path) -> None:
    """Promise: images of the first and the last pair that differ are there, and their difference."""
    pytest.importorskip('rerun')

    def images(changed: tuple[int, ...]) -> Dataset:
        items = []
        for index in range(6):
            data = np.full((4, 6), 10 * index, np.uint8)
            data[1, 2] = 10 * index + (7 if index == 2 else -7) * (index in changed)
            fields = {
                'header__stamp__sec': index,
                'height': 4,
                'width': 6,
                'step': 6,
                'encoding': 'mono8',
                'data': data.ravel(),
            }
            items.append(('/image', kit.message('sensor_msgs/msg/Image', **fields), index * S))
        dataset: Dataset = kit.memory(items)
        return dataset

    comparison = compare(images(()), images((2, 4)))
    found = columns_of(to_rerun(comparison, tmp_path / 'images.rrd').path)
    errors = found['/error/image/image:Image:buffer']
    assert len(errors) == 2
    for error in errors:
        pixels = np.array(error[0], np.uint8).reshape(4, 6, 3)
        assert np.argwhere(pixels.any(axis=2)).tolist() == [[1, 2]]
        assert pixels[1, 2].tolist() == [7, 7, 7]


def test_rerun_shows_what_a_loaded_comparison_kept(kit: Any, tmp_path: Path) -> None:
    """Promise: without its bags a comparison gives its sample of the values, and says so."""
    pytest.importorskip('rerun')
    comparison = compare(*drives(kit)).without_sources()
    exported = to_rerun(comparison, tmp_path / 'kept.rrd')
    found = columns_of(exported.path)
    values = np.ravel(found['/original/odom/pose/pose/position/x:Scalars:scalars'])
    assert values == pytest.approx([1.0 + 0.25 * index for index in range(10) if index != 7])
    assert any('were kept' in note for note in exported.notes)


def test_rerun_survives_values_that_are_no_numbers(tmp_path: Path) -> None:
    """Promise: NaN and infinities go through as they are."""
    pytest.importorskip('rerun')
    original = np.array([1.0, np.nan, np.inf, 4.0])
    compiled = np.array([np.nan, np.nan, -np.inf, 5.0])
    comparison = compare_columns({'x': original}, {'x': compiled})
    found = columns_of(to_rerun(comparison, tmp_path / 'x.rrd').path)
    np.testing.assert_array_equal(np.ravel(found['/compiled/columns/x:Scalars:scalars']), compiled)
    errors = np.ravel(found['/error/columns/x:Scalars:scalars'])
    np.testing.assert_array_equal(errors, [np.inf, 0.0, np.inf, 1.0])


def test_rerun_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: without the extra there is one line that says how to install it."""
    monkeypatch.setitem(__import__('sys').modules, 'rerun', None)
    comparison = compare_columns({'x': np.zeros(3)}, {'x': np.ones(3)})
    with pytest.raises(ExtraMissingError, match=r'lk_dataset_ros\[rerun\]'):
        to_rerun(comparison, tmp_path / 'x.rrd')
    with pytest.raises(ComparisonError, match=r'does not end in \.rrd'):
        to_rerun(comparison, tmp_path / 'x.txt')
    assert list(tmp_path.iterdir()) == []


def test_depth_images_are_read_and_damaged_ones_left_out(kit: Any) -> None:
    """Promise: depths come out in either byte order; an image that is damaged is no shot."""

    def depths(order: str, last: int, step: int = 8) -> Dataset:
        values = np.array([[1, 2, 300], [4, 5, last]], f'{order}u2')
        rows = np.zeros((2, 8), np.uint8)
        rows[:, :6] = values.view(np.uint8)
        message = kit.message(
            'sensor_msgs/msg/Image',
            height=2,
            width=3,
            step=step,
            encoding='16UC1',
            is_bigendian=int(order == '>'),
            data=rows.ravel(),
        )
        dataset: Dataset = kit.memory([('/depth', message, S)])
        return dataset

    for order in '<>':
        (key,) = compare(depths(order, 600), depths(order, 500)).keys
        (shot,) = shots(key)
        assert shot.original is not None
        assert shot.original.tolist() == [[1, 2, 300], [4, 5, 600]]
        apart = dict(shot.sides())['error']
        assert apart is not None
        assert apart.tolist() == [[0, 0, 0], [0, 0, 100]]
    (key,) = compare(depths('<', 600), depths('<', 600, step=7)).keys
    (shot,) = shots(key)
    assert shot.compiled is None
    assert dict(shot.sides())['error'] is None
