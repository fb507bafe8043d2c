"""What does a found cell cost, and what is it worth? Every policy and guard, on planted problems.

    python -m benchmarks.frontier --teachers 0:24             # settings are chosen on these
    python -m benchmarks.frontier --teachers 100:130          # and reported on these
    python -m benchmarks.frontier --list
    python -m benchmarks.frontier --show --figure docs/frontier.svg

A teacher is a problem of :mod:`distributed_iac.phantom.planted`, as ``distributed-iac phantom
planted`` writes it. Every arm of :mod:`benchmarks.frontier_arms` searches in it, the full one for
its 200 epochs; a search sees what a user's would, and starts from nothing of the teacher's. What
an arm found is trained anew, and so are the planted cell and random ones: the worth of a cell is
the share of the gap between the random ones' mean test Dice and the planted one's. The cost is
operation evaluations, and seconds that one thread computed.

One JSON line a finished unit, so the same command continues where it was stopped; several may
write for different teachers at once. Teachers from 100 on are held out: of every family only that
arm runs there which on the first ones was the cheapest to reach 95 % of what full reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.blind_pruning import BlindPolicy
from benchmarks.frontier_arms import (
    ARMS,
    DEFAULT,
    EQUAL,
    FULL,
    RANKS,
    STOPS,
    TRIES,
    Arm,
    made_of,
    random_cell,
    stop,
)
from benchmarks.frontier_table import HELD_OUT, chosen, last_line, show
from benchmarks.harness import RESULTS, options
from benchmarks.memory_store import MemoryStore
from distributed_iac.agreement import gene_agreement
from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork
from distributed_iac.config.base import to_identity, to_plain
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.training import AdamSettings, RetrainSettings, SearchSettings
from distributed_iac.genotype import Genotype
from distributed_iac.importance.layout import Layout
from distributed_iac.phantom.planted import CELL, SCHEME, PlantedPlan, plant_problem
from distributed_iac.provenance import describe_environment
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.pruning.policy import PrunePolicy
from distributed_iac.pruning.rank import RankPolicy
from distributed_iac.seeds import derive_seed
from distributed_iac.training.retrain import retrained
from distributed_iac.training.score import validation_dice
from distributed_iac.training.search import SearchStage
from distributed_iac.training.supervised import SupervisedStage
from distributed_iac.training.targets import TargetCoder

OUT = RESULTS / "frontier.jsonl"
CPU = torch.device("cpu")
TEST_PATIENTS = 24
STEPS_PER_EPOCH = 10
BATCHES = BatchSettings(
    batch_size=4,
    steps_per_epoch=STEPS_PER_EPOCH,
    augmentation="none",
    foreground_fraction=0.0,
)
SEARCH = SearchSettings(
    epochs=200,
    warmup_epochs=5,
    weights=AdamSettings(learning_rate=1e-2),
    architecture=AdamSettings(learning_rate=3e-2, betas=(0.5, 0.999)),
    validate_every=200,
    precision="auto",  # as when the record was begun; on a CPU it is float32
)
"""As ``distributed-iac phantom planted`` writes them; never validated, which no arm asks for."""
STEPS = SEARCH.epochs * STEPS_PER_EPOCH
"""Of every search that goes to its end."""
RETRAIN = RetrainSettings(
    epochs=40,
    unfreeze="cells",
    rates=(1.0,),
    optimiser=AdamSettings(learning_rate=5e-3),
    validate_every=5,
)

Record = dict[str, Any]


class Teacher:
    """A problem, and what is computed on it.

    Args:
        seed: Of the teacher.
        share: How loudly its cell speaks.
        noise: Of its labels.
    """

    def __init__(self, seed: int, share: float, noise: float) -> None:
        self.seed = seed
        plan = PlantedPlan(seed, test_patients=TEST_PATIENTS, share=share, noise=noise)
        problem = plant_problem(plan)
        self.genotype, self._backbone = problem.genotype, problem.backbone
        self.store = MemoryStore(
            problem.images, problem.labels, problem.patients, problem.parts, scheme=SCHEME
        )

    def search(self, arm: Arm, known: Mapping[str, Record]) -> Record:
        """Run a search to its end.

        Args:
            arm: The way.
            known: Searches of this teacher that are done, by arm.
        """
        settings = SearchSettings.model_validate(to_plain(SEARCH) | dict(arm.search))
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "student"))
        network = SearchNetwork(deepcopy(self._backbone), CELL, generator)
        stage = SearchStage(
            network,
            self.store,
            SCHEME,
            settings,
            BATCHES.model_copy(update={"steps_per_epoch": STEPS // settings.epochs}),
            arm.pruning,
            seed=derive_seed(self.seed, "batches"),
            device=CPU,
            policy=self._blind(arm, known),
        )
        return self._followed(stage, arm)

    def _blind(self, arm: Arm, known: Mapping[str, Record]) -> PrunePolicy | None:
        if arm.like is None:
            return None
        decisions = [PruneDecision.from_dict(one) for one in known[arm.like]["decisions"]]
        generator = np.random.default_rng(derive_seed(self.seed, "blind", arm.like))
        return BlindPolicy.like(decisions, Layout(CELL.topology), generator)

    def _followed(self, stage: SearchStage, arm: Arm) -> Record:
        """Epoch by epoch: cost, and in a full search what ends at each of them."""
        costs: list[int] = []
        seconds: list[float] = []
        stops: dict[str, Record] = {}
        open_ranks = {name: RankPolicy(one) for name, one in RANKS.items()}
        begun = time.process_time()
        converged = False
        while not (stage.done or (converged and not arm.to_the_end)):
            report: Mapping[str, Any] = stage.step().values
            converged = bool(report["converged"])
            costs.append(int(report["op_evaluations"]))
            seconds.append(round(time.process_time() - begun, 3))
            if arm.family != FULL or not stage.history.observed:
                continue
            ended = [stop(stage.epoch)] if stage.epoch in STOPS else []
            for name, policy in list(open_ranks.items()):
                if policy.decide(stage.history).converged:
                    ended.append(name)
                    del open_ranks[name]
            for name in ended:
                found = stage.discretise().genotype.to_json()
                stops[name] = {
                    "genotype": found, "epochs": stage.epoch,
                    "op_evaluations": costs[-1], "seconds": seconds[-1],
                }  # fmt: skip
        cut = stage.discretise()
        return {
            "genotype": cut.genotype.to_json(),
            "genes": gene_agreement(cut.genotype, self.genotype).same,
            "epochs": stage.epoch,
            "op_evaluations": costs[-1],
            "seconds": seconds[-1],
            "undecided": len(cut.undecided),
            "verdict": cut.distinction.verdict,
            "costs": costs,
            "clock": seconds,
            "decisions": [one.to_dict() for one in stage.decisions],
            "stops": stops,
        }

    def worth(self, genotype: Genotype) -> Record:
        """Train a cell anew; equal cells get equal weights and batches, whoever found them."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "anew", genotype.id))
        network = DerivedNetwork(deepcopy(self._backbone), genotype, CELL, generator)
        stage = SupervisedStage(
            network,
            retrained(network, "cells", rate=1.0),
            self.store,
            SCHEME,
            RETRAIN,
            BATCHES,
            seed=derive_seed(self.seed, "anew batches"),
            device=CPU,
        )
        begun = time.process_time()
        while not stage.done:
            stage.step()
        seconds = time.process_time() - begun
        network.load_state_dict(stage.best.state)
        network.eval()
        test = validation_dice(
            lambda batch: network(batch.images), self.store, "test", TargetCoder(SCHEME), CPU, 32
        )
        steps = RETRAIN.epochs * BATCHES.steps_per_epoch
        genes = sum(len(cell.genes) for cell in genotype.cells)
        return {
            "val": stage.best.score,
            "test": test,
            "planted": genotype == self.genotype,
            "seconds": seconds,
            "op_evaluations": steps * genes * len(network.cells),
        }


@dataclass(frozen=True)
class Unit:
    """A line of the record.

    Args:
        teacher: Seed of the teacher.
        kind: ``search`` or ``worth``.
        name: The arm, or the identifier of a genotype.
        genotype: Of a ``worth``, as JSON.
    """

    teacher: int
    kind: str
    name: str
    genotype: str = ""

    @property
    def key(self) -> tuple[int, str, str]:
        """What it is known by."""
        return self.teacher, self.kind, self.name


class Journal:
    """Finished units, one JSON line each.

    Args:
        path: The file.
        settings: What every unit depends on; a file of others is refused.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.settings = path, dict(settings)
        self.records: dict[tuple[int, str, str], Record] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:  # cut short by a kill: done again
                continue
            if "environment" in record and record["settings"] != self.settings:
                sys.exit(f"{path} was made with other settings: name another with --out")
            if "kind" in record and _is_of_today(record):
                self.records[record["teacher"], record["kind"], record["name"]] = record

    def add(self, unit: Unit, found: Record) -> None:
        """Keep a finished unit; whole lines, so that several processes may write."""
        record = {"teacher": unit.teacher, "kind": unit.kind, "name": unit.name, **found}
        self.records[unit.key] = record
        self._write(record)

    def begin(self) -> None:
        """Say with what the lines that follow are made."""
        environment = describe_environment()
        environment["command"] = ["python", "-m", "benchmarks.frontier", *sys.argv[1:]]
        self._write({"environment": environment, "settings": self.settings})

    def _write(self, record: Record) -> None:
        ended = not self.path.exists() or self.path.read_bytes()[-1:] in (b"", b"\n")
        text = ("" if ended else "\n") + json.dumps(record, separators=(",", ":")) + "\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)

    def searches(self, teacher: int) -> dict[str, Record]:
        """Finished searches of a teacher, by arm."""
        return {
            name: record
            for (owner, kind, name), record in self.records.items()
            if (owner, kind) == (teacher, "search")
        }

    @cached_property
    def _typical(self) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for (_, kind, name), record in self.records.items():
            found.setdefault(name if kind == "search" else kind, []).append(record["seconds"])
        return {name: float(np.median(values)) for name, values in found.items()}

    def expected(self, unit: Unit) -> float:
        """Seconds that a unit takes, by the others of its kind; 60 where there is none."""
        return self._typical.get(unit.name if unit.kind == "search" else unit.kind, 60.0)


def units_of(teacher: Teacher, arms: Sequence[str], journal: Journal) -> Iterator[Unit]:
    """What is to be computed on a teacher, in order; what searches found as it becomes known."""
    for arm in arms:
        yield Unit(teacher.seed, "search", arm)
    cells = [teacher.genotype, *(random_cell(teacher.seed, i) for i in range(max(TRIES)))]
    wanted = {*map(stop, STOPS), *RANKS}
    if teacher.seed >= HELD_OUT:
        wanted = {*chosen(journal.records), *EQUAL}
    for found in journal.searches(teacher.seed).values():
        ends = [found, *(one for name, one in found["stops"].items() if name in wanted)]
        cells += (Genotype.from_json(one["genotype"]) for one in ends)
    for cell in dict.fromkeys(cells):
        yield Unit(teacher.seed, "worth", cell.id, cell.to_json())


def _is_of_today(record: Record) -> bool:
    """Whether a search was one of an arm as it is now; cells are worth what they were."""
    if record["kind"] != "search":
        return True
    return record["name"] in ARMS and record["made_of"] == made_of(record["name"])


def compute(unit: Unit, teacher: Teacher, journal: Journal) -> Record:
    """Do a unit."""
    if unit.kind == "search":
        found = teacher.search(ARMS[unit.name], journal.searches(teacher.seed))
        return {"made_of": made_of(unit.name), **found}
    return teacher.worth(Genotype.from_json(unit.genotype))


def settings(share: float, noise: float) -> dict[str, Any]:
    """What every unit depends on beside its arm."""
    return {
        "share": share,
        "noise": noise,
        "cell": to_identity(CELL),
        "search": to_identity(SEARCH),
        "retrain": to_identity(RETRAIN),
        "batches": to_identity(BATCHES),
    }


def arms_for(seed: int, named: Sequence[str] | None, journal: Journal) -> list[str]:
    """Arms of a teacher, each after the one that it is like."""
    wanted = list(named or ARMS)
    if named is None and seed >= HELD_OUT:
        reported = {FULL, DEFAULT, *EQUAL, *chosen(journal.records)}
        wanted = [name for name in ARMS if name in reported]
    needed = [ARMS[name].like for name in wanted]
    return [name for name in ARMS if name in wanted or name in needed]


def seeds(text: str) -> range:
    """``A:B`` as seeds."""
    try:
        first, last = map(int, text.split(":"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"0:24, say, not {text}") from error
    return range(first, last)


def main() -> None:
    """Compute what is missing, or show what there is."""
    parser = options(__doc__)
    parser.add_argument(
        "--teachers", type=seeds, default="0:24", metavar="A:B", help="seeds from A to below B"
    )
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), help="only these")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the cell; with an --out of its own"
    )
    parser.add_argument("--noise", type=float, default=0.0, help="of the labels")
    parser.add_argument("--budget-minutes", type=float, default=float("inf"))
    parser.add_argument("--list", action="store_true", help="the units, and what each takes")
    parser.add_argument("--show", action="store_true", help="the recorded table")
    parser.add_argument("--figure", type=Path, help="with --show: the frontier, as SVG or PNG")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    journal = Journal(given.out, settings(given.share, given.noise))
    if given.show:
        show(journal.records, given.figure)
        print(last_line(journal.records))
        return
    if given.list:
        _list(given.teachers, given.arms, journal, given.share, given.noise)
        return
    journal.begin()
    ends = time.monotonic() + 60 * given.budget_minutes
    for seed in given.teachers:
        teacher = Teacher(seed, given.share, given.noise)
        for unit in units_of(teacher, arms_for(seed, given.arms, journal), journal):
            if unit.key in journal.records:
                continue
            if time.monotonic() + journal.expected(unit) > ends:
                print("the budget is used up; the same command continues")
                return
            found = compute(unit, teacher, journal)
            journal.add(unit, found)
            print(seed, unit.kind, unit.name, f"{found['seconds']:.1f} s", flush=True)


def _list(
    teachers: Sequence[int],
    arms: Sequence[str] | None,
    journal: Journal,
    share: float,
    noise: float,
) -> None:
    left = 0.0
    for seed in teachers:
        for unit in units_of(Teacher(seed, share, noise), arms_for(seed, arms, journal), journal):
            done, takes = unit.key in journal.records, journal.expected(unit)
            left += 0.0 if done else takes
            print(*unit.key, "done" if done else f"{takes:.0f} s")
    print(f"{left / 60:.0f} minutes are left, and what newly found cells take")


if __name__ == "__main__":
    main()
