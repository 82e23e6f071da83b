"""`python -m lk_dataset_ros.cli`."""

import sys

from lk_dataset_ros.cli.main import entry

sys.exit(entry())
