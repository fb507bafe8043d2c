"""Do our metrics agree with the programs that others score with?

Needs, in an environment beside this project: ``pip install nnunetv2 surface-distance medpy``.

    python -m benchmarks.metric_parity               # 200 pairs, under a minute

Random pairs of label volumes with the classes and regions of KiTS, anisotropic spacings, ignored
voxels in a third of the pairs and targets that are empty in label, prediction or both. Compared
with

* nnU-Net's evaluator (``compute_metrics``, reading both volumes from NIfTI files): Dice with NaN
  where both are empty, and the voxels on either side;
* DeepMind's ``surface-distance`` under the rules of KiTS23's and BraTS 2023's scoring scripts: Dice
  and surface Dice; Dice and HD95 of empty masks;
* a brute-force HD95 of our own kind: surface voxels from shifted copies, a k-d tree, float64.

Agreement must be exact but for rounding (MONAI computes distances in float32). Two further rows
show how far *other definitions* of HD95 lie from ours on the same pairs: they are no test.
"""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import surface_distance
from medpy.metric import binary as medpy_metrics
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from scipy.spatial import cKDTree

from benchmarks.harness import options, write_result
from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.evaluation.case_score import TargetScore
from distributed_iac.evaluation.conventions import KITS_TOLERANCES_MM, POLICIES, Conventions
from distributed_iac.evaluation.pair import measure_pair

IGNORE = 9
SCHEME = LabelScheme(
    convention="kits21/23 (1 kidney, 2 tumor, 3 cyst)",
    classes={1: "kidney", 2: "tumor", 3: "cyst"},
    regions=(
        Region("kidney_and_mass", (1, 2, 3)),
        Region("mass", (2, 3)),
        Region("tumor", (2,)),
    ),
    region_order=(1, 3, 2),
    ignore=IGNORE,
)
METRICS = frozenset({"dice", "hd95", "surface_dice"})
CONVENTIONS = {
    name: Conventions(METRICS, policy, KITS_TOLERANCES_MM) for name, policy in POLICIES.items()
}
ROUNDING = 1e-5
"""Relative; the coarsest numbers are MONAI's float32 distances and areas."""


@dataclass(frozen=True)
class Pair:
    """Two label volumes and their voxel size in mm."""

    predicted: np.ndarray
    label: np.ndarray
    zooms: tuple[float, float, float]

    def masks(self, target: Region) -> tuple[np.ndarray, np.ndarray]:
        """Prediction and label of one target, ignored voxels left out."""
        counted = self.label != IGNORE
        predicted, label = (
            np.isin(volume, target.values) & counted for volume in (self.predicted, self.label)
        )
        return predicted, label


@dataclass
class Compared:
    """Differences of one metric from one reference."""

    differences: list[float] = field(default_factory=list)
    undefined: int = 0
    disagreements: int = 0

    def add(self, ours: float | None, theirs: float) -> None:
        """Compare one value; undefined on one side only is a disagreement."""
        assert ours is not None
        if math.isnan(ours) or math.isnan(theirs):
            self.undefined += 1
            self.disagreements += math.isnan(ours) != math.isnan(theirs)
            return
        self.differences.append(abs(ours - theirs))
        self.disagreements += not math.isclose(ours, theirs, rel_tol=ROUNDING, abs_tol=ROUNDING)


def random_pairs(count: int, rng: np.random.Generator) -> Iterator[Pair]:
    """Yield blobs and distorted copies; every third pair has empty targets."""
    for number in range(count):
        shape = tuple(int(n) for n in rng.integers(10, 36, 3))
        zooms = tuple(float(z) for z in np.exp(rng.uniform(np.log(0.4), np.log(8), 3)))
        label = _blobs(shape, rng)
        predicted = np.roll(label, tuple(rng.integers(-2, 3, 3)), (0, 1, 2))
        strays = _blobs(shape, rng)
        predicted = np.where(rng.random(shape) < 0.02, strays, predicted).astype(np.uint8)
        if number % 3 == 0:
            for volume in (predicted, label):
                for value in (2, 3, 1)[: rng.integers(0, 4)]:
                    volume[volume == value] = 0
        if number % 3 == 1:
            label[: rng.integers(1, 4)] = IGNORE
        yield Pair(predicted, label, zooms)  # type: ignore[arg-type]


def _blobs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    volume = np.zeros(shape, np.uint8)
    for value in (1, 3, 2):
        noise = ndimage.gaussian_filter(rng.standard_normal(shape), rng.uniform(1, 4))
        volume[noise > np.quantile(noise, rng.uniform(0.8, 0.99))] = value
    return volume


def nnunet_values(pair: Pair, folder: Path) -> dict[tuple[int, ...], dict[str, float]]:
    """Score a pair with nnU-Net's evaluator, through files."""
    files = []
    for name in ("label", "predicted"):
        path = folder / f"{name}.nii"
        affine = np.diag([*pair.zooms, 1.0])
        nibabel.save(nibabel.Nifti1Image(getattr(pair, name), affine), path)
        files.append(str(path))
    regions = [target.values for target in SCHEME.targets]
    found: dict[tuple[int, ...], dict[str, float]] = compute_metrics(
        *files, NibabelIO(), regions, IGNORE
    )["metrics"]
    return found


def brute_force_hd95(guess: np.ndarray, truth: np.ndarray, zooms: tuple[float, ...]) -> float:
    """Compute HD95 from coordinates of surface voxels, in float64."""
    points = [_surface_points(mask, zooms) for mask in (guess, truth)]
    there, back = (cKDTree(b).query(a)[0] for a, b in (points, points[::-1]))
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def _surface_points(mask: np.ndarray, zooms: tuple[float, ...]) -> np.ndarray:
    padded = np.pad(mask, 1)
    inside = padded.copy()
    for axis in range(3):
        for step in (-1, 1):
            inside &= np.roll(padded, step, axis)
    points: np.ndarray = np.argwhere(padded & ~inside) * np.array(zooms)
    return points


def kits_values(
    guess: np.ndarray, truth: np.ndarray, zooms: tuple[float, ...], tolerance: float
) -> tuple[float, float]:
    """Dice and surface Dice by the rule of kits23/evaluation/metrics.py."""
    if not guess.any() or not truth.any():
        return (0.0, 0.0) if guess.any() or truth.any() else (1.0, 1.0)
    distances = surface_distance.compute_surface_distances(truth, guess, zooms)
    return (
        surface_distance.compute_dice_coefficient(truth, guess),
        surface_distance.compute_surface_dice_at_tolerance(distances, tolerance),
    )


def brats_values(
    guess: np.ndarray, truth: np.ndarray, zooms: tuple[float, ...]
) -> tuple[float, float]:
    """Whole-structure Dice and HD95 by the rule of BraTS 2023.

    Its distance is infinite where one mask is empty, and the script makes 374 mm of it; the
    package itself cannot be asked, because that branch of it needs NumPy 1.
    """
    if not guess.any() and not truth.any():
        return 1.0, 0.0
    dice = surface_distance.compute_dice_coefficient(truth, guess)
    if not guess.any() or not truth.any():
        return dice, 374.0
    distances = surface_distance.compute_surface_distances(truth, guess, zooms)
    return dice, surface_distance.compute_robust_hausdorff(distances, 95)


def compare(pair: Pair, folder: Path, found: dict[str, Compared]) -> None:
    """Add one pair to every comparison."""
    reference = nnunet_values(pair, folder)
    ours = {
        name: measure_pair(pair.predicted, pair.label, SCHEME, pair.zooms, conventions)
        for name, conventions in CONVENTIONS.items()
    }
    voxel_ml = math.prod(pair.zooms) / 1000
    for i, target in enumerate(SCHEME.targets):
        nan, kits, brats = (ours[name][i] for name in ("nan", "kits", "brats"))
        theirs = reference[target.values]
        found["Dice | nnU-Net evaluator"].add(nan.dice, theirs["Dice"])
        found["label ml | nnU-Net evaluator"].add(nan.label_ml, theirs["n_ref"] * voxel_ml)
        found["predicted ml | nnU-Net evaluator"].add(nan.predicted_ml, theirs["n_pred"] * voxel_ml)
        _compare_surfaces(pair, target, nan, kits, brats, found)


def _compare_surfaces(
    pair: Pair,
    target: Region,
    nan: TargetScore,
    kits: TargetScore,
    brats: TargetScore,
    found: dict[str, Compared],
) -> None:
    guess, truth = pair.masks(target)
    dice, surface = kits_values(guess, truth, pair.zooms, KITS_TOLERANCES_MM[target.name])
    found["Dice | KiTS23 rule"].add(kits.dice, dice)
    found["surface Dice | KiTS23 rule, surface-distance"].add(kits.surface_dice, surface)
    dice, hd95 = brats_values(guess, truth, pair.zooms)
    found["Dice | BraTS 2023 rule"].add(brats.dice, dice)
    if not guess.any() or not truth.any():
        found["HD95, empty masks | BraTS 2023 rule"].add(brats.hd95, hd95)
        return
    found["HD95 | brute force"].add(nan.hd95, brute_force_hd95(guess, truth, pair.zooms))
    found["other definition of HD95, area-weighted | surface-distance"].add(brats.hd95, hd95)
    pooled = medpy_metrics.hd95(guess, truth, pair.zooms)
    found["other definition of HD95, directions pooled | MedPy"].add(nan.hd95, pooled)


def show(found: dict[str, Compared], pairs: int) -> dict[str, dict[str, float]]:
    """Print the table and return it as plain numbers."""
    table = Table(title=f"{pairs} random pairs of volumes, three targets each")
    for heading in ("metric | reference", "values", "both undefined", "disagree", "median", "max"):
        table.add_column(heading)
    plain = {}
    for name, compared in found.items():
        differences = compared.differences or [math.nan]
        plain[name] = {
            "values": len(compared.differences),
            "undefined": compared.undefined,
            "disagreements": compared.disagreements,
            "median_difference": float(np.median(differences)),
            "largest_difference": max(differences),
        }
        counts, (median, largest) = list(plain[name].values())[:3], list(plain[name].values())[3:]
        table.add_row(name, *map(str, counts), f"{median:.1e}", f"{largest:.1e}")
    Console().print(table)
    return plain


def main() -> None:
    """Compare, print, and write the result."""
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found: dict[str, Compared] = defaultdict(Compared)
    with tempfile.TemporaryDirectory() as folder:
        for pair in random_pairs(given.pairs, np.random.default_rng(given.seed)):
            compare(pair, Path(folder), found)
    results = show(found, given.pairs)
    write_result(
        "metric_parity",
        settings=vars(given),
        results=results,
        packages=("nnunetv2", "surface-distance", "medpy", "monai", "scipy"),
    )


if __name__ == "__main__":
    main()
