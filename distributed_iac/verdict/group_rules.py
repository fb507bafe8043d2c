"""The rules that compare a search with others of its group and arm; both are off by default.

::

    rule = Consensus(ConsensusSettings(seeds=3))
    rule.judge(report, record, group)         # Verdict once three others share a genotype

They stop whoever reports next, not whoever is behind right now: the scheduler answers reports and
reaches for nobody. A search that has not started yet starts, reports once, and is stopped then.
"""

from __future__ import annotations

from dataclasses import dataclass

from distributed_iac.config.scheduler import ConsensusSettings, DominatedSettings
from distributed_iac.verdict.group import Group
from distributed_iac.verdict.record import TrialRecord
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.rules import Reach
from distributed_iac.verdict.verdict import Verdict


@dataclass(frozen=True)
class Consensus:
    """Enough seeds agree already.

    Votes are the genotypes of searches of the same group and arm that *converged*; one that was
    cut short, failed, or reached its last epoch undecided has no vote. What it costs: the searches
    that are stopped are no sample of the arm any more, so an arm with this rule says nothing about
    how often seeds agree.
    """

    settings: ConsensusSettings
    reach: Reach = "unprotected"

    def judge(self, report: Report, record: TrialRecord, group: Group) -> Verdict | None:
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

    def judge(self, report: Report, record: TrialRecord, group: Group) -> Verdict | None:
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
