"""Run a component through a bag, without ROS: what the process of an arm in mode offline does.

Started by `run_offline` with a job file. What it finds goes out as JSON lines on what was its
standard output; whatever the component prints goes to the log.

The messages are read, and the outputs written, some thousands at a time: the processor time in
between, which is that of decoding, of the steps and of encoding, is the arm's cost.
"""

from __future__ import annotations

import sys
import time
from array import array
from dataclasses import dataclass
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
from lk_dataset_ros.experiment.running.jobs import OfflineJob
from lk_dataset_ros.experiment.running.offline_inputs import OfflineInputs
from lk_dataset_ros.experiment.running.offline_outputs import OutputWriter
from lk_dataset_ros.message import builtin_schema, codec_for, new_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lk_dataset_ros.component import Component
    from lk_dataset_ros.experiment.running.in_child import Report
    from lk_dataset_ros.experiment.running.offline_inputs import Entry
    from lk_dataset_ros.message import Schema

_PROGRESS_NS: Final = 200_000_000
_NS_PER_S: Final = 1_000_000_000


@dataclass(slots=True)
class _Input:
    """An input topic, and the port that takes it."""

    decode: Callable[[bytes], Any]
    port: str
    hash: Any
    sent: int = 0


class OfflineArm:
    """A component, what it is fed, and what it has answered.

    Args:
        job: What to do.
        component: The component.
        inputs: Its inputs.
        report: Takes an event and what is to be said of it.
    """

    def __init__(
        self,
        job: OfflineJob,
        component: Component,
        inputs: OfflineInputs,
        report: Report,
    ) -> None:
        self._job = job
        self._component = component
        self._inputs = inputs
        self._report = report
        self._schemas = {topic.schema.name: topic.schema for topic in inputs.topics.values()}
        component.message_factory = self._new
        self._ports = {job.arm.topic_of(port): port for port in component.inputs}
        self._routes = self._route()
        self._topics = list(inputs.topics)
        outputs = self._declared_outputs()
        self._database = database = McapDatabase(job.bag_out, 'w')
        self._writers = {
            port: OutputWriter(database, port, topic, schema)
            for port, (topic, schema) in outputs.items()
        }
        #: Inputs that an output topic has answered.
        self._answered = {each.topic: 0 for each in job.outputs}
        self._latencies = array('q')
        self._cpu_ns = self._wall_ns = 0
        self._next_report_ns = 0
        self._fed = 0

    def _schema(self, type_name: str) -> Schema:
        return self._schemas.get(type_name) or builtin_schema(type_name)

    def _new(self, type_name: str) -> Any:
        schema = self._schemas.get(type_name)
        return new_message(type_name if schema is None else schema)

    def _route(self) -> list[_Input]:
        """Find the port of each input topic; a topic that nobody takes is counted only."""
        routes, answered = [], {output.answers for output in self._job.outputs}
        for name, topic in self._inputs.topics.items():
            port = self._ports.get(name, '')
            if not port and name in answered:
                raise ArmError(
                    f'it has no input port for {name}; it takes {", ".join(self._ports) or "none"}'
                )
            wanted = self._component.inputs[port].type_name if port else topic.schema.name
            if wanted != topic.schema.name:
                raise ArmError(f'it takes {wanted} on {name}, the bag has {topic.schema.name}')
            codec = codec_for(topic.schema)
            codec.prepare()
            routes.append(_Input(codec.decode, port, sha256()))
        return routes

    def _declared_outputs(self) -> dict[str, tuple[str, Schema]]:
        """Return topic and type of each port that is recorded."""
        ports = {self._job.arm.topic_of(port): port for port in self._component.outputs}
        declared = {}
        for output in self._job.outputs:
            port = ports.get(output.topic)
            if port is None:
                raise ArmError(
                    f'it has no output port for {output.topic}; it gives '
                    f'{", ".join(ports) or "none"}'
                )
            schema = self._schema(self._component.outputs[port].type_name)
            declared[port] = output.topic, schema
        return declared

    def run(self) -> str:
        """Feed all; return what went wrong, or nothing."""
        begin_ns, problem = time.perf_counter_ns(), ''
        try:
            self._component.reset()
            for entries in self._inputs.windows():
                self._run(entries)
        except Exception as error:  # noqa: BLE001 - whatever an arm does is a result
            problem = say(error)
        except SystemExit as error:
            problem = f'it has left with exit code {error.code}'
        self._flush()
        self._wall_ns = time.perf_counter_ns() - begin_ns
        self._next_report_ns = 0
        self._tell()
        self._database.close()
        return problem

    def _run(self, entries: list[Entry]) -> None:
        """Feed a window, in pieces between two reports."""
        done = 0
        while done < len(entries):
            begin_ns = time.process_time_ns()
            try:
                before = done
                # What an arm that fails was sent is known by what it has consumed.
                rest = iter(entries[done:] if done else entries)
                self._feed(rest)
            finally:
                self._cpu_ns += time.process_time_ns() - begin_ns
                done = len(entries) - rest.__length_hint__()  # type: ignore[attr-defined]
                self._take_note(entries[before:done])
            self._flush()
            self._tell()

    def _feed(self, entries: Iterable[Entry]) -> None:
        """Feed inputs until all are through, or a report is due."""
        component, routes, latencies = self._component, self._routes, self._latencies
        puts = {port: writer.put for port, writer in self._writers.items()}
        clock, report_ns = time.perf_counter_ns, self._next_report_ns
        warm_ns = self._inputs.start_ns + round(self._job.warm_up_s * _NS_PER_S)
        if not self._job.warm_up_s:
            warm_ns = -1
        for place, time_ns, cdr in entries:
            route = routes[place]
            if not route.port:
                continue
            message = route.decode(cdr)
            begin_ns = clock()
            outputs = component(**{route.port: message})
            end_ns = clock()
            if outputs:
                if time_ns >= warm_ns:
                    latencies.append(end_ns - begin_ns)
                for port, output in outputs.items():
                    put = puts.get(port)
                    if put is not None:
                        put(output, time_ns, place)
            if end_ns > report_ns:
                return

    def _take_note(self, entries: list[Entry]) -> None:
        """Count and hash what was sent."""
        for place, _, cdr in entries:
            route = self._routes[place]
            route.sent += 1
            route.hash.update(len(cdr).to_bytes(8, 'little'))
            route.hash.update(cdr)
        self._fed += len(entries)

    def _flush(self) -> None:
        """Write the outputs to the bag."""
        writers = {writer.topic: writer for writer in self._writers.values()}
        for output in self._job.outputs:
            place = self._topics.index(output.answers) if output.answers in self._topics else -1
            self._answered[output.topic] += writers[output.topic].flush(place)
        # No thread that compresses shall cost time while the arm runs; and nothing is lost should
        # it crash.
        self._database.flush()

    def _tell(self) -> None:
        now_ns = time.perf_counter_ns()
        if now_ns >= self._next_report_ns:
            self._next_report_ns = now_ns + _PROGRESS_NS
            self._report('progress', sent=self._fed, total=self._inputs.total)

    def figures(self) -> dict[str, Any]:
        """Return what came out; the latencies go to their file."""
        np.save(self._job.latencies, np.frombuffer(self._latencies, np.int64), allow_pickle=False)
        sent = dict(zip(self._topics, (route.sent for route in self._routes), strict=True))
        return {
            'sent': sent,
            'hashes': {
                topic: route.hash.hexdigest()
                for topic, route in zip(self._topics, self._routes, strict=True)
            },
            'received': {writer.topic: writer.received for writer in self._writers.values()},
            'unanswered': {
                output.topic: missing
                for output in self._job.outputs
                if (missing := self._missing(output.topic, output.least, sent[output.answers]))
            },
            'cpu_s': self._cpu_ns / _NS_PER_S,
            'wall_s': self._wall_ns / _NS_PER_S,
            'span_s': self._inputs.span_ns / _NS_PER_S,
            'peak_bytes': peak_bytes(),
        }

    def _missing(self, topic: str, least: int, sent: int) -> int:
        # A step gives one message at most on each port.
        if least > 1:
            return sent
        return sent - self._answered[topic] if least else 0


def _run(job: OfflineJob, report: Report) -> None:
    def set_up(known: dict[str, Any]) -> OfflineArm:
        del known
        component = component_of(job.arm)
        report('ready')
        inputs = OfflineInputs(
            job.inputs.bag, job.inputs.topics, job.inputs.start_s, job.inputs.duration_s
        )
        return OfflineArm(job, component, inputs, report)

    run_arm(set_up, report)


if __name__ == '__main__':
    sys.exit(serve(partial(_run, OfflineJob.load(sys.argv[1]))))
