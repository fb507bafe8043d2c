"""Versions of what this project writes, so that another release reads it or says why not.

::

    write_json(path, versioned(RUN, content))
    require_version(RUN, content, path)         # its error if this release cannot read it

Files that travel together share one version, in the file that is read first: `docs/formats.md`
says which. A version is raised when an older release would misread what is written; ``oldest``
follows only when this one can no longer read what was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distributed_iac.errors import CheckpointError, DistributedIacError, RunError, StoreError

UPGRADE = "upgrade distributed_iac to the release that wrote it, or a later one"


@dataclass(frozen=True)
class Format:
    """What one version stands for.

    Args:
        what: What travels together, for people.
        version: Of what this release writes.
        oldest: That this release reads.
        error: Raised for what it cannot read.
        again: How to get rid of a version that is too old or damaged.
        key: Entry that holds the version.
    """

    what: str
    version: int
    oldest: int
    error: type[DistributedIacError]
    again: str
    key: str = "format_version"


RUN = Format(
    "the folder of a run", 1, 1, RunError, "give the run another name; it takes over what is done"
)
RESULT = Format(
    "the result of a job", 1, 1, CheckpointError, "delete its folder; the next run makes it again"
)
CHECKPOINT = Format(
    "a checkpoint", 1, 1, RunError, "delete it; the job begins again where no other is left"
)
SNAPSHOT = Format("Ray Tune's snapshot", 3, 3, RunError, "a new experiment replaces it by itself")
"""Holds pickled classes of ours, so no release continues another one's."""

STORE = Format(
    "a store",
    2,
    1,
    StoreError,
    "delete the folder and run `distributed-iac prepare`, it makes the store again",
    key="format",
)
"""2: whole slices beside the patches; of one of 1 nothing is predicted outside the patch."""
MODEL = Format(
    "an exported model",
    1,
    1,
    CheckpointError,
    "export the model again, or use the release that wrote it",
)
CELL = Format(
    "a cell of an exported network", 1, 1, CheckpointError, "export it again from its run"
)
PREDICTIONS = Format(
    "the record of predictions", 1, 1, RunError, "delete it, and make the label maps again"
)


def versioned(format: Format, content: Mapping[str, Any]) -> dict[str, Any]:
    """Say of what is going to be written which version it is."""
    return {format.key: format.version, **content}


def require_version(format: Format, content: Mapping[str, Any], where: object) -> int:
    """Return the version of what was read; release 0.1.0 wrote 1, or none.

    Raises:
        DistributedIacError: ``format.error``: it is of a newer release, too old, or no version.
    """
    version = content.get(format.key, 1)
    if type(version) is not int or version < 1:  # True is no version
        raise format.error(
            f"the {format.key} of {format.what} is a whole number from 1 on",
            came=repr(version),
            remedy=format.again,
            where=where,
        )
    if not format.oldest <= version <= format.version:
        newer = version > format.version
        readable = range(format.oldest, format.version + 1)
        raise format.error(
            f"this release reads {format.what} of {format.key} {' or '.join(map(str, readable))}",
            came=f"{version}, written by {'a newer' if newer else 'an older'} release",
            remedy=UPGRADE if newer else format.again,
            where=where,
        )
    return version
