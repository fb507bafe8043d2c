"""The two last checkpoints of a job, on storage that every node reaches.

::

    checkpoints = JobCheckpoints("s3://bucket/runs/acdc/checkpoints/5f0c")
    checkpoints.store(state)                  # into the slot that holds the older state
    kept = checkpoints.newest()               # the newest state that is whole
    kept.state, kept.notes              # None where there is none

Jobs keep their own checkpoints instead of handing them to Ray Tune, for three reasons that were
observed: after a kill of the driver Tune knows only the checkpoints of its last snapshot; it hands
a restarted trial one checkpoint, and if that one is damaged the trial fails until it is given up;
and a new Tune experiment of the same run knows none at all.

A state is written whole beside the other one, with a checksum, so a kill at any instant and a
damaged file cost the epochs between two checkpoints, never the job. Two slots are used in turn
rather than renamed, because object stores cannot rename.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pyarrow import fs

from distributed_iac.errors import CheckpointError
from distributed_iac.run.storage import is_file, read_file, resolve, write_object
from distributed_iac.training.checkpoint import (
    checkpoint_bytes,
    parse_checkpoint,
    read_checkpoint,
)
from distributed_iac.transient import patiently

SLOTS = ("a.pt", "b.pt")
NUMBER = "checkpoint_number"
"""Key under which a state carries its place in the order of checkpoints."""


@dataclass(frozen=True)
class CheckpointInterval:
    """How often a job writes a checkpoint.

    Args:
        seconds: Work after which the end of an epoch is a moment for one.
        epochs: Epochs after which it is; None: only the seconds count.
    """

    seconds: float
    epochs: int | None = None

    def due(self, epochs: int, seconds: float) -> bool:
        """Whether it is time, so many epochs and seconds after the last one."""
        return seconds >= self.seconds or (self.epochs is not None and epochs >= self.epochs)


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint that was found.

    Args:
        state: What was stored; None if nothing is there, or nothing that is whole: then the job
            starts again.
        notes: What was passed over to find it.
    """

    state: dict[str, Any] | None
    notes: tuple[str, ...] = ()


OLDER = ("last.pt", "before.pt")
"""Checkpoints that ``search`` of release 0.1.0 kept in a job's own folder, newest first."""


@dataclass
class JobCheckpoints:
    """Checkpoints of one job.

    Args:
        folder: Local folder or URI of a file system that pyarrow knows; made when needed.
        job_folder: Where release 0.1.0 may have left some, which count where there are no others;
            None: nowhere.
    """

    folder: str
    job_folder: Path | None = None
    _number: int = field(default=0, init=False)

    def store(self, state: Mapping[str, Any]) -> None:
        """Write a state; the one before stays whole whatever happens.

        Args:
            state: Tensors and plain values.

        Raises:
            OSError: Storage full or out of reach.
        """
        number = self._number + 1
        name = SLOTS[number % len(SLOTS)]
        system, path = resolve(self.folder)
        write_object(system, f"{path}/{name}", checkpoint_bytes({**state, NUMBER: number}))
        self._number = number

    def newest(self) -> FoundCheckpoint:
        """Return the newest whole state.

        Raises:
            OSError, CheckpointError: Storage keeps failing for now.
        """
        kept: dict[str, Any] | None = None
        notes: list[str] = []
        for name in SLOTS:
            state = _unless_damaged(name, partial(self._read, name), notes)
            if state is not None and (kept is None or state[NUMBER] > kept[NUMBER]):
                kept = state
        if kept is not None:
            self._number = int(kept[NUMBER])
        return FoundCheckpoint(kept or self._older(notes), tuple(notes))

    def clear(self) -> None:
        """Remove the checkpoints of a job that is finished."""
        system, path = resolve(self.folder)
        if patiently(lambda: system.get_file_info(path)).type == fs.FileType.Directory:
            patiently(lambda: system.delete_dir(path))
        for file in self._older_files():
            file.unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any] | None:
        """The state in a slot; None for an empty slot."""
        system, path = resolve(self.folder)
        file = f"{path}/{name}"
        if not is_file(system, file):
            return None
        if isinstance(system, fs.LocalFileSystem):
            return read_checkpoint(Path(file))
        return parse_checkpoint(read_file(system, file), file)

    def _older_files(self) -> list[Path]:
        return [] if self.job_folder is None else [self.job_folder / name for name in OLDER]

    def _older(self, notes: list[str]) -> dict[str, Any] | None:
        """What release 0.1.0 left; it put the job's key before the digest."""
        for file in self._older_files():
            if not patiently(file.exists):
                continue
            state = _unless_damaged(file.name, partial(read_checkpoint, file), notes)
            if state is not None:
                return {**state, "identity": str(state["identity"]).split()[-1]}
        return None


def _unless_damaged(
    name: str, read: Callable[[], dict[str, Any] | None], notes: list[str]
) -> dict[str, Any] | None:
    """A state, or a note that it is damaged."""
    try:
        return read()
    except CheckpointError as error:
        if error.retriable:
            raise  # it may be whole: nothing is known of it yet
        notes.append(f"passed over a damaged checkpoint, {name}: {error.message}")
        return None
