"""nnU-Net raw data sets, version 2, with version 1 leftovers.

::

    Dataset027_ACDC/  dataset.json  [splits_final.json]
                      imagesTr/patient001_frame01_0000.nii.gz    <case>_<channel><ending>
                      labelsTr/patient001_frame01.nii.gz         <case><ending>
                      imagesTs/...  [labelsTs/...]

Instead of imagesTr, dataset.json may map cases to files under ``dataset``. Differs from nnU-Net
in: 1. such paths must stay below the folder (see ``inside.py``) and environment variables in
them are not expanded; 2. only NIfTI is read; 3. nothing in the format names patients, so a case
is its own patient unless its name follows a published convention (``patients.patient_of``): ACDC's
two frames of one heart then stay on one side of every split.
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
    SliceLayout,
    Source,
)
from distributed_iac.data.formats.decathlon import detect_family, licence_of, load_json
from distributed_iac.data.formats.inside import Refused, resolve_inside
from distributed_iac.data.formats.listing import Folder, list_folder, nifti_in
from distributed_iac.data.formats.names import is_safe_case_id, stem_of
from distributed_iac.data.formats.nnunet_meta import Described, describe
from distributed_iac.data.formats.nnunet_splits import read_splits
from distributed_iac.data.formats.patients import patient_of
from distributed_iac.data.problems import Findings

NAME = "nnunet_raw"
LOOK = "imagesTr/<case>_0000.nii.gz with a dataset.json that has channel_names"

LAYOUT = SliceLayout("LPS", slice_axis=None)

_CHANNEL = re.compile(r"(.+)_(\d{4})", re.DOTALL)
_RESTORE = "Add the file, or remove what is left of the case"


@dataclass(frozen=True)
class _Files:
    """The files of one case as they were found or mapped: channel number to image."""

    case_id: str
    part: OfficialPart
    images: Mapping[int, Path]
    label: Path | None


def detect(path: Path) -> Detection | None:
    """Claim a folder with an nnU-Net dataset.json or images with channel suffixes."""
    return detect_family(path, "nnunet_raw")


def read(detection: Detection) -> Source:
    """List every case of the folders or of the ``dataset`` map."""
    findings = Findings()
    root = list_folder(detection.root)
    where = root.path / "dataset.json"
    meta = load_json(where, findings)
    described = describe(meta, where, findings)
    if described is None:
        return _unreadable(detection, meta, findings)
    files = list(_files(root, meta, described, findings))
    training = {found.case_id for found in files if found.part == "train"}
    _note_count(meta, len(training), where, findings)
    cases = _cases(files, described, root.path, findings)
    supplied = root.files.get("splits_final.json")
    splits = () if supplied is None else read_splits(supplied, training, findings)
    return Source(
        detection=detection,
        channel_names=described.channel_names,
        labels=described.labels,
        cases=tuple(cases[case_id] for case_id in sorted(cases)),
        problems=findings.problems,
        splits=splits,
        licence=licence_of(meta),
    )


def _unreadable(detection: Detection, meta: Mapping[str, object], findings: Findings) -> Source:
    """A source whose dataset.json does not say what its files are: problems, no cases."""
    return Source(
        detection=detection,
        channel_names=(),
        labels=LabelScheme("unknown", {}),
        cases=(),
        problems=findings.problems,
        licence=licence_of(meta),
    )


def _files(
    root: Folder, meta: Mapping[str, object], described: Described, findings: Findings
) -> Iterator[_Files]:
    if "dataset" in meta:
        yield from _mapped(root.path, meta["dataset"], findings)
    else:
        yield from _found(root, "train", "imagesTr", "labelsTr", described.ending, findings)
    yield from _found(root, "test", "imagesTs", "labelsTs", described.ending, findings)


def _found(
    root: Folder, part: OfficialPart, images: str, labels: str, ending: str, findings: Findings
) -> Iterator[_Files]:
    """Group the images of a folder by case; a label without images is a case without images."""
    grouped: dict[str, dict[int, Path]] = {}
    for path in nifti_in(root, images, findings).values():
        matched = _CHANNEL.fullmatch(stem_of(path.name))
        if matched is None or not _ends(path, ending):
            reason = f"it is not named <case>_NNNN{ending}"
            findings.warning("unlisted_file", path, reason, "Rename it or move it away")
        else:
            grouped.setdefault(matched.group(1), {})[int(matched.group(2))] = path
    labelled: dict[str, Path] = {}
    for path in nifti_in(root, labels, findings).values():
        if _ends(path, ending):
            labelled[stem_of(path.name)] = path
        else:
            reason = f"it does not end in {ending}"
            findings.warning("unlisted_file", path, reason, "Rename it or move it away")
    for case_id in sorted(grouped.keys() | labelled.keys()):
        yield _Files(case_id, part, grouped.get(case_id, {}), labelled.get(case_id))


def _ends(path: Path, ending: str) -> bool:
    """Compare endings whatever their letter case: ``with_unused`` refuses two that differ in it."""
    return path.name.casefold() == f"{stem_of(path.name)}{ending}".casefold()


def _mapped(root: Path, dataset: object, findings: Findings) -> Iterator[_Files]:
    """Follow the ``dataset`` map: case id to {"images": [...], "label": ...}."""
    where = root / "dataset.json"
    if not isinstance(dataset, dict):
        reason = f"dataset must map case ids to files, came {type(dataset).__name__}"
        findings.error("bad_metadata", where, reason, "Correct dataset.json")
        return
    for case_id, entry in dataset.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        label = entry.get("label") if isinstance(entry, dict) else None
        listed = [*(images if isinstance(images, list) else [None]), label]
        if not all(isinstance(text, str) and text for text in listed):
            reason = 'each case of dataset needs "images": [paths] and "label": path'
            findings.error("bad_metadata", where, reason, "Correct dataset.json", case_id)
            continue
        places = [resolve_inside(root, text) for text in listed]
        refused = next((place for place in places if isinstance(place, Refused)), None)
        if refused is not None:
            findings.error(refused.code, where, refused.reason, refused.remedy, case_id)
            continue
        *found, target = (p if isinstance(p, Path) and p.is_file() else None for p in places)
        present = {number: path for number, path in enumerate(found) if path is not None}
        yield _Files(case_id, "train", present, target)


def _note_count(meta: Mapping[str, object], found: int, where: Path, findings: Findings) -> None:
    announced = meta.get("numTraining", found)
    if announced != found:
        reason = f"numTraining is {announced!r:.20}, but there are {found} training cases"
        findings.warning("count_mismatch", where, reason, "Check that no case is missing")


def _cases(
    files: list[_Files], described: Described, root: Path, findings: Findings
) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    seen: dict[str, OfficialPart] = {}
    for found in files:
        place = next(iter(found.images.values()), found.label or root / "dataset.json")
        if not is_safe_case_id(found.case_id):
            reason = f"the case id {found.case_id!r:.80} cannot be a file name"
            findings.error("unsafe_name", place, reason, "Rename the case")
        elif found.case_id in seen:
            reason = f"{found.case_id} is also a {seen[found.case_id]} case, which is used"
            remedy = "Rename or remove one of the two"
            findings.error("duplicate_case", place, reason, remedy, found.case_id)
        else:
            seen[found.case_id] = found.part
            if _is_complete(found, described, place, findings):
                cases[found.case_id] = _case(found, described)
    return cases


def _is_complete(found: _Files, described: Described, place: Path, findings: Findings) -> bool:
    """Tell whether a case has all it needs, noting what it lacks or has too much."""
    case_id, wanted = found.case_id, range(len(described.channel_names))
    missing = [f"_{number:04d}" for number in wanted if number not in found.images]
    if missing:
        code = "missing_channel" if found.images else "missing_image"
        reason = f"{case_id} lacks {', '.join(missing)} of {len(wanted)} channels"
        findings.error(code, place, reason, _RESTORE, case_id)
    if found.label is None and found.part == "train":
        reason = f"the training case {case_id} has no label"
        findings.error("missing_label", place, reason, _RESTORE, case_id)
    for number, path in found.images.items():
        if number not in wanted:
            reason = f"dataset.json names {len(wanted)} channels, so channel {number} is not used"
            findings.warning("unlisted_file", path, reason, "Add the channel to channel_names")
    return not missing and (found.label is not None or found.part != "train")


def _case(found: _Files, described: Described) -> Case:
    return Case(
        case_id=found.case_id,
        patient_id=patient_of(found.case_id),
        channels=tuple(
            Channel(name, found.images[number])
            for number, name in enumerate(described.channel_names)
        ),
        label=found.label,
        modality=described.modality,
        layout=LAYOUT,
        part=found.part,
    )
