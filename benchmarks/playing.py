"""Play, ours and rosbag2 in turn: does everything arrive, when, and does the player know?

    make build && source env.sh && python benchmarks/playing.py [--rows start,fast,timing]

start: a 1 kHz bag at RTF 2 to one subscriber that comes late: what arrives, and what the first
100 ms look like (200 messages are due in them). fast: 300,000 Imu as fast as possible. timing: a
bag of 1 kHz Imu and 30 Hz images (640x480); a subscriber in a process of its own keeps when the
middleware received each message. Lateness is that less the recorded time over RTF, less the
smallest such difference of the run; `it says` is what PlaybackStatus tells.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from bags import make_bag, time_of
from processes import bench, busy_share, options_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from processes import Bench, Process

IMU_HZ, IMAGE_HZ = 1000.0, 30.0
IMU = ('/imu', 'imu', IMU_HZ, 0)
IMAGE = ('/image', 'image', IMAGE_HZ, 0)
KEEP_ALL = '{history: keep_all, depth: 1, reliability: reliable, durability: volatile}'
#: How fast rosbag2 is asked to play where it shall play as fast as it can.
FAST = '1000000'
LIMIT_S = 300.0


def arrivals(file: Path) -> dict[str, NDArray[np.int64]]:
    """Return number and time received, ns, of each message, by topic without its slash."""
    if not file.exists():
        return {}
    with np.load(file) as found:
        return {name: found[name] for name in found.files}


def lateness_s(received: dict[str, NDArray[np.int64]], rtf: float) -> NDArray[np.float64]:
    """Return how late each message was, s, in order of recorded time."""
    due, came = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for name, rate in (('imu', IMU_HZ), ('image', IMAGE_HZ)):
        if name in received:
            due.append(
                np.array([time_of(n, rate) for n in received[name][:, 0].tolist()], np.int64)
            )
            came.append(received[name][:, 1])
    times, stamps = np.concatenate(due), np.concatenate(came)
    order = np.argsort(times, kind='stable')
    if not len(order):
        return np.zeros(0)
    late_ns = (stamps - stamps.min())[order] - times[order] / rtf
    return np.asarray((late_ns - late_ns.min()) / 1e9)


def achieved(late_s: NDArray[np.float64], duration_s: float, rtf: float) -> float:
    """Return recorded time per time; single late messages at the ends do not count."""
    few = max(1, min(100, len(late_s) // 10))
    taken_s = duration_s / rtf + float(np.median(late_s[-few:]) - np.median(late_s[:few]))
    return duration_s / taken_s


def end(subscriber: Process, player: Process, watcher: Process | None = None) -> dict[str, Any]:
    """Wait for player, subscriber and watcher; return the status."""
    player.wait(LIMIT_S)
    subscriber.wait(30.0)
    if watcher is None:
        return {}
    watcher.stop()
    return watcher.result()


def start(bench: Bench, bag: Path, who: str) -> None:
    """Play to a subscriber that comes late; print a row."""
    options = bench.options
    times = bench.folder / 'start.npz'
    times.unlink(missing_ok=True)
    busy = busy_share()
    subscribe = ('imu', '/imu', '--times', times, '--start-timeout', '15')
    early = bench.subscriber(*subscribe, own=True) if options.late < 0 else None
    time.sleep(max(-options.late, 0.0))
    player = bench.bag_command(who, 'play', bag, '--rate', '2')
    time.sleep(max(options.late, 0.0))
    subscriber = early or bench.subscriber(*subscribe, own=True)
    end(subscriber, player)
    there = arrivals(times).get('imu', np.zeros((0, 2), np.int64))
    since_ms = (there[:, 1] - there[:1, 1]) / 1e6
    late = lateness_s({'imu': there}, 2.0) * 1e3
    first = late[since_ms <= 100.0]
    bench.row(
        work=f'RTF 2, subscriber {options.late:+g} s',
        who=who,
        arrived=f'{len(np.unique(there[:, 0]))} of {round(options.start_seconds * IMU_HZ)}',
        **{
            'first 10 ms': int((since_ms < 10.0).sum()),
            'first 100 ms': int((since_ms < 100.0).sum()),
            'largest gap there, ms': float(np.diff(since_ms[since_ms <= 100.0], prepend=0.0).max())
            if len(there)
            else float('nan'),
            'late there, max ms': float(first.max()) if len(first) else float('nan'),
            # Negative: what came first was behind, what followed ahead of it.
            'late after, median ms': float(np.median(late)) if len(late) else float('nan'),
            'busy before, %': round(busy),
        },
    )


def fast(bench: Bench, bag: Path, who: str, *, keeps_all: bool) -> None:
    """Play as fast as possible; print a row."""
    overrides = bench.folder / 'keep_all.yaml'
    overrides.write_text(f'/imu: {KEEP_ALL}\n')
    busy = busy_share()
    subscriber = bench.subscriber(
        *('imu', '/imu', '--until-idle', '3', '--start-timeout', '60'),
        *(['--keep-all'] if keeps_all else ['--depth', '1000']),
    )
    time.sleep(1.5)
    arguments = ['--rate', '0', '--wait-for', '/imu']
    if who != 'ours':
        arguments = ['--rate', FAST, '--delay', '3']
        if keeps_all:
            arguments += ['--qos-profile-overrides-path', str(overrides)]
            arguments += ['--wait-for-all-acked', '0']
    player = bench.bag_command(who, 'play', bag, *arguments)
    end(subscriber, player)
    told = subscriber.result()
    if not told:
        return
    cpu_s = player.last.cpu_s - player.at(told['first_ns']).cpu_s
    received, span_ns = told['received'], told['last_ns'] - told['first_ns']
    bench.row(
        work='as fast as possible',
        who=who,
        subscriber='keep all' if keeps_all else 'depth 1000',
        received=received,
        lost=bench.options.messages - received,
        **{
            'gaps': told['seq_missing'],
            'per s': round(received / max(span_ns / 1e9, 1e-9)),
            'player us/message': cpu_s / bench.options.messages * 1e6,
            'peak MB': round(player.peak / 1e6),
            'busy before, %': round(busy),
        },
    )


def timing(bench: Bench, bag: Path, who: str, rtf: float) -> None:
    """Play at a rate; print a row."""
    times = bench.folder / 'timing.npz'
    times.unlink(missing_ok=True)
    busy = busy_share()
    subscriber = bench.subscriber(
        *('imu', '/imu', 'image', '/image', '--times', times, '--depth', '5000'), own=True
    )
    watcher = bench.watcher('playback') if who == 'ours' else None
    time.sleep(1.5)
    # At a low RTF only as much as takes the same time.
    duration = min(bench.options.timing_seconds * min(rtf, 1.0), bench.options.timing_seconds)
    arguments = ['--rate', f'{rtf:g}', '--playback-duration', f'{duration:g}']
    arguments += ['--wait-for', '/imu', '/image'] if who == 'ours' else ['--delay', '4']
    player = bench.bag_command(who, 'play', bag, *arguments)
    status = end(subscriber, player, watcher)
    received = arrivals(times)
    late = lateness_s(received, rtf) * 1e3
    if not len(late):
        print(f'({who}, RTF {rtf:g}: nothing arrived: {player.said})')
        return
    p50, p99 = np.percentile(late, (50, 99))
    names = ('lateness_p50_s', 'lateness_p99_s', 'lateness_max_s')
    says = ' / '.join(f'{status[name] * 1e3:.3f}' for name in names) if status else 'nothing'
    expected = round(duration * IMU_HZ) + -int(-duration * IMAGE_HZ // 1)
    bench.row(
        work=f'RTF {rtf:g}, {duration:g} s of bag',
        who=who,
        arrived=f'{len(late)} of {expected}',
        **{
            'p50 / p99 / max, ms': f'{p50:.3f} / {p99:.3f} / {late.max():.3f}',
            'it says': says,
            'RTF': f'{achieved(late / 1e3, duration, rtf):.5f}',
            'it says RTF': f'{status["achieved_rtf"]:.5f}' if status else 'nothing',
            'player cpu s': player.last.cpu_s,
            'peak MB': round(player.peak / 1e6),
            'busy before, %': round(busy),
        },
    )


def rounds(found: Bench, rows: str, bag: Path) -> None:
    """Make a bag, play it in all ways."""
    options = found.options
    if rows == 'start':
        make_bag(bag, [IMU], seconds=options.start_seconds)
        for who in found.contenders * options.start_runs:
            start(found, bag, who)
    elif rows == 'fast':
        make_bag(bag, [IMU], seconds=options.messages / IMU_HZ)
        for keeps_all in (False, True):
            for who in found.contenders * options.runs:
                fast(found, bag, who, keeps_all=keeps_all)
    elif rows == 'timing':
        make_bag(bag, [IMU, IMAGE], seconds=options.timing_seconds)
        for rtf in options.rtf:
            for who in found.contenders:
                timing(found, bag, who, rtf)
    shutil.rmtree(bag, ignore_errors=True)


def main() -> int:
    """Run and print."""
    parser = options_of(__doc__)

    def words(text: str) -> list[str]:
        return text.split(',')

    def rates(text: str) -> list[float]:
        return [float(each) for each in text.split(',')]

    parser.add_argument('--rows', type=words, default='start,fast,timing')
    parser.add_argument('--start-runs', type=int, default=20)
    parser.add_argument('--start-seconds', type=float, default=2.824, help='recorded time (2.824)')
    parser.add_argument(
        '--late', type=float, default=0.5, help='subscriber after the player, s (0.5); or before'
    )
    parser.add_argument('--runs', type=int, default=5, help='of `fast` (5)')
    parser.add_argument('--messages', type=int, default=300_000, help='of `fast` (300000)')
    parser.add_argument('--timing-seconds', type=float, default=60.0, help='recorded time (60)')
    parser.add_argument('--rtf', type=rates, default='1,0.1,2,10', help='of `timing` (1,0.1,2,10)')
    options = parser.parse_args()
    with bench(options) as found:
        for rows in options.rows:
            rounds(found, rows, found.folder / rows)
    return 0


if __name__ == '__main__':
    sys.exit(main())
