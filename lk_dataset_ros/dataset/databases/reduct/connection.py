"""A synchronous connection to one bucket: reduct-py's event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lk_dataset_ros.dataset.databases.reduct.records import Pending, Record
from lk_dataset_ros.errors import BagNotFoundError, ServerError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from lk_dataset_ros.dataset.databases.reduct.names import Place

#: The first API with attachments, where the topics are kept.
OLDEST_API = (1, 19)

_T = TypeVar('_T')
_CONFLICT = 409
_MAX_ANSWER_BYTES = 1 << 30
_META = '/$meta'


@dataclass(frozen=True, slots=True)
class EntryStats:
    """What the server says of an entry.

    Attributes:
        count: Records.
        oldest_us: Time of the first.
        latest_us: Time of the last.
    """

    count: int
    oldest_us: int
    latest_us: int


class Connection:
    """Requests to one bucket, each bounded in time.

    Args:
        place: The server and the bucket.
        timeout_s: Seconds of silence after which a server counts as gone.
        verify_tls: Check the server's certificate.

    Raises:
        ExtraMissingError: If reduct-py is not installed.
    """

    def __init__(self, place: Place, *, timeout_s: float, verify_tls: bool = True) -> None:
        self._reduct = require('reduct', 'reductstore', 'a dataset in ReductStore')
        self._aiohttp = require('aiohttp', 'reductstore', 'a dataset in ReductStore')
        self._place = place
        self._timeout_s = timeout_s
        self._verify_tls = verify_tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name='lk-reductstore', daemon=True)
        self._thread.start()
        self._session: Any = None
        try:
            self._session, self._client, self._bucket = self._run(self._connect())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection and its thread; closing twice is no error."""
        if self._loop.is_closed():
            return
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open_bucket(self, *, create: bool) -> None:
        """Check that the bucket is there and the server is one that will do.

        Raises:
            BagNotFoundError: If there is no such bucket and it is not to be made.
            ServerError: If the server is not there, too old, or refuses the token.
        """
        try:
            self._run(self._client.get_bucket(self._place.bucket))
        except BagNotFoundError:
            if not create:
                raise
            self._run(self._client.create_bucket(self._place.bucket, exist_ok=True))
        version = self._client._http.api_version  # noqa: SLF001 - not told in public
        if version is None:
            raise ServerError(f'{self._place.url} answers, but not as a ReductStore server does')
        if version < OLDEST_API:
            found, wanted = ('.'.join(map(str, each)) for each in (version, OLDEST_API))
            raise ServerError(
                f'{self._place.url} is ReductStore {found}; {wanted} or newer will do'
            )

    def stats(self) -> dict[str, EntryStats]:
        """Return the entries of the bucket."""
        return {
            entry.name: EntryStats(entry.record_count, entry.oldest_record, entry.latest_record)
            for entry in self._run(self._bucket.get_entry_list())
        }

    def write(self, batch: Sequence[Pending]) -> dict[tuple[str, int], str | None]:
        """Hand over records in one request; each has an `(entry, slot)` of its own.

        Returns:
            What was not stored: the server's words, or None where the slot is taken.
        """
        request = self._reduct.RecordBatch()
        for each in batch:
            request.add(each.entry, each.slot_us, each.message.cdr, labels=each.labels)
        return {
            (entry, slot_us): None if error.status_code == _CONFLICT else _line(error)
            for entry, errors in self._run(self._bucket.write_record_batch(request)).items()
            for slot_us, error in errors.items()
        }

    def write_attachment(self, entry: str, name: str, content: bytes) -> None:
        """Store an attachment of an entry; it takes the place of one of the same name."""
        slot_us = time.time_ns() // 1000
        while True:
            # Not reduct-py's write_attachments: it gives several of them the same time.
            request = self._reduct.RecordBatch()
            request.add(
                entry + _META,
                slot_us,
                content,
                content_type='application/json',
                labels={'key': name},
            )
            errors = self._run(self._bucket.write_record_batch(request))
            failed = [error for each in errors.values() for error in each.values()]
            if not failed:
                return
            if failed[0].status_code != _CONFLICT:
                raise ServerError(f'{self._place!r}: {failed[0].message}')
            slot_us += 1

    def attachments(self, entry: str) -> dict[str, bytes]:
        """Return an entry's attachments by name."""
        found = self._run(self._query(entry + _META, {}))
        return {record.labels.get('key', ''): record.content for record in found}

    def page(
        self, entry: str, start_us: int, stop_us: int, *, head: bool, limit: int
    ) -> list[Record]:
        """Return the first records of a span of time, in order of their time.

        Args:
            entry: Name of the entry.
            start_us: First time.
            stop_us: First time that is left out.
            head: Leave out the contents.
            limit: Most records.
        """
        # One entry per query: the server sends several entry by entry, reduct-py 1.21 takes
        # them by time, and the contents would go to the wrong records.
        options = {'start': start_us, 'stop': stop_us, 'head': head, 'when': {'$limit': limit}}
        return self._run(self._query(entry, options))

    async def _connect(self) -> tuple[Any, Any, Any]:
        timeout = self._aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout_s, sock_read=self._timeout_s
        )
        session = self._aiohttp.ClientSession(
            timeout=timeout, connector=self._aiohttp.TCPConnector(ssl=self._verify_tls)
        )
        client = self._reduct.Client(
            self._place.url, self._place.token or None, session=_CheckedSession(session)
        )
        return session, client, self._reduct.Bucket(self._place.bucket, client._http)  # noqa: SLF001

    async def _query(self, entry: str, options: dict[str, Any]) -> list[Record]:
        found = []
        async for record in self._bucket.query(entry, ttl=max(1, int(self._timeout_s)), **options):
            content = b'' if options.get('head') else await record.read_all()
            found.append(Record(record.timestamp, record.size, record.labels, content))
        return found

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something in the loop's thread; whatever goes wrong there becomes a ServerError."""
        if self._loop.is_closed():
            work.close()
            raise ServerError(f'the connection to {self._place.url} is closed')
        # Silence is limited by the session; this limits a server that never comes to an end.
        patience_s = 30 * self._timeout_s
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, patience_s), self._loop)
        try:
            return future.result()
        except self._reduct.ReductError as error:
            raise self._told(error) from error
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise ServerError(
                f'{self._place.url} does not answer within {self._timeout_s:g} s'
            ) from error
        except (
            self._aiohttp.ClientError,
            OSError,
            ValueError,
            LookupError,
            TypeError,
        ) as error:
            raise ServerError(
                f'{self._place.url} does not answer as a ReductStore server does: {_line(error)}'
            ) from error
        finally:
            future.cancel()

    def _told(self, error: Any) -> Exception:
        place, status, text = self._place, error.status_code, _line(error.message)
        if status < 0:
            return ServerError(f'there is no ReductStore server at {place.url}: {text}')
        if status in {401, 403}:
            return ServerError(
                f'{place.url} refuses the token for bucket {place.bucket}: {text}; '
                'give the right one as token= or reductstore://TOKEN@host:port/bucket'
            )
        if status == 404 and 'ucket' in text:
            return BagNotFoundError(f'there is no bucket {place.bucket} at {place.url}')
        return ServerError(f'{place.url} refuses (status {status}): {text}')


class _CheckedSession:
    """An aiohttp session that looks at an answer before reduct-py does.

    reduct-py reads for ever where an answer has fewer bytes than its records are said to have.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    @asynccontextmanager
    async def request(self, method: str, url: str, **options: Any) -> AsyncIterator[Any]:
        del options['verify_ssl']  # deprecated in aiohttp; the connector has it
        async with self._session.request(method, url, **options) as response:
            length = int(response.headers.get('content-length', -1))
            if length > _MAX_ANSWER_BYTES:
                raise ValueError(f'an answer of {length} bytes')
            sizes = [
                int(value.split(',', 1)[0])
                for name, value in response.headers.items()
                if (parts := name.lower().split('-'))[:2] == ['x', 'reduct']
                and len(parts) == 4
                and parts[2].isdecimal()
                and parts[3].isdecimal()
            ]
            if method == 'GET' and sizes and (sum(sizes) != length or min(sizes) < 0):
                raise ValueError(f'its records have {sum(sizes)} bytes, the answer has {length}')
            yield response


def _line(error: object) -> str:
    return ' '.join(str(error).split())[:300] or type(error).__name__
