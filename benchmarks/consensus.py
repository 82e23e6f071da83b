"""Arms side by side under load: what consensus and diagnostics cost, miss, and how soon they decide.

    make build && source env.sh && python benchmarks/consensus.py [--arms 4 --rate 200 --seconds 30]

One process publishes an input and what the arms answer to it, Odometry, all of one stamp, the arms
apart by 1e-9, so that no two messages are the same bytes. Every 5 s one arm in turn is off by 0.1 for
half a second: `found` says how many of these were one event with the right arm named. Two cores at
most are used. `cores` is processor time by wall time while it is published, of both nodes together
and of each. `dropped` are messages that the consensus node did not get (rows `all`: counted by the
running numbers of the messages in the bag; else by what it says it got). `decided` is the time from
receiving a message to having judged its set, of every message; the last of a set is what counts.
`publisher behind` is how late messages are sent: what the machine itself adds to everything.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

from bags import look_through
from numbered import KINDS, Template, place_of
from processes import bench, busy_share, options_of
from publishers import Ended, open_node, plain, profile

from lk_dataset_ros.experiment.environment import find_executable

if TYPE_CHECKING:
    from pathlib import Path

    from processes import Bench

INPUT = '/odom'
#: From the running number (position.x) to twist.linear.x: the rest of the pose, its covariance.
_TO_SPEED = 8 * (7 + 36)
PERIOD_S, OFF_S, OFF = 5.0, 0.5, 0.1


def topics_of(arms: int) -> dict[str, str]:
    """Return the topic of each arm."""
    return {f'arm{number}': f'/arm{number}/odom' for number in range(arms)}


def publish(rate: float, seconds: float, arms: int) -> dict[str, Any]:
    """Publish an input and the arms' answers; return what was published."""
    from lk_dataset_ros.ros.types import message_class  # noqa: PLC0415

    node = open_node('bench_arms')
    kind = message_class(KINDS['odometry'])
    topics = [INPUT, *topics_of(arms).values()]
    publishers = [node.create_publisher(kind, topic, profile(1000)) for topic in topics]
    template = Template('odometry')
    speed = place_of('odometry', template.numbered(0, 0)) + _TO_SPEED
    told: dict[str, Any] = {'published': 0, 'first_ns': 0, 'off': []}
    behind = []
    try:
        while any(each.get_subscription_count() < 2 for each in publishers):
            time.sleep(0.05)
        time.sleep(3.0)
        start_ns, told['first_ns'] = time.monotonic_ns(), time.time_ns()
        for number in range(round(rate * seconds)):
            at_s = number / rate
            behind_s = (time.monotonic_ns() - start_ns) / 1e9 - at_s
            if behind_s < 0.0:
                time.sleep(-behind_s)
            behind.append(max(behind_s, 0.0))
            turn, left_s = divmod(at_s, PERIOD_S)
            wrong = int(turn) % arms if PERIOD_S - left_s <= 2.0 * OFF_S < PERIOD_S else -1
            wrong = wrong if left_s < PERIOD_S - OFF_S else -1
            if wrong >= 0 and [int(turn), wrong] not in told['off']:
                told['off'].append([int(turn), wrong])
            message = bytearray(template.numbered(number, time.time_ns()))
            for place, publisher in enumerate(publishers, -1):
                value = 1.0 + place * 1e-9 + (OFF if place == wrong and place >= 0 else 0.0)
                struct.pack_into('<d', message, speed, value)
                publisher.publish(bytes(message))
            told['published'] += 1
        told['last_ns'] = time.time_ns()
        told['behind_ms'] = 1e3 * sorted(behind)[int(0.99 * len(behind))]
        time.sleep(1.0)
    except Ended:
        pass
    return told


def watch() -> dict[str, Any]:
    """Return the last status, what was last said on /diagnostics, and the events that ended."""
    import rclpy  # noqa: PLC0415
    from diagnostic_msgs.msg import DiagnosticArray  # noqa: PLC0415
    from lk_dataset_ros.msg import ConsensusEvent, ConsensusStatus  # noqa: PLC0415

    node = open_node('bench_watcher')
    found: dict[str, Any] = {'status': {}, 'diagnostics': {}, 'events': []}

    def take(array: Any) -> None:
        for each in array.status:
            values = {value.key: value.value for value in each.values}
            found['diagnostics'][each.name] = values

    def note(event: Any) -> None:
        if event.window_end.sec:
            found['events'].append([event.number, list(event.outliers)])

    def keep(status: Any) -> None:
        found['status'] = plain(status)

    node.create_subscription(DiagnosticArray, '/diagnostics', take, profile(100))
    node.create_subscription(ConsensusEvent, '/consensus/events', note, profile(1000))
    node.create_subscription(ConsensusStatus, '/consensus/status', keep, profile(10))
    try:
        while True:
            rclpy.spin_once(node, timeout_sec=0.2)
    except Ended:
        found['status'].pop('level', None)
        return found


def node_of(bench: Bench, name: str, *parameters: str) -> Any:
    """Start one of our nodes."""
    path = find_executable('lk_dataset_ros', name)
    if path is None:
        raise SystemExit('the package is not built or not sourced')
    given = [part for each in parameters for part in ('-p', each)]
    return bench.start(sys.executable, path, '--ros-args', *given)


def measure(bench: Bench, mode: str) -> None:
    """Run once, print a row."""
    options = bench.options
    arms = topics_of(options.arms)
    bag = bench.folder / f'bag_{mode}'
    busy = busy_share()
    watcher = bench.start(sys.executable, __file__, '--watch')
    consensus = node_of(
        bench,
        'consensus',
        f'arms:={[f"{name}:={topic}" for name, topic in arms.items()]}',
        f"inputs:=['{INPUT}']",
        'atol:=0.01',
        f'bag:={bag}',
        f'record_mode:={mode}',
        *options.set,
    )
    watched = [f'{topic}:={options.rate:g}' for topic in (INPUT, *arms.values())]
    diagnostics = node_of(bench, 'diagnostics', f'topics:={watched}')
    publisher = bench.start(
        *(sys.executable, __file__, '--publish', '--rate', f'{options.rate}'),
        *('--seconds', f'{options.seconds}', '--arms', f'{options.arms}'),
    )
    publisher.wait(options.seconds + 120.0)
    sent = publisher.result()
    for each in (consensus, diagnostics):
        each.stop()
    time.sleep(1.0)
    watcher.stop()
    tell(bench, mode, sent, watcher.result(), nodes=(consensus, diagnostics), bag=bag, busy=busy)
    shutil.rmtree(bag, ignore_errors=True)


def tell(
    bench: Bench,
    mode: str,
    sent: dict[str, Any],
    seen: dict[str, Any],
    *,
    nodes: tuple[Any, Any],
    bag: Path,
    busy: float,
) -> None:
    """Print a row."""
    if not sent.get('published') or not seen.get('status'):
        print(f'(nothing was measured: {nodes[0].said}{nodes[1].said})', file=sys.stderr)
        return
    seconds = (sent['last_ns'] - sent['first_ns']) / 1e9
    cores = [
        (each.at(sent['last_ns']).cpu_s - each.at(sent['first_ns']).cpu_s) / seconds
        for each in nodes
    ]
    topics = [INPUT, *topics_of(bench.options.arms).values()]
    said = {name.partition(': ')[2]: values for name, values in seen['diagnostics'].items()}
    if mode == 'all':
        wanted = dict.fromkeys(topics, ('odometry', sent['published']))
        dropped = look_through(bag, wanted).missing
    else:
        got = {name.rpartition('/')[2]: each.get('received') for name, each in said.items()}
        dropped = sum(
            sent['published'] - int(got.get(name) or 0) for name in topics_of(bench.options.arms)
        )
    missed = sum(sent['published'] - int(said.get(each, {}).get('count', 0)) for each in topics)
    decided = next((v for name, v in said.items() if name.endswith('decisions')), {})
    right = [[f'arm{wrong}'] for _, wrong in sent['off']]
    events = [outliers for _, outliers in seen['events']]
    bench.row(
        mode=mode,
        messages=sent['published'] * len(topics),
        **{'per s': round(sent['published'] * len(topics) / seconds)},
        **{'cores, %': 100.0 * sum(cores)},
        consensus=100.0 * cores[0],
        diagnostics=100.0 * cores[1],
        dropped=dropped,
        **{'dropped by diagnostics': missed},
        **{'decided p50, ms': float(decided.get('p50_ms', 'nan'))},
        **{'p99, ms': float(decided.get('p99_ms', 'nan'))},
        **{'largest, ms': float(decided.get('largest_ms', 'nan'))},
        found=f'{sum(a == b for a, b in zip(right, events, strict=False))} of {len(right)}',
        invented=max(len(events) - len(right), 0),
        **{'peak MB': round(nodes[0].peak / 1e6)},
        **{'publisher behind p99, ms': sent['behind_ms']},
        **{'busy before, %': round(busy)},
    )


def main() -> int:
    """Run and print."""
    parser = options_of(__doc__)
    parser.add_argument('--rows', type=lambda text: text.split(','), default=['mismatches', 'all'])
    parser.add_argument('--runs', type=int, default=1, help='of each row (1)')
    parser.add_argument('--arms', type=int, default=4, help='how many (4)')
    parser.add_argument('--rate', type=float, default=200.0, help='messages per second of each')
    parser.add_argument('--seconds', type=float, default=30.0, help='of each run (30)')
    parser.add_argument('--set', nargs='*', default=[], help='parameters of the consensus node')
    parser.add_argument('--publish', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--watch', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish or options.watch:
        told = publish(options.rate, options.seconds, options.arms) if options.publish else watch()
        print(json.dumps(told))
        return 0
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with bench(options) as found:
        for _ in range(options.runs):
            for mode in options.rows:
                measure(found, mode)
    return 0


if __name__ == '__main__':
    sys.exit(main())
