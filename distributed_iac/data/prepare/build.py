"""From an order to a whole store: survey, prepare, assemble, declare.

::

    with claimed_work(folder) as work, Workers(8) as workers:
        fingerprint, skipped, notes = build(order, Crew(work, workers, progress))

Each stage looks first for what an earlier, interrupted run has finished. The store's bytes follow
from the order alone: not from the number of workers, nor from how often it was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

from distributed_iac.data.contract import Case, Problem
from distributed_iac.data.prepare.declare import (
    declare,
    gather_notes,
    make_fingerprint,
    stored_cases,
)
from distributed_iac.data.prepare.order import Crew, Order
from distributed_iac.data.prepare.recipe import Recipe
from distributed_iac.data.prepare.skipped import Skipped, refusal
from distributed_iac.data.prepare.stage_cases import case_stage, prepare
from distributed_iac.data.prepare.stage_shards import Group, group, shard_stage, unfinished
from distributed_iac.data.prepare.stage_survey import stored_alike, survey_stage
from distributed_iac.data.prepare.work import CaseRecord
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.tables import StoredCase, case_facts
from distributed_iac.errors import DataError
from distributed_iac.transient import patiently


def build(order: Order, crew: Crew) -> tuple[Fingerprint, tuple[Skipped, ...], tuple[Problem, ...]]:
    """Make the store; the manifest is the last file written.

    Returns:
        Its fingerprint, the cases that could not be used, and what others were used with.

    Raises:
        DataError: Cases cannot be used and ``on_bad_case`` is ``refuse``, or a part is left
            without any case.
        StoreError: The disk is full or not writable.
        RunError: A worker was killed.
        OSError: The disk is full while the tables are written.
    """
    order, axis_codes, odd = stored_alike(order, crew)
    recipe, cases, surveys, unusable = survey_stage(order, crew)
    records, failed = case_stage(order, crew, recipe, cases, surveys)
    skipped = tuple(sorted({*order.unusable, *odd, *unusable, *failed}))
    if skipped and order.settings.on_bad_case == "refuse":
        raise refusal(skipped)
    stored = stored_cases(order, cases, records)
    _require_parts(stored, skipped)
    facts = {
        case.case_id: case_facts(order.dataset, case, records[case.case_id].foreground)
        for case in stored
    }
    groups = group(order, recipe, [records[case.case_id] for case in stored], facts)
    _recover(order, crew, recipe, cases, records, groups)
    shards = shard_stage(order, crew, groups)
    notes = gather_notes(order, stored, records)
    fingerprint = make_fingerprint(order, recipe, stored, records, skipped, notes, axis_codes)
    declare(order, crew, fingerprint, stored, records, groups, shards, skipped, notes)
    patiently(crew.work.clear)
    return fingerprint, skipped, notes


def _recover(
    order: Order,
    crew: Crew,
    recipe: Recipe,
    cases: Sequence[Case],
    records: dict[str, CaseRecord],
    groups: Sequence[Group],
) -> None:
    """Prepare again what an earlier run has put into shards of another split, then deleted."""
    needed = {
        record.case_id
        for wanted in unfinished(crew, groups)
        for record in wanted.records
        if not all(path.exists() for path in crew.work.case_files(record.case_id).arrays)
    }
    lost = [case for case in cases if case.case_id in needed]
    if lost:
        keys = {case.case_id: records[case.case_id].key for case in lost}
        failed = prepare(order, crew, recipe, lost, keys, records, total=len(lost))
        if failed:
            raise refusal(failed)


def _require_parts(stored: Sequence[StoredCase], skipped: Sequence[Skipped]) -> None:
    empty = [part for part in PARTS if not any(case.part == part for case in stored)]
    if empty:
        raise DataError(
            "each of the four parts needs at least one usable case",
            came="\n    ".join([f"none in {', '.join(empty)}; unusable:", *map(str, skipped)]),
            remedy="repair these files, or change the split",
        )
