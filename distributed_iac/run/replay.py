"""What a sweep's journal says, job by job: the one reader of its events.

::

    replay = Replay(graph)
    touched = replay.follow(journal)                # keys of jobs of which something new was said
    replay["acdc/basic_unet/search/lth/seed0"].status           # "done"
    replay.opened                                   # the Ray Tune experiments so far

A pure function of graph and events, so that a terminal beside a running sweep, its dashboards, a
report after a crash and the sweep itself all say the same. It follows a journal as it grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.run.journal import Event, Journal
from distributed_iac.run.search_payload import PAYLOAD_NAMES

AttemptStatus = Literal["running", "done", "failed", "lost"]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a job.

    Args:
        number: From 1.
        at: When it was over, in seconds since 1970.
        values: Its scalars.
    """

    number: int
    at: float
    values: Mapping[str, Any]


@dataclass
class Attempt:
    """One worker's time at a job.

    Args:
        began: In seconds since 1970.
        ended: The same; None while it runs.
        status: How it ended. Lost: its worker or driver died.
        epoch_seconds: Of all epochs that it reported.
    """

    began: float
    ended: float | None = None
    status: AttemptStatus = "running"
    epoch_seconds: float = 0.0

    def close(self, at: float, status: AttemptStatus) -> None:
        """End it; the clocks of two machines may disagree by more than a short job takes."""
        self.ended, self.status = max(self.began, at), status


@dataclass
class JobHistory:
    """One job.

    Args:
        job: The job.
        status: Where it stands.
        epochs: By number; of an epoch that was trained twice, the last report.
        attempts: In order; none of a job whose result was found.
        digest: Under which its result is kept, once a worker has said so.
        stop_code: Why a scheduler stopped it, for tables.
        stop_reason: The same, for people.
        error: Why it failed or was skipped, or what its last worker died of.
        losses: How often its worker was lost.
        ended: When it was done or failed, in seconds since 1970.
        note: What was unusual, such as a damaged checkpoint.
    """

    job: Job
    status: JobStatus = "waiting"
    epochs: dict[int, Epoch] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    digest: str | None = None
    stop_code: str | None = None
    stop_reason: str | None = None
    error: str | None = None
    losses: int = 0
    ended: float | None = None
    note: str | None = None
    last_event: float | None = None
    _told: Any = field(default_factory=hashlib.sha256, repr=False, compare=False)

    @property
    def last(self) -> Mapping[str, Any]:
        """The latest epoch's scalars; empty before the first."""
        return self.epochs[max(self.epochs)].values if self.epochs else {}

    @property
    def seconds(self) -> float:
        """Seconds of work in the epochs that count."""
        return sum(float(one.values.get("seconds") or 0.0) for one in self.epochs.values())

    @property
    def stamp(self) -> str:
        """Another one after everything that is said of it; equal for equal journals."""
        return str(self._told.hexdigest())

    @property
    def closing_seconds(self) -> float | None:
        """What a finished job took besides its epochs; None if it did not run."""
        if self.status != "done" or not self.attempts:
            return None
        last = self.attempts[-1]
        if last.status != "done" or last.ended is None:
            return None
        return max(0.0, last.ended - last.began - last.epoch_seconds)

    def dated_epochs(self, kept: Sequence[Mapping[str, Any]] | None = None) -> list[Epoch]:
        """All epochs in order.

        Args:
            kept: The finished job's own table; without it what was reported is all there is.
                Epochs of which no report has arrived are dated by the seconds that the later
                ones took.
        """
        if kept is None:
            return [self.epochs[number] for number in sorted(self.epochs)]
        found: list[Epoch] = []
        at = self.ended or 0.0
        for place, row in reversed(list(enumerate(kept, start=1))):
            number = int(row.get("epoch") or place)
            at = self.epochs[number].at if number in self.epochs else at
            found.append(Epoch(number, at, row))
            at -= float(row.get("seconds") or 0.0)
        return found[::-1]

    def take(self, event: Event, without: frozenset[str]) -> bool:
        """Take in an event of this job.

        Args:
            event: What happened.
            without: Values of reports that are not kept.

        Returns:
            Whether it says anything new. A driver that starts again says once more which jobs
            are done.
        """
        digest = event.values.get("digest") or self.digest
        if event.kind == "end" and self.status == "done" and digest == self.digest:
            return False
        self.last_event = event.at
        # Two events of one kind at one time differ in nothing that has to be shown anew.
        self._told.update(f"{event.at!r} {event.kind}\n".encode())
        self._apply(event, without)
        return True

    def reopen(self, now: float) -> None:
        """A new driver runs nothing yet, and tries again what failed.

        Args:
            now: The last that was heard of the one before, with which its workers ended.
        """
        self._close_attempt(now, "lost")
        if self.status == "failed":
            self._told.update(b"open")
        if self.status in ("running", "failed", "skipped"):
            self.status, self.error, self.ended = "waiting", None, None

    def _apply(self, event: Event, without: frozenset[str]) -> None:
        values = event.values
        match event.kind:
            case "start":
                self._close_attempt(event.at, "lost")
                self.attempts.append(Attempt(event.at))
                self.status, self.ended = "running", None
            case "report":
                self.status = "running"
                self._report(event, without)
            case "again":
                self._close_attempt(event.at, "lost")
                self.status, self.losses = "waiting", self.losses + 1
                self.error = values.get("error")
            case "stop":
                self.stop_code, self.stop_reason = values.get("code"), values.get("reason")
            case "end":
                self._close_attempt(event.at, "done")
                self.status, self.error, self.ended = "done", None, event.at
                self.digest = values.get("digest") or self.digest
            case "failed":
                self._close_attempt(event.at, "failed")
                self.status, self.error, self.ended = "failed", values.get("error"), event.at

    def _report(self, event: Event, without: frozenset[str]) -> None:
        values = {name: one for name, one in event.values.items() if name not in without}
        number = int(event.values["epoch"])
        if number:  # none is over yet where a job waits
            self.epochs[number] = Epoch(number, event.at, values)
        if self.attempts:
            self.attempts[-1].epoch_seconds += float(values.get("seconds") or 0.0)
        self.digest = values.get("digest") or self.digest
        self.note = values.get("note") or self.note

    def _close_attempt(self, at: float, status: AttemptStatus) -> None:
        if self.attempts and self.attempts[-1].ended is None:
            self.attempts[-1].close(at, status)


class Replay:
    """All jobs of a sweep.

    Args:
        graph: The jobs.
        without: Values of reports that are not kept, to save memory; by default those that are for
            dashboards alone.
    """

    def __init__(self, graph: JobGraph, *, without: frozenset[str] = PAYLOAD_NAMES) -> None:
        self.jobs = {job.key: JobHistory(job) for job in graph.jobs()}
        self.opened: list[Mapping[str, Any] | None] = []
        """Values of every ``open``; None for every ``close``."""
        self.began: float | None = None
        self.now = 0.0
        self.reports = 0
        self._graph, self._without, self._offset = graph, without, 0

    def __getitem__(self, key: str) -> JobHistory:
        return self.jobs[key]

    def follow(self, journal: Journal) -> dict[str, None]:
        """Take in what has been appended to a journal since the last call.

        Returns:
            As :meth:`feed`.

        Raises:
            RunError: The journal is damaged.
        """
        events, self._offset = journal.read_from(self._offset)
        return self.feed(events)

    def feed(self, events: Iterable[Event]) -> dict[str, None]:
        """Take in what has happened since.

        Args:
            events: In order; those of other jobs are passed over.

        Returns:
            Keys of the jobs of which something new was said, as an ordered set.
        """
        touched: dict[str, None] = {}
        for event in events:
            self.began = event.at if self.began is None else self.began
            self.reports += event.kind in ("report", "end")
            if event.kind == "open":
                self.opened.append(event.values)
                for one in self.jobs.values():
                    one.reopen(self.now)
            elif event.kind == "close":
                self.opened.append(None)
            elif event.job in self.jobs and self.jobs[event.job].take(event, self._without):
                touched[event.job] = None
            self.now = max(self.now, event.at)
        self._skip()
        return touched

    def _skip(self) -> None:
        failed = [key for key, one in self.jobs.items() if one.status == "failed"]
        for key in failed:
            for child in self._graph.descendants(key):
                if self.jobs[child].status == "waiting":
                    self.jobs[child].status = "skipped"
                    self.jobs[child].error = f"needs {key}, which failed"
