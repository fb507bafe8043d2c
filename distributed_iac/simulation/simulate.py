"""A sweep on virtual slots: the real job graph, order and stopping rules, on a clock of its own.

::

    sweep = PaperSweep(graph, courses, shares, SchedulerSettings(), startup=20.0)
    simulate(sweep, slots=8).makespan

Jobs start as Tune starts them: whenever there may be room, the searcher is asked for the next job
that is ready (:mod:`distributed_iac.jobs.ready`). Where the size is known it answers once there is
room for that job. Where it is not, one job is asked for ahead, and keeps its place at the head of
the queue until it fits, whoever becomes ready meanwhile.
Every epoch of a search is reported to a :class:`~distributed_iac.verdict.judge.Judge`;
a search that its own reports stop is concluded by the same process, one that is stopped because
of others by a second one, as in :mod:`distributed_iac.tune.searcher`.

Not simulated: lost workers, memory, CPU cores beside GPUs, the network, and how jobs on one
machine slow each other down.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.progress import Progress
from distributed_iac.simulation.occupancy import Occupation, Purpose, Schedule
from distributed_iac.simulation.planned import PlannedCourse
from distributed_iac.simulation.slots import Grant, Slots
from distributed_iac.verdict.judge import Judge
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.verdict import StopCode, Verdict

BECAUSE_OF_OTHERS: frozenset[StopCode] = frozenset({"consensus", "dominated"})
"""Verdicts that a search cannot reach from its own reports."""


@dataclass(frozen=True)
class PaperSweep:
    """What is simulated.

    Args:
        graph: The jobs.
        courses: What each would do, by key.
        shares: Slots that a job of a kind holds; 0 holds none and runs beside.
        rules: Who is stopped when.
        startup: Seconds that every process takes before it works, holding its slots.
        size: Whether the sweep knows how many slots there are, as on one machine, and goes by it
            in the order of jobs; a cluster may grow, and its size counts as unknown.
    """

    graph: JobGraph
    courses: Mapping[str, PlannedCourse]
    shares: Mapping[JobKind, float]
    rules: SchedulerSettings
    startup: float = 0.0
    size: Literal["known", "unknown"] = "known"


def simulate(sweep: PaperSweep, slots: int) -> Schedule:
    """Run a sweep on paper; the same sweep always goes the same way.

    Args:
        sweep: What.
        slots: On how many virtual GPUs or cores, at least 1.

    Raises:
        ConfigError: A job reserves more than there is.
    """
    most = max((sweep.shares[job.kind] for job in sweep.graph.jobs()), default=0.0)
    if most > slots:
        raise ConfigError(f"jobs that reserve {most:g} slots need as many", came=f"{slots}")
    return _Simulation(sweep, slots).run()


@dataclass
class _Process:
    """One that runs now; judged: whether its reports may stop it."""

    key: str
    job: Job
    purpose: Purpose
    course: PlannedCourse
    judged: bool
    begin: float
    grant: Grant
    epochs: int = 0
    verdict: Verdict | None = None
    last: Report | None = None

    @property
    def closes(self) -> bool:
        """Whether no epoch follows any more."""
        return self.verdict is not None or self.epochs == len(self.course.seconds)

    @property
    def cut(self) -> bool:
        """Whether it was stopped because of others, before its own end."""
        others = self.verdict is not None and self.verdict.code in BECAUSE_OF_OTHERS
        return others and self.epochs < len(self.course.seconds)


class _Simulation:
    """State between two events; an event is the end of a process's next stretch of work."""

    def __init__(self, sweep: PaperSweep, slots: int) -> None:
        self._sweep, self._count = sweep, slots
        self._slots = Slots(slots)
        self._known = sweep.size == "known"
        self._progress = Progress(sweep.graph, slots=slots if self._known else None)
        self._judge = Judge.from_settings(sweep.rules)
        self._queue: deque[tuple[Job, Purpose]] = deque(maxlen=1)
        self._stopped: deque[Job] = deque()
        self._events: list[tuple[float, int, _Process]] = []
        self._numbers = 0
        self._spans: list[Occupation] = []

    def run(self) -> Schedule:
        self._fill(0.0)
        while self._events:
            now = self._events[0][0]
            ended = 0
            while self._events and self._events[0][0] == now:
                ended += self._advance(heapq.heappop(self._events)[2], now)
            if ended:
                self._fill(now)
        assert self._progress.finished
        spans = sorted(self._spans, key=lambda span: span.begin)
        return Schedule(self._sweep.graph, self._count, tuple(spans))

    def _fill(self, now: float) -> None:
        """Start what fits, in order; what does not waits at the head of the queue."""
        while self._queue or self._ask():
            job, purpose = self._queue[0]
            grant = self._slots.take(self._sweep.shares[job.kind])
            if grant is None:
                return
            self._queue.popleft()
            self._start(job, purpose, now, grant)

    def _ask(self) -> bool:
        """Ask for a job: a stopped one that waits for its conclusion, else a ready one."""
        if self._stopped:
            self._queue.append((self._stopped.popleft(), "conclusion"))
            return True
        job = self._progress.next_ready()
        if job is None or (self._known and not self._has_room(job)):
            return False
        self._progress.start(job.key)
        self._queue.append((job, "work"))
        return True

    def _has_room(self, job: Job) -> bool:
        grant = self._slots.take(self._sweep.shares[job.kind])
        if grant is not None:
            self._slots.give_back(grant)
        return grant is not None

    def _start(self, job: Job, purpose: Purpose, now: float, grant: Grant) -> None:
        key = job.key
        course = self._sweep.courses[key]
        judged = purpose == "work" and any(course.reports)
        process = _Process(key, job, purpose, course, judged, now, grant)
        ready = now + self._sweep.startup
        if judged:
            self._judge.add(key, Role(job.kind, job.group, job.name))
            self._come_back(process, ready + course.seconds[0])
        elif purpose == "work":
            process.epochs = len(course.seconds)
            self._come_back(process, ready + sum(course.seconds) + course.closing)
        else:
            self._come_back(process, ready + course.closing)

    def _come_back(self, process: _Process, when: float) -> None:
        self._numbers += 1
        heapq.heappush(self._events, (when, self._numbers, process))

    def _advance(self, process: _Process, now: float) -> bool:
        """A stretch of work is over; whether the process is."""
        if not process.judged or process.closes:
            self._end(process, now)
            return True
        process.epochs += 1
        self._report(process)
        if process.cut:
            self._end(process, now)
            return True
        course = process.course
        stretch = course.closing if process.closes else course.seconds[process.epochs]
        self._come_back(process, now + stretch)
        return False

    def _report(self, process: _Process) -> None:
        report = process.course.reports[process.epochs - 1]
        if report is None:
            return
        process.verdict = self._judge.report(process.key, report)
        process.last = report

    def _end(self, process: _Process, now: float) -> None:
        code = None if process.verdict is None else process.verdict.code
        share = self._sweep.shares[process.job.kind]
        self._spans.append(
            Occupation(
                process.key, process.purpose, process.begin, now, share, process.epochs, code
            )
        )
        self._slots.give_back(process.grant)
        if process.last is not None:  # the last report comes after the conclusion: only now a vote
            self._judge.end(process.key, process.last)
        if process.cut:
            self._stopped.append(process.job)
        else:
            self._progress.finish(process.key)
