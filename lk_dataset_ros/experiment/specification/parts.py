"""What an experiment is made of: data only."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison import Verdict
from lk_dataset_ros.comparison.rules_file import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ORIGINAL = 'original'
#: The world that processes of its own simulate.
EXTERNAL = 'external'
#: The element of a command that becomes `--ros-args` with node name, parameters and remappings.
ROS_ARGS = '{ros_args}'


class Mode(str, Enum):
    """How the arms are fed.

    Attributes:
        OFFLINE: Components in processes without ROS, as fast as they compute.
        LOCKSTEP: All arms beside each other, each as ROS processes; the next input is sent when
            every arm has answered the last one.
        REALTIME: All arms beside each other, inputs at their times divided by the RTF.
        SEQUENTIAL: One arm after the other; in lockstep at RTF 0, at their times otherwise.
        LIVE: All arms beside each other on the topics of a running graph.
    """

    OFFLINE = 'offline'
    LOCKSTEP = 'lockstep'
    REALTIME = 'realtime'
    SEQUENTIAL = 'sequential'
    LIVE = 'live'


@dataclass(frozen=True, slots=True)
class Arm:
    """One implementation, and how to start it.

    It has a component, or a package and an executable, or a command, or runs already.

    Attributes:
        name: `original`, or the name of a compiled one.
        component: Import path of a component, or empty.
        package: ROS package of a node.
        executable: Its executable.
        command: Command line. Where an element is `{ros_args}`, it becomes `--ros-args` with
            node name, parameters and remappings.
        is_running: It is part of the running graph (mode live, the original only).
        parameters: Parameters by name.
        remappings: Names in the node and what they become.
        python_path: Folders to import the component from, absolute.
        directory: Folder in which a command is started, absolute.
    """

    name: str
    component: str = ''
    package: str = ''
    executable: str = ''
    command: tuple[str, ...] = ()
    is_running: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()
    directory: str = ''

    @property
    def what(self) -> str:
        """What is started, for a person."""
        if self.is_running:
            return 'the running one'
        if self.command:
            return ' '.join(self.command)
        return self.component or f'{self.package}/{self.executable}'

    def topic_of(self, port: str) -> str:
        """Return the topic of a component's port after remapping, in the root namespace."""
        name = self.remappings.get(port, self.remappings.get(f'/{port}', port))
        return name if name.startswith('/') else f'/{name}'


@dataclass(frozen=True, slots=True)
class Output:
    """An output topic.

    Attributes:
        topic: Its name.
        answers: The input topic that it answers.
        least: Messages that every input is answered with, at least: 1 for `count: each`, 0 for
            `maybe`, n for `n`.
        most: The same at most: 1 for `each` and `maybe`, n for `n`.
    """

    topic: str
    answers: str
    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class BagInputs:
    """Inputs from a recording.

    Attributes:
        bag: The recording, absolute.
        topics: The topics that are played.
        start_s: Where to begin, from the bag's first message, s.
        duration_s: How much is played, s; infinity for all.
    """

    bag: Path
    topics: tuple[str, ...]
    start_s: float = 0.0
    duration_s: float = math.inf


@dataclass(frozen=True, slots=True)
class WorldInputs:
    """Inputs from a simulated world: closed loop.

    Attributes:
        world: A shipped world (`diff_drive`, `cart_pole`), the import path of one of the user's
            (`package.module:Class`), or `external`: processes that simulate (Gazebo).
        topics: Topics of the world that are fed to the arms and recorded.
        seed: What it is reset with.
        duration_s: Simulated time, s.
        parameters: Settings of the world.
        python_path: Folders to import a world from, absolute.
        processes: Command lines of an external world, with `{seed}` and `{world_file}` replaced.
            Empty: it runs already.
        reset: How an external world returns to its beginning: `restart` (its processes), or the
            name and type of a service (`/world/default/control ros_gz_interfaces/srv/ControlWorld`)
            followed by its request as YAML.
        world_file: A file that describes an external world, absolute, or empty; hashed.
        version_command: Prints the simulator's version.
    """

    world: str
    topics: tuple[str, ...]
    seed: int = 0
    duration_s: float = 60.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()
    processes: tuple[tuple[str, ...], ...] = ()
    reset: str = 'restart'
    world_file: str = ''
    version_command: tuple[str, ...] = ()

    @property
    def is_external(self) -> bool:
        """Whether processes of its own simulate it."""
        return self.world == EXTERNAL


@dataclass(frozen=True, slots=True)
class LiveInputs:
    """Inputs from a running graph.

    Attributes:
        topics: The topics that are recorded as inputs; the arms hear what they subscribe to.
        duration_s: How long, s.
    """

    topics: tuple[str, ...]
    duration_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds.

    Attributes:
        ready_s: Until an arm has subscribed and advertised.
        answer_s: Until an input is answered: beyond that the answer is missing.
        silence_s: Until an output that may stay away (`maybe`) is taken to stay away.
        run_s: Until an arm is through.
    """

    ready_s: float = 20.0
    answer_s: float = 5.0
    silence_s: float = 0.05
    run_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Demands:
    """What a compiled arm has to achieve, beside doing what the original does.

    Attributes:
        verdict: `equivalent`, or `differs` for an arm that is expected to differ.
        speed_up: Least processor time of the original per that of the compiled.
        p99_latency_s: Largest 99th percentile of its latency, s.
    """

    verdict: Verdict = Verdict.EQUIVALENT
    speed_up: float | None = None
    p99_latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Specification:
    """An experiment.

    Attributes:
        name: Names the folder of its runs, and the component in a selection.
        path: The file that it was read from.
        mode: How the arms are fed.
        inputs: Where the inputs come from.
        original: The arm that is right by definition.
        compiled: The arms that are judged.
        outputs: What is recorded and compared.
        rules: Tolerance, pairing, acceptance of the comparison.
        repeats: How often the original is run; from 2 on there is a noise floor.
        rtf: Real-time factor; 0 is as fast as the arms answer.
        clock_hz: How often `/clock` is published; 0 is never.
        warm_up_s: Time at the beginning that is left out of the latencies, s.
        limits: Time limits.
        demands: What the compiled arms have to achieve.
    """

    name: str
    path: Path
    mode: Mode
    inputs: BagInputs | WorldInputs | LiveInputs
    original: Arm
    compiled: tuple[Arm, ...]
    outputs: tuple[Output, ...]
    rules: Rules = field(default_factory=Rules)
    repeats: int = 1
    rtf: float = 0.0
    clock_hz: float = 0.0
    warm_up_s: float = 0.0
    limits: Limits = field(default_factory=Limits)
    demands: Demands = field(default_factory=Demands)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, the original first."""
        return (self.original, *self.compiled)

    @classmethod
    def load(cls, path: Path) -> Specification:
        """Read a specification.

        Raises:
            SpecificationError: Naming file, line and field of the first fault.
        """
        # Reading knows the parts.
        from lk_dataset_ros.experiment.specification.reading import (  # noqa: PLC0415
            load_specification,
        )

        return load_specification(path)

    def replace(self, **changes: Any) -> Specification:
        """Return a copy with other values."""
        return dataclasses.replace(self, **changes)
