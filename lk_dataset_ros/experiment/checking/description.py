"""Ask components and worlds what they take and give, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import ComponentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: How long importing may take, s.
IMPORT_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        module: The module that answers.
        who: Who is asked, for a person.
        what: Its import path.
        request: What the module is given.
    """

    module: str
    who: str
    what: str
    request: Mapping[str, Any]


def answers(questions: Sequence[Question], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Ask all at the same time.

    Args:
        questions: What is asked.
        environment: Variables of the processes beside those of this one.

    Raises:
        ComponentNotFoundError: If one does not import, or is not what it should be.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, '-m', each.module, json.dumps(each.request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        for each in questions
    ]
    try:
        return [
            _answer(question, process)
            for question, process in zip(questions, processes, strict=True)
        ]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _answer(question: Question, process: subprocess.Popen[str]) -> dict[str, Any]:
    who, what = question.who, question.what
    try:
        output, errors = process.communicate(timeout=IMPORT_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise ComponentNotFoundError(
            f'{who}: importing {what} takes more than {IMPORT_LIMIT_S:g} s'
        ) from error
    last = errors.strip().splitlines()[-1:] or ['no message']
    if process.returncode:
        how = f'signal {-process.returncode}' if process.returncode < 0 else 'an error'
        raise ComponentNotFoundError(f'{who}: importing {what} ends with {how}: {last[0]}')
    try:
        answer: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise ComponentNotFoundError(f'{who}: importing {what} says nothing: {last[0]}') from error
    if 'error' in answer:
        raise ComponentNotFoundError(f'{who}: {answer["error"]}')
    return answer
