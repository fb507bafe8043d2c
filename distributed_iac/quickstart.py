"""``make quickstart``: one whole path on synthetic miniatures of all four data sets.

::

    python -m distributed_iac.quickstart            # in ./quickstart; run it again to continue

Phantoms, then every job of a run in this process: prepare, pre-train, search (full and LTH),
retrain both cells and the controls, score the test patients in native geometry. Every step is
the ordinary one that a user would run; only the data and the numbers of epochs are small.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from distributed_iac.errors import DistributedIacError

if TYPE_CHECKING:
    from rich.console import Console

    from distributed_iac.config.run import RunConfig
    from distributed_iac.training.work.cells import SearchResult

FOLDER = Path("quickstart")
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
PATIENTS = 14
SEED = 0


MODELS = {
    "plain": "plain U-Net",
    "plain_extra": "U-Net trained on",
    "random": "+ random cell",
    "full": "+ full cell",
    "lth": "+ LTH cell",
}
"""Rows of the table, by the models' names."""


@dataclass(frozen=True)
class Line:
    """One data set's result: test Dice by model, and the two searches."""

    dataset: str
    dice: Mapping[str, float]
    full: SearchResult
    lth: SearchResult

    @property
    def fewer_operations(self) -> float:
        """Operations that the full search executed, for each of LTH's."""
        full, lth = (one.rows[-1]["op_evaluations"] for one in (self.full, self.lth))
        return float(full / lth)


def main() -> None:
    """Run the path and print the table."""
    from rich.console import Console

    console = Console()
    begun = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    os.chdir(FOLDER)
    try:
        lines = list(run(console))
    except DistributedIacError as error:
        console.print(f"error: {error}", highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.print("interrupted; `make quickstart` continues where it stopped")
        sys.exit(130)
    show(console, lines)
    console.print(
        f"{(time.monotonic() - begun) / 60:.1f} minutes. Cells, decisions and epochs lie in "
        f"{FOLDER}/runs/quickstart. Next: `distributed-iac check` on your own data.",
        highlight=False,
    )


def run(console: Console) -> Iterator[Line]:
    """Take every data set from nothing to scores."""
    from distributed_iac.cli.progress import StageProgress
    from distributed_iac.config.load import load_config
    from distributed_iac.jobs.plan import plan_jobs
    from distributed_iac.training.local_sweep import LocalSweep

    config = load_config(CONFIG)
    make_phantoms(config, console)
    with StageProgress(console) as progress:
        sweep = LocalSweep(config, plan_jobs(config), progress.observe)
        for dataset in config.data:
            jobs = [job.key for job in sweep.graph.jobs() if job.dataset == dataset.name]
            yield line_of(dataset.name, [sweep.result(key) for key in jobs])
        sweep.conclude()


def make_phantoms(config: RunConfig, console: Console) -> None:
    """Write the raw data that are not there yet."""
    from distributed_iac.data.phantom import FormatName, make_phantom

    for dataset in config.data:
        if not dataset.source.exists():
            name = cast(FormatName, dataset.name)
            make_phantom(name, dataset.source, patients=PATIENTS, seed=SEED, size="tiny")
            console.print(f"{name}: {PATIENTS} phantoms in {dataset.source}", highlight=False)


def line_of(dataset: str, folders: Sequence[Path]) -> Line:
    """Gather a data set's results from the folders of its jobs."""
    from distributed_iac.evaluation.summary import foreground_means, summarise
    from distributed_iac.evaluation.tables import merge_patients, read_patients
    from distributed_iac.training.work.cells import read_search
    from distributed_iac.training.work.result import read_result

    tables = [folder / "patients.parquet" for folder in folders]
    patients = merge_patients(read_patients(path) for path in tables if path.exists())
    dice = {
        mean.model.name: mean.mean
        for mean in foreground_means(summarise(patients))
        if mean.metric == "dice" and mean.phase is None
    }
    searches = {
        str(result["arm"]): read_search(folder)
        for folder in folders
        if (result := read_result(folder))["kind"] == "search"
    }
    return Line(dataset, dice, searches["full"], searches["lth"])


def show(console: Console, lines: list[Line]) -> None:
    """Print the comparison."""
    from rich.table import Table

    table = Table(title="Synthetic miniatures, shortened searches: a demonstration, not a result")
    for heading in ("", *(line.dataset for line in lines)):
        table.add_column(heading, justify="right")
    for name, title in MODELS.items():
        table.add_row(f"Dice, {title}", *(f"{line.dice[name]:.3f}" for line in lines))
    table.add_section()
    table.add_row(
        "epochs, full / LTH", *(f"{len(one.full.rows)} / {len(one.lth.rows)}" for one in lines)
    )
    table.add_row("operations, full / LTH", *(f"{one.fewer_operations:.1f}x" for one in lines))
    table.add_row("LTH's choice", *(one.lth.cell.distinction.verdict for one in lines))
    console.print(table)
    console.print(
        "Dice: test patients, native geometry, mean over targets. A cell has helped where it is "
        "above `U-Net trained on` (the same U-Net with as much more training) and above a random "
        "cell; one seed and a few test patients decide nothing.",
        highlight=False,
    )


if __name__ == "__main__":
    main()
