"""What is remembered of one trial: its last reports, in an order that survives restarts.

::

    record = TrialRecord("trial_1", role)
    record.observe(report)            # epochs 1..7, then a restart: 7, 8, ...
    record.in_a_row(3, lambda report: report.js_max <= tau)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.verdict import Verdict

Phase = Literal["open", "ended", "failed"]

KEPT_REPORTS = 64
"""Reports remembered of a running trial. Our choice: more than any patience in use, and few enough
for ten thousand trials; after a rewind beyond them counting starts anew."""


@dataclass(slots=True, eq=False)
class TrialRecord:
    """State of one trial, changed by what is reported.

    Args:
        trial: Its identity.
        role: From its configuration.
        phase: open until it ends or fails; a failed one that is tried again is open again.
        verdict: What the rules said after the last report; None: go on.
        reports: The last ones, with strictly increasing epochs.
    """

    trial: str
    role: Role
    phase: Phase = "open"
    verdict: Verdict | None = None
    reports: deque[Report] = field(default_factory=lambda: deque(maxlen=KEPT_REPORTS))

    @property
    def last(self) -> Report | None:
        """The latest report."""
        return self.reports[-1] if self.reports else None

    def observe(self, report: Report) -> None:
        """Add a report; those of the same and later epochs never happened.

        Law: after any sequence of reports the record is that of the sequence without the reports
        that were replaced, as far back as it remembers.
        """
        while self.reports and self.reports[-1].epoch >= report.epoch:
            self.reports.pop()
        self.reports.append(report)

    def close(self, phase: Phase) -> None:
        """Note that nothing more is expected, and keep the last report only."""
        self.phase = phase
        while len(self.reports) > 1:
            self.reports.popleft()

    def in_a_row(self, count: int, holds: Callable[[Report], bool]) -> bool:
        """Whether something held in each of the last ``count`` reports."""
        if len(self.reports) < count:
            return False
        return all(holds(self.reports[-back]) for back in range(1, count + 1))
