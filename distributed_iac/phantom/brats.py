"""BraTS phantoms: four-channel MR of gliomas in the layouts of five releases.

::

    write(Path("phantoms/brats"), PhantomPlan(patients=4, seed=0, size="tiny", release="2021"))
    # .../RSNA_ASNR_MICCAI_BraTS2021_TrainingData/BraTS2021_00000/BraTS2021_00000_t1ce.nii.gz

Kept from the real set: exact affines (origin adapted to the matrix), background of exactly 0 in
all channels, another intensity scale for every patient and channel, label values by release, cases
without enhancing tumour, several visits of a patient in 2024. Data types and transform codes are
our choice.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from distributed_iac.phantom import volume_file
from distributed_iac.phantom.brain import (
    LOOKS,
    BrainTissue,
    Glioma,
    Kind,
    draw_brain,
    grow,
)
from distributed_iac.phantom.imaging import bias, blur, rician, shade
from distributed_iac.phantom.phantom_plan import PhantomPlan, PlacedCase, Size
from distributed_iac.phantom.space import Space, Tissues, WorkingGrid

_OLD_CHANNELS = {"t1": "_t1", "t1ce": "_t1ce", "t2": "_t2", "flair": "_flair", "seg": "_seg"}
_NEW_CHANNELS = {"t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "flair": "-t2f", "seg": "-seg"}


@dataclass(frozen=True)
class _BratsRelease:
    """Names and numbers of one release.

    Args:
        folder: Name of the training archive's folder.
        case_id: Case name with the fields ``n`` (patient) and ``visit``.
        first: Number of the first patient.
        count: Patients in the real release.
        suffixes: Channel (and ``seg``) to what follows the case name in its file names.
        labels: Label value by tissue.
        graded: Whether cases lie in folders ``HGG`` and ``LGG``.
        visits: Visit numbers that a patient may have.
        codes: Axis codes of the stored arrays.
    """

    folder: str
    case_id: str
    first: int
    count: int
    suffixes: Mapping[str, str]
    labels: Mapping[BrainTissue, int]
    graded: bool = False
    visits: tuple[int, ...] = (0,)
    codes: str = "LPS"


_LABELS_124 = {BrainTissue.NECROSIS: 1, BrainTissue.OEDEMA: 2, BrainTissue.ENHANCING: 4}
_LABELS_123 = {BrainTissue.NECROSIS: 1, BrainTissue.OEDEMA: 2, BrainTissue.ENHANCING: 3}

_RELEASES = MappingProxyType(
    {
        "2021": _BratsRelease(
            "RSNA_ASNR_MICCAI_BraTS2021_TrainingData",
            "BraTS2021_{n:05d}", 0, 1251, _OLD_CHANNELS, _LABELS_124,
        ),
        "2018": _BratsRelease(
            "MICCAI_BraTS_2018_Data_Training",
            "Brats18_PHA_{n:03d}_1", 1, 285, _OLD_CHANNELS, _LABELS_124, graded=True,
        ),
        "2020": _BratsRelease(
            "MICCAI_BraTS2020_TrainingData",
            "BraTS20_Training_{n:03d}", 1, 369, _OLD_CHANNELS, _LABELS_124,
        ),
        "2023-GLI": _BratsRelease(
            "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData",
            "BraTS-GLI-{n:05d}-{visit:03d}", 0, 1251, _NEW_CHANNELS, _LABELS_123,
        ),
        "2024-GLI": _BratsRelease(
            "BraTS2024-BraTS-GLI-TrainingData",
            "BraTS-GLI-{n:05d}-{visit:03d}", 5, 675, _NEW_CHANNELS,
            {**_LABELS_123, BrainTissue.CAVITY: 4}, visits=(100, 101), codes="LAS",
        ),
    }
)  # fmt: skip
RELEASES = tuple(_RELEASES)

_SHAPES: Mapping[Size, tuple[int, int, int]] = {
    "tiny": (16, 40, 40),
    "small": (32, 96, 96),
    "real": (155, 240, 240),
}
_SHAPES_2024: Mapping[Size, tuple[int, int, int]] = {
    "tiny": (16, 44, 36),
    "small": (32, 96, 80),
    "real": (182, 218, 182),
}
"""(slices, rows, columns); 2024 is stored in MNI space."""

_FIELD_OF_VIEW = (160.0, 182.0)
"""Height and length of what small matrices show, in mm: a brain and a little air."""

_NOISE = 9.0
_BIAS = 0.2
_NO_ENHANCEMENT_EVERY = 4
"""One case in four does not enhance. Our choice, so that small phantoms have some: in the 2018
release it is one in eleven."""


def write(out: Path, plan: PhantomPlan) -> None:
    """Write the training tree of a release.

    Raises:
        ConfigError: If more patients are asked for than the release has.
    """
    release = _RELEASES[plan.release]
    plan.within(release.count)
    root = out / release.folder
    kinds = []
    for index in range(plan.patients):
        number = release.first + index
        kind: Kind = "treated" if BrainTissue.CAVITY in release.labels else "high grade"
        if index % _NO_ENHANCEMENT_EVERY == _NO_ENHANCEMENT_EVERY - 2:
            kind = "low grade"
        kinds.append(kind)
        _write_patient(root, plan, number, kind)
    if plan.release == "2020":
        _write_tables(root, plan, kinds)


def find(out: Path) -> tuple[PlacedCase, ...]:
    """List the cases of a tree that :func:`write` made."""
    release = _release_of(out)
    depth = "*/*" if release.graded else "*"
    folders = sorted(path for path in (out / release.folder).glob(depth) if path.is_dir())
    return tuple(
        PlacedCase(
            case_id=folder.name,
            patient_id=_patient_of(folder.name, release),
            images={
                channel: folder / f"{folder.name}{suffix}.nii.gz"
                for channel, suffix in release.suffixes.items()
                if channel != "seg"
            },
            label=folder / f"{folder.name}{release.suffixes['seg']}.nii.gz",
            modality="MR",
            values=frozenset((0, *release.labels.values())),
        )
        for folder in folders
    )


def _release_of(out: Path) -> _BratsRelease:
    return next(release for release in _RELEASES.values() if (out / release.folder).is_dir())


def _named(release: _BratsRelease, number: int, visit: int) -> str:
    return release.case_id.format(n=number, visit=visit)


def _patient_of(case_id: str, release: _BratsRelease) -> str:
    """From 2023 on, ids end in a visit number."""
    return case_id.rpartition("-")[0] if "visit" in release.case_id else case_id


def _write_patient(root: Path, plan: PhantomPlan, number: int, kind: Kind) -> None:
    """Write every visit of a patient: the same brain, a tumour that has grown."""
    release = _RELEASES[plan.release]
    rng = plan.rng(number, 0)
    space = Space.warped(_grid(plan), rng, warp_mm=(3.0, 3.0, 3.0))
    brain = draw_brain(space, rng)
    glioma = Glioma.draw(kind, rng)
    visits = release.visits[: 1 + number % len(release.visits)]
    for index, visit in enumerate(visits):
        tissues = grow(brain, space, glioma.grown(1 + 0.2 * index), plan.rng(number, 1))
        name = _named(release, number, visit)
        grade = "LGG" if kind == "low grade" else "HGG"
        folder = root / grade / name if release.graded else root / name
        _write_case(folder, plan, space, tissues, plan.rng(number, 2, visit))


def _write_case(
    folder: Path, plan: PhantomPlan, space: Space, tissues: Tissues, rng: np.random.Generator
) -> None:
    release = _RELEASES[plan.release]
    codes = release.codes
    for channel, suffix in release.suffixes.items():
        volume: NDArray[np.int16] | Tissues
        if channel == "seg":
            table = np.zeros(len(BrainTissue), dtype=np.uint8)
            for tissue, value in release.labels.items():
                table[tissue] = value
            volume = table[tissues]
        else:
            volume = _image(channel, space, tissues, rng)
        path, origin = folder / f"{folder.name}{suffix}.nii.gz", origin_of(codes, volume.shape)
        volume_file.save(path, volume, codes, (1.0, 1.0, 1.0), origin)


def _image(
    channel: str, space: Space, tissues: Tissues, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Image one channel; voxels outside the brain are exactly 0, inside at least 1."""
    image = shade(tissues, LOOKS[channel], space, rng) * bias(space, _BIAS, rng)
    image = rician(blur(image, (0.3, 0.6, 0.6)), _NOISE, rng) * rng.uniform(2.0, 12.0)
    inside = np.maximum(np.rint(image), 1.0)
    return np.where(tissues > 0, inside, 0.0).astype(np.int16)


def _grid(plan: PhantomPlan) -> WorkingGrid:
    shapes = _SHAPES_2024 if plan.release == "2024-GLI" else _SHAPES
    shape = shapes[plan.size]
    if plan.size == "real":
        return WorkingGrid(shape, (1.0, 1.0, 1.0))
    slice_step, pixel = (view / n for view, n in zip(_FIELD_OF_VIEW, shape[:2], strict=True))
    return WorkingGrid(shape, (slice_step, pixel, pixel))


def origin_of(codes: str, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Return the published origin, scaled to the matrix.

    240 x 240 x 155 has (0, 239, 0) and 182 x 218 x 182 has (90, -126, -72), as in the
    organisers' validator of submissions.
    """
    slices, rows, columns = shape
    if codes == "LPS":
        return 0.0, rows - 1.0, 0.0
    return columns / 2 - 1.0, -float(round(126 / 218 * rows)), -float(round(72 / 182 * slices))


def _write_tables(root: Path, plan: PhantomPlan, kinds: list[Kind]) -> None:
    """Write the two tables of the 2020 archive, with the columns that loaders use."""
    release = _RELEASES[plan.release]
    ids = [_named(release, release.first + index, 0) for index in range(plan.patients)]
    rng = plan.rng(0, 9)
    grades = ["LGG" if kind == "low grade" else "HGG" for kind in kinds]
    _write_csv(
        root / "name_mapping.csv",
        ("Grade", "BraTS_2020_subject_ID"),
        zip(grades, ids, strict=True),
    )
    _write_csv(
        root / "survival_info.csv",
        ("Brats20ID", "Age", "Survival_days", "Extent_of_Resection"),
        (
            (case_id, f"{rng.uniform(30, 80):.3f}", int(rng.integers(60, 1200)), "GTR")
            for case_id, grade in zip(ids, grades, strict=True)
            if grade == "HGG"
        ),
    )


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
