"""Frames on one clock, and the formats that people train from."""

from __future__ import annotations

import csv
import itertools
import json
import struct
import zlib
from fractions import Fraction
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset.exports import (
    ResamplingReport,
    Sampling,
    default_features,
    episodes_of,
    features_of,
    write_lerobot,
    write_robomimic,
    write_tables,
)
from lk_dataset_ros.dataset.exports.images import pixels_of, png
from lk_dataset_ros.dataset.exports.lerobot_stats import Histogram, image_stats
from lk_dataset_ros.dataset.exports.mapping import Resolved, Signal, resolve
from lk_dataset_ros.dataset.exports.resampling import (
    back_error,
    clock,
    frames_per_second,
    partners,
    runs,
    sampled,
    slerped,
)
from lk_dataset_ros.errors import BagExistsError, ExportError, ExtraMissingError

S = 1_000_000_000
STATE, ACTION, FRONT = 'observation.state', 'action', 'observation.images.front'
FEATURES = {
    STATE: ['/joint_states.position', '/odom.pose.pose.position.x'],
    ACTION: ['/cmd_vel.linear.x', '/cmd_vel.angular.z'],
    FRONT: '/front/image_raw',
}
HOLD = Sampling(fps=10)

times_of = st.lists(st.integers(0, 60), min_size=1, max_size=20).map(
    lambda found: np.sort(np.array(found, np.int64))
)


def joints(kit: Any, index: int, **fields: Any) -> Any:
    """Make a joint state whose positions tell the index."""
    position = np.array([index, 100.0 + index])
    return kit.message(
        'sensor_msgs/msg/JointState', **{'name': ['a', 'b'], 'position': position, **fields}
    )


def image(kit: Any, index: int, encoding: str = 'rgb8', size: tuple[int, int] = (4, 5)) -> Any:
    """Make an image of random pixels, with three bytes of padding in each row."""
    height, width = size
    channels = 1 if encoding == 'mono8' else 3
    rows = np.random.default_rng(index).integers(0, 256, (height, width * channels + 3), np.uint8)
    return kit.message(
        'sensor_msgs/msg/Image',
        height=height,
        width=width,
        step=rows.shape[1],
        encoding=encoding,
        data=rows.reshape(-1),
    )


def robot(kit: Any, seconds: int = 3, *, gap: range = range(0)) -> Any:
    """Make a recording: joints at 50 Hz, odometry at 10, commands at 20, images at 5 Hz."""
    items = [('/joint_states', joints(kit, i), 100 * S + i * S // 50) for i in range(50 * seconds)]
    items += [
        (
            '/cmd_vel',
            kit.message('geometry_msgs/msg/Twist', linear__x=float(i), angular__z=-float(i)),
            100 * S + i * S // 20,
        )
        for i in range(20 * seconds)
        if i not in gap
    ]
    items += [
        ('/front/image_raw', image(kit, i), 100 * S + i * S // 5) for i in range(5 * seconds)
    ]
    items += [(key, message, time - 1_000_000) for key, message, time in kit.drive(10 * seconds)]
    return kit.memory(sorted(items, key=lambda item: item[2]))


def frames_of(dataset: Any, sampling: Sampling = HOLD, features: Any = None) -> tuple[Any, Any]:
    """Return the episodes of a dataset, and the report."""
    report = ResamplingReport()
    return list(episodes_of([dataset], features or FEATURES, sampling, report)), report


@given(
    st.integers(0, 10**18),
    st.integers(0, 3 * S),
    st.sampled_from([1, 7, 29.97, 30, 333, 0.5, Fraction(24000, 1001)]),
)
def test_the_clock_does_not_drift(start: int, length: int, fps: Any) -> None:
    """Promise: frame k is at start + k / fps to the nanosecond, up to and with the end."""
    rate = frames_per_second(fps)
    found = clock(start, start + length, rate)
    exact = [start + k * S / rate for k in range(len(found) + 1)]
    assert all(abs(a - b) <= Fraction(1, 2) for a, b in zip(found.tolist(), exact, strict=False))
    assert exact[-2] <= start + length < exact[-1]


@settings(deadline=None)
@given(times_of, times_of, st.sampled_from(['hold', 'nearest']), st.none() | st.integers(0, 9))
def test_partners_are_those_of_a_search(times: Any, frames: Any, method: str, limit: Any) -> None:
    """Promise: hold and nearest find what looking at every sample finds."""
    found = partners(times, frames, method, limit)
    for index, frame in enumerate(frames):
        before = [i for i in range(len(times)) if times[i] <= frame]
        if method == 'hold':
            wanted = before[-1] if before else None
        else:
            wanted = min(range(len(times)), key=lambda i: (abs(times[i] - frame), times[i]))
        far = wanted is None or (limit is not None and abs(times[wanted] - frame) > limit)
        assert found.found[index] == (not far)
        if not far:
            assert times[found.before[index]] == times[wanted]
            assert found.distance_ns[index] == abs(times[wanted] - frame)


@settings(deadline=None)
@given(times_of.map(np.unique), times_of)
def test_linear_is_that_of_numpy(times: Any, frames: Any) -> None:
    """Promise: `linear` is np.interp between the samples, and nothing outside of them."""
    values = np.sin(times.astype(float)).reshape(-1, 1)
    found = partners(times, frames, 'linear')
    inside = (frames >= times[0]) & (frames <= times[-1])
    assert found.found.tolist() == inside.tolist()
    made = sampled(values, found)[inside, 0]
    np.testing.assert_allclose(made, np.interp(frames[inside], times, values[:, 0]), atol=1e-12)


def test_what_is_hit_exactly_is_not_touched() -> None:
    """Promise: a frame at a sample's time has its bits, with infinite or NaN neighbours too."""
    values = np.array([[1.0], [np.inf], [0.1], [np.nan], [-0.0]])
    times = np.arange(5, dtype=np.int64)
    assert sampled(values, partners(times, times, 'linear')).tobytes() == values.tobytes()


def quaternion(angle: Any) -> Any:
    """Make rotations about z."""
    zero = np.zeros_like(angle)
    return np.stack([zero, zero, np.sin(angle / 2), np.cos(angle / 2)], axis=1)


def test_rotations_turn_evenly() -> None:
    """Promise: slerp turns at constant speed on the shorter way, whatever the signs."""
    times = np.array([0, 100, 200], np.int64)
    rotation = quaternion(np.array([0.0, 2.0, 3.0])) * np.array([[1.0], [-1.0], [1.0]])
    frames = np.arange(0, 201, 5)
    made = slerped(rotation, partners(times, frames, 'linear'))
    wanted = quaternion(np.interp(frames, times, [0.0, 2.0, 3.0]))
    np.testing.assert_allclose(np.abs(np.sum(made * wanted, axis=1)), 1, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-12)


def test_the_error_of_fast_enough_frames_is_nothing() -> None:
    """Promise: frames at every sample lose nothing; half as many lose what np.interp loses."""
    times = np.arange(0, 1000, 10)
    values = np.sin(times / 70).reshape(-1, 1)
    same = sampled(values, partners(times, times, 'linear'))
    assert not back_error(values, times, times, same, 'linear').any()
    frames = times[::2]
    made = sampled(values, partners(times, frames, 'linear'))
    again = np.interp(times[:-1], frames, values[::2, 0])
    error = back_error(values, times, frames, made, 'linear')
    np.testing.assert_allclose(error[:, 0], again - values[:-1, 0], atol=1e-12)


@given(st.lists(st.booleans()))
def test_runs_are_those_of_groupby(flags: list[bool]) -> None:
    """Promise: unbroken runs of frames are found, each once."""
    expected, place = [], 0
    for flag, group in itertools.groupby(flags):
        size = len(list(group))
        if flag:
            expected.append((place, place + size))
        place += size
    assert runs(np.array(flags, bool)) == expected


def test_frames_take_the_sample_that_was_there(kit: Any) -> None:
    """Promise: with `hold`, each frame has the last sample of each topic, of its own clock."""
    (episode,), report = frames_of(robot(kit))
    assert episode.names[STATE] == (
        'joint_states.position.a',
        'joint_states.position.b',
        'odom.pose.pose.position.x',
    )
    assert episode.time_ns[0] == 100 * S
    assert np.diff(episode.time_ns).tolist() == [S // 10] * (len(episode) - 1)
    steps = np.arange(len(episode))
    assert episode.numbers[ACTION][:, 0].tolist() == (2 * steps).tolist()
    assert episode.numbers[STATE][:, 0].tolist() == (5 * steps).tolist()
    assert episode.images[FRONT].index.tolist() == (steps // 2).tolist()
    assert report.time_errors['/front/image_raw'].max_s == pytest.approx(0.1)
    assert report.time_errors['/joint_states'].max_s == 0
    assert report.value_errors['cmd_vel.linear.x'].max == 1
    assert report.value_errors['cmd_vel.linear.x'].span == 59


def test_a_gap_ends_an_episode(kit: Any) -> None:
    """Promise: frames without a sample within the limit are left out, told, and cut the episode."""
    dataset = robot(kit, gap=range(20, 40))
    episodes, report = frames_of(dataset, Sampling(fps=10, max_age_s=0.25))
    assert [len(each) for each in episodes] == [13, 9]
    assert report.dropped == {'/cmd_vel': 7}
    assert report.to_dict()['dropped'] == {'/cmd_vel': 7}
    assert 'left out: 7 frames, no sample of /cmd_vel' in report.to_str()
    (whole,), _ = frames_of(dataset)
    assert len(whole) == 29


def test_markers_begin_episodes(kit: Any) -> None:
    """Promise: each message of the marker's topic begins an episode; too short ones are told."""
    dataset = robot(kit)
    for time in (100.5, 101.25, 102.75):
        dataset.write('/start', kit.message('std_msgs/msg/Empty'), timestamp=time)
    sampling = Sampling(fps=10, marker='/start', min_frames=3)
    episodes, report = frames_of(dataset, sampling)
    starts = [100.0, 100.5, 101.25]
    assert [each.time_ns[0] / S for each in episodes] == starts
    assert report.short > 0
    assert report.frames == sum(map(len, episodes))


def test_header_stamps_can_be_the_clock(kit: Any) -> None:
    """Promise: with `time='stamp'`, messages count at their header stamp, in its order."""
    items = [(key, message, 500 * S - time) for key, message, time in kit.drive(10)]
    features = {STATE: '/odom.pose.pose.position.x'}
    (episode,), _ = frames_of(kit.memory(items), Sampling(fps=10, time='stamp'), features)
    assert episode.time_ns[0] == 100 * S
    assert episode.numbers[STATE][:, 0].tolist() == [1.0 + 0.25 * i for i in range(10)]


def test_stamps_that_nobody_set_do_not_count(kit: Any) -> None:
    """Promise: a topic whose header stamps are all zero counts by its log times."""
    items = [('/odom', kit.odometry(i, header__stamp__sec=0, header__stamp__nanosec=0), i * S)
             for i in range(5)]  # fmt: skip
    features = {STATE: '/odom.pose.pose.position.x'}
    (episode,), _ = frames_of(kit.memory(items), Sampling(fps=1, time='stamp'), features)
    assert episode.time_ns.tolist() == [i * S for i in range(5)]


def test_topics_with_no_common_time_are_named(kit: Any) -> None:
    """Promise: topics that were never there at once are refused, naming which."""
    items = [('/a', kit.message('std_msgs/msg/Float64'), i * S) for i in range(3)]
    items += [('/b', kit.message('std_msgs/msg/Float64'), (9 + i) * S) for i in range(3)]
    with pytest.raises(ExportError, match='/b begins after /a has ended'):
        frames_of(kit.memory(items), features={STATE: ['/a', '/b']})


def test_linear_keeps_integers_whole(kit: Any) -> None:
    """Promise: with `linear`, integers are held, and what was sent once holds to the end."""
    items = [('/n', kit.message('std_msgs/msg/Int32', data=i), i * S) for i in range(4)]
    items += [('/x', kit.message('std_msgs/msg/Float64', data=float(i)), i * S) for i in range(4)]
    items += [('/once', kit.message('std_msgs/msg/Float32', data=7.0), 0)]
    features = {STATE: ['/n.data', '/x.data', '/once']}
    (episode,), _ = frames_of(kit.memory(items), Sampling(fps=2, method='linear'), features)
    half = [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert episode.numbers[STATE].tolist() == [[int(x), x, 7] for x in half]


def test_slerp_is_for_quaternions_alone(kit: Any) -> None:
    """Promise: with `slerp`, one component of an orientation is that of the turned whole."""
    turns = quaternion(np.array([0.0, 2.0]))
    items = [
        (
            '/odom',
            kit.odometry(
                i,
                pose__pose__orientation__z=turns[i][2],
                pose__pose__orientation__w=turns[i][3],
                pose__pose__position__z=float(i),
            ),
            i * S,
        )
        for i in range(2)
    ]
    features = {STATE: ['/odom.pose.pose.orientation.z', '/odom.pose.pose.position.z']}
    sampling = Sampling(fps=4, method='linear', slerp=True)
    (episode,), _ = frames_of(kit.memory(items), sampling, features)
    found = episode.numbers[STATE]
    np.testing.assert_allclose(found[:, 0], quaternion(np.linspace(0, 2, 5))[:, 2], atol=1e-12)
    assert found[:, 1].tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_signals_are_found(kit: Any) -> None:
    """Promise: a topic, a message in it, a field and an element of it can be named."""
    dataset = robot(kit, 1)
    given = features_of(
        {'a': '/cmd_vel', 'b': ['/odom.pose.pose.position'], 'c': '/joint_states.position[1]'}
    )
    found = resolve(dataset, given)
    assert isinstance(found, Resolved)
    assert [str(each) for each in found.numbers['a']][:2] == [
        '/cmd_vel.linear.x',
        '/cmd_vel.linear.y',
    ]
    assert len(found.numbers['a']) == 6
    assert len(found.numbers['b']) == 3
    assert found.numbers['c'] == (Signal('/joint_states', 'position', 1),)


def test_the_default_mapping_is_sensible(kit: Any) -> None:
    """Promise: commands are the action, images are images, the rest is the state."""
    features = default_features(robot(kit, 1))
    assert set(features) == {STATE, ACTION, FRONT}
    assert features[FRONT] == ('/front/image_raw',)
    assert all(each.startswith('/cmd_vel.') for each in features[ACTION])
    assert '/joint_states.position' in features[STATE]
    assert not any('covariance' in each for each in features[STATE])


@pytest.mark.parametrize(
    ('features', 'reason'),
    [
        ({}, 'mapping'),
        ({'timestamp': '/odom'}, "'timestamp' cannot be the name"),
        ({'a/b': '/odom'}, "'a/b' cannot be the name"),
        ({STATE: []}, 'give signals'),
        ({STATE: [3]}, '3 is not a signal'),
        ({STATE: '/nothing.x'}, 'begins with no topic'),
        ({STATE: '/odom.nothing'}, 'has no numbers there'),
        ({STATE: '/odom.child_frame_id'}, 'is text'),
        ({STATE: '/joint_states.position[2]'}, 'there are 2 elements'),
        ({STATE: ['/odom.pose', '/odom.pose.pose.position.x']}, 'is in it twice'),
        ({STATE: ['/odom.pose.pose.position.x', '/front/image_raw']}, 'an image stands alone'),
        ({STATE: '/front/image_raw.data'}, 'an image stands alone'),
        ({STATE: '/varying.position'}, '1 to 2 elements'),
        ({STATE: '/shuffled.position'}, 'joints of /shuffled'),
        ({STATE: '/empty.linear'}, 'has no message'),
    ],
)
def test_wrong_features_are_refused(kit: Any, features: Any, reason: str) -> None:
    """Promise: what cannot be a feature is refused in one line that names it."""
    dataset = robot(kit, 1)
    for index in range(2):
        one = joints(kit, index, position=np.ones(1)) if index else joints(kit, index)
        dataset.write('/varying', one, timestamp=index)
        names = ['b', 'a'] if index else ['a', 'b']
        dataset.write('/shuffled', joints(kit, index, name=names), timestamp=index)
    dataset.declare('/empty', dataset.topic('/cmd_vel').schema)
    with pytest.raises(ExportError, match=reason.replace('[', r'\[')):
        list(episodes_of([dataset], features, HOLD, ResamplingReport()))


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'fps': 0}, '0 frames per second'),
        ({'fps': float('nan')}, 'nan frames per second'),
        ({'fps': 10, 'method': 'cubic'}, "'cubic'"),
        ({'fps': 10, 'time': 'sim'}, "'sim'"),
        ({'fps': 10, 'max_age_s': -1}, '-1 s'),
        ({'fps': 10, 'min_frames': 0}, '0 frames'),
    ],
)
def test_wrong_sampling_is_refused(options: Any, reason: str) -> None:
    """Promise: an impossible option is refused in one line that names it."""
    with pytest.raises(ExportError, match=reason):
        Sampling(**options)


def test_a_wrong_stamp_does_not_fill_the_memory() -> None:
    """Promise: a clock over years is refused before it is made."""
    with pytest.raises(ExportError, match='is a time stamp wrong'):
        clock(0, 10**18, Fraction(30))


def decoded(file: bytes) -> Any:
    """Decode the PNG files that we write: 8 bit RGB, filter 0 or 2."""
    assert file[:8] == b'\x89PNG\r\n\x1a\n'
    place, data = 8, b''
    while place < len(file):
        (size,) = struct.unpack_from('>I', file, place)
        kind, body = file[place + 4 : place + 8], file[place + 8 : place + 8 + size]
        assert struct.unpack_from('>I', file, place + 8 + size)[0] == zlib.crc32(kind + body)
        if kind == b'IHDR':
            width, height, *rest = struct.unpack('>IIBBBBB', body)
            assert rest == [8, 2, 0, 0, 0]
        data += body if kind == b'IDAT' else b''
        place += 12 + size
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, -1)
    assert set(rows[:, 0]) == {2}
    return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(height, width, 3)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_png_loses_nothing(height: int, width: int, seed: int) -> None:
    """Promise: what is compressed as PNG is there, bit for bit, when it is decompressed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert (decoded(png(pixels)) == pixels).all()


def test_colours_are_in_order(kit: Any) -> None:
    """Promise: bgr is turned to rgb, grey is three channels, the padding of rows is left out."""
    rgb, bgr = image(kit, 1), image(kit, 1, 'bgr8')
    assert (pixels_of(rgb) == pixels_of(bgr)[..., ::-1]).all()
    assert pixels_of(rgb)[0, 0].tolist() == rgb.data[:3].tolist()
    assert pixels_of(rgb)[1, 0].tolist() == rgb.data[18:21].tolist()
    grey = image(kit, 2, 'mono8')
    assert pixels_of(grey)[0, :, 0].tolist() == grey.data[:5].tolist()
    assert (pixels_of(grey)[..., 0] == pixels_of(grey)[..., 2]).all()


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'encoding': '32FC1'}, "'32FC1' cannot be exported"),
        ({'step': 3}, 'with 3 bytes a row'),
        ({'height': 2**31}, 'is not 72 bytes'),
        ({'width': 0}, '0x4'),
    ],
)
def test_lying_images_are_refused(kit: Any, fields: Any, reason: str) -> None:
    """Promise: an image of another encoding or size than it says is refused, with its number."""
    dataset = robot(kit)
    bent = image(kit, 0)
    for name, value in fields.items():
        setattr(bent, name, value)
    dataset.write('/front/image_raw', bent, timestamp=101.01)
    with pytest.raises(ExportError, match=reason):
        write_lerobot([dataset], kit.folder / 'x', features=FEATURES, sampling=HOLD)
    assert list(kit.folder.iterdir()) == []


def test_the_lerobot_layout(kit: Any) -> None:
    """Promise: the files, columns and indices are those of a LeRobotDataset v3."""
    folder = kit.folder / 'ds'
    report = write_lerobot(
        [robot(kit), robot(kit, 2)], folder, features=FEATURES, sampling=HOLD, task='drive'
    )
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob('*') if file.is_file())
    assert files == [
        'data/chunk-000/file-000.parquet',
        'meta/episodes/chunk-000/file-000.parquet',
        'meta/info.json',
        'meta/stats.json',
        'meta/tasks.parquet',
    ]
    info = json.loads((folder / 'meta/info.json').read_text())
    assert info['codebase_version'] == 'v3.0'
    assert (info['fps'], info['total_episodes'], info['total_frames']) == (10, 2, report.frames)
    assert info['features'][STATE]['names'][0] == 'joint_states.position.a'
    assert info['features'][FRONT] == {
        'dtype': 'image',
        'shape': [4, 5, 3],
        'names': ['height', 'width', 'channels'],
    }
    table = pq.read_table(folder / 'data/chunk-000/file-000.parquet')
    assert table.column_names == list(info['features'])
    assert table['index'].to_pylist() == list(range(report.frames))
    frames = table.to_pandas()
    assert frames.groupby('episode_index')['frame_index'].max().tolist() == [28, 18]
    assert frames['timestamp'].tolist()[:3] == np.array([0, 0.1, 0.2], np.float32).tolist()
    (first, *_), _ = frames_of(robot(kit))
    made = np.stack(frames[ACTION][:29])
    assert made.tobytes() == first.numbers[ACTION].astype(np.float32).tobytes()
    assert (decoded(frames[FRONT][5]['bytes']) == pixels_of(image(kit, 2))).all()
    tasks = pq.read_table(folder / 'meta/tasks.parquet').to_pandas()
    assert tasks.loc['drive', 'task_index'] == 0
    episodes = pq.read_table(folder / 'meta/episodes/chunk-000/file-000.parquet').to_pylist()
    assert [each['dataset_to_index'] for each in episodes] == [29, 48]
    stats = json.loads((folder / 'meta/stats.json').read_text())
    actions = np.stack(frames[ACTION]).astype(float)
    assert stats[ACTION]['mean'] == pytest.approx(actions.mean(axis=0))
    assert stats[ACTION]['q90'] == pytest.approx(np.quantile(actions, 0.9, axis=0))
    assert np.shape(stats[FRONT]['mean']) == (3, 1, 1)


def test_large_datasets_become_several_files(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: a file that is large enough is followed by the next, and episodes name theirs."""
    from lk_dataset_ros.dataset.exports import lerobot

    monkeypatch.setattr(lerobot, 'FILE_MB', 0.0001)
    monkeypatch.setattr(lerobot, 'CHUNK_FILES', 2)
    monkeypatch.setattr(lerobot, 'MAX_GROUP_BYTES', 500)
    folder = kit.folder / 'ds'
    write_lerobot([robot(kit, 1)] * 3, folder, features=FEATURES, sampling=HOLD)
    for episode, path in enumerate(
        ('chunk-000/file-000', 'chunk-000/file-001', 'chunk-001/file-000')
    ):
        table = pq.read_table(folder / f'data/{path}.parquet')
        assert set(table['episode_index'].to_pylist()) == {episode}
        assert table['frame_index'].to_pylist() == list(range(9))


def test_image_statistics_are_those_of_the_pixels() -> None:
    """Promise: mean, deviation and quantiles by channel are those of all pixels, from 0 to 1."""
    pixels = np.random.default_rng(0).integers(3, 200, (5, 20, 30, 3), np.uint8)
    histogram = Histogram()
    for each in pixels:
        histogram.take(each)
    stats = image_stats(histogram)
    values = pixels.reshape(-1, 3) / 255
    for name, wanted in (
        ('min', values.min(axis=0)),
        ('max', values.max(axis=0)),
        ('mean', values.mean(axis=0)),
        ('std', values.std(axis=0)),
        ('q90', np.quantile(values, 0.9, axis=0, method='inverted_cdf')),
    ):
        np.testing.assert_allclose(np.ravel(stats[name]), wanted, atol=1e-12)
    assert stats['count'] == [5]


def test_compressed_images_need_pillow(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: without pillow one line says what compressed images need; nothing is left."""
    from lk_dataset_ros.message import extras

    real = extras.import_module

    def importing(name: str) -> Any:
        if name.startswith('PIL'):
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(extras, 'import_module', importing)
    with pytest.raises(ExtraMissingError, match=r'lk_dataset_ros\[images\]'):
        write_lerobot([compressed(kit)], kit.folder / 'x', features=FEATURES, sampling=HOLD)
    assert list(kit.folder.iterdir()) == []


def compressed(kit: Any, extra: bytes = b'') -> Any:
    """Make a recording with PNG images on the camera's topic."""
    dataset = kit.memory([])
    for key, message, time in robot(kit).iterate():
        given = message
        if key == '/front/image_raw':
            file = png(pixels_of(message)) + extra
            given = kit.message(
                'sensor_msgs/msg/CompressedImage',
                format='png',
                data=np.frombuffer(file, np.uint8),
            )
        dataset.write(key, given, timestamp_ns=time)
    return dataset


def test_compressed_images_stay_as_they_are(kit: Any) -> None:
    """Promise: a PNG comes out byte for byte as it went in."""
    pytest.importorskip('PIL')
    folder = kit.folder / 'ds'
    write_lerobot([compressed(kit)], folder, features=FEATURES, sampling=HOLD)
    table = pq.read_table(folder / 'data/chunk-000/file-000.parquet')
    assert table[FRONT].to_pylist()[4]['bytes'] == png(pixels_of(image(kit, 2)))


def test_other_compressions_are_refused(kit: Any) -> None:
    """Promise: a compression that is not PNG or JPEG is named."""
    dataset = robot(kit)
    one = kit.message('sensor_msgs/msg/CompressedImage', format='tiff', data=np.ones(9, np.uint8))
    for time in (100, 103):
        dataset.write('/side', one, timestamp=time)
    features = {**FEATURES, FRONT: '/side'}
    with pytest.raises(ExportError, match="compression 'tiff' is not png or jpeg"):
        write_lerobot([dataset], kit.folder / 'x', features=features, sampling=HOLD)


def test_the_robomimic_layout(kit: Any) -> None:
    """Promise: groups, shapes and attributes are those that robomimic documents."""
    path = kit.folder / 'a.hdf5'
    report = write_robomimic(
        [robot(kit)] * 3, path, features=FEATURES, sampling=HOLD, task='drive', valid_ratio=0.34
    )
    (episode,), _ = frames_of(robot(kit))
    count = len(episode) - 1
    with h5py.File(path) as file:
        data = file['data']
        assert list(data) == ['demo_0', 'demo_1', 'demo_2']
        assert data.attrs['total'] == 3 * count
        assert json.loads(data.attrs['env_args']) == {
            'env_name': 'drive',
            'env_type': 2,
            'env_kwargs': {},
        }
        demo = data['demo_2']
        assert demo.attrs['num_samples'] == count
        wanted = episode.numbers[ACTION].astype(np.float32)
        assert demo['actions'][:].tobytes() == wanted[:-1].tobytes()
        state = episode.numbers[STATE].astype(np.float32)
        assert demo['obs/state'][:].tobytes() == state[:-1].tobytes()
        assert demo['next_obs/state'][:].tobytes() == state[1:].tobytes()
        assert demo['dones'][:].tolist() == [0] * (count - 1) + [1]
        assert demo['rewards'].shape == (count,)
        for index in range(count):
            now, later = index // 2, (index + 1) // 2
            assert (demo['obs/front_image'][index] == pixels_of(image(kit, now))).all()
            assert (demo['next_obs/front_image'][index] == pixels_of(image(kit, later))).all()
        masks = {name: [each.decode() for each in file[f'mask/{name}']] for name in file['mask']}
    assert sorted(masks['train'] + masks['valid']) == ['demo_0', 'demo_1', 'demo_2']
    assert len(masks['valid']) == 1
    assert report.episodes == 3


@pytest.mark.parametrize('write', [write_lerobot, write_robomimic])
def test_all_or_nothing(kit: Any, write: Any) -> None:
    """Promise: nothing is overwritten, and what fails half-way leaves nothing behind."""
    target = kit.folder / 'out'
    target.write_text('mine')
    with pytest.raises(BagExistsError, match='is not overwritten'):
        write([robot(kit)], target, features=FEATURES, sampling=HOLD)
    target.unlink()
    other = kit.memory([('/cmd_vel', kit.message('geometry_msgs/msg/Twist'), 1)])
    with pytest.raises(ExportError, match='begins with no topic'):
        write([robot(kit), other], target, features=FEATURES, sampling=HOLD)
    sampling = Sampling(fps=10, min_frames=1000)
    with pytest.raises(ExportError, match='no episode is left'):
        write([robot(kit)], target, features=FEATURES, sampling=sampling)
    assert list(kit.folder.iterdir()) == []


def test_bags_of_different_robots_do_not_mix(kit: Any) -> None:
    """Promise: features of another size in a later bag are refused, naming both."""
    other = robot(kit, 1)
    wide = kit.memory(
        [
            (key, joints(kit, 0, name=['c', 'd']) if key == '/joint_states' else message, time)
            for key, message, time in other.iterate()
        ]
    )
    with pytest.raises(ExportError, match=r'position\.c.*position\.a'):
        list(episodes_of([other, wide], FEATURES, HOLD, ResamplingReport()))


def test_robomimic_names_do_not_collide(kit: Any) -> None:
    """Promise: two features that robomimic would call the same are refused."""
    features = {ACTION: '/cmd_vel', STATE: '/odom.pose.pose', 'state': '/odom.twist.twist'}
    with pytest.raises(ExportError, match='both be called state'):
        write_robomimic([robot(kit)], kit.folder / 'x', features=features, sampling=HOLD)
    with pytest.raises(ExportError, match='needs a feature action'):
        write_robomimic(
            [robot(kit)], kit.folder / 'x', features={STATE: '/odom.pose.pose'}, sampling=HOLD
        )


def test_tables_are_as_recorded(kit: Any) -> None:
    """Promise: each topic becomes a Parquet file with its type's name and every message."""
    rows = write_tables(robot(kit), kit.folder / 'out', kind='parquet', keys=['/odom', '/cmd_vel'])
    assert rows == {'/odom': 30, '/cmd_vel': 60}
    table = pq.read_table(kit.folder / 'out/odom.parquet')
    assert table.schema.metadata[b'ros2.type'] == b'nav_msgs/msg/Odometry'
    assert table['pose.pose.position.x'].to_pylist() == [1 + 0.25 * i for i in range(30)]


def csv_of(path: Any) -> list[dict[str, str]]:
    """Read a CSV file."""
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_csv_reads_back_exactly(kit: Any) -> None:
    """Promise: a CSV file gives back the numbers that were recorded, NaN included."""
    rng = np.random.default_rng(3)
    type_name = 'sensor_msgs/msg/Imu'
    dataset = kit.memory([('/imu', kit.random_message(type_name, rng), i) for i in range(40)])
    write_tables(dataset, kit.folder / 'out', kind='csv')
    rows = csv_of(kit.folder / 'out/imu.csv')
    columns = dataset.columns('/imu')
    assert [int(row['log_time_ns']) for row in rows] == list(range(40))
    assert [int(row['stamp_ns']) for row in rows] == columns.stamp_ns.tolist()
    x = columns['angular_velocity.x'].row(slice(None))
    np.testing.assert_array_equal([float(row['angular_velocity.x']) for row in rows], x)
    covariance = columns['orientation_covariance'].row(slice(None))[:, 8]
    found = [float(row['orientation_covariance[8]']) for row in rows]
    np.testing.assert_array_equal(found, covariance)


def test_csv_tells_what_varies(kit: Any) -> None:
    """Promise: what varies in length is JSON in a cell, bytes are hex, what lacks is empty."""
    dataset = robot(kit, 1)
    for index in range(3):
        message = kit.message('tf2_msgs/msg/TFMessage')
        message.transforms = [kit.message('geometry_msgs/msg/TransformStamped')] * index
        dataset.write('/tf', message, timestamp=index)
        position = np.arange(float(index))
        dataset.write('/j', joints(kit, index, name=['ä'] * index, position=position), timestamp=1)
    write_tables(dataset, kit.folder / 'out', kind='csv', keys=['/tf', '/j', '/front/image_raw'])

    def read(name: str) -> list[dict[str, str]]:
        return csv_of(kit.folder / f'out/{name}.csv')

    assert [row['transforms[1].transform.rotation.w'] for row in read('tf')] == ['', '', '1.0']
    assert [row['position'] for row in read('j')] == ['[]', '[0.0]', '[0.0, 1.0]']
    assert [row['name'] for row in read('j')] == ['[]', '["ä"]', '["ä", "ä"]']
    assert read('front__image_raw')[2]['data'] == bytes(image(kit, 2).data).hex()


def test_fields_can_be_chosen(kit: Any) -> None:
    """Promise: with `fields`, a table has these and what is below them; unknown ones are named."""
    write_tables(
        robot(kit, 1), kit.folder / 'out', kind='parquet', keys=['/odom'], fields=['twist.twist']
    )
    names = pq.read_table(kit.folder / 'out/odom.parquet').column_names
    assert len(names) == 2 + 6
    with pytest.raises(ExportError, match='has a field nothing'):
        write_tables(robot(kit, 1), kit.folder / 'x', kind='csv', fields=['nothing'])
    assert not (kit.folder / 'x').exists()


def test_a_topic_cannot_lead_elsewhere(kit: Any) -> None:
    """Promise: whatever a topic is called, its file is in the folder; equal names are refused."""
    message = kit.message('std_msgs/msg/Int8')
    dataset = kit.memory([('/../../etc/x', message, 0), ('..', message, 1)])
    write_tables(dataset, kit.folder / 'a/out', kind='csv')
    files = sorted(str(file.relative_to(kit.folder)) for file in kit.folder.rglob('*.csv'))
    assert files == ['a/out/%2E%2E.csv', 'a/out/%2E%2E__%2E%2E__etc__x.csv']
    clash = kit.memory([('/a/b', message, 0), ('/a__b', message, 1)])
    with pytest.raises(ExportError, match='would both be written to a__b'):
        write_tables(clash, kit.folder / 'b', kind='csv')


def test_progress_is_told(kit: Any) -> None:
    """Promise: every message and every frame is counted once."""
    told: list[int] = []
    for kind in ('csv', 'parquet'):
        write_tables(robot(kit, 1), kit.folder / kind, kind=kind, advance=told.append)
        assert sum(told) == 50 + 20 + 5 + 10
        told.clear()
    report = write_lerobot(
        [robot(kit, 1)], kit.folder / 'ds', features=FEATURES, sampling=HOLD, advance=told.append
    )
    assert sum(told) == report.frames
