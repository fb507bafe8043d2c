"""From a raw data set to its store, resumed wherever it was interrupted.

::

    source = read_source(Path("database"))
    done = prepare_store(source, "acdc", PreprocessSettings(), SplitSettings(), Path("stores/acdc"))
    done.status, done.skipped, done.fingerprint.parts
    store = Store.open(Path("stores/acdc"))

A folder is a store when its manifest is there, and the manifest is written last: killed at any
instant, a preparation leaves no store, and the same command continues. Of two at once the second
waits, and finds the store there. A store of other settings
or of other files is never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Case, Problem, Source
from distributed_iac.data.prepare.build import build
from distributed_iac.data.prepare.order import Crew, Order
from distributed_iac.data.prepare.progress import Progress, Silence
from distributed_iac.data.prepare.skipped import Skipped, refusal
from distributed_iac.data.prepare.work import claimed_work
from distributed_iac.data.problems import warnings_in_brief
from distributed_iac.data.splits.split import split_patients
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.identity import describe_cases, store_difference, store_identity
from distributed_iac.data.store.manifest import (
    FINGERPRINT,
    IDENTITY,
    LOCK,
    MANIFEST,
    NOTES,
    SKIPPED,
    WORK,
    read_manifest,
    verify_files,
    without_manifest,
)
from distributed_iac.data.store.notes import note_from_json
from distributed_iac.data.store.sink import storage_errors
from distributed_iac.data.volumes.reading import HIGHEST_CLASS
from distributed_iac.data.workers import Workers, worker_count
from distributed_iac.errors import DataError, StoreError
from distributed_iac.transient import patiently


@dataclass(frozen=True)
class Preparation:
    """What came of a preparation.

    Args:
        folder: The store.
        status: ``already_prepared`` when an equal store was there.
        fingerprint: Of the store.
        skipped: Cases that could not be used.
        notes: What others were used with nevertheless.
    """

    folder: Path
    status: Literal["prepared", "already_prepared"]
    fingerprint: Fingerprint
    skipped: tuple[Skipped, ...]
    notes: tuple[Problem, ...]


def prepare_store(
    source: Source,
    dataset: str,
    settings: PreprocessSettings,
    split: SplitSettings,
    folder: Path,
    progress: Progress | None = None,
) -> Preparation:
    """Prepare a source, or find that this has been done.

    Args:
        source: The raw data set.
        dataset: Name for tables and reports.
        settings: How images become slices.
        split: How patients are divided.
        folder: Of the store; created if need be.
        progress: Watcher; None for silence.

    Raises:
        ConfigError: The split asks for something that the source does not have.
        DataError: Cases cannot be used and ``on_bad_case`` is ``refuse``; or too few patients.
        StoreError: The folder holds something else, or its disk is full or not writable.
        RunError: A worker was killed.
    """
    folder = folder.absolute()
    progress = progress or Silence()
    for sentence in warnings_in_brief(source.problems):  # before patients are divided
        progress.note(f"warning: {sentence}")
    order = make_order(source, dataset, settings, split, folder)
    for unusable in order.unusable:
        progress.note(f"cannot be used: {unusable}")
    if (folder / MANIFEST).exists():
        return _already_prepared(order)
    # Interrupted anywhere, it continues: also where storage fails for a moment.
    return patiently(lambda: _carry_out(order, progress))


def _carry_out(order: Order, progress: Progress) -> Preparation:
    with storage_errors(order.folder):
        _require_own_folder(order.folder)
        workers = Workers(
            worker_count(order.settings.workers),
            remedy="set preprocess.workers to a smaller number and run the same command again, "
            "it continues",
        )
        with claimed_work(order.folder, progress.waits) as work, workers:
            if (order.folder / MANIFEST).exists():
                return _already_prepared(order)  # whoever was waited for has made it
            fingerprint, skipped, notes = build(order, Crew(work, workers, progress))
    return Preparation(order.folder, "prepared", fingerprint, skipped, notes)


def make_order(
    source: Source,
    dataset: str,
    settings: PreprocessSettings,
    split: SplitSettings,
    folder: Path,
) -> Order:
    """Settle what will be prepared, from names, headers of archives and settings alone.

    Raises:
        ConfigError: As :func:`prepare_store`.
        DataError: As :func:`prepare_store`, or the source has no usable labelled case.
    """
    errors = [problem for problem in source.problems if problem.severity == "error"]
    usable = usable_cases(source)
    labelled = [case for case in usable if case.label is not None]
    _require_cases(source, labelled)
    divided = split_patients(source, labelled, split)
    cases = tuple(case for case in labelled if divided.part_of(case.patient_id))
    described = describe_cases(source, cases)
    return Order(
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


def _already_prepared(order: Order) -> Preparation:
    folder = order.folder
    manifest = read_manifest(folder)
    verify_files(folder, manifest, "manifest")
    difference = store_difference(_read(folder / IDENTITY), order.identity)
    if difference is not None:
        raise StoreError(
            "the store's folder must be free, or hold a store of the same settings and files",
            came=f"{difference.path}: {_short(difference.stored)} in the store, "
            f"{_short(difference.asked)} now",
            where=folder,
            remedy="choose another folder, or delete this one",
        )
    skipped = tuple(Skipped(**case) for case in _read(folder / SKIPPED))
    if skipped and order.settings.on_bad_case == "refuse":
        raise refusal(skipped)
    if any((folder / name).exists() for name in (WORK, LOCK)):  # killed before the tidying up
        with storage_errors(folder), claimed_work(folder) as work:
            work.clear()
    fingerprint = Fingerprint.from_json(_read(folder / FINGERPRINT))
    # A store of release 0.1.0 has none.
    notes = tuple(map(note_from_json, _read(folder / NOTES) if NOTES in manifest.files else ()))
    return Preparation(folder, "already_prepared", fingerprint, skipped, notes)


def _require_own_folder(folder: Path) -> None:
    """Refuse to work in a folder that holds something else, or a store without its manifest."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names - {LOCK} and not names & {WORK, MANIFEST}:
        if IDENTITY in names:
            raise without_manifest(folder)
        raise StoreError(
            "a store needs a folder of its own",
            came="other files in it",
            where=folder,
            remedy="choose an empty folder or a new name",
        )
    folder.mkdir(parents=True, exist_ok=True)


def _read(path: Path) -> Any:
    return json.loads(patiently(path.read_bytes))


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
