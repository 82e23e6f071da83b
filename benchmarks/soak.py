"""Two hours of recorded time through playback and recorder at RTF 20: does their memory grow?

    make build && source env.sh && python benchmarks/soak.py [--hours 2] [--rtf 20]

A bag of ten minutes (Imu 100 Hz, odometry 20 Hz, images of 30 kB at 10 Hz, text 1 Hz) is played in
a loop and recorded. Memory of both is told every minute: `own` is what is not shared with a file,
`resident` includes mapped pages of the bags, which the system takes back when it needs them.
"""

from __future__ import annotations

import shutil
import sys
import time

from bags import make_bag, statistics
from processes import bench, options_of

from lk_dataset_ros import McapDatabase

TOPICS = [
    ('/imu', 'imu', 100.0, 0),
    ('/odometry', 'odometry', 20.0, 0),
    ('/image', 'image', 10.0, 30_000),
    ('/string', 'string', 1.0, 200),
]


def main() -> int:
    """Run and print."""
    parser = options_of(__doc__)
    parser.add_argument('--hours', type=float, default=2.0, help='of recorded time (2)')
    parser.add_argument('--rtf', type=float, default=20.0, help='real-time factor (20)')
    parser.add_argument('--bag-seconds', type=float, default=600.0, help='of the loop (600)')
    parser.add_argument('--every', type=float, default=60.0, help='rows this far apart, s (60)')
    parser.add_argument('--settle', type=float, default=60.0, help='first row after, s (60)')
    options = parser.parse_args()
    with bench(options) as found:
        bag = make_bag(found.folder / 'loop', TOPICS, seconds=options.bag_seconds)
        copy = found.folder / 'copy'
        names = [name for name, _, _, _ in TOPICS]
        recorder = found.bag_command('ours', 'record', '-o', copy, '--topics', *names)
        watcher = found.watcher('playback')
        player = found.bag_command(
            'ours', 'play', bag, '--loop', '--rate', f'{options.rtf:g}', '--wait-for', *names
        )
        seconds = options.hours * 3600.0 / options.rtf
        began_s, next_s = time.monotonic(), options.settle
        first: dict[str, float] = {}
        while (now_s := time.monotonic() - began_s) < seconds:
            time.sleep(min(max(next_s - now_s, 0.01), seconds - now_s))
            if not (recorder.is_running and player.is_running):
                print(f'(ended early: {recorder.said if player.is_running else player.said})')
                break
            next_s += options.every
            values = {}
            for name, process in (('player', player), ('recorder', recorder)):
                last = process.last
                values[f'{name} own MB'] = last.own / 1e6
                values[f'{name} resident MB'] = last.resident / 1e6
                values[f'{name} cpu s'] = last.cpu_s
            first = first or values
            grown = {
                f'{name} grown, %': 100.0
                * (values[f'{name} own MB'] / first[f'{name} own MB'] - 1)
                for name in ('player', 'recorder')
            }
            found.row(**{'wall s': round(time.monotonic() - began_s)}, **values, **grown)
        player.stop()
        time.sleep(1.0)
        recorder.stop()
        watcher.stop()
        played = watcher.result()
        with McapDatabase(copy, 'r') as database:
            recorded = sum(each.count for each in database.topics().values())
        losses = {name: each['lost'] + each['dropped'] for name, each in statistics(copy).items()}
        found.row(
            **{
                'played': played.get('count', '?'),
                'recorded': recorded,
                'lost, it says': sum(losses.values()),
                'rounds': played.get('round', '?'),
                'achieved RTF': played.get('achieved_rtf', float('nan')),
                'late': played.get('late', '?'),
                'starved': played.get('starved', '?'),
            }
        )
        shutil.rmtree(copy, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
