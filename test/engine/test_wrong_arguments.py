"""What a user gets for a wrong argument of the library: one line that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lk_dataset_ros import Dataset, LkError, new_message
from lk_dataset_ros.dataset.exports import Sampling, write_lerobot, write_tables

if TYPE_CHECKING:
    from collections.abc import Callable

CASES: list[tuple[Callable[[Dataset, Any], object], str]] = [
    (lambda ds, path: Dataset('bag'), "'bag' is no database; Dataset.load"),
    (lambda ds, path: Dataset(ds), 'is no database'),
    (lambda ds, path: ds.read('/odom', 'first'), "index is 'first'; give an integer"),
    (lambda ds, path: ds.read('/odom', 1.5), 'index is 1.5'),
    (lambda ds, path: ds.columns('/odom', fields='pose'), "fields is 'pose'; give a list"),
    (lambda ds, path: ds.columns('/odom', fields=3), 'fields is 3; give a list'),
    (lambda ds, path: ds.columns('/odom', every=0), 'every is 0; give an integer of 1'),
    (lambda ds, path: ds.columns('/odom', every=1.5), 'every is 1.5'),
    (lambda ds, path: ds.column_batches('/odom', max_bytes=0), 'max_bytes is 0'),
    (lambda ds, path: ds.column_batches('/odom', fields='pose'), "fields is 'pose'"),
    (lambda ds, path: ds.column_batches('/odom', start='noon'), "'noon' is not a time"),
    (lambda ds, path: ds.iterate('/odom'), "keys is '/odom'; give a list of keys"),
    (lambda ds, path: ds.iterate_serialized('/odom'), "keys is '/odom'"),
    (lambda ds, path: ds.iterate(start_ns=0.5), '0.5 is not a number of nanoseconds'),
    (lambda ds, path: ds.heads('/odom', 'noon'), "'noon' is not a number of nanoseconds"),
    (lambda ds, path: ds.slice(keys='/odom'), "keys is '/odom'; give a list of keys"),
    (lambda ds, path: ds.slice(into='bag'), "into: 'bag' is no Dataset"),
    (lambda ds, path: ds.slice(into=ds), 'MemoryDatabase cannot be copied into itself'),
    (lambda ds, path: ds.combine('bag'), "combine: 'bag' is no Dataset; Dataset.load"),
    (lambda ds, path: ds.combine(prefixes=[1]), 'list of 1 texts'),
    (lambda ds, path: ds.compare('bag'), "compare: 'bag' is no Dataset"),
    (lambda ds, path: ds.diffdiff('bag'), "diffdiff: 'bag' is no Dataset"),
    (lambda ds, path: ds.declare('', 'std_msgs/msg/Int32'), "key is ''; give a topic name"),
    (lambda ds, path: ds.declare('/n', 3), '3 is no type; give a Schema'),
    (lambda ds, path: ds.declare('/n', 'std_msgs/msg/Nope'), 'std_msgs/msg/Nope'),
    (lambda ds, path: ds.write(3, new_message('std_msgs/msg/Int32')), 'key is 3; give a topic'),
    (lambda ds, path: ds.columns('/odom').to_pandas(arrays='x'), "arrays is 'x'; 'object' and"),
    (lambda ds, path: ds.to_pytorch_dataset(3, '/odom'), 'inputs is 3; give keys'),
    (lambda ds, path: ds.to_pytorch_dataset('/odom', None), 'outputs is None'),
    (lambda ds, path: ds.to_pytorch_dataset('/odom', '/odom', split=0.8), 'split=0.8 is no list'),
    (
        lambda ds, path: ds.to_pytorch_dataset('/odom', '/odom', split='ab'),
        "split='ab' is no list",
    ),
    (lambda ds, path: ds.to_pytorch_dataset('/odom', '/odom', limit='x'), "limit='x' is not a"),
    (
        lambda ds, path: ds.to_pytorch_dataset('/odom', '/odom', mach=1),
        "no option 'mach'; options",
    ),
    (lambda ds, path: ds.to_pytorch_dataset('/odom', '/odom', match='x'), 'stamp, lineage, near'),
    (lambda ds, path: ds.to_dataloader('/odom', '/odom', seed='x'), "seed='x' is not an integer"),
    (lambda ds, path: write_tables(ds, path, kind='xml'), "kind of table 'xml'; there is csv"),
    (lambda ds, path: write_tables(ds, path, kind='csv', keys='/odom'), "keys is '/odom'"),
    (lambda ds, path: write_tables(ds, path, kind='csv', fields='pose'), "fields is 'pose'"),
    (lambda ds, path: Sampling(fps=5, max_age_s='x'), "'x' s old at most; 0 s"),
    (lambda ds, path: Sampling(fps=5, min_frames='x'), "'x' frames at least"),
    (
        lambda ds, path: write_lerobot(
            ds, path, features={'action': '/odom.twist'}, sampling=Sampling(fps=5)
        ),
        'datasets is no list of datasets',
    ),
]


@pytest.mark.parametrize(('call', 'reason'), CASES, ids=[reason for _, reason in CASES])
def test_a_wrong_argument_is_named_in_one_line(
    call: Callable[[Dataset, Any], object], reason: str, kit: Any
) -> None:
    """Promise: the error is ours, has one line, names the value, and nothing is written."""
    with pytest.raises(LkError) as caught:
        call(kit.memory(kit.drive()), kit.folder / 'out')
    assert reason in str(caught.value)
    assert '\n' not in str(caught.value)
    assert not list(kit.folder.iterdir())


def test_a_bag_that_was_loaded_says_how_to_write(kit: Any) -> None:
    """Promise: writing to what was opened for reading names it, and what would have worked."""
    with (
        Dataset.load(kit.bag('bag', kit.drive())) as dataset,
        pytest.raises(LkError, match=r'written: .*bag; Dataset\.create makes a new one$'),
    ):
        dataset.write('/odom', kit.odometry(0))


def test_a_type_is_declared_by_name(kit: Any) -> None:
    """Promise: the name of a common type does for its definition, short or in full."""
    dataset = Dataset()
    dataset.declare('/odom', 'nav_msgs/Odometry')
    dataset.write('/odom', kit.odometry(1), timestamp_ns=7)
    assert dataset.topic('/odom').schema.name == 'nav_msgs/msg/Odometry'
    assert dataset.read('/odom').child_frame_id == 'base_link'


def test_batches_take_a_span_in_seconds(kit: Any) -> None:
    """Promise: `column_batches` takes times as `columns` does."""
    dataset = kit.memory(kit.drive())
    parts = list(dataset.column_batches('/odom', start=100.5, stop=100.8, max_bytes=1))
    assert len(parts) == 3
    found = [time_ns for part in parts for time_ns in part.log_time_ns.tolist()]
    assert found == dataset.columns('/odom', start=100.5, stop=100.8).log_time_ns.tolist()
