"""What happened in a sweep, one line an event: the source of every table about its jobs.

::

    journal = Journal(run / "journal.jsonl")
    journal.write("report", "acdc/basic_unet/pretrain", {"epoch": 3, "loss": 0.4})
    for event in journal.read(): ...

Lines are only ever appended, each in one write, so that a kill leaves at most one torn line at the
end; it is passed over when reading and closed off by the next event. Events may repeat after a
restart (an epoch that is trained again is reported again): the last one counts.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from distributed_iac.errors import RunError
from distributed_iac.files import MALFORMED
from distributed_iac.transient import patiently

EventKind = Literal["open", "start", "report", "again", "stop", "end", "failed", "close"]
"""open: a driver takes up the sweep, nothing runs yet. start: a worker begins a job. report: an
epoch. again: the worker was lost, the job is going to be started again. stop: a scheduler stops
it. end: its result is kept. failed: for good. close: nothing is left to do."""

_KINDS = get_args(EventKind)
_TEXTS = ("digest", "note", "error", "code", "reason")
_LATEST = 253402300800.0
"""The first second of the year 10000, which no calendar of Python's has."""

ROW_ONLY = frozenset({"done", "stop_code", "stop_reason"})
"""What a row says and a report does not: it becomes an event of its own."""


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        at: Seconds since 1970.
        kind: What.
        job: Key of the job; empty for events of the sweep.
        values: Flat scalars.
    """

    at: float
    kind: EventKind
    job: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Journal:
    """The journal of a run folder.

    Args:
        path: The file; made with its folder at the first event.
        clock: Seconds since 1970.
    """

    path: Path
    clock: Callable[[], float] = field(default=time.time, compare=False)

    def write(
        self, kind: EventKind, job: str = "", values: Mapping[str, Any] | None = None
    ) -> None:
        """Append an event.

        Args:
            kind: What happened.
            job: To which job.
            values: Scalars; numbers that are not finite are written as text (``nan``), because
                JSON has none.

        Raises:
            OSError: Disk full or folder unwritable.
        """
        plain = {name: _plain(value) for name, value in (values or {}).items()}
        line = json.dumps({"at": self.clock(), "event": kind, "job": job, **_nest(plain)})
        patiently(lambda: self._append(line))

    def _append(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = self._is_torn()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n" if torn else f"{line}\n")

    def write_row(self, job: str, row: Mapping[str, Any]) -> None:
        """Append the events that a job's row tells of: an epoch, a stop, its end.

        Args:
            job: Which.
            row: Of :meth:`~distributed_iac.run.job_run.JobRun.advance`, or of a job that failed.
        """
        outcome = row["outcome"]
        if outcome == "failed":
            self.write("failed", job, {"error": row.get("error")})
            return
        if outcome != "reused":
            report = {name: value for name, value in row.items() if name not in ROW_ONLY}
            self.write("report", job, report)
        if row.get("stop_code") is not None:
            self.write("stop", job, {"code": row["stop_code"], "reason": row.get("stop_reason")})
        if outcome in ("done", "reused"):
            self.write("end", job, {"digest": row.get("digest")})

    def read(self) -> Iterator[Event]:
        """Yield all events in order; none if nothing has happened yet.

        Raises:
            RunError: A line is damaged that no kill can have damaged.
        """
        events, _ = self.read_from(0)
        yield from events

    def read_from(self, offset: int) -> tuple[list[Event], int]:
        """Read what has been appended.

        Args:
            offset: Bytes that were read before.

        Returns:
            The events of all whole lines since, and the offset after them.

        Raises:
            RunError: As :meth:`read`.
        """
        if not patiently(self.path.exists):
            return [], 0
        whole, newline, _ = patiently(lambda: self._rest(offset)).rpartition(b"\n")
        lines = whole.decode("utf-8", errors="replace").split("\n")
        events = [self._event(line) for line in lines if line]
        return [one for one in events if one is not None], offset + len(whole) + len(newline)

    def _rest(self, offset: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read()

    def _event(self, line: str) -> Event | None:
        """The event of a line; None for one that a kill has cut short."""
        try:
            return _parse(json.loads(line))
        except MALFORMED as error:
            if isinstance(error, json.JSONDecodeError) and _is_start_of_event(line):
                return None
            raise RunError(
                "a journal holds one event a line",
                came=repr(line[:60]),
                remedy="delete that line",
                where=self.path,
            ) from error

    def _is_torn(self) -> bool:
        """Whether a kill cut the last line short."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) != b"\n"


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": dict(values)} if values else {}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _parse(content: dict[str, Any]) -> Event:
    """Read what a line holds.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: It is no event.
    """
    kind, values, at = content["event"], content.get("values", {}), float(content["at"])
    if kind not in _KINDS or not isinstance(values, dict) or not 0 <= at < _LATEST:
        raise ValueError(kind)
    if kind == "report":
        int(values["epoch"])
        float(values.get("seconds") or 0.0)
    for name in _TEXTS:
        if not isinstance(values.get(name), str | None):
            raise TypeError(name)
    return Event(at, kind, str(content["job"]), values)


def _is_start_of_event(line: str) -> bool:
    """Whether a damaged line is one that was cut short, not one that was altered."""
    return line.startswith('{"at": '[: len(line)])
