"""Full and LTH searches on a phantom of each data set: what they choose, when, and at what cost.

    python -m benchmarks.search_phantoms --folder phantoms          # run it in an empty folder

Makes the phantoms, prepares the stores, pre-trains one U-Net a data set, and searches with both
arms: on every data set with the first seed, on ACDC with two more. Then it reports

1. cost: epochs, seconds, operation evaluations, and seconds an epoch at the start and the end;
2. whether importance really left uniform (median over edges of the leading weight, full search);
3. whether LTH's survivors contain the operations that the full search ends with;
4. how early the full search's final operations were on top or among the top three;
5. how far seeds agree, against chance.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.harness import write_result
from distributed_iac.agreement import containment, rank_agreement, top_agreement
from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.phantom import make_phantom
from distributed_iac.data.prepare import prepare_store
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.report.cell_drawing import draw_discretisation
from distributed_iac.report.search_curves import column, search_curves
from distributed_iac.training.chain import Chain, SearchResult
from distributed_iac.training.group import Group

CONFIG = Path(__file__).with_suffix(".yaml")
PATIENTS = 20
Job = tuple[str, str, int]
"""Data set, arm, seed."""


def prepare(config: RunConfig) -> None:
    """Write phantoms and stores that are not there yet."""
    for dataset in config.data:
        if not dataset.source.exists():
            make_phantom(dataset.name, dataset.source, patients=PATIENTS, seed=0, size="tiny")
        prepare_store(
            read_source(dataset.source),
            dataset.name,
            dataset.preprocess,
            dataset.split,
            config.store_folder(dataset),
        )


def chain(config: RunConfig, name: str) -> Chain:
    """The jobs of one data set, reporting now and then on standard output."""
    (dataset,) = [entry for entry in config.data if entry.name == name]

    def observe(job: str, values: dict[str, object], epochs: int) -> None:
        if values["epoch"] == epochs or values["done"] or int(str(values["epoch"])) % 20 == 0:
            print(
                job, f"epoch {values['epoch']}/{epochs}", f"Dice {values['val_dice']}", flush=True
            )

    return Chain(Group.open(config, dataset, config.backbones[0]), observe)


def pretrain(name: str, overrides: list[str]) -> None:
    """Train the plain backbone of a data set."""
    chain(load_config(CONFIG, overrides), name).pretrained()


def search(job: Job, overrides: list[str]) -> SearchResult:
    """Run one search and draw it."""
    name, arm, seed = job
    result = chain(load_config(CONFIG, overrides), name).search(arm, seed)
    draw_discretisation(result.cell).savefig(result.folder / "cell.png", dpi=130)
    return result


def jobs(config: RunConfig, seeds: int) -> list[Job]:
    """One seed everywhere, the others on the first data set; the longest first."""
    pairs = [(entry.name, 0) for entry in config.data]
    pairs += [(config.data[0].name, seed) for seed in range(1, seeds)]
    return [(name, arm, seed) for arm in config.arms for name, seed in pairs]


def costs(results: dict[Job, SearchResult]) -> list[dict[str, Any]]:
    """Cost and outcome of every search."""
    return [
        {
            "dataset": job[0],
            "arm": job[1],
            "seed": job[2],
            "epochs": len(one.rows),
            "seconds": one.seconds,
            "op_evaluations": one.rows[-1]["op_evaluations"],
            "full_epochs": one.rows[-1]["full_epochs"],
            "first_epoch_seconds": float(np.median(column(one.rows, "seconds")[5:10])),
            "last_epoch_seconds": float(np.median(column(one.rows, "seconds")[-5:])),
            "live_operations": one.rows[-1]["live_operations"],
            "leader_median": one.rows[-1]["leader_median"],
            "entropy": one.rows[-1]["entropy"],
            "best_val_dice": one.rows[-1]["best_val_dice"],
            "last_val_dice": one.rows[-1]["val_dice"],
            "undecided": len(one.cell.undecided),
            "kept": len(one.cell.kept),
            "genotype": one.genotype.describe(),
            "reason": one.reason,
        }
        for job, one in sorted(results.items())
    ]


def plain_dice(one: SearchResult) -> float:
    """Best val Dice of the plain backbone that the search started from."""
    rows = pq.read_table(one.folder.parents[1] / "pretrain" / "epochs.parquet").to_pylist()
    return float(np.nanmax(column(rows, "val_dice")))


def kept_by_lth(full: SearchResult, lth: SearchResult) -> dict[str, float]:
    """How many of the full search's final genes are alive at the end of LTH, and by chance."""
    live, topology = lth.history.live_operations, full.history.topology
    alive, chance = 0, 0.0
    for edge, operation in full.genotype.cells[0].genes:
        row = live[topology.edges.index(edge)]
        alive += int(row[OPERATIONS.index(operation)])
        chance += float(row[1:].sum()) / (len(OPERATIONS) - 1)
    return {"alive": alive, "of": len(full.genotype.cells[0].genes), "chance": chance}


def early(history: ImportanceHistory, genotype: Genotype) -> dict[str, list[float]]:
    """Share of final operations on top, and among the top three, over the epochs."""
    found = containment(history, genotype, top=(1, 3))
    return {
        "epoch": found.epochs.tolist(),
        "top_1": found.share[:, 0].tolist(),
        "top_3": found.share[:, 1].tolist(),
    }


def seeds_agree(results: dict[Job, SearchResult], name: str, arm: str) -> list[dict[str, Any]]:
    """Agreement of every pair of seeds, as of the last epoch before anything was pruned."""
    mine = {job[2]: one for job, one in results.items() if job[:2] == (name, arm)}
    rows = []
    for a, b in combinations(sorted(mine), 2):
        first, second = _weights(mine[a]), _weights(mine[b])
        operation = top_agreement(first, second, "operation")
        family = top_agreement(first, second, "family")
        order = rank_agreement(first, second, np.random.default_rng(0))
        rows.append(
            {
                "dataset": name,
                "arm": arm,
                "seeds": [a, b],
                "edges": operation.total,
                "operation": operation.same,
                "operation_chance": operation.chance,
                "operation_p": operation.p_value,
                "family": family.same,
                "family_chance": family.chance,
                "rank_correlation": order.mean,
                "rank_p": order.p_value,
            }
        )
    return rows


def _weights(one: SearchResult) -> np.ndarray:
    """Last epoch's mean importance in which every operation was still alive."""
    whole = [e.operations for e in one.history.epochs if (e.operations > 0).all()]
    return np.asarray(whole[-1])


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Print a list of equal mappings as a table."""
    if not rows:
        return
    table = Table(title=title)
    shown = [key for key in rows[0] if key not in ("genotype", "reason")]
    for key in shown:
        table.add_column(key.replace("_", " "), justify="right", overflow="fold")
    for row in rows:
        table.add_row(
            *(f"{row[k]:.3g}" if isinstance(row[k], float) else str(row[k]) for k in shown)
        )
    Console(width=200).print(table)


def main() -> None:
    """Run everything that is not finished yet, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where data and runs go")
    parser.add_argument("--seeds", type=int, default=3, help="seeds on the first data set")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)
    config = load_config(CONFIG, options.overrides)
    prepare(config)
    names = [entry.name for entry in config.data]
    todo = jobs(config, options.seeds)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(pretrain, names, [options.overrides] * len(names)))
        found = pool.map(search, todo, [options.overrides] * len(todo))
        results = dict(zip(todo, found, strict=True))
    report(config, results)


def report(config: RunConfig, results: dict[Job, SearchResult]) -> None:
    """Print and write every table; draw full against LTH for each data set."""
    pairs = [
        (job, one, results[job[0], "lth", job[2]])
        for job, one in results.items()
        if job[1] == "full"
    ]
    for (name, _, seed), full, lth in pairs:
        curves = search_curves({"full": full.rows, "lth": lth.rows})
        curves.savefig(config.folder / f"curves-{name}-seed{seed}.png", dpi=110)
    table = costs(results)
    savings = [
        {
            "dataset": job[0],
            "seed": job[2],
            "plain_dice": plain_dice(full),
            "full_dice": full.rows[-1]["best_val_dice"],
            "lth_dice": lth.rows[-1]["best_val_dice"],
            "seconds_ratio": full.seconds / lth.seconds,
            "op_evaluations_ratio": full.rows[-1]["op_evaluations"]
            / lth.rows[-1]["op_evaluations"],
            **kept_by_lth(full, lth),
        }
        for job, full, lth in pairs
    ]
    agreement = [
        row for arm in config.arms for row in seeds_agree(results, config.data[0].name, arm)
    ]
    show(table, "searches")
    show(savings, "full against LTH, and full's final operations alive at LTH's end")
    show(agreement, "agreement of seeds")
    write_result(
        "search_phantoms",
        settings=config.search.model_dump(mode="json"),
        results={
            "searches": table,
            "full_against_lth": savings,
            "agreement": agreement,
            "early": {
                f"{job[0]} seed {job[2]}": early(one.history, one.genotype) for job, one, _ in pairs
            },
        },
    )


if __name__ == "__main__":
    main()
