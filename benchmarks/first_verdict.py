"""Measure the first verdict: is it the same every time, and how long does it take?

    make bench                                       the demo's own recording, 20 runs
    make bench BAG=../shared/bags/nav2_turtlebot.mcap TOPIC=/odom

Every run has to give the same verdicts, and every message has to come through every arm; nothing
is tried again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parent.parent / 'examples' / 'odometry_smoother' / 'demo.py'


def load_demo() -> Any:
    """Import the demo's script."""
    spec = spec_from_file_location('demo', DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def time_help() -> float:
    """Return the median time of `lk --help`, s."""
    times = []
    for _ in range(10):
        started = time.monotonic()
        subprocess.run(['lk', '--help'], check=True, capture_output=True)
        times.append(time.monotonic() - started)
    return statistics.median(times)


def run_once(specification: Path, output: Path) -> tuple[float, dict[str, Any]]:
    """Run the experiment; return wall time and result."""
    started = time.monotonic()
    command = ['lk', 'ab', str(specification), '--output', str(output)]
    subprocess.run(command, check=False, capture_output=True)
    seconds = time.monotonic() - started
    return seconds, json.loads((output / 'comparison.json').read_text())


def worst_relative_error(result: dict[str, Any], arm: str) -> float:
    """Return the largest relative error of an arm over all fields."""
    fields = result['compiled'][arm]['comparison']['keys'][0]['fields']
    errors = [each['max_relative_error'] for each in fields]
    return max(float(each) for each in errors if each not in ('nan', None))


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--bag', type=Path)
    parser.add_argument('--topic')
    parser.add_argument('--runs', type=int, default=20)
    arguments = parser.parse_args()
    demo = load_demo()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bag = arguments.bag or demo.record(folder)
        topic = demo.find_topic(bag, arguments.topic)
        specification = demo.write_specification(folder, bag, topic)
        runs = [run_once(specification, folder / f'run{i}') for i in range(arguments.runs)]
    seconds = [wall for wall, _ in runs]
    expected = runs[0][1]['inputs'][topic]
    kinds = {tuple(arm['verdict'] for arm in result['compiled'].values()) for _, result in runs}
    whole = sum(
        arm['received'] == {'/smoothed': expected}
        for _, result in runs
        for arm in (result['original'], *result['compiled'].values())
    )
    rates = [
        expected / arm['duration_s']
        for _, result in runs
        for arm in (result['original'], *result['compiled'].values())
    ]
    print(f'recording:              {bag}, {topic}, {expected} messages')
    print(f'verdicts (cpp, wrong):  {", ".join(map(str, kinds))} in {len(runs)} runs')
    print(f'arms with all outputs:  {whole} of {3 * len(runs)}')
    print(f'cpp, largest relative error: {max(worst_relative_error(r, "cpp") for _, r in runs):g}')
    print(
        f'lk ab, three arms:      {statistics.median(seconds):.1f} s median, '
        f'{min(seconds):.1f} to {max(seconds):.1f} s'
    )
    print(f'inputs answered:        {statistics.median(rates):.0f}/s median')
    print(f'lk --help:              {time_help():.3f} s')
    good = kinds == {('equivalent', 'differs')} and whole == 3 * len(runs)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
