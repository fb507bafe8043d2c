"""Full and LTH searches on a phantom of each data set: cost, choices, and what the cells are worth.

    python -m benchmarks.search_phantoms --folder phantoms          # run it in an empty folder

Makes the phantoms and runs three sweeps through Ray, which share their results: both arms with
the first seed on every data set; both arms with all seeds on the first data set; LTH and the
controls with all seeds on every data set. Killed, it continues. Then it reports

1. cost: epochs, seconds, operation evaluations, and seconds an epoch at the start and the end;
2. whether importance really left uniform (median over edges of the leading weight, full search);
3. whether LTH's survivors contain the operations that the full search ends with;
4. how early the full search's final operations were on top or among the top three;
5. how far seeds agree, against chance;
6. patient-level Dice on the test patients, in native geometry, of every model, over the seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import write_result
from benchmarks.sweeps import enter, make_phantoms, run_options
from benchmarks.weight_agreement import rank_agreement, top_agreement
from distributed_iac.agreement import containment
from distributed_iac.config.run import RunConfig
from distributed_iac.evaluation.patients_summary import foreground_means, summarise
from distributed_iac.evaluation.patients_table import merge_patients, read_patients
from distributed_iac.genotype import OPERATIONS, Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.report.cell_drawing import draw_discretisation
from distributed_iac.report.search_curves import column, search_curves
from distributed_iac.run.cells import SearchResult, read_search
from distributed_iac.run.collect import collect_run
from distributed_iac.run.result import read_result
from distributed_iac.run.work.contract import PATIENTS
from distributed_iac.tune.launch import run_sweep

CONFIG = Path(__file__).with_suffix(".yaml")
COUNT = 20
Job = tuple[str, str, int]
"""Data set, arm, seed."""


def sweeps(config: RunConfig) -> Iterator[RunConfig]:
    """The three sweeps, the longest searches first."""
    lth = {"lth": config.arms["lth"]}
    yield config.model_copy(update={"name": "both-arms", "seeds": config.seeds[:1]})
    yield config.model_copy(update={"name": "first-set", "data": config.data[:1]})
    yield config.model_copy(update={"name": "lth-seeds", "arms": lth})


def searches_of(folders: Mapping[str, Path]) -> dict[Job, SearchResult]:
    """All finished searches."""
    found = {}
    for folder in folders.values():
        result = read_result(folder)
        if result["kind"] == "search":
            found[result["dataset"], result["arm"], result["seed"]] = read_search(folder)
    return dict(sorted(found.items()))


def costs(results: Mapping[Job, SearchResult]) -> list[dict[str, Any]]:
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
            "first_epoch_seconds": float(np.median(column(one.rows, "seconds")[5:15])),
            "last_epoch_seconds": float(np.median(column(one.rows, "seconds")[-10:])),
            "live_operations": one.rows[-1]["live_operations"],
            "leader_median": one.rows[-1]["leader_median"],
            "entropy": one.rows[-1]["entropy"],
            "best_val_dice": one.rows[-1]["best_val_dice"],
            "undecided": len(one.cell.undecided),
            "kept": len(one.cell.kept),
            "genotype": one.genotype.describe(),
            "reason": one.reason,
        }
        for job, one in results.items()
    ]


def kept_by_lth(full: SearchResult, lth: SearchResult) -> dict[str, float]:
    """How many of the full search's final genes are alive at the end of LTH, and by chance.

    Two questions: of all genes, how many are alive, where an edge that LTH removed counts as a
    loss; and on the edges that both kept, how many operations.
    """
    live, topology = lth.history.live_operations, full.history.topology
    alive, edges, chance = 0, 0, 0.0
    for edge, operation in full.genotype.cells[0].genes:
        row = live[topology.edges.index(edge)]
        alive += int(row[OPERATIONS.index(operation)])
        edges += int(row.any())
        chance += float(row[1:].sum()) / (len(OPERATIONS) - 1)
    genes = len(full.genotype.cells[0].genes)
    return {"alive": alive, "genes": genes, "chance": chance, "on_live_edges": edges}


def against_full(results: Mapping[Job, SearchResult]) -> list[dict[str, Any]]:
    """Full against LTH, paired by data set and seed."""
    rows = []
    for (name, arm, seed), full in results.items():
        if arm == "full" and (name, "lth", seed) in results:
            lth = results[name, "lth", seed]
            operations = [one.rows[-1]["op_evaluations"] for one in (full, lth)]
            agreement = top_agreement(weights(full), weights(lth), "operation")
            rows.append(
                {
                    "dataset": name,
                    "seed": seed,
                    "full_epochs_run": len(full.rows),
                    "lth_epochs_run": len(lth.rows),
                    "seconds_ratio": full.seconds / lth.seconds,
                    "op_evaluations_ratio": operations[0] / operations[1],
                    **kept_by_lth(full, lth),
                    "same_top_operation": agreement.same,
                    "of_edges": agreement.total,
                }
            )
    return rows


def early(history: ImportanceHistory, genotype: Genotype) -> dict[str, list[float]]:
    """Share of final operations on top, and among the top three, over the epochs."""
    found = containment(history, genotype, top=(1, 3))
    return {
        "epoch": found.epochs.tolist(),
        "top_1": found.share[:, 0].tolist(),
        "top_3": found.share[:, 1].tolist(),
    }


def seeds_agree(results: Mapping[Job, SearchResult]) -> list[dict[str, Any]]:
    """Agreement of every pair of seeds, as of the last epoch before anything was pruned."""
    rows = []
    for a, b in combinations(results, 2):
        if a[:2] == b[:2]:
            first, second = weights(results[a]), weights(results[b])
            operation = top_agreement(first, second, "operation")
            family = top_agreement(first, second, "family")
            order = rank_agreement(first, second, np.random.default_rng(0))
            rows.append(
                {
                    "dataset": a[0],
                    "arm": a[1],
                    "seeds": [a[2], b[2]],
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


def weights(one: SearchResult) -> np.ndarray:
    """Last epoch's mean importance in which every candidate was still alive."""
    everything = one.history.epochs[0].operations > 0
    whole = [
        e.operations for e in one.history.epochs if (e.operations > 0).sum() == everything.sum()
    ]
    return np.asarray(whole[-1])


def scores(folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Test Dice of every model: mean over targets of means over patients, by seed."""
    tables = [folder / PATIENTS for folder in folders.values() if (folder / PATIENTS).exists()]
    patients = merge_patients(read_patients(path) for path in tables)
    found: dict[tuple[str, str], dict[int | None, float]] = {}
    for mean in foreground_means(summarise(patients)):
        if mean.metric == "dice" and mean.phase is None:
            key = (mean.model.dataset, mean.model.name)
            found.setdefault(key, {})[mean.model.seed] = mean.mean
    return [
        {
            "dataset": dataset,
            "model": name,
            "mean_dice": float(np.mean(list(by_seed.values()))),
            "sd_over_seeds": _deviation(list(by_seed.values())),
            "by_seed": {str(seed): value for seed, value in by_seed.items()},
        }
        for (dataset, name), by_seed in sorted(found.items())
    ]


def _deviation(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Print a list of equal mappings as a table."""
    if not rows:
        return
    table = Table(title=title)
    shown = [key for key in rows[0] if key not in ("genotype", "reason", "by_seed")]
    for key in shown:
        table.add_column(key.replace("_", " "), justify="right", overflow="fold")
    for row in rows:
        table.add_row(
            *(f"{row[k]:.3g}" if isinstance(row[k], float) else str(row[k]) for k in shown)
        )
    Console(width=200).print(table)


def draw(results: Mapping[Job, SearchResult], folder: Path) -> None:
    """Draw every cell and the curves of its search."""
    folder.mkdir(exist_ok=True)
    for (name, arm, seed), one in results.items():
        draw_discretisation(one.cell).savefig(folder / f"cell-{name}-{arm}-{seed}.png", dpi=130)
        curves = search_curves(f"{name} {arm} {seed}", one.rows)
        curves.savefig(folder / f"curves-{name}-{arm}-{seed}.png", dpi=110)


def report(config: RunConfig) -> None:
    """Print and write every table; draw every search."""
    folders: dict[str, Path] = {}
    for sweep in sweeps(config):
        if sweep.folder.exists():
            folders |= collect_run(sweep.folder).folders
    results = searches_of(folders)
    tables = {
        "searches": costs(results),
        "full_against_lth": against_full(results),
        "agreement": seeds_agree(results),
        "test_dice": scores(folders),
    }
    for title, rows in tables.items():
        show(rows, title.replace("_", " "))
    draw(results, Path("figures"))
    write_result(
        "search_phantoms",
        settings=config.model_dump(mode="json", include={"search", "batches", "arms", "retrain"}),
        packages=("ray", "monai"),
        results={
            **tables,
            "early": {
                f"{name} seed {seed}": early(one.history, one.genotype)
                for (name, arm, seed), one in results.items()
                if arm == "full"
            },
        },
    )


def main() -> None:
    """Run everything that is not finished yet, then report."""
    parser = run_options(__doc__)
    parser.add_argument("--report", action="store_true", help="only report what is finished")
    given = parser.parse_args()
    config = enter(given.folder, CONFIG, given.overrides)
    if not given.report:
        make_phantoms(config, COUNT, seed=0)
        for sweep in sweeps(config):
            run_sweep(sweep)
    report(config)


if __name__ == "__main__":
    main()
