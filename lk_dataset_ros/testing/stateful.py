"""A database against the memory database: any calls in any order, the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lk_dataset_ros.dataset import Database, MemoryDatabase, SerializedMessage
from lk_dataset_ros.errors import KeyNotFoundError, MessageTypeError
from lk_dataset_ros.message import Schema

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = ('/a', '/b', '/b/c')
TYPES = (Schema('p/msg/A', 'uint8 x\n'), Schema('p/msg/B', 'string s\n'))
_TIMES = st.one_of(st.integers(0, 12), st.integers(0, 2**63 - 1))


def run_against_memory(
    make: Callable[[], Database],
    reopen: Callable[[Database], Database],
    *,
    examples: int = 15,
    steps: int = 20,
) -> None:
    """Call a database and the memory database alike, at random; they must not differ.

    Args:
        make: Makes an empty database that can be written.
        reopen: Returns a database for reading what a closed, persistent one has stored.
        examples: How many sequences of calls.
        steps: How many calls in each.
    """

    class Machine(_Machine):
        def open(self) -> Database:
            return make()

        def open_again(self, database: Database) -> Database:
            return reopen(database)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class _Machine(RuleBasedStateMachine):
    """The calls; a database that cannot be read yet is compared at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MemoryDatabase()
        self.database = self.open()

    def open(self) -> Database:
        """Make the database."""
        raise NotImplementedError

    def open_again(self, database: Database) -> Database:
        """Reopen the database."""
        raise NotImplementedError

    def can_read(self) -> bool:
        """Tell whether the database can be read now."""
        return self.database.can_read

    def can_write(self) -> bool:
        """Tell whether the database can be written now."""
        return self.database.can_write

    @precondition(can_write)
    @rule(key=st.sampled_from(KEYS), schema=st.sampled_from(TYPES))
    def declare(self, key: str, schema: Schema) -> None:
        """Announce a key, perhaps with another type than it has."""
        outcomes = [
            _outcome(lambda each=each: each.declare(key, schema))  # type: ignore[misc]
            for each in (self.model, self.database)
        ]
        assert outcomes[0] == outcomes[1]

    @precondition(can_write)
    @rule(
        key=st.sampled_from(KEYS),
        cdr=st.binary(max_size=12),
        time_ns=_TIMES,
        sent_ns=st.none() | _TIMES,
        sequence=st.integers(0, 2**32 - 1),
    )
    def write(
        self, key: str, cdr: bytes, time_ns: int, sent_ns: int | None, sequence: int
    ) -> None:
        """Write, in order of time or not, perhaps to a key that is not declared."""
        outcomes = [
            _outcome(
                lambda each=each: each.write_serialized(  # type: ignore[misc]
                    key, cdr, time_ns, sent_ns, sequence
                )
            )
            for each in (self.model, self.database)
        ]
        assert outcomes[0] == outcomes[1]

    @rule()
    def flush(self) -> None:
        """Hand over what was written."""
        self.database.flush()

    @precondition(can_read)
    @rule(keys=st.none() | st.sets(st.sampled_from(KEYS)), first=_TIMES, length=_TIMES)
    def read_a_span(self, keys: set[str] | None, first: int, length: int) -> None:
        """Read some keys within a span of time."""
        chosen = None if keys is None else sorted(keys & set(self.model.keys()))
        self.compare(chosen, first, min(first + length, 2**63 - 1))

    @precondition(lambda self: self.database.is_persistent)
    @rule()
    def reopen(self) -> None:
        """Close and open again."""
        self.database.close()
        self.database = self.open_again(self.database)

    @invariant()
    def counts_are_equal(self) -> None:
        """Compare what is known of the keys."""
        found = {key: (topic.schema, topic.count) for key, topic in self.database.topics().items()}
        assert found == {
            key: (topic.schema, topic.count) for key, topic in self.model.topics().items()
        }

    def compare(
        self,
        keys: list[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> None:
        """Compare messages; those of one time in order of writing within each key."""
        found, wanted = (
            list(each.iterate_serialized(keys, start_ns, stop_ns))
            for each in (self.database, self.model)
        )
        times = [each.log_time_ns for each in found]
        assert times == sorted(times)
        for key in KEYS:
            assert _of(key, found) == _of(key, wanted)

    def teardown(self) -> None:
        """Compare everything, reopened where that is possible."""
        self.database.flush()
        if self.database.is_persistent:
            self.reopen()
        if self.database.can_read:
            self.compare()
            assert self.database.time_range_ns() == self.model.time_range_ns()
        self.database.close()


def _outcome(call: Callable[[], object]) -> type[Exception] | None:
    try:
        call()
    except (KeyNotFoundError, MessageTypeError) as error:
        return type(error)
    return None


def _of(key: str, messages: list[SerializedMessage]) -> list[tuple[object, ...]]:
    return [
        (bytes(each.cdr), each.log_time_ns, each.publish_time_ns, each.sequence)
        for each in messages
        if each.key == key
    ]
