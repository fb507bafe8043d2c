"""KiTS phantoms: contrast-enhanced CT with kidney tumours in the layouts of three releases.

::

    write(Path("phantoms/kits"), PhantomPlan(patients=4, seed=0, size="tiny", release="2023"))
    # phantoms/kits/kits23/dataset/case_00000/{imaging.nii.gz, segmentation.nii.gz, instances/}

Kept from the real set: arrays of codes IPL whose first axis is the slice axis, origin 0, transform
codes 0 and 2; HU stored as float64; padding below -1000 HU around the scanner's field of view;
case_00160 that is not square; tumours in all cases, cysts in half of them. Of KiTS21 the inner
folder of the clone and the majority annotation are written, not the annotators' raw polygons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from distributed_iac.phantom import volume_file
from distributed_iac.phantom.imaging import blur, ct_noise, shade
from distributed_iac.phantom.lesions import Lesion, draw_lesions
from distributed_iac.phantom.phantom_plan import PhantomPlan, PlacedCase, Size
from distributed_iac.phantom.space import FloatArray, Mask, Space, Tissues, WorkingGrid
from distributed_iac.phantom.torso import SKIN_MM, Torso, draw_torso
from distributed_iac.phantom.torso_looks import LATE_ARTERIAL_CT
from distributed_iac.phantom.torso_looks import TorsoTissue as T

_CODES = "IPL"
_WIDE_CASE = 160
_LOWEST, _HIGHEST = -150.0, 172.0
"""Part of the trunk that is scanned, mm: about a third of it holds kidney."""
_FIELD_OF_VIEW = 392.0
_NOISE_HU = 20.0
_KIDNEY, _TUMOUR, _CYST = 1, 2, 3


@dataclass(frozen=True)
class _KitsRelease:
    """Names of one release."""

    folder: str
    table: str
    segmentation: str
    cases: range


_RELEASES: Mapping[str, _KitsRelease] = {
    "2023": _KitsRelease("kits23/dataset", "kits23.json", "segmentation.nii.gz", range(300)),
    "2021": _KitsRelease("kits21/data", "kits.json", "aggregated_MAJ_seg.nii.gz", range(300)),
    "2019": _KitsRelease("kits19/data", "kits.json", "segmentation.nii.gz", range(210)),
}
"""Case numbers with a public label; KiTS23 has 400 to 588 besides."""
RELEASES = tuple(_RELEASES)


@dataclass(frozen=True)
class _CtMatrix:
    """Array sizes: rows (and columns), columns of the wide case, fewest and most slices."""

    rows: int
    wide: int
    slices: tuple[int, int]


_MATRICES: Mapping[Size, _CtMatrix] = {
    "tiny": _CtMatrix(40, 60, (12, 16)),
    "small": _CtMatrix(88, 128, (24, 30)),
    "real": _CtMatrix(512, 796, (64, 108)),
}


def write(out: Path, plan: PhantomPlan) -> None:
    """Write the data folder of a release.

    Raises:
        ConfigError: If more patients are asked for than have public labels.
    """
    release = _RELEASES[plan.release]
    plan.within(len(release.cases))
    root = out / release.folder
    numbers = list(dict.fromkeys((0, _WIDE_CASE, *release.cases)))[: plan.patients]
    for index, number in enumerate(numbers):
        _write_case(root / _name(number), plan, number, cysts=1 - index % 2)
    _write_table(root / release.table, plan, sorted(numbers))


def find(out: Path) -> tuple[PlacedCase, ...]:
    """List the cases of a tree that :func:`write` made."""
    release = next(each for each in _RELEASES.values() if (out / each.folder).is_dir())
    return tuple(
        PlacedCase(
            case_id=folder.name,
            patient_id=folder.name,
            images={"ct": folder / "imaging.nii.gz"},
            label=folder / release.segmentation,
            modality="CT",
            values=frozenset(range(3 if release is _RELEASES["2019"] else 4)),
        )
        for folder in sorted((out / release.folder).glob("case_*"))
    )


def _name(number: int) -> str:
    return f"case_{number:05d}"


def _write_case(folder: Path, plan: PhantomPlan, number: int, cysts: int) -> None:
    rng = plan.rng(number)
    torso = Torso.draw(rng)
    grid, spacing = _grid(plan, number, torso, rng)
    space = Space.warped(grid, rng, warp_mm=(4.0, 4.0, 5.0))
    tissues = draw_torso(space, torso, rng)
    lesions = draw_lesions(tissues, space, torso, cysts, rng)
    _lay_on_table(tissues, space, torso)
    image = _image(tissues, space, rng)
    label = _label(tissues, cyst_value=_KIDNEY if plan.release == "2019" else _CYST)

    def save(name: str, volume: NDArray[np.generic]) -> None:
        volume_file.save(folder / name, volume, _CODES, spacing, qform_code=0, sform_code=2)

    save("imaging.nii.gz", image.astype(np.float64))
    save(_RELEASES[plan.release].segmentation, label)
    if plan.release == "2023":
        for name, mask in _annotations(space, label, lesions):
            save(f"instances/{name}.nii.gz", mask.astype(np.uint8))


def _grid(
    plan: PhantomPlan, number: int, torso: Torso, rng: np.random.Generator
) -> tuple[WorkingGrid, tuple[float, float, float]]:
    """Return the voxels and the spacing (slice, row, column) that the header states, in mm."""
    matrix = _MATRICES[plan.size]
    slices = int(rng.integers(*matrix.slices, endpoint=True))
    columns = matrix.wide if number == _WIDE_CASE else matrix.rows
    step = ((_HIGHEST - _LOWEST) / slices, _FIELD_OF_VIEW / columns)
    width, depth = torso.size
    grid = WorkingGrid(
        (slices, matrix.rows, columns),
        (step[0], step[1] / depth, step[1] / width),
        ((_HIGHEST + _LOWEST) / 2, 0.0, 0.0),
    )
    thickness = float(rng.choice([5.0, 5.0, 3.0, 2.5, 1.0]))
    pixel = float(rng.choice([0.6640625, 0.78125, 0.78125, 0.919921875]))
    spacing = (thickness, pixel, pixel)
    return grid, (step[0], step[1], step[1]) if plan.size == "real" else spacing


def _lay_on_table(tissues: Tissues, space: Space, torso: Torso) -> None:
    """Paint the curved top of the scanner's table behind the back."""
    back = SKIN_MM[1] + torso.fat + 4.0
    surface = back - 0.0012 * space.x**2
    thickness = max(5.0, 0.6 * space.grid.step[1])
    top = (np.abs(space.y - surface) < thickness) & (np.abs(space.x) < 190)
    tissues[top & (tissues == T.AIR)] = T.TABLE


def _image(tissues: Tissues, space: Space, rng: np.random.Generator) -> FloatArray:
    """Return whole HU, with padding outside the circle that the scanner reconstructs."""
    image = blur(shade(tissues, LATE_ARTERIAL_CT, space, rng), (0.3, 0.55, 0.55))
    image = np.rint(ct_noise(image, _NOISE_HU, rng))
    _, rows, columns = image.shape
    y, x = np.ogrid[:rows, :columns]
    squared = (y - (rows - 1) / 2) ** 2 + (x - (columns - 1) / 2) ** 2
    padding = np.float32(rng.choice([-1024.0, -2048.0]))
    padded: FloatArray = np.where(squared > (max(rows, columns) / 2) ** 2, padding, image)
    return padded


def _label(tissues: Tissues, cyst_value: int) -> NDArray[np.uint8]:
    table = np.zeros(len(T), dtype=np.uint8)
    table[[T.CORTEX, T.MEDULLA]] = _KIDNEY
    table[[T.TUMOUR, T.TUMOUR_NECROSIS]] = _TUMOUR
    table[T.CYST] = cyst_value
    return table[tissues]


def _annotations(
    space: Space, label: NDArray[np.uint8], lesions: tuple[Lesion, ...]
) -> list[tuple[str, Mask]]:
    """Return the three annotators' masks of every kidney, tumour and cyst.

    The second annotator draws one voxel tighter in plane and the third one voxel wider, so that
    the majority is the segmentation.
    """
    truth = [
        (f"kidney_instance-{index}", (label > 0) & (side * space.x > 0))
        for index, side in enumerate((-1, 1), start=1)
    ]
    for kind, value in (("tumor", _TUMOUR), ("cyst", _CYST)):
        found = [lesion for lesion in lesions if lesion.kind == kind]
        truth += [
            (f"{kind}_instance-{index}", lesion.mask & (label == value))
            for index, lesion in enumerate(found, start=1)
        ]
    cross = ndimage.generate_binary_structure(3, 1)
    cross[[0, 2]] = False
    return [
        (f"{name}_annotation-{annotator}", mask)
        for name, exact in truth
        for annotator, mask in (
            (1, exact),
            (2, ndimage.binary_erosion(exact, cross)),
            (3, ndimage.binary_dilation(exact, cross)),
        )
    ]


def _write_table(path: Path, plan: PhantomPlan, numbers: list[int]) -> None:
    """Write the clinical table, with some of its columns."""
    rows = []
    for number in numbers:
        rng = plan.rng(number, 1)
        rows.append(
            {
                "case_id": _name(number),
                "gender": ("male", "female")[int(rng.integers(2))],
                "bmi": round(float(rng.uniform(20, 40)), 2),
                "age_at_nephrectomy": int(rng.integers(30, 85)),
                "malignant": bool(rng.random() < 0.9),
                "tumor_histologic_subtype": ("clear_cell_rcc", "papillary_rcc")[
                    int(rng.random() < 0.3)
                ],
            }
        )
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="ascii")
