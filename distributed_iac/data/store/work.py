"""The work folder of a preparation: every finished step, found again after any interruption.

::

    with WorkFolder(store) as work:              # refuses a second preparation of the same store
        work.survey("case_1", key)               # an earlier result of the very same work, or None
        work.record("case_1", key)
        work.case_files("case_1").images         # where the case's arrays lie

A step is known by a key over everything that its result follows from: files, settings, version.
A key that does not fit is work of other settings and is done again; nothing is ever mixed.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from distributed_iac.data.preprocess import TargetCounts
from distributed_iac.data.store.manifest import WORK
from distributed_iac.data.store.sink import FileDigest
from distributed_iac.data.survey import Box, CaseSurvey
from distributed_iac.errors import StoreError
from distributed_iac.files import write_atomically, write_json
from distributed_iac.hiccups import patiently


@dataclass(frozen=True)
class CaseRecord:
    """What is known of a prepared case beside its arrays.

    Args:
        key: Of the work.
        case_id: Of the case.
        foreground: Bit mask of the classes in each slice; as long as the case has slices.
        geometry: JSON form of its CaseGeometry.
        affine: Of the image file, 16 numbers, rows first.
        counts: Per target, for training cases.
    """

    key: str
    case_id: str
    foreground: tuple[int, ...]
    geometry: Mapping[str, Any]
    affine: tuple[float, ...]
    counts: Mapping[str, TargetCounts]

    @property
    def native_shape(self) -> tuple[int, int, int]:
        """(X, Y, Z) of the files."""
        x, y, z = self.geometry["slices"]["shape"]
        return x, y, z


@dataclass(frozen=True)
class CaseFiles:
    """Files of one prepared case; ``record`` is written last."""

    images: Path
    labels: Path
    native: Path
    record: Path

    @property
    def arrays(self) -> tuple[Path, Path]:
        """What can be deleted once it is in a shard."""
        return self.images, self.labels


@dataclass(frozen=True)
class ShardRecord:
    """A finished shard: its key, its cases' keys, its digest."""

    key: str
    cases: tuple[str, ...]
    digest: FileDigest


class WorkFolder:
    """``.work`` in a store's folder, locked while it is open.

    Args:
        store: Folder of the store; created if need be.

    Raises:
        StoreError: Another process prepares this store.
        OSError: The folder cannot be created.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.folder = store / WORK

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise StoreError(
                "one process at a time prepares a store",
                came="another one that is at work",
                where=self.store,
                remedy="wait for it, or stop it",
            ) from error
        for left_by_a_kill in self.store.rglob(".*.tmp"):
            left_by_a_kill.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._lock)  # which unlocks, as does the death of the process

    def clear(self) -> None:
        """Remove everything; the store is whole."""
        shutil.rmtree(self.folder)

    def survey_file(self, case_id: str) -> Path:
        """Where a case's survey lies."""
        return self.folder / "surveys" / f"{case_id}.npz"

    def case_files(self, case_id: str) -> CaseFiles:
        """Where a prepared case lies."""
        base = self.folder / "cases"
        endings = (".images.npy", ".labels.npy", ".native.zst", ".json")
        return CaseFiles(*(base / f"{case_id}{ending}" for ending in endings))

    def shard_file(self, name: str) -> Path:
        """Where a shard's record lies."""
        return self.folder / "shards" / f"{name}.json"

    def survey(self, case_id: str, key: str) -> CaseSurvey | None:
        """Return an earlier survey under this key."""
        return read_survey(self.survey_file(case_id), key)

    def record(self, case_id: str, key: str) -> CaseRecord | None:
        """Return an earlier record under this key."""
        content = _read(self.case_files(case_id).record)
        if content is None or content["key"] != key:
            return None
        return CaseRecord(
            key=key,
            case_id=case_id,
            foreground=tuple(content["foreground"]),
            geometry=content["geometry"],
            affine=tuple(content["affine"]),
            counts={name: TargetCounts(**c) for name, c in content["counts"].items()},
        )

    def shards(self) -> Iterator[tuple[str, ShardRecord]]:
        """Every finished shard's name and record."""
        for path in sorted((self.folder / "shards").glob("*.json")):
            content = _read(path)
            if content is not None:
                digest = FileDigest(**content["digest"])
                yield path.stem, ShardRecord(content["key"], tuple(content["cases"]), digest)


def write_survey(path: Path, key: str, survey: CaseSurvey) -> None:
    """Keep a survey.

    Raises:
        OSError: It cannot be written.
    """
    facts = {name: value for name, value in vars(survey).items() if name != "foreground"}
    buffer = io.BytesIO()
    np.savez(buffer, facts=json.dumps({"key": key, **facts}), foreground=survey.foreground)
    write_atomically(path, buffer.getvalue())


def read_survey(path: Path, key: str) -> CaseSurvey | None:
    """Read a survey; None if there is none under this key."""
    if not path.exists():
        return None
    with np.load(io.BytesIO(patiently(path.read_bytes))) as content:
        facts = json.loads(str(content["facts"]))
        foreground = content["foreground"]
    if facts.pop("key") != key:
        return None
    labelled = facts.pop("labelled")
    size, spacing = tuple(facts.pop("size")), tuple(facts.pop("spacing"))
    return CaseSurvey(
        size=size,
        spacing=spacing,
        box=_box(facts.pop("box")),
        labelled=None if labelled is None else _box(labelled),
        foreground=foreground,
        **facts,
    )


def _box(plain: Sequence[Sequence[int]]) -> Box:
    (top, bottom), (left, right) = plain
    return (top, bottom), (left, right)


def write_record(path: Path, record: CaseRecord | ShardRecord) -> None:
    """Keep a record; it says that the files that it speaks of are whole.

    Raises:
        OSError: It cannot be written.
    """
    write_json(path, asdict(record))


def _read(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(FileNotFoundError):
        content: dict[str, Any] = json.loads(patiently(path.read_bytes))
        return content
    return None
