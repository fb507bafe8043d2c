"""Second stage: prepare every case, each into files of its own in the work folder.

::

    records, skipped = case_stage(order, crew, recipe, cases, surveys)
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

import numpy as np

from distributed_iac.data.contract import Case
from distributed_iac.data.prepare.case import PREPROCESS_VERSION
from distributed_iac.data.prepare.order import Crew, Order
from distributed_iac.data.prepare.recipe import Recipe
from distributed_iac.data.prepare.skipped import Skipped
from distributed_iac.data.prepare.survey import CaseSurvey
from distributed_iac.data.prepare.tasks import CaseTask, case_task
from distributed_iac.data.prepare.work import CaseRecord
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.data.store.identity import content_key
from distributed_iac.errors import StoreError

GIGABYTE = 1e9


def case_stage(
    order: Order,
    crew: Crew,
    recipe: Recipe,
    cases: Sequence[Case],
    surveys: Sequence[CaseSurvey],
) -> tuple[dict[str, CaseRecord], list[Skipped]]:
    """Prepare the cases that no earlier run has prepared by the same recipe.

    Returns:
        Records by case id, and the unusable cases.

    Raises:
        StoreError: The disk is full, or would be.
    """
    keys = {case.case_id: _key(order, recipe, case) for case in cases}
    assembled = {key for _, shard in crew.work.shards() for key in shard.cases}
    records: dict[str, CaseRecord] = {}
    for case in cases:
        record = crew.work.record(case.case_id, keys[case.case_id])
        if record and (record.key in assembled or _has_arrays(crew, case.case_id)):
            records[case.case_id] = record
    left = [case for case in cases if case.case_id not in records]
    _require_room(order, recipe, len(left), surveys)
    skipped = prepare(order, crew, recipe, left, keys, records, total=len(cases))
    return records, skipped


def prepare(
    order: Order,
    crew: Crew,
    recipe: Recipe,
    cases: Sequence[Case],
    keys: Mapping[str, str],
    records: dict[str, CaseRecord],
    total: int,
) -> list[Skipped]:
    """Prepare some cases, add their records, and return those that could not be used."""
    tasks = [
        CaseTask(
            case,
            recipe,
            order.source.labels,
            keys[case.case_id],
            crew.work.case_files(case.case_id),
            "with_native" if order.is_training(case) else "nothing",
            "whole_slices" if order.is_tested(case) else "patches",
        )
        for case in cases
    ]
    skipped: list[Skipped] = []
    for case_id, result in crew.do("cases", case_task, tasks, total):
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            records[case_id] = result
    return skipped


def _key(order: Order, recipe: Recipe, case: Case) -> str:
    return content_key(
        PREPROCESS_VERSION,
        order.described[case.case_id],
        case.layout.slice_axis,
        recipe.to_json(),
        labels_to_json(order.source.labels),
        order.is_training(case),
        order.is_tested(case),
    )


def _has_arrays(crew: Crew, case_id: str) -> bool:
    files = crew.work.case_files(case_id)
    return files.images.exists() and files.labels.exists()


def _require_room(
    order: Order, recipe: Recipe, missing: int, surveys: Sequence[CaseSurvey]
) -> None:
    """Say before hours of work that the disk is too small for it."""
    height, width = recipe.patch
    slice_bytes = height * width * (2 * len(order.source.channel_names) + 1)
    depth = float(np.mean([survey.depth for survey in surveys]))
    needed, free = missing * depth * slice_bytes, shutil.disk_usage(order.folder).free
    if needed > free:
        raise StoreError(
            f"the remaining {missing} cases need about {needed / GIGABYTE:.1f} GB",
            came=f"{free / GIGABYTE:.1f} GB free",
            where=order.folder,
            remedy="free some space, choose another disk, a smaller patch or a coarser spacing",
        )
