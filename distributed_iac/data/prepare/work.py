"""The work folder of a preparation: every finished step, found again after any interruption.

::

    with claimed_work(store, progress.waits) as work:   # one preparation of a store at a time
        work.record("case_1", key)               # an earlier result of the very same work, or None
        work.case_files("case_1").images         # where the case's arrays lie

A step is known by a key over everything that its result follows from: files, settings, version.
A key that does not fit is work of other settings and is done again; nothing is ever mixed.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from distributed_iac.data.contract import Problem
from distributed_iac.data.prepare.prepared_case import TargetCounts
from distributed_iac.data.store.manifest import LOCK, WHOLE, WORK
from distributed_iac.data.volumes.plane import CaseGeometry
from distributed_iac.errors import StoreError
from distributed_iac.files import FileDigest, write_json
from distributed_iac.locks import locked, wait_aloud
from distributed_iac.transient import patiently

Record = TypeVar("Record")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class CaseRecord:
    """What is known of a prepared case beside its arrays.

    Args:
        key: Of the work.
        case_id: Of the case.
        foreground: Bit mask of the classes in each slice; as long as the case has slices.
        geometry: How it became slices, and comes back.
        affine: Of the image file, 16 numbers, rows first.
        counts: Per target, for training cases.
        notes: What it was taken with nevertheless.
        fingerprints: Of the voxels of each channel.
    """

    key: str
    case_id: str
    foreground: tuple[int, ...]
    geometry: CaseGeometry
    affine: tuple[float, ...]
    counts: Mapping[str, TargetCounts]
    notes: tuple[Problem, ...]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True)
class CaseFiles:
    """Files of one prepared case; ``record`` is written last, ``whole`` lies in the store."""

    images: Path
    labels: Path
    native: Path
    record: Path
    whole: Path

    @property
    def arrays(self) -> tuple[Path, Path]:
        """What can be deleted once it is in a shard."""
        return self.images, self.labels

    @property
    def have_arrays(self) -> bool:
        """Whether these are there."""
        return all(path.exists() for path in self.arrays)


@dataclass(frozen=True)
class ShardRecord:
    """A finished shard: its key, its cases' keys, its digest."""

    key: str
    cases: tuple[str, ...]
    digest: FileDigest


@dataclass(frozen=True)
class WorkFolder:
    """``.work`` in a store's folder.

    Args:
        store: Folder of the store.
    """

    store: Path

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return self.store / WORK

    def clear(self) -> None:
        """Remove everything; the store is whole, so that nobody needs the lock any more."""
        shutil.rmtree(self.folder)
        (self.store / LOCK).unlink(missing_ok=True)

    def survey_file(self, case_id: str) -> Path:
        """Where a case's survey lies."""
        return self.folder / "surveys" / f"{case_id}.npz"

    def case_files(self, case_id: str) -> CaseFiles:
        """Where a prepared case lies."""
        base = self.folder / "cases"
        return CaseFiles(
            images=base / f"{case_id}.images.npy",
            labels=base / f"{case_id}.labels.npy",
            native=base / f"{case_id}.native.zst",
            record=base / f"{case_id}.json",
            whole=self.store / WHOLE / f"{case_id}.npy",
        )

    def shard_file(self, name: str) -> Path:
        """Where a shard's record lies."""
        return self.folder / "shards" / f"{name}.json"

    def record(self, case_id: str, key: str) -> CaseRecord | None:
        """Return an earlier record under this key."""
        found = _read(CaseRecord, self.case_files(case_id).record)
        return found if found is not None and found.key == key else None

    def shards(self) -> Iterator[tuple[str, ShardRecord]]:
        """Every finished shard's name and record."""
        for path in sorted((self.folder / "shards").glob("*.json")):
            record = _read(ShardRecord, path)
            if record is not None:
                yield path.stem, record


@contextlib.contextmanager
def claimed_work(store: Path, busy: Callable[[str], None] = wait_aloud) -> Iterator[WorkFolder]:
    """Be the only one that works on a store.

    Args:
        store: Its folder; created if need be.
        busy: As of :func:`locked`.

    Raises:
        OSError: The folder cannot be created.
    """
    with locked(store / LOCK, busy):
        work = WorkFolder(store)
        work.folder.mkdir(exist_ok=True)
        for left_by_a_kill in store.rglob(".*.tmp"):
            left_by_a_kill.unlink()
        yield work


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what a disk can do to a writer into one readable error.

    Raises:
        StoreError: In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        raise StoreError(
            "the store's disk must have room" if full else "the store's folder must be writable",
            came=error.strerror or str(error),
            where=folder,
            remedy="free some space and run the same command again, it continues"
            if full
            else "correct permissions or choose another folder, then run the command again",
        ) from error


def write_record(path: Path, record: CaseRecord | ShardRecord) -> None:
    """Keep a record; it says that the files that it speaks of are whole.

    Raises:
        OSError: It cannot be written.
    """
    write_json(path, TypeAdapter(type(record)).dump_python(record, mode="json"))


def _read(kind: type[Record], path: Path) -> Record | None:
    # One of another form is none: its step is done again, as under another key.
    with contextlib.suppress(FileNotFoundError, ValidationError):
        return TypeAdapter(kind).validate_json(patiently(path.read_bytes))
    return None
