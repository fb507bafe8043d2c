"""A run folder whose jobs report, are lost, start again and finish at a test's word."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from distributed_iac.config.pruning import PruningSettings
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.patients_table import ScoredModel, patients_table, write_patients
from distributed_iac.files import write_json
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.arrays import restrict
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.pruning.discretise import discretise
from distributed_iac.pruning.policy import policy_from
from distributed_iac.report.tensorboard.run_board import RunBoard
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.result import write_result
from distributed_iac.run.run_folder import MARK
from distributed_iac.run.search_payload import payload_text
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.run.work.contract import (
    DECISIONS,
    EPOCHS,
    GENOTYPE,
    HISTORY,
    PATIENTS,
)
from distributed_iac.training.outputs import write_cell, write_rows

TOPOLOGY = CellTopology(2, 2)
STAGES = PruningSettings.model_validate(
    {"policy": "schedule", "schedule": {"at": [4, 6, 8], "keep": [4, 2, 1]}}
)
GROUP = "acdc/basic_unet-tiny"


class Search:
    """A search that prunes: its reports, and in the end its files."""

    def __init__(self, seed: int, settings: PruningSettings = STAGES) -> None:
        self.rng = np.random.default_rng(seed)
        self.history = ImportanceHistory.start(TOPOLOGY)
        self.policy = policy_from(settings)
        self.alpha = np.zeros((len(TOPOLOGY.edges), len(OPERATIONS)))
        self.decisions: list[dict[str, Any]] = []

    def step(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Scalars of the next epoch, and its payload."""
        epoch = self.history.observed + 1
        self.alpha = self.alpha + self.rng.normal(0, 0.3, self.alpha.shape)
        layout = self.history.layout
        weights = restrict(np.exp(self.alpha), self.history.live_operations)
        live_slots = layout.gather(self.history.live_edges)
        beta = layout.scatter(restrict(np.ones(live_slots.shape), live_slots))
        self.history = self.history.observe(epoch, weights[None], beta[None])
        seen = self.history.epochs[-1]
        decision = self.policy.decide(self.history)
        self.history = self.history.prune(decision.removals)
        if decision.says_something:
            self.decisions.append(decision.to_dict())
        row = {
            "epoch": epoch,
            "val_dice": 0.5 + 0.01 * epoch + 0.001 * self.rng.random(),
            "js_mean": float("nan") if epoch < 3 else 1.0 / epoch,
            "entropy": 1.0 / epoch,
            "live_operations": int(self.history.live_operations.sum()),
            "full_epochs": 0.5 * epoch,
            "op_evaluations": 100 * epoch,
            "genotype": discretise(self.history, "shared").genotype.to_json(),
        }
        return row, {"operations": seen.operations, "edges": seen.edges, "decision": decision}


@dataclass
class Run:
    """A run folder, with a clock that is moved by its own events."""

    folder: Path
    jobs: tuple[Job, ...]
    now: float = 1.7e9
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.artifacts = Artifacts(self.folder.parent / "artifacts")
        reserved = dict.fromkeys({job.kind for job in self.jobs}, Reserved(1.0))
        plan = SweepPlan(JobGraph(self.jobs), str(self.artifacts.root), reserved)
        SweepFolder(self.folder).describe(plan)
        arms = {"full": {"policy": "none"}, "lth": {"policy": "js", "stability": {"window": 5}}}
        write_json(self.folder / MARK, {"arms": arms})
        self.write("open")

    def __getitem__(self, key: str) -> Job:
        return next(job for job in self.jobs if job.key == f"{GROUP}/{key}")

    def write(self, kind: Any, job: str = "", values: Mapping[str, Any] | None = None) -> None:
        self.now += 1.0
        journal = SweepFolder(self.folder).journal
        type(journal)(journal.path, clock=lambda: self.now).write(kind, job, values)

    def start(self, key: str) -> None:
        self.write("start", self[key].key)

    def epochs(self, key: str, count: int) -> None:
        """Train and report."""
        for _ in range(count):
            self.epoch(key)
            self.report(key)

    def epoch(self, key: str) -> None:
        """Train an epoch whose report never arrives."""
        job, rows = self[key], self.rows.setdefault(key, [])
        row: dict[str, Any] = {"epoch": len(rows) + 1, "loss": 1.0 / (len(rows) + 1)}
        if job.kind == "search":
            search = self.searches.setdefault(key, Search(job.seed or 0))
            row, payload = search.step()
            self.payload = payload_text(payload)
        else:
            self.payload = {}
        rows.append({**row, "seconds": 2.5, "total_seconds": 2.5 * (len(rows) + 1)})

    def report(self, key: str, epoch: int | None = None, **changed: Any) -> None:
        """Report an epoch, the last one if none is named."""
        row = self.rows[key][-1 if epoch is None else epoch - 1]
        row.update(changed)
        payload = self.payload if epoch is None else {}
        self.write("report", self[key].key, {**row, **payload, "digest": self.digest(key)})

    def digest(self, key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    def finish(self, key: str) -> None:
        """Keep the result, and say so."""
        job, rows = self[key], self.rows[key]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_rows(folder / EPOCHS, rows)
            final: dict[str, Any] = {"val_dice": 0.75, "stop_reason": "converged: all settled"}
            if job.kind == "search":
                self._search_files(folder, key)
                final |= {"genotype_id": "x", "op_evaluations": 100 * len(rows)}
            if job.kind == "retrain":
                model = ScoredModel(job.key, job.dataset, job.backbone, job.name, job.arm, job.seed)
                write_patients(folder / PATIENTS, patients_table(model, patients()))
            write_result(folder, job, self.digest(key), rows, final)
            self.artifacts.put(self.digest(key), folder)
        self.write("stop", job.key, {"code": "converged", "reason": "nothing is left to decide"})
        self.write("end", job.key, {"digest": self.digest(key)})

    def _search_files(self, folder: Path, key: str) -> None:
        search = self.searches[key]
        cell = discretise(search.history, "shared")
        write_cell(folder / GENOTYPE, cell, {"group": GROUP, "arm": self[key].name, "seed": 0})
        write_json(folder / HISTORY, search.history.to_state())
        write_json(folder / DECISIONS, search.decisions)


def patients() -> list[CaseScore]:
    """Two patients, 0.8 and 0.9; one HD95 is undefined."""
    return [
        CaseScore(
            patient_id=f"p{number}",
            case_id=f"p{number}",
            target="organ",
            dice=0.8 + 0.1 * number,
            hd95=4.0 if number else float("nan"),
            surface_dice=None,
            tolerance=None,
            label_ml=30.0,
            predicted_ml=31.0,
            phase=None,
            empty_policy="nan",
        )
        for number in range(2)
    ]


def new_run(place: Path) -> Run:
    """A sweep of one group: two arms, two seeds."""
    names = ("acdc", "basic_unet-tiny")
    pretrain = Job("pretrain", *names)
    searches = [
        Job("search", *names, arm, seed, (pretrain.key,))
        for arm in ("full", "lth")
        for seed in (0, 1)
    ]
    retrain = Job("retrain", *names, "lth", 0, (searches[2].key,))
    return Run(place / "run", (pretrain, *searches, retrain))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A sweep that has not begun."""
    return new_run(tmp_path)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A sweep that is over and shown; to be looked at only."""
    run = new_run(tmp_path_factory.mktemp("finished"))
    plan = {"pretrain": 3}
    for arm, count in (("full", 10), ("lth", 9)):
        plan |= {f"search/{arm}/seed{seed}": count - seed for seed in (0, 1)}
    plan["retrain/lth/seed0"] = 2
    for key in plan:
        run.start(key)
        run.epochs(key, plan[key])
        run.finish(key)
    RunBoard(run.folder).update()
    return run


class Board:
    """What TensorBoard itself reads from a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tensorboard"

    def runs(self) -> set[str]:
        files = self.folder.rglob("events.out.tfevents.*")
        return {str(path.parent.relative_to(self.folder)) for path in files}

    def read(self, run: str) -> EventAccumulator:
        """Everything; the accumulator itself would thin out long series."""
        accumulator = EventAccumulator(
            str(self.folder / run), dict.fromkeys(("scalars", "images", "histograms", "tensors"), 0)
        )
        return accumulator.Reload()

    def scalars(self, run: str, tag: str) -> list[tuple[int, float]]:
        return [(one.step, one.value) for one in self.read(run).Scalars(tag)]

    def texts(self, run: str, tag: str) -> dict[int, str]:
        """Markdown by step."""
        found = self.read(run).Tensors(f"{tag}")
        return {one.step: one.tensor_proto.string_val[0].decode() for one in found}

    def file(self, run: str) -> Path:
        files = (self.folder / run).glob("events.out.tfevents.*")
        (path,) = (path for path in files if path.stat().st_size)
        return path

    def raw(self, run: str) -> list[tuple[str, int]]:
        """Tag and step of every value in the file, read as it is: nothing purged."""
        return [
            (value.tag, event.step)
            for event in LegacyEventFileLoader(str(self.file(run))).Load()
            for value in event.summary.value
        ]


@pytest.fixture
def board(run: Run) -> Board:
    """Its TensorBoard folder."""
    return Board(run.folder)


@pytest.fixture
def finished_board(finished_run: Run) -> Board:
    """The finished sweep's TensorBoard folder."""
    return Board(finished_run.folder)


@pytest.fixture
def search() -> Search:
    """A search that has not begun."""
    return Search(0)
