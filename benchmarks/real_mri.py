"""Cells searched in a U-Net for real MRI: CSF, grey and white matter of the MNI152 template.

    python -m benchmarks.real_mri --folder brain                      # everything
    python -m benchmarks.real_mri --folder brain --stop-after prepare # data, check and store only

Writes the template that ships with nilearn (T1, 2 mm, skull-stripped, with maps of grey and white
matter; ICBM 152 2009a nonlinear symmetric, doi 10.1016/j.neuroimage.2010.07.033) as a raw data
set of nnU-Net, then runs the ordinary commands on it: ``check``, ``prepare``, ``sweep``. At the
end stands a table of patient Dice: the plain U-Net, the controls, the searched cells, and
multi-Otsu thresholding inside the brain, which a U-Net must beat to be worth a cell.

What it can show: that real intensities, partial volumes and anatomy go through the whole path,
and how the models compare on held-out slices. What it cannot: generalisation. It is one brain,
an average of 152, so slabs of axial slices stand in for patients, ``GAP`` slices apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
from nilearn import datasets
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.harness import write_result
from distributed_iac.config.load import load_config
from distributed_iac.data.store import Store
from distributed_iac.files import write_json

CONFIG = Path(__file__).with_suffix(".yaml")
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


def model_scores(run: Path) -> dict[str, dict[str, float]]:
    """Mean test Dice over slabs and seeds, by model and tissue, from the run folder's table."""
    rows = pq.read_table(run / "patients.parquet").to_pylist()
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        name = f"{row['backbone']} {row['name']}"
        found.setdefault(name, {}).setdefault(row["target"], []).append(row["dice"])
    return {
        name: {tissue: float(np.mean(scores[tissue])) for tissue in TISSUES}
        for name, scores in found.items()
    }


def show(scores: Mapping[str, Mapping[str, float]]) -> None:
    """Print Dice by model and tissue."""
    table = Table(title="Dice on test slabs of the MNI152 template, native geometry")
    table.add_column("model")
    for heading in (*TISSUES, "mean"):
        table.add_column(heading, justify="right")
    for name, by_tissue in scores.items():
        values = [by_tissue[tissue] for tissue in TISSUES]
        table.add_row(name, *(f"{value:.3f}" for value in (*values, np.mean(values))))
    Console(width=100).print(table)


def command(*arguments: str) -> None:
    """Run a command of this project's command line; its failure ends the benchmark."""
    subprocess.run([sys.executable, "-m", "distributed_iac.cli.main", *arguments], check=True)


def main() -> None:
    """Write the data, run the commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where data and runs go")
    parser.add_argument("--stop-after", choices=("prepare", "sweep"), default="sweep")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)
    config = load_config(CONFIG)
    (dataset,) = config.data
    brain = load_brain()
    write_source(brain, dataset.source)
    command("check", str(dataset.source))
    command("prepare", str(CONFIG))
    test = Store.open(config.store_folder(dataset)).split.parts["test"]
    scores = {"multi-Otsu in the brain": multi_otsu(brain, test)}
    if options.stop_after == "sweep":
        command("sweep", str(CONFIG))
        scores |= model_scores(config.folder)
        settings = {"config": json.loads(config.model_dump_json()), "test": list(test)}
        write_result("real_mri", settings=settings, results=scores, packages=("nilearn",))
    show(scores)


if __name__ == "__main__":
    main()
