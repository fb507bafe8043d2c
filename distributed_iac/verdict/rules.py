"""The rules by which a search is stopped: four look at it alone, two compare it with others.

::

    rule = Converged(ConvergenceSettings())
    rule.judge(report, record, group)         # Verdict, or None: no objection to going on

A rule is a pure function of what was reported. It sees the report after the record and the group
have taken it in. A value that was not reported never counts against a search.

Those that compare a search with others of its group and arm (:class:`Agreed`,
:class:`Dominated`) are off by default. They stop whoever reports next, not whoever is behind right
now: the scheduler answers reports and reaches for nobody. A search that has not started yet starts,
reports once, and is stopped then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from distributed_iac.config.scheduler import (
    BudgetSettings,
    ConsensusSettings,
    ConvergenceSettings,
    DivergenceSettings,
    DominatedSettings,
)
from distributed_iac.verdict.group_record import GroupRecord
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.trial_record import TrialRecord
from distributed_iac.verdict.verdict import Verdict

Reach = Literal["all", "unprotected"]


class Rule(Protocol):
    """When to stop a search.

    Law: a rule changes nothing, and asked twice about the same it answers the same.
    """

    @property
    def reach(self) -> Reach:
        """Whether protected searches are judged as well."""
        ...

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Why the search should stop after this report; None if the rule knows no reason."""
        ...


@dataclass(frozen=True)
class Converged:
    """Nothing is left to decide.

    A search that reports ``converged`` is believed, either way. Of one that does not, it is
    inferred: after the grace period, ``patience`` reports in a row in which

    * the largest divergence of an edge is at or below tau,
    * every live edge is stable, as far as both numbers are reported, and
    * the importance has left uniform, as far as its entropy is reported.

    What that cannot see is whether a stable edge still has operations to lose: a trainable that
    prunes should report ``converged``.
    """

    settings: ConvergenceSettings
    reach: Reach = "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Believe the trainable, or infer from its divergences."""
        del group
        if report.converged is not None:
            sentence = report.reason or "the search reports that nothing is left to decide"
            return Verdict("converged", sentence) if report.converged else None
        patience = self.settings.patience
        if report.epoch <= self.settings.grace or not record.in_a_row(patience, self.calm):
            return None
        return Verdict("converged", self._sentence(report))

    def calm(self, report: Report) -> bool:
        """Whether nothing moved any more, although it has moved."""
        if report.js_max is None or report.js_max > self.settings.tau:
            return False
        if report.entropy is not None and report.entropy > self.settings.max_entropy:
            return False
        if report.stable_edges is None:
            return True
        edges = report.live_edges if report.live_edges is not None else 1
        return report.stable_edges >= edges

    def _sentence(self, report: Report) -> str:
        told = f"js_max {report.js_max:.2g} at or below {self.settings.tau:g} bits for"
        told += f" {self.settings.patience} reports"
        if report.stable_edges is not None:
            told += f", {report.stable_edges} edges stable"
        if report.undecided_edges:
            told += f", {report.undecided_edges} of them undecided"
        return told


@dataclass(frozen=True)
class Diverged:
    """Losses or scores are not finite, and stay so."""

    settings: DivergenceSettings

    @property
    def reach(self) -> Reach:
        """Protected searches too, unless the settings let them run."""
        return "all" if self.settings.protected == "stop" else "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Count reports with watched values that are NaN or infinite."""
        del group
        if not record.in_a_row(self.settings.reports, lambda one: bool(one.not_finite)):
            return None
        names = ", ".join(report.not_finite)
        return Verdict(
            "diverged", f"{names} not finite in the last {self.settings.reports} reports"
        )


@dataclass(frozen=True)
class Collapsed:
    """The cell is nothing but skips and pooling, the known failure of differentiable search.

    Args:
        reports: In a row for which that holds.
        grace: Reports before it counts.
    """

    reports: int
    grace: int
    reach: Reach = "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Count reports of a collapsed cell."""
        del group
        if report.epoch <= self.grace:
            return None
        if not record.in_a_row(self.reports, lambda one: one.collapsed is True):
            return None
        return Verdict("collapsed", f"nothing but skips and pooling for {self.reports} reports")


@dataclass(frozen=True)
class Budget:
    """It has cost what it may cost."""

    settings: BudgetSettings
    reach: Reach = "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Compare the totals of this report with the limits; clocks may jump, totals count."""
        del record, group
        spent: tuple[tuple[str, float | None, float | None], ...] = (
            ("epochs", report.epoch, self.settings.epochs),
            ("seconds", report.seconds, self.settings.seconds),
            ("op_evaluations", report.op_evaluations, self.settings.op_evaluations),
        )
        for name, value, limit in spent:
            if value is not None and limit is not None and value >= limit:
                return Verdict("budget", f"{value:.10g} of {limit:.10g} {name} spent")
        return None


@dataclass(frozen=True)
class Agreed:
    """Enough seeds agree already.

    Votes are the genotypes of searches of the same group and arm that *converged*; one that was
    cut short, failed, or reached its last epoch undecided has no vote. What it costs: the searches
    that are stopped are no sample of the arm any more, so an arm with this rule says nothing about
    how often seeds agree.
    """

    settings: ConsensusSettings
    reach: Reach = "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Count the votes of the others; this one is still running and has none."""
        del report, record
        agreement = group.agreement()
        if agreement is None or agreement[1] < self.settings.seeds:
            return None
        genotype, votes = agreement
        return Verdict(
            "consensus",
            f"{votes} of {group.settled} converged searches have the genotype {genotype[:40]}",
        )


@dataclass(frozen=True)
class Dominated:
    """Others of the same arm are clearly ahead.

    A search is dominated at epoch t if at least ``rivals`` searches of the same group and arm had
    a best validation score up to *their* epoch t that exceeds its own best up to t by more than
    ``margin``. Rivals that ended or failed later still count: they were measured. Equal epochs of
    one arm cost about the same, so the comparison is fair to late starters.

    After a restore the best score is that of the trial's last result; a trainable that does not
    report its best so far is then judged by what it shows from there.

    The validation score of a search is a weak guide to the retrained cell's: this rule is for
    trainables that know better.
    """

    settings: DominatedSettings
    reach: Reach = "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: GroupRecord) -> Verdict | None:
        """Count those ahead at this epoch."""
        best = group.best(record.trial)
        if best is None or report.epoch <= self.settings.grace:
            return None
        ahead = group.ahead(report.epoch, best + self.settings.margin)
        if ahead < self.settings.rivals:
            return None
        return Verdict(
            "dominated",
            f"at epoch {report.epoch} the best score is {best:.3g}, and {ahead} searches of the "
            f"arm were more than {self.settings.margin:g} ahead",
        )
