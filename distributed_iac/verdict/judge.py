"""All rules over all trials: reports in, verdicts out.

::

    judge = Judge.from_settings(SchedulerSettings())
    judge.add("trial_1", role)
    verdict = judge.report("trial_1", report)        # None: go on
    judge.end("trial_1", last_report)                # it stopped, by itself or by the verdict
    for status in judge.statuses():
        print(status.line())

The judge is a function of the reports, with the last one of an epoch counting, so it can be
rebuilt from the last result of every trial: :meth:`Judge.recall`. What a restore loses is the
counting of reports in a row, which begins anew with that last result; a stop comes later by at
most ``patience`` reports, never earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.verdict.group_record import GroupRecord
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.rules import (
    Agreed,
    Budget,
    Collapsed,
    Converged,
    Diverged,
    Dominated,
    Rule,
)
from distributed_iac.verdict.status import GroupStatus, group_statuses
from distributed_iac.verdict.trial_record import TrialRecord
from distributed_iac.verdict.verdict import Verdict


def rules_from(settings: SchedulerSettings) -> tuple[Rule, ...]:
    """The rules that the settings ask for, in the order in which they are asked.

    Divergence comes first, so that a broken search is never taken for a settled one; the group
    rules last, so that a reason of the search's own is named before others'.
    """
    rules: list[Rule] = [Diverged(settings.divergence), Converged(settings.convergence)]
    if settings.collapse is not None:
        rules.append(Collapsed(settings.collapse, settings.convergence.grace))
    rules.append(Budget(settings.budget))
    if settings.consensus is not None:
        rules.append(Agreed(settings.consensus))
    if settings.dominated is not None:
        rules.append(Dominated(settings.dominated))
    return tuple(rules)


@dataclass(eq=False)
class Judge:
    """Remembers trials and applies the rules.

    Args:
        rules: Asked in order; the first verdict counts.
        protect: Arms that run to their end.
    """

    rules: tuple[Rule, ...]
    protect: Sequence[str] = ()
    _records: dict[str, TrialRecord] = field(default_factory=dict)
    _groups: dict[tuple[str, str], GroupRecord] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: SchedulerSettings) -> Judge:
        """A judge without trials."""
        return cls(rules_from(settings), settings.protect)

    def __contains__(self, trial: str) -> bool:
        return trial in self._records

    def add(self, trial: str, role: Role) -> None:
        """Expect reports of a trial; one that failed or ended is open again."""
        record = self._records.setdefault(trial, TrialRecord(trial, role))
        record.phase, record.verdict = "open", None
        self._group(record).unsettle(trial)

    def recall(
        self,
        trial: str,
        report: Report,
        phase: Literal["open", "ended", "failed"],
        verdict: Verdict | None = None,
    ) -> None:
        """Take in the last result of an earlier life, without judging it.

        Args:
            trial: One that was added.
            report: Its last.
            phase: How it stands.
            verdict: Why it was stopped, if it was; means nothing for one that is open.
        """
        record = self._take_in(trial, report)
        if phase != "open":
            record.verdict = verdict
            self._close(record, phase)

    def report(self, trial: str, report: Report) -> Verdict | None:
        """Take in a report and say why the trial should stop now; None: it goes on.

        The same report again gets the same answer.
        """
        record = self._take_in(trial, report)
        if record.role.judged:
            record.verdict = self._ask(report, record)
        return record.verdict

    def end(self, trial: str, report: Report) -> Verdict | None:
        """Note that a trial has ended with this report.

        Returns:
            The verdict that ended it; None if it ended by itself or by somebody else's decision.
        """
        record = self._take_in(trial, report)
        self._close(record, "ended")
        return record.verdict

    def fail(self, trial: str) -> None:
        """Note that a trial has failed; it may be added again."""
        self._close(self._records[trial], "failed")

    def remove(self, trial: str) -> None:
        """Forget a trial and what it contributed."""
        record = self._records.pop(trial, None)
        if record is not None:
            self._group(record).forget(trial)

    def verdict(self, trial: str) -> Verdict | None:
        """Why a trial was stopped, if it was."""
        record = self._records.get(trial)
        return None if record is None else record.verdict

    def statuses(self) -> tuple[GroupStatus, ...]:
        """How the searches of every group and arm stand, by name."""
        return group_statuses(self._records.values())

    def _group(self, record: TrialRecord) -> GroupRecord:
        key = (record.role.group, record.role.arm)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = GroupRecord(*key)
        return group

    def _take_in(self, trial: str, report: Report) -> TrialRecord:
        record = self._records[trial]
        record.observe(report)
        if record.role.judged:
            self._group(record).score(trial, report.epoch, report.score)
        return record

    def _ask(self, report: Report, record: TrialRecord) -> Verdict | None:
        protected = record.role.arm in self.protect
        group = self._group(record)
        for rule in self.rules:
            if protected and rule.reach == "unprotected":
                continue
            verdict = rule.judge(report, record, group)
            if verdict is not None:
                return verdict
        return None

    def _close(self, record: TrialRecord, phase: Literal["ended", "failed"]) -> None:
        record.close(phase)
        last = record.last
        if phase == "ended" and record.role.judged and last is not None and _has_vote(record, last):
            assert last.genotype is not None
            self._group(record).settle(record.trial, last.genotype)


def _has_vote(record: TrialRecord, last: Report) -> bool:
    """Whether a search that ended had converged to a genotype, by its own or the rules' word."""
    if last.genotype is None or last.not_finite:
        return False
    if record.verdict is not None:
        return record.verdict.code == "converged"
    return last.converged is True
