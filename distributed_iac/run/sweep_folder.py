"""The files of a sweep in its run folder.

::

    folder = SweepFolder(Path("runs/acdc"))
    folder.describe(SweepPlan(graph, artifacts="runs/artifacts", reserved=...))
    with folder.claimed(): ...          # one driver at a time
    folder.plan().graph

jobs.json says what there is to do, journal.jsonl what happened, driver.lock who is at it and
report.lock who writes tables and pages, which may be done while another process drives.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from distributed_iac.errors import ConfigError, OccupiedError, RunError, raised_as
from distributed_iac.files import MALFORMED, write_json
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.locks import is_held, locked
from distributed_iac.run.journal import Journal
from distributed_iac.run.storage import is_uri
from distributed_iac.transient import patiently
from distributed_iac.versions import RUN, require_version, versioned

JOBS, JOURNAL = "jobs.json", "journal.jsonl"
LOCK, REPORT_LOCK = "driver.lock", "report.lock"


@dataclass(frozen=True)
class Reserved:
    """What a job has to itself while it runs.

    Args:
        cpus: Cores.
        gpus: GPUs, or a share of one.
        memory: Bytes; 0: not reserved.
    """

    cpus: float
    gpus: float = 0.0
    memory: float = 0.0

    def device_seconds(self, seconds: float) -> float | None:
        """Seconds of a whole GPU that a job took: its time by its share; None without a GPU."""
        return seconds * self.gpus if self.gpus else None


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep is going to do.

    Args:
        graph: The jobs.
        artifacts: Folder or URI of results. A folder that is given relative to the working folder,
            or lies among the runs, is written down as it is reached from the run's folder, so that
            they can be moved and copied together.
        reserved: Resources by kind.
    """

    graph: JobGraph
    artifacts: str
    reserved: Mapping[JobKind, Reserved]

    def to_plain(self) -> dict[str, Any]:
        """JSON-able values."""
        return {
            "artifacts": self.artifacts,
            "reserved": {kind: asdict(one) for kind, one in self.reserved.items()},
            "jobs": [job.to_plain() for job in self.graph.jobs()],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SweepPlan:
        """Read :meth:`to_plain`."""
        jobs = [Job.from_plain(job) for job in plain["jobs"]]
        reserved = {kind: Reserved(**one) for kind, one in plain["reserved"].items()}
        return cls(JobGraph(jobs), plain["artifacts"], reserved)


@dataclass(frozen=True)
class SweepFolder:
    """A sweep's run folder.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def journal(self) -> Journal:
        """What happened."""
        return Journal(self.path / JOURNAL)

    def describe(self, plan: SweepPlan) -> None:
        """Write down what there is to do."""
        plain = plan.to_plain() | {"artifacts": _from(self.path, plan.artifacts)}
        write_json(self.path / JOBS, versioned(RUN, plain))

    def plan(self) -> SweepPlan:
        """What there is to do.

        Raises:
            RunError: This is not the folder of a sweep, or of a release that this one cannot read.
        """
        path = self.path / JOBS
        try:
            text = patiently(path.read_bytes)
        except OSError as error:
            raise RunError(
                f"the folder of a sweep holds {JOBS}",
                came=str(error),
                remedy="give the folder that `distributed-iac sweep` made, such as runs/NAME",
                where=self.path,
            ) from error
        try:
            content = json.loads(text)
            require_version(RUN, content, path)
            plan = SweepPlan.from_plain(content)
            return replace(plan, artifacts=_at(self.path, plan.artifacts))
        except (*MALFORMED, ConfigError) as error:
            said = error.message if isinstance(error, ConfigError) else str(error)
            raise RunError(
                "what a sweep has to do is a list of jobs",
                came=f"{type(error).__name__}: {said}",
                remedy="start the sweep again with its configuration: the file is written anew",
                where=path,
            ) from error

    def is_described(self) -> bool:
        """Whether it says what there is to do, well or badly."""
        return (self.path / JOBS).is_file()

    def require_readable(self) -> None:
        """Refuse the folder of another release's run before anything is written into it.

        A damaged list of jobs is no obstacle: whoever asks is going to write it anew.

        Raises:
            RunError: This release cannot read it.
        """
        path = self.path / JOBS
        with contextlib.suppress(OSError, *MALFORMED):
            require_version(RUN, json.loads(path.read_bytes()), path)

    def description(self) -> tuple[int, int] | None:
        """What tells one call of :meth:`describe` from the next; None before the first."""
        try:
            stat = (self.path / JOBS).stat()
        except OSError:  # not there yet, or never: who makes the folder says why
            return None
        return stat.st_ino, stat.st_mtime_ns

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the only driver of this sweep.

        Raises:
            ConfigError: The folder cannot be made.
            OccupiedError: Another process drives it.
        """
        _make(self.path)
        with locked(self.path / LOCK, self._refuse):
            yield

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Wait for, and be, the only one that writes tables and pages of this sweep.

        Raises:
            RunError: This is not the folder of a sweep.
        """
        self.plan()  # nothing is written into a folder of anything else
        with locked(self.path / REPORT_LOCK):
            yield

    def is_driven(self) -> bool:
        """Whether a process drives the sweep now; True as well where nobody can tell."""
        return is_held(self.path / LOCK)

    def _refuse(self, holder: str) -> None:
        raise OccupiedError(
            "one process at a time drives a sweep",
            came=f"another one is at it: {holder}",
            remedy="watch it with `distributed-iac status`, or stop it first",
            where=self.path,
        )


def _make(folder: Path) -> None:
    message = "out is a folder in which folders of runs can be created"
    with raised_as(ConfigError, message, remedy="set out to another folder", where=folder):
        folder.mkdir(parents=True, exist_ok=True)


def _from(run: Path, artifacts: str) -> str:
    """How a place is written down in a run's folder."""
    path = Path(artifacts)
    if is_uri(artifacts):
        return artifacts
    if path.is_absolute() and not path.is_relative_to(run.absolute().parent):
        return artifacts
    return os.path.relpath(path, run)


def _at(run: Path, artifacts: str) -> str:
    """Where a place is that is written down in a run's folder."""
    return artifacts if is_uri(artifacts) else os.path.normpath(run.absolute() / artifacts)
