"""The files of a sweep in its run folder.

::

    folder = SweepFolder(Path("runs/acdc"))
    folder.describe(SweepPlan(graph, artifacts="runs/artifacts", resources=...))
    with folder.claimed(): ...          # one driver at a time
    folder.plan().graph

jobs.json says what there is to do, journal.jsonl what happened, driver.lock who is at it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distributed_iac.errors import ConfigError, RunError
from distributed_iac.files import MALFORMED, write_json
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.training.sweep.journal import Journal
from distributed_iac.versions import RUN, require_version, versioned

JOBS, JOURNAL, LOCK = "jobs.json", "journal.jsonl", "driver.lock"


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
        artifacts: Folder or URI of results.
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
            "jobs": [asdict(job) for job in self.graph.jobs()],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SweepPlan:
        """Read :meth:`to_plain`."""
        jobs = [Job(**{**job, "needs": tuple(job["needs"])}) for job in plain["jobs"]]
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
        write_json(self.path / JOBS, versioned(RUN, plan.to_plain()))

    def plan(self) -> SweepPlan:
        """What there is to do.

        Raises:
            RunError: This is not the folder of a sweep, or of a release that this one cannot read.
        """
        path = self.path / JOBS
        try:
            text = path.read_bytes()
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
            return SweepPlan.from_plain(content)
        except (*MALFORMED, ConfigError) as error:
            said = error.message if isinstance(error, ConfigError) else str(error)
            raise RunError(
                "what a sweep has to do is a list of jobs",
                came=f"{type(error).__name__}: {said}",
                remedy="start the sweep again with its configuration: the file is written anew",
                where=path,
            ) from error

    def require_readable(self) -> None:
        """Refuse the folder of another release's run before anything is written into it.

        A damaged list of jobs is no obstacle: whoever asks is going to write it anew.

        Raises:
            RunError: This release cannot read it.
        """
        path = self.path / JOBS
        with contextlib.suppress(OSError, *MALFORMED):
            require_version(RUN, json.loads(path.read_bytes()), path)

    def is_described_since(self, when: float) -> bool:
        """Whether :meth:`describe` was called after a time, in seconds since 1970."""
        try:
            return (self.path / JOBS).stat().st_mtime >= when
        except OSError:  # not there yet, or never: who makes the folder says why
            return False

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the only driver of this sweep; the claim ends with the process, however it ends.

        Raises:
            RunError: Another process drives it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    "one process at a time drives a sweep",
                    came="another one is at it",
                    remedy="watch it with `distributed-iac status`, or stop it first",
                    where=self.path,
                ) from error
            yield

    def is_driven(self) -> bool:
        """Whether a process on this machine drives the sweep now."""
        try:
            with (self.path / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False
