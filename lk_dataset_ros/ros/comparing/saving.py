"""Have reports made by processes of their own, one after the other."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import BagWriteError, ComponentError
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lk_dataset_ros.ros.comparing.heard_bags import HeardBags
    from lk_dataset_ros.ros.comparing.report import ReportJob


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a report.

    Attributes:
        folder: Where it is.
        verdict: The verdict, empty if there is none.
        problem: Why there is none.
    """

    folder: Path
    verdict: str = ''
    problem: str = ''


class Saving:
    """A report that is being made.

    Args:
        bags: What was heard.
        folder: Where to; must be empty, or not be there.
        job_of: Makes the job for the folder.
        limit_s: How long it may take.

    Raises:
        LkError: If nothing can be written there.
    """

    def __init__(
        self, bags: HeardBags, folder: Path, job_of: Callable[[Path], ReportJob], limit_s: float
    ) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(each.name != 'heard' for each in folder.iterdir()):
                raise ComponentError(f'{folder} is not empty; name another folder')
        except OSError as error:
            raise BagWriteError(f'{folder} cannot be made: {error.strerror or error}') from error
        bags.link(folder / 'bags')
        job = job_of(folder).save()
        self._limit_s = limit_s
        self._deadline_s = time.monotonic() + limit_s
        command = [sys.executable, '-m', 'lk_dataset_ros.ros.comparing.report', str(job)]
        self._process = GuardedProcess(
            command, env=os.environ, log=folder / 'report.log', piped=True
        )

    def poll(self) -> Report | None:
        """Return the report when it is done, or has taken too long."""
        code = self._process.poll()
        if code is None:
            if time.monotonic() < self._deadline_s:
                return None
            self._process.close()
            return Report(self.folder, problem=f'it took longer than {self._limit_s:g} s')
        lines = self._process.output.read().decode(errors='replace').splitlines()
        try:
            answer = json.loads(lines[-1])
            found = Report(self.folder, answer.get('verdict', ''), answer.get('problem', ''))
        except (IndexError, ValueError, AttributeError):
            tail = ' / '.join(self._process.log_tail(2))
            return Report(self.folder, problem=f'its process ended with exit code {code}: {tail}')
        finally:
            self._process.__exit__(None, None, None)
        if found.verdict:
            for name in ('job.json', 'report.log'):
                (self.folder / name).unlink(missing_ok=True)
        return found

    def wait(self) -> Report:
        """Wait for it."""
        while (found := self.poll()) is None:
            time.sleep(0.05)
        return found

    def close(self) -> None:
        """Let go of it."""
        self._process.__exit__(None, None, None)
