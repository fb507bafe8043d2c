"""Results of jobs in a store of artifacts, as workshops need them.

::

    kept = KeptResults(Artifacts("runs/artifacts"))
    kept.find(digest)                               # flat scalars, or None
    kept.put(job, digest, folder, rows, final)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_iac.jobs.job import Job
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.result import parse_result, write_result
from distributed_iac.run.workshop import Result
from distributed_iac.training.stage import Scalar


@dataclass(frozen=True)
class KeptResults:
    """Finished jobs.

    Args:
        artifacts: Where they are kept.
    """

    artifacts: Artifacts

    def find(self, digest: str) -> Result | None:
        """Scalars of a finished job; None if it is not finished."""
        content = self.artifacts.read(digest)
        where = f"{digest} in {self.artifacts.root}"
        return None if content is None else _scalars(parse_result(content, where))

    def put(
        self, job: Job, digest: str, folder: Path, rows: Sequence[Result], final: Result
    ) -> Result:
        """Keep a job's files; the first result that comes under a digest stays."""
        content = write_result(folder, job, digest, rows, final)
        self.artifacts.put(digest, folder)
        return self.find(digest) or _scalars(content)


def _scalars(content: Mapping[str, Any]) -> dict[str, Scalar]:
    """What fits a flat report; ``epochs`` counts as the last epoch's number."""
    flat = {
        name: value
        for name, value in content.items()
        if value is None or isinstance(value, float | int | str | bool)
    }
    return {**flat, "epoch": flat.get("epochs")}
