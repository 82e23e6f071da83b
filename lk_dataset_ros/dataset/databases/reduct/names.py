"""Names in ReductStore: where a bucket is, and how a key becomes the name of an entry.

An entry's name consists of letters, digits, `_`, `-` and `/` without empty segments. ROS topic
names have no `-`, so it escapes: `-2D` stands for the byte 0x2D. The leading `/` is implied, and a
key without one lies under `-/`: `/odom` is `odom`, `odom` is `-/odom`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from lk_dataset_ros.errors import ServerError

SCHEMES = {'reductstore': 'http', 'reductstores': 'https', 'http': 'http', 'https': 'https'}
DEFAULT_PORT = 8383

#: Entry whose attachments say what the topics are; no key has this entry (`-to` is no escape).
TOPICS_ENTRY = 'lk_dataset_ros-topics'

_BUCKET = re.compile(r'[A-Za-z0-9_-]+')
_PLAIN = frozenset(b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_')
_ENTRY = re.compile(r'(?:-/)?(?:(?:[A-Za-z0-9_]|-[0-9A-F]{2})+(?:/(?!$)|$))+')
_SHAPE = 'reductstore://[token@]host[:port]/bucket'


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is.

    Attributes:
        url: Of the server, `http://host:port`.
        bucket: Name of the bucket.
        token: API token, empty if the server needs none.
    """

    url: str
    bucket: str
    token: str = ''

    def __repr__(self) -> str:
        """Show everything but the token."""
        return f'Place({self.url}/{self.bucket})'


def server_url(url: str) -> tuple[str, str, str]:
    """Split a server's address into `(http URL, path, token)`.

    Raises:
        ServerError: If it is not the address of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise ServerError(f'this is not the address of a server ({error}): {_SHAPE}') from error
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ServerError(f'{_without_token(url)!r} is not the address of a server: {_SHAPE}')
    host = f'[{parts.hostname}]' if ':' in parts.hostname else parts.hostname
    token = unquote(parts.username or parts.password or '')
    return f'{SCHEMES[parts.scheme]}://{host}:{port}', parts.path.strip('/'), token


def place_of(location: str) -> Place:
    """Return where a location `reductstore://[token@]host[:port]/bucket` is.

    Raises:
        ServerError: If it does not name a server and a bucket.
    """
    url, bucket, token = server_url(location)
    return Place(url, checked_bucket(bucket), token)


def checked_bucket(bucket: str) -> str:
    """Return a bucket's name if it can be one.

    Raises:
        ServerError: If the server would not take it.
    """
    if not _BUCKET.fullmatch(bucket):
        raise ServerError(
            f'{bucket!r} is no name of a bucket; letters, digits, - and _ can be: {_SHAPE}'
        )
    return bucket


def entry_of(key: str) -> str:
    """Return the entry of a key."""
    relative = not key.startswith('/')
    segments = (key if relative else key[1:]).split('/')
    # An empty segment is not allowed: its slash is escaped into the segment before or after it.
    joined = _escaped(segments[0])
    for segment in segments[1:]:
        part = _escaped(segment)
        slash = '/' if joined and not joined.endswith('/') and part else '-2F'
        joined += slash + part
    return f'-/{joined or "-"}' if relative else joined or '-'


def key_of(entry: str) -> str | None:
    """Return the key of an entry, None for an entry that belongs to no key."""
    if entry in {'-', '-/-'}:
        return '/' if entry == '-' else ''
    if not _ENTRY.fullmatch(entry):
        return None
    relative = entry.startswith('-/')
    raw = re.sub(r'-([0-9A-F]{2})', _unescaped, entry[2:] if relative else entry)
    try:
        name = raw.encode('latin-1').decode()
    except UnicodeDecodeError:
        return None
    key = name if relative else '/' + name
    return key if entry_of(key) == entry else None


def _escaped(segment: str) -> str:
    data = segment.encode('utf-8', 'surrogatepass')
    return ''.join(chr(byte) if byte in _PLAIN else f'-{byte:02X}' for byte in data)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _without_token(url: str) -> str:
    return re.sub(r'//[^@/]*@', '//', url)[:200]
