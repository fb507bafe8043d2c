"""What a preparation is asked for, settled from names, headers of archives and settings alone.

::

    request = make_request(source, "acdc", PreprocessSettings(), SplitSettings(), folder)
    request.cases, request.split, request.key
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Case, Problem, Source
from distributed_iac.data.prepare.source_files import describe_cases
from distributed_iac.data.splits.split import Split, split_patients
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.store.identity import content_key, store_identity
from distributed_iac.data.volumes.reading import HIGHEST_CLASS
from distributed_iac.errors import DataError


@dataclass(frozen=True, eq=False)
class StoreRequest:
    """A store that is to be made, settled before the first image is opened.

    Args:
        dataset: Name given by the configuration.
        source: The raw data set.
        settings: How it is prepared.
        split: Of its patients.
        cases: To be prepared, in the order of their rows; labelled, each in a part.
        described: For each case what it is and what its files contain.
        identity: Everything that the store's bytes follow from.
        unusable: Cases that the folder structure alone rules out.
        noted: What the folder structure alone warns of.
        unlabelled: Number of cases left out for want of a label.
        folder: Of the store.
    """

    dataset: str
    source: Source
    settings: PreprocessSettings
    split: Split
    cases: tuple[Case, ...]
    described: Mapping[str, Mapping[str, Any]]
    identity: Mapping[str, Any]
    unusable: tuple[Skipped, ...]
    noted: tuple[Problem, ...]
    unlabelled: int
    folder: Path

    @property
    def key(self) -> str:
        """SHA-256 of the identity."""
        return content_key(self.identity)

    def is_training(self, case: Case) -> bool:
        """Whether statistics may be fitted on the case."""
        return case.patient_id in self.split.training

    def is_tested(self, case: Case) -> bool:
        """Whether whole slices of the case are predicted."""
        return self.split.part_of(case.patient_id) == "test"


def make_request(
    source: Source,
    dataset: str,
    settings: PreprocessSettings,
    split: SplitSettings,
    folder: Path,
) -> StoreRequest:
    """Settle which cases are prepared, in which parts, and what the store is known by.

    Raises:
        ConfigError: The split asks for something that the source does not have.
        DataError: The source has no usable labelled case, or too few patients.
    """
    errors = [problem for problem in source.problems if problem.severity == "error"]
    usable = usable_cases(source)
    labelled = [case for case in usable if case.label is not None]
    _require_cases(source, labelled)
    divided = split_patients(source, labelled, split)
    cases = tuple(case for case in labelled if divided.part_of(case.patient_id))
    described = describe_cases(source, cases)
    return StoreRequest(
        dataset=dataset,
        source=source,
        settings=settings,
        split=divided,
        cases=cases,
        described=described,
        identity=store_identity(dataset, source, described, settings, divided),
        unusable=tuple(sorted(map(Skipped.from_problem, errors))),
        noted=tuple(problem for problem in source.problems if problem.severity == "warning"),
        unlabelled=len(usable) - len(labelled),
        folder=folder,
    )


def usable_cases(source: Source) -> list[Case]:
    """Cases in whose names and files nothing was found that forbids to use them."""
    excluded = {one.case_id for one in source.problems if one.severity == "error"}
    return [case for case in source.cases if case.case_id not in excluded]


def _require_cases(source: Source, labelled: Sequence[Case]) -> None:
    if not labelled:
        raise DataError(
            "a source must have usable cases with labels",
            came=f"{len(source.cases)} cases, none of them labelled and usable",
            where=source.detection.root,
            remedy="run `distributed-iac check` to see why",
        )
    highest = max(source.labels.classes, default=0)
    if highest > HIGHEST_CLASS:
        raise DataError(
            f"label values go up to {HIGHEST_CLASS}",
            came=f"{highest} ({source.labels.classes[highest]})",
            where=source.detection.root,
            remedy="renumber the classes in the label files",
        )
