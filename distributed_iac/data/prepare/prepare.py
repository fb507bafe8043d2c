"""From a raw data set to its store, resumed wherever it was interrupted.

::

    source = read_source(Path("database"))
    done = prepare_store(source, "acdc", PreprocessSettings(), SplitSettings(), Path("stores/acdc"))
    done.status, done.skipped, done.fingerprint.parts
    store = Store.open(Path("stores/acdc"))

Survey, decide, prepare every case, assemble shards, declare: :func:`_build` names the stages, and
each looks first for what an earlier, interrupted run has finished. The store's bytes follow from
the request alone: not from the number of workers, nor from how often it was interrupted.

A folder is a store when its manifest is there, and the manifest is written last: killed at any
instant, a preparation leaves no store, and the same command continues. Of two at once the second
waits, and finds the store there. A store of other settings or of other files is never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Case, Problem, Source
from distributed_iac.data.prepare.axes import along_axes, slice_axes, stored_alike
from distributed_iac.data.prepare.case_stage import case_stage, prepare_cases
from distributed_iac.data.prepare.copies import copied_cases
from distributed_iac.data.prepare.decide import decide_recipe
from distributed_iac.data.prepare.declare import declare
from distributed_iac.data.prepare.request import StoreRequest, make_request
from distributed_iac.data.prepare.shard_stage import (
    PlannedShard,
    StoreContent,
    lost_cases,
    plan_shards,
    shard_stage,
    stored_cases,
)
from distributed_iac.data.prepare.stage_runner import (
    PreparationObserver,
    SilentObserver,
    StageRunner,
)
from distributed_iac.data.prepare.survey import survey_stage
from distributed_iac.data.prepare.work import claimed_work, storage_errors
from distributed_iac.data.problems import warnings_in_brief
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store.case_notes import Skipped, note_from_json, require_no_errors
from distributed_iac.data.store.case_tables import StoredCase
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.identity import store_difference
from distributed_iac.data.store.manifest import (
    FINGERPRINT,
    IDENTITY,
    LOCK,
    MANIFEST,
    NOTES,
    SKIPPED,
    WORK,
    Manifest,
    compared_files,
    read_manifest,
    verify_files,
    without_manifest,
)
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.workers import Workers, worker_count
from distributed_iac.errors import DataError, StoreError
from distributed_iac.transient import patiently

UNNOTICED = 2**30
"""Bytes of a store that are read in a second or two: nothing is said of it. Our choice."""


Accept = Callable[[Recipe], object]
"""Raises what speaks against a recipe."""


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
    observer: PreparationObserver | None = None,
    accept: Accept = lambda _: None,
) -> Preparation:
    """Prepare a source, or find that this has been done.

    Args:
        source: The raw data set.
        dataset: Name for tables and reports.
        settings: How images become slices.
        split: How patients are divided.
        folder: Of the store; created if need be.
        observer: Told how far it is; None for nobody.
        accept: Asked once everything is decided, before any case is prepared; what it raises ends
            the preparation.

    Raises:
        ConfigError: The split asks for something that the source does not have.
        DataError: Cases cannot be used and ``on_bad_case`` is ``refuse``; or too few patients.
        StoreError: The folder holds something else, or a store with cases that cannot be used; or
            its disk is full or not writable.
        RunError: A worker was killed.
    """
    folder = folder.absolute()
    observer = observer or SilentObserver()
    for sentence in warnings_in_brief(source.problems):  # before patients are divided
        observer.note(f"warning: {sentence}")
    request = make_request(source, dataset, settings, split, folder)
    for unusable in request.unusable:
        observer.note(f"cannot be used: {unusable}")
    if not (folder / MANIFEST).exists():
        # Interrupted anywhere, it continues: also where storage fails for a moment.
        return patiently(lambda: _carry_out(request, observer, accept))
    found = _already_prepared(request, observer)
    accept(found.fingerprint.recipe)
    return found


def _carry_out(request: StoreRequest, observer: PreparationObserver, accept: Accept) -> Preparation:
    with storage_errors(request.folder):
        _require_own_folder(request.folder)
        workers = Workers(
            worker_count(request.settings.workers),
            remedy="set preprocess.workers to a smaller number and run the same command again, "
            "it continues",
        )
        with claimed_work(request.folder, observer.waits) as work, workers:
            if (request.folder / MANIFEST).exists():
                return _already_prepared(request, observer)  # whoever was waited for has made it
            return _build(request, StageRunner(work, workers, observer), accept)


def _build(request: StoreRequest, runner: StageRunner, accept: Accept) -> Preparation:
    """Make the store, stage by stage; the manifest is the last file written.

    Raises:
        DataError: Cases cannot be used and ``on_bad_case`` is ``refuse``, or a part is left
            without any case.
        StoreError: The disk is full or not writable.
        RunError: A worker was killed.
        OSError: The disk is full while the tables are written.
    """
    request, axis_codes, odd = stored_alike(request, runner)
    axes = slice_axes(request)
    cases = along_axes(request.cases, axes)
    surveys, unread = survey_stage(request, runner, cases)
    recipe = decide_recipe(request.settings, tuple(surveys.values()), axes)
    accept(recipe)
    unusable = {refused.case_id for refused in unread}
    readable = [case for case in cases if case.case_id not in unusable]
    mean_depth = float(np.mean([survey.depth for survey in surveys.values()]))
    records, failed = case_stage(request, runner, recipe, readable, mean_depth)
    copied = copied_cases(request.cases, records)
    skipped = tuple(sorted({*request.unusable, *odd, *unread, *failed, *copied}))
    if skipped and request.settings.on_bad_case == "refuse":
        raise _refusal(skipped)
    if copied:  # once more without them: the recipe must not know a test patient's copy
        return _build(_without(request, copied, runner.observer), runner, accept)
    stored = stored_cases(request, readable, records)
    _require_parts(stored, skipped)
    content = StoreContent(recipe, axis_codes, stored, records, skipped)
    shards = plan_shards(request, content)
    _recover(request, runner, recipe, readable, shards)
    digests = shard_stage(request, runner, shards)
    fingerprint, notes = declare(request, runner.work, content, shards, digests)
    patiently(runner.work.clear)
    return Preparation(request.folder, "prepared", fingerprint, skipped, notes)


def _without(
    request: StoreRequest, copied: Sequence[Skipped], observer: PreparationObserver
) -> StoreRequest:
    """The request for the other cases."""
    for refused in copied:
        observer.note(f"cannot be used: {refused}")
    gone = {refused.case_id for refused in copied}
    cases = tuple(case for case in request.cases if case.case_id not in gone)
    return replace(request, cases=cases, unusable=(*request.unusable, *copied))


def _recover(
    request: StoreRequest,
    runner: StageRunner,
    recipe: Recipe,
    cases: Sequence[Case],
    shards: Sequence[PlannedShard],
) -> None:
    """Prepare again what an earlier run has put into shards of another split, then deleted."""
    needed = lost_cases(runner.work, shards)
    lost = [case for case in cases if case.case_id in needed]
    if lost:
        _, failed = prepare_cases(request, runner, recipe, lost, total=len(lost))
        if failed:
            raise _refusal(failed)


def _require_parts(stored: Sequence[StoredCase], skipped: Sequence[Skipped]) -> None:
    empty = [part for part in PARTS if not any(case.part == part for case in stored)]
    if empty:
        raise DataError(
            "each of the four parts needs at least one usable case",
            came="\n    ".join([f"none in {', '.join(empty)}; unusable:", *map(str, skipped)]),
            remedy="repair these files, or change the split",
        )


def _refusal(skipped: Sequence[Skipped]) -> DataError:
    """List every unusable case."""
    return DataError(
        "every case must be usable while preprocess.on_bad_case is refuse",
        came="\n    ".join([f"{len(skipped)} that are not:", *map(str, skipped)]),
        remedy="repair the files and run the same command again, it continues; "
        "or set preprocess.on_bad_case: skip to go on without these cases",
    )


def _already_prepared(request: StoreRequest, observer: PreparationObserver) -> Preparation:
    """Find that a store is what is asked for, and that every byte of it is as it was written."""
    folder = request.folder
    manifest = read_manifest(folder)
    verify_files(folder, manifest, "manifest")
    difference = store_difference(_read(folder / IDENTITY), request.identity)
    if difference is not None:
        raise StoreError(
            "the store's folder must be free, or hold a store of the same settings and files",
            came=f"{difference.path}: {_short(difference.stored)} in the store, "
            f"{_short(difference.asked)} now",
            where=folder,
            remedy="choose another folder, or delete this one",
        )
    skipped = tuple(Skipped(**case) for case in _read(folder / SKIPPED))
    if skipped and request.settings.on_bad_case == "refuse":
        raise _refusal(skipped)
    _compare(folder, manifest, observer)
    if any((folder / name).exists() for name in (WORK, LOCK)):  # killed before the tidying up
        with storage_errors(folder), claimed_work(folder) as work:
            work.clear()
    fingerprint = Fingerprint.from_json(_read(folder / FINGERPRINT))
    require_no_errors(fingerprint.notes, folder)
    # A store of release 0.1.0 has none.
    notes = tuple(map(note_from_json, _read(folder / NOTES) if NOTES in manifest.files else ()))
    return Preparation(folder, "already_prepared", fingerprint, skipped, notes)


def _compare(folder: Path, manifest: Manifest, observer: PreparationObserver) -> None:
    large = sum(file.size for file in manifest.files.values()) > UNNOTICED
    if large:
        observer.begin("comparing checksums", len(manifest.files), 0)
    for _ in compared_files(folder, manifest):
        if large:
            observer.advance()


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
