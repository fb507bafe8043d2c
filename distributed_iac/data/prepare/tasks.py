"""What a worker process does: survey a case, prepare a case, assemble a shard.

::

    name, outcome = survey_task(SurveyTask(...))     # a CaseSurvey, or Skipped
    name, outcome = case_task(CaseTask(...))         # a CaseRecord, or Skipped
    name, record = shard_task(ShardTask(...))

Every result is on disk, whole, before the function returns. An unusable case is a result, not an
exception; a disk that cannot be written is a StoreError. A case that cannot be read for now is not
unusable: a store without it would be another store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme, SliceLayout
from distributed_iac.data.prepare.case import PreparedCase, compare_with_native, preprocess_case
from distributed_iac.data.prepare.recipe import Recipe
from distributed_iac.data.prepare.skipped import Skipped
from distributed_iac.data.prepare.survey import CaseSurvey, survey_case
from distributed_iac.data.prepare.work import (
    CaseFiles,
    CaseRecord,
    ShardRecord,
    write_record,
    write_survey,
)
from distributed_iac.data.store.native import compress
from distributed_iac.data.store.notes import note_to_json
from distributed_iac.data.store.shard import Block, write_shard
from distributed_iac.data.store.sink import WholeFile, storage_errors
from distributed_iac.data.volumes.reading import class_bits
from distributed_iac.errors import DataError
from distributed_iac.transient import patiently


@dataclass(frozen=True)
class SurveyTask:
    """Survey one training case."""

    case: Case
    layout: SliceLayout
    scheme: LabelScheme
    key: str
    path: Path


@dataclass(frozen=True)
class CaseTask:
    """Prepare one case.

    Args:
        compare: ``with_native`` counts what patch and resampling cost; for training cases only.
        keep: ``whole_slices`` keeps also what of a slice lies outside the patch; for test cases.
    """

    case: Case
    recipe: Recipe
    scheme: LabelScheme
    key: str
    files: CaseFiles
    compare: Literal["with_native", "nothing"]
    keep: Literal["whole_slices", "patches"]


@dataclass(frozen=True, eq=False)
class ShardTask:
    """Assemble prepared cases into one shard."""

    name: str
    key: str
    cases: tuple[tuple[CaseRecord, CaseFiles, pa.Table], ...]
    metadata: Mapping[str, str]
    path: Path
    record: Path


def survey_task(task: SurveyTask) -> tuple[str, CaseSurvey | Skipped]:
    """Survey a case and keep the result."""
    try:
        survey = patiently(lambda: survey_case(task.case, task.scheme, task.layout))
    except DataError as error:
        if error.retriable:
            raise
        return task.case.case_id, Skipped.from_error(task.case, error)
    with storage_errors(task.path.parent):
        patiently(lambda: write_survey(task.path, task.key, survey))
    return task.case.case_id, survey


def case_task(task: CaseTask) -> tuple[str, CaseRecord | Skipped]:
    """Prepare a case; its record is written last."""
    try:
        prepared = patiently(lambda: preprocess_case(task.case, task.recipe, task.scheme))
    except DataError as error:
        if error.retriable:
            raise
        return task.case.case_id, Skipped.from_error(task.case, error)
    with storage_errors(task.files.record.parent):
        return task.case.case_id, patiently(lambda: _keep(task, prepared))


def shard_task(task: ShardTask) -> tuple[str, ShardRecord]:
    """Assemble a shard; its record is written last."""
    with storage_errors(task.path.parent):
        return task.name, patiently(lambda: _assemble(task))


def _assemble(task: ShardTask) -> ShardRecord:
    task.record.unlink(missing_ok=True)
    blocks = [
        Block(_mapped(files.images), _mapped(files.labels), facts) for _, files, facts in task.cases
    ]
    digest = write_shard(task.path, blocks, task.metadata)
    keys = tuple(record.key for record, _, _ in task.cases)
    done = ShardRecord(task.key, keys, digest)
    write_record(task.record, done)
    return done


def _mapped(path: Path) -> NDArray[Any]:
    mapped: NDArray[Any] = patiently(lambda: np.load(path, mmap_mode="r"))
    return mapped


def _keep(task: CaseTask, prepared: PreparedCase) -> CaseRecord:
    assert prepared.labels is not None, "only labelled cases are stored"
    assert prepared.native_label is not None
    files = task.files
    # An older record must not vouch for the new arrays.
    files.record.unlink(missing_ok=True)
    arrays: dict[Path, NDArray[Any]] = {
        files.images: prepared.images,
        files.labels: prepared.labels,
    }
    plane = prepared.geometry.plane
    if task.keep == "whole_slices" and plane.whole != plane:
        arrays[files.whole] = prepared.whole_images
    for path, array in arrays.items():
        with WholeFile(path) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
    with WholeFile(files.native) as file:
        file.write(compress(prepared.native_label))
    counts = compare_with_native(prepared, task.scheme) if task.compare == "with_native" else {}
    record = CaseRecord(
        key=task.key,
        case_id=task.case.case_id,
        foreground=tuple(class_bits(prepared.labels, task.scheme.ignore)),
        geometry=prepared.geometry.to_json(),
        affine=tuple(prepared.affine.ravel().tolist()),
        counts=counts,
        notes=tuple(note_to_json(fault.of(task.case.case_id)) for fault in prepared.faults),
        fingerprints=prepared.fingerprints,
    )
    write_record(files.record, record)
    return record
