"""Find images that occur twice, whatever their names.

::

    problems = duplicate_problems([finding.facts for finding in findings])

Fingerprints are taken of voxel values, so that a copy is found although it was re-packed, renamed
or given another header. One shared channel is enough: the same brain in two patients is the same
brain, even if three of its four channels were normalised anew. A patient copied with all their
cases is one fault, and one problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from distributed_iac.data.check.case import CaseFacts
from distributed_iac.data.contract import Case, Problem
from distributed_iac.data.faults import Fault


@dataclass(frozen=True, eq=False)
class Copy:
    """One case whose channel repeats that of an earlier case."""

    case: Case
    earlier: Case
    channel: str


def duplicate_problems(facts: Iterable[CaseFacts]) -> list[Problem]:
    """Return one problem for each pair of patients that share images, and for each repeated case.

    Args:
        facts: Of all cases, in the order in which the first of two equals is to be kept.
    """
    problems = []
    between_patients: dict[tuple[str, str], list[Copy]] = {}
    for copy in find_copies(facts):
        pair = copy.case.patient_id, copy.earlier.patient_id
        if pair[0] == pair[1]:
            reason = f"{copy.channel} holds the same voxels as case {copy.earlier.case_id}"
            problems.append(_problem("duplicate_case", copy, reason))
        else:
            between_patients.setdefault(pair, []).append(copy)
    for (patient, earlier), copies in between_patients.items():
        cases = ", ".join(f"{copy.case.case_id} = {copy.earlier.case_id}" for copy in copies)
        reason = f"patient id {patient} has images of patient id {earlier}: {cases}"
        problems.append(_problem("duplicate_patient", copies[0], reason))
    return problems


def find_copies(facts: Iterable[CaseFacts]) -> Iterator[Copy]:
    """Yield each case that shares a channel with an earlier one, with the earliest such case."""
    owner: dict[str, Case] = {}
    for current in facts:
        prints = _fingerprints(current)
        channel = next((name for name, fingerprint in prints.items() if fingerprint in owner), None)
        if channel is not None:
            yield Copy(current.case, owner[prints[channel]], channel)
        for fingerprint in prints.values():
            owner.setdefault(fingerprint, current.case)


def _fingerprints(facts: CaseFacts) -> Mapping[str, str]:
    """Channel name to fingerprint; a constant image identifies nobody."""
    return {
        name: image.fingerprint for name, image in facts.images.items() if not image.is_constant
    }


def _problem(code: str, copy: Copy, reason: str) -> Problem:
    path = next(each.path for each in copy.case.channels if each.name == copy.channel)
    return Fault(code, path, reason).of(copy.case.case_id)
