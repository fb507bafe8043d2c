"""What a sweep's journal says of one job, with the time of every epoch.

::

    courses = Courses(graph)
    touched = courses.feed(events)          # keys of jobs of which something new was said
    courses["acdc/basic_unet/search/lth/seed0"].epochs(kept_rows)

Of an epoch that was trained twice the last report counts, in its place and with its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.journal import Event

Ending = Literal["open", "done", "failed"]


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


class Course:
    """One job.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ending: Ending = "open"
        self.began: float | None = None
        self.ended: float | None = None
        self.last: float | None = None
        self.digest: str | None = None
        self.stop: str | None = None
        self.error: str | None = None
        self._rows: dict[int, Epoch] = {}
        self._told = hashlib.sha256()

    @property
    def stamp(self) -> str:
        """Of everything that has been said; equal for equal journals."""
        return self._told.hexdigest()

    def feed(self, event: Event) -> bool:
        """Take in an event of this job.

        Returns:
            Whether it says anything new. A driver that starts again says once more which jobs
            are done.
        """
        if self.ending == "done":
            return False
        self.last = event.at
        values = sorted(event.values.items())
        self._told.update(repr((event.at, event.kind, values)).encode())
        self._apply(event)
        return True

    def reopen(self) -> None:
        """A driver has started again; what failed is tried again."""
        if self.ending == "failed":
            self.ending, self.ended, self.error = "open", None, None
            self._told.update(b"open")

    def forget_rows(self) -> None:
        """Free the memory of a finished job, whose own table says the same."""
        self._rows = {}

    def epochs(self, kept: Sequence[Mapping[str, Any]] | None = None) -> list[Epoch]:
        """All epochs in order.

        Args:
            kept: The finished job's own table; without it what was reported is all there is.
                Epochs of which no report has arrived are dated by the seconds that the later
                ones took.
        """
        if kept is None:
            return [self._rows[number] for number in sorted(self._rows)]
        found: list[Epoch] = []
        at = self.ended or 0.0
        for place, row in reversed(list(enumerate(kept, start=1))):
            number = int(row.get("epoch") or place)
            at = self._rows[number].at if number in self._rows else at
            found.append(Epoch(number, at, row))
            at -= float(row.get("seconds") or 0.0)
        return found[::-1]

    def _apply(self, event: Event) -> None:
        values = event.values
        match event.kind:
            case "start":
                self.began = event.at if self.began is None else self.began
            case "report":
                number = int(values["epoch"])
                self._rows[number] = Epoch(number, event.at, values)
                self.digest = values.get("digest") or self.digest
            case "stop":
                self.stop = values.get("reason")
            case "end":
                self.ending, self.ended, self.error = "done", event.at, None
                self.digest = values.get("digest") or self.digest
            case "failed":
                self.ending, self.ended, self.error = "failed", event.at, values.get("error")
            case _:
                pass  # what happens to workers and drivers is no part of a job's course


class Courses:
    """All jobs of a sweep.

    Args:
        graph: The jobs.
    """

    def __init__(self, graph: JobGraph) -> None:
        self._courses = {job.key: Course(job) for job in graph.jobs()}

    def __getitem__(self, key: str) -> Course:
        return self._courses[key]

    def feed(self, events: Iterable[Event]) -> dict[str, None]:
        """Take in what has happened since; events of other jobs are passed over.

        Returns:
            Keys of the jobs of which something new was said, as an ordered set.
        """
        touched: dict[str, None] = {}
        for event in events:
            if event.kind == "open":
                for course in self._courses.values():
                    course.reopen()
            elif event.job in self._courses and self._courses[event.job].feed(event):
                touched[event.job] = None
        return touched
