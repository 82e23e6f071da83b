"""The `live_runner` node: records the arms of a live graph, or of a world that others simulate.

Started by `lk ab`. The job comes as a JSON file, the course of it goes out as JSON lines on the
standard output.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.ros.host import run_node
from lk_dataset_ros.ros.live.arms import LiveArms
from lk_dataset_ros.ros.live.bags import LiveBags
from lk_dataset_ros.ros.live.clock_times import CLOCK
from lk_dataset_ros.ros.live.job import LiveArm, LiveJob
from lk_dataset_ros.ros.live.lineage import NS_PER_S
from lk_dataset_ros.ros.live.service_call import ServiceCall
from lk_dataset_ros.ros.live.world_end import WorldEnd
from lk_dataset_ros.ros.parameters import declare_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rclpy.node import Node

POLL_S: Final = 0.01
#: Rest between two looks at what has arrived, s.
REST_S: Final = 0.002
LOOK_PERIOD_S: Final = 0.25
#: What discovery takes at worst, s.
DISCOVERY_S: Final = 3.0
#: A world that is so young has not gone back when it is reset, ns.
YOUNG_NS: Final = NS_PER_S // 10


@dataclass(kw_only=True)
class RunnerConfig(Config):
    """Settings of the node."""

    job: str = option('', 'JSON file that describes the job')


def report(event: str, **more: Any) -> None:
    """Write one line for `lk ab`."""
    print(json.dumps({'event': event, **more}), flush=True)


class LiveRunner:
    """Wait until all are there, record, say what came of it; a generator is the course of it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        config = RunnerConfig(**declare_options(node, RunnerConfig.options(), read_only=True))
        self._folder = Path(config.job).parent
        self._job = job = LiveJob.load(config.job)
        self._arms = list(job.arms)
        self._graph = LiveArms(node, job)
        self._bags = LiveBags(node, job)
        self._clock = self._bags.router.clock
        self._world = WorldEnd(node)
        self._reset = ServiceCall(node, job.reset.service, job.reset.kind) if job.reset else None
        self._jumps = 0
        self._before_ns = 0
        self._asked_ns = 0
        self._started_s = self._ended_s = self._recorded_s = 0.0
        self._begin_at_ns = 0
        self._looked_s = 0.0
        self._course = self._run()

    def turn(self) -> float | None:
        """Go on with the course."""
        self._bags.poll()
        return next(self._course, None)

    def _run(self) -> Iterator[float]:
        """Yield how long to wait for events, s."""
        if self._reset is not None:
            yield from self._find_world()
        yield from self._find_arms()
        if not self._is_worth_going_on:
            return
        # Before a world begins that is not there yet.
        self._bags.take_outputs(self._arms)
        yield from self._match()
        report('arms_ready')
        yield from self._until(self._missing_inputs)
        self._bags.take_inputs(self._arms)
        if self._job.is_world:
            self._world.listen()
        yield from self._match()
        self._check_leaks(thorough=True)
        if self._reset is not None or not self._job.is_world:
            yield from self._hear()
        yield from self._begin()
        report('started')
        yield from self._record()
        yield from self._see_through()
        report('done')
        if self._job.reset is not None and self._job.reset.at_end:
            yield from self._leave_world()

    @property
    def _is_worth_going_on(self) -> bool:
        """Whether the arm that the others are compared with is there."""
        return bool(self._arms) and self._arms[0] == self._job.arms[0]

    def _missing_inputs(self) -> list[str]:
        topics = [*self._job.topics, *([CLOCK] if self._job.is_simulated else [])]
        return [
            f'nobody publishes {topic}'
            for topic in topics
            if not self._node.count_publishers(topic)
        ]

    def _until(self, missing: Callable[[], list[str]]) -> Iterator[float]:
        """Wait until nothing is missing.

        Raises:
            ArmError: Saying what is, when the limit is reached.
        """
        deadline_s = time.monotonic() + self._job.ready_limit_s
        while found := missing():
            if time.monotonic() > deadline_s:
                raise ArmError(f'{found[0]} within {self._job.ready_limit_s:g} s')
            self._look()
            yield POLL_S

    def _match(self) -> Iterator[float]:
        yield from self._until(
            lambda: [f'{topic} did not match' for topic in self._bags.unmatched()]
        )

    def _hear(self) -> Iterator[float]:
        """Wait for a message of each topic: the publisher may match later than its subscriber.

        Nobody tells when it has, and a topic may be silent: then that is waited for which
        discovery takes at worst.
        """
        deadline_s = time.monotonic() + DISCOVERY_S
        while self._bags.silent() and time.monotonic() < deadline_s:
            self._look()
            yield REST_S

    def _find_world(self) -> Iterator[float]:
        """Wait for a world that runs, and prepare it."""
        yield from self._until(self._missing_inputs)
        self._bags.hear_clock()
        yield from self._until(
            lambda: [] if self._clock.now_ns is not None else [f'no time comes on {CLOCK}']
        )
        since_ns = self._clock.now_ns or 0
        yield from self._until(
            lambda: [] if self._clock.now_ns != since_ns else ['time does not go on']
        )
        self._jumps = self._clock.jumps
        self._before_ns = self._clock.now_ns or 0
        assert self._job.reset is not None
        for request in self._job.reset.requests[:-1]:
            yield from self._call(request)
        report('world_ready')

    def _call(self, request: dict[str, Any]) -> Iterator[float]:
        assert self._reset is not None
        yield from self._reset.call(request, self._job.ready_limit_s, time.monotonic)

    def _find_arms(self) -> Iterator[float]:
        """Wait for the arms; give those up that do not get ready."""
        deadline_s = time.monotonic() + self._job.ready_limit_s
        waiting = list(self._arms)
        while waiting:
            self._check_leaks()
            self._drop_gone()
            for arm in [each for each in waiting if each in self._arms]:
                why = self._graph.unready(arm)
                if not why:
                    report('arm_ready', label=arm.label, calls=self._graph.calls(arm))
                    waiting.remove(arm)
                elif time.monotonic() > deadline_s:
                    limit = f'{self._job.ready_limit_s:g} s'
                    self._give_up(arm, f'not ready after {limit}: {why}')
            waiting = [arm for arm in waiting if arm in self._arms]
            if not self._is_worth_going_on:
                return
            yield POLL_S

    def _give_up(self, arm: LiveArm, why: str) -> None:
        report('failed', label=arm.label, why=why)
        self._arms.remove(arm)

    def _drop_gone(self) -> None:
        for arm in list(self._arms):
            if self._graph.is_gone(arm):
                self._arms.remove(arm)

    def _check_leaks(self, *, thorough: bool = False) -> None:
        for arm in list(self._arms):
            if topic := self._graph.leak(arm, thorough=thorough):
                self._give_up(
                    arm,
                    f'it publishes {topic}, outside of {arm.prefix}/, and was ended at once; list '
                    f'{topic} in outputs or remap it',
                )

    def _look(self) -> None:
        """Look at the graph, now and then."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_PERIOD_S:
            return
        self._looked_s = now_s
        self._drop_gone()
        self._check_leaks()

    def _begin(self) -> Iterator[float]:
        """Let time begin.

        Raises:
            ArmError: If it does not.
        """
        if not self._job.is_simulated:
            self._start(time.time_ns())
            return
        if self._job.reset is None:
            is_late = self._clock.now_ns is not None
            yield from self._until(
                lambda: [] if self._clock.now_ns is not None else [f'no time came on {CLOCK}']
            )
            since_ns = time.time_ns() if is_late else self._clock.begun_ns
            self._begin_at_ns = (self._clock.now_ns or 0) if is_late else self._clock.begun_at_ns
            self._start(since_ns)
            return
        self._before_ns = max(self._before_ns, self._clock.now_ns or 0)
        self._asked_ns = time.time_ns()
        is_paused = len(self._job.reset.requests) > 1
        yield from self._call(self._job.reset.requests[-1])
        yield from self._until(
            lambda: (
                []
                if self._clock.jumps > self._jumps or self._before_ns < YOUNG_NS
                else [f'{CLOCK} did not go back to the beginning']
            )
        )
        self._begin_at_ns = self._clock.begun_at_ns
        self._start(
            max(self._clock.begun_ns, self._asked_ns) if is_paused else self._clock.begun_ns
        )

    def _start(self, since_ns: int) -> None:
        self._jumps = self._clock.jumps
        self._world.forget()
        end_ns = self._begin_at_ns + round(self._job.duration_s * NS_PER_S)
        self._bags.router.begin(
            since_ns,
            end_ns if self._job.is_simulated else None,
            stale_ns=self._before_ns if self._before_ns >= YOUNG_NS else None,
            asked_ns=self._asked_ns,
        )
        self._started_s = time.monotonic()

    def _elapsed_s(self) -> float:
        if self._job.is_simulated:
            return ((self._clock.now_ns or 0) - self._begin_at_ns) / NS_PER_S
        return time.monotonic() - self._started_s

    def _record(self) -> Iterator[float]:
        """Record until the time is over, or nobody is left."""
        moved_s, last_s = time.monotonic(), -1.0
        told_s = 0.0
        while (elapsed_s := self._elapsed_s()) < self._job.duration_s:
            now_s = time.monotonic()
            if elapsed_s != last_s:
                moved_s, last_s = now_s, elapsed_s
            elif now_s - moved_s > self._job.answer_limit_s:
                raise ArmError(f'time stands still at {elapsed_s:g} s')
            if self._clock.jumps != self._jumps:
                raise ArmError('time went back while it was recorded')
            if self._job.is_world and self._world.is_finished:
                break
            if not self._is_worth_going_on:
                break
            if now_s - told_s > LOOK_PERIOD_S:
                told_s = now_s
                self._look()
                report('progress', done_s=elapsed_s, count=self._bags.input_count())
            yield REST_S
        self._ended_s, self._recorded_s = time.monotonic(), self._elapsed_s()
        if not self._job.is_simulated:
            self._bags.router.end(time.time_ns())

    def _see_through(self) -> Iterator[float]:
        """Take the answers that are still on their way."""
        deadline_s = time.monotonic() + self._job.answer_limit_s
        while time.monotonic() < deadline_s:
            self._drop_gone()
            # Where an answer may stay away, arms may do so in different places; most do not.
            if not self._bags.owed(self._arms) and self._bags.are_even(self._arms):
                break
            yield REST_S
        deadline_s = time.monotonic() + DISCOVERY_S
        while self._world.is_owed and time.monotonic() < deadline_s:
            yield POLL_S
        quiet_s = time.monotonic() + self._job.silence_s
        while time.monotonic() < quiet_s:
            yield REST_S
        self._world.freeze()

    def _leave_world(self) -> Iterator[float]:
        """Leave a world that goes on as it was at its beginning, when the arm has ended."""
        yield from self._until(
            lambda: [] if self._graph.is_gone(self._job.arms[0]) else ['the arm did not end']
        )
        assert self._job.reset is not None
        for request in self._job.reset.requests:
            yield from self._call(request)

    def close(self) -> None:
        """Finish the bags, say what is in them."""
        self._bags.close()
        arms = [arm for arm in self._job.arms if self._bags.is_open_for(arm)]
        if not arms:
            return
        ended_s = self._ended_s or time.monotonic()
        report(
            'closed',
            duration_s=ended_s - self._started_s if self._started_s else 0.0,
            elapsed_s=self._recorded_s if self._ended_s else self._elapsed_s(),
            inputs=self._bags.inputs(),
            arms={
                arm.label: self._bags.outputs(arm, self._folder / f'{arm.label}.latencies.npy')
                for arm in arms
            },
            outcome=self._world.outcome,
        )


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('live_runner', LiveRunner, argv)


if __name__ == '__main__':
    sys.exit(main())
