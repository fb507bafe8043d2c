"""AMOS22 phantoms: fifteen abdominal organs in CT and MR, in the layout of the Zenodo release.

::

    write(Path("phantoms/amos"), PhantomPlan(patients=6, seed=0, size="tiny", release="2022"))
    # phantoms/amos/amos22/{dataset.json, imagesTr/amos_0001.nii.gz, labelsTr/..., imagesVa/...}

Kept from the real set: numbers up to 500 are CT and from 507 MR; files are stored in several
orientations; MR scans show the upper abdomen, have arbitrary units and lack labels 14 and 15; some
patients have no gallbladder; ``dataset.json`` with its spellings "licence" and "arota"; test images
without labels, which come on top of the patients asked for. Data types and transform codes are our
choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Modality
from distributed_iac.phantom import volume_file
from distributed_iac.phantom.imaging import bias, blur, ct_noise, rician, shade
from distributed_iac.phantom.phantom_plan import PhantomPlan, PlacedCase, Size
from distributed_iac.phantom.space import Space, Tissues, WorkingGrid
from distributed_iac.phantom.torso import Torso, draw_torso
from distributed_iac.phantom.torso_looks import PORTAL_VENOUS_CT, T1_MR, T2_MR
from distributed_iac.phantom.torso_looks import TorsoTissue as T

RELEASES = ("2022",)

ORGANS = (
    "background", "spleen", "right kidney", "left kidney", "gall bladder", "esophagus", "liver",
    "stomach", "arota", "postcava", "pancreas", "right adrenal gland", "left adrenal gland",
    "duodenum", "bladder", "prostate/uterus",
)  # fmt: skip
"""Names by label value, as dataset.json spells them."""

_TRAINING, _VALIDATION = 240, 120
_FIRST_CT, _FIRST_MR = 1, 507
_MR_EVERY = 3
"""One case in three is MR, so that small phantoms have both; in the real set it is one in six."""

_ORIENTATIONS = ("LAS", "RAS", "LPS", "RPI")
_CT_NOISE_HU, _MR_NOISE, _BIAS = 16.0, 8.0, 0.22

_LABELS = np.zeros(len(T), dtype=np.uint8)
for _tissue, _value in {
    T.SPLEEN: 1, T.CORTEX: 2, T.MEDULLA: 2, T.GALLBLADDER: 4, T.OESOPHAGUS: 5, T.LIVER: 6,
    T.LIVER_VESSEL: 6, T.STOMACH: 7, T.STOMACH_CONTENT: 7, T.STOMACH_GAS: 7, T.AORTA: 8,
    T.CAVA: 9, T.PANCREAS: 10, T.ADRENAL: 11, T.DUODENUM: 13, T.BLADDER: 14,
    T.PROSTATE_UTERUS: 15,
}.items():  # fmt: skip
    _LABELS[_tissue] = _value
_RIGHT_TO_LEFT = {2: 3, 11: 12}
"""Label of the right organ to label of the left one: kidneys and adrenals."""


@dataclass(frozen=True)
class _Protocol:
    """What a scanner is set to; lengths in mm.

    Args:
        lowest: Bottom of the scan.
        highest: Top of the scan.
        field_of_view: Width of the scan.
        spacings: (slice, pixel) that headers of small phantoms state.
        shapes: (slices, rows, columns) by phantom size.
    """

    lowest: float
    highest: float
    field_of_view: float
    spacings: tuple[tuple[float, float], ...]
    shapes: Mapping[Size, tuple[int, int, int]]


_PROTOCOLS: Mapping[Modality, _Protocol] = {
    "CT": _Protocol(
        -285.0, 232.0, 392.0,
        ((5.0, 0.78125), (5.0, 0.6835938), (2.0, 0.7421875), (1.25, 0.8203125)),
        {"tiny": (20, 40, 40), "small": (36, 88, 88), "real": (101, 512, 512)},
    ),
    "MR": _Protocol(
        -150.0, 232.0, 392.0,
        ((3.0, 1.1875), (2.0, 1.5625), (5.0, 1.25)),
        {"tiny": (16, 32, 40), "small": (28, 72, 88), "real": (76, 260, 320)},
    ),
}  # fmt: skip


def write(out: Path, plan: PhantomPlan) -> None:
    """Write an ``amos22`` folder.

    Raises:
        ConfigError: If more patients are asked for than AMOS has.
    """
    training, validation = plan.split(_TRAINING, _VALIDATION)
    tests = max(1, plan.patients // 6)
    root = out / "amos22"
    lists: dict[str, list[dict[str, str]]] = {"training": [], "validation": [], "test": []}
    for index in range(plan.patients + tests):
        part, suffix = ("training", "Tr") if index < training else ("validation", "Va")
        if index >= training + validation:
            part, suffix = "test", "Ts"
        entry = _write_case(root, plan, index, suffix)
        lists[part].append(entry)
    _write_dataset_json(root / "dataset.json", lists)


def find(out: Path) -> tuple[PlacedCase, ...]:
    """List the labelled cases of a tree that :func:`write` made."""
    root = out / "amos22"
    labels = sorted(root.glob("labels*/amos_????.nii.gz"))
    return tuple(
        PlacedCase(
            case_id=label.name.removesuffix(".nii.gz"),
            patient_id=label.name.removesuffix(".nii.gz"),
            images={"image": root / label.parent.name.replace("labels", "images") / label.name},
            label=label,
            modality="CT" if int(label.name[5:9]) < _FIRST_MR else "MR",
            values=frozenset(range(len(ORGANS))),
        )
        for label in labels
    )


def modality_of(index: int) -> Modality:
    """Return what the case at a position of the plan is; the second case is MR."""
    return "MR" if index % _MR_EVERY == 1 else "CT"


def _number(index: int) -> int:
    mr_before = (index + _MR_EVERY - 2) // _MR_EVERY
    if modality_of(index) == "MR":
        return _FIRST_MR + mr_before
    return _FIRST_CT + index - mr_before


def _write_case(root: Path, plan: PhantomPlan, index: int, suffix: str) -> dict[str, str]:
    """Write one case into imagesTr, -Va or -Ts; return its entry for dataset.json."""
    number, modality = _number(index), modality_of(index)
    rng = plan.rng(number)
    torso = Torso.draw(rng)
    grid, spacing = _grid(plan.size, modality, torso, rng)
    space = Space.warped(grid, rng, warp_mm=(4.0, 4.0, 4.0))
    tissues = draw_torso(space, torso, rng)
    image = _image(tissues, space, modality, rng)

    codes = _ORIENTATIONS[index % len(_ORIENTATIONS)]
    x, y, z = rng.uniform(-250, 250, 3).round(3)
    name = f"amos_{number:04d}.nii.gz"
    entry = {"image": f"./images{suffix}/{name}"}
    volumes: dict[str, NDArray[np.generic]] = {"images": image}
    if suffix != "Ts":
        entry["label"] = f"./labels{suffix}/{name}"
        volumes["labels"] = _label(tissues, space, modality)
    for folder, volume in volumes.items():
        path, origin = root / f"{folder}{suffix}" / name, (float(x), float(y), float(z))
        volume_file.save(path, volume, codes, spacing, origin)
    return entry


def _grid(
    size: Size, modality: Modality, torso: Torso, rng: np.random.Generator
) -> tuple[WorkingGrid, tuple[float, float, float]]:
    """Return the voxels and the spacing (slice, row, column) that the header states, in mm."""
    protocol = _PROTOCOLS[modality]
    shape = protocol.shapes[size]
    slice_step = (protocol.highest - protocol.lowest) / shape[0]
    pixel_step = protocol.field_of_view / shape[2]
    width, depth = torso.size
    grid = WorkingGrid(
        shape,
        (slice_step, pixel_step / depth, pixel_step / width),
        ((protocol.highest + protocol.lowest) / 2, 0.0, 0.0),
    )
    thickness, pixel = protocol.spacings[int(rng.integers(len(protocol.spacings)))]
    if size == "real":
        thickness, pixel = slice_step, pixel_step
    return grid, (thickness, pixel, pixel)


def _image(
    tissues: Tissues, space: Space, modality: Modality, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Return HU for CT, and arbitrary units with a coil's bias for MR."""
    point_spread = (0.3, 0.55, 0.55)
    if modality == "CT":
        image = blur(shade(tissues, PORTAL_VENOUS_CT, space, rng), point_spread)
        image = np.maximum(ct_noise(image, _CT_NOISE_HU, rng), -1024.0)
    else:
        looks = T1_MR if rng.random() < 0.5 else T2_MR
        image = blur(shade(tissues, looks, space, rng), point_spread) * bias(space, _BIAS, rng)
        image = rician(image, _MR_NOISE, rng) * rng.uniform(0.8, 6.0)
    return np.rint(image).astype(np.int16)


def _label(tissues: Tissues, space: Space, modality: Modality) -> NDArray[np.uint8]:
    """Return labels; paired organs are told apart by the side of the midline they lie on."""
    label = _LABELS[tissues]
    for right, left in _RIGHT_TO_LEFT.items():
        label[(label == right) & (space.x > 0)] = left
    if modality == "MR":
        label[label > 13] = 0
    return label


def _write_dataset_json(path: Path, lists: Mapping[str, list[dict[str, str]]]) -> None:
    content = {
        "name": "AMOS",
        "description": "Synthetic phantoms in the layout of AMOS22; no patient was imaged",
        "author": "distributed_iac",
        "tensorImageSize": "3D",
        "reference": "Ji et al., NeurIPS 2022 Datasets and Benchmarks, arXiv:2206.08023",
        "licence": "CC-BY-SA 4.0",
        "release": "1.0 01/05/2022",
        "modality": {"0": "CT"},
        "labels": {str(value): name for value, name in enumerate(ORGANS)},
        "numTraining": len(lists["training"]),
        "numValidation": len(lists["validation"]),
        "numTest": len(lists["test"]),
        **lists,
    }
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="ascii")
