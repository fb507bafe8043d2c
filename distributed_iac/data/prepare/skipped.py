"""Cases that a preparation could not use, each with file, reason and remedy.

::

    skipped = Skipped.from_problem(problem)      # the folder structure alone shows it
    skipped = Skipped.from_error(case, error)    # reading the case showed it
    raise refusal(all_skipped, total=300)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from distributed_iac.data.contract import Case, Problem
from distributed_iac.errors import DataError


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
    def from_error(cls, case: Case, error: DataError) -> Self:
        """From what reading or preparing a case raised."""
        came = "" if error.came is None else f"; came {error.came}"
        where = case.channels[0].path if error.where is None else error.where
        return cls(case.case_id, str(where), f"{error.message}{came}", error.remedy or "")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def refusal(skipped: Sequence[Skipped]) -> DataError:
    """Make the error that lists every unusable case."""
    return DataError(
        "every case must be usable while preprocess.on_bad_case is refuse",
        came="\n    ".join([f"{len(skipped)} that are not:", *map(str, skipped)]),
        remedy="repair the files and run the same command again, it continues; "
        "or set preprocess.on_bad_case: skip to go on without these cases",
    )
