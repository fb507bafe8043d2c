"""Last stage: tables, fingerprint, and the manifest that makes the folder a store.

::

    fingerprint, notes = declare(request, runner.work, content, shards, digests)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes

from distributed_iac.data.contract import Problem
from distributed_iac.data.prepare.prepared_case import TargetCounts
from distributed_iac.data.prepare.request import StoreRequest
from distributed_iac.data.prepare.shard_stage import PlannedShard, StoreContent
from distributed_iac.data.prepare.source_files import relative_to
from distributed_iac.data.prepare.work import WorkFolder
from distributed_iac.data.splits.split import PARTS, Part
from distributed_iac.data.store.case_notes import count_notes, note_to_json
from distributed_iac.data.store.case_tables import cases_table, index_table, write_table
from distributed_iac.data.store.fingerprint import Fingerprint, PartCounts, TargetFidelity
from distributed_iac.data.store.manifest import (
    CASES,
    FINGERPRINT,
    IDENTITY,
    IMAGES,
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
from distributed_iac.data.volumes.alignment import unlike_spacings
from distributed_iac.files import FileDigest, digest_of, write_json
from distributed_iac.transient import patiently


def declare(
    request: StoreRequest,
    work: WorkFolder,
    content: StoreContent,
    shards: Sequence[PlannedShard],
    digests: Mapping[str, FileDigest],
) -> tuple[Fingerprint, tuple[Problem, ...]]:
    """Write everything beside the shards, the manifest last.

    Args:
        request: What was prepared.
        work: Where the labels on the native grid lie.
        content: What the store holds.
        shards: In order.
        digests: Of the shards, by their names relative to the store.

    Returns:
        The store's fingerprint, and what its cases were used with.

    Raises:
        OSError: The disk is full; the folder is no store then.
    """
    folder, files = request.folder, dict(digests)
    notes = _gather_notes(request, content)
    fingerprint = _fingerprint(request, content, notes)
    files[NATIVE_LABELS] = write_native_labels(
        folder / NATIVE_LABELS, _native_labels(work, content)
    )
    files[INDEX] = write_table(folder / INDEX, index_table([shard.facts for shard in shards]))
    files[CASES] = write_table(folder / CASES, cases_table(content.cases))
    documents: dict[str, Any] = {
        FINGERPRINT: fingerprint.to_json(),
        SPLIT: request.split.to_json(),
        SKIPPED: [asdict(case) for case in content.skipped],
        NOTES: [note_to_json(note) for note in notes],
        IMAGES: {
            case.case_id: content.records[case.case_id].fingerprints for case in content.cases
        },
        IDENTITY: request.identity,
    }
    for name, document in documents.items():
        write_json(folder / name, document)
        files[name] = patiently(partial(digest_of, folder / name))
    for case in content.cases:
        if case.part == "test" and case.geometry.whole != case.geometry:
            name = f"{WHOLE}/{case.case_id}.npy"
            files[name] = patiently(partial(digest_of, folder / name))
    for stray in [*folder.glob(f"{SHARDS}/*"), *folder.glob(f"{WHOLE}/*")]:
        if stray.relative_to(folder).as_posix() not in files:
            stray.unlink()
    write_manifest(folder, Manifest(request.key, files))
    return fingerprint, notes


def _fingerprint(
    request: StoreRequest, content: StoreContent, notes: Sequence[Problem]
) -> Fingerprint:
    source = request.source
    return Fingerprint(
        dataset=request.dataset,
        format=source.format,
        release=source.release,
        licence=source.licence,
        channel_names=source.channel_names,
        labels=source.labels,
        recipe=content.recipe,
        split=request.split.origin,
        parts={part: _part_counts(part, content) for part in PARTS},
        targets=_fidelity(request, content),
        unlabelled=request.unlabelled,
        skipped=len(content.skipped),
        axis_codes=content.axis_codes,
        notes=count_notes(notes),
    )


def _gather_notes(request: StoreRequest, content: StoreContent) -> tuple[Problem, ...]:
    """Everything that the source and its stored cases were used with nevertheless: warnings all.

    What is an error of the check has no place in a store: :mod:`.prepare` has refused it.
    """
    kept = [content.records[case.case_id] for case in content.cases]
    own = (note for record in kept for note in record.notes)
    notes = [*request.noted, *own, *_unlike_spacings(request, content)]
    assert all(note.severity == "warning" for note in notes), "an error was let pass"
    root = request.source.detection.root
    return tuple(replace(note, path=Path(relative_to(note.path, root))) for note in notes)


def _unlike_spacings(request: StoreRequest, content: StoreContent) -> list[Problem]:
    """Cases whose voxels are far from the size of the others', as the check finds them."""
    paths = {case.case_id: case.channels[0].path for case in request.cases}
    owners = {paths[case.case_id]: case.case_id for case in content.cases}
    zooms = {
        path: voxel_sizes(np.reshape(content.records[name].affine, (4, 4)))
        for path, name in owners.items()
    }
    return [fault.of(owners[fault.path]) for fault in unlike_spacings(zooms)]


def _part_counts(part: Part, content: StoreContent) -> PartCounts:
    cases = [case for case in content.cases if case.part == part]
    bits = [mask for case in cases for mask in content.records[case.case_id].foreground]
    return PartCounts(
        patients=len({case.patient_id for case in cases}),
        cases=len(cases),
        slices=len(bits),
        slices_with_foreground=sum(mask != 0 for mask in bits),
    )


def _fidelity(request: StoreRequest, content: StoreContent) -> dict[str, TargetFidelity]:
    fidelity: dict[str, TargetFidelity] = {}
    for target in request.source.labels.targets:
        counts = [
            content.records[case.case_id].counts[target.name]
            for case in content.cases
            if case.patient_id in request.split.training
        ]
        total = sum(counts, TargetCounts(0, 0, 0, 0))
        fidelity[target.name] = TargetFidelity(total.native, total.coverage, total.ceiling)
    return fidelity


def _native_labels(
    work: WorkFolder, content: StoreContent
) -> Iterator[tuple[str, tuple[int, int, int], bytes]]:
    for case in content.cases:
        packed = patiently(work.case_files(case.case_id).native.read_bytes)
        yield case.case_id, content.records[case.case_id].geometry.slices.shape, packed
