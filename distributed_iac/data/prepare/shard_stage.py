"""Third stage: number the rows and join consecutive cases into shards.

::

    stored = stored_cases(request, cases, records)
    content = StoreContent(recipe, axis_codes, stored, records, skipped)
    shards = plan_shards(request, content)                  # which cases share a shard
    digests = shard_stage(request, runner, shards)

Which cases share a shard follows from their sizes alone. A finished shard's arrays in the work
folder are deleted at once, so that the slices lie on the disk once and not twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distributed_iac.data.contract import Case
from distributed_iac.data.prepare.request import StoreRequest
from distributed_iac.data.prepare.stage_runner import StageRunner
from distributed_iac.data.prepare.work import (
    CaseRecord,
    ShardRecord,
    WorkFolder,
    storage_errors,
    write_record,
)
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.store.case_tables import StoredCase, case_facts
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.data.store.identity import PREPROCESS_VERSION, canonical, content_key
from distributed_iac.data.store.manifest import SHARDS
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.store.shard import SHARD_BYTES, CaseRows, write_shard
from distributed_iac.files import FileDigest
from distributed_iac.transient import patiently


@dataclass(frozen=True, eq=False)
class StoreContent:
    """What a store will hold.

    Args:
        recipe: By which its cases were prepared.
        axis_codes: Of the arrays on disk; None where they were not told or differ.
        cases: In the order of their rows.
        records: Of each case, by its id; of others as well.
        skipped: Cases that could not be used.
    """

    recipe: Recipe
    axis_codes: str | None
    cases: tuple[StoredCase, ...]
    records: Mapping[str, CaseRecord]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, eq=False)
class PlannedShard:
    """A shard to be: its name, its cases in order, and their rows' facts."""

    name: str
    key: str
    records: tuple[CaseRecord, ...]
    facts: tuple[pa.Table, ...]

    @property
    def file(self) -> str:
        """Name relative to the store."""
        return f"{SHARDS}/{self.name}.arrow"


def stored_cases(
    request: StoreRequest, cases: Sequence[Case], records: Mapping[str, CaseRecord]
) -> tuple[StoredCase, ...]:
    """Number the rows of the prepared cases."""
    stored: list[StoredCase] = []
    first = 0
    for case in cases:
        record = records.get(case.case_id)
        if record is None:
            continue
        part = request.split.part_of(case.patient_id)
        assert part is not None, "only placed patients are prepared"
        stored.append(
            StoredCase(
                case_id=case.case_id,
                patient_id=case.patient_id,
                part=part,
                modality=case.modality,
                rows=np.arange(first, first + len(record.foreground)),
                geometry=record.geometry,
                affine=np.array(record.affine).reshape(4, 4),
                phase=case.phase,
                unannotated=case.unannotated,
                attributes=case.attributes,
            )
        )
        first += len(record.foreground)
    return tuple(stored)


def plan_shards(request: StoreRequest, content: StoreContent) -> tuple[PlannedShard, ...]:
    """Divide the cases, in their order, into shards of about :data:`SHARD_BYTES`."""
    slice_bytes = content.recipe.slice_bytes(len(request.source.channel_names))
    divided: list[list[StoredCase]] = []
    room = 0
    for case in content.cases:
        if room <= 0:
            divided.append([])
            room = SHARD_BYTES
        divided[-1].append(case)
        room -= slice_bytes * len(case.rows)
    return tuple(_planned(request, content, *members) for members in enumerate(divided))


def _planned(
    request: StoreRequest, content: StoreContent, number: int, cases: Sequence[StoredCase]
) -> PlannedShard:
    records = tuple(content.records[case.case_id] for case in cases)
    return PlannedShard(
        name=f"shard-{number:05d}",
        key=content_key(request.key, number, [record.key for record in records]),
        records=records,
        facts=tuple(
            case_facts(request.dataset, case, record.foreground)
            for case, record in zip(cases, records, strict=True)
        ),
    )


def unfinished(work: WorkFolder, shards: Iterable[PlannedShard]) -> tuple[PlannedShard, ...]:
    """Shards that no earlier run has assembled from the very same cases."""
    done = dict(work.shards())
    return tuple(
        wanted
        for wanted in shards
        if wanted.name not in done
        or done[wanted.name].key != wanted.key
        or not (work.store / wanted.file).exists()
        or (work.store / wanted.file).stat().st_size != done[wanted.name].digest.size
    )


def lost_cases(work: WorkFolder, shards: Iterable[PlannedShard]) -> set[str]:
    """Cases that an earlier run has put into shards of another split and whose arrays are gone."""
    return {
        record.case_id
        for wanted in unfinished(work, shards)
        for record in wanted.records
        if not work.case_files(record.case_id).have_arrays
    }


def shard_stage(
    request: StoreRequest, runner: StageRunner, shards: Sequence[PlannedShard]
) -> dict[str, FileDigest]:
    """Assemble what is missing; the cases of unfinished shards must have their arrays.

    Returns:
        Name, relative to the store, and digest of every shard.

    Raises:
        StoreError: The disk is full.
    """
    left = unfinished(runner.work, shards)
    for finished in (shard for shard in shards if shard not in left):
        _discard_arrays(runner.work, finished)
    metadata = {
        "identity": request.key,
        "preprocess_version": str(PREPROCESS_VERSION),
        "channels": canonical(request.source.channel_names),
        "labels": canonical(labels_to_json(request.source.labels)),
    }
    runner.run("shards", partial(shard_task, runner.work, metadata), left, len(shards))
    done = {name: record.digest for name, record in runner.work.shards()}
    return {wanted.file: done[wanted.name] for wanted in shards}


def shard_task(
    work: WorkFolder, metadata: Mapping[str, str], shard: PlannedShard
) -> tuple[str, ShardRecord]:
    """Assemble a shard in a worker; its record is written last, its cases' arrays go then."""
    with storage_errors(work.store / SHARDS):
        record = patiently(lambda: _assemble(work, metadata, shard))
        _discard_arrays(work, shard)
    return shard.name, record


def _assemble(work: WorkFolder, metadata: Mapping[str, str], shard: PlannedShard) -> ShardRecord:
    place = work.shard_file(shard.name)
    # An older record must not vouch for the new shard.
    place.unlink(missing_ok=True)
    files = [work.case_files(record.case_id) for record in shard.records]
    rows = [
        CaseRows(_mapped(own.images), _mapped(own.labels), facts)
        for own, facts in zip(files, shard.facts, strict=True)
    ]
    digest = write_shard(work.store / shard.file, rows, metadata)
    done = ShardRecord(shard.key, tuple(record.key for record in shard.records), digest)
    write_record(place, done)
    return done


def _mapped(path: Path) -> NDArray[Any]:
    mapped: NDArray[Any] = patiently(lambda: np.load(path, mmap_mode="r"))
    return mapped


def _discard_arrays(work: WorkFolder, shard: PlannedShard) -> None:
    for record in shard.records:
        for path in work.case_files(record.case_id).arrays:
            path.unlink(missing_ok=True)
