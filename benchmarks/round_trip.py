"""Play a bag as fast as possible into a recorder: is what it writes the same bag?

    make build && source env.sh && python benchmarks/round_trip.py BAG [--runs 10]

Played at RTF 0, recorded with --as-recorded. Compared are topics, types, type hashes, the order of all
messages, their bytes, log times, publish times and sequence numbers. Types of the bag that are not
installed have to be built first: lk types BAG --build.
"""

from __future__ import annotations

import shutil
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import bench, options_of

from lk_dataset_ros import Dataset

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import SerializedMessage

PARTS = ('key', 'cdr', 'log_time_ns', 'publish_time_ns', 'sequence')
#: Between the definitions of types in a schema.
SEPARATOR = '=' * 80


def kinds(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Return what is known of the type of each topic that has messages."""
    return {
        name: {
            'type': topic.schema.name,
            'hash': topic.schema.type_hash or '',
            # rosbag2, too, puts down the types that it uses in no particular order.
            'definition': sorted(part.strip() for part in topic.schema.text.split(SEPARATOR)),
        }
        for name, topic in dataset.topics().items()
        if topic.count
    }


def other_types(left: Dataset, right: Dataset) -> str:
    """Return in which topics type, hash or definition are others."""
    ours, theirs = kinds(left), kinds(right)
    found = []
    for name in ours.keys() | theirs.keys():
        one, other = ours.get(name, {}), theirs.get(name, {})
        different = [part for part in one if one[part] != other.get(part)] or ['topic'] * (not one)
        found += [f'{name} ({", ".join(different)})'] if different else []
    return ', '.join(sorted(found)) or 'none'


def compare(original: Path, copy: Path) -> dict[str, Any]:
    """Return how many messages are the same, place by place, and the first that is not."""
    same = counted = 0
    differing = dict.fromkeys(PARTS, 0)
    remark = ''
    with Dataset.load(original) as left, Dataset.load(copy) as right:
        types = other_types(left, right)
        pairs = zip_longest(left.iterate_serialized(), right.iterate_serialized())
        for place, (one, other) in enumerate(pairs):
            counted += 1
            same += one == other
            if one != other:
                different = unlike(one, other)
                remark = remark or f'message {place}: {", ".join(different)}'
                for name in set(different) & set(PARTS):
                    differing[name] += 1
    found = {'same': same, 'of': counted, 'other types': types, 'first difference': remark}
    return found | {f'other {name}': count for name, count in differing.items()}


def unlike(one: SerializedMessage | None, other: SerializedMessage | None) -> list[str]:
    """Return which parts of two messages differ."""
    if one is None or other is None:
        return ['there in one of them only']
    return [name for name in PARTS if getattr(one, name) != getattr(other, name)]


def main() -> int:
    """Run and print."""
    parser = options_of(__doc__)
    parser.add_argument('bag', type=Path)
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--rate', default='0', help='real-time factor (0: as fast as possible)')
    options = parser.parse_args()
    with Dataset.load(options.bag) as dataset:
        names = [name for name, topic in dataset.topics().items() if topic.count]
    with bench(options) as found:
        for number in range(options.runs):
            copy = found.folder / f'copy_{number}'
            began_s = time.monotonic()
            record = ('--as-recorded', '--topics', *names)
            recorder = found.bag_command('ours', 'record', '-o', copy, *record)
            play = ('--rate', options.rate, '--as-recorded')
            player = found.bag_command('ours', 'play', options.bag.resolve(), *play)
            code = player.wait(600.0)
            recorded = recorder.stop()
            if code or recorded or not copy.exists():
                print(f'(play {code}: {player.said}; record {recorded}: {recorder.said})')
            seconds = time.monotonic() - began_s
            if copy.exists():
                values = compare(options.bag, copy)
                found.row(run=number + 1, **values, s=seconds)
            shutil.rmtree(copy, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
