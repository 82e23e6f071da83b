"""A live view: whatever is written is shown by Foxglove, over its WebSocket protocol."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases._foxglove_latched import Latch, latched_depth
from lk_dataset_ros.dataset.records import Topic
from lk_dataset_ros.errors import (
    BagTimeError,
    CapabilityError,
    KeyNotFoundError,
    MessageTypeError,
    ServerError,
)
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lk_dataset_ros.dataset.records import SerializedMessage
    from lk_dataset_ros.message import Schema

_SHAPE = 'foxglove://host[:port]'
_DEFAULT_PORT = 8765
_END_NS = 2**64
#: Viewers are told the time when it has changed by as much.
_TIME_STEP_NS = 10_000_000


@dataclass(slots=True)
class _Shown:
    """A topic that is shown: its channel in the SDK, its count, what is kept for late viewers."""

    schema: Schema
    qos: str
    channel: Any
    latch: Latch | None
    count: int = 0


class FoxgloveDatabase(Database):
    """A WebSocket server that Foxglove connects to; it keeps nothing and cannot be read.

        with FoxgloveDatabase() as live:
            Dataset(McapDatabase(path), live).write('/odom', message)

    Every key is a channel with its definition; messages carry their log time, and the newest log
    time is the viewers' clock. A viewer that falls behind loses the oldest messages waiting for
    it. Messages of latched topics (`transient_local` in the QoS) are shown again when a viewer
    subscribes to them; the SDK cannot address a single viewer, so others see them again, too.

    Args:
        host: Address to listen at; `0.0.0.0` lets other machines in.
        port: Port to listen at; 0 takes a free one, which `port` then tells.
        title: What viewers call this server.
        backlog: Messages that may wait for one viewer.

    Raises:
        ServerError: If the address cannot be listened at.
        ExtraMissingError: If foxglove-sdk is not installed.
    """

    kind = 'foxglove'
    can_read = False
    is_live = True

    def __init__(
        self,
        host: str = '127.0.0.1',
        port: int = _DEFAULT_PORT,
        *,
        title: str = 'lk_dataset_ros',
        backlog: int = 1024,
    ) -> None:
        if not 0 <= port < 2**16:
            raise ServerError(f'{port} is no port; 0 (any free one) to 65535 are')
        if not 0 < backlog < 2**31:
            raise ServerError(f'a backlog of {backlog} messages is none; 1 and more are')
        sdk = require('foxglove', 'foxglove', 'a live view')
        capability = require('foxglove.websocket', 'foxglove', 'a live view').Capability
        self._sdk = sdk
        self._host = host
        self._shown: dict[str, _Shown] = {}
        self._time_ns: int | None = None
        # Held while a message is logged and kept: no late viewer gets an older one after it.
        self._lock = threading.Lock()
        self._context = sdk.Context()
        try:
            self._server: Any = sdk.start_server(
                name=title,
                host=host,
                port=port,
                capabilities=[capability.Time],
                server_listener=_Listener(self._show_again),
                supported_encodings=['cdr'],
                context=self._context,
                message_backlog_size=backlog,
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = ' '.join(str(error).removeprefix('FoxgloveError: ').split())
            raise ServerError(
                f'cannot listen at {host}:{port}: {reason}; give another port, 0 takes a free one'
            ) from error
        self.port = int(self._server.port)

    @classmethod
    def recognises(cls, location: str) -> bool:
        """Tell whether a location is a URL `foxglove://`."""
        return location.startswith('foxglove://')

    @classmethod
    def open(cls, location: str, mode: Literal['r', 'w'], **options: Any) -> FoxgloveDatabase:
        """Open `foxglove://host[:port]`, for writing only; options are the constructor's."""
        if mode == 'r':
            raise CapabilityError(f'{location} is a live view, it cannot be read, only written')
        try:
            parts = urlsplit(location)
            port = _DEFAULT_PORT if parts.port is None else parts.port
        except ValueError as error:
            raise ServerError(f'{location!r} is no live view ({error}): {_SHAPE}') from error
        extra = parts.path.strip('/') or parts.query or parts.fragment or parts.username
        if parts.scheme != 'foxglove' or not parts.hostname or extra:
            raise ServerError(f'{location!r} is no live view: {_SHAPE}')
        return cls(parts.hostname, port, **options)

    @property
    def name(self) -> str:
        """Where viewers connect to."""
        host = f'[{self._host}]' if ':' in self._host else self._host
        return f'ws://{host}:{self.port}'

    @property
    def can_write(self) -> bool:  # type: ignore[override]
        """It shows what is written until it is closed."""
        return self._server is not None

    @property
    def app_url(self) -> str:
        """Address that opens the view in Foxglove's web application, empty once closed."""
        return '' if self._server is None else str(self._server.app_url() or '')

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name, with the number of messages shown."""
        return {
            key: Topic(key, shown.schema, shown.qos, shown.count)
            for key, shown in self._shown.items()
        }

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type to the viewers."""
        self.check_writable()
        known = self._shown.get(key)
        if known is not None:
            if known.schema.name != schema.name:
                raise MessageTypeError(
                    f'{key} is {known.schema.name}, it cannot take {schema.name}'
                )
            return
        definition = self._sdk.Schema(
            name=schema.name, encoding=schema.encoding, data=schema.text.encode()
        )
        told = {'offered_qos_profiles': qos, 'topic_type_hash': schema.type_hash}
        channel = self._sdk.Channel(
            key,
            schema=definition,
            message_encoding='cdr',
            context=self._context,
            metadata={name: text for name, text in told.items() if text},
        )
        depth = latched_depth(qos)
        self._shown[key] = _Shown(schema, qos, channel, Latch(depth) if depth else None)

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Show a serialized message of a declared key; only its log time is shown with it."""
        del publish_time_ns, sequence
        self.check_writable()
        shown = self._shown.get(key)
        if shown is None:
            raise KeyNotFoundError(f'{key} was not declared')
        if not 0 <= log_time_ns < _END_NS:
            raise BagTimeError(f'{log_time_ns} ns is no log time; 0 to 2^64 - 1 can be shown')
        message = bytes(cdr)
        with self._lock:
            shown.channel.log(message, log_time=log_time_ns)
            if shown.latch is not None:
                shown.latch.add(message, log_time_ns)
            shown.count += 1
            if self._time_ns is None or abs(log_time_ns - self._time_ns) >= _TIME_STEP_NS:
                self._time_ns = log_time_ns
                self._server.broadcast_time(log_time_ns)

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Refuse: nothing is kept."""
        del keys, start_ns, stop_ns
        self.check_readable()
        return iter(())

    def close(self) -> None:
        """Stop serving; viewers are disconnected."""
        server, self._server = self._server, None
        if server is None:
            return
        for shown in self._shown.values():
            shown.channel.close()
        server.stop()

    def _show_again(self, key: str) -> None:
        """Log the kept messages of a topic once more, for a viewer that has just subscribed."""
        shown, server = self._shown.get(key), self._server
        if shown is None or shown.latch is None or server is None:
            return
        with self._lock:
            if self._time_ns is not None:
                server.broadcast_time(self._time_ns)
            for message, log_time_ns in shown.latch.messages():
                shown.channel.log(message, log_time=log_time_ns)


class _Listener:
    """What the SDK calls, from threads of its own; the other callbacks need a capability."""

    def __init__(self, show_again: Any) -> None:
        self._show_again = show_again

    def on_subscribe(self, client: Any, channel: Any) -> None:
        """Show what is latched."""
        del client
        self._show_again(channel.topic)

    def on_unsubscribe(self, client: Any, channel: Any) -> None:
        """Do nothing."""
