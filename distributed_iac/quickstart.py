"""``make quickstart``: a whole sweep on synthetic miniatures of all four data sets.

::

    python -m distributed_iac.quickstart            # in ./quickstart; run it again to continue

Phantoms, then ``distributed-iac sweep`` on a local Ray: prepare, pre-train, search (full and LTH),
retrain both cells and the controls, score the test patients in native geometry; then
``distributed-iac report``. Every step is the ordinary one that a user would run; only the data and
the numbers of epochs are small.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from distributed_iac.errors import DistributedIacError

if TYPE_CHECKING:
    from rich.console import Console

    from distributed_iac.config.run import RunConfig
    from distributed_iac.training.work.cells import SearchResult

FOLDER = Path("quickstart")
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
PATIENTS = 14
SEED = 0
BIN = Path(".venv/bin")

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
    """Run the path, print the table, say where everything is."""
    from rich.console import Console

    console = Console()
    begun = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    os.chdir(FOLDER)
    try:
        run(console)
    except typer.Exit as stop:
        console.print("a job failed, see above; `make quickstart` tries it again", highlight=False)
        sys.exit(stop.exit_code)
    except DistributedIacError as error:
        console.print(f"error: {error}", highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.print("interrupted; `make quickstart` continues where it stopped")
        sys.exit(130)
    console.print(f"{(time.monotonic() - begun) / 60:.1f} minutes.", highlight=False)


def run(console: Console) -> None:
    """Make the data, run the sweep and its report."""
    from distributed_iac.cli.sweep import sweep
    from distributed_iac.config.load import load_config
    from distributed_iac.report.rebuild import rebuild
    from distributed_iac.training.sweep.collect import collect_run

    config = load_config(CONFIG)
    make_phantoms(config, console)
    sweep(CONFIG)
    page = rebuild(config.folder).page
    folders = collect_run(config.folder).folders
    show(
        console,
        [
            line_of(dataset.name, [folders[key] for key in folders if _is_of(key, dataset.name)])
            for dataset in config.data
        ],
    )
    console.print(
        f"The page:    {FOLDER / page}\n"
        f"Dashboards:  {BIN}/tensorboard --logdir {FOLDER / config.folder}/tensorboard\n"
        f"Files:       {FOLDER / config.folder} (cells, decisions, tables, figures)\n"
        f"Next:        {BIN}/distributed-iac check YOUR_DATA, then configs/ for a sweep on it",
        highlight=False,
        soft_wrap=True,
    )


def _is_of(key: str, dataset: str) -> bool:
    return key.split("/")[0] == dataset


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
