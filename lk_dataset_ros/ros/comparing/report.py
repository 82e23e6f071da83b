"""Compare what was heard and write the reports: a process of its own, without ROS.

python -m lk_dataset_ros.ros.comparing.report JOB.json
"""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.comparison import compare
from lk_dataset_ros.comparison.renderers import report_html, save, save_diffdiff
from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.comparison.renderers.html import Arm
from lk_dataset_ros.comparison.result import KeyComparison
from lk_dataset_ros.comparison.result.parts import Verdict
from lk_dataset_ros.comparison.rules_file import Rules, pairing_of
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import LkError

if TYPE_CHECKING:
    from lk_dataset_ros.comparison import DatasetComparison

#: What reports there are, and their files; what no tool may miss is written first.
FORMATS: Final = {
    'json': 'comparison.json',
    'junit': 'junit.xml',
    'markdown': 'comparison.md',
    'html': 'report.html',
    'diffdiff': 'diffdiff.txt',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportJob:
    """What is compared, and where the reports go.

    Attributes:
        folder: Of the reports; `bags/original` and `bags/compiled` are in it.
        topics: The topics, by what each is paired by.
        problems: Topics that cannot be compared, and why.
        rules: File of tolerances, or empty.
        limit_s: How far stamps of a pair may lie apart.
        arrival_limit_s: How far arrivals may.
        late_s: How much later the compiled may answer; 0 does not look.
        formats: Which reports.
        names: What original and compiled are called.
        facts: What else to say on the page, by name.
        lost: Messages that were lost on their way.
        keep_bags: Leave the bags in the folder.
    """

    folder: str
    topics: dict[str, str]
    problems: dict[str, str] = field(default_factory=dict)
    rules: str = ''
    limit_s: float = 0.0
    arrival_limit_s: float = 0.0
    late_s: float = 0.0
    formats: list[str] = field(default_factory=lambda: list(FORMATS))
    names: list[str] = field(default_factory=lambda: ['original', 'compiled'])
    facts: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    keep_bags: bool = False

    def save(self) -> Path:
        """Write it down; return where."""
        path = Path(self.folder) / 'job.json'
        with written(path) as stream:
            stream.write(json.dumps(asdict(self), indent=1))
        return path


def run(job: ReportJob) -> str:
    """Compare, write the reports, return the verdict.

    Raises:
        LkError: If that cannot be done.
    """
    folder = Path(job.folder)
    with ExitStack() as opened:
        sides = [
            opened.enter_context(Dataset.load(folder / 'bags' / side))
            for side in ('original', 'compiled')
        ]
        comparison = _compared(job, sides[0], sides[1])
        verdict = _verdict(comparison, job)
        for name in FORMATS:
            if name not in job.formats:
                continue
            if name == 'html':
                _save_page(comparison, verdict, job, folder / FORMATS[name])
            elif name == 'diffdiff':
                save_diffdiff(comparison, folder / FORMATS[name])
            else:
                save(comparison, folder / FORMATS[name])
    if not job.keep_bags:
        shutil.rmtree(folder / 'bags', ignore_errors=True)
    return verdict.value


def _compared(job: ReportJob, original: Dataset, compiled: Dataset) -> DatasetComparison:
    rules = Rules.load(job.rules) if job.rules else Rules()
    acceptance = rules.acceptance
    if job.late_s:
        acceptance = replace(acceptance, absolute_time_s=job.late_s)
    known = {*original.keys(), *compiled.keys()}
    found: list[KeyComparison] = []
    whole: DatasetComparison | None = None
    for by in sorted(set(job.topics.values())) or ['index']:
        keys = [each for each, its in job.topics.items() if its == by and each in known]
        whole = compare(
            original,
            compiled,
            keys=keys,
            tolerance=rules.tolerance,
            pairing=pairing_of(**_pairing(by, job)),
            acceptance=acceptance,
            original_name=job.names[0],
            compiled_name=job.names[1],
        )
        found += whole.keys
    assert whole is not None
    # Of what nothing was heard nothing is in the bags.
    found += [
        KeyComparison(each, '', '', problem=job.problems.get(each, ''))
        for each in dict.fromkeys([*job.topics, *job.problems])
        if each not in known or each in job.problems
    ]
    return replace(whole, keys=tuple(found))


def _pairing(by: str, job: ReportJob) -> dict[str, Any]:
    """Return the way of pairing that says the same as what messages were paired by live."""
    if by == 'index':
        return {'by': 'index'}
    if by == 'arrival':
        return {'by': 'log_time', 'limit_s': job.arrival_limit_s}
    return {'by': by, 'limit_s': job.limit_s} if job.limit_s else {'by': by}


def _verdict(comparison: DatasetComparison, job: ReportJob) -> Verdict:
    """Return the verdict; messages without partner prove nothing if some were lost."""
    if job.lost and all(
        not (each.problem or each.differing or each.late) for each in comparison.keys
    ):
        return Verdict.INCONCLUSIVE
    return comparison.verdict


def _save_page(
    comparison: DatasetComparison, verdict: Verdict, job: ReportJob, path: Path
) -> None:
    names = {'original': job.names[0], 'compiled': job.names[1]}
    arm = Arm('compiled', verdict, comparison, names)
    page = report_html([arm], 'Compared live', verdict, job.facts)
    with written(path) as stream:
        stream.write(page)


def main(arguments: list[str]) -> int:
    """Do a job; print the verdict, or why there is none, as the last line in JSON."""
    try:
        job = ReportJob(**json.loads(Path(arguments[0]).read_text()))
        answer = {'verdict': run(job)}
    except (LkError, OSError) as error:
        answer = {'problem': str(error)}
    print(json.dumps(answer), flush=True)
    return 0 if 'verdict' in answer else 2


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
