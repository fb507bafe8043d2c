"""The patients of :mod:`benchmarks.real_patients`: links, corrected copies, and splits.

::

    write_sources(Path("shared/data"))      # raw and splits, below the folder that one works in
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import nibabel as nib
import numpy as np

from distributed_iac.files import write_json

FIELD_OF_VIEW = 320.0
"""Millimetres across a picture of Sunnybrook."""
TEST, VAL = 20, 5
SIZES = (20, 5, 10, 2)
"""Patients of another hospital to train on."""
SEEN_GROUPS = ("NOR", "HCM")
"""ACDC's groups whose hearts are not dilated; the network meets DCM, MINF and RV as new ones."""


def write_sources(data: Path) -> None:
    """Links and corrected copies below ``raw``, and ``splits``; what is there stays."""
    raw = Path("raw")
    raw.mkdir(exist_ok=True)
    link(raw / "acdc", data / "acdc")
    link(raw / "hippocampus", data / "Task04_Hippocampus")
    if not (raw / "sunnybrook").exists():
        size_sunnybrook(data / "sunnybrook", raw / "sunnybrook")
    groups = acdc_groups(data / "acdc")
    for name, seen in (("acdc_seen", True), ("acdc_unseen", False)):
        folder = raw / name / "training"
        folder.mkdir(parents=True, exist_ok=True)
        for patient, group in groups.items():
            if (group in SEEN_GROUPS) == seen:
                link(folder / patient, data / "acdc" / "training" / patient)
    unseen = {one: group for one, group in groups.items() if group not in SEEN_GROUPS}
    write_split("acdc_unseen", spread(unseen), len(unseen) - TEST - VAL)
    names = [path.name.removesuffix("_0000.nii.gz") for path in sorted_images(raw / "sunnybrook")]
    order = spread({name: name.rsplit("-", 1)[0] for name in names})
    for size in SIZES:
        write_split(f"sunnybrook_{size}", order, size)


def link(path: Path, target: Path) -> None:
    """A symbolic link, unless it is there."""
    if not path.is_symlink():
        path.symlink_to(target.resolve())


def sorted_images(folder: Path) -> list[Path]:
    """Images of a raw data set of nnU-Net."""
    return sorted((folder / "imagesTr").iterdir())


def size_sunnybrook(source: Path, target: Path) -> None:
    """Copies whose headers say how large their pixels are."""
    unfinished = target.with_name(f".{target.name}")
    for folder in ("imagesTr", "labelsTr"):
        (unfinished / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((source / folder).iterdir()):
            image = nib.Nifti1Image.from_filename(path)
            pixel = FIELD_OF_VIEW / image.shape[0]
            values = np.asanyarray(image.dataobj)
            affine = np.diag([pixel, pixel, 8.0, 1.0])
            nib.save(nib.Nifti1Image(values, affine), unfinished / folder / path.name)
    text = (source / "dataset.json").read_text(encoding="utf-8")
    (unfinished / "dataset.json").write_text(text, encoding="utf-8")
    unfinished.rename(target)


def acdc_groups(folder: Path) -> dict[str, str]:
    """Diagnostic group of every patient."""
    groups = {}
    for info in sorted(folder.glob("training/patient*/Info.cfg")):
        lines = [line.split(":") for line in info.read_text(encoding="utf-8").splitlines()]
        facts = {line[0].strip(): line[1].strip() for line in lines if len(line) > 1}
        groups[info.parent.name] = facts["Group"]
    return groups


def spread(groups: Mapping[str, str]) -> list[str]:
    """Patients in an order of which every beginning holds all groups alike."""
    order = np.random.default_rng(0)
    by_group: dict[str, list[str]] = {}
    for patient in order.permutation(sorted(groups)).tolist():
        by_group.setdefault(groups[patient], []).append(patient)
    rounds = zip_longest(*(by_group[group] for group in sorted(by_group)))
    return [patient for one in rounds for patient in one if patient is not None]


def write_split(name: str, order: Sequence[str], size: int) -> None:
    """Test and val first, so that they are the same for every size; then ``size`` to train on."""
    test, val, rest = order[:TEST], order[TEST : TEST + VAL], order[TEST + VAL :]
    half = (size + 1) // 2
    split = {
        "test": test,
        "val": val,
        "weights": rest[:half],
        "architecture": rest[half:size],
        "unused": rest[size:],
    }
    path = Path("splits", f"{name}.json")
    if not path.exists():
        write_json(path, split)
