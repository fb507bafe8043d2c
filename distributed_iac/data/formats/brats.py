"""BraTS 2018 to 2024 (glioma): four co-registered MR channels of the brain.

::

    MICCAI_BraTS_2018_Data_Training/HGG/Brats18_2013_2_1/Brats18_2013_2_1_{t1,...,seg}.nii.gz
    MICCAI_BraTS2020_TrainingData/BraTS20_Training_001/BraTS20_Training_001_{t1,...,seg}.nii
    RSNA_ASNR_MICCAI_BraTS2021_TrainingData/TrainingData/BraTS2021_00000/...
    ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-00000-000/*-{t1n,t1c,t2w,t2f,seg}

Cases may lie up to two folders below the root, which covers HGG/LGG, the inner folder of some
2021 archives and copies that nest a folder in itself. A case in a folder whose name contains
"validation" (as all official validation sets do) needs no label. ``name_mapping.csv`` and the
survival tables are not needed and not read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    OfficialPart,
    SliceLayout,
    Source,
)
from distributed_iac.data.formats.brats_releases import (
    CHANNELS,
    PUBLISHED_ALIASES,
    Release,
    release_named,
    release_of,
)
from distributed_iac.data.formats.listing import (
    ROOT_DEPTH,
    Folder,
    find_nifti,
    list_folder,
    look_into,
    once,
    walk,
)
from distributed_iac.data.formats.patients import patient_of
from distributed_iac.data.problems import Findings
from distributed_iac.errors import SourceError

NAME = "brats"
LOOK = "case folders such as Brats18_*, BraTS20_Training_NNN, BraTS-GLI-NNNNN-NNN"

LAYOUT = SliceLayout("LPS", slice_axis=2)
LICENCE = (
    "Registration and data-use agreement with the organisers (CBICA or Synapse); tags on copies "
    "elsewhere are not authoritative. Cite Menze 2015, Bakas 2017 and 2018, from 2021 Baid 2021."
)

_CASE_DEPTH = 2
"""Folders between the root and the folders that hold the cases."""
_PART_IN_NAME = re.compile(r"training|validation", re.IGNORECASE)
_GRADES = frozenset({"HGG", "LGG"})
_RESTORE = "Unpack this case again from the official archive"


def detect(path: Path) -> Detection | None:
    """Claim a folder with case folders of one release below it.

    Raises:
        SourceError: If cases of several releases lie there: the same number means different
            tissue in them, and the later ones contain the patients of the earlier.
    """
    holders: list[Path] = []
    first: dict[str, str] = {}
    for _, folder in walk(path, ROOT_DEPTH + 1):
        cases = _case_names(folder)
        if cases:
            holders.append(folder.path)
        for case_id, release in cases:
            first.setdefault(release.name, case_id)
    if not holders:
        return None
    if len(first) > 1:
        raise SourceError(
            "one BraTS release at a time: their label values and patients overlap",
            where=path,
            came=", ".join(f"{name} ({case})" for name, case in sorted(first.items())),
            remedy="give the folder of one release, or move the other release's cases away",
        )
    ((release_name, case_id),) = first.items()
    root = _root(path, holders)
    return Detection(NAME, release_name, root, f"case folders such as {case_id}")


def read(detection: Detection) -> Source:
    """List every case under the root."""
    findings = Findings()
    release = release_named(detection.release)
    places = once(_case_places(detection.root, release, findings), findings, "case")
    cases = (_read_case(place, detection.root, release, findings) for place in places)
    found = [case for case in cases if case is not None]
    return Source(
        detection=detection,
        channel_names=CHANNELS,
        labels=release.labels,
        cases=tuple(sorted(found, key=lambda case: case.case_id)),
        problems=findings.problems,
        licence=LICENCE,
    )


def _case_names(folder: Folder) -> list[tuple[str, Release]]:
    """Case folders directly in a folder; none in a case folder, which may nest itself."""
    if release_of(folder.path.name) is not None:
        return []
    named = ((name, release_of(name)) for name in folder.folders)
    return [(name, release) for name, release in named if release is not None]


def _root(path: Path, holders: Sequence[Path]) -> Path:
    """The deepest folder, not deeper than the contract allows, that has all cases below it."""
    common = Path(os.path.commonpath(holders)) if len(holders) > 1 else holders[0]
    below = common.relative_to(path).parts
    return path.joinpath(*below[:ROOT_DEPTH])


def _case_places(root: Path, release: Release, findings: Findings) -> Iterator[Path]:
    """Yield case folders, nearest to the root first."""
    level = [list_folder(root)]
    for _ in range(_CASE_DEPTH + 1):
        below: list[Folder] = []
        for folder in level:
            for name, place in folder.folders.items():
                if release.case.fullmatch(name):
                    yield place
                elif release_of(name) is None:
                    inner = look_into(place, findings)
                    below.extend([] if inner is None else [inner])
        level = below


def _read_case(place: Path, root: Path, release: Release, findings: Findings) -> Case | None:
    case_id = place.name
    folder = look_into(place, findings, case_id)
    if folder is not None and not folder.nifti and case_id in folder.folders:
        folder = look_into(folder.folders[case_id], findings, case_id)
    if folder is None:
        return None
    channels = _channels(folder, case_id, release, findings)
    names = (root.resolve().name, *place.relative_to(root).parts)
    part = _part_of(names)
    label = _label(folder, case_id, release, findings)
    if label is None and part == "train":
        findings.error(
            "missing_label",
            folder.path / f"{case_id}{release.seg}.nii.gz",
            "the training case has no label",
            f"{_RESTORE}; an unlabelled validation set belongs in a folder with 'Validation' in "
            "its name",
            case_id,
        )
        return None
    if channels is None:
        return None
    grade = next((name for name in names if name in _GRADES), None)
    return Case(
        case_id=case_id,
        patient_id=patient_of(case_id),
        channels=channels,
        label=label,
        modality="MR",
        layout=LAYOUT,
        part=part,
        attributes={} if grade is None else {"grade": grade},
    )


def _channels(
    folder: Folder, case_id: str, release: Release, findings: Findings
) -> tuple[Channel, ...] | None:
    channels: list[Channel] = []
    missing: list[str] = []
    for name in CHANNELS:
        stem = case_id + release.suffixes[name]
        path = find_nifti(folder, stem, findings, case_id)
        if path is None:
            missing.append(f"{stem}.nii.gz")
        else:
            channels.append(Channel(name, path))
    if missing:
        code = "missing_channel" if channels else "missing_image"
        reason = f"of the {len(CHANNELS)} channels, {', '.join(missing)} is not there"
        findings.error(code, folder.path, reason, _RESTORE, case_id)
        return None
    return tuple(channels)


def _label(folder: Folder, case_id: str, release: Release, findings: Findings) -> Path | None:
    label = find_nifti(folder, case_id + release.seg, findings, case_id)
    alias = PUBLISHED_ALIASES.get((case_id, release.seg))
    if label is not None or alias is None:
        return label
    label = find_nifti(folder, alias, findings, case_id)
    if label is not None:
        findings.warning(
            "alias_used",
            label,
            f"published under this name by mistake; taken as {case_id}{release.seg}",
            "Nothing to do; renaming the file silences this",
            case_id,
        )
    return label


def _part_of(names: Sequence[str]) -> OfficialPart:
    """The part that the name nearest to the case tells; training where none does."""
    for name in reversed(names):
        told = _PART_IN_NAME.search(name)
        if told is not None:
            return "val" if told.group().casefold() == "validation" else "train"
    return "train"
