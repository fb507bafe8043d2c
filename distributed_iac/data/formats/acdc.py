"""ACDC (2017): cine MR of the heart, end-diastole and end-systole labelled.

::

    database/
      training/patient001/  Info.cfg  patient001_4d.nii.gz
                            patient001_frame01.nii.gz  patient001_frame01_gt.nii.gz   (ED)
                            patient001_frame12.nii.gz  patient001_frame12_gt.nii.gz   (ES)
      testing/patient101/ ...

Which frames are labelled is read from ``Info.cfg``, never from the number 01: the ED frame of
patient090 is frame04. Some unpackings have ``testing/testing``. Labels of the 50 test patients
have been public since 2022.

Reference: Bernard et al., "Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures
Segmentation and Diagnosis", IEEE TMI 37(11), 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    LabelScheme,
    OfficialPart,
    Phase,
    SliceLayout,
    Source,
)
from distributed_iac.data.formats.listing import (
    Folder,
    find_nifti,
    find_root,
    list_folder,
    look_into,
    once,
    peek,
)
from distributed_iac.data.formats.names import stem_of
from distributed_iac.data.problems import Findings
from distributed_iac.transient import may_pass, patiently

NAME = "acdc"
LOOK = "patientNNN folders with Info.cfg, in training/ and testing/"

LABELS = LabelScheme(convention="acdc (1 RV, 2 MYO, 3 LV)", classes={1: "RV", 2: "MYO", 3: "LV"})
"""The challenge's numbering. M&Ms numbers the same structures the other way round."""

LAYOUT = SliceLayout("as_stored", slice_axis=2)
"""The affine is axis-aligned and does not carry the oblique cardiac geometry, so orientation
codes derived from it would mean nothing."""

LICENCE = "CC BY-NC-SA 4.0; the MANDATORY_CITATION.md of the archive names the paper to cite."

_PATIENT = re.compile(r"patient(\d{3})")
_FRAME = re.compile(r"patient\d{3}_(?:frame\d{2,}(?:_gt)?|4d)")
_PARTS: Mapping[str, OfficialPart] = {"training": "train", "testing": "test"}
_TRAINING_PATIENTS = 100
"""patient001 to patient100 are the official training set, patient101 to patient150 the test."""

_RESTORE = "Unpack this patient again from the ACDC archive"


@dataclass(frozen=True)
class _Info:
    """What is used of ``Info.cfg``: 1-based frame numbers and the diagnosis group."""

    frames: Mapping[Phase, int]
    group: str


def detect(path: Path) -> Detection | None:
    """Claim a folder with patients in it or in its training and testing folders."""
    root = find_root(path, _is_root, NAME)
    if root is None:
        return None
    why = "patientNNN folders with Info.cfg or patientNNN_frameNN.nii.gz"
    return Detection(NAME, "2017", root.path, why)


def read(detection: Detection) -> Source:
    """List both phases of every patient."""
    findings = Findings()
    root = list_folder(detection.root)
    places = once(_patient_places(root, findings), findings, "patient")
    cases = [case for place in places for case in _read_patient(root, place, findings)]
    return Source(
        detection=detection,
        channel_names=("cine",),
        labels=LABELS,
        cases=tuple(sorted(cases, key=lambda case: case.case_id)),
        problems=findings.problems,
        licence=LICENCE,
    )


def _is_root(folder: Folder) -> bool:
    return any(_is_patient(place) for place in _patient_places(folder, Findings()))


def _is_patient(place: Path) -> bool:
    folder = peek(place)
    return folder is not None and (
        "Info.cfg" in folder.files
        or any(_FRAME.fullmatch(stem_of(name)) for name in (*folder.files, *folder.folders))
    )


def _patient_places(root: Folder, findings: Findings, parts_below: int = 2) -> Iterator[Path]:
    """Yield patient folders: in ``root``, in its parts, and in parts unpacked into themselves."""
    yield from (place for name, place in root.folders.items() if _PATIENT.fullmatch(name))
    for name, place in root.folders.items():
        if parts_below and name in _PARTS:
            part = look_into(place, findings)
            if part is not None:
                yield from _patient_places(part, findings, parts_below - 1)


def _part_of(root: Folder, place: Path) -> OfficialPart:
    """By the nearest folder that names a part, else by the patient's number."""
    folders = (root.path.resolve().name, *place.relative_to(root.path).parts)
    named = [_PARTS[name] for name in folders if name in _PARTS]
    number = int(place.name.removeprefix("patient"))
    return named[-1] if named else "train" if number <= _TRAINING_PATIENTS else "test"


def _read_patient(root: Folder, place: Path, findings: Findings) -> Iterator[Case]:
    name = place.name
    folder = look_into(place, findings)
    if folder is None:
        return
    info = _read_info(folder, findings)
    if info is None:
        return
    for phase, frame in info.frames.items():
        stem = f"{name}_frame{frame:02d}"
        image = find_nifti(folder, stem, findings, stem)
        label = find_nifti(folder, f"{stem}_gt", findings, stem)
        for code, found, file in (
            ("missing_image", image, f"{stem}.nii.gz"),
            ("missing_label", label, f"{stem}_gt.nii.gz"),
        ):
            if found is None:
                reason = f"Info.cfg names frame {frame} as {phase}, but there is no {file}"
                findings.error(code, folder.path / file, reason, _RESTORE, stem)
        if image is not None and label is not None:
            yield Case(
                case_id=stem,
                patient_id=name,
                channels=(Channel("cine", image),),
                label=label,
                modality="MR",
                layout=LAYOUT,
                phase=phase,
                part=_part_of(root, place),
                attributes={"group": info.group} if info.group else {},
            )
    _note_unlisted(folder, info, findings)


def _note_unlisted(folder: Folder, info: _Info, findings: Findings) -> None:
    """A labelled frame that Info.cfg does not name hints at an Info.cfg of somebody else."""
    name = folder.path.name
    expected = {f"{name}_frame{frame:02d}_gt" for frame in info.frames.values()}
    for file, path in folder.nifti.items():
        if stem_of(file).endswith("_gt") and stem_of(file) not in expected:
            findings.warning(
                "unlisted_file",
                path,
                "Info.cfg names this frame neither ED nor ES",
                _RESTORE,
            )


def _read_info(folder: Folder, findings: Findings) -> _Info | None:
    """Parse ``Key: value`` lines; the file is not an ini file and may have CRLF line ends."""
    path = folder.path / "Info.cfg"
    try:
        text = patiently(lambda: path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        if may_pass(error):
            raise
        reason = f"without Info.cfg the ED and ES frames are unknown ({error.strerror})"
        findings.error("bad_metadata", path, reason, _RESTORE)
        return None
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in pairs}
    frames: dict[Phase, int] = {}
    phases: tuple[Phase, ...] = ("ED", "ES")
    for phase in phases:
        number = values.get(phase, "")
        if re.fullmatch(r"[0-9]{1,3}", number) and int(number) > 0:
            frames[phase] = int(number)
    if len(frames) < len(phases) or frames["ED"] == frames["ES"]:
        shown = ", ".join(f"{phase}: {values.get(phase, 'missing')}" for phase in phases)
        reason = f"ED and ES must be two different frame numbers from 1, came {shown}"
        findings.error("bad_metadata", path, reason, _RESTORE)
        return None
    return _Info(frames, values.get("Group", ""))
