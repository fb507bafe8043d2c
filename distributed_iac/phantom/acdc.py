"""ACDC phantoms: short-axis cine MR in the layout of the CREATIS download.

::

    write(Path("phantoms/acdc"), PhantomPlan(patients=6, seed=0, size="tiny", release="2017"))
    # phantoms/acdc/database/training/patient001/{Info.cfg, patient001_frame01.nii.gz, ...}

Peculiarities of the real set that are kept: affine of codes LPS, which says nothing about the
heart's direction; matrices, spacings and slice counts that differ by patient; patient090 with its
end-diastole in frame 4, here with Windows line ends in its Info.cfg; a markdown file in every
folder. The frame files equal the 4-D file at their index. The header's transform codes are our
choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distributed_iac.phantom import volume_file
from distributed_iac.phantom.heart import GROUPS, LABELS, LOOKS, Heart, draw_chest
from distributed_iac.phantom.imaging import bias, blur, rician, shade
from distributed_iac.phantom.phantom_plan import PhantomPlan, PlacedCase, Size
from distributed_iac.phantom.space import Space, WorkingGrid

RELEASES = ("2017",)

_TRAINING, _TESTING = 100, 50
_PER_GROUP = 20
_CODES = "LPS"
_NOISE = 17.0
_BIAS = 0.3

_CITATION = """# Synthetic data

These are phantoms drawn by distributed_iac in the layout of the ACDC data set; no patient was
imaged. Publications on the real data set must cite:

O. Bernard et al., "Deep Learning Techniques for Automatic MRI Cardiac Multi-structures
Segmentation and Diagnosis: Is the Problem Solved?", IEEE Transactions on Medical Imaging 37(11),
2018, doi:10.1109/TMI.2018.2837502
"""


@dataclass(frozen=True)
class _CineMatrix:
    """Array sizes of one phantom size.

    Args:
        columns: Choices for the number of columns (X).
        rows: Choices for the number of rows (Y).
        slices: Smallest and largest number of slices.
        frames: Frames of the 4-D series.
        systole: Earliest and latest end-systolic frame of a heart with ED in frame 1.
        coarseness: Anatomical distance of voxel centres over the header's spacing.
    """

    columns: tuple[int, ...]
    rows: tuple[int, ...]
    slices: tuple[int, int]
    frames: int
    systole: tuple[int, int]
    coarseness: float


_MATRICES: dict[Size, _CineMatrix] = {
    "tiny": _CineMatrix((36, 40, 44), (44, 48), (6, 7), 6, (3, 4), 2.1),
    "small": _CineMatrix((72, 80, 88), (88, 96), (7, 10), 6, (3, 4), 1.05),
    "real": _CineMatrix((216, 224, 256), (224, 256), (7, 12), 30, (8, 14), 1.0),
}


@dataclass(frozen=True)
class _Scan:
    """How one patient was imaged; lengths in mm."""

    number: int
    group: str
    rows: int
    columns: int
    slices: int
    pixel: float
    thickness: float
    frames: int
    diastole: int
    systole: int

    @property
    def name(self) -> str:
        return f"patient{self.number:03d}"

    def contraction(self, frame: int) -> float:
        """Return 0 at end-diastole to 1 at end-systole for a 1-based frame of the cycle."""
        since = (frame - self.diastole) % self.frames
        rise = (self.systole - self.diastole) % self.frames
        phase = since / rise if since <= rise else 1 + (since - rise) / (self.frames - rise)
        return float((1 - np.cos(np.pi * phase)) / 2)


def write(out: Path, plan: PhantomPlan) -> None:
    """Write a ``database`` folder.

    Raises:
        ConfigError: If more patients are asked for than ACDC has.
    """
    training, testing = plan.split(_TRAINING, _TESTING)
    root = out / "database"
    _write_citation(root)
    for part, numbers in (
        ("training", _training_numbers(training)),
        ("testing", range(_TRAINING + 1, _TRAINING + 1 + testing)),
    ):
        for number in numbers:
            _write_patient(root / part, plan, number)


def find(out: Path) -> tuple[PlacedCase, ...]:
    """List the cases of a tree that :func:`write` made."""
    return tuple(
        PlacedCase(
            case_id=image.name.removesuffix(".nii.gz"),
            patient_id=image.parent.name,
            images={"cine": image},
            label=image.with_name(image.name.replace(".nii.gz", "_gt.nii.gz")),
            modality="MR",
            values=frozenset(range(4)),
        )
        for image in sorted((out / "database").glob("*/patient*/patient*_frame??.nii.gz"))
    )


def _training_numbers(count: int) -> list[int]:
    """Choose ids over all five groups, patient001 first and patient090 second."""
    by_turns = (
        group * _PER_GROUP + place + 1
        for place in range(_PER_GROUP)
        for group in range(len(GROUPS))
    )
    return list(dict.fromkeys((1, 90, *by_turns)))[:count]


def _scan(plan: PhantomPlan, number: int, rng: np.random.Generator) -> _Scan:
    matrix = _MATRICES[plan.size]
    late_start = number == 90
    diastole = 4 if late_start else 1
    systole = int(rng.integers(*matrix.systole, endpoint=True))
    if late_start:
        systole = min(11, matrix.frames)
    group = (number - 1) // _PER_GROUP if number <= _TRAINING else number % len(GROUPS)
    return _Scan(
        number=number,
        group=GROUPS[group],
        rows=int(rng.choice(matrix.rows)),
        columns=int(rng.choice(matrix.columns)),
        slices=int(rng.integers(*matrix.slices, endpoint=True)),
        pixel=float(rng.choice([1.3671875, 1.40625, 1.5625, 1.5625, 1.6796875])),
        thickness=float(rng.choice([10.0, 10.0, 10.0, 5.0])),
        frames=matrix.frames,
        diastole=diastole,
        systole=systole,
    )


def _write_citation(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MANDATORY_CITATION.md").write_text(_CITATION, encoding="utf-8")


def _write_patient(part: Path, plan: PhantomPlan, number: int) -> None:
    scan = _scan(plan, number, plan.rng(number, 0))
    folder = part / scan.name
    _write_citation(folder)
    _write_info(folder, scan, plan.rng(number, 1))

    def save(name: str, volume: NDArray[np.generic], frame_seconds: float | None = None) -> None:
        path = folder / f"{scan.name}_{name}.nii.gz"
        spacing = (scan.thickness, scan.pixel, scan.pixel)
        volume_file.save(path, volume, _CODES, spacing, frame_seconds=frame_seconds)

    images = []
    for frame, image, label in _beat(plan, scan):
        images.append(image)
        if frame in (scan.diastole, scan.systole):
            save(f"frame{frame:02d}", image)
            save(f"frame{frame:02d}_gt", label)
    save("4d", np.stack(images, axis=-1), frame_seconds=1.0 / scan.frames)


def _beat(
    plan: PhantomPlan, scan: _Scan
) -> Iterator[tuple[int, NDArray[np.int16], NDArray[np.uint8]]]:
    """Yield frame number, image and label of every frame of the cycle."""
    rng = plan.rng(scan.number, 2)
    heart = Heart.draw(scan.group, rng)
    space = Space.warped(_grid(plan, scan, heart), rng, warp_mm=(3.0, 3.0, 0.0))
    gain = rng.uniform(1.5, 5.0) * bias(space, _BIAS, rng)
    for frame in range(1, scan.frames + 1):
        tissues = draw_chest(space, heart, scan.contraction(frame))
        # Every frame draws the same means and texture: only the heart moves.
        image = shade(tissues, LOOKS, space, plan.rng(scan.number, 3))
        image = rician(blur(image, (0.2, 0.55, 0.55)), _NOISE, rng)
        yield frame, np.rint(image * gain).astype(np.int16), LABELS[tissues]


def _grid(plan: PhantomPlan, scan: _Scan, heart: Heart) -> WorkingGrid:
    """Spread the slices over the heart: the first lies below its apex, the last above its base."""
    step = heart.length / (scan.slices - 1.75)
    top = 0.45 * step
    in_plane = scan.pixel * _MATRICES[plan.size].coarseness
    middle = top - (scan.slices - 1) / 2 * step
    return WorkingGrid(
        (scan.slices, scan.rows, scan.columns), (step, in_plane, in_plane), (middle, 0.0, 0.0)
    )


def _write_info(folder: Path, scan: _Scan, rng: np.random.Generator) -> None:
    lines = [
        f"ED: {scan.diastole}",
        f"ES: {scan.systole}",
        f"Group: {scan.group}",
        f"Height: {rng.uniform(150, 195):.1f}",
        f"NbFrame: {scan.frames}",
        f"Weight: {rng.uniform(50, 110):.1f}",
    ]
    ending = "\r\n" if scan.number == 90 else "\n"
    text = ending.join(lines) + ending
    (folder / "Info.cfg").write_bytes(text.encode("ascii"))
