"""Run an experiment on one of many bags as a child process, and read what came out."""

from __future__ import annotations

import json
import math
import os
import selectors
import sys
import time
from typing import IO, TYPE_CHECKING, Any

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.comparison.renderers import from_json
from lk_dataset_ros.comparison.renderers.json import FORMAT as COMPARISON
from lk_dataset_ros.comparison.renderers.json import VERSION as COMPARISON_VERSION
from lk_dataset_ros.errors import DatasetFormatError
from lk_dataset_ros.experiment.many.result import ArmRow, BagRun
from lk_dataset_ros.experiment.many.running import LOGS
from lk_dataset_ros.experiment.reporting.data import FORMAT, VERSION
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.experiment.many.bags import NamedBag

RESULT = 'comparison.json'
_CHILD = 'lk_dataset_ros.experiment.many.child'
_MOST_BYTES = 256 * 1024 * 1024
#: How long a child may take to end once it has closed its output, s.
_END_LIMIT_S = 30.0
_POLL_S = 0.1


def run_in_child(
    specification: Path,
    bag: NamedBag,
    directory: Path,
    advance: Callable[[int, int], None],
    stop: threading.Event,
    *,
    falsify: bool = True,
) -> BagRun:
    """Run an experiment on a bag in a process of its own.

    Args:
        specification: The experiment.
        bag: The bag.
        directory: Folder of all runs; this one gets `directory / bag.name`.
        advance: Is told how many inputs were sent, of how many.
        stop: Ends it.
        falsify: Look for the shortest input that shows a difference.
    """
    began_s = time.monotonic()
    output = directory / bag.name
    request = {
        'specification': str(specification),
        'bag': str(bag.path),
        'output': str(output),
        'falsify': falsify,
    }
    log = directory / LOGS / f'{bag.name}.log'
    command = [sys.executable, '-m', _CHILD, json.dumps(request)]
    with GuardedProcess(command, env=os.environ, log=log, piped=True) as process:
        problem = _follow(process, advance, stop)
        code = process.wait(0.0 if stop.is_set() else _END_LIMIT_S)
        last = process.log_tail(1)
    if not problem and code not in (0, 1, 2):
        how = f'crashed (signal {code - 128})' if code and code > 128 else f'ended with {code}'
        problem = ': '.join([how, *last])
    if not problem:
        try:
            found = read_result(output, bag)
        except DatasetFormatError as error:
            problem = ': '.join([str(error), *last])
    seconds = time.monotonic() - began_s
    if problem:
        return BagRun(
            bag.name, bag.path, output, Verdict.ERROR, 2, problem=problem, seconds=seconds
        )
    verdict, exit_code, arms, warnings = found
    return BagRun(bag.name, bag.path, output, verdict, exit_code, '', arms, seconds, warnings)


def read_result(
    directory: Path, bag: NamedBag
) -> tuple[Verdict, int, tuple[ArmRow, ...], tuple[str, ...]]:
    """Return verdict, exit code, arms and warnings of a run from its `comparison.json`.

    Raises:
        DatasetFormatError: If there is none, or it is not what it should be.
    """
    path = directory / RESULT
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetFormatError(f'{path} has more than {_MOST_BYTES} bytes')
        content = json.loads(path.read_text(encoding='utf-8'))
        if (content['format'], content['version']) != (FORMAT, VERSION):
            raise DatasetFormatError(f'{path} is of another format or version')
        arms = tuple(_arm(name, each) for name, each in content['compiled'].items())
        warnings = tuple(str(each) for each in content['warnings'])
        return Verdict(content['verdict']), _exit_code(content), arms, warnings
    except OSError as error:
        raise DatasetFormatError(f'{bag.name} was run, but has no {RESULT}') from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, DatasetFormatError):
            raise
        raise DatasetFormatError(
            f'{path} is not the result of an experiment: {error!r}'
        ) from error


def _arm(name: str, content: dict[str, Any]) -> ArmRow:
    comparison: DatasetComparison | None = None
    first = None
    if content['comparison'] is not None:
        head = {'format': COMPARISON, 'version': COMPARISON_VERSION}
        comparison = from_json(json.dumps({**head, **content['comparison']}))
        first = comparison.first_divergence
    speed_up = content['ratios'].get('cpu', {}).get('value')
    falsifying = content['falsifying']
    return ArmRow(
        name,
        Verdict(content['verdict']),
        _exit_code(content),
        str(content['problem']),
        first,
        math.nan if speed_up is None else float(speed_up),
        '' if falsifying is None else str(falsifying['command']),
        comparison,
    )


def _exit_code(content: dict[str, Any]) -> int:
    code = content['exit_code']
    if code not in (0, 1, 2):
        raise ValueError(f'exit code {code!r}')
    return int(code)


def _follow(
    process: GuardedProcess, advance: Callable[[int, int], None], stop: threading.Event
) -> str:
    """Follow a child to the end of its output; return why it could not run anything."""
    problem, rest = '', b''
    stream: IO[bytes] = process.output
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not stop.is_set():
            if not selector.select(timeout=_POLL_S):
                if process.poll() is not None:
                    return problem
                continue
            found = os.read(stream.fileno(), 65536)
            if not found:
                return problem
            *lines, rest = (rest + found).split(b'\n')
            for line in lines:
                problem = _take(line, advance) or problem
    return 'was interrupted'


def _take(line: bytes, advance: Callable[[int, int], None]) -> str:
    try:
        event = json.loads(line)
        if event['event'] == 'error':
            return str(event['text'])
        advance(int(event['done']), int(event['total']))
    except (ValueError, TypeError, KeyError):
        pass
    return ''
