"""The work of `lk compare` and `lk diffdiff`: two bags in, a comparison out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lk_dataset_ros.cli.loading import load, warn
from lk_dataset_ros.comparison import compare
from lk_dataset_ros.comparison.unused import unused_patterns
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.cli.rule_options import RuleOptions
    from lk_dataset_ros.comparison import DatasetComparison


def compared(original: str, compiled: str, options: RuleOptions) -> DatasetComparison:
    """Load two datasets and compare them; warnings go to stderr.

    The datasets stay open: what renders the comparison reads values out of them again.

    Raises:
        LkError: If one cannot be read, or a rule makes no sense.
    """
    rules = options.rules()
    _check_noise(original, options.noise)
    with ExitStack() as opened:
        one, two = (opened.enter_context(load(each)) for each in (original, compiled))
        noise = [opened.enter_context(load(each)) for each in options.noise]
        found = compare(
            one,
            two,
            **rules.options(),
            noise=noise,
            original_name=original,
            compiled_name=compiled,
        )
        warn(unused_patterns(rules, (one, two), found))
        click.get_current_context().with_resource(opened.pop_all())
    return found


def _check_noise(original: str, noise: Sequence[str]) -> None:
    seen = {Path(original).resolve()}
    for each in noise:
        place = Path(each).resolve()
        if place in seen:
            raise ComparisonError(
                f'--noise {each} is given already; noise is what another run of the original tells'
            )
        seen.add(place)
