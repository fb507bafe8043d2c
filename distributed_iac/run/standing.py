"""Where every job of a sweep stands, told by its journal.

::

    standings = stand(graph, journal.read())
    standings["acdc/basic_unet/search/lth/seed0"].status        # "done"

A pure function of graph and events, so that a terminal beside a running sweep, a report after a
crash, and the sweep itself all say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.run.journal import Event
from distributed_iac.run.search_payload import PAYLOAD_NAMES


@dataclass
class Standing:
    """One job.

    Args:
        job: The job.
        status: Where it stands.
        rows: Scalars by epoch; of an epoch that was trained twice, the last.
        digest: Under which its result is kept, once a worker has said so.
        stop_code: Why a scheduler stopped it, for tables.
        stop_reason: The same, for people.
        error: Why it failed, or what its last worker died of.
        losses: How often its worker was lost.
        began: When its last worker began, in seconds since 1970.
        note: What was unusual, such as a damaged checkpoint.
    """

    job: Job
    status: JobStatus = "waiting"
    rows: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    digest: str | None = None
    stop_code: str | None = None
    stop_reason: str | None = None
    error: str | None = None
    losses: int = 0
    began: float | None = None
    note: str | None = None

    @property
    def last(self) -> Mapping[str, Any]:
        """The latest epoch's scalars; empty before the first."""
        return self.rows[max(self.rows)] if self.rows else {}

    @property
    def seconds(self) -> float:
        """Seconds of work in the epochs that count."""
        return sum(float(row.get("seconds") or 0.0) for row in self.rows.values())


class Replay:
    """Standings that follow a journal as it grows.

    Args:
        graph: The sweep's jobs.
    """

    def __init__(self, graph: JobGraph) -> None:
        self._graph = graph
        self.standings = {job.key: Standing(job) for job in graph.jobs()}

    def feed(self, events: Iterable[Event]) -> None:
        """Take in what has happened since.

        Args:
            events: In order; those of other jobs are passed over.
        """
        for event in events:
            if event.kind == "open":
                self._reopen()
            elif event.job in self.standings:
                _apply(self.standings[event.job], event)
        self._skip()

    def _reopen(self) -> None:
        """A new driver runs nothing yet, and tries again what failed."""
        for standing in self.standings.values():
            if standing.status in ("running", "failed", "skipped"):
                standing.status, standing.error = "waiting", None

    def _skip(self) -> None:
        failed = [key for key, one in self.standings.items() if one.status == "failed"]
        for key in failed:
            for child in self._graph.descendants(key):
                if self.standings[child].status == "waiting":
                    self.standings[child].status = "skipped"
                    self.standings[child].error = f"needs {key}, which failed"


def stand(graph: JobGraph, events: Iterable[Event]) -> dict[str, Standing]:
    """Replay a whole journal.

    Args:
        graph: The sweep's jobs.
        events: In order.

    Returns:
        A standing by key, in the graph's order.
    """
    replay = Replay(graph)
    replay.feed(events)
    return replay.standings


def _apply(standing: Standing, event: Event) -> None:
    values = event.values
    match event.kind:
        case "start":
            standing.status, standing.began = "running", event.at
        case "report":
            standing.status = "running"
            scalars = {name: one for name, one in values.items() if name not in PAYLOAD_NAMES}
            if values["epoch"]:  # none is over yet where a job waits
                standing.rows[int(values["epoch"])] = scalars
            standing.digest = values.get("digest") or standing.digest
            standing.note = values.get("note") or standing.note
        case "again":
            standing.status, standing.losses = "waiting", standing.losses + 1
            standing.error = values.get("error")
        case "stop":
            standing.stop_code, standing.stop_reason = values.get("code"), values.get("reason")
        case "end":
            standing.status, standing.error = "done", None
            standing.digest = values.get("digest") or standing.digest
        case "failed":
            standing.status, standing.error = "failed", values.get("error")
