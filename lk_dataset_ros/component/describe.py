"""Describe a component without running it: `python -m lk_dataset_ros.component.describe`.

An experiment looks at its arms in a process of their own before it starts anything: what does not
import, or crashes on import, must not take the experiment with it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from lk_dataset_ros.component.component import Component, extend_python_path, load_component
from lk_dataset_ros.errors import LkError


def describe(component: type[Component]) -> dict[str, Any]:
    """Return ports and options of a component as plain data."""
    return {
        'inputs': {name: port.type_name for name, port in component.inputs.items()},
        'outputs': {name: port.type_name for name, port in component.outputs.items()},
        'options': [option.name for option in component.Config.options()],
    }


def main(arguments: list[str]) -> int:
    """Print the description of a component as JSON.

    Args:
        arguments: JSON with `component`, `parameters` and `python_path`.
    """
    request = json.loads(arguments[0])
    extend_python_path(request['python_path'])
    try:
        component = load_component(request['component'])
        component.Config.from_mapping(request['parameters'])
        answer = describe(component)
    except LkError as error:
        answer = {'error': str(error)}
    # Whatever the imported code prints goes before; the answer is the last line.
    print('\n' + json.dumps(answer), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
