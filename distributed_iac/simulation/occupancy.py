"""What a simulated sweep did: who held what from when to when.

::

    schedule.makespan            # seconds from the first start to the last end
    schedule.busy                # slot-seconds that jobs held
    schedule.utilisation         # busy over what the slots would be paid for
    schedule.critical            # seconds that no number of slots makes shorter
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.verdict.verdict import StopCode

Purpose = Literal["work", "conclusion"]


@dataclass(frozen=True)
class Occupation:
    """One process that worked for a job.

    Args:
        job: The job's key.
        purpose: The job itself, or the conclusion of one that was stopped because of others.
        begin: Second in which it took its slots.
        end: Second in which it gave them back.
        share: Slots that it held.
        epochs: Epochs that it ran.
        stopped: Why the scheduler stopped it; None if it ran to its end.
    """

    job: str
    purpose: Purpose
    begin: float
    end: float
    share: float
    epochs: int
    stopped: StopCode | None = None

    @property
    def seconds(self) -> float:
        """How long it held its slots."""
        return self.end - self.begin


@dataclass(frozen=True)
class Schedule:
    """All spans of a sweep, by their beginnings.

    Args:
        graph: The jobs.
        slots: Virtual GPUs or cores.
        spans: One a job, two where a job was concluded by a second process.
    """

    graph: JobGraph
    slots: int
    spans: tuple[Occupation, ...]

    @property
    def makespan(self) -> float:
        """Seconds until everything is done."""
        return max((span.end for span in self.spans), default=0.0)

    @property
    def busy(self) -> float:
        """Slot-seconds held: what is paid for where only used GPUs cost."""
        return sum(span.share * span.seconds for span in self.spans)

    @property
    def searching(self) -> float:
        """Slot-seconds that searches held, of ``busy``."""
        spans = (span for span in self.spans if self.graph[span.job].kind == "search")
        return sum(span.share * span.seconds for span in spans)

    @property
    def paid(self) -> float:
        """Slot-seconds until everything is done: what is paid for where a cluster is rented."""
        return self.slots * self.makespan

    @property
    def utilisation(self) -> float:
        """Share of the slots that was held, over the whole time; 1 where there was nothing."""
        return self.busy / self.paid if self.paid else 1.0

    @cached_property
    def critical(self) -> float:
        """Longest chain of jobs that need each other, with the durations that they had here."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for span in self.spans:
            seconds[span.job] += span.seconds
        ends: dict[str, float] = {}
        for job in self.graph.jobs():
            ends[job.key] = seconds[job.key] + max((ends[one] for one in job.needs), default=0.0)
        return max(ends.values(), default=0.0)
