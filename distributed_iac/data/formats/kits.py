"""KiTS 2019, 2021 and 2023: kidney, tumour and cyst in contrast-enhanced CT.

::

    kits19/data/case_00000/         imaging.nii.gz  segmentation.nii.gz
    kits21/kits21/data/case_00000/  imaging.nii.gz  aggregated_MAJ_seg.nii.gz
    kits23/dataset/case_00000/      imaging.nii.gz  segmentation.nii.gz  instances/

A fresh clone of a KiTS repository has labels but no images: they are downloaded by a script of
the repository, and a download that breaks off leaves ``.partial.imaging.nii.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from distributed_iac.data.contract import Case, Channel, Detection, SliceLayout, Source
from distributed_iac.data.formats.kits_releases import (
    DOWNLOAD,
    LABELS,
    SEGMENTATION,
    KitsRelease,
    decide,
    number_of,
    part_of,
)
from distributed_iac.data.formats.listing import (
    Folder,
    find_nifti,
    find_root,
    list_folder,
    look_into,
    peek,
)
from distributed_iac.data.formats.names import stem_of
from distributed_iac.data.problems import Findings

NAME = "kits"
LOOK = "case_NNNNN folders with imaging.nii.gz"

LAYOUT = SliceLayout("as_stored", slice_axis=0)
"""Arrays are (slice, row, column) with rows to posterior and columns to the left already. The
first releases of 2019 had a wrong affine, so orientation codes are not relied on."""

LICENCE = "CC BY-NC-SA 4.0 (data); the code in the repositories is MIT."

_CASE = re.compile(r"case_\d{5}")
_EVIDENCE = frozenset({"imaging", "segmentation", "aggregated_MAJ_seg"})
_PARTIAL = re.compile(r"\.partial\.imaging\.nii\.gz.*")


def detect(path: Path) -> Detection | None:
    """Claim a folder with case folders that hold KiTS files."""
    root = find_root(path, _is_root, NAME)
    if root is None:
        return None
    cases = [folder for folder in map(peek, _case_places(root)) if folder is not None]
    decision = decide(root, cases)
    return Detection(NAME, decision.release, root.path, decision.why)


def read(detection: Detection) -> Source:
    """List every case folder under the root."""
    findings = Findings()
    release = next(known for known in LABELS if known == detection.release)
    root = list_folder(detection.root)
    looked = (look_into(place, findings, place.name) for place in _case_places(root))
    folders = [folder for folder in looked if folder is not None]
    if not decide(root, folders).sure:
        findings.warning(
            "release_guessed",
            root.path,
            f"the folder may be KiTS19 or KiTS23; read as {release}, so a cyst label (3) will "
            "be reported as unexpected",
            "Put kits23.json (from the kits23 repository) or kits.json (kits19) beside the cases",
        )
    cases = (_read_case(folder, release, findings) for folder in folders)
    return Source(
        detection=detection,
        channel_names=("ct",),
        labels=LABELS[release],
        cases=tuple(case for case in cases if case is not None),
        problems=findings.problems,
        licence=LICENCE,
    )


def _case_places(root: Folder) -> Iterable[Path]:
    return (place for name, place in root.folders.items() if _CASE.fullmatch(name))


def _is_root(folder: Folder) -> bool:
    return any(_is_case(place) for place in _case_places(folder))


def _is_case(place: Path) -> bool:
    folder = peek(place)
    return folder is not None and (
        any(stem_of(name) in _EVIDENCE for name in folder.nifti)
        or any(_PARTIAL.fullmatch(name) for name in folder.hidden)
    )


def _read_case(folder: Folder, release: KitsRelease, findings: Findings) -> Case | None:
    case_id = folder.path.name
    part = part_of(release, number_of(case_id))
    image = find_nifti(folder, "imaging", findings, case_id)
    label = find_nifti(folder, SEGMENTATION[release], findings, case_id)
    _note_image(folder, image, release, findings)
    if label is None and part == "train":
        file = f"{SEGMENTATION[release]}.nii.gz"
        findings.error(
            "missing_label",
            folder.path / file,
            f"the training case has no {file}",
            "Restore it from the repository (git checkout -- the file)",
            case_id,
        )
        return None
    if image is None:
        return None
    return Case(
        case_id=case_id,
        patient_id=case_id,
        channels=(Channel("ct", image),),
        label=label,
        modality="CT",
        layout=LAYOUT,
        part=part,
    )


def _note_image(
    folder: Folder, image: Path | None, release: KitsRelease, findings: Findings
) -> None:
    """Report a missing image and what an interrupted download has left of it."""
    case_id = folder.path.name
    fetch = f"Run {DOWNLOAD[release]}"
    leftovers = [name for name in folder.hidden if _PARTIAL.fullmatch(name)]
    if image is None and leftovers:
        findings.error(
            "partial_download",
            folder.path / leftovers[0],
            "the download of imaging.nii.gz was interrupted",
            f"Delete this file. {fetch} again",
            case_id,
        )
    elif image is None:
        reason = "the case has no imaging.nii.gz; the repository holds labels only"
        findings.error("missing_image", folder.path / "imaging.nii.gz", reason, fetch, case_id)
    elif leftovers:
        findings.warning(
            "partial_download",
            folder.path / leftovers[0],
            "left over from an interrupted download; imaging.nii.gz is there",
            "Delete this file",
            case_id,
        )
