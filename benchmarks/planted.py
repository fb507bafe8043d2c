"""Does the search find what is there? A teacher with a known cell labels the data.

    python -m benchmarks.planted --seeds 12

For every seed a problem of :mod:`distributed_iac.phantom.planted`: a teacher with a cell planted at
random labels images, a search with a supernet in the same frozen U-Net sees images and labels only.
The teacher's input and output projections are given to it as a start: the question is which
operations and edges lie between them. What the answer is worth is measured with it: the found cell
is trained anew, beside the planted one and a random one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest, wilcoxon

from benchmarks.harness import RESULTS
from benchmarks.memory_store import MemoryStore
from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.training import AdamSettings, RetrainSettings, SearchSettings
from distributed_iac.files import write_json
from distributed_iac.genotype import FAMILY, OPERATIONS, Genotype
from distributed_iac.phantom.planted import (
    CELL,
    SCHEME,
    PlantedPlan,
    PlantedProblem,
    draw_cell,
    plant_problem,
)
from distributed_iac.provenance import describe_environment
from distributed_iac.seeds import derive_seed
from distributed_iac.training.retrain import retrained
from distributed_iac.training.search import SearchStage
from distributed_iac.training.supervised import SupervisedStage

BATCHES = BatchSettings(
    batch_size=8, steps_per_epoch=20, augmentation="none", foreground_fraction=0.0
)
SEARCH = SearchSettings(
    epochs=40,
    warmup_epochs=8,
    weights=AdamSettings(learning_rate=5e-3),
    architecture=AdamSettings(learning_rate=1e-2, betas=(0.5, 0.999)),
    validate_every=40,
)
ARMS = {"full": PruningSettings(policy="none"), "lth": PruningSettings(policy="js")}


@dataclass(frozen=True)
class Outcome:
    """What one search found of what was planted."""

    arm: str
    seed: int
    families_right: int
    families: int
    pairs_right: int
    pairs: int
    epochs: int
    op_evaluations: int
    seconds: float
    leader_median: float
    undecided: int
    genotype: str
    dice: float
    """On the val patients, of the found cell trained anew."""


def problem(seed: int) -> tuple[PlantedProblem, MemoryStore]:
    """Build teacher and data of one seed."""
    planted = plant_problem(PlantedPlan(seed))
    return planted, MemoryStore(
        planted.images, planted.labels, planted.patients, planted.parts, scheme=SCHEME
    )


@torch.no_grad()
def give_projections(student: SearchNetwork, teacher: DerivedNetwork) -> None:
    """Start the student's projections from the teacher's, where the teacher has them."""
    student.projections.load_state_dict(teacher.projections.state_dict())
    for mine, theirs in zip(student.cells, teacher.cells, strict=True):
        for name, weight in theirs.named_parameters():
            if name.startswith("inputs.") and name.endswith(".1.weight"):
                mine.get_parameter(name).copy_(weight)


def search(arm: str, seed: int) -> Outcome:
    """Run one search and compare it with what was planted."""
    torch.set_num_threads(1)
    planted, store = problem(seed)
    genotype = planted.genotype
    generator = torch.Generator().manual_seed(derive_seed(seed, "student"))
    student = SearchNetwork(planted.backbone, CELL, generator)
    give_projections(student, planted.teacher)
    stage = SearchStage(
        student,
        store,
        SCHEME,
        SEARCH,
        BATCHES,
        ARMS[arm],
        seed=derive_seed(seed, "batches"),
        device=torch.device("cpu"),
    )
    begun = time.perf_counter()
    report: Mapping[str, Any] = stage.step().values
    while not (stage.done or report["converged"]):
        report = stage.step().values
    seconds = time.perf_counter() - begun
    found = stage.discretise()
    weights = stage.history.operation_closing.copy()
    right = 0
    for edge, operation in genotype.cells[0].genes:
        row = CELL.topology.edges.index(edge)
        leader = OPERATIONS[1 + int(np.argmax(weights[row, 1:]))]
        alive = bool(stage.history.live_edges[row])
        right += int(alive and FAMILY[leader] == FAMILY[operation])
    pairs = [
        {g.source for g in found.genotype.cells[0].nodes[node]}
        == {g.source for g in genotype.cells[0].nodes[node]}
        for node, target in enumerate(CELL.topology.targets)
        if len(CELL.topology.incoming(target)) > 2
    ]
    return Outcome(
        arm,
        seed,
        right,
        len(genotype.cells[0].genes),
        sum(pairs),
        len(pairs),
        stage.epoch,
        int(report["op_evaluations"]),
        seconds,
        report["leader_median"],
        len(found.undecided),
        found.genotype.to_json(),
        dice_of(seed, arm, found.genotype),
    )


def dice_of(seed: int, name: str, genotype: Genotype) -> float:
    """Val Dice of a cell, trained as the search trains; ``name`` seeds its initial weights."""
    planted, store = problem(seed)
    generator = torch.Generator().manual_seed(derive_seed(seed, "check", name))
    network = DerivedNetwork(planted.backbone, genotype, CELL, generator)
    network.projections.load_state_dict(planted.teacher.projections.state_dict())
    stage = SupervisedStage(
        network,
        retrained(network, "cells", rate=1.0),
        store,
        SCHEME,
        RetrainSettings(epochs=20, unfreeze="cells", optimiser=SEARCH.weights, validate_every=20),
        BATCHES,
        seed=derive_seed(seed, "batches"),
        device=torch.device("cpu"),
    )
    while not stage.done:
        stage.step()
    return stage.best.score


def trained_anew(seed: int) -> dict[str, float]:
    """Val Dice of the planted cell and of a random one."""
    torch.set_num_threads(1)
    other = draw_cell(CELL.topology, np.random.default_rng(derive_seed(seed, "other")))
    cells = {"planted": problem(seed)[0].genotype, "random": other}
    return {"seed": seed} | {name: dice_of(seed, name, cell) for name, cell in cells.items()}


def arms_of(outcomes: Sequence[Outcome]) -> list[str]:
    """The arms that were run, in order."""
    return [arm for arm in ARMS if any(one.arm == arm for one in outcomes)]


def chance_of_a_pair() -> float:
    """Chance of a node's pair of edges; the same for every node that has a choice."""
    (chance,) = {
        1 / math.comb(len(CELL.topology.incoming(t)), 2)
        for t in CELL.topology.targets
        if len(CELL.topology.incoming(t)) > 2
    }
    return chance


def show(console: Console, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Print rates against chance, with exact binomial tests."""
    table = Table(title="Planted cells recovered")
    for heading in (
        "arm",
        "families",
        "chance",
        "p",
        "edge pairs",
        "chance",
        "p",
        "median epochs",
        "median op evaluations",
        "undecided edges",
    ):
        table.add_column(heading, justify="right")
    summary: dict[str, object] = {}
    for arm in arms_of(outcomes):
        mine = [one for one in outcomes if one.arm == arm]
        families = binomtest(
            sum(o.families_right for o in mine),
            sum(o.families for o in mine),
            1 / 3,
            alternative="greater",
        )
        pairs = binomtest(
            sum(o.pairs_right for o in mine),
            sum(o.pairs for o in mine),
            chance_of_a_pair(),
            alternative="greater",
        )
        table.add_row(
            arm,
            f"{families.k}/{families.n}",
            "1/3",
            f"{families.pvalue:.2g}",
            f"{pairs.k}/{pairs.n}",
            f"{chance_of_a_pair():.2f}",
            f"{pairs.pvalue:.2g}",
            f"{np.median([o.epochs for o in mine]):.0f}",
            f"{np.median([o.op_evaluations for o in mine]):.0f}",
            f"{sum(o.undecided for o in mine)}/{families.n}",
        )
        summary[arm] = {
            "families": [families.k, families.n, families.pvalue],
            "pairs": [pairs.k, pairs.n, pairs.pvalue],
        }
    console.print(table)
    return summary


def worth(
    outcomes: Sequence[Outcome], checks: Sequence[dict[str, float]]
) -> dict[str, dict[str, float]]:
    """What found cells are worth between a random one and the planted one, paired by seed."""
    anchors = {int(one["seed"]): one for one in checks}
    found = {}
    for arm in arms_of(outcomes):
        mine = [one for one in outcomes if one.arm == arm]
        random = np.array([anchors[one.seed]["random"] for one in mine])
        planted = np.array([anchors[one.seed]["planted"] for one in mine])
        dice = np.array([one.dice for one in mine])
        found[arm] = {
            "seeds": len(mine),
            "random": float(random.mean()),
            "found": float(dice.mean()),
            "planted": float(planted.mean()),
            "found_above_random": int((dice > random).sum()),
            "p": float(wilcoxon(dice, random, alternative="greater").pvalue),
        }
    return found


def show_worth(console: Console, rows: dict[str, dict[str, float]]) -> None:
    """Print :func:`worth`."""
    table = Table(title="Mean val Dice of cells trained anew")
    for heading in ("arm", "seeds", "random", "found", "planted", "found above random", "p"):
        table.add_column(heading, justify="right")
    for arm, row in rows.items():
        dice = (f"{row[name]:.3f}" for name in ("random", "found", "planted"))
        above = f"{row['found_above_random']} of {row['seeds']}"
        table.add_row(arm, str(row["seeds"]), *dice, above, f"{row['p']:.2g}")
    console.print(table)


def _told(outcome: Outcome) -> Outcome:
    print(outcome, flush=True)
    return outcome


def known(path: Path) -> tuple[list[Outcome], list[dict[str, float]]]:
    """Outcomes and checks of an earlier run, which must have had the same settings."""
    if not path.exists():
        return [], []
    earlier = json.loads(path.read_text(encoding="utf-8"))
    if earlier["settings"] != settings() or "worth" not in earlier:
        sys.exit(f"{path} was made with other settings or has no cells trained anew: name another")
    return [Outcome(**one) for one in earlier["outcomes"]], earlier["trained_anew"]


def settings() -> dict[str, Any]:
    """What every outcome depends on."""
    return {
        "cell": json.loads(CELL.model_dump_json()),
        "search": json.loads(SEARCH.model_dump_json()),
    }


def main() -> None:
    """Run all searches, two processes at a time, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--add", action="store_true", help="to the outcomes that are there")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "planted.json")
    options = parser.parse_args()
    before, checks = known(options.out) if options.add else ([], [])
    seeds = range(options.first, options.first + options.seeds)
    jobs = [(arm, seed) for seed in seeds for arm in options.arms]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        found = pool.map(search, *zip(*jobs, strict=True))
        known_seeds = {one["seed"] for one in checks}
        fresh = pool.map(trained_anew, [seed for seed in seeds if seed not in known_seeds])
        outcomes = [*before, *(_told(outcome) for outcome in found)]
        checks = [*checks, *fresh]
    summary = show(Console(), outcomes)
    value = worth(outcomes, checks)
    show_worth(Console(), value)
    environment = describe_environment()
    environment["command"] = ["python", "-m", "benchmarks.planted", *sys.argv[1:]]
    write_json(
        options.out,
        {
            "environment": environment,
            "summary": summary,
            "worth": value,
            "trained_anew": checks,
            "settings": settings(),
            "outcomes": [asdict(outcome) for outcome in outcomes],
        },
    )


if __name__ == "__main__":
    main()
