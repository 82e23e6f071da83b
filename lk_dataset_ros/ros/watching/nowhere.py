"""A database that keeps nothing, for who only watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset import Database, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lk_dataset_ros.dataset import SerializedMessage
    from lk_dataset_ros.message import Schema


class Nowhere(Database):
    """Takes every message and keeps none."""

    can_read = False

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    def topics(self) -> dict[str, Topic]:
        """Return the topics; none has messages."""
        return self._topics

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Take note of a topic, which may change its type: nothing of it is kept."""
        self._topics[key] = Topic(key, schema, qos)

    def write_serialized(self, key: str, *args: Any, **kwargs: Any) -> None:
        """Keep nothing."""

    def write_batch(self, key: str, *args: Any, **kwargs: Any) -> None:
        """Keep nothing."""

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield nothing."""
        del keys, start_ns, stop_ns
        return iter(())
