"""What a preparation used with a warning, said wherever the store is used, and what it left out.

::

    counts = count_notes(notes)                     # {"reoriented": 3}: cases by problem code
    describe_notes(counts)                          # ["3 cases: a file is stored in another ..."]

Single notes, with file, reason and remedy, lie in the store as ``notes.json``, cases that could
not be used as ``skipped.json``. Counts are part of
the fingerprint and travel with every model; they name no patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from distributed_iac.data.contract import Problem
from distributed_iac.data.faults import CODES
from distributed_iac.data.problems import CODES as READER_CODES
from distributed_iac.errors import DataError, StoreError


@dataclass(frozen=True, order=True)
class Skipped:
    """One unusable case.

    Args:
        case_id: Empty where a problem belongs to no single case.
        path: File or folder that it is about.
        reason: What is wrong.
        remedy: What the user can do.
    """

    case_id: str
    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        name = f"{self.case_id}: " if self.case_id else ""
        return f"{name}{self.path}: {self.reason}. {self.remedy}"

    @classmethod
    def from_problem(cls, problem: Problem) -> Self:
        """From a reader's problem."""
        return cls(problem.case_id or "", str(problem.path), problem.reason, problem.remedy)

    @classmethod
    def from_error(cls, case_id: str, path: Path, error: DataError) -> Self:
        """From what reading or preparing a case raised; of ``path`` where it does not say."""
        came = "" if error.came is None else f"; came {error.came}"
        where = path if error.where is None else error.where
        return cls(case_id, str(where), f"{error.message}{came}", error.remedy or "")


def count_notes(notes: Iterable[Problem]) -> dict[str, int]:
    """Count the cases of each code; a note on no case counts as one."""
    cases = {(note.code, note.case_id or str(note.path)) for note in notes}
    codes = [code for code, _ in cases]
    return {code: codes.count(code) for code in sorted(set(codes))}


def require_no_errors(counts: Mapping[str, int], store: Path) -> None:
    """Refuse a store in which a case was noted that the check calls an error.

    Such stores were made when an image that occurs twice was kept, and parted by the split.

    Raises:
        StoreError: There is one.
    """
    errors = {c: n for c, n in counts.items() if c in CODES and CODES[c].severity == "error"}
    if errors:
        raise StoreError(
            "a store holds no case that `distributed-iac check` calls an error",
            came="; ".join(describe_notes(errors)),
            where=store,
            remedy="delete this folder, see to the cases and prepare it again",
        )


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
