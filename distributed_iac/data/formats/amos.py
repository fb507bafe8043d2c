"""AMOS 2022: fifteen abdominal organs in CT and MR.

::

    amos22/  dataset.json
             imagesTr/amos_0001.nii.gz  labelsTr/amos_0001.nii.gz     training
             imagesVa/amos_0008.nii.gz  labelsVa/amos_0008.nii.gz     validation
             imagesTs/amos_0002.nii.gz                                test, no labels

Differs from nnU-Net raw, which it resembles, in having no ``_0000`` suffix. The first challenge
release had ``task1_dataset.json`` (CT) and ``task2_dataset.json`` (CT and MR) instead of
``dataset.json`` and listed test images as plain strings; both kinds are read. Case numbers up to
500 are CT, the others MR ("id numbers less than 500 belong to CT", the readme says; no case has
the number 500).

Reference: Ji et al., "AMOS: A Large-Scale Abdominal Multi-Organ Benchmark for Versatile Medical
Image Segmentation", NeurIPS 2022 Datasets and Benchmarks, arXiv:2206.08023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    LabelScheme,
    Modality,
    OfficialPart,
    SliceLayout,
    Source,
)
from distributed_iac.data.formats.decathlon import (
    AMOS_FILE,
    IMAGE_FOLDERS,
    JSON_NAMES,
    Entry,
    detect_family,
    listed_entries,
    load_json,
)
from distributed_iac.data.formats.labels import numbered_labels
from distributed_iac.data.formats.listed import LABEL_FOLDERS, Placed, note_unlisted, place_entries
from distributed_iac.data.formats.listing import Folder, list_folder, nifti_in
from distributed_iac.data.formats.names import stem_of
from distributed_iac.data.problems import Findings
from distributed_iac.errors import SourceError

NAME = "amos"
LOOK = "imagesTr/amos_NNNN.nii.gz"

ORGANS: Mapping[int, str] = {
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gall bladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "postcava",
    10: "pancreas",
    11: "right adrenal gland",
    12: "left adrenal gland",
    13: "duodenum",
    14: "bladder",
    15: "prostate/uterus",
}
"""Names as in dataset.json, but for 8, which is spelt "arota" there."""

LAYOUT = SliceLayout("LPS", slice_axis=2)
"""Stored orientations are mixed."""

LICENCE = (
    "Published claims differ: the dataset.json says CC-BY-SA 4.0, the Zenodo record (7262581) "
    "CC BY 4.0, the paper's OpenReview page CC BY-NC. Decide with the strictest in mind."
)

_SPELLING = {"arota": "aorta"}
_LAST_CT = 500
_NOT_IN_MR = frozenset({"bladder", "prostate/uterus"})
"""Organs that no MR case is annotated with."""
_PARTS: Mapping[str, OfficialPart] = dict(zip(IMAGE_FOLDERS, ("train", "val", "test"), strict=True))


def detect(path: Path) -> Detection | None:
    """Claim a folder with images named ``amos_NNNN`` in imagesTr, imagesVa or imagesTs."""
    found = detect_family(path, "amos")
    if found is None:
        return None
    files = list_folder(found.root).files
    by_task = "dataset.json" not in files and any(name in files for name in JSON_NAMES)
    return replace(found, release="2022 first release" if by_task else "2022")


def read(detection: Detection) -> Source:
    """List every case of dataset.json, or of the folders where there is none."""
    findings = Findings()
    root = list_folder(detection.root)
    lists = _lists(root, findings)
    entries = _entries(root, lists, findings)
    where = next(iter(lists), root.path / "dataset.json")
    labels = _labels(lists, findings)
    placed = place_entries(root.path, entries, where, findings)
    note_unlisted(root, entries, findings)
    return Source(
        detection=detection,
        channel_names=("image",),
        labels=labels,
        cases=tuple(_case(case, labels) for case in placed),
        problems=findings.problems,
        licence=LICENCE,
    )


def modality_of(case_id: str) -> Modality:
    """Return the modality that an AMOS case number stands for."""
    return "CT" if int(case_id.removeprefix("amos_")) <= _LAST_CT else "MR"


def _lists(root: Folder, findings: Findings) -> Mapping[Path, Mapping[str, object]]:
    """The lists that count: dataset.json, or else those of the tasks; unreadable ones left out."""
    present = [root.files[name] for name in JSON_NAMES if name in root.files]
    if "dataset.json" in root.files:
        present = present[:1]
    read = ((path, load_json(path, findings)) for path in present)
    lists = {path: meta for path, meta in read if meta}
    if not lists:
        findings.warning(
            "bad_metadata",
            root.path / "dataset.json",
            "without a readable dataset.json, cases are taken from the folders",
            "Restore dataset.json from the archive",
        )
    return lists


def _entries(
    root: Folder, lists: Mapping[Path, Mapping[str, object]], findings: Findings
) -> tuple[Entry, ...]:
    """Listed cases; what both task lists name in the same way counts once."""
    if not lists:
        return tuple(_entries_from_folders(root, findings))
    listed: dict[Entry, None] = {}
    for path, meta in lists.items():
        for entry in listed_entries(meta, path, findings):
            if AMOS_FILE.fullmatch(entry.case_id):
                listed[entry] = None
            else:
                reason = f"{entry.image!r:.80} is not named amos_NNNN, so its modality is unknown"
                findings.error("bad_metadata", path, reason, "Correct the list")
    return tuple(listed)


def _entries_from_folders(root: Folder, findings: Findings) -> list[Entry]:
    entries: list[Entry] = []
    for images, labels in zip(IMAGE_FOLDERS, LABEL_FOLDERS, strict=True):
        for name in nifti_in(root, images, findings):
            if AMOS_FILE.fullmatch(stem_of(name)):
                label = f"{labels}/{name}"
                wanted = _PARTS[images] == "train" or (root.path / label).is_file()
                entries.append(Entry(_PARTS[images], f"{images}/{name}", label if wanted else None))
    return entries


def _labels(lists: Mapping[Path, Mapping[str, object]], findings: Findings) -> LabelScheme:
    """The published organs, unless dataset.json numbers them otherwise."""
    published = LabelScheme("amos22 (15 organs)", ORGANS)
    for path, meta in lists.items():
        try:
            scheme = numbered_labels(meta.get("labels"), "amos22 as numbered by its dataset.json")
        except SourceError as error:
            reason = f"{error.message}, came {error.came}; the published organs are assumed"
            findings.warning("bad_metadata", path, reason, "Restore it from the archive")
            continue
        classes = {value: _SPELLING.get(name, name) for value, name in scheme.classes.items()}
        if classes != ORGANS:
            reason = "it numbers the organs otherwise than AMOS was published; its numbers are used"
            findings.warning("bad_metadata", path, reason, "Check that the label files agree")
            return replace(scheme, classes=classes)
    return published


def _case(placed: Placed, labels: LabelScheme) -> Case:
    modality = modality_of(placed.case_id)
    absent = (value for value, name in labels.classes.items() if name in _NOT_IN_MR)
    return Case(
        case_id=placed.case_id,
        patient_id=placed.case_id,
        channels=(Channel("image", placed.image),),
        label=placed.label,
        modality=modality,
        layout=LAYOUT,
        part=placed.part,
        unannotated=frozenset(absent) if modality == "MR" else frozenset(),
    )
