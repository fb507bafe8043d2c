"""Check a whole source: all cases, then what only all of them together show.

::

    report = check_source(read_source(path), workers=4)
    report.problems, report.is_clean
    summarise(report)                               # summary.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from distributed_iac.data.check.case import CaseFacts, CaseFinding, inspect_case
from distributed_iac.data.contract import Problem, Source
from distributed_iac.data.faults import Fault
from distributed_iac.data.volumes.alignment import common_codes, odd_cases, unlike_spacings
from distributed_iac.data.volumes.duplicates import duplicate_problems
from distributed_iac.data.workers import Workers

Follow = Callable[[Iterable[CaseFinding]], Iterable[CaseFinding]]
"""Passes findings on as they come; the place for a progress bar."""

FEWER_WORKERS = "use fewer --workers"
"""What to do when a worker process finds no memory."""


@dataclass(frozen=True, eq=False)
class CheckReport:
    """Everything found out about a source.

    Args:
        source: As the reader gave it.
        facts: Of each of the source's cases, in their order.
        problems: The reader's and the voxels', by case; those of no case come first.
    """

    source: Source
    facts: tuple[CaseFacts, ...]
    problems: tuple[Problem, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing at all was found, warnings included."""
        return not self.problems


def check_source(source: Source, workers: int = 1, follow: Follow = iter) -> CheckReport:
    """Inspect every case and conclude.

    Args:
        source: What to check.
        workers: Processes, each with one case at a time.
        follow: Watches the findings on their way.

    Raises:
        RunError: A worker process was killed.
    """
    inspect = partial(inspect_case, labels=source.labels)
    with Workers(workers, remedy=FEWER_WORKERS) as pool:
        return conclude(source, follow(pool.map(inspect, source.cases)))


def conclude(source: Source, findings: Iterable[CaseFinding]) -> CheckReport:
    """Order the findings, look for duplicates and join the reader's problems.

    Args:
        source: What was checked.
        findings: One for each of its cases, in any order.
    """
    ordered = sorted(findings, key=lambda finding: finding.facts.case.case_id)
    facts = tuple(finding.facts for finding in ordered)
    found = [problem for finding in ordered for problem in finding.problems]
    found += duplicate_problems((each.case, each.fingerprints) for each in facts)
    found += _stored_otherwise(facts)
    found += _unlike_spacings(facts)
    found += _absent_labels(source, facts)
    # What the reader has said already is not said again.
    known = {(problem.code, problem.case_id) for problem in source.problems}
    fresh = [problem for problem in found if (problem.code, problem.case_id) not in known]
    problems = sorted(
        (*source.problems, *fresh),
        key=lambda problem: (problem.case_id or "", problem.code, str(problem.path)),
    )
    return CheckReport(source, facts, tuple(problems))


def _absent_labels(source: Source, facts: Sequence[CaseFacts]) -> list[Problem]:
    """Declared values that no label map holds, if all of them could be counted."""
    labels = [each.label for each in facts if each.label is not None]
    if not labels or len(labels) < sum(case.label is not None for case in source.cases):
        return []
    there = {value for label in labels for value in label.voxels}
    absent = [
        f"{name} ({value})" for value, name in source.labels.classes.items() if value not in there
    ]
    if not absent:
        return []
    reason = f"no label map holds {', '.join(absent)}"
    return [Fault("absent_label", source.detection.root, reason).of(None)]


def _stored_otherwise(facts: Sequence[CaseFacts]) -> list[Problem]:
    """Cases that are cut as stored and lie in other array axes than most."""
    grids = {
        each.case.channels[0].path: each.grid
        for each in facts
        if each.grid is not None and each.case.layout.reorient == "as_stored"
    }
    odd = odd_cases(grids, common_codes(grids.values()))
    return _of_cases(odd, facts)


def _unlike_spacings(facts: Sequence[CaseFacts]) -> list[Problem]:
    """Cases whose voxels are far from the size of the others'."""
    zooms = {each.case.channels[0].path: each.grid.zooms for each in facts if each.grid is not None}
    return _of_cases(unlike_spacings(zooms), facts)


def _of_cases(faults: Iterable[Fault], facts: Sequence[CaseFacts]) -> list[Problem]:
    """Blame the cases whose first images they are."""
    owners = {each.case.channels[0].path: each.case.case_id for each in facts}
    return [fault.of(owners[fault.path]) for fault in faults]
