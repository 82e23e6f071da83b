"""Pairs of inputs and outputs for torch: matched, windowed, split and scaled as a loop would."""

from __future__ import annotations

import contextlib
import itertools
import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset.training import torch_view
from lk_dataset_ros.dataset.training.features import Features
from lk_dataset_ros.dataset.training.normalisation import Normalisation, Statistics
from lk_dataset_ros.dataset.training.pairs import (
    join_equal,
    join_held,
    join_mutual,
    join_nearest,
    pair,
)
from lk_dataset_ros.dataset.training.splitting import run_starts, split_blocks
from lk_dataset_ros.dataset.training.torch_view import (
    BatchOrder,
    to_dataloader,
    to_pytorch_dataset,
)
from lk_dataset_ros.errors import (
    DatasetError,
    ExtraMissingError,
    FlatVectorError,
    KeyNotFoundError,
)

S = 1_000_000_000
times = st.lists(st.integers(-6, 12), min_size=1, max_size=14).map(np.array)
limits = st.none() | st.integers(0, 5)


def stamped(kit, key, stamps, values, *, delay_ns=0, type_name='geometry_msgs/msg/PointStamped'):
    """Return messages of x = value, recorded some time after their stamp."""
    items = []
    for stamp_ns, value in zip(stamps, values, strict=True):
        sec, nanosec = divmod(stamp_ns, S)
        fields = {'header__stamp__sec': sec, 'header__stamp__nanosec': nanosec}
        message = kit.message(type_name, point__x=float(value), **fields)
        items.append((key, message, stamp_ns + delay_ns))
    return items


def steps(kit, count, *, missing=(), step_ns=S // 10):
    """Return a dataset of /in (x = index) and /out (x = 10 * index), some outputs missing."""
    stamps = [S + index * step_ns for index in range(count)]
    kept = [index for index in range(count) if index not in missing]
    return kit.memory([
        *stamped(kit, '/in', stamps, range(count)),
        *stamped(kit, '/out', [stamps[i] for i in kept], [10 * i for i in kept], delay_ns=1000),
    ])  # fmt: skip


IN, OUT = '/in.point.x', '/out.point.x'


# Matching, against loops over all pairs.


@given(times, times)
def test_equal_times_against_a_loop(left, right) -> None:
    """Promise: the k-th message of a stamp belongs to the k-th."""
    found = join_equal(left, right)
    for i, time in enumerate(left):
        rank = sum(other == time for other in left[:i])
        same = [j for j, other in enumerate(right) if other == time]
        assert found[i] == (same[rank] if rank < len(same) else -1)


def nearest(time, others, limit):
    """Return the index of the nearest: the earlier of two, the first of equals."""
    j = min(range(len(others)), key=lambda k: (abs(others[k] - time), others[k], k))
    return j if limit is None or abs(others[j] - time) <= limit else -1


@given(times, times, limits)
def test_nearest_against_a_loop(left, right, limit) -> None:
    """Promise: the nearest is found, within the limit; mutual ones are each other's nearest."""
    assert join_nearest(left, right, limit).tolist() == [nearest(t, right, limit) for t in left]
    for i, j in enumerate(join_mutual(left, right, limit)):
        there = nearest(left[i], right, limit)
        back = nearest(right[there], left, limit) if there >= 0 else -1
        assert j == (there if back == i else -1)


@given(times, times, limits)
def test_latest_against_a_loop(left, right, limit) -> None:
    """Promise: the latest that had arrived is found, if it is not too old."""
    right = np.sort(right)
    for i, j in enumerate(join_held(left, right, limit)):
        before = [k for k, time in enumerate(right) if time <= left[i]]
        known = before and (limit is None or left[i] - right[before[-1]] <= limit)
        assert j == (before[-1] if known else -1)


def topic(key, log, stamps):
    """Return a key without features."""
    order = np.argsort(log, kind='stable')
    return Features(key, (), np.asarray(log)[order], np.asarray(stamps)[order])


events = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=10)


@given(events, events, events, limits)
@settings(max_examples=200)
def test_lineage_against_a_loop(a, b, answers, limit) -> None:
    """Promise: an output belongs to the last arrival of its stamp, with the latest of the rest."""
    left, right, out = (
        topic(key, *zip(*each, strict=True))
        for key, each in (('/a', a), ('/b', b), ('/o', answers))
    )
    found = pair([left, right], [out], 'lineage', limit_ns=limit)
    arrivals = sorted(
        [(log, 0, k) for k, log in enumerate(left.log_ns)]
        + [(log, 1, k) for k, log in enumerate(right.log_ns)]
    )
    rows = []
    for log, _, _ in arrivals:
        row = []
        for each in (left, right):
            until = [k for k, time in enumerate(each.log_ns) if time <= log]
            fresh = until and (limit is None or log - each.log_ns[until[-1]] <= limit)
            row.append(until[-1] if fresh else None)
        rows.append(row)
    expected = []
    for k, stamp in enumerate(out.stamp_ns):
        causes = [
            i
            for i, (_, owner, m) in enumerate(arrivals)
            if (left, right)[owner].stamp_ns[m] == stamp
        ]
        earlier = [i for i in causes if arrivals[i][0] <= out.log_ns[k]]
        cause = earlier[-1] if earlier else causes[0] if causes else None
        if cause is not None and None not in rows[cause]:
            expected.append((cause, k, *rows[cause]))
    expected.sort()
    columns = [each[found.sample_row] for each in found.inputs]
    assert list(zip(found.outputs[0], *columns, strict=True)) == [each[1:] for each in expected]
    complete = [log for (log, _, _), row in zip(arrivals, rows, strict=True) if None not in row]
    assert found.row_ns.tolist() == complete


@given(times, times, times, limits)
def test_joined_inputs_against_a_loop(a, b, answers, limit) -> None:
    """Promise: rows are the first input's messages that have all others; breaks are marked."""
    left, right, out = (topic(key, t, t) for key, t in (('/a', a), ('/b', b), ('/o', answers)))
    found = pair([left, right], [out], 'nearest', limit_ns=limit, clock='log')
    joined = [nearest(time, right.log_ns, limit) for time in left.log_ns]
    rows = [i for i, j in enumerate(joined) if j >= 0]
    assert found.inputs[0].tolist() == rows
    assert found.inputs[1].tolist() == [joined[i] for i in rows]
    assert found.broken.tolist() == [
        place > 0 and rows[place - 1] != row - 1 for place, row in enumerate(rows)
    ]
    assert len(set(found.outputs[0])) == len(found.outputs[0])


def test_unordered_stamps_match(kit) -> None:
    """Promise: equal stamps match whatever the order of recording."""
    data = kit.memory([
        *stamped(kit, '/in', [3 * S, 1 * S, 2 * S], [3, 1, 2], delay_ns=10),
        *stamped(kit, '/out', [2 * S, 3 * S, 4 * S], [20, 30, 40]),
    ])  # fmt: skip
    view = to_pytorch_dataset(data, IN, OUT)
    assert view.inputs[:, 0].tolist() == [2, 3]
    assert view.outputs[:, 0].tolist() == [20, 30]


# Reports.


def test_the_report_counts_what_found_no_partner(kit, caplog) -> None:
    """Promise: counts and stamps without partner are told, and logged in one line."""
    data = steps(kit, 10, missing=(3, 4))
    with caplog.at_level('INFO', 'lk_dataset_ros.Dataset'):
        view = to_pytorch_dataset(data, IN, OUT)
    source, target = view.report.keys
    assert (source.count, target.count, view.report.samples, len(view)) == (10, 8, 8, 8)
    assert source.unmatched_ns.tolist() == [S + 3 * S // 10, S + 4 * S // 10]
    assert not len(target.unmatched_ns)
    assert not view.report.is_complete
    (record,) = caplog.records
    assert record.levelname == 'WARNING'
    assert record.getMessage() == '8 samples by stamp: matched /in 8 of 10, /out 8 of 8'
    caplog.clear()
    with caplog.at_level('INFO', 'lk_dataset_ros.Dataset'):
        to_pytorch_dataset(steps(kit, 5), IN, OUT)
    assert [each.levelname for each in caplog.records] == ['INFO']


def test_no_header_names_the_alternative(kit) -> None:
    """Promise: without stamps, and with stamps of zero, the error names `nearest`; it works."""
    items = stamped(kit, '/in', [S, 2 * S], [1, 2])
    items += [
        ('/out', kit.message('geometry_msgs/msg/Point', x=float(k)), k * S + 5) for k in (1, 2)
    ]
    items += stamped(kit, '/zero', [0, 0], [1, 2])
    data = kit.memory(items)
    for outputs in ('/out.x', '/zero.point.x'):
        for match in ('stamp', 'lineage'):
            with pytest.raises(DatasetError, match='nearest'):
                to_pytorch_dataset(data, IN, outputs, match=match)
    view = to_pytorch_dataset(data, IN, '/out.x', match='nearest', limit=1e-8)
    assert view.outputs[:, 0].tolist() == [1, 2]
    with pytest.raises(DatasetError, match='nothing to learn from'):
        to_pytorch_dataset(data, IN, '/out.x', match='nearest', limit=1e-9)


# Windows and blocks.


@given(
    st.lists(st.sampled_from([1, 1, 1, 5, -1]), min_size=1, max_size=30),
    st.sets(st.integers(0, 30)),
    st.integers(1, 5),
)
def test_runs_against_slicing(gaps, broken, window) -> None:
    """Promise: a window is allowed exactly where no step in it is a gap, backwards or broken."""
    row_ns = np.cumsum(gaps)
    marks = np.isin(np.arange(len(row_ns)), list(broken))
    starts = run_starts(row_ns, marks, 3)
    for row in range(window - 1, len(row_ns)):
        inside = row_ns[row - window + 1 : row + 1]
        step = np.diff(inside)
        good = bool(((step <= 3) & (step >= 0)).all())
        good &= not marks[row - window + 2 : row + 1].any()
        assert (starts[row] <= row - window + 1) == good


def test_windows_against_slicing(kit) -> None:
    """Promise: a window holds the last inputs in order, also those without an output."""
    data = steps(kit, 12, missing=(0, 1, 2, 5, 6))
    view = to_pytorch_dataset(data, {'/in': ['point.x', 'point.y']}, OUT, window=3)
    expected = [index for index in range(12) if index not in (0, 1, 2, 5, 6)]
    assert len(view) == len(expected)
    for place, index in enumerate(expected):
        inputs, outputs = view[place]
        assert inputs.shape == (3, 2)
        assert inputs[:, 0].tolist() == [index - 2, index - 1, index]
        assert outputs.tolist() == [10 * index]
    batch, _ = view[[4, -1, 0]]
    assert batch[:, -1, 0].tolist() == [expected[4], expected[-1], expected[0]]
    assert torch.equal(view[:][0][2:5], view[2:5][0])
    assert to_pytorch_dataset(data, IN, OUT, window=1)[0][0].shape == (1, 1)


def test_no_window_reaches_over_a_gap(kit) -> None:
    """Promise: after a lost stretch the window fills anew, and the report counts what it cost."""
    stamps = [S + index * S // 10 for index in range(20) if index not in (8, 9, 10, 11)]
    data = kit.memory([
        *stamped(kit, '/in', stamps, range(16)),
        *stamped(kit, '/out', stamps, range(16), delay_ns=5),
    ])  # fmt: skip
    view = to_pytorch_dataset(data, IN, OUT, window=4)
    assert view.outputs[:, 0].tolist() == [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
    assert view.report.dropped_by_window == 6
    assert len(to_pytorch_dataset(data, IN, OUT, window=4, max_step=0.6)) == 13


@given(
    st.lists(st.integers(0, 40), min_size=4, max_size=40),
    st.lists(st.floats(0.05, 0.4), min_size=1, max_size=3),
    st.integers(0, 4),
)
def test_blocks_are_disjoint_and_in_order(rows, shares, gap) -> None:
    """Promise: blocks share no row, come in order, with the gap between, of about their share."""
    sample_row = np.sort(np.array(rows))
    row_ns = np.arange(41)
    shares = [share / max(1.0, sum(shares)) for share in shares]
    with contextlib.suppress(DatasetError):  # A block would be empty.
        blocks = split_blocks(sample_row, row_ns, shares, gap)
        assert_apart(blocks, sample_row, row_ns, gap, None if gap else shares)


def assert_apart(blocks, sample_row, row_ns, gap, shares) -> None:
    """Check blocks, and their sizes if they are known."""
    last = None
    for index, (samples, first_row) in enumerate(blocks):
        used = sample_row[samples]
        assert (np.diff(samples) == 1).all()
        assert used.min() >= first_row
        assert np.isin(sample_row, used).sum() == len(samples)  # Samples of a row stay together.
        if last is not None:
            assert first_row > last
            assert row_ns[first_row] >= row_ns[last] + gap
        last = used.max()
        if shares and len(set(sample_row)) == len(sample_row):
            assert abs(len(samples) - shares[index] * len(sample_row)) <= 1


def test_split_windows_do_not_leak(kit) -> None:
    """Promise: no input row is part of two blocks, and each block is later than the one before."""
    parts = to_pytorch_dataset(steps(kit, 100), IN, OUT, window=5, split=(0.8, 0.1, 0.1))
    seen = [set(part[:][0].flatten().tolist()) for part in parts]
    assert [len(part) for part in parts] == [77, 5, 6]
    for earlier, later in itertools.pairwise(seen):
        assert max(earlier) < min(later)
    assert parts[0].report.blocks == tuple(len(part) for part in parts)
    assert parts[0].report.dropped_by_split == 8
    first, second = to_pytorch_dataset(steps(kit, 100), IN, OUT, split=(0.5, 0.5), split_gap=1.0)
    assert first.inputs.max() == 49
    assert second.inputs.min() == 59
    assert second.time_ns[0] - first.time_ns[-1] == S


# Values.


def test_values_and_names_of_joined_inputs(kit) -> None:
    """Promise: features stand in the order asked for, named by key and path."""
    data = kit.memory([
        *kit.drive(6),
        *[('/odom2', kit.odometry(index, twist__twist__linear__x=index + 0.5), index * S)
          for index in range(6)],
    ])  # fmt: skip
    view = to_pytorch_dataset(
        data,
        {'/odom2': 'twist.twist.linear.x', '/odom': ['pose.pose.position', 'pose.covariance[3]']},
        ['/odom2.twist.twist.linear'],
        dtype='float64',
    )
    assert view.input_names == (
        '/odom2.twist.twist.linear.x',
        '/odom.pose.pose.position.x',
        '/odom.pose.pose.position.y',
        '/odom.pose.pose.position.z',
        '/odom.pose.covariance[3]',
    )
    assert view.inputs.dtype == torch.float64
    assert view[4][0].tolist() == [4.5, 2.0, -2.0, 0.0, 0.0]
    assert view.output_names[0] == '/odom2.twist.twist.linear.x'
    assert len(to_pytorch_dataset(data, '/odom', '/odom2').input_names) == 85


def test_sequences_of_one_length_are_features(kit) -> None:
    """Promise: JointState.position is features if all have one length; else elements are, or NaN."""

    def joints(index, position):
        stamp = {'header__stamp__sec': index + 1}
        return kit.message('sensor_msgs/msg/JointState', position=np.array(position), **stamp)

    even = kit.memory([('/j', joints(k, [k, -k, 0.5]), k) for k in range(4)])
    view = to_pytorch_dataset(even, '/j.position', '/j.position[1]')
    assert view.inputs.shape == (4, 3)
    assert view.outputs[:, 0].tolist() == [0, -1, -2, -3]
    uneven = kit.memory([('/j', joints(k, [1.0] * (1 + k % 2)), k) for k in range(4)])
    with pytest.raises(FlatVectorError, match='1 to 2 values'):
        to_pytorch_dataset(uneven, '/j.position', '/j.position[0]')
    with pytest.raises(DatasetError, match='2 rows hold NaN'):
        to_pytorch_dataset(uneven, '/j.position[1]', '/j.position[0]')
    assert len(to_pytorch_dataset(uneven, '/j.position[1]', '/j.position[0]', nan='drop')) == 2
    with pytest.raises(FlatVectorError, match='empty in all'):
        to_pytorch_dataset(even, '/j.velocity', '/j.position[0]')
    with pytest.raises(FlatVectorError, match='texts'):
        to_pytorch_dataset(even, '/j', '/j.position[0]')


@pytest.mark.parametrize('window', [None, 3])
def test_nan_is_refused_dropped_or_kept(kit, window) -> None:
    """Promise: NaN raises, naming where; or its samples and windows go; or it stays, counted."""
    stamps = [S + k * S // 10 for k in range(10)]
    values = [float(k) if k != 5 else np.nan for k in range(10)]
    answers = [float(k) if k != 8 else np.nan for k in range(10)]
    data = kit.memory([
        *stamped(kit, '/in', stamps, values), *stamped(kit, '/out', stamps, answers, delay_ns=5)
    ])  # fmt: skip
    with pytest.raises(DatasetError, match=r'/in\.point\.x of message 5'):
        to_pytorch_dataset(data, IN, OUT, window=window)
    view = to_pytorch_dataset(data, IN, OUT, window=window, nan='drop')
    kept = [0, 1, 2, 3, 4, 6, 7, 9] if window is None else [2, 3, 4, 9]
    assert view.outputs[:, 0].tolist() == kept
    assert not view[:][0].isnan().any()
    assert (view.report.dropped_by_nan, view.report.rows_with_nan) == (2, 2)
    view = to_pytorch_dataset(data, IN, OUT, window=window, nan='keep', normalize='standard')
    assert len(view) == (10 if window is None else 8)
    assert int(view.inputs.isnan().sum()) == 1


def test_zero_copy_where_the_layout_allows(kit, monkeypatch) -> None:
    """Promise: one column of the type that is asked for is the tensor; batches are copies."""
    data = kit.memory(kit.drive(10))
    columns = data.columns('/odom', fields=['pose.covariance'])
    monkeypatch.setattr(data, 'columns', lambda *_, **__: columns)
    view = to_pytorch_dataset(
        data, '/odom.pose.covariance', '/odom.pose.covariance', dtype=torch.float64
    )
    values = columns['pose.covariance'].values
    assert np.shares_memory(view.inputs.numpy(), values)
    for index in (0, slice(0, 4), [1, 2]):
        batch, _ = view[index]
        batch += 1.0
    assert not values.any()


def test_types_that_cannot_hold_the_values_are_refused(kit) -> None:
    """Promise: no float is cut to an integer; types torch lacks are named."""
    data = steps(kit, 3)
    with pytest.raises(DatasetError, match='cannot hold /in'):
        to_pytorch_dataset(data, IN, OUT, dtype='int32')
    large = kit.memory(stamped(kit, '/in', [S, 2 * S], [1.0, 1e300]))
    with pytest.raises(DatasetError, match='too large for float32'):
        to_pytorch_dataset(large, IN, IN)
    for dtype in ('text', 'complex64', torch.bfloat16, object):
        with pytest.raises(DatasetError, match='float32'):
            to_pytorch_dataset(data, IN, OUT, dtype=dtype)


# Normalisation.


@pytest.mark.parametrize('kind', ['standard', 'minmax'])
@pytest.mark.parametrize('window', [None, 4])
def test_statistics_are_those_of_the_training_block(kit, kind, window, tmp_path) -> None:
    """Promise: statistics equal torch's over the training rows; the way back and JSON are exact."""
    raw = to_pytorch_dataset(steps(kit, 50), IN, OUT, split=(0.6, 0.4), window=window)
    parts = to_pytorch_dataset(
        steps(kit, 50), IN, OUT, split=(0.6, 0.4), window=window, normalize=kind
    )
    rows = torch.unique(raw[0][:][0].reshape(-1)).double()
    found = parts[0].normalisation.inputs
    assert found.count == len(rows) == (30 if window is None else 31)
    assert found.mean[0] == pytest.approx(rows.mean().item())
    assert found.std[0] == pytest.approx(rows.std(correction=0).item())
    assert (found.min[0], found.max[0]) == (rows.min().item(), rows.max().item())
    answers = raw[0].outputs.double()
    assert parts[1].normalisation.outputs.mean[0] == pytest.approx(answers.mean().item())
    for part, plain in zip(parts, raw, strict=True):
        scaling = part.normalisation
        assert torch.allclose(scaling.normalize_inputs(plain[:][0]), part[:][0], atol=1e-6)
        assert torch.allclose(scaling.denormalize_outputs(part.outputs), plain.outputs, atol=1e-4)
        assert torch.allclose(scaling.denormalize_inputs(part[:][0]), plain[:][0], atol=1e-4)
    parts[0].normalisation.save(tmp_path / 'scaling.json')
    loaded = Normalisation.load(tmp_path / 'scaling.json')
    assert json.dumps(loaded.to_dict()) == json.dumps(parts[0].normalisation.to_dict())
    assert [each.name for each in tmp_path.iterdir()] == ['scaling.json']
    again = to_pytorch_dataset(steps(kit, 50), IN, OUT, window=window, normalize=loaded)
    assert torch.equal(again[:][0][: len(parts[0])], parts[0][:][0])
    with pytest.raises(DatasetError, match=r'the normalisation is of /in\.point\.x'):
        to_pytorch_dataset(steps(kit, 50), '/in.point.y', OUT, normalize=loaded)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=20))
def test_statistics_against_numpy(rows) -> None:
    """Promise: statistics equal NumPy's on the concatenated blocks; a constant has std 1."""
    table = np.array(rows)
    found = Statistics.of([table[:, :1], table[:, 1:]], ['a', 'b', 'c'])
    spread = table.std(0)
    spread = np.where((spread == 0) | (np.ptp(table, axis=0) == 0), 1.0, spread)
    assert np.allclose(found.mean, table.mean(0), rtol=1e-9, atol=1e-9)
    assert np.allclose(found.std, spread, rtol=1e-6, atol=1e-9)
    assert (found.min == table.min(0)).all()
    assert (found.max == table.max(0)).all()


@pytest.mark.parametrize('value', [0.1, 1e6 / 3, -7.7e-9])
def test_constant_features_are_not_scaled(value) -> None:
    """Promise: a constant has its own value as mean and std 1, whatever sums round to."""
    found = Statistics.of([np.full((13, 1), value)], ['a'])
    assert (found.mean[0], found.std[0]) == (value, 1.0)
    assert found.shift_and_scale('minmax')[1][0] == 1.0


def test_statistics_leave_out_rows_of_no_window(kit) -> None:
    """Promise: inputs that are part of no sample do not count, those between samples included."""
    data = steps(kit, 20, missing=range(4, 14))
    view = to_pytorch_dataset(data, IN, OUT, window=2)
    rows = np.unique(view[:][0])
    assert rows.tolist() == [0, 1, 2, 3, 13, 14, 15, 16, 17, 18, 19]
    assert view.normalisation.inputs.count == len(rows)
    assert view.normalisation.inputs.mean[0] == pytest.approx(rows.mean())


def test_scaling_is_done_before_the_cast(kit) -> None:
    """Promise: an easting of 5e6 m keeps its millimetres in float32."""
    stamps = [S + k for k in range(11)]
    eastings = [5e6 + k * 1e-3 for k in range(11)]
    data = kit.memory(stamped(kit, '/in', stamps, eastings))
    view = to_pytorch_dataset(data, IN, IN, normalize='minmax')
    assert np.allclose(view.inputs[:, 0].numpy(), np.arange(11) / 10, atol=1e-6)


def test_infinities_are_counted_and_not_scaled(kit) -> None:
    """Promise: an infinite value is told, and refused where statistics would be worthless."""
    data = kit.memory(stamped(kit, '/in', [S, 2 * S, 3 * S], [1.0, np.inf, 2.0]))
    view = to_pytorch_dataset(data, IN, IN)
    assert view.report.rows_with_infinity == 2
    assert 'infinity' in str(view.report)
    with pytest.raises(DatasetError, match='inf'):
        to_pytorch_dataset(data, IN, IN, normalize='standard')


@pytest.mark.parametrize(
    'text', ['{}', '[]', 'x', '{"version": 2, "kind": "standard"}', '[' * 9999]
)
def test_broken_normalisations_are_refused(text, tmp_path) -> None:
    """Promise: a file that is no normalisation is refused in one line."""
    path = tmp_path / 'scaling.json'
    path.write_text(text)
    with pytest.raises(DatasetError):
        Normalisation.load(path)
    with pytest.raises(DatasetError, match='not a normalisation'):
        Normalisation.load(tmp_path / 'nothing.json')


# Loading.


def test_batches_are_those_of_torch(kit) -> None:
    """Promise: our loader and torch's own over the same dataset give equal batches, in order."""
    view = to_pytorch_dataset(steps(kit, 25), IN, OUT, window=2)
    ours = list(view.dataloader(batch_size=7))
    theirs = list(torch.utils.data.DataLoader(view, batch_size=7))
    plain = list(torch.utils.data.DataLoader([view[k] for k in range(len(view))], batch_size=7))
    assert len(ours) == len(view.dataloader(batch_size=7)) == 4
    for a, b, c in zip(ours, theirs, plain, strict=True):
        for left, middle, right in zip(a, b, c, strict=True):
            assert torch.equal(left, middle)
            assert torch.equal(left, right)


@given(st.integers(0, 40), st.integers(1, 12), st.booleans(), st.booleans())
def test_an_epoch_gives_each_sample_once(count, batch_size, shuffle, drop_last) -> None:
    """Promise: batches cover all samples once; only the last is smaller, unless it is dropped."""
    order = BatchOrder(count, batch_size, shuffle=shuffle, drop_last=drop_last, seed=1)
    batches = [np.arange(count)[each] for each in order]
    assert len(batches) == len(order)
    sizes = [len(each) for each in batches]
    whole, rest = divmod(count, batch_size)
    assert sizes == [batch_size] * whole + [rest] * (rest > 0 and not drop_last)
    seen = np.concatenate(batches) if batches else np.empty(0, int)
    assert len(set(seen)) == len(seen)


def test_random_orders_are_repeatable(kit) -> None:
    """Promise: a seed makes the order of every epoch repeatable; epochs differ."""

    def epochs(seed):
        loader = to_dataloader(steps(kit, 40), IN, OUT, batch_size=8, shuffle=True, seed=seed)
        return [torch.cat([y for _, y in loader])[:, 0].tolist() for _ in range(2)]

    first, again, other = epochs(1), epochs(1), epochs(2)
    assert first == again
    assert first[0] != first[1] != other[1]
    assert sorted(first[0]) == [10.0 * k for k in range(40)]


def test_loaders_of_a_split(kit) -> None:
    """Promise: only the training block is shuffled and cut to whole batches."""
    train, test = to_dataloader(
        steps(kit, 50), IN, OUT, batch_size=16, shuffle=True, drop_last=True, split=(0.8, 0.2)
    )
    assert [len(x) for x, _ in train] == [16, 16]
    assert [x[:, 0].tolist() for x, _ in test] == [list(range(40, 50))]


def test_workers_give_the_same(kit) -> None:
    """Promise: batches fetched by worker processes are the same."""
    view = to_pytorch_dataset(steps(kit, 30), IN, OUT, window=2)
    expected = list(view.dataloader(batch_size=8, shuffle=True, seed=3))
    found = list(view.dataloader(batch_size=8, shuffle=True, seed=3, num_workers=1))
    assert all(
        torch.equal(a, b)
        for left, right in zip(expected, found, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def test_a_view_is_a_torch_dataset(kit) -> None:
    """Promise: it is a torch Dataset, pickles, indexes like a sequence, and works in a Subset."""
    view = to_pytorch_dataset(steps(kit, 9), IN, OUT)
    assert isinstance(view, torch.utils.data.Dataset)
    copy = pickle.loads(pickle.dumps(view))
    assert type(copy) is type(view)
    assert torch.equal(copy.inputs, view.inputs)
    assert repr(view) == '<9 samples: 1 inputs, 1 outputs>'
    assert view[-1][1].item() == 80
    assert view[torch.tensor([2, 0])][1][:, 0].tolist() == [20, 0]
    assert view[::4][1][:, 0].tolist() == [0, 40, 80]
    part = torch.utils.data.Subset(view, [1, 3])
    assert [y.item() for _, y in torch.utils.data.DataLoader(part, batch_size=None)] == [10, 30]
    for index in (9, -10, [9], [-10]):
        with pytest.raises(IndexError):
            view[index]


# Wrong use.


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'match': 'index'}, 'match='),
        ({'match': 'nearest'}, 'needs limit'),
        ({'limit': -1.0}, 'limit='),
        ({'limit': float('nan')}, 'limit='),
        ({'window': 0}, 'window='),
        ({'window': 99}, 'no sample'),
        ({'nan': 'ignore'}, 'nan='),
        ({'normalize': 'l2'}, 'normalize='),
        ({'split': (0.9, 0.2)}, 'split='),
        ({'split': (0.01, 0.99)}, 'empty'),
        ({'clock': 'log'}, 'goes by stamps'),
        ({'shuffle': True}, 'options are'),
    ],
)
def test_wrong_options_are_named(kit, options, text) -> None:
    """Promise: an option that is none of its values is named in one line."""
    with pytest.raises(DatasetError, match=text) as caught:
        to_pytorch_dataset(steps(kit, 10), IN, OUT, **options)
    assert '\n' not in str(caught.value)


def test_wrong_selections_are_named(kit) -> None:
    """Promise: a key or field that is not there is named, with what is."""
    data = steps(kit, 3)
    with pytest.raises(KeyNotFoundError, match='/in, /out'):
        to_pytorch_dataset(data, '/imu.x', OUT)
    with pytest.raises(FlatVectorError, match=r'there is no field point\.w'):
        to_pytorch_dataset(data, '/in.point.w', OUT)
    with pytest.raises(DatasetError, match='names no key'):
        to_pytorch_dataset(data, IN, [])
    with pytest.raises(DatasetError, match='no messages'):
        to_pytorch_dataset(data, IN, OUT, start_ns=10**12)
    with pytest.raises(DatasetError, match='batch_size'):
        to_dataloader(data, IN, OUT, batch_size=0)
    with pytest.raises(DatasetError, match='sampler'):
        to_pytorch_dataset(data, IN, OUT).dataloader(sampler=[1])


def test_without_torch_the_extra_is_named(kit, monkeypatch) -> None:
    """Promise: without torch the error says what to install."""
    monkeypatch.setitem(__import__('sys').modules, 'torch', None)
    torch_view.torch_module.cache_clear()
    with pytest.raises(ExtraMissingError, match=r'lk_dataset_ros\[torch\]'):
        to_pytorch_dataset(steps(kit, 3), IN, OUT)
    monkeypatch.undo()
    torch_view.torch_module.cache_clear()


def test_torchs_own_loader_takes_batches_as_they_are_fetched(kit) -> None:
    """Promise: `DataLoader(view)` gives the batches of `view.dataloader()`, unstacked or not."""
    dataset = kit.memory(kit.drive(20))
    view = to_pytorch_dataset(dataset, '/odom', '/odom')
    plain = torch.utils.data.DataLoader(view, batch_size=7)
    listed = torch.utils.data.DataLoader(
        view, batch_size=7, collate_fn=lambda batch: torch.utils.data.default_collate(list(batch))
    )
    for ours, theirs, third in zip(view.dataloader(batch_size=7), plain, listed, strict=True):
        for a, b, c in zip(ours, theirs, third, strict=True):
            assert torch.equal(a, b)
            assert torch.equal(a, c)
    subset = torch.utils.data.DataLoader(torch.utils.data.Subset(view, [3, 1]), batch_size=2)
    assert torch.equal(next(iter(subset))[0], view[[3, 1]][0])
