"""Why does a cell gain so little on phantoms? Width, more training and a random cell, side by side.

    python -m benchmarks.capacity --folder EMPTY

Trains, in this process and without a search, what ``capacity.yaml`` says: a narrow and a wide
U-Net, each as it is, trained on, and with random cells; the same patients, batches and epochs. If
the wide network fits its training patients far better than the narrow one, the narrow one lacks
capacity; if a cell does not close that gap, it is not on the skip connections that the capacity is
missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.harness import write_result
from benchmarks.sweeps import enter, make_phantoms, run_options
from distributed_iac.config.run import RunConfig
from distributed_iac.evaluation.patients_summary import foreground_means, summarise
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.work.contract import EPOCHS, PATIENTS

CONFIG = Path(__file__).with_suffix(".yaml")
PATIENTS_MADE = 80
SEED = 500
"""Of the phantom: patients that no other benchmark sees."""
LAST = 20
"""Epochs over which the training loss is averaged."""


def without_searches(config: RunConfig) -> JobGraph:
    """The run's jobs that no search is behind."""
    return JobGraph(
        job for job in plan_jobs(config).jobs() if job.kind != "search" and job.arm is None
    )


def test_dice(folder: Path) -> float:
    """Mean over targets of the mean over test patients, in native geometry."""
    (dice,) = [
        mean.mean
        for mean in foreground_means(summarise(read_patients(folder / PATIENTS)))
        if mean.metric == "dice" and mean.phase is None
    ]
    return dice


def training_loss(folder: Path) -> float:
    """Mean over the last epochs."""
    losses = pq.read_table(folder / EPOCHS, columns=["loss"])["loss"].to_pylist()
    return float(np.mean(losses[-LAST:]))


def tell(key: str, values: dict[str, object], epochs: int) -> None:
    """Say how far a job is, now and then."""
    epoch = values["epoch"]
    assert isinstance(epoch, int)
    if epoch % 40 == 0 or epoch == epochs:
        print(f"{key}: {epoch}/{epochs}", flush=True)


def measured(sweep: LocalSweep, jobs: list[Job]) -> dict[str, Any]:
    """One model of one backbone, over its seeds."""
    folders = [sweep.result(job.key) for job in jobs]
    dice = [test_dice(folder) for folder in folders]
    losses = [training_loss(folder) for folder in folders if (folder / EPOCHS).exists()]
    return {
        "backbone": jobs[0].backbone,
        "model": jobs[0].name,
        "seeds": len(jobs),
        "training_loss": float(np.mean(losses)) if losses else None,
        "test_dice": float(np.mean(dice)),
        "sd_over_seeds": float(np.std(dice, ddof=1)) if len(dice) > 1 else None,
        "by_seed": dice,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    table = Table(title="AMOS miniatures: test Dice and training loss, means over seeds")
    for heading in ("backbone", "model", "seeds", "training loss", "test Dice", "SD"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = (row["training_loss"], row["test_dice"], row["sd_over_seeds"])
        texts = ("" if figure is None else f"{figure:.3f}" for figure in figures)
        table.add_row(row["backbone"], row["model"], str(row["seeds"]), *texts)
    Console().print(table)


def main() -> None:
    """Train what is not there yet, then report."""
    given = run_options(__doc__).parse_args()
    config = enter(given.folder, CONFIG, given.overrides)
    make_phantoms(config, PATIENTS_MADE, SEED)
    graph = without_searches(config)
    sweep = LocalSweep(config, graph, tell)
    sweep.run()
    models: dict[tuple[str, str], list[Job]] = {}
    for job in graph.jobs():
        if job.kind in ("evaluate", "retrain"):
            models.setdefault((job.backbone, job.name), []).append(job)
    rows = [measured(sweep, jobs) for jobs in models.values()]
    show(rows)
    settings = config.model_dump(mode="json", include={"pretrain", "retrain", "batches", "cell"})
    print(
        write_result("capacity", settings=settings, results={"models": rows}, packages=("torch",))
    )


if __name__ == "__main__":
    main()
