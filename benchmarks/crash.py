"""Kill the recorder again and again: does every bag open, and what is missing at its end?

    make build && source env.sh && python benchmarks/crash.py [--runs 100]

1,000 Imu per second are recorded; the recorder is killed (SIGKILL) at a random moment, and the bag
is read as it is: all numbers from the first to the last have to be there, no byte of a message may
be another than its publisher sent, and what is missing at the end must be younger than the flush
period. Then `lk recover` repairs the bag, which must keep every message. rosbag2's bags, where it
is at hand, are read likewise (its recorder flushes when a chunk or its cache is full).
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numbered import place_of
from processes import OURS, bench, options_of

from lk_dataset_ros import LkError, McapDatabase

if TYPE_CHECKING:
    from pathlib import Path

    from processes import Bench

NS_PER_S = 1_000_000_000


def read(bag: Path) -> dict[str, Any]:
    """Return what is in a bag: numbers, newest stamp, torn messages; or why it cannot be read."""
    seen: list[int] = []
    stamps = [0]
    torn = 0
    first: bytes = b''
    try:
        with McapDatabase(bag, 'r') as database:
            for message in database.iterate_serialized():
                cdr = message.cdr
                first = first or cdr
                place = place_of('imu', first)
                rest = (cdr[:4], cdr[12:place], cdr[place + 8 :])
                torn += rest != (first[:4], first[12:place], first[place + 8 :])
                seconds, nanoseconds = np.frombuffer(cdr, '<u4', 2, 4).tolist()
                stamps.append(seconds * NS_PER_S + nanoseconds)
                seen.append(int(np.frombuffer(cdr, '<f8', 1, place)[0]))
    except (LkError, OSError, ValueError) as error:
        return {'error': str(error)}
    return {'numbers': np.array(seen, np.int64), 'newest_ns': max(stamps), 'torn': torn}


def expected(stamp_ns: int, number: int, rate: float, until_ns: int) -> int:
    """Return how many messages had been published, had all been on time after that one."""
    return max(number + 1, number + 1 + int((until_ns - stamp_ns) / NS_PER_S * rate))


def crash(bench: Bench, who: str, number: int, chance: random.Random) -> dict[str, Any]:
    """Record, kill, look; return what was found."""
    options = bench.options
    bag = bench.folder / f'crash_{number}_{who}'
    recorder = bench.bag_command(who, 'record', '-o', bag, '--topics', '/imu')
    publisher = bench.publisher('imu', f'{options.rate:g}', f'{options.longest + 30:g}')
    deadline_s = time.monotonic() + 30.0
    while '/imu' not in recorder.said and recorder.is_running and time.monotonic() < deadline_s:
        time.sleep(0.02)
    # The publisher waits for a second once it has matched.
    time.sleep(1.0 + chance.uniform(0.0, options.longest))
    killed_ns = recorder.kill()
    publisher.stop()
    sent = publisher.result()
    found = read(bag)
    if 'numbers' in found and found['numbers'].size:
        numbers = found['numbers']
        found['gaps'] = int(numbers.max() - numbers.min() + 1 - len(np.unique(numbers)))
        found['repeated'] = len(numbers) - len(np.unique(numbers))
        found['missing_first'] = int(numbers.min())
        found['tail_s'] = (killed_ns - found['newest_ns']) / 1e9
        found['tail'] = expected(found['newest_ns'], int(numbers.max()), options.rate, killed_ns)
        found['tail'] -= int(numbers.max()) + 1
    elif 'numbers' in found and sent.get('published'):
        found['tail_s'] = max(0.0, (killed_ns - sent['first_ns']) / 1e9)
    elif 'numbers' in found:
        found['unsent'] = 1
        print(f'(run {number}, {who}: nothing was published: {publisher.said}{recorder.said})')
    if who == 'ours':
        recovery = bench.start(*OURS, 'recover', bag)
        code = recovery.wait(60.0)
        after = read(bag)
        kept = len(after.get('numbers', ()))
        found['recovered'] = code == 0 and kept == len(found.get('numbers', ()))
        if not found['recovered']:
            print(f'(run {number}: lk recover: {code}, {kept} messages, {recovery.said})')
    if 'error' in found:
        print(f'(run {number}, {who}: {found["error"]})')
    if not options.keep:
        shutil.rmtree(bag, ignore_errors=True)
    return found


def tell(bench: Bench, who: str, runs: list[dict[str, Any]]) -> None:
    """Print what all runs together have shown."""
    opened = [each for each in runs if 'error' not in each]
    tails = [each['tail_s'] for each in opened if 'tail_s' in each] or [float('nan')]
    limit_s = bench.options.flush + bench.options.slack

    def total(name: str) -> int:
        return sum(each.get(name, 0) for each in opened)

    bench.row(
        who=who,
        killed=len(runs),
        opened=len(opened),
        empty=sum(not each['numbers'].size for each in opened),
        **{'of them nothing sent': total('unsent')},
        messages=sum(len(each['numbers']) for each in opened),
        **{
            'gaps inside': total('gaps'),
            'missing at the start': total('missing_first'),
            'repeated': total('repeated'),
            'torn': total('torn'),
            'missing at the end, s, median': float(np.median(tails)),
            'largest': max(tails),
            f'over {limit_s:g} s': sum(each > limit_s for each in tails),
            'recovered whole': total('recovered') if who == 'ours' else '-',
        },
    )


def main() -> int:
    """Run and print."""
    parser = options_of(__doc__)
    parser.add_argument('--runs', type=int, default=100)
    parser.add_argument('--peer-runs', type=int, default=10, help='of rosbag2 (10)')
    parser.add_argument('--rate', type=float, default=1000.0, help='messages per second (1000)')
    parser.add_argument('--longest', type=float, default=4.0, help='killed within so many s (4)')
    parser.add_argument('--flush', type=float, default=1.0, help='the flush period, s (1)')
    parser.add_argument('--slack', type=float, default=0.1, help='for one poll and the disk (0.1)')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--keep', action='store_true', help='keep the bags until the end')
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with bench(options) as found:
        for who in found.contenders:
            runs = options.runs if who == 'ours' else options.peer_runs
            tell(found, who, [crash(found, who, each, chance) for each in range(runs)])
    return 0


if __name__ == '__main__':
    sys.exit(main())
