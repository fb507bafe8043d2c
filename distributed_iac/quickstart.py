"""``make quickstart``: a whole sweep on synthetic miniatures of all four data sets.

::

    python -m distributed_iac.quickstart            # in ./quickstart; run it again to continue

Phantoms, then ``distributed-iac sweep`` on a local Ray: prepare, pre-train, search (full and LTH),
retrain both cells and the controls, score the test patients in native geometry, and the report of
it all; then the same for a planted problem, whose answer is known. Every step is the ordinary one
that a user would run; only the data and the numbers of epochs are small.
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

from distributed_iac.cli.system import readable, show_what_they_can
from distributed_iac.errors import DistributedIacError

if TYPE_CHECKING:
    from rich.console import Console

    from distributed_iac.comparison.given import FoundOfGiven
    from distributed_iac.config.run import RunConfig
    from distributed_iac.report.run_record import RunRecord

FOLDER = Path("quickstart")
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
PATIENTS = 14
SEED = 0
PLANTED, PLANTED_SEED = Path("planted"), 7
"""The problem of README's first picture."""
BIN = Path(".venv/bin")

MODELS = {
    "plain": "plain",
    "plain_extra": "trained\non",
    "random": "random\ncell",
    "full": "full\ncell",
    "lth": "LTH\ncell",
}
"""Columns of the table, by the models' names."""

WHAT = (
    "A whole sweep on synthetic miniatures of four data sets, about six minutes on two cores, then "
    f"a shorter one on a problem whose answer is known, in {FOLDER}/. Ctrl-C stops it at any time; "
    "`make quickstart` continues."
)

NOTE = (
    "Dice: test patients in native geometry, mean over targets; of the U-Net as it was "
    "pre-trained, of the same trained on, and of both cells and a random one in it. A cell has "
    "helped where it is above `trained on` and above `random cell`; one seed and a few test "
    "patients decide nothing. So few steps teach a small network hardly any of AMOS's 15 organs. "
    "Operations: what the full search executed, for each that LTH did. Told apart: kept edges "
    "whose operation LTH told from the others by more than noise."
)


@dataclass(frozen=True)
class DatasetResult:
    """One data set's result.

    Args:
        dataset: Its name.
        dice: Test Dice by model, of those that there are.
        epochs: Epochs of the full and of the LTH search.
        fewer_operations: Operations that the full search executed, for each of LTH's.
        told_apart: Edges of LTH's cell whose operation it told from the others, and all of them.
    """

    dataset: str
    dice: Mapping[str, float]
    epochs: tuple[int, int]
    fewer_operations: float
    told_apart: tuple[int, int]

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table says."""
        return (
            self.dataset,
            *(f"{self.dice[name]:.3f}" if name in self.dice else "-" for name in MODELS),
            "{}/{}".format(*self.epochs),
            f"{self.fewer_operations:.1f}x",
            "{} of {}".format(*self.told_apart),
        )


def main() -> None:
    """Run the path, print the table, say where everything is."""
    from rich.console import Console

    show_what_they_can()
    console = Console()
    begun = time.monotonic()
    console.print(WHAT, highlight=False)
    FOLDER.mkdir(exist_ok=True)
    os.chdir(FOLDER)
    try:
        run(console)
    except typer.Exit as stop:
        console.print("a job failed, see above; `make quickstart` tries it again", highlight=False)
        sys.exit(stop.exit_code)
    except (DistributedIacError, OSError) as error:
        shown = readable(error)
        console.print(f"error: {shown}", highlight=False, markup=False)
        sys.exit(shown.exit_code)
    except KeyboardInterrupt:
        console.print("interrupted; `make quickstart` continues where it stopped")
        sys.exit(130)
    console.print(f"{(time.monotonic() - begun) / 60:.1f} minutes.", highlight=False)


def run(console: Console) -> None:
    """Make the data, run the sweep, and show what came out."""
    from distributed_iac.cli.sweep import sweep
    from distributed_iac.config.load import load_config
    from distributed_iac.phantom.planted import PlantedPlan
    from distributed_iac.phantom.planted_dataset import CONFIG as CONFIG_NAME
    from distributed_iac.phantom.planted_dataset import write_planted
    from distributed_iac.report.rebuild import PAGE
    from distributed_iac.report.run_record import read_run

    config, planted = load_config(CONFIG), PLANTED / CONFIG_NAME
    make_phantoms(config, console)
    sweep(CONFIG)
    if not planted.exists():
        write_planted(PLANTED, PlantedPlan(PLANTED_SEED, test_patients=24))
    console.print(f"\n{planted}: a problem whose answer is known", highlight=False)
    sweep(planted, overrides=["seeds=[0]"])
    answer = load_config(planted)
    show(console, [*results_of(config), *results_of(answer)])
    console.print(found_sentence(_found_of_planted(read_run(answer.folder))), highlight=False)
    console.print(
        f"The pages:   {FOLDER / config.folder / PAGE}\n"
        f"             {FOLDER / answer.folder / PAGE}\n"
        f"Dashboards:  {BIN}/tensorboard --logdir {FOLDER / config.folder}/tensorboard\n"
        f"Files:       {FOLDER / config.folder} (cells, decisions, tables, figures)\n"
        f"Next:        {BIN}/distributed-iac check YOUR_DATA, then configs/ for a sweep on it",
        highlight=False,
        soft_wrap=True,
    )


def results_of(config: RunConfig) -> list[DatasetResult]:
    """Of every data set of a finished run."""
    from distributed_iac.run.collect import collect_run

    folders = collect_run(config.folder).folders
    return [
        result_of(one.name, [at for key, at in folders.items() if key.split("/")[0] == one.name])
        for one in config.data
    ]


def found_sentence(found: FoundOfGiven) -> str:
    """How much of what was planted the searches of an arm found."""
    genes = found.genes[0]
    worth = "nothing was there to find" if found.share is None else f"{found.share:.0%} of the way"
    return (
        f"Planted was a cell that is worth {found.given:.3f}, where a random one is worth "
        f"{found.random:.3f}. The one that {found.arm} found, with {genes.same} of its "
        f"{genes.total} operations, is worth {found.found:.3f}: {worth}.\n"
    )


def _found_of_planted(record: RunRecord) -> FoundOfGiven:
    from distributed_iac.report.given_table import found_in

    return next(one for one in found_in(record) if one.arm == record.config.comparison.candidate)


def make_phantoms(config: RunConfig, console: Console) -> None:
    """Write the raw data that are not there yet."""
    from distributed_iac.phantom import FormatName, make_phantom

    for dataset in config.data:
        if not dataset.source.exists():
            name = cast(FormatName, dataset.name)
            make_phantom(name, dataset.source, patients=PATIENTS, seed=SEED, size="tiny")
            console.print(f"{name}: {PATIENTS} phantoms in {dataset.source}", highlight=False)


def result_of(dataset: str, folders: Sequence[Path]) -> DatasetResult:
    """Gather a data set's results from the folders of its jobs."""
    from distributed_iac.evaluation.patients_summary import foreground_means, summarise
    from distributed_iac.evaluation.patients_table import merge_patients, read_patients
    from distributed_iac.run.cells import read_search
    from distributed_iac.run.result import read_result

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
    full, lth = searches["full"], searches["lth"]
    executed_full, executed_lth = (one.rows[-1]["op_evaluations"] for one in (full, lth))
    edges = lth.cell.distinction
    return DatasetResult(
        dataset,
        dice,
        (len(full.rows), len(lth.rows)),
        float(executed_full / executed_lth),
        (edges.kept - edges.undecided, edges.kept),
    )


def show(console: Console, results: Sequence[DatasetResult]) -> None:
    """Print the comparison; it fits 80 columns."""
    from rich.table import Table

    title = "Synthetic miniatures, shortened searches: a demonstration, not a result"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("data\nset")
    headings = ("epochs\nfull/LTH", "operations\nfull/LTH", "told\napart")
    for heading in (*MODELS.values(), *headings):
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(*result.cells)
    console.print()
    console.print(table)
    console.print(f"\n{NOTE}\n", highlight=False)


if __name__ == "__main__":
    main()
