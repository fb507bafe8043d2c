"""Find images that occur twice, whatever their names.

::

    problems = duplicate_problems([finding.facts for finding in findings])

Fingerprints are taken of voxel values, so that a copy is found although it was re-packed, renamed
or given another header. One shared channel is enough: the same brain in two patients is the same
brain, even if three of its four channels were normalised anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from distributed_iac.data.check.case import CaseFacts
from distributed_iac.data.check.codes import Fault
from distributed_iac.data.contract import Problem


def duplicate_problems(facts: Iterable[CaseFacts]) -> list[Problem]:
    """Return one problem for each case that repeats an earlier one.

    Args:
        facts: Of all cases, in the order in which the first of two equals is to be kept.
    """
    owner: dict[str, CaseFacts] = {}
    problems = []
    for current in facts:
        prints = list(_fingerprints(current))
        repeated = next((print_ for print_ in prints if print_[1] in owner), None)
        if repeated is not None:
            channel, fingerprint = repeated
            problems.append(_problem(current, channel, owner[fingerprint]))
        for _, fingerprint in prints:
            owner.setdefault(fingerprint, current)
    return problems


def _fingerprints(facts: CaseFacts) -> Iterator[tuple[str, str]]:
    """Channel names and fingerprints; a constant image identifies nobody."""
    for name, image in facts.images.items():
        if not image.is_constant:
            yield name, image.fingerprint


def _problem(current: CaseFacts, channel: str, earlier: CaseFacts) -> Problem:
    case, first = current.case, earlier.case
    path = next(each.path for each in case.channels if each.name == channel)
    same_patient = case.patient_id == first.patient_id
    whose = "of the same patient" if same_patient else f"of patient {first.patient_id}"
    return Fault(
        "duplicate_case" if same_patient else "duplicate_patient",
        path,
        f"{channel} holds the same voxels as case {first.case_id} {whose}",
    ).of(case.case_id)
