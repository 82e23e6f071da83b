"""Run a component in a simulated world, in closed loop: what the process of an arm there does.

Started by `run_in_world` with a job file. What it finds goes out as JSON lines on what was its
standard output; whatever component and world print goes to the log.

Time stands still while the component computes. The sensors of one moment are given to it in the
order in which the world has them; its commands are in force from that moment on.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.experiment.running.in_child import (
    component_of,
    peak_bytes,
    run_arm,
    say,
    serve,
)
from lk_dataset_ros.experiment.running.jobs import WorldJob
from lk_dataset_ros.experiment.running.offline_outputs import OutputWriter
from lk_dataset_ros.message import builtin_schema, message_class
from lk_dataset_ros.world import load_world

if TYPE_CHECKING:
    from lk_dataset_ros.component import Component
    from lk_dataset_ros.experiment.running.in_child import Report
    from lk_dataset_ros.world import World

_REPORT_NS: Final = 200_000_000
#: So many messages wait for being written to the bag together.
_WAITING: Final = 4096
_NS_PER_S: Final = 1_000_000_000


class WorldArm:
    """A component and the world that it acts in.

    Args:
        job: What to do.
        component: The component.
        world: The world.
        report: Takes an event and what is to be said of it.
    """

    def __init__(self, job: WorldJob, component: Component, world: World, report: Report) -> None:
        self._job, self._component, self._world, self._report = job, component, world, report
        component.message_factory = _new
        self._ports = self._inputs()
        self._topics = self._outputs()
        self._end_ns = round(job.inputs.duration_s * _NS_PER_S)
        self._warm_ns = round(job.warm_up_s * _NS_PER_S)
        self._database = database = McapDatabase(job.bag_out, 'w')
        self._writers = {
            topic: OutputWriter(database, topic, topic, builtin_schema(type_name))
            for topic, type_name in world.sensors.items()
        }
        for port, topic in self._topics.items():
            schema = builtin_schema(component.outputs[port].type_name)
            self._writers[topic] = OutputWriter(database, port, topic, schema)
        self._waiting = 0
        #: Inputs by topic, and those of them that an output topic has answered.
        self._fed = dict.fromkeys(self._ports, 0)
        self._answered = {(each.answers, each.topic): 0 for each in job.outputs}
        self._latencies = array('q')
        self._cpu_ns = self._wall_ns = 0
        self._next_report_ns = 0

    def _inputs(self) -> dict[str, str]:
        """Return the port of each topic that the component is fed."""
        job, world, component = self._job, self._world, self._component
        ports = {job.arm.topic_of(port): port for port in component.inputs}
        taken = {topic: ports[topic] for topic in job.inputs.topics if topic in ports}
        for topic in (*job.inputs.topics, *taken):
            if topic not in world.sensors:
                raise ArmError(
                    f'{job.inputs.world} has no {topic}; it has {", ".join(world.sensors)}'
                )
        for topic, port in taken.items():
            wanted, given = component.inputs[port].type_name, world.sensors[topic]
            if wanted != given:
                raise ArmError(f'it takes {wanted} on {topic}, {job.inputs.world} gives {given}')
        for output in job.outputs:
            if output.answers not in taken:
                raise ArmError(
                    f'it is not fed {output.answers}; it takes {", ".join(ports) or "none"}'
                )
        return taken

    def _outputs(self) -> dict[str, str]:
        """Return the topic of each port that is recorded or commands the world."""
        job, world, component = self._job, self._world, self._component
        topics = {port: job.arm.topic_of(port) for port in component.outputs}
        wanted = {*world.commands, *(output.topic for output in job.outputs)}
        for output in job.outputs:
            if output.topic not in topics.values():
                raise ArmError(
                    f'it has no output port for {output.topic}; it gives '
                    f'{", ".join(topics.values()) or "none"}'
                )
        for port, topic in topics.items():
            taken, given = world.commands.get(topic), component.outputs[port].type_name
            if taken not in (None, given):
                raise ArmError(f'it gives {given} on {topic}, {job.inputs.world} takes {taken}')
            if topic in world.sensors:
                raise ArmError(f'it gives {topic}, which is a sensor of {job.inputs.world}')
        return {port: topic for port, topic in topics.items() if topic in wanted}

    def run(self) -> str:
        """Let both act on each other until time is up or the task is over; say what went wrong."""
        begin_ns, problem = time.perf_counter_ns(), ''
        try:
            self._component.reset()
            self._act()
        except Exception as error:  # noqa: BLE001 - whatever an arm does is a result
            problem = f'{say(error)}, at {self._world.time_ns / 1e9:g} s'
        except SystemExit as error:
            problem = f'it has left with exit code {error.code}'
        self._flush()
        self._wall_ns = time.perf_counter_ns() - begin_ns
        self._tell()
        self._database.close()
        return problem

    def _act(self) -> None:
        world, writers, ports = self._world, self._writers, self._ports
        commands: list[tuple[str, Any]] = []
        while not world.finished and world.time_ns < self._end_ns:
            sensed = world.step(commands)
            if not sensed and not world.finished:
                raise ArmError(f'the world {self._job.inputs.world} has gone on without a sensor')
            # Recorded first: a component may keep or change what it is given.
            for topic, message, time_ns in sensed:
                writers[topic].put(message, time_ns, 0)
            commands = []
            for topic, message, time_ns in sensed:
                if topic in ports:
                    self._feed(topic, message, time_ns, commands)
            self._waiting += len(sensed) + len(commands)
            if self._waiting >= _WAITING:
                self._flush()
            if time.perf_counter_ns() >= self._next_report_ns:
                self._tell()

    def _feed(
        self, topic: str, message: Any, time_ns: int, commands: list[tuple[str, Any]]
    ) -> None:
        """Give the component one message, and collect what it commands."""
        inputs = {self._ports[topic]: message}
        cpu_ns, begin_ns = time.process_time_ns(), time.perf_counter_ns()
        outputs = self._component(**inputs)
        end_ns = time.perf_counter_ns()
        self._cpu_ns += time.process_time_ns() - cpu_ns
        self._fed[topic] += 1
        if not outputs:
            return
        if time_ns >= self._warm_ns:
            self._latencies.append(end_ns - begin_ns)
        for port, output in outputs.items():
            name = self._topics.get(port)
            if name is None:
                continue
            self._writers[name].put(output, time_ns, 0)
            if (topic, name) in self._answered:
                self._answered[topic, name] += 1
            if name in self._world.commands:
                commands.append((name, output))

    def _flush(self) -> None:
        """Write to the bag what waits for it."""
        self._waiting = 0
        for writer in self._writers.values():
            writer.flush(0)

    def _tell(self) -> None:
        self._next_report_ns = time.perf_counter_ns() + _REPORT_NS
        self._report('progress', time_ns=self._world.time_ns)

    def figures(self) -> dict[str, Any]:
        """Return what came out; the latencies go to their file."""
        np.save(self._job.latencies, np.frombuffer(self._latencies, np.int64), allow_pickle=False)
        return {
            'received': {
                each.topic: self._writers[each.topic].received for each in self._job.outputs
            },
            'unanswered': {
                each.topic: missing
                for each in self._job.outputs
                if (missing := self._missing(each.answers, each.topic, each.least))
            },
            'cpu_s': self._cpu_ns / _NS_PER_S,
            'wall_s': self._wall_ns / _NS_PER_S,
            'span_s': self._world.time_ns / _NS_PER_S,
            'peak_bytes': peak_bytes(),
            'outcome': self._world.outcome(),
        }

    def _missing(self, topic: str, name: str, least: int) -> int:
        # A step gives one message at most on each port.
        if least > 1:
            return self._fed[topic]
        return self._fed[topic] - self._answered[topic, name] if least else 0


def initial_conditions(job: WorldJob, world: World) -> str:
    """Return the SHA-256, in hexadecimal, of all that a world starts from."""
    content = {
        'description': world.description(),
        'seed': job.inputs.seed,
        'parameters': world.config.to_dict(),
        'duration_s': job.inputs.duration_s,
        'topics': job.inputs.topics,
    }
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _new(type_name: str) -> Any:
    return message_class(type_name)()


def _run(job: WorldJob, report: Report) -> None:
    def set_up(known: dict[str, Any]) -> WorldArm:
        component, inputs = component_of(job.arm), job.inputs
        world = load_world(inputs.world, inputs.parameters, inputs.python_path)
        world.reset(inputs.seed)
        known['sent'] = {'world': 1}
        known['hashes'] = {'world': initial_conditions(job, world)}
        arm = WorldArm(job, component, world, report)
        report('ready')
        return arm

    run_arm(set_up, report)


if __name__ == '__main__':
    sys.exit(serve(partial(_run, WorldJob.load(sys.argv[1]))))
