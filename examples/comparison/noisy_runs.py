"""Judge a compiled component by what the original's own runs differ by.

A localisation is noisy: no two runs of it give the same poses. It is run three times, the compiled
one once. Its errors are beyond any tolerance that one would like to set, so are those of the
original against itself; the question is whether the compiled one's are larger.

    python noisy_runs.py out               # exits 0: equivalent
    python noisy_runs.py out2 --bias 0.02  # exits 1: a bias of 2 cm, in noise of 5 cm
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from lk_dataset_ros import Dataset

S = 1_000_000_000


def run_of(path: Path, *, seed: int, bias_m: float = 0.0, count: int = 2000) -> Dataset:
    """Write the poses of one run into a bag: a circle, with noise of 5 cm."""
    stamp_ns = 100 * S + np.arange(count) * (S // 100)
    angle = np.linspace(0.0, 4.0 * np.pi, count)
    noise = np.random.default_rng(seed).normal(scale=0.05, size=(2, count))
    with Dataset.create('mcap', path) as bag:
        bag.declare('/pose', 'geometry_msgs/msg/PoseStamped')
        bag.write_columns(
            '/pose',
            {
                'header.stamp.sec': (stamp_ns // S).astype(np.int32),
                'header.stamp.nanosec': (stamp_ns % S).astype(np.uint32),
                'pose.position.x': 3.0 * np.cos(angle) + noise[0] + bias_m,
                'pose.position.y': 3.0 * np.sin(angle) + noise[1],
                'pose.orientation.z': np.sin(angle / 2.0),
                'pose.orientation.w': np.cos(angle / 2.0),
            },
            log_time_ns=stamp_ns,
        )
    return Dataset.load(path)


def main() -> int:
    """Run, compare, report."""
    parser = argparse.ArgumentParser(description='Judge a noisy component by its noise floor.')
    parser.add_argument('folder', type=Path, help='where to put bags and reports; must be new')
    parser.add_argument('--bias', type=float, default=0.0, help='of the compiled one, m')
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    original, *again = (run_of(options.folder / f'run{n}', seed=n) for n in (1, 2, 3))
    compiled = run_of(options.folder / 'compiled', seed=4, bias_m=options.bias)
    comparison = original.compare(compiled, noise=again)
    print(comparison.to_str())
    for name in ('report.html', 'comparison.json', 'comparison.md'):
        comparison.save_to_file(options.folder / name)
    for key, field in comparison.differing:
        print(f'{key.label} {field.path}: {field.noise.text if field.noise else "exact"}')
    return comparison.verdict.exit_code


if __name__ == '__main__':
    sys.exit(main())
