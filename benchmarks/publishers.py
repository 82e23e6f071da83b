"""Publish and subscribe for the benchmarks, each as a process of its own.

    python benchmarks/publishers.py publish imu 1000 10 [--topic /imu --depth 1000]
    python benchmarks/publishers.py publish mixed 10
    python benchmarks/publishers.py subscribe imu /imu --until-idle 2 [--depth 1000 | --keep-all]
    python benchmarks/publishers.py watch recorder          last status, when it is told to end

Messages are serialized once; only stamp and running number (numbered.py) are written into the
bytes. Message k is due at t0 + k / rate, whatever became of those before. Publishers and subscribers
of others can stand in (`--publisher`, `--subscriber` of the benchmarks) if they take these
arguments, number their messages likewise and print a line of JSON with `published`, `seconds`,
`first_ns`, `last_ns`, `cpu_s` (mixed: `topics`), or `received`, `seq_missing`, `first_ns`, `last_ns`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from numbered import KINDS, MIXED, Template, number_of, place_of


class Ended(Exception):  # noqa: N818 - not an error
    """SIGINT or SIGTERM has come."""


def open_node(name: str) -> Any:
    """Start ROS and return a node; signals raise `Ended`."""
    import rclpy  # noqa: PLC0415
    from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

    def end(number: int, frame: Any) -> None:
        del number, frame
        raise Ended

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return rclpy.create_node(name)


def profile(depth: int, reliability: str = 'reliable', *, keep_all: bool = False) -> Any:
    """Return a QoS profile."""
    from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy  # noqa: PLC0415

    history = HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST
    return QoSProfile(
        depth=depth, history=history, reliability=ReliabilityPolicy[reliability.upper()]
    )


class Course(NamedTuple):
    """One topic that is published."""

    publisher: Any
    template: Template
    period_ns: float
    wanted: int


def publish(options: argparse.Namespace) -> dict[str, Any]:
    """Publish at a rate; return what was published."""
    from lk_dataset_ros.ros.types import message_class  # noqa: PLC0415

    seconds = options.numbers[-1]
    topics = MIXED
    if options.kind != 'mixed':
        name = options.topic or f'/{options.kind}'
        topics = [(name, options.kind, options.numbers[0], options.size)]
    node = open_node('bench_publisher')
    courses = {}
    for name, kind, rate, size in topics:
        depth = options.depth or (10 if kind == 'image' else 1000)
        qos = profile(depth, options.reliability)
        publisher = node.create_publisher(message_class(KINDS[kind]), name, qos)
        wanted = round(rate * seconds)
        courses[name] = Course(publisher, Template(kind, size), 1e9 / rate, wanted)
    published = dict.fromkeys(courses, 0)
    told: dict[str, Any] = {'behind_max_ms': 0.0, 'first_ns': 0, 'last_ns': 0}
    try:
        give_up_s = time.monotonic() + options.match_timeout
        while any(
            each.publisher.get_subscription_count() < options.wait_subscribers
            for each in courses.values()
        ):
            if time.monotonic() > give_up_s:
                raise SystemExit('publisher: no subscriber has come')
            time.sleep(0.02)
        time.sleep(1.0)
        before_s = time.process_time()
        send(courses, published, told)
        told['cpu_publish_s'] = time.process_time() - before_s
        for each in courses.values():
            each.publisher.wait_for_all_acked()
        time.sleep(1.0)
    except Ended:
        pass
    total = sum(published.values())
    told |= {'published': total, 'seconds': (told['last_ns'] - told['first_ns']) / 1e9}
    return told | {'cpu_s': time.process_time(), 'topics': published}


def send(courses: dict[str, Course], published: dict[str, int], told: dict[str, Any]) -> None:
    """Publish everything when it is due."""
    due = [
        (int(each.period_ns * place / len(courses)), name)
        for place, (name, each) in enumerate(courses.items())
    ]
    heapq.heapify(due)
    offsets = {name: offset for offset, name in due}
    start_ns = time.monotonic_ns()
    told['first_ns'] = time.time_ns()
    while due:
        at_ns, name = due[0]
        behind_ns = time.monotonic_ns() - start_ns - at_ns
        if behind_ns < 0:
            time.sleep(-behind_ns / 1e9)
            continue
        told['behind_max_ms'] = max(told['behind_max_ms'], behind_ns / 1e6)
        course, number = courses[name], published[name]
        course.publisher.publish(course.template.numbered(number, time.time_ns()))
        told['last_ns'] = time.time_ns()
        published[name] = number + 1
        if number + 1 < course.wanted:
            at_ns = offsets[name] + int((number + 1) * course.period_ns)
            heapq.heapreplace(due, (at_ns, name))
        else:
            heapq.heappop(due)


def subscribe(options: argparse.Namespace) -> dict[str, Any]:
    """Receive until nothing comes any more; return what was received."""
    import numpy as np  # noqa: PLC0415
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415

    from lk_dataset_ros.ros.subscription import DrainedSubscription  # noqa: PLC0415
    from lk_dataset_ros.ros.types import message_class  # noqa: PLC0415

    node = open_node('bench_subscriber')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    qos = profile(options.depth, keep_all=options.keep_all)
    arrivals: dict[str, list[tuple[int, int]]] = {}
    for kind, topic in zip(options.pairs[::2], options.pairs[1::2], strict=True):
        found = arrivals[topic] = []

        def take(cdr: bytes, info: Any, kind: str = kind, found: Any = found) -> None:
            number = number_of(kind, cdr, place_of(kind, cdr))
            found.append((number, info['received_timestamp']))

        DrainedSubscription(node, message_class(KINDS[kind]), topic, qos, take, raw=True)
    try:
        count, last_s = 0, time.monotonic() + options.start_timeout
        while time.monotonic() - last_s < options.until_idle:
            executor.spin_once(timeout_sec=0.1)
            if (now := sum(map(len, arrivals.values()))) != count:
                count, last_s = now, time.monotonic()
    except Ended:
        pass
    arrays = {name: np.array(each, np.int64).reshape(-1, 2) for name, each in arrivals.items()}
    if options.times:
        np.savez(options.times, **{name.strip('/'): each for name, each in arrays.items()})
    told: dict[str, Any] = {'received': 0, 'seq_missing': 0, 'seq_repeated': 0}
    for each in arrays.values():
        told['received'] += len(each)
        steps = np.diff(each[:, 0])
        told['seq_missing'] += int((steps[steps > 1] - 1).sum())
        told['seq_repeated'] += int((steps < 1).sum())
    times = np.concatenate([each[:, 1] for each in arrays.values()])
    told['first_ns'] = int(times.min()) if len(times) else 0
    told['last_ns'] = int(times.max()) if len(times) else 0
    return told | {'cpu_s': time.process_time()}


def watch(options: argparse.Namespace) -> dict[str, Any]:
    """Return the last status of a recorder or a playback."""
    import rclpy  # noqa: PLC0415
    from lk_dataset_ros.msg import PlaybackStatus, RecorderStatus  # noqa: PLC0415

    kind = {'recorder': RecorderStatus, 'playback': PlaybackStatus}[options.of]
    node = open_node('bench_watcher')
    last: list[Any] = []
    qos = profile(10)

    def keep(message: Any) -> None:
        last[:] = [message]

    node.create_subscription(kind, f'/{options.of}/status', keep, qos)
    try:
        while True:
            rclpy.spin_once(node, timeout_sec=0.1)
    except Ended:
        return plain(last[0]) if last else {}


def plain(message: Any) -> Any:
    """Return a message as plain values."""
    if isinstance(message, (list, tuple)):
        return [plain(each) for each in message]
    if not hasattr(message, 'get_fields_and_field_types'):
        return message
    return {name: plain(getattr(message, name)) for name in message.get_fields_and_field_types()}


def main() -> None:
    """Do it, print a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    verbs = parser.add_subparsers(dest='verb', required=True)
    verb = verbs.add_parser('publish', help='KIND HZ SECONDS, or mixed SECONDS')
    verb.add_argument('kind', choices=(*KINDS, 'mixed'))
    verb.add_argument('numbers', type=float, nargs='+')
    verb.add_argument('--topic', default='')
    verb.add_argument('--depth', type=int, default=0)
    verb.add_argument('--size', type=int, default=0)
    verb.add_argument('--reliability', default='reliable')
    verb.add_argument('--wait-subscribers', type=int, default=1)
    verb.add_argument('--match-timeout', type=float, default=60.0)
    verb = verbs.add_parser('subscribe', help='KIND TOPIC, or several of them')
    verb.add_argument('pairs', nargs='+')
    verb.add_argument('--until-idle', type=float, default=2.0)
    verb.add_argument('--start-timeout', type=float, default=60.0)
    verb.add_argument('--depth', type=int, default=1000)
    verb.add_argument('--keep-all', action='store_true')
    verb.add_argument('--times', type=Path, help='.npz file: number and time of each message')
    verb = verbs.add_parser('watch', help='keep the last status of a node')
    verb.add_argument('of', choices=('recorder', 'playback'))
    options = parser.parse_args()
    print(
        json.dumps(
            {'publish': publish, 'subscribe': subscribe, 'watch': watch}[options.verb](options)
        )
    )


if __name__ == '__main__':
    main()
