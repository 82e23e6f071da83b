"""Describe a world as JSON, in a process of its own: importing runs code of somebody else."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from lk_dataset_ros.errors import LkError


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the topics of a world and what it is.

    Args:
        request: `world`, `parameters` and `python_path` of it.
    """
    from lk_dataset_ros.world import load_world  # noqa: PLC0415

    try:
        world = load_world(request['world'], request['parameters'], request['python_path'])
    except LkError as error:
        return {'error': str(error)}
    return {
        'sensors': dict(world.sensors),
        'commands': dict(world.commands),
        'description': world.description(),
    }


def main(argv: list[str]) -> int:
    """Answer one request."""
    # What a world prints while it is made is not the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answer, 'w') as file:
        file.write(json.dumps(describe(json.loads(argv[0]))) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
