"""Second stage: prepare every case, each into files of its own in the work folder.

::

    records, skipped = case_stage(request, runner, recipe, cases, mean_depth)
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.prepare.prepared_case import (
    PreparedCase,
    compare_with_native,
    preprocess_case,
)
from distributed_iac.data.prepare.request import StoreRequest
from distributed_iac.data.prepare.stage_runner import StageRunner, unless_unusable
from distributed_iac.data.prepare.work import CaseFiles, CaseRecord, storage_errors, write_record
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.data.store.identity import PREPROCESS_VERSION, content_key
from distributed_iac.data.store.native import compress
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.volumes.reading import class_bits
from distributed_iac.errors import StoreError
from distributed_iac.files import hashed_file
from distributed_iac.transient import patiently

GIGABYTE = 1e9


def case_stage(
    request: StoreRequest,
    runner: StageRunner,
    recipe: Recipe,
    cases: Sequence[Case],
    mean_depth: float,
) -> tuple[dict[str, CaseRecord], list[Skipped]]:
    """Prepare the cases that no earlier run has prepared by the same recipe.

    Args:
        request: What is prepared.
        runner: Does it.
        recipe: How.
        cases: All that can still be used.
        mean_depth: Slices of a case, for an estimate of the space that is needed.

    Returns:
        Records by case id, and the unusable cases.

    Raises:
        StoreError: The disk is full, or would be.
    """
    assembled = {key for _, shard in runner.work.shards() for key in shard.cases}
    records: dict[str, CaseRecord] = {}
    for case in cases:
        record = runner.work.record(case.case_id, _key(request, recipe, case))
        files = runner.work.case_files(case.case_id)
        if record and (record.key in assembled or files.have_arrays):
            records[case.case_id] = record
    left = [case for case in cases if case.case_id not in records]
    _require_room(request, recipe, len(left) * mean_depth, len(left))
    prepared, skipped = prepare_cases(request, runner, recipe, left, total=len(cases))
    return {**records, **prepared}, skipped


def prepare_cases(
    request: StoreRequest,
    runner: StageRunner,
    recipe: Recipe,
    cases: Sequence[Case],
    total: int,
) -> tuple[dict[str, CaseRecord], list[Skipped]]:
    """Prepare some cases of a total; records by case id, and the unusable cases."""
    tasks = [
        CaseTask(
            case,
            recipe,
            request.source.labels,
            _key(request, recipe, case),
            runner.work.case_files(case.case_id),
            "with_native" if request.is_training(case) else "nothing",
            "whole_slices" if request.is_tested(case) else "patches",
        )
        for case in cases
    ]
    return runner.run("cases", case_task, tasks, total)


def _key(request: StoreRequest, recipe: Recipe, case: Case) -> str:
    return content_key(
        PREPROCESS_VERSION,
        request.described[case.case_id],
        case.layout.slice_axis,
        recipe.to_json(),
        labels_to_json(request.source.labels),
        request.is_training(case),
        request.is_tested(case),
    )


def _require_room(request: StoreRequest, recipe: Recipe, slices: float, cases: int) -> None:
    """Say before hours of work that the disk is too small for it."""
    needed = slices * recipe.slice_bytes(len(request.source.channel_names))
    free = shutil.disk_usage(request.folder).free
    if needed > free:
        raise StoreError(
            f"the remaining {cases} cases need about {needed / GIGABYTE:.1f} GB",
            came=f"{free / GIGABYTE:.1f} GB free",
            where=request.folder,
            remedy="free some space, choose another disk, a smaller patch or a coarser spacing",
        )


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


def case_task(task: CaseTask) -> tuple[str, CaseRecord | Skipped]:
    """Prepare a case in a worker; its record is written last."""
    prepared = unless_unusable(
        task.case, lambda: preprocess_case(task.case, task.recipe, task.scheme)
    )
    if isinstance(prepared, Skipped):
        return task.case.case_id, prepared
    with storage_errors(task.files.record.parent):
        return task.case.case_id, patiently(lambda: _keep(task, prepared))


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
        with hashed_file(path) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
    with hashed_file(files.native) as file:
        file.write(compress(prepared.native_label))
    counts = compare_with_native(prepared, task.scheme) if task.compare == "with_native" else {}
    record = CaseRecord(
        key=task.key,
        case_id=task.case.case_id,
        foreground=tuple(class_bits(prepared.labels, task.scheme.ignore)),
        geometry=prepared.geometry,
        affine=tuple(prepared.affine.ravel().tolist()),
        counts=counts,
        notes=tuple(fault.of(task.case.case_id) for fault in prepared.faults),
        fingerprints=prepared.fingerprints,
    )
    write_record(files.record, record)
    return record
