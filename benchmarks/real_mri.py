"""Cells searched in a U-Net for real MRI: CSF, grey and white matter of the MNI152 template.

    python -m benchmarks.real_mri --folder brain                      # everything
    python -m benchmarks.real_mri --folder brain --stop-after prepare # data, check and store only

Writes the template (``benchmarks/mni_brain.py``) as a raw data set of nnU-Net, then runs the
ordinary commands on it: ``check``, ``prepare``, ``sweep``. At the end stand two tables: patient
Dice of the plain U-Net, the controls, the searched cells, and of multi-Otsu thresholding inside
the brain, which a U-Net must beat to be worth a cell; and what each search took. Started again it
continues.

What it can show: that real intensities, partial volumes and anatomy go through the whole path,
and how the models compare on held-out slices. What it cannot: generalisation. It is one brain,
an average of 152, so slabs of axial slices stand in for patients, ``GAP`` slices apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.harness import write_result
from benchmarks.mni_brain import TISSUES, load_brain, multi_otsu, write_source
from benchmarks.sweeps import enter, folder_options
from distributed_iac.data.store import Store
from distributed_iac.evaluation.overlay_file import OVERLAYS, Overlay, read_overlays
from distributed_iac.run.collect import collect_run

CONFIG = Path(__file__).with_suffix(".yaml")
TABLE_WIDTH = 100
COLOURS = ListedColormap(["none", "#3b82c4", "#f2b134", "#e8e6e1"])
"""Background, CSF, grey and white matter."""

Scores = Mapping[str, Mapping[str, float]]


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


def search_costs(run: Path) -> list[dict[str, Any]]:
    """What every search took: arm, seed, epochs, seconds, operations evaluated."""
    names = ("arm", "seed", "epochs", "seconds", "op_evaluations", "stop_reason")
    rows = pq.read_table(run / "jobs.parquet").to_pylist()
    return [{name: row[name] for name in names} for row in rows if row["kind"] == "search"]


def show_scores(scores: Scores) -> None:
    """Print Dice by model and tissue."""
    table = Table(title="Dice on test slabs of the MNI152 template, native geometry")
    table.add_column("model")
    for heading in (*TISSUES, "mean"):
        table.add_column(heading, justify="right")
    for name, by_tissue in scores.items():
        values = [by_tissue[tissue] for tissue in TISSUES]
        table.add_row(name, *(f"{value:.3f}" for value in (*values, np.mean(values))))
    Console(width=TABLE_WIDTH).print(table)


def show_costs(costs: Sequence[Mapping[str, Any]]) -> None:
    """Print what the searches took."""
    table = Table(title="Searches")
    for heading in ("arm", "seed", "epochs", "seconds", "operation evaluations"):
        table.add_column(heading, justify="right")
    for one in costs:
        executed = f"{one['op_evaluations']:,.0f}"
        table.add_row(
            one["arm"], str(one["seed"]), str(one["epochs"]), f"{one['seconds']:.0f}", executed
        )
    Console(width=TABLE_WIDTH).print(table)


def draw(run: Path, path: Path) -> None:
    """Picture the plain network's best test slab: T1, truth, plain network, with LTH's cell."""
    folders = collect_run(run).folders
    plain = _best(folder for key, folder in folders.items() if key.endswith("evaluate/plain"))
    lth = _best(folder for key, folder in folders.items() if "/retrain/lth/" in key)
    panels = [("T1", None), ("tissue maps", plain.label), ("U-Net", plain.predicted)]
    if (lth.case_id, lth.slice_number) == (plain.case_id, plain.slice_number):
        panels.append(("U-Net with LTH's cell", lth.predicted))
    figure = Figure(figsize=(2.1 * len(panels), 2.8), layout="constrained")
    for axis, (title, mask) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axis.set(xticks=[], yticks=[])
        axis.imshow(np.where(plain.label > 0, plain.image, 0), "gray", vmin=0, vmax=255)
        if mask is not None:
            axis.imshow(mask, COLOURS, vmin=0, vmax=3, interpolation="nearest")
        axis.set_title(title, fontsize=9)
    figure.savefig(path, dpi=110)


def _best(folders: Iterator[Path]) -> Overlay:
    """The best case's picture of the first of these jobs."""
    return next(one for one in read_overlays(next(folders) / OVERLAYS) if one.role == "best")


def command(*arguments: str) -> None:
    """Run a command of this project's command line; its failure ends the benchmark."""
    subprocess.run([sys.executable, "-m", "distributed_iac.cli.main", *arguments], check=True)


def main() -> None:
    """Write the data, run the commands, print the tables."""
    parser = folder_options(__doc__)
    parser.add_argument("--stop-after", choices=("prepare", "sweep"), default="sweep")
    given = parser.parse_args()
    config = enter(given.folder, CONFIG)
    (dataset,) = config.data
    brain = load_brain()
    if not dataset.source.exists():
        write_source(brain, dataset.source)
    command("check", str(dataset.source))
    command("prepare", str(CONFIG))
    test = Store.open(config.store_folder(dataset)).split.parts["test"]
    scores = {"multi-Otsu in the brain": multi_otsu(brain, test)}
    if given.stop_after == "prepare":
        show_scores(scores)
        return
    command("sweep", str(CONFIG))
    command("report", str(config.folder))
    scores |= model_scores(config.folder)
    costs = search_costs(config.folder)
    show_scores(scores)
    show_costs(costs)
    draw(config.folder, Path("real_mri.png"))
    settings = {"config": json.loads(config.model_dump_json()), "test": list(test)}
    results = {"dice": scores, "searches": costs}
    write_result("real_mri", settings=settings, results=results, packages=("nilearn",))


if __name__ == "__main__":
    main()
