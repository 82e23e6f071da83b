"""A headless Chromium for tests that look at pages; skipped where there is none.

It is spoken to through a pipe in the Chrome DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/), so that no port and no driver are needed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLAGS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
)
_PATIENCE_S = 60.0
_READ = 1 << 16


class Browser:
    """A running Chromium."""

    def __init__(self, profile: Path) -> None:
        """Start it.

        Args:
            profile: A folder for its own files, not there yet.
        """
        program = shutil.which('chromium') or shutil.which('google-chrome')
        if program is None:
            pytest.skip('neither chromium nor google-chrome is on PATH')
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Out of the way of 3 and 4, which is where Chromium looks for its pipe.
        theirs = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in (theirs_in, theirs_out)]
        log = os.open(profile.with_suffix('.log'), os.O_WRONLY | os.O_CREAT, 0o600)
        quiet = [(os.POSIX_SPAWN_DUP2, log, stream) for stream in (1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, theirs[0], 3), (os.POSIX_SPAWN_DUP2, theirs[1], 4)]
        self._process = os.posix_spawn(
            program,
            [program, *_FLAGS, f'--user-data-dir={profile}', 'about:blank'],
            {**os.environ, 'TMPDIR': str(profile.parent)},
            file_actions=[*quiet, *pipes],
            setpgroup=0,
        )
        for each in (theirs_in, theirs_out, *theirs, log):
            os.close(each)
        self._buffer = b''
        self._number = 0
        self._events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End it, with all of its processes."""
        self.ask('Browser.close')
        os.close(self._out)
        os.close(self._in)
        os.waitpid(self._process, 0)
        # What is left of its group: helpers that did not notice.
        with suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)

    @contextmanager
    def page(
        self, path: Path, *, width: int = 1280, height: int = 800, dark: bool = False
    ) -> Iterator[Page]:
        """Open a file, and wait until it is loaded.

        Args:
            path: The HTML file.
            width: Of the window, in pixels.
            height: Of the window.
            dark: Whether the reader prefers dark pages.
        """
        target = self.ask('Target.createTarget', url='about:blank')['targetId']
        session = self.ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        self._events.clear()
        page = Page(self, session)
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            page.ask(f'{domain}.enable')
        page.ask(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        page.ask('Emulation.setEmulatedMedia', media='', features=[scheme])
        page.ask('Page.navigate', url=path.as_uri())
        self.until(lambda event: event['method'] == 'Page.loadEventFired')
        try:
            yield page
        finally:
            self.ask('Target.closeTarget', targetId=target)

    def ask(self, method: str, session: str = '', **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        number = self._number
        request: dict[str, Any] = {'id': number, 'method': method, 'params': parameters}
        if session:
            request['sessionId'] = session
        os.write(self._out, json.dumps(request).encode() + b'\0')
        while True:
            message = self._receive()
            if message.get('id') == number:
                if 'error' in message:
                    raise RuntimeError(f'{method}: {message["error"]}')
                found: dict[str, Any] = message['result']
                return found
            self._events.append(message)

    def until(self, wanted: Any) -> None:
        """Wait for an event."""
        while not any('method' in each and wanted(each) for each in self._events):
            self._events.append(self._receive())

    def events(self, session: str, *methods: str) -> list[dict[str, Any]]:
        """Return what a page has told of."""
        return [
            each['params']
            for each in self._events
            if each.get('method') in methods and each.get('sessionId') == session
        ]

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_S
        while b'\0' not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0.0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError(f'Chromium said nothing for {_PATIENCE_S:g} s')
            read = os.read(self._in, _READ)
            if not read:
                raise RuntimeError('Chromium ended')
            self._buffer += read
        text, _, self._buffer = self._buffer.partition(b'\0')
        message: dict[str, Any] = json.loads(text)
        return message


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is open."""

    browser: Browser
    session: str = field(repr=False)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol for this page."""
        return self.browser.ask(method, self.session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript is, or what its promise is fulfilled with."""
        found = self.ask(
            'Runtime.evaluate', expression=expression, awaitPromise=True, returnByValue=True
        )
        if 'exceptionDetails' in found:
            raise RuntimeError(f'{expression}: {found["exceptionDetails"]}')
        return found['result'].get('value')

    def wait_for(self, condition: str) -> None:
        """Wait until an expression of JavaScript is true, frame by frame."""
        self.evaluate(
            'new Promise((done, fail) => { const end = Date.now() + 20000;'
            f' const look = () => {{ if ({condition}) done();'
            ' else if (Date.now() > end) fail(new Error("never true"));'
            ' else requestAnimationFrame(look); }; look(); })'
        )

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ('keyDown', 'keyUp'):
            text = '\r' if key == 'Enter' and kind == 'keyDown' else ''
            code = {'Enter': 13, 'Tab': 9, ' ': 32}.get(key, 0)
            self.ask(
                'Input.dispatchKeyEvent',
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text=text,
            )

    def screenshot(self, path: Path) -> None:
        """Save what is seen as a PNG file."""
        path.write_bytes(base64.b64decode(self.ask('Page.captureScreenshot')['data']))

    @property
    def console(self) -> list[str]:
        """What it wrote to the console: messages, errors, refused requests."""
        written = self.browser.events(
            self.session, 'Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded'
        )
        return [json.dumps(each) for each in written]

    @property
    def requests(self) -> list[str]:
        """Addresses that it asked for."""
        return [
            each['request']['url']
            for each in self.browser.events(self.session, 'Network.requestWillBeSent')
        ]
