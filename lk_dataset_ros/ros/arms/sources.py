"""Where the inputs of the arms come from: a recording, or a simulated world in closed loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset import DataPlayback, Dataset, Finished, Publish, PublishClock
from lk_dataset_ros.dataset.records import Topic
from lk_dataset_ros.message import builtin_schema, codec_for
from lk_dataset_ros.ros.arms.job import OutputJob
from lk_dataset_ros.ros.arms.lockstep import Item
from lk_dataset_ros.world import load_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.ros.arms.job import Job, WorldJob
    from lk_dataset_ros.ros.arms.station import Station
    from lk_dataset_ros.world import World

#: What a bag says of topics that a world gives.
_OFFER: Final = """\
- history: keep_last
  depth: 10
  reliability: reliable
  durability: volatile
  deadline: {sec: 0, nsec: 0}
  lifespan: {sec: 0, nsec: 0}
  liveliness: automatic
  liveliness_lease_duration: {sec: 0, nsec: 0}
  avoid_ros_namespace_conventions: false"""


def playback_of(job: Job) -> DataPlayback:
    """Return the engine that plays a recording."""
    return DataPlayback(
        Dataset.load(job.bag),
        rtf=job.rtf,
        topics=job.topics,
        clock_hz=job.clock_hz,
        start_offset_s=job.start_s,
        duration_s=job.duration_s,
    )


def played(playback: DataPlayback) -> Iterator[Item]:
    """Yield what a playback gives that is as fast as it is taken, its latched state first."""
    start_ns = playback.start_ns
    while True:
        match playback.advance():
            case Publish(message):
                # Latched state is older than the slice that it comes before.
                yield Item(message.key, message.cdr, max(message.log_time_ns, start_ns))
            case PublishClock(time_ns):
                yield Item('', b'', time_ns)
            case Finished():
                return


class Loop:
    """A world and the arm that acts in it.

    Args:
        job: The world.
        fed: Topics that the arm is fed.
    """

    def __init__(self, job: WorldJob, fed: list[str]) -> None:
        self._job = job
        self.world: World = load_world(job.name, job.parameters, job.python_path)
        self._fed = frozenset(fed)
        self._codecs = {
            topic: codec_for(builtin_schema(name))
            for topic, name in {**self.world.sensors, **self.world.commands}.items()
        }
        self._commands: list[tuple[str, Any]] = []

    def topics(self) -> dict[str, Topic]:
        """Return what the arm is fed."""
        return {
            topic: Topic(topic, builtin_schema(name))
            for topic, name in self.world.sensors.items()
            if topic in self._fed
        }

    def outputs(self, declared: list[OutputJob]) -> list[OutputJob]:
        """Return what the arm gives: what is declared and no sensor, and all commands."""
        found = [each for each in declared if each.topic not in self.world.sensors]
        known = {each.topic for each in found}
        first = min(self._fed)
        return found + [
            OutputJob(topic, first, 0, 1) for topic in self.world.commands if topic not in known
        ]

    def join(self, station: Station) -> None:
        """Listen to an arm's commands, and record what the world gives."""
        station.on_output = self._take
        for topic, name in self.world.sensors.items():
            if topic not in station.bag.topics():
                station.bag.declare(topic, builtin_schema(name), _OFFER)

    def _take(self, topic: str, cdr: bytes) -> None:
        if topic in self.world.commands:
            self._commands.append((topic, self._codecs[topic].decode(cdr)))

    def items(self, station: Station) -> Iterator[Item]:
        """Yield what the arm senses; what it has answered acts on the world.

        Raises:
            LkError: If a command is not what it should be.
        """
        world, write = self.world, station.bag.write_serialized
        world.reset(self._job.seed)
        end_ns = world.time_ns + round(self._job.duration_s * 1e9)
        counts = dict.fromkeys(world.sensors, 0)
        clock_ns = -1
        while not world.finished and world.time_ns < end_ns and not station.is_through:
            commands, self._commands = self._commands, []
            for topic, message, time_ns in world.step(commands):
                if time_ns != clock_ns:
                    clock_ns = time_ns
                    yield Item('', b'', time_ns)
                cdr = self._codecs[topic].encode(message)
                counts[topic] += 1
                write(topic, cdr, time_ns, time_ns, counts[topic] & 0xFFFFFFFF)
                if topic in self._fed:
                    yield Item(topic, cdr, time_ns)
        station.outcome = world.outcome()
        station.sensed = counts

    @property
    def total(self) -> int:
        """How far it goes, in ms of simulated time."""
        return round(self._job.duration_s * 1e3)
