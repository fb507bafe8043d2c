"""Prepared cases whose images another case has too: the check calls them errors, and so do we.

::

    copied = copied_cases(request.cases, records)    # a Skipped for each case that must not stay
    left = [case for case in request.cases if case.case_id not in {c.case_id for c in copied}]

Of two equal images only the user can tell which is the right one, or whose it is. Kept under two
patients they would be parted by a split, and the test would be on what was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from distributed_iac.data.contract import Case
from distributed_iac.data.prepare.work import CaseRecord
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.volumes.duplicates import duplicate_problems


def copied_cases(cases: Sequence[Case], records: Mapping[str, CaseRecord]) -> list[Skipped]:
    """Find the cases to blame, by name the later of two, as ``check`` does.

    Args:
        cases: All that are prepared.
        records: Of those that could be, by case id.

    Returns:
        The copies, in the words of the check. Where a patient has images of another patient, all
        of its cases: the two may be one person, who must not be on two sides of a split.
    """
    known = {case.case_id: case for case in sorted(cases, key=lambda case: case.case_id)}
    kept = {name: case for name, case in known.items() if name in records}
    found: dict[str, Skipped] = {}
    for problem in duplicate_problems((c, records[name].fingerprints) for name, c in kept.items()):
        assert problem.case_id is not None, "a copy is a case"
        found[problem.case_id] = Skipped.from_problem(problem)
        if problem.code == "duplicate_patient":
            for other in _of_patient(kept[problem.case_id].patient_id, known.values()):
                reason = f"patient id {other.patient_id} is that of case {problem.case_id}"
                path = str(other.channels[0].path)
                found.setdefault(
                    other.case_id, Skipped(other.case_id, path, reason, problem.remedy)
                )
    return [found[name] for name in sorted(found)]


def _of_patient(patient_id: str, cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if case.patient_id == patient_id]
