"""A headless Chromium for tests that look at pages; skipped where there is none."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_FLAGS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--enable-logging=stderr',
    '--v=0',
    '--window-size=1280,800',
    '--virtual-time-budget=3000',
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page after its scripts have run.

    Attributes:
        dom: The document as text.
        console: What it wrote to the console: errors, refused requests, messages.
    """

    dom: str
    console: list[str]


def open_page(page: Path, profile: Path) -> Page:
    """Open a file in Chromium and return what became of it.

    Args:
        page: The HTML file.
        profile: A folder for the browser's own files, not there yet.
    """
    browser = shutil.which('chromium') or shutil.which('google-chrome')
    if browser is None:
        pytest.skip('neither chromium nor google-chrome is on PATH')
    done = subprocess.run(
        [browser, *_FLAGS, f'--user-data-dir={profile}', '--dump-dom', page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return Page(done.stdout, [line for line in done.stderr.splitlines() if 'CONSOLE' in line])
