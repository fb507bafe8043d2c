"""What the files of a source contain, in a few bytes a file: by that a store knows its source.

::

    described = describe_cases(source, cases)        # for each case what it is, its files' marks
    content_mark(Path("a.nii.gz"))                   # "2310 bytes, gzip 5be0..."
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from distributed_iac.data.contract import Case, Source
from distributed_iac.errors import SourceError
from distributed_iac.transient import may_pass, patiently

GZIP_TRAILER = 8
"""A gzip file ends in the CRC-32 and the length of its content, four bytes each."""

EMPTY_TRAILER = bytes(GZIP_TRAILER)
"""Block-wise gzip (bgzip) closes with an empty member, whose trailer says nothing."""

UNREADABLE = "unreadable"
"""In place of the mark of a file that cannot be read."""

CHUNK = 2**22
READERS = 8
"""Threads that read source files; checksums release the interpreter lock."""


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
        return UNREADABLE


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
