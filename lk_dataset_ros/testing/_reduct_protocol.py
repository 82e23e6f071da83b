"""The batch protocol v2 of ReductStore, as the server speaks it.

Written from the server's source, `reduct_base/src/batch/v2.rs`, not from a client's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD_HEADER = re.compile(r'x-reduct-(\d+)-(\d+)')


@dataclass(slots=True)
class StoredRecord:
    """A record of the fake.

    Attributes:
        content: Its bytes.
        content_type: What they are.
        labels: Its labels.
    """

    content: bytes
    content_type: str = 'application/octet-stream'
    labels: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """What the server says no with.

    Args:
        status: HTTP status.
        message: Why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def headers_of(batch: list[tuple[str, int, StoredRecord]]) -> dict[str, str]:
    """Return the headers that describe a batch, labels as changes to the record before."""
    entries = list(dict.fromkeys(entry for entry, *_ in batch))
    start_us = min(slot_us for _, slot_us, _ in batch)
    names: list[str] = []
    told = {}
    before: dict[str, StoredRecord] = {}
    for entry, slot_us, record in batch:
        last = before.get(entry)
        old = last.labels if last else {}
        changes = []
        for name in sorted({*old, *record.labels}):
            value = record.labels.get(name, '')
            if old.get(name, '') != value:
                if name not in names:
                    names.append(name)
                shown = f'"{value}"' if ',' in value else value
                changes.append((names.index(name), shown))
        kind = '' if last and last.content_type == record.content_type else record.content_type
        parts = [str(len(record.content))]
        if kind or changes:
            parts.append(kind)
        if changes:
            parts.append(','.join(f'{index}={value}' for index, value in sorted(changes)))
        told[f'x-reduct-{entries.index(entry)}-{slot_us - start_us}'] = ','.join(parts)
        before[entry] = record
    told['x-reduct-entries'] = ','.join(each.replace('/', '%2F') for each in entries)
    told['x-reduct-start-ts'] = str(start_us)
    if names:
        told['x-reduct-labels'] = ','.join(names)
    return told


def batch_of(headers: dict[str, str]) -> Iterator[tuple[str, str, int, StoredRecord, int]]:
    """Yield `(suffix, entry, microsecond, record, size)` in the order of the contents."""
    listed = headers.get('x-reduct-entries', '')
    if not listed or 'x-reduct-start-ts' not in headers:
        raise ApiError(422, 'x-reduct-entries header is required')
    entries = [unquote(entry) for entry in listed.split(',')]
    names = [unquote(name) for name in headers.get('x-reduct-labels', '').split(',')]
    found = [(_RECORD_HEADER.fullmatch(name), value) for name, value in headers.items()]
    ordered = sorted((int(at[1]), int(at[2]), value) for at, value in found if at)
    before: dict[int, StoredRecord] = {}
    for index, delta_us, value in ordered:
        if index >= len(entries):
            raise ApiError(422, f"Invalid header 'x-reduct-{index}-{delta_us}'")
        size, _, rest = value.partition(',')
        kind, _, changes = rest.partition(',')
        last = before.get(index, StoredRecord(b''))
        labels = dict(last.labels)
        for change in re.findall(r'(\d+=(?:"[^"]*"|[^,]*))', changes):
            number, _, text = change.partition('=')
            labels[names[int(number)]] = text.strip('"')
        record = StoredRecord(
            b'', kind or last.content_type, {k: v for k, v in labels.items() if v}
        )
        before[index] = record
        slot_us = int(headers['x-reduct-start-ts']) + delta_us
        yield f'{index}-{delta_us}', entries[index], slot_us, record, int(size)
