"""A ReductStore server in the test's own process, for the calls that reduct-py makes.

It speaks the HTTP API 1.21 of buckets and of batched records (protocol v2), from the server's
source (`reductstore/src/api/http`, `reduct_base/src/batch/v2.rs`): entries' names, one record per
microsecond and entry, attachments that replace one another, batches of at most 85 records and 100
header fields, queries that expire, `$limit`. It keeps everything in memory.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lk_dataset_ros.testing._reduct_protocol import ApiError, StoredRecord, batch_of, headers_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

_ENTRY = re.compile(r'[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*(/\$meta)?|\$meta')
_NAME = re.compile(r'[A-Za-z0-9_-]*')
_META = '$meta'


@dataclass(slots=True)
class _Query:
    bucket: str
    records: list[tuple[str, int, StoredRecord]]
    ttl_s: float
    last_use: float


class FakeReductStore:
    """A server at `url`, started at once and ended by `close` or the end of a `with`.

    Args:
        token: The token that requests must show; none is asked for when empty.
        api: Version that it says it has.
        max_records: Most records of a batch that is read.
        max_bytes: Bytes after which a batch that is read is full.
        clock: Seconds, by which queries expire.

    Attributes:
        buckets: Records by bucket, entry and microsecond.
        requests: `METHOD /path` of each request so far.
        refuse: Called with entry and microsecond of each record that is written; what it returns
            is the error `(status, message)` of that record.
        before: Called with method and path before each request; what it returns is done instead:
            `drop` closes the connection, `done` does the work, then closes it, `silent` answers
            only when the server is closed, `short` sends half of the content, `less` says so too.
    """

    def __init__(
        self,
        token: str = '',
        *,
        api: str = '1.21',
        max_records: int = 85,
        max_bytes: int = 8_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token = token
        self.api = api
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.buckets: dict[str, dict[str, dict[int, StoredRecord]]] = {}
        self.requests: list[str] = []
        self.refuse: Callable[[str, int], tuple[int, str] | None] = lambda *_: None
        self.before: Callable[[str, str], str | None] = lambda *_: None
        self.closing = threading.Event()
        self._clock = clock
        self._queries: dict[int, _Query] = {}
        self.connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f'http://127.0.0.1:{self._server.server_address[1]}'

    def close(self) -> None:
        """Stop listening and cut all connections; closing twice is no error."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and content of the answer to a request."""
        try:
            with self._lock:
                self._check_token(headers.get('authorization', ''))
                status, told, content = self._route(method, path, headers, body)
        except ApiError as error:
            told = {'x-reduct-error': str(error), 'content-type': 'application/json'}
            status, content = error.status, json.dumps({'detail': str(error)}).encode()
        return status, {'x-reduct-api': self.api, **told}, b'' if status == 204 else content

    def _check_token(self, shown: str) -> None:
        if self.token and not shown.startswith('Bearer '):
            raise ApiError(401, 'No bearer token in request header')
        if self.token and shown != f'Bearer {self.token}':
            raise ApiError(401, 'Invalid token')

    def _route(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        match [method, *path.removeprefix('/api/v1/').split('/')]:
            case ['GET', 'list']:
                listed = [self._info(name)['info'] for name in self.buckets]
                return _json({'buckets': listed})
            case ['GET', 'b', name]:
                self._bucket(name)
                return _json(self._info(name))
            case ['POST', 'b', name]:
                self._create(name)
                return 200, {}, b''
            case ['DELETE', 'b', name]:
                self._bucket(name)
                del self.buckets[name]
                return 200, {}, b''
            case ['POST', 'io', name, 'write']:
                return 200, self._write(self._bucket(name), headers, body), b''
            case ['POST', 'io', name, 'q']:
                return _json({'id': self._query(name, json.loads(body))})
            case ['GET' | 'HEAD', 'io', name, 'read']:
                return self._read(name, headers, head=method == 'HEAD')
        raise ApiError(404, f'Not found: {method} {path}')

    def _bucket(self, name: str) -> dict[str, dict[int, StoredRecord]]:
        if name not in self.buckets:
            raise ApiError(404, f"Bucket '{name}' is not found")
        return self.buckets[name]

    def _create(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ApiError(
                422, 'Bucket or entry name can contain only letters, digests and [-,_] symbols'
            )
        if name in self.buckets:
            raise ApiError(409, f"Bucket '{name}' already exists")
        self.buckets[name] = {}

    def _info(self, name: str) -> dict[str, Any]:
        entries: list[dict[str, Any]] = [
            {
                'name': entry,
                'size': sum(len(each.content) for each in records.values()),
                'record_count': len(records),
                'block_count': 1,
                'oldest_record': min(records, default=0),
                'latest_record': max(records, default=0),
                'status': 'READY',
            }
            for entry, records in sorted(self.buckets[name].items())
            if not entry.endswith(_META)
        ]
        filled = [each for each in entries if each['record_count']]
        info = {
            'name': name,
            'entry_count': len(entries),
            'size': sum(each['size'] for each in entries),
            'oldest_record': min((each['oldest_record'] for each in filled), default=0),
            'latest_record': max((each['latest_record'] for each in filled), default=0),
            'is_provisioned': False,
            'status': 'READY',
        }
        settings = {'quota_type': 'NONE', 'quota_size': 0, 'max_block_size': 64_000_000}
        return {'info': info, 'settings': settings, 'entries': entries}

    def _write(
        self, bucket: dict[str, dict[int, StoredRecord]], headers: dict[str, str], body: bytes
    ) -> dict[str, str]:
        batch = list(batch_of(headers))
        if sum(size for *_, size in batch) != int(headers.get('content-length', -1)):
            raise ApiError(
                422,
                'content-length header does not match the sum of the content-lengths in the headers',
            )
        told = {name: headers[name] for name in ('x-reduct-entries', 'x-reduct-start-ts')}
        at = 0
        for suffix, entry, slot_us, record, size in batch:
            record.content = body[at : at + size]
            at += size
            error = self.refuse(entry, slot_us) or self._store(bucket, entry, slot_us, record)
            if error is not None:
                told[f'x-reduct-error-{suffix}'] = f'{error[0]},{error[1]}'
        return told

    def _store(
        self,
        bucket: dict[str, dict[int, StoredRecord]],
        entry: str,
        slot_us: int,
        record: StoredRecord,
    ) -> tuple[int, str] | None:
        if not _ENTRY.fullmatch(entry):
            return 422, 'Entry name can contain only letters, digits and [-,_,/] symbols'
        parts = entry.split('/')
        for count in range(1, len(parts) + 1):
            bucket.setdefault('/'.join(parts[:count]), {})
        records = bucket[entry]
        if parts[-1] == _META:
            name = record.labels.get('key')
            if name is None:
                return 422, f"System entry '{entry}' records must contain label 'key'"
            for each in [at for at, old in records.items() if old.labels['key'] == name]:
                del records[each]
        if slot_us in records:
            return 409, f'A record with timestamp {slot_us} already exists'
        records[slot_us] = record
        return None

    def _query(self, name: str, asked: dict[str, Any]) -> int:
        bucket = self._bucket(name)
        if asked['query_type'] != 'QUERY' or asked.get('continuous') or asked.get('ext'):
            raise ApiError(422, 'the fake knows plain queries only')
        when = asked.get('when') or {}
        if set(when) - {'$limit'}:
            raise ApiError(422, f'the fake knows no condition but $limit: {when}')
        start, stop = asked.get('start') or 0, asked.get('stop')
        found = sorted(
            (slot_us, entry, record)
            for entry in asked['entries']
            for slot_us, record in bucket.get(entry, {}).items()
            if slot_us >= start and (stop is None or slot_us < stop)
        )
        chosen = [(entry, slot_us, record) for slot_us, entry, record in found]
        number = len(self._queries) + 1
        ttl_s = asked.get('ttl') or 60
        limit = when.get('$limit', len(chosen))
        self._queries[number] = _Query(name, chosen[:limit], ttl_s, self._clock())
        return number

    def _read(
        self, name: str, headers: dict[str, str], *, head: bool
    ) -> tuple[int, dict[str, str], bytes]:
        shown = headers.get('x-reduct-query-id', '')
        if not shown.isdecimal():
            raise ApiError(422, 'Invalid query id')
        number = int(shown)
        query = self._queries.get(number)
        if query is None or query.bucket != name or self._clock() - query.last_use >= query.ttl_s:
            raise ApiError(
                404,
                f'Query {number} not found and it might have expired. '
                'Check TTL in your query request.',
            )
        query.last_use = self._clock()
        batch: list[tuple[str, int, StoredRecord]] = []
        size = 0
        while query.records and len(batch) < self.max_records and (head or size <= self.max_bytes):
            batch.append(query.records.pop(0))
            size += len(batch[-1][2].content)
        if not batch:
            raise ApiError(204, 'No content')
        first = {entry: slot_us for entry, slot_us, _ in reversed(batch)}
        batch.sort(key=lambda item: (first[item[0]], item[0], item[1]))  # as the server does
        is_full = len(batch) == self.max_records or (not head and size > self.max_bytes)
        told = headers_of(batch)
        told['x-reduct-last'] = str(not query.records and not is_full).lower()
        told['content-length'] = str(size)
        return 200, told, b'' if head else b''.join(each.content for *_, each in batch)


def _json(told: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return 200, {'content-type': 'application/json'}, json.dumps(told).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fake: FakeReductStore) -> None:
        self.fake = fake
        super().__init__(('127.0.0.1', 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = 'HTTP/1.1'
    server_version = 'ReductStore 1.21.0 (fake)'
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.fake.connections.add(self.connection)

    def finish(self) -> None:
        self.server.fake.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def serve(self) -> None:
        fake, path = self.server.fake, urlsplit(self.path).path
        fake.requests.append(f'{self.command} {path}')
        body = self.rfile.read(int(self.headers.get('content-length', 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = fake.before(self.command, path)
        self.close_connection = self.close_connection or fault is not None
        if fault == 'silent':
            fake.closing.wait()
        if fault in {'silent', 'drop'}:
            return
        status, told, content = fake.answer(self.command, path, headers, body)
        if fault == 'done':
            return
        told.setdefault('content-length', str(len(content)))
        if fault in {'short', 'less'}:
            content = content[: len(content) // 2]
        if fault == 'less':
            told['content-length'] = str(len(content))
        self.send_response(status)
        for name, value in told.items():
            if status != 204 or name != 'content-length':
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_DELETE = serve  # noqa: N815
