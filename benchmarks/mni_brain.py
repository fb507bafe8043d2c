"""The MNI152 template as a raw data set of nnU-Net, and thresholds that any network must beat.

::

    brain = load_brain()
    write_source(brain, Path("data/mni152"))        # and the split, beside it
    multi_otsu(brain, ["slab02", "slab08"])         # {"CSF": 0.76, "GM": 0.91, "WM": 0.94}

T1, 2 mm, skull-stripped, with maps of grey and white matter: the ICBM 152 2009a nonlinear symmetric
template (doi 10.1016/j.neuroimage.2010.07.033) that ships with nilearn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn import datasets
from numpy.typing import NDArray

from distributed_iac.files import write_json

TISSUES = ("CSF", "GM", "WM")
RESOLUTION_MM = 2
SLAB = 3
GAP = 1
"""Slices of a slab, and those left out between slabs, so that no two parts share neighbours."""
PARTS = ("weights", "architecture", "test", "weights", "val", "weights")
"""Parts of the slabs from the neck up, over and over: a draw would leave the crown of the brain to
the test alone (tried: multi-Otsu wins there, because nothing like it was trained on)."""
LEAST_BRAIN = 500
"""Brain voxels (20 cm²) that a slice needs; the tips of the brain hold hardly any tissue."""
BINS = 128
"""Bins of the histogram whose two thresholds are searched exhaustively."""

Volume = NDArray[np.float32]
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Brain:
    """The template.

    Args:
        t1: Intensities, (x, y, z), zero outside the brain.
        labels: 0 outside the brain, then 1 to 3 as in ``TISSUES``.
        affine: Voxels to mm, 4 x 4.
    """

    t1: Volume
    labels: Labels
    affine: NDArray[np.float64]


def load_brain() -> Brain:
    """Load the template and call each brain voxel by its most probable tissue.

    The maps give the probabilities of grey and white matter; what is missing to 1 is CSF.
    """
    t1 = datasets.load_mni152_template(resolution=RESOLUTION_MM)
    grey = datasets.load_mni152_gm_template(resolution=RESOLUTION_MM).get_fdata()
    white = datasets.load_mni152_wm_template(resolution=RESOLUTION_MM).get_fdata()
    mask = datasets.load_mni152_brain_mask(resolution=RESOLUTION_MM).get_fdata() > 0.5
    tissue = 1 + np.argmax(np.stack([1 - grey - white, grey, white]), axis=0)
    intensity = np.where(mask, t1.get_fdata(), 0).astype(np.float32)
    return Brain(intensity, np.where(mask, tissue, 0).astype(np.uint8), np.asarray(t1.affine))


def slabs(labels: Labels) -> list[slice]:
    """Slabs of axial slices that hold brain, from the neck up."""
    slices = np.flatnonzero((labels > 0).sum(axis=(0, 1)) >= LEAST_BRAIN)
    first, last = int(slices[0]), int(slices[-1])
    return [slice(z, z + SLAB) for z in range(first, last - SLAB + 2, SLAB + GAP)]


def write_source(brain: Brain, root: Path) -> None:
    """Write the slabs as a raw data set of nnU-Net, each at its own place in template space.

    Args:
        brain: The template.
        root: Folder of the data set; ``split.json`` is written beside it.
    """
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True, exist_ok=True)
    parts = slabs(brain.labels)
    for number, part in enumerate(parts):
        affine = brain.affine.copy()
        affine[:3, 3] += part.start * affine[:3, 2]
        for file, volume in (
            (f"imagesTr/slab{number:02d}_0000.nii.gz", brain.t1),
            (f"labelsTr/slab{number:02d}.nii.gz", brain.labels),
        ):
            nib.save(nib.Nifti1Image(volume[:, :, part], affine), root / file)
    write_split(root.parent / "split.json", len(parts))
    about = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, **{tissue: k for k, tissue in enumerate(TISSUES, start=1)}},
        "numTraining": len(parts),
        "file_ending": ".nii.gz",
    }
    write_json(root / "dataset.json", about)


def write_split(path: Path, count: int) -> None:
    """Deal the slabs out to the four parts of a split."""
    split: dict[str, list[str]] = {part: [] for part in PARTS}
    for number in range(count):
        split[PARTS[number % len(PARTS)]].append(f"slab{number:02d}")
    write_json(path, split)


def otsu_thresholds(values: NDArray[np.floating]) -> tuple[float, float]:
    """Two thresholds with the largest variance between the three classes (Otsu 1979).

    Args:
        values: Intensities of any shape.
    """
    counts, edges = np.histogram(values, bins=BINS)
    weight = np.concatenate([[0.0], np.cumsum(counts / counts.sum())])
    centres = (edges[:-1] + edges[1:]) / 2
    moment = np.concatenate([[0.0], np.cumsum(counts / counts.sum() * centres)])
    low, high = np.triu_indices(BINS, k=1)
    low, high = low[low > 0], high[low > 0]
    # Between-class variance up to a constant: the sum of (class moment)² / class weight.
    score = np.zeros(len(low))
    for start, end in ((np.zeros_like(low), low), (low, high), (high, np.full_like(high, BINS))):
        share = weight[end] - weight[start]
        square = (moment[end] - moment[start]) ** 2
        score += np.divide(square, share, out=np.zeros_like(square), where=share > 0)
    best = int(np.argmax(score))
    return float(edges[low[best]]), float(edges[high[best]])


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice of two masks, of which at least one is not empty."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def multi_otsu(brain: Brain, cases: Sequence[str]) -> dict[str, float]:
    """Mean Dice over slabs of thresholding T1 inside the true brain mask, by tissue.

    The thresholds are those of the whole brain: better than a slab's own (measured), and more
    than a U-Net is given, which sees neither the mask nor the slabs held out.

    Args:
        brain: The template.
        cases: Names of slabs, as ``write_source`` gives them.
    """
    thresholds = otsu_thresholds(brain.t1[brain.labels > 0])
    guess = np.where(brain.labels > 0, 1 + np.digitize(brain.t1, thresholds), 0)
    scores = []
    for number, part in enumerate(slabs(brain.labels)):
        if f"slab{number:02d}" in cases:
            truth, mine = brain.labels[:, :, part], guess[:, :, part]
            scores.append([dice(truth == k, mine == k) for k in range(1, 4)])
    return dict(zip(TISSUES, np.mean(scores, axis=0).tolist(), strict=True))
