"""Columns as Arrow tables, data frames and Parquet files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.errors import BagExistsError, ExportError, ExtraMissingError
from lk_dataset_ros.message import Column, Columns
from lk_dataset_ros.message.columnar.parquet import write_parquet
from lk_dataset_ros.message.columnar.tables import arrow_of, pandas_of

TYPES = [
    'sensor_msgs/msg/JointState',
    'tf2_msgs/msg/TFMessage',
    'nav_msgs/msg/Odometry',
    'sensor_msgs/msg/Image',
    'unique_identifier_msgs/msg/UUID',
    'diagnostic_msgs/msg/DiagnosticArray',
    'trajectory_msgs/msg/JointTrajectory',
    'sensor_msgs/msg/BatteryState',
]
BIT_PATTERNS = np.array([0x7FF8000000000001, 0xFFF0000000000BAD, 1 << 63, 0x7FF0 << 48], np.uint64)


def bits(value: Any) -> Any:
    """Return something that is equal only for the same bits (and the same text)."""
    if value is None or isinstance(value, (str, bytes)):
        return value
    array = np.asarray(value)
    if array.dtype.kind in 'OTU':
        return [str(each) for each in array.reshape(-1)]
    native = array.astype(array.dtype.newbyteorder('='))
    return native.dtype.kind, native.tobytes()


def rows_of(column: Column, count: int) -> list[Any]:
    """Return what each message has in a field, None if it lacks it: one row at a time."""
    found: list[Any] = [None] * count
    for index, row in enumerate(column.rows):
        value = column.row(index)
        is_bytes = column.values.dtype == np.uint8 and isinstance(value, np.ndarray)
        found[row] = value.tobytes() if is_bytes else value
    return found


def cells_of(array: Any) -> list[Any]:
    """Return the cells of an Arrow column, numbers in their own type."""
    cells = []
    for each in array:
        if not each.is_valid:
            cells.append(None)
        elif hasattr(each, 'values'):
            inner = each.values
            while hasattr(inner.type, 'list_size'):
                inner = inner.flatten()
            cells.append(inner.to_numpy(zero_copy_only=False))
        else:
            value = each.as_py()
            is_text = isinstance(value, (str, bytes))
            cells.append(value if is_text else np.array(value, each.type.to_pandas_dtype()))
    return cells


def assert_same_table(table: Any, columns: Columns, count: int) -> None:
    """Check each cell against the columns, bit for bit."""
    names = [name for name in table.column_names if name not in ('log_time_ns', 'stamp_ns')]
    assert names == list(columns)
    assert table['log_time_ns'].to_numpy().tobytes() == columns.log_time_ns.tobytes()
    for path in columns:
        expected = [bits(value) for value in rows_of(columns[path], count)]
        assert [bits(cell) for cell in cells_of(table[path])] == expected, path


def random_columns(kit: Any, type_name: str, count: int, seed: int = 0) -> Columns:
    """Make columns of random messages, NaN and infinities included."""
    rng = np.random.default_rng(seed)
    start = 1_700_000_000_123_456_789
    items = [('/k', kit.random_message(type_name, rng), start + index) for index in range(count)]
    return kit.memory(items).columns('/k')


def plain(**values: Any) -> Columns:
    """Make columns of arrays."""
    count = len(next(iter(values.values())))
    rows = np.arange(count)
    return Columns(
        {path: Column(np.asarray(each), rows) for path, each in values.items()},
        np.arange(count, dtype=np.int64),
        None,
    )


@pytest.mark.parametrize('type_name', TYPES)
def test_a_table_holds_every_cell(kit: Any, type_name: str) -> None:
    """Promise: an Arrow table has each message's value of each field, bit for bit, or null."""
    columns = random_columns(kit, type_name, 23)
    assert_same_table(arrow_of(columns), columns, 23)


@pytest.mark.parametrize('type_name', TYPES)
def test_a_parquet_file_gives_back_every_cell(kit: Any, type_name: str) -> None:
    """Promise: what a Parquet file gives back is equal to the columns, bit for bit."""
    columns = random_columns(kit, type_name, 23, seed=1)
    path = kit.folder / 'a.parquet'
    assert write_parquet(columns, path) == 23
    assert_same_table(pq.read_table(path), columns, 23)


def test_types_are_kept() -> None:
    """Promise: numbers, bool and text keep their types; arrays become lists or binary."""
    columns = plain(
        a=np.zeros(3, np.uint64),
        b=np.array([True, False, True]),
        c=np.zeros((3, 2), np.float32),
        d=np.array(['x', 'äß', ''], object),
        e=np.zeros((3, 4), np.uint8),
        f=np.zeros((3, 2, 5), np.int16),
        g=np.zeros(3, '>i4'),
    )
    types = {field.name: str(field.type) for field in arrow_of(columns, log_time=False).schema}
    assert types == {
        'a': 'uint64',
        'b': 'bool',
        'c': 'fixed_size_list<item: float>[2]',
        'd': 'string',
        'e': 'fixed_size_binary[4]',
        'f': 'fixed_size_list<item: fixed_size_list<item: int16>[5]>[2]',
        'g': 'int32',
    }


def test_numbers_are_not_copied() -> None:
    """Promise: a table of numbers that lie one after the other shares their memory."""
    values = np.arange(1000.0)
    for columns, depth in ((plain(a=values), 0), (plain(a=values.reshape(100, 10)), 1)):
        chunk = arrow_of(columns)['a'].chunk(0)
        data = chunk.flatten() if depth else chunk
        assert data.buffers()[1].address == values.ctypes.data


@settings(max_examples=30, deadline=None)
@given(data=st.data(), count=st.integers(0, 12))
def test_extremes_survive_parquet(tmp_path_factory: Any, data: Any, count: int) -> None:
    """Promise: NaN payloads, negative zero and the largest integers survive a file."""
    wanted = st.lists(st.integers(0, 2**64 - 1), min_size=count, max_size=count)
    words = np.array(data.draw(wanted), np.uint64)
    words[: len(BIT_PATTERNS)] = BIT_PATTERNS[:count]
    lengths = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ragged = np.resize(BIT_PATTERNS, offsets[-1]).view(np.float64)
    rows = np.arange(count)
    columns = Columns(
        {
            'u': Column(words, rows),
            'i': Column(words.view(np.int64), rows),
            'f': Column(words.view(np.float64), rows),
            'h': Column(words.view(np.float32).reshape(count, 2), rows),
            'r': Column(ragged, rows, offsets),
            'b': Column(words.view(np.uint8).reshape(count, 8), rows),
        },
        words.view(np.int64),
        None,
    )
    path = tmp_path_factory.mktemp('parquet') / 'a.parquet'
    write_parquet(columns, path)
    assert_same_table(pq.read_table(path), columns, count)


def batches_of_transforms(kit: Any, sizes: list[int]) -> list[Columns]:
    """Make columns, one message each, with so many transforms."""
    found = []
    for index, size in enumerate(sizes):
        message = kit.message('tf2_msgs/msg/TFMessage')
        message.transforms = [
            kit.message(
                'geometry_msgs/msg/TransformStamped',
                transform__translation__x=float(10 * index + each),
            )
            for each in range(size)
        ]
        found.append(kit.memory([('/tf', message, index)]).columns('/tf'))
    return found


def test_batches_become_one_file(kit: Any) -> None:
    """Promise: fields that come and go from batch to batch are null where they lack."""
    path = kit.folder / 'tf.parquet'
    assert write_parquet(iter(batches_of_transforms(kit, [1, 0, 3, 2, 1])), path) == 5
    table = pq.read_table(path)
    none = None
    assert table['transforms[0].transform.translation.x'].to_pylist() == [0, none, 20, 30, 40]
    assert table['transforms[2].transform.translation.x'].to_pylist() == [
        none,
        none,
        22,
        none,
        none,
    ]
    assert table['transforms.length'].to_pylist() == [1, 0, 3, 2, 1]
    assert table.column_names[-1] == 'transforms.length'
    assert [file.name for file in kit.folder.iterdir()] == ['tf.parquet']


@pytest.mark.parametrize('dtype', ['float64', 'uint8', 'bool', 'object'])
def test_a_sequence_may_change_its_length(kit: Any, dtype: str) -> None:
    """Promise: a sequence as long in every message of one batch may be longer in the next."""
    rows = np.arange(2)
    of = (
        (lambda size: np.array(['x'] * size, object))
        if dtype == 'object'
        else (lambda size: np.ones(size, dtype))
    )
    shapes = [
        Column(of(4).reshape(2, 2), rows),
        Column(of(6).reshape(2, 3), rows),
        Column(of(3), rows, np.array([0, 3, 3])),
        Column(of(0).reshape(2, 0), rows),
    ]
    times = np.arange(2, dtype=np.int64)
    path = kit.folder / 'a.parquet'
    write_parquet((Columns({'a': each}, times, None) for each in shapes), path)
    cells = cells_of(pq.read_table(path)['a'])
    assert [len(cell) for cell in cells] == [2, 2, 3, 3, 3, 0, 0, 0]
    assert all(len(set(cell)) <= 1 for cell in cells)


def test_types_that_do_not_go_together_are_refused(kit: Any) -> None:
    """Promise: a field that is a number in one batch and text in the next is named."""
    batches = [plain(a=[1.0]), plain(a=np.array(['x'], object))]
    with pytest.raises(ExportError, match='a is double in one part of the data and string'):
        write_parquet(iter(batches), kit.folder / 'a.parquet')
    assert list(kit.folder.iterdir()) == []


def test_what_breaks_half_way_leaves_nothing(kit: Any) -> None:
    """Promise: a file is there when it is whole, and nothing is overwritten."""

    def batches() -> Any:
        yield plain(a=[1.0])
        raise ExportError('no more')

    path = kit.folder / 'a.parquet'
    with pytest.raises(ExportError, match='no more'):
        write_parquet(batches(), path)
    assert list(kit.folder.iterdir()) == []
    path.write_text('mine')
    with pytest.raises(BagExistsError, match=r'a\.parquet exists'):
        write_parquet(plain(a=[1.0]), path)
    assert path.read_text() == 'mine'
    with pytest.raises(ExportError, match='cannot be written'):
        write_parquet(plain(a=[1.0]), path / 'below.parquet')


def test_an_empty_topic_is_an_empty_table(kit: Any) -> None:
    """Promise: no messages give no rows, in memory and in a file."""
    nothing = Columns.from_messages([])
    assert arrow_of(nothing).num_rows == 0
    assert len(pandas_of(nothing)) == 0
    for index, columns in enumerate((nothing, iter([]))):
        path = kit.folder / f'{index}.parquet'
        assert write_parquet(columns, path) == 0
        assert pq.read_table(path).column_names == ['log_time_ns']


def test_times_and_metadata_are_kept(kit: Any) -> None:
    """Promise: log time, header stamp and what the caller adds are in the file."""
    path = kit.folder / 'a.parquet'
    columns = kit.memory(kit.drive(3)).columns('/odom')
    write_parquet(columns, path, metadata={'ros2.type': 'nav_msgs/msg/Odometry'})
    table = pq.read_table(path)
    assert table.schema.metadata[b'ros2.type'] == b'nav_msgs/msg/Odometry'
    assert table['stamp_ns'].to_pylist() == columns.stamp_ns.tolist()
    assert table['log_time_ns'].to_pylist() == columns.log_time_ns.tolist()


def test_a_field_called_log_time_is_not_hidden() -> None:
    """Promise: a field with the name of our time column is refused, and there is a way out."""
    columns = plain(log_time_ns=[1.5])
    with pytest.raises(ExportError, match='log_time=False'):
        arrow_of(columns)
    assert arrow_of(columns, log_time=False)['log_time_ns'].to_pylist() == [1.5]


@pytest.mark.parametrize('type_name', TYPES)
def test_a_data_frame_holds_every_cell(kit: Any, type_name: str) -> None:
    """Promise: a data frame has each message's value of each field, or says that it lacks."""
    import pandas as pd

    columns = random_columns(kit, type_name, 23, seed=2)
    frame = pandas_of(columns)
    assert list(frame.columns) == list(columns)
    assert frame.index.asi8.tolist() == columns.log_time_ns.tolist()
    for path in columns:
        for cell, value in zip(frame[path], rows_of(columns[path], 23), strict=True):
            if value is None:
                assert pd.isna(cell)
            elif isinstance(value, np.ndarray):
                assert bits(cell) == bits(value)
            else:
                assert bits(np.asarray(cell, getattr(value, 'dtype', None)).item()) == bits(
                    np.asarray(value).item()
                )


def test_gaps_do_not_round_integers() -> None:
    """Promise: an integer field with gaps stays an integer field in a data frame."""
    big = 2**63 - 1
    columns = Columns(
        {
            'a': Column(np.array([big]), np.array([1])),
            'b': Column(np.array([True]), np.array([0])),
        },
        np.arange(2, dtype=np.int64),
        None,
    )
    frame = pandas_of(columns)
    assert str(frame['a'].dtype) == 'Int64'
    assert str(frame['b'].dtype) == 'boolean'
    assert frame['a'].iloc[1] == big
    assert frame['a'].isna().tolist() == [True, False]


def test_arrays_can_be_spread() -> None:
    """Promise: `arrays='spread'` makes a column of each element, within reason."""
    frame = pandas_of(
        plain(a=np.arange(6.0).reshape(3, 2), b=np.zeros((3, 1, 2))), arrays='spread'
    )
    assert list(frame.columns) == ['a[0]', 'a[1]', 'b[0][0]', 'b[0][1]']
    assert frame['a[1]'].tolist() == [1.0, 3.0, 5.0]
    with pytest.raises(ExportError, match='5000 elements'):
        pandas_of(plain(a=np.zeros((1, 5000))), arrays='spread')


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: without pyarrow or pandas one line says what to install."""

    def importing(name: str) -> Any:
        raise ImportError(name)

    from lk_dataset_ros.message import extras

    monkeypatch.setattr(extras, 'import_module', importing)
    for make, extra in ((arrow_of, 'arrow'), (pandas_of, 'pandas')):
        with pytest.raises(ExtraMissingError, match=rf'lk_dataset_ros\[{extra}\]'):
            make(plain(a=[1.0]))


def test_other_readers_agree(kit: Any) -> None:
    """Promise: pandas reads the file that we write."""
    import pandas as pd

    path = kit.folder / 'a.parquet'
    columns = random_columns(kit, 'nav_msgs/msg/Odometry', 9)
    write_parquet(columns, path)
    frame = pd.read_parquet(path)
    x, frame_id = columns['pose.pose.position.x'], columns['header.frame_id']
    assert bits(frame['pose.pose.position.x'].to_numpy()) == bits(x.row(slice(None)))
    assert frame['header.frame_id'].tolist() == frame_id.row(slice(None)).tolist()


def test_a_long_list_needs_no_small_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: more values than 32-bit offsets can count become large lists."""
    from lk_dataset_ros.message.columnar import tables

    monkeypatch.setattr(tables, '_MAX_OFFSET', 3)
    rows, offsets = np.arange(2), np.array([0, 1, 5])
    columns = Columns(
        {
            'a': Column(np.arange(5.0), rows, offsets),
            'b': Column(np.arange(5, dtype=np.uint8), rows, offsets),
        },
        np.arange(2, dtype=np.int64),
        None,
    )
    table = arrow_of(columns)
    assert pa.types.is_large_list(table.schema.field('a').type)
    assert pa.types.is_large_binary(table.schema.field('b').type)
    assert_same_table(table, columns, 2)
