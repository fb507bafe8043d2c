"""What a preparation used with a warning: said again wherever the store is used.

::

    counts = count_notes(notes)                     # {"reoriented": 3}: cases by problem code
    describe_notes(counts)                          # ["3 cases: a file is stored in another ..."]

Single notes, with file, reason and remedy, lie in the store as ``notes.json``. Counts are part of
the fingerprint and travel with every model; they name no patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distributed_iac.data.contract import Problem
from distributed_iac.data.faults import CODES
from distributed_iac.data.problems import CODES as READER_CODES


def count_notes(notes: Iterable[Problem]) -> dict[str, int]:
    """Count the cases of each code; a note on no case counts as one."""
    cases = {(note.code, note.case_id or str(note.path)) for note in notes}
    codes = [code for code, _ in cases]
    return {code: codes.count(code) for code in sorted(set(codes))}


def describe_notes(counts: Mapping[str, int]) -> list[str]:
    """Say each kind in one line."""
    return [
        f"{count} {'case' if count == 1 else 'cases'}: {meaning(code)} ({code})"
        for code, count in counts.items()
    ]


def summarise_notes(notes: Sequence[Problem]) -> list[str]:
    """Say each kind in one line, with its first file and what is to be done."""
    first = {note.code: note for note in reversed(notes)}
    lines = zip(describe_notes(count_notes(notes)), sorted(first), strict=True)
    return [
        f"{line}; first {first[code].path}: {first[code].reason}. {first[code].remedy}"
        for line, code in lines
    ]


def meaning(code: str) -> str:
    """What a problem code stands for."""
    known = CODES.get(code)
    return READER_CODES.get(code, code) if known is None else known.meaning


def note_to_json(note: Problem) -> dict[str, Any]:
    """Plain values; :func:`note_from_json` is the inverse."""
    return {**asdict(note), "path": str(note.path)}


def note_from_json(value: Mapping[str, Any]) -> Problem:
    """Rebuild from :func:`note_to_json`."""
    return Problem(**{**value, "path": Path(value["path"])})
