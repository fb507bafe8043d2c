"""``make quickstart``: one whole path on synthetic miniatures of all four data sets.

::

    python -m distributed_iac.quickstart            # in ./quickstart; run it again to continue

Phantom, check, prepare, pre-train, search (full and LTH), retrain, native Dice of the test
patients. Every step is the ordinary one that a user would run; only the data and the numbers of
epochs are small.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from distributed_iac.errors import DistributedIacError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from distributed_iac.config.run import RunConfig
    from distributed_iac.training.chain import Chain, SearchResult

FOLDER = Path("quickstart")
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
PATIENTS = 14
SEED = 0


@dataclass(frozen=True)
class Line:
    """One data set's result."""

    dataset: str
    plain_dice: float
    retrained_dice: float
    full: SearchResult
    lth: SearchResult


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
    """Take every data set from nothing to a score."""
    from distributed_iac.cli.progress import StageProgress
    from distributed_iac.config.load import load_config
    from distributed_iac.training.chain import Chain
    from distributed_iac.training.group import Group

    config = load_config(CONFIG)
    make_stores(config, console)
    for dataset in config.data:
        with StageProgress(console) as progress:
            chain = Chain(Group.open(config, dataset, config.backbones[0]), progress.observe)
            full, lth = chain.search("full", SEED), chain.search("lth", SEED)
            chain.retrain(lth.genotype, "lth", SEED)
        yield Line(dataset.name, *dice_of(chain, lth), full, lth)


def make_stores(config: RunConfig, console: Console) -> None:
    """Write phantoms and stores that are not there yet."""
    from distributed_iac.data.formats.registry import read_source
    from distributed_iac.data.phantom import FormatName, make_phantom
    from distributed_iac.data.prepare import prepare_store

    for dataset in config.data:
        if not dataset.source.exists():
            make_phantom(
                cast(FormatName, dataset.name),
                dataset.source,
                patients=PATIENTS,
                seed=SEED,
                size="tiny",
            )
        done = prepare_store(
            read_source(dataset.source),
            dataset.name,
            dataset.preprocess,
            dataset.split,
            config.store_folder(dataset),
        )
        console.print(f"{dataset.name}: {done.status} in {done.folder}", highlight=False)


def dice_of(chain: Chain, lth: SearchResult) -> tuple[float, float]:
    """Mean native Dice of the test patients: plain backbone, and with the retrained cell."""
    from distributed_iac.training.artifacts import read_weights

    group = chain.group
    plain = group.backbone(chain.pretrained())
    retrained = group.implanted(group.backbone(), lth.genotype, SEED)
    retrained.load_state_dict(read_weights(chain.retrain(lth.genotype, "lth", SEED)))
    return dice_on_test(chain, plain), dice_on_test(chain, retrained)


def dice_on_test(chain: Chain, network: nn.Module) -> float:
    """Mean over targets of the mean over test cases, in native geometry."""
    import numpy as np

    from distributed_iac.evaluation.dice import case_dice
    from distributed_iac.evaluation.predict import predict_case

    store = chain.group.store
    scores: dict[str, list[float]] = {}
    network.to(chain.group.device)
    for case in store.cases("test"):
        predicted = predict_case(network, store, case, batch_size=8, device=chain.group.device)
        rows = case_dice(
            predicted,
            store.native_label(case.case_id),
            chain.group.scheme,
            patient_id=case.patient_id,
            case_id=case.case_id,
            unannotated=case.unannotated,
        )
        for row in rows:
            scores.setdefault(row.target, []).append(row.dice)
    means = [np.nanmean(values) for values in scores.values() if not np.all(np.isnan(values))]
    return float(np.mean(means)) if means else float("nan")


def show(console: Console, lines: list[Line]) -> None:
    """Print the comparison."""
    from rich.table import Table

    table = Table(title="Synthetic miniatures, shortened searches: a demonstration, not a result")
    for heading in (
        "data set",
        "plain U-Net",
        "+ LTH cell, retrained",
        "full: epochs",
        "LTH: epochs",
        "operations, full / LTH",
        "LTH's choice",
    ):
        table.add_column(heading, justify="right")
    for line in lines:
        ratio = line.full.rows[-1]["op_evaluations"] / line.lth.rows[-1]["op_evaluations"]
        table.add_row(
            line.dataset,
            f"{line.plain_dice:.3f}",
            f"{line.retrained_dice:.3f}",
            str(len(line.full.rows)),
            str(len(line.lth.rows)),
            f"{ratio:.1f}x",
            line.lth.cell.distinction.verdict,
        )
    console.print(table)
    console.print(
        "Dice: test patients, native geometry, mean over targets. The control `plain, trained as "
        "long as the cell` is not part of this path yet, so a gain here may be extra training.",
        highlight=False,
    )


if __name__ == "__main__":
    main()
