"""What makes two stores the same: settings, split, source files, version of the rules.

::

    identity = store_identity(...)               # plain values
    key = content_key(identity)                  # SHA-256 of its canonical JSON
    store_difference(stored, identity)           # None: the stored store is the one asked for

A store of an older preparation is the one asked for as long as nothing has changed for it. So what
is added later must not show where it is as it was: a setting says what was done before it existed
(``config/base.py``), a fact about a source or case is left out where it is what was taken for
granted, and a rule that changes bytes without either is a :class:`Change`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_iac.config.difference import Difference, first_difference
from distributed_iac.config.load import to_identity
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.contract import Case, Source
from distributed_iac.data.splits.split import Split
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.errors import SourceError, StoreError
from distributed_iac.transient import may_pass, patiently
from distributed_iac.versions import Format, require_version

PREPROCESS_VERSION = 2
"""Raised with every change of the preparation that alters a stored byte."""

GZIP_TRAILER = 8
"""A gzip file ends in the CRC-32 and the length of its content, four bytes each."""

EMPTY_TRAILER = bytes(GZIP_TRAILER)
"""Block-wise gzip (bgzip) closes with an empty member, whose trailer says nothing."""

CHUNK = 2**22
READERS = 8
"""Threads that read source files; checksums release the interpreter lock."""

PREPARATION = Format(
    "a preparation",
    PREPROCESS_VERSION,
    2,
    StoreError,
    "delete the folder and run `distributed-iac prepare`, it makes the store again",
    key="version",
)


@dataclass(frozen=True)
class Change:
    """What a version of the preparation does otherwise than the one before it.

    Args:
        version: The first that does.
        what: That, as the end of a sentence that begins with the version.
        concerns: Whether a store of this identity comes out otherwise.
    """

    version: int
    what: str
    concerns: Callable[[Mapping[str, Any]], bool]


CHANGES: tuple[Change, ...] = ()
"""Of all versions after the oldest that is read."""

HOW_NOT_WHAT = frozenset(("workers", "on_bad_case", "follow"))
"""Settings of a preparation that its result does not depend on; what ``follow`` leads to does."""


def describe_cases(source: Source, cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Say for each case what it is and what its files contain.

    File contents enter by size and CRC-32: a corrected label changes the identity although its
    size may not change. Of ``.gz`` files the checksum that gzip itself keeps is taken; others are
    read once.
    """
    root = source.detection.root
    paths = list(dict.fromkeys(path for case in cases for path in case.files))
    with ThreadPoolExecutor(READERS) as pool:
        marks = dict(zip(paths, pool.map(content_mark, paths), strict=True))
    return {case.case_id: _describe(case, root, marks) for case in cases}


def store_identity(
    dataset: str,
    source: Source,
    cases: Mapping[str, Mapping[str, Any]],
    settings: PreprocessSettings,
    split: Split,
) -> dict[str, Any]:
    """Gather everything that a store's bytes follow from, as plain JSON values."""
    identity = {
        "version": PREPROCESS_VERSION,
        "dataset": dataset,
        "preprocess": settings_identity(settings),
        "source": {
            "format": source.format,
            "release": source.release,
            "licence": source.licence,
            "channel_names": source.channel_names,
            "labels": labels_to_json(source.labels),
            "cases": cases,
        },
        "split": split.to_json(),
    }
    plain: dict[str, Any] = json.loads(canonical(identity))
    return plain


def store_difference(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> Difference | None:
    """The first reason why a stored store is not the one asked for; None if it is.

    Args:
        stored: Its identity.
        asked: :func:`store_identity` now.

    Raises:
        StoreError: It is of a preparation that this release does not know.
    """
    version = require_version(PREPARATION, stored, "identity.json")
    for change in CHANGES:
        if version < change.version and change.concerns(asked):
            return Difference("version", version, f"{change.version}, which {change.what}")
    return first_difference(stored, {**asked, "version": version})


def settings_identity(settings: PreprocessSettings) -> dict[str, Any]:
    """What the store's bytes follow from among the settings, as plain values."""
    plain = to_identity(settings)
    return {name: value for name, value in plain.items() if name not in HOW_NOT_WHAT}


def canonical(value: Any) -> str:
    """One line of JSON, equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(*values: Any) -> str:
    """SHA-256 over plain values."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def content_mark(path: Path) -> str:
    """Size and checksum of a file's content; ``unreadable`` where it cannot be read.

    An unreadable file is refused with its reason when its case is read.

    Raises:
        SourceError: Its storage fails for now; a mark without its content would be another store's.
    """
    try:
        return patiently(lambda: _mark(path))
    except OSError as error:
        if may_pass(error):
            raise SourceError(
                "files are told from others by their content",
                came=error.strerror or str(error),
                where=path,
                remedy="see to the disk it lies on",
            ) from error
        return "unreadable"


def _mark(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.name.endswith(".gz") and size > GZIP_TRAILER:
            file.seek(-GZIP_TRAILER, 2)
            trailer = file.read()
            if trailer != EMPTY_TRAILER:
                return f"{size} bytes, gzip {trailer.hex()}"
            file.seek(0)
        checksum = 0
        while chunk := file.read(CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return f"{size} bytes, crc {checksum:08x}"


def _describe(case: Case, root: Path, marks: Mapping[Path, str]) -> dict[str, Any]:
    return {
        "patient_id": case.patient_id,
        "modality": case.modality,
        "phase": case.phase,
        "layout": {"reorient": case.layout.reorient, "slice_axis": case.layout.slice_axis},
        "unannotated": sorted(case.unannotated),
        "attributes": dict(case.attributes),
        "channels": [[c.name, relative_to(c.path, root), c.index] for c in case.channels],
        "label": None if case.label is None else relative_to(case.label, root),
        "files": {relative_to(path, root): marks[path] for path in case.files},
    }


def relative_to(path: Path, root: Path) -> str:
    """Name a file so that a moved source keeps its identity."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
