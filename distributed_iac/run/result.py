"""The ``result.json`` of a finished job, for tables and for the jobs that need it.

::

    write_result(folder, job, digest, rows, work.finish(folder, rows))
    read_result(folder)["val_dice"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distributed_iac import versions
from distributed_iac.data.store.identity import content_key
from distributed_iac.files import without_nan, write_json
from distributed_iac.jobs.job import Job
from distributed_iac.run.artifacts import (
    CHECKSUM,
    FILES,
    RESULT,
    Artifacts,
    checksums,
    described,
)
from distributed_iac.run.reading import reading
from distributed_iac.training.stage import Scalar
from distributed_iac.transient import patiently

Result = Mapping[str, Scalar]
"""Flat scalars that a finished job is known by."""


def write_result(
    folder: Path,
    job: Job,
    digest: str,
    rows: Sequence[Mapping[str, Scalar]],
    final: Mapping[str, Scalar],
) -> dict[str, Any]:
    """Describe a finished job; the last file of its folder.

    Args:
        folder: With all other files of the job.
        job: The job.
        digest: What the result was made from.
        rows: Scalars of its epochs, each with ``seconds``, the time spent in it.
        final: Flat scalars about the whole job; numbers that are not finite become null.

    Returns:
        What was written.
    """
    content = {
        **job.columns(),
        "digest": digest,
        "status": "done",
        "epochs": len(rows),
        "seconds": sum(float(row.get("seconds") or 0.0) for row in rows),
        **without_nan(final),
        FILES: checksums(folder),
    }
    written = versions.versioned(versions.RESULT, content)
    write_json(folder / RESULT, {**written, CHECKSUM: content_key(written)})
    return content


def keep_result(
    artifacts: Artifacts,
    job: Job,
    digest: str,
    folder: Path,
    rows: Sequence[Mapping[str, Scalar]],
    final: Mapping[str, Scalar],
) -> Result:
    """Keep a finished job's files; the first result that comes under a digest stays.

    Args:
        artifacts: Where to.
        job: The job.
        digest: What the result was made from.
        folder: The job's files.
        rows: As for :func:`write_result`.
        final: The same.

    Returns:
        What :func:`find_result` is going to return.

    Raises:
        OSError: Storage full or out of reach.
    """
    content = write_result(folder, job, digest, rows, final)
    artifacts.put(digest, folder)
    return find_result(artifacts, digest) or _scalars(content)


def find_result(artifacts: Artifacts, digest: str) -> Result | None:
    """Flat scalars of a finished job; None if it is not finished.

    Raises:
        CheckpointError: It is damaged, or of a release that this one cannot read.
        OSError: The storage cannot be reached.
    """
    said = artifacts.read(digest)
    return None if said is None else _scalars(said)


def read_result(folder: Path) -> dict[str, Any]:
    """Read a job's ``result.json``.

    Raises:
        CheckpointError: It is missing or damaged, or of a release that this one cannot read.
    """
    with reading(folder / RESULT) as path:
        content = patiently(path.read_bytes)
    return described(content, str(path))


def _scalars(content: Mapping[str, Any]) -> Result:
    """What fits a flat report; ``epochs`` counts as the last epoch's number."""
    flat = {
        name: value
        for name, value in content.items()
        if value is None or isinstance(value, float | int | str | bool)
    }
    return {**flat, "epoch": flat.get("epochs")}
