"""The public kit for tests: a conformance suite for databases, strategies, a clock in the hand.

It needs `pytest` and `hypothesis`, which are no requirements of the package itself:
`pip install pytest hypothesis`.
"""

import pytest

# Before the import: a failing promise shows its values in third parties' tests, too.
pytest.register_assert_rewrite('lk_dataset_ros.testing.conformance')

from lk_dataset_ros.testing.clock import FakeClock  # noqa: E402
from lk_dataset_ros.testing.conformance import DatabaseConformance  # noqa: E402
from lk_dataset_ros.testing.strategies import messages, schemas  # noqa: E402

__all__ = ['DatabaseConformance', 'FakeClock', 'messages', 'schemas']
