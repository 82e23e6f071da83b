"""The `compare` node: original and compiled topics, compared while both run."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from lk_dataset_ros.comparison.live import LiveComparison, LiveConfig, LiveDivergence
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.msg import ComparisonStatus, Divergence
from lk_dataset_ros.ros.comparing.heard_bags import HeardBags
from lk_dataset_ros.ros.comparing.hearing import Hearing
from lk_dataset_ros.ros.comparing.late_answers import LateAnswers
from lk_dataset_ros.ros.comparing.options import declare_compare_options
from lk_dataset_ros.ros.comparing.report import ReportJob
from lk_dataset_ros.ros.comparing.saving import Report, Saving
from lk_dataset_ros.ros.host import run_node, to_time
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.parameters import refuse_unknown
from lk_dataset_ros.srv import SaveReport

if TYPE_CHECKING:
    from rclpy.node import Node

STATUS_PERIOD_S: Final = 1.0
#: How long the end waits for subscribers to have the last status, s.
_LAST_STATUS_S: Final = 1.0
#: Divergences that a late subscriber still gets.
_DIVERGENCES: Final = 100
EXIT_CODES: Final = {'equivalent': 0, 'differs': 1, 'inconclusive': 2}
#: Times on the wire have 32 bits for seconds.
_LATEST_NS: Final = (2**31 - 1) * 1_000_000_000


class CompareNode:
    """Parameters, services and status around a comparison of what is heard."""

    def __init__(self, node: Node) -> None:
        self._node, self._log = node, node.get_logger()
        try:
            use_overlays()
        except LkError as error:
            self._log.warning(str(error))
        self._options = declare_compare_options(node)
        refuse_unknown(node)
        options = self._options
        self._folder = options.folder
        self.bags = HeardBags(self._folder / 'heard', options.node.bag_bytes, self._log)
        live = {each.name: getattr(options.node, each.name) for each in LiveConfig.options()}
        self.live = LiveComparison(
            options.rules.tolerance, LiveConfig(**live), on_settled=self.bags.write
        )
        self._since_ns = self._now_ns()
        self._saving: Saving | None = None
        self._saved = 0
        self._status_at_s = 0.0
        self.verdict = 'inconclusive'
        self.has_failed = False
        self.exits_with_verdict = options.node.exit_with_verdict
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = node.create_publisher(ComparisonStatus, '~/status', latched)
        latched = QoSProfile(depth=_DIVERGENCES, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._divergences = node.create_publisher(Divergence, '~/divergence', latched)
        node.create_service(Trigger, '~/reset', self._reset)
        self._asked = LateAnswers(node, SaveReport, '~/save_report')
        self._hearing = Hearing(
            node, self.live, options.topics, options.node.namespace, on_add=self.bags.add
        )

    def _now_ns(self) -> int:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return now_ns

    def turn(self) -> float | None:
        """Judge what has gathered, look for topics, see after reports."""
        self._hearing.look()
        self._judge()
        self._see_after_reports()
        problem = str(self._hearing.error or '') or self.bags.problem
        if problem:
            self._log.error(f'the comparison ends: {problem}')
            self.has_failed = True
            return None
        now_s = time.monotonic()
        if now_s >= self._status_at_s:
            self._status_at_s = now_s + STATUS_PERIOD_S
            self._publish_status()
        return self._options.node.period_s

    def _judge(self) -> None:
        for each in self.live.advance(time.monotonic_ns()):
            self._log.warning(
                f'{each.original_topic} and {each.compiled_topic} differ in {each.field}: '
                f'{each.text}'
            )
            self._divergences.publish(_to_message(each))

    def _publish_status(self) -> None:
        counts = self.live.counts
        self._status.publish(
            ComparisonStatus(
                stamp=to_time(self._now_ns()),
                since=to_time(self._since_ns),
                verdict=self.live.verdict,
                paired=counts.paired,
                missing=counts.missing,
                extra=counts.extra,
                late=counts.late,
                differing=counts.differing,
                first=[_to_message(each) for each in self.live.first],
            )
        )

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        del request
        try:
            self.live.reset()
            self.bags.reset()
        except (LkError, OSError) as error:
            response.message = str(error)
            return response
        self._since_ns = self._now_ns()
        self._publish_status()
        response.success = True
        response.message = 'comparing anew'
        return response

    def _see_after_reports(self) -> None:
        """Answer who asked for the report that is made, begin the next."""
        if self._saving is not None:
            if (report := self._saving.poll()) is None:
                return
            self._saving = None
            self._answer(report)
        while self._saving is None and (request := self._asked.take()) is not None:
            self._saved += 1
            folder = Path(request.folder or self._folder / f'report_{self._saved:03d}').absolute()
            try:
                self._saving = self._save(folder)
            except (LkError, OSError) as error:
                self._answer(Report(folder, problem=str(error)))

    def _answer(self, report: Report) -> None:
        text = f'the report is in {report.folder}' + self._remarks()
        self._asked.answer(
            SaveReport.Response(
                success=not report.problem,
                message=report.problem or text,
                verdict=report.verdict,
            )
        )

    def _remarks(self) -> str:
        remarks = []
        if self.bags.forgotten:
            remarks.append('its beginning is gone: bag_bytes were full')
        if self.bags.dropped:
            remarks.append(f'{self.bags.dropped} messages could not be written in time')
        return ''.join(f'; {each}' for each in remarks)

    def _save(self, folder: Path) -> Saving:
        self._judge()
        return Saving(self.bags, folder, self._job, self._options.node.report_limit_s)

    def _job(self, folder: Path) -> ReportJob:
        config, counts = self._options.node, self.live.counts
        problems = self.live.problems
        paired_by = {}
        for topic in self._hearing.topics:
            try:
                paired_by[topic] = self.live.paired_by(topic)
            except LkError:
                # Not there yet.
                paired_by[topic] = 'index'
        return ReportJob(
            folder=str(folder),
            topics=paired_by,
            problems=problems,
            rules=str(Path(config.tolerances).absolute()) if config.tolerances else '',
            limit_s=config.limit_s,
            arrival_limit_s=config.arrival_limit_s,
            late_s=config.late_s,
            formats=config.formats,
            names=['original, heard live', 'compiled, heard live'],
            facts={
                'heard since': time.strftime(
                    '%Y-%m-%d %H:%M:%S', time.localtime(self._since_ns / 1e9)
                ),
                'pairs': str(counts.paired),
                'before the first pair': f'{counts.early} messages, which do not count',
                'lost on their way here': str(counts.lost),
                'remarks': self._remarks().removeprefix('; ') or 'none',
            },
            lost=counts.lost + self.bags.dropped,
            keep_bags=config.keep_bags,
        )

    def close(self) -> None:
        """Judge what is there, write the report, say the verdict."""
        self._hearing.close()
        self._judge()
        self.verdict = self.live.verdict
        self._publish_status()
        if self._saving is not None:
            self._answer(self._saving.wait())
        try:
            if self._options.node.report_at_end:
                self._report_at_end()
        finally:
            self._asked.close()
            self.bags.close()
            shutil.rmtree(self.bags.folder, ignore_errors=True)
            if self._folder.is_dir() and not any(self._folder.iterdir()):
                self._folder.rmdir()
        counts = self.live.counts
        self._log.info(
            f'{self.verdict}: {counts.paired} pairs, {counts.differing} differ, {counts.missing} '
            f'missing, {counts.extra} extra, {counts.late} late'
        )
        self._status.wait_for_all_acked(Duration(seconds=_LAST_STATUS_S))

    def _report_at_end(self) -> None:
        folder = self._folder / 'report' if self._saved else self._folder
        try:
            report = self._save(folder).wait()
        except (LkError, OSError) as error:
            report = Report(folder, problem=str(error))
        if report.problem:
            self.has_failed = True
            self._log.error(f'there is no report: {report.problem}')
        else:
            self._log.info(f'report: {report.folder} ({report.verdict}){self._remarks()}')


def _to_message(each: LiveDivergence) -> Divergence:
    return Divergence(
        stamp=to_time(min(max(each.stamp_ns, 0), _LATEST_NS)),
        original_topic=each.original_topic,
        compiled_topic=each.compiled_topic,
        field=each.field,
        index=each.index,
        original=each.original,
        compiled=each.compiled,
        error=each.error,
        limit=each.limit,
        text=each.text,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    made: list[CompareNode] = []

    def make(node: Node) -> CompareNode:
        made.append(CompareNode(node))
        return made[-1]

    code = run_node('compare', make, argv)
    if code or not made:
        return code
    if made[0].has_failed:
        return 2
    return EXIT_CODES[made[0].verdict] if made[0].exits_with_verdict else 0


if __name__ == '__main__':
    sys.exit(main())
