"""Measure comparison: columns against NumPy and datacompy, bags to a verdict, memory, diffdiff.

    make bench B=comparing
    source env.sh && python benchmarks/comparing.py [--rows values,bags,diffdiff]
    python benchmarks/comparing.py --peer-python /path/to/venv/bin/python --big --folder /some/disk

Peers are measured where they are installed, `--peer-python` names an interpreter that has them:

    python3 -m venv peers && peers/bin/pip install datacompy polars pymcap-cli evo

Everything that is measured runs in a fresh process, peers and ours in turn; times are the best of
several runs. Ratios count, not seconds. Rows:

    values      ten million rows of ten float columns that are equal within tolerance
    bags        from two bags of 200,000 Imu each to the verdict
    memory      peak memory (RSS) of comparing two bags of 2 GB; only with --big
    diffdiff    a million differences written to a text file
    trajectory  absolute pose error of 100,000 poses
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros import Dataset
from lk_dataset_ros.message import builtin_schema

if TYPE_CHECKING:
    from collections.abc import Callable

START_S = 1_700_000_000
#: Both sides of `values`, made in each process from the same seed.
ARRAYS = """
import json, sys, time
import numpy as np
rows, columns, runs = (int(each) for each in sys.argv[1:])
random = np.random.default_rng(1)
left = {f'c{n}': random.standard_normal(rows) for n in range(columns)}
right = {name: each * (1.0 + 1e-8) for name, each in left.items()}
def best(work):
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        assert work()
        taken.append(time.perf_counter() - started)
    print(json.dumps(min(taken)))
"""
OURS_VALUES = """
from lk_dataset_ros.comparison import Tolerance, compare_columns
rule = Tolerance(rtol=1e-7, atol=1e-7)
best(lambda: compare_columns(left, right, tolerance=rule).is_equivalent)
"""
ALLCLOSE = """
best(lambda: all(np.allclose(right[n], left[n], rtol=1e-7, atol=1e-7) for n in left))
"""
DATACOMPY = """
import logging
import polars
from datacompy import PolarsCompare
logging.disable()
index = np.arange(rows)
one, other = (polars.DataFrame({'row': index, **each}) for each in (left, right))
best(lambda: PolarsCompare(one, other, 'row', abs_tol=1e-7, rel_tol=1e-7).matches())
"""
#: From the start of the interpreter's own work (imports included) to the verdict.
OURS_BAGS = """
import json, resource, sys, time
started = time.perf_counter()
from lk_dataset_ros import Dataset
from lk_dataset_ros.comparison import compare
imported = time.perf_counter()
with Dataset.load(sys.argv[1]) as one, Dataset.load(sys.argv[2]) as other:
    verdict = compare(one, other).verdict.value
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([done - imported, imported - started, verdict, peak]))
"""
OURS_DIFFDIFF = """
import json, resource, sys, time
from lk_dataset_ros import Dataset
from lk_dataset_ros.comparison import diffdiff
started = time.perf_counter()
with Dataset.load(sys.argv[1]) as one, Dataset.load(sys.argv[2]) as other:
    found = diffdiff(one, other, sys.argv[3])
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
count = sum(each.mismatched for _, each in found.differing)
print(json.dumps([done - started, count, peak]))
"""
POSES = """
import json, sys, time
import numpy as np
count, runs = (int(each) for each in sys.argv[1:])
random = np.random.default_rng(1)
stamps_ns = 1_700_000_000 * 10**9 + np.arange(count) * 10_000_000
positions = np.cumsum(random.standard_normal((count, 3)), axis=0)
xyzw = random.standard_normal((count, 4))
xyzw /= np.linalg.norm(xyzw, axis=1, keepdims=True)
moved = positions + 0.01 * random.standard_normal((count, 3))
def best(work):
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        rmse = work()
        taken.append(time.perf_counter() - started)
    print(json.dumps([min(taken), rmse]))
"""
OURS_POSES = """
from lk_dataset_ros.comparison.trajectory import Trajectory, absolute_pose_error, associate
def work():
    one = Trajectory(stamps_ns, positions, xyzw)
    pair = associate(one, Trajectory(stamps_ns + 1000, moved, xyzw))
    errors = absolute_pose_error(pair.original, pair.compiled, 'translation').errors
    return float(np.sqrt(np.mean(errors ** 2)))
best(work)
"""
EVO = """
from evo.core import metrics, sync
from evo.core.trajectory import PoseTrajectory3D
wxyz = xyzw[:, [3, 0, 1, 2]]
def work():
    one = PoseTrajectory3D(positions, wxyz, stamps_ns / 1e9)
    other = PoseTrajectory3D(moved, wxyz, (stamps_ns + 1000) / 1e9)
    metric = metrics.APE(metrics.PoseRelation.translation_part)
    metric.process_data(sync.associate_trajectories(one, other))
    return float(metric.get_statistic(metrics.StatisticsType.rmse))
best(work)
"""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    peer: str
    runs: int
    scale: float
    folder: Path
    gigabytes: float

    def count(self, full: int) -> int:
        """Return a number of messages or rows, scaled down."""
        return max(int(full * self.scale), 100)


Row = dict[str, Any]


def answer(python: str, code: str, *arguments: Any) -> Any:
    """Run code in a fresh process and return what it prints, None if a module is not there."""
    command = [python, '-c', code, *(str(each) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if 'ModuleNotFoundError' in done.stderr and python != sys.executable:
        return None
    if 'ModuleNotFoundError' in done.stderr and 'lk_dataset_ros' not in code:
        return None
    last = done.stderr.strip().splitlines()[-1:] or [f'exit code {done.returncode}']
    raise SystemExit(f'{python}: {last[0]}')


def ratio(peer: float | None, ours: float) -> str:
    """Write how many times as long a peer takes."""
    return 'not installed' if peer is None else f'{peer:.2f} s, {peer / ours:.2f}x ours'


def values(options: Options) -> list[Row]:
    """Compare arrays; the peers' turn comes within each run."""
    rows, columns = options.count(10_000_000), 10
    best: dict[str, float | None] = {}
    for _ in range(options.runs):
        for name, python, code in (
            ('ours', sys.executable, OURS_VALUES),
            ('allclose', sys.executable, ALLCLOSE),
            ('datacompy', options.peer, DATACOMPY),
        ):
            seconds = answer(python, ARRAYS + code, rows, columns, 2)
            known = best.get(name)
            best[name] = seconds if known is None else min(seconds, known)
    ours = best['ours']
    assert ours is not None
    allclose = best['allclose']
    assert allclose is not None
    return [
        {
            'row': f'{rows:,} rows by {columns} columns within tolerance',
            'ours': f'{ours:.2f} s, {ours / allclose:.2f}x numpy.allclose',
            'numpy.allclose': ratio(allclose, ours),
            'datacompy': ratio(best['datacompy'], ours),
            'bar': 'at least 5x faster than datacompy, at most 3x numpy.allclose',
        }
    ]


def bags(options: Options) -> list[Row]:
    """Compare two bags of Imu."""
    count = options.count(200_000)
    one, other = (options.folder / name for name in ('imu_a.mcap', 'imu_b.mcap'))
    write_imu(one, count, noise=0.0)
    write_imu(other, count, noise=1e-8)
    found = [answer(sys.executable, OURS_BAGS, one, other) for _ in range(options.runs)]
    seconds, imports, verdict, peak = min(found)
    tool = Path(options.peer).with_name('pymcap-cli')
    taken = [walled(tool, 'diff', file_of(one), file_of(other)) for _ in range(options.runs)]
    times = [each for each in taken if each is not None]
    return [
        {
            'row': f'{count:,} Imu, load and compare',
            'ours': f'{seconds:.2f} s ({verdict}), imports {imports:.2f} s, {peak / 1e6:.0f} MB',
            'pymcap-cli diff': ratio(min(times, default=None), seconds + imports)
            + (' with imports (it looks at times only)' if times else ''),
            'bar': '1 s',
        }
    ]


def memory(options: Options) -> list[Row]:
    """Compare two large bags of small and of large messages."""
    size = int(options.gigabytes * 1e9)
    found = []
    for name, write, each in (
        ('Imu', write_imu, 363),
        ('images of 1 MB', write_images, 1_000_100),
    ):
        count = max(size // each, 2)
        paths = [options.folder / f'{name.split()[0]}_{side}.mcap' for side in 'ab']
        for path, noise in zip(paths, (0.0, 1e-8), strict=True):
            write(path, count, noise=noise)
        seconds, _, verdict, peak = answer(sys.executable, OURS_BAGS, *paths)
        found.append(
            {
                'row': f'two bags of {file_of(paths[0]).stat().st_size / 1e9:.2f} GB, {name}',
                'ours': f'peak {peak / 1e6:.0f} MB, {seconds:.1f} s ({verdict})',
                'bar': '1 GB',
            }
        )
        for path in paths:
            file_of(path).unlink()
    return found


def diffdiff(options: Options) -> list[Row]:
    """Write every difference of two bags that differ everywhere in five fields."""
    count = options.count(200_000)
    one, other = (options.folder / name for name in ('diff_a.mcap', 'diff_b.mcap'))
    write_imu(one, count, noise=0.0)
    write_imu(other, count, noise=1e-3, axes=5)
    found = []
    for number in range(options.runs):
        target = options.folder / f'diffdiff_{number}.txt'
        seconds, differences, peak = answer(sys.executable, OURS_DIFFDIFF, one, other, target)
        found.append((seconds, differences, peak, target.stat().st_size))
        target.unlink()
    seconds, differences, peak, written = min(found)
    return [
        {
            'row': f'{differences:,} differences to diffdiff.txt',
            'ours': f'{seconds:.2f} s, {written / 1e6:.0f} MB written, peak {peak / 1e6:.0f} MB',
        }
    ]


def trajectory(options: Options) -> list[Row]:
    """Associate two trajectories and compute the absolute error of translation."""
    count = options.count(100_000)
    ours = min(answer(sys.executable, POSES + OURS_POSES, count, 3) for _ in range(options.runs))
    peers = [answer(options.peer, POSES + EVO, count, 3) for _ in range(options.runs)]
    told = 'not installed'
    if None not in peers:
        peer = min(peers)
        told = f'{ratio(peer[0], ours[0])}; rmse differs by {abs(peer[1] - ours[1]):.1e}'
    return [
        {
            'row': f'{count:,} poses, absolute error',
            'ours': f'{ours[0]:.3f} s',
            'evo': told,
            'bar': 'rmse agrees to 1e-9',
        }
    ]


def write_imu(path: Path, count: int, *, noise: float, axes: int = 6) -> None:
    """Write a bag of Imu, 1 kHz, in parts.

    Args:
        path: The bag.
        count: Messages.
        noise: Relative noise, of some of the six axes.
        axes: So many of them.
    """
    random = np.random.default_rng(1)
    names = [
        f'{part}.{axis}' for part in ('angular_velocity', 'linear_acceleration') for axis in 'xyz'
    ]
    with Dataset.create('mcap', path, compression='none') as dataset:
        dataset.declare('/imu', builtin_schema('sensor_msgs/msg/Imu'))
        for first in range(0, count, 100_000):
            rows = np.arange(first, min(first + 100_000, count))
            columns: dict[str, Any] = {
                'header.stamp.sec': START_S + rows // 1000,
                'header.stamp.nanosec': rows % 1000 * 1_000_000,
                'header.frame_id': np.full(len(rows), 'imu_link', object),
                'orientation.w': np.ones(len(rows)),
                'orientation_covariance': np.tile(np.eye(3).ravel(), (len(rows), 1)),
            }
            for place, name in enumerate(names):
                values = 1.0 + random.random(len(rows))
                columns[name] = values * (1.0 + noise * (place < axes))
            dataset.write_columns('/imu', columns, log_time_ns=START_S * 10**9 + rows * 1_000_000)


def write_images(path: Path, count: int, *, noise: float) -> None:
    """Write a bag of images of 1 MB, equal on both sides."""
    del noise
    pixels = np.random.default_rng(1).integers(0, 256, 1_000_000, np.uint8)
    with Dataset.create('mcap', path, compression='none') as dataset:
        dataset.declare('/image', builtin_schema('sensor_msgs/msg/Image'))
        for row in range(count):
            columns: dict[str, Any] = {
                'header.stamp.sec': np.array([START_S + row // 30]),
                'header.stamp.nanosec': np.array([row % 30 * 33_000_000]),
                'height': np.array([1000]),
                'width': np.array([1000]),
                'step': np.array([1000]),
                'encoding': np.array(['mono8'], object),
                'data': np.roll(pixels, row)[None],
            }
            time_ns = np.array([START_S * 10**9 + row * 33_333_333])
            dataset.write_columns('/image', columns, log_time_ns=time_ns)


def file_of(bag: Path) -> Path:
    """Return the one file of a bag."""
    return next(bag.glob('*.mcap'))


def walled(*command: Any) -> float | None:
    """Return the wall time of a command, s; None where it is not there."""
    if not Path(command[0]).exists():
        return None
    started = time.perf_counter()
    subprocess.run([str(each) for each in command], capture_output=True, check=False)
    return time.perf_counter() - started


ROWS: dict[str, Callable[[Options], list[Row]]] = {
    'values': values,
    'bags': bags,
    'memory': memory,
    'diffdiff': diffdiff,
    'trajectory': trajectory,
}


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--rows', default='', help=f'some of {",".join(ROWS)}')
    parser.add_argument('--peer-python', default=sys.executable, help='a Python that has peers')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--scale', type=float, default=1.0, help='of rows and messages')
    parser.add_argument('--big', action='store_true', help='measure memory, too')
    parser.add_argument('--gigabytes', type=float, default=2.0, help='of each bag with --big')
    parser.add_argument('--folder', type=Path, help='where bags are made')
    parser.add_argument('--json', type=Path, help='write the rows, too')
    arguments = parser.parse_args()
    wanted = [each for each in arguments.rows.split(',') if each]
    unknown = [each for each in wanted if each not in ROWS]
    if unknown:
        parser.error(f'there is no row {unknown[0]}; there is {", ".join(ROWS)}')
    wanted = wanted or [name for name in ROWS if name != 'memory' or arguments.big]
    rows: list[Row] = []
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name in wanted:
            place = Path(folder) / name
            place.mkdir()
            options = Options(
                arguments.peer_python,
                arguments.runs,
                arguments.scale,
                place,
                arguments.gigabytes,
            )
            for row in ROWS[name](options):
                rows.append(row)
                print(row.pop('row'))
                for what, told in row.items():
                    print(f'    {what:16}{told}', flush=True)
    if any('not installed' in str(told) for row in rows for told in row.values()):
        print('peers: pip install datacompy polars pymcap-cli evo, and --peer-python')
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))
    return 0


if __name__ == '__main__':
    sys.exit(main())
