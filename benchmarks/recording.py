"""Record under load, ours and rosbag2 in turn: what is lost, what is told, what it costs.

    make build && source env.sh && python benchmarks/recording.py [--runs 5] [--rows imu,disk]

Rows: imu (324-byte messages, default options), depth (the same with a reader history of 1000),
disk and memory (images of 1 MB onto a disk and a memory disk), mixed (twenty topics). Publisher
and recorder share the machine. `lost` is counted by the numbers in the messages; `it says` is what
the recorder itself tells, in its status and in its bag. Processor time is that of the whole
process, user and system; `start` is what it took before the first message.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bags import look_through, statistics
from numbered import MIXED
from processes import MEMORY, bench, busy_share, options_of

if TYPE_CHECKING:
    import argparse

    from processes import Bench

DEPTH = """\
/imu: {history: keep_last, depth: 1000, reliability: reliable, durability: volatile}
"""


class Work(NamedTuple):
    """One row of the table.

    Attributes:
        name: What it is called.
        topics: Kind by topic.
        publish: Arguments of the publisher.
        record: Further arguments of the recorder.
        in_memory: The bag goes to the memory disk.
    """

    name: str
    topics: dict[str, str]
    publish: list[str]
    record: list[str]
    in_memory: bool = False


def works(options: argparse.Namespace, folder: Path) -> list[Work]:
    """Return what was chosen."""
    seconds = f'{options.seconds:g}'
    overrides = folder / 'depth.yaml'
    overrides.write_text(DEPTH)
    found = []
    for rows, rates, more in (
        ('imu', options.rates, []),
        ('depth', options.depth_rates, ['--qos-profile-overrides-path', str(overrides)]),
    ):
        for rate in rates if rows in options.rows else ():
            depth = ', depth 1000' if more else ''
            arguments = ['imu', f'{rate:g}', seconds, '--depth', '1000']
            found.append(Work(f'Imu {rate:,}/s{depth}', {'/imu': 'imu'}, arguments, more))
    for rows, rates in (('disk', options.disk_rates), ('memory', options.memory_rates)):
        for rate in rates if rows in options.rows else ():
            name = f'1 MB images, {rate:,}/s, {rows}'
            arguments = ['image', f'{rate:g}', seconds, '--depth', '100', '--size', '1000000']
            found.append(Work(name, {'/image': 'image'}, arguments, [], rows == 'memory'))
    if 'mixed' in options.rows:
        topics = {topic: kind for topic, kind, _, _ in MIXED}
        found.append(Work('20 topics, 5,000/s, 100 MB/s', topics, ['mixed', seconds], []))
    return found


def measure(bench: Bench, work: Work, who: str) -> None:
    """Record once, print a row."""
    folder = bench.options.memory if work.in_memory else bench.folder
    bag = folder / f'bag_{os.getpid()}'
    os.sync()
    busy = busy_share()
    watcher = bench.watcher('recorder') if who == 'ours' else None
    recorder = bench.bag_command(who, 'record', '-o', bag, *work.record, '--topics', *work.topics)
    publisher = bench.publisher(*work.publish)
    try:
        code = publisher.wait(6 * bench.options.seconds + 120)
        time.sleep(0.5)
        if not recorder.is_running:
            print(f'(the recorder has ended by itself: {recorder.said})', file=sys.stderr)
        asked_s = time.monotonic()
        recorder.stop()
        end_s = time.monotonic() - asked_s
        time.sleep(0.2)
        status = {}
        if watcher is not None:
            watcher.stop()
            status = watcher.result()
        sent = publisher.result()
        if code or not sent.get('published'):
            print(f'({who}, {work.name}: nothing was published: {publisher.said}{recorder.said})')
            return
        tell(
            bench,
            work,
            who,
            recorder=recorder,
            sent=sent,
            status=status,
            bag=bag,
            busy=busy,
            end_s=end_s,
        )
    finally:
        shutil.rmtree(bag, ignore_errors=True)


def tell(bench: Bench, work: Work, who: str, **seen: Any) -> None:
    """Count and print."""
    sent, status, recorder, bag = seen['sent'], seen['status'], seen['recorder'], seen['bag']
    counts = sent.get('topics') or dict.fromkeys(work.topics, sent['published'])
    found = look_through(bag, {name: (kind, counts[name]) for name, kind in work.topics.items()})
    says: Any = 'nothing'
    if who == 'ours':
        record = statistics(bag)
        says = sum(each['lost'] + each['dropped'] for each in record.values()) if record else '?'
        shown = status.get('lost', 0) + status.get('dropped', 0) if status else '?'
        if says != shown:
            says = f'{says} in the bag, {shown} in the status'
    before_s = recorder.at(sent['first_ns']).cpu_s
    cpu_s = recorder.last.cpu_s - before_s
    bench.row(
        work=work.name,
        who=who,
        published=sent['published'],
        **{'per s': round(sent['published'] / max(sent['seconds'], 1e-9))},
        lost=found.missing,
        **{'it says': says},
        repeated=found.repeated,
        disordered=found.disordered,
        **{
            'us/message': cpu_s / max(found.recorded, 1) * 1e6,
            'start, s': before_s,
            'end, s': seen['end_s'],
            'peak MB': round(recorder.peak / 1e6),
            'bag MB': sum(each.stat().st_size for each in bag.iterdir()) / 1e6,
            'publisher us': 1e6 * sent.get('cpu_publish_s', sent['cpu_s']) / sent['published'],
            'busy before, %': round(seen['busy']),
        },
    )


def main() -> int:
    """Run and print."""
    parser = options_of(__doc__)
    names = ['imu', 'depth', 'disk', 'memory', 'mixed']

    def rates(text: str) -> list[int]:
        return [int(each) for each in text.split(',')]

    parser.add_argument('--rows', type=lambda text: text.split(','), default=names)
    parser.add_argument('--seconds', type=float, default=30.0, help='of each run (30)')
    parser.add_argument('--runs', type=int, default=3, help='of each row, of each contender (3)')
    parser.add_argument('--rates', type=rates, default='1000,2000,10000,30000,50000')
    parser.add_argument('--depth-rates', type=rates, default='40000,50000,60000')
    parser.add_argument('--disk-rates', type=rates, default='150,200,300')
    parser.add_argument('--memory-rates', type=rates, default='300')
    parser.add_argument('--memory', type=Path, default=MEMORY, help=f'memory disk ({MEMORY})')
    options = parser.parse_args()
    with bench(options) as found:
        for work in works(options, found.folder):
            for _ in range(options.runs):
                for who in found.contenders:
                    measure(found, work, who)
    return 0


if __name__ == '__main__':
    sys.exit(main())
