"""Last stage: tables, fingerprint, and the manifest that makes the folder a store.

::

    stored = stored_cases(order, cases, records)
    declare(order, crew, fingerprint, stored, records, groups, shards, skipped, notes)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distributed_iac.data.contract import Case, Problem
from distributed_iac.data.prepare.case import TargetCounts
from distributed_iac.data.prepare.order import Crew, Order
from distributed_iac.data.prepare.recipe import Recipe
from distributed_iac.data.prepare.skipped import Skipped
from distributed_iac.data.prepare.stage_shards import Group
from distributed_iac.data.prepare.work import CaseRecord
from distributed_iac.data.splits.split import PARTS, Part
from distributed_iac.data.store.fingerprint import Fingerprint, PartCounts, TargetFidelity
from distributed_iac.data.store.identity import relative_to
from distributed_iac.data.store.manifest import (
    CASES,
    FINGERPRINT,
    IDENTITY,
    INDEX,
    NATIVE_LABELS,
    NOTES,
    SHARDS,
    SKIPPED,
    SPLIT,
    WHOLE,
    Manifest,
    write_manifest,
)
from distributed_iac.data.store.native import write_native_labels
from distributed_iac.data.store.notes import count_notes, note_from_json, note_to_json
from distributed_iac.data.store.sink import FileDigest, digest_of
from distributed_iac.data.store.tables import StoredCase, cases_table, index_table, write_table
from distributed_iac.data.volumes.duplicates import duplicate_problems
from distributed_iac.data.volumes.plane import CaseGeometry
from distributed_iac.files import write_json
from distributed_iac.transient import patiently

Records = Mapping[str, CaseRecord]


def stored_cases(order: Order, cases: Sequence[Case], records: Records) -> tuple[StoredCase, ...]:
    """Number the rows of the prepared cases."""
    stored: list[StoredCase] = []
    first = 0
    for case in cases:
        record = records.get(case.case_id)
        if record is None:
            continue
        part = order.split.part_of(case.patient_id)
        assert part is not None, "only placed patients are prepared"
        stored.append(
            StoredCase(
                case_id=case.case_id,
                patient_id=case.patient_id,
                part=part,
                modality=case.modality,
                rows=np.arange(first, first + len(record.foreground)),
                geometry=CaseGeometry.from_json(record.geometry),
                affine=np.array(record.affine).reshape(4, 4),
                phase=case.phase,
                unannotated=case.unannotated,
                attributes=case.attributes,
            )
        )
        first += len(record.foreground)
    return tuple(stored)


def declare(
    order: Order,
    crew: Crew,
    fingerprint: Fingerprint,
    stored: Sequence[StoredCase],
    records: Records,
    groups: Sequence[Group],
    shards: Mapping[str, FileDigest],
    skipped: Sequence[Skipped],
    notes: Sequence[Problem],
) -> None:
    """Write everything beside the shards, the manifest last.

    Raises:
        OSError: The disk is full; the folder is no store then.
    """
    folder = order.folder
    files = dict(shards)
    files[NATIVE_LABELS] = write_native_labels(
        folder / NATIVE_LABELS, _native_labels(crew, stored, records)
    )
    files[INDEX] = write_table(folder / INDEX, index_table([g.facts for g in groups]))
    files[CASES] = write_table(folder / CASES, cases_table(stored))
    documents: dict[str, Any] = {
        FINGERPRINT: fingerprint.to_json(),
        SPLIT: order.split.to_json(),
        SKIPPED: [case.to_json() for case in skipped],
        NOTES: [note_to_json(note) for note in notes],
        IDENTITY: order.identity,
    }
    for name, content in documents.items():
        write_json(folder / name, content)
        files[name] = patiently(partial(digest_of, folder / name))
    for case in stored:
        if case.part == "test" and case.geometry.whole != case.geometry:
            name = f"{WHOLE}/{case.case_id}.npy"
            files[name] = patiently(partial(digest_of, folder / name))
    for stray in [*folder.glob(f"{SHARDS}/*"), *folder.glob(f"{WHOLE}/*")]:
        if stray.relative_to(folder).as_posix() not in files:
            stray.unlink()
    write_manifest(folder, Manifest(order.key, files))


def make_fingerprint(
    order: Order,
    recipe: Recipe,
    stored: Sequence[StoredCase],
    records: Records,
    skipped: Sequence[Skipped],
    notes: Sequence[Problem],
    axis_codes: str | None,
) -> Fingerprint:
    """Sum up a preparation."""
    source = order.source
    return Fingerprint(
        dataset=order.dataset,
        format=source.format,
        release=source.release,
        licence=source.licence,
        channel_names=source.channel_names,
        labels=source.labels,
        recipe=recipe,
        split=order.split.origin,
        parts={part: _part_counts(part, stored, records) for part in PARTS},
        targets=_fidelity(order, stored, records),
        unlabelled=order.unlabelled,
        skipped=len(skipped),
        axis_codes=axis_codes,
        notes=count_notes(notes),
    )


def gather_notes(
    order: Order, stored: Sequence[StoredCase], records: Records
) -> tuple[Problem, ...]:
    """Everything that the source and its stored cases were used with nevertheless.

    An image that occurs twice is an error of the check. Which of two cases is the right one, only
    the user can tell, so both are stored and the note says what the check says.
    """
    kept = [records[case.case_id] for case in stored]
    own = (note_from_json(note) for record in kept for note in record.notes)
    cases = {case.case_id: case for case in order.cases}
    copies = duplicate_problems((cases[record.case_id], record.fingerprints) for record in kept)
    notes = [*order.noted, *own, *copies]
    root = order.source.detection.root
    return tuple(replace(note, path=Path(relative_to(note.path, root))) for note in notes)


def _part_counts(part: Part, stored: Sequence[StoredCase], records: Records) -> PartCounts:
    cases = [case for case in stored if case.part == part]
    bits = [mask for case in cases for mask in records[case.case_id].foreground]
    return PartCounts(
        patients=len({case.patient_id for case in cases}),
        cases=len(cases),
        slices=len(bits),
        slices_with_foreground=sum(mask != 0 for mask in bits),
    )


def _fidelity(
    order: Order, stored: Sequence[StoredCase], records: Records
) -> dict[str, TargetFidelity]:
    fidelity: dict[str, TargetFidelity] = {}
    for target in order.source.labels.targets:
        counts = [
            records[case.case_id].counts[target.name]
            for case in stored
            if case.patient_id in order.split.training
        ]
        total = sum(counts, TargetCounts(0, 0, 0, 0))
        fidelity[target.name] = TargetFidelity(total.native, total.coverage, total.ceiling)
    return fidelity


def _native_labels(
    crew: Crew, stored: Sequence[StoredCase], records: Records
) -> Iterator[tuple[str, tuple[int, int, int], bytes]]:
    for case in stored:
        packed = patiently(crew.work.case_files(case.case_id).native.read_bytes)
        yield case.case_id, records[case.case_id].native_shape, packed
