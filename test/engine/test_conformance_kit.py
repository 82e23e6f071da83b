"""The public kit: the conformance suite notices broken databases, the clock keeps its word."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings

from lk_dataset_ros.dataset import MemoryDatabase, PickleDatabase, Topic
from lk_dataset_ros.errors import CapabilityError
from lk_dataset_ros.testing import DatabaseConformance, FakeClock
from lk_dataset_ros.testing.conformance import Folders

if TYPE_CHECKING:
    from collections.abc import Iterator


class Rounding(MemoryDatabase):
    """Keeps microseconds only."""

    def write_serialized(self, key: str, cdr: bytes, log_time_ns: int, *rest: Any) -> None:
        super().write_serialized(key, cdr, log_time_ns // 1000 * 1000, *rest)


class Unsorted(MemoryDatabase):
    """Reads in order of writing."""

    def iterate_serialized(self, *args: Any, **kwargs: Any) -> Any:
        found = list(super().iterate_serialized(*args, **kwargs))
        written = self._everything.written
        return iter(sorted(found, key=written.index))


class Inclusive(MemoryDatabase):
    """Includes the end of a span."""

    def iterate_serialized(
        self, keys: Any = None, start_ns: Any = None, stop_ns: Any = None
    ) -> Any:
        stop_ns = None if stop_ns is None else stop_ns + 1
        return super().iterate_serialized(keys, start_ns, stop_ns)


class Colliding(MemoryDatabase):
    """Makes file names of keys that are not unique."""

    def declare(self, key: str, *rest: Any) -> None:
        super().declare(key.replace('/', '_'), *rest)

    def write_serialized(self, key: str, *rest: Any) -> None:
        super().write_serialized(key.replace('/', '_'), *rest)


class Undeclared(MemoryDatabase):
    """Takes messages of keys that were not declared."""

    def write_serialized(self, key: str, *rest: Any) -> None:
        if key in self.keys():
            super().write_serialized(key, *rest)


class Retyping(MemoryDatabase):
    """Lets a key change its type."""

    def declare(self, key: str, schema: Any, qos: str = '') -> None:
        super().declare(key, self._topics.get(key, (schema, qos))[0], qos)


class Miscounting(MemoryDatabase):
    """Counts wrong."""

    def topics(self) -> dict[str, Topic]:
        return {
            key: dataclasses.replace(topic, count=topic.count // 2 * 2)
            for key, topic in super().topics().items()
        }


class Greedy(MemoryDatabase):
    """Recognises everything."""

    @classmethod
    def recognises(cls, location: str) -> bool:
        return True


class Forgetful(PickleDatabase):
    """Loses QoS, sequence or publish time when it is stored."""

    def write_serialized(self, key: str, cdr: bytes, log_time_ns: int, *_: Any) -> None:
        super().write_serialized(key, cdr, log_time_ns)


class Unstored(PickleDatabase):
    """Stores at the first flush only."""

    def close(self) -> None:
        if not self._is_stored:
            super().close()


class Silent(MemoryDatabase):
    """Says that it cannot be read, and returns nothing instead of refusing."""

    can_read = False
    is_live = True

    def iterate_serialized(self, *args: Any, **kwargs: Any) -> Any:
        return iter(())


class Live(MemoryDatabase):
    """A sound database that can only be written."""

    can_read = False
    is_live = True

    def iterate_serialized(self, *args: Any, **kwargs: Any) -> Any:
        raise CapabilityError('it cannot be read')


@pytest.fixture(autouse=True)
def _no_shrinking() -> Iterator[None]:
    """Stop at the first example that fails: here it is expected, and no use to anybody."""
    # The same examples each time: what is found must not depend on luck.
    settings.register_profile(
        'first', phases=[Phase.generate], report_multiple_bugs=False, derandomize=True
    )
    before = settings.get_current_profile_name()
    settings.load_profile('first')
    yield
    settings.load_profile(before)


def broken_promises(kind: type[Any], folder: Any, *promises: str) -> set[str]:
    """Run tests of the suite, all if none is named; return the names of those that fail."""

    class Suite(DatabaseConformance):
        examples = 40
        steps = 20

        def make(self, folder: Any) -> Any:
            return kind(folder / 'x.pkl', 'w') if issubclass(kind, PickleDatabase) else kind()

        def reopen(self, database: Any) -> Any:
            return kind(database.path)

    broken = set()
    for name in promises or [each for each in dir(Suite) if each.startswith('test_')]:
        arguments = ['nowhere'] if 'recognised' in name else []
        place = folder / name
        place.mkdir()
        try:
            getattr(Suite(), name)(*arguments, folders=Folders(place))
        except pytest.skip.Exception:
            pass
        except (Exception, pytest.fail.Exception):  # noqa: BLE001
            broken.add(name)
    return broken


@pytest.mark.parametrize(
    ('kind', 'promise'),
    [
        (Rounding, 'test_nanoseconds_are_exact'),
        (Rounding, 'test_any_sequence_of_calls'),
        (Unsorted, 'test_everything_given_comes_back'),
        (Unsorted, 'test_any_sequence_of_calls'),
        (Inclusive, 'test_spans_of_time_include_the_start_only'),
        (Colliding, 'test_keys_that_look_alike_are_apart'),
        (Undeclared, 'test_undeclared_keys_are_refused'),
        (Undeclared, 'test_any_sequence_of_calls'),
        (Retyping, 'test_types_are_held_to'),
        (Miscounting, 'test_counts_grow_with_writing'),
        (Greedy, 'test_what_is_not_its_own_is_not_recognised'),
        (Forgetful, 'test_everything_given_comes_back'),
        (Unstored, 'test_what_is_stored_survives'),
        (Silent, 'test_what_it_cannot_do_is_refused'),
    ],
)
def test_the_suite_notices(kind: type[Any], promise: str, tmp_path: Any) -> None:
    """Promise: a database that breaks a promise fails the test of that promise."""
    assert broken_promises(kind, tmp_path, promise) == {promise}


@pytest.mark.parametrize('kind', [MemoryDatabase, PickleDatabase, Live])
def test_the_suite_passes_what_is_sound(kind: type[Any], tmp_path: Any) -> None:
    """Promise: sound databases break none, also one that can only be written."""
    assert broken_promises(kind, tmp_path) == set()


def test_the_clock_moves_when_told() -> None:
    """Promise: time passes by `advance` and `sleep` only, to the nanosecond, never backwards."""
    clock = FakeClock(7)
    assert clock() == clock() == 7
    assert clock.advance(0.1) == 100_000_007
    clock.sleep(1)
    clock.advance(ns=3)
    assert clock() == clock.now_ns == 1_100_000_010
    with pytest.raises(ValueError, match='0 and more'):
        clock.advance(-1)
    assert clock() == 1_100_000_010
