"""Records the moments in which several implementations disagree."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset.consensus.arms import groups_of
from lk_dataset_ros.dataset.consensus.budget import Keeping
from lk_dataset_ros.dataset.consensus.dx import ConsensusDx
from lk_dataset_ros.dataset.consensus.event import EVENT_SCHEMA, EVENTS_TOPIC, Event
from lk_dataset_ros.dataset.consensus.group import Group, Listener
from lk_dataset_ros.dataset.consensus.kept import Kept, together
from lk_dataset_ros.dataset.consensus.settings import ConsensusConfig
from lk_dataset_ros.dataset.consensus.windows import Window, Windows
from lk_dataset_ros.dataset.recording import DataRecorder, TopicStats
from lk_dataset_ros.dataset.recording.losses import Sequences
from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import builtin_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lk_dataset_ros.dataset.consensus.stats import GroupStats
    from lk_dataset_ros.dataset.consensus.tracking import Disagreement
    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.recording import Arrivals
    from lk_dataset_ros.message import Schema

#: Events that wait to be told by `advance`.
_MOST_UNTOLD: Final = 10_000
#: Disagreements that messages are kept out of what matches for.
_MOST_SPANS: Final = 256


class ConsensusRecorder(DataRecorder):
    """Watch outputs that should agree, record the moments in which they do not.

        recorder = ConsensusRecorder(
            McapDatabase('bag', 'w'),
            {'original': '/cmd_vel', 'cpp': '/cpp/cmd_vel', 'nn': '/nn/cmd_vel'},
            ['/odom'],
            tolerance=Tolerance(atol=0.01),
        )
        recorder.add_input('/odom', 'nav_msgs/msg/Odometry')     # each topic
        recorder.record(message)                                 # each message
        events = recorder.advance(time.time_ns())                # now and then, as next_due_ns says

    Nothing waits: messages are paired as they come, and judged as soon as all arms have answered,
    or `limit_s` is over. All times are of one clock, that of the messages' log times.

    Args:
        database: Where windows and events go.
        arms: Topic by name of the arm, the original first; or such a mapping for each group.
        inputs: Topics that are recorded besides.
        tolerance: A `Tolerance` of lk_dataset_ros.comparison; its defaults when left out.
        comparison_fn: Judges instead: takes the messages of two arms and returns whether they
            agree, or how far they are apart in multiples of what is allowed.
        now_ns: The time of day; handed in by tests.
        monotonic_ns: The clock of the flushes; handed in by tests.

    Raises:
        ComponentError: If a group has less than two arms, or a topic is that of two.
    """

    Config = ConsensusConfig

    def __init__(
        self,
        database: Database,
        arms: Mapping[str, str] | Mapping[str, Mapping[str, str]],
        inputs: Sequence[str] = (),
        *,
        tolerance: Any = None,
        comparison_fn: Callable[[Any, Any], bool | float] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        **kwargs: Any,
    ) -> None:
        named = groups_of(arms, inputs)
        super().__init__(database, now_ns=now_ns, monotonic_ns=monotonic_ns, **kwargs)
        config: ConsensusConfig = self.config
        #: Topics that are recorded besides the arms'.
        self.input_topics = tuple(inputs)
        self._untold: list[Event] = []
        self._events = 0
        listener = Listener(self._next_number, self._begins, self._ends)
        self.groups = {
            name: Group(
                name,
                each,
                config,
                listener=listener,
                tolerance=tolerance,
                comparison_fn=comparison_fn,
            )
            for name, each in named.items()
        }
        self._group_of = {topic: group for group in self.groups.values() for topic in group.places}
        self._windows = Windows(
            _kept_ns(config),
            config.window_bytes,
            pre_ns=round(config.pre_s * NS_PER_S),
            post_ns=round(config.post_s * NS_PER_S),
            longest_ns=round(config.max_window_s * NS_PER_S),
            on_free=self._let_go,
        )
        self._window_of: dict[int, Window] = {}
        #: First and last log time around disagreements, for what matches.
        self._spans: deque[tuple[int, int]] = deque(maxlen=_MOST_SPANS)
        self._keeping = Keeping(
            config.budget_bytes_per_hour,
            config.max_events_per_minute,
            config.waiting_bytes,
            write=self._write_window,
            drop=self._drop_window,
        )
        self._latest_ns = 0
        self._dx = ConsensusDx(name=type(self).__name__, monotonic_ns=monotonic_ns)
        self._dx.watch(self.groups.values(), self._waiting_of)
        super().add_input(EVENTS_TOPIC, EVENT_SCHEMA)

    @property
    def dx(self) -> ConsensusDx:
        """How the arms agree, as diagnostics."""
        assert isinstance(self._dx, ConsensusDx)
        return self._dx

    def get_consensus_stats(self) -> dict[str, GroupStats]:
        """Return how the arms agree, by group; see `ConsensusDx`."""
        with self._lock:
            return self.dx.get_consensus_stats()

    def add_input(
        self, name: str, schema: Schema | str, qos: str = '', *, latched: bool | None = None
    ) -> None:
        """Take a topic from now on: an arm's, or any other as an input.

        An arm of another type than its group's, or than before, is no error: it is reported, and
        its messages are skipped until it has the right type.

        Raises:
            MessageTypeError: If an input is taken with another type already.
        """
        if isinstance(schema, str):
            schema = builtin_schema(schema)
        with self._lock:
            group = self._group_of.get(name)
            if group is None or group.declare(name, schema):
                super().add_input(name, schema, qos, latched=latched)
                self._stats[name].type_name = schema.name
                return
            self.log.warning(
                f'{name} is {schema.name}, not the type that it should be: it is skipped'
            )
            self._stats.setdefault(name, TopicStats(schema.name))
            self._sequences.setdefault(name, Sequences())

    def record(self, message: SerializedMessage) -> None:
        """Take a serialized message of a topic that was added."""
        with self._lock:
            self._known(message.key)
            self._take_one(message)

    def _take(self, arrivals: Arrivals) -> None:
        log, sent = arrivals.log_time_ns.tolist(), arrivals.publish_time_ns.tolist()
        numbers = arrivals.sequence.tolist()
        with self._lock:
            for cdr, *rest in zip(arrivals.messages(), log, sent, numbers, strict=True):
                self._take_one(SerializedMessage(arrivals.key, cdr, *rest))

    def _take_one(self, message: SerializedMessage) -> None:
        key = message.key
        stats = self._stats[key]
        if self._is_closed:
            stats.dropped += 1
            return
        self._latest_ns = max(self._latest_ns, message.log_time_ns)
        # Until it is written.
        stats.skipped += 1
        group = self._group_of.get(key)
        kept = Kept(message)
        if not (self._is_paused or (group is not None and key not in self._schemas)):
            self._keep(kept)
        if group is not None:
            group.take(kept)

    def _keep(self, kept: Kept) -> None:
        if self.config.record_mode == 'all' or kept.message.key in self._latched_keys:
            self._write_if_room(kept)
        else:
            self._windows.put(kept)

    def advance(self, now_ns: int) -> list[Event]:
        """Give up on what is due.

        Args:
            now_ns: The time, of the clock of the messages' log times.

        Returns:
            The events that have begun or ended since the last call, in order.
        """
        with self._lock:
            if not self._is_closed:
                self._latest_ns = now_ns
                for group in self.groups.values():
                    group.advance(now_ns)
                for window in self._windows.closed(now_ns):
                    self._keeping.offer(window, self._latest_ns)
                self._keeping.serve(now_ns)
            told, self._untold = self._untold, []
            return told

    def next_due_ns(self) -> int | None:
        """Return when `advance` has to be called at the latest, None if nothing waits."""
        with self._lock:
            due = [each.next_due_ns() for each in self.groups.values()]
            due.append(self._windows.next_due_ns())
            return min((each for each in due if each is not None), default=None)

    def reset(self) -> None:
        """End the disagreements that are going on, and count from the beginning."""
        with self._lock:
            if not self._is_closed:
                for group in self.groups.values():
                    group.reset()

    def snapshot(self) -> int:
        """Refuse: windows are written by themselves.

        Raises:
            ComponentError: Always.
        """
        raise ComponentError(
            'a consensus recorder writes its windows by itself: there is no snapshot'
        )

    def close(self) -> None:
        """Judge what waits, write the windows that are open, finish the database.

        Raises:
            BagWriteError: If not everything could be written.
        """
        with self._lock:
            if not self._is_closed:
                for group in self.groups.values():
                    group.close()
                for window in self._windows.closed(self._latest_ns, all_of_them=True):
                    self._keeping.offer(window, self._latest_ns)
                self._keeping.close()
                self._windows.empty()
        super().close()

    # What a group tells of.

    def _next_number(self) -> int:
        self._events += 1
        return self._events

    def _begins(self, group: Group, disagreement: Disagreement) -> None:
        if self.config.record_mode != 'mismatches' or self._is_paused:
            disagreement.window_ns = (disagreement.first_ns, disagreement.first_ns)
        elif self._keeping.admits(disagreement.first_ns):
            self._window_of[disagreement.number] = self._windows.begin(disagreement)
        else:
            group.skipped += 1
        self._tell(disagreement.event())

    def _ends(self, group: Group, disagreement: Disagreement) -> None:
        window = self._window_of.get(disagreement.number)
        config: ConsensusConfig = self.config
        if window is not None and not window.is_full:
            last_ns = min(
                disagreement.last_ns + round(config.post_s * NS_PER_S),
                disagreement.first_ns + round(config.max_window_s * NS_PER_S),
            )
            disagreement.window_ns = (disagreement.window_ns[0], last_ns)
        elif window is None:
            disagreement.window_ns = (disagreement.first_ns, disagreement.last_ns)
        self._tell(disagreement.event())
        if config.record_mode != 'mismatches':
            self._spans.append(self._span(disagreement))
            group.recorded += not self._is_paused and self._write_event(disagreement)
        elif window is not None:
            self._finish_window(window)

    def _tell(self, event: Event) -> None:
        self._untold.append(event)
        del self._untold[:-_MOST_UNTOLD]

    def _waiting_of(self, group: Group) -> int:
        return sum(each.disagreement.group == group.name for each in self._keeping.windows)

    # What gets into the bag.

    def _write_window(self, window: Window) -> None:
        # Many at once: one by one they would hold up judging for a tenth of a second.
        by_key: dict[str, list[Kept]] = {}
        for each in window.unwritten():
            by_key.setdefault(each.message.key, []).append(each)
        for some in by_key.values():
            self._write(some)
        window.is_written = True
        window.let_go(self._let_go)
        self.groups[window.disagreement.group].recorded += 1
        self._finish_window(window)

    def _drop_window(self, window: Window) -> None:
        window.is_dropped = True
        window.let_go(self._let_go)
        self.groups[window.disagreement.group].skipped += 1
        self._finish_window(window)

    def _finish_window(self, window: Window) -> None:
        """Write the event of a window that is in the bag, once it is over."""
        if not window.disagreement.is_over:
            return
        if window.is_written and not window.is_told:
            window.is_told = True
            self._write_event(window.disagreement)
        if window.is_written or window.is_dropped:
            self._window_of.pop(window.disagreement.number, None)

    def _write_event(self, disagreement: Disagreement) -> bool:
        cdr = disagreement.event().to_cdr()
        time_ns = disagreement.last_ns
        kept = Kept(SerializedMessage(EVENTS_TOPIC, cdr, time_ns, time_ns))
        self._stats[EVENTS_TOPIC].skipped += 1
        self._write([kept])
        return kept.is_written

    def _let_go(self, kept: Kept) -> None:
        """Write what has turned out to match, if that is wanted."""
        if self.config.record_mode != 'matches':
            return
        time_ns = kept.time_ns
        live = (each.live for each in self.groups.values())
        if any(each is not None and self._span(each)[0] <= time_ns for each in live):
            return
        if not any(first <= time_ns <= last for first, last in self._spans):
            self._write_if_room(kept)

    def _span(self, disagreement: Disagreement) -> tuple[int, int]:
        """Return the first and last log time that are not apart from a disagreement."""
        config: ConsensusConfig = self.config
        return (
            disagreement.first_ns - round(config.pre_s * NS_PER_S),
            disagreement.last_ns + round(config.post_s * NS_PER_S),
        )

    def _write_if_room(self, kept: Kept) -> None:
        size = len(kept.message.cdr)
        if self._keeping.bytes.has_room(size, kept.time_ns):
            self._keeping.bytes.spend(size, kept.time_ns)
            self._write([kept])

    def _write(self, some: Sequence[Kept]) -> None:
        """Write messages of one topic."""
        arrivals = self._admission.admit(together([each.message for each in some]))
        if not len(arrivals):
            return
        stats = self._stats[arrivals.key]
        stats.skipped -= len(arrivals)
        if self.error is not None:
            stats.dropped += len(arrivals)
            return
        for each in some:
            each.is_written = True
        try:
            self._put(arrivals)
        except Exception as error:  # noqa: BLE001 - a full disk: judging goes on
            self._fail(error)
            self.dx.error(f'recording stops: {error}')


def _kept_ns(config: ConsensusConfig) -> int:
    """Return for how long a message may still turn out to be part of a window."""
    least_s = config.pre_s
    if config.record_mode == 'matches':
        least_s = max(least_s, config.hysteresis_s)
    return round((least_s + 2.0 * config.limit_s + 0.1) * NS_PER_S)
