"""Run folders as a sweep leaves them, at any stage of it; every file by its own writer."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.overlay_file import OVERLAYS, Overlay, write_overlays
from distributed_iac.evaluation.patients_table import ScoredModel, patients_table, write_patients
from distributed_iac.files import write_json
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.pruning.discretise import discretise
from distributed_iac.report.run_figures import RunFigures, run_figures
from distributed_iac.report.run_record import RunRecord, read_run
from distributed_iac.report.run_tables import run_tables
from distributed_iac.report.tables import Table
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.journal import Journal
from distributed_iac.run.result import write_result
from distributed_iac.run.run_folder import claim_run_folder
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.run.work.contract import EPOCHS, GENOTYPE, HISTORY, PATIENTS
from distributed_iac.seeds import derive_seed
from distributed_iac.training.outputs import write_cell, write_rows

TOPOLOGY = CellTopology(2, 3)
LEVELS = {"plain": 0.78, "plain_extra": 0.79, "random": 0.80, "full": 0.83, "lth": 0.828}
VARIANTS: dict[str, Any] = {
    "augmented": {},
    "unaugmented": {"batches": {"augmentation": "none"}},
    "longer": {"retrain": {"epochs": 150}},
}
SHIFTS = {"unaugmented": -0.03}
"""By how much Dice is another one in a variant."""
FULL, LTH = 40, 12
HOSTILE = 'diverged in epoch 7 <script>alert(1)</script> & "more"'
WORKERS = 3


@dataclass
class Clock:
    """Seconds since 1970, moved by hand."""

    now: float = 1.7e9

    def __call__(self) -> float:
        return self.now


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Builds a run folder below ``tmp_path``.

    Args:
        stop_after: Jobs that ended; None: all.
        failed: Keys of jobs that failed; what needs them is skipped.
        values: Settings that replace the usual ones.
    """

    def make(stop_after: int | None = None, failed: Iterable[str] = (), **values: Any) -> Path:
        return write_run(tmp_path, stop_after, frozenset(failed), values)

    return make


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two data sets and two seeds, everything done; not to be written to."""
    place = tmp_path_factory.mktemp("finished")
    data = [{"name": name, "source": place / name} for name in ("acdc", "kits")]
    return write_run(place, None, frozenset(), {"data": data, "seeds": [0, 1]})


@pytest.fixture(scope="session")
def varied_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data set and two seeds in three variants, everything done; not to be written to."""
    values = {"seeds": [0, 1], "controls": ["plain", "random"], "variants": VARIANTS}
    return write_run(tmp_path_factory.mktemp("varied"), None, frozenset(), values)


@pytest.fixture(scope="session")
def finished(finished_run: Path) -> RunRecord:
    """The same, read."""
    return read_run(finished_run)


@pytest.fixture(scope="session")
def finished_tables(finished: RunRecord) -> dict[str, Table]:
    """Its tables."""
    return run_tables(finished)


@pytest.fixture(scope="session")
def finished_figures(finished: RunRecord) -> RunFigures:
    """Its figures."""
    return run_figures(finished)


def settings(place: Path, values: Mapping[str, Any]) -> RunConfig:
    usual = {
        "name": "run",
        "out": place / "runs",
        "data": [{"name": "acdc", "source": place / "acdc"}],
        "backbones": [{"name": "basic_unet", "features": "tiny"}],
        "baselines": [{"name": "attention_unet", "channels": [4, 4, 4, 4, 4]}],
        "cell": {"nodes": 3},
        "search": {"epochs": FULL, "warmup_epochs": 5},
        "comparison": {"resamples": 200},
        "sweep": {"artifacts": str(place / "artifacts")},
    }
    return RunConfig.model_validate({**usual, **values})


def write_run(
    place: Path, stop_after: int | None, failed: frozenset[str], values: Mapping[str, Any]
) -> Path:
    """Play a sweep of :data:`WORKERS` workers with a clock of its own."""
    config = settings(place, values)
    graph = plan_jobs(config)
    claim_run_folder(config)
    artifacts = Artifacts(place / "artifacts")
    reserved = dict.fromkeys(
        ("prepare", "pretrain", "search", "retrain", "baseline", "evaluate"), Reserved(1.0)
    )
    SweepFolder(config.folder).describe(SweepPlan(graph, str(artifacts.root), reserved))
    clock = Clock()
    journal = Journal(config.folder / "journal.jsonl", clock)
    journal.write("open")
    free = [clock.now] * WORKERS
    finished: dict[str, float] = {}
    for job in graph.jobs():
        if any(need not in finished for need in job.needs):
            continue
        worker = free.index(min(free))
        clock.now = max([free[worker], *(finished[need] for need in job.needs)])
        journal.write("start", job.key)
        if job.key in failed:
            clock.now += 2.0
            journal.write("failed", job.key, {"error": HOSTILE})
            continue
        if stop_after is not None and len(finished) >= stop_after:
            clock.now += 2.0
            journal.write("report", job.key, {"epoch": 1, "seconds": 2.0, "js_mean": 0.2})
            break
        seconds = keep(artifacts, job, journal)
        free[worker] = finished[job.key] = clock.now = clock.now + seconds
        journal.write("end", job.key, {"digest": digest_of(job)})
    return config.folder


def digest_of(job: Job) -> str:
    return hashlib.sha256(job.key.encode()).hexdigest()


def keep(artifacts: Artifacts, job: Job, journal: Journal) -> float:
    """Keep a job's result; return its seconds."""
    rng = np.random.default_rng(derive_seed(0, job.key))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows, final = KINDS[job.kind](folder, job, rng)
        write_result(folder, job, digest_of(job), rows, final)
        artifacts.put(digest_of(job), folder)
    for row in rows:
        journal.write("report", job.key, {**row, "digest": digest_of(job)})
    return sum(row["seconds"] for row in rows)


Kept = tuple[list[dict[str, Any]], dict[str, Any]]


def prepared(_folder: Path, _job: Job, _rng: np.random.Generator) -> Kept:
    sizes = {"patients": 20, "cases": 40, "slices": 400, "skipped_cases": 1}
    facts = {"stop_reason": "done", "warnings": "P01_pre looks like P01_post\nz.png: not used"}
    return [{"epoch": 1, "seconds": 3.0}], {**facts, **sizes}


def trained(folder: Path, job: Job, rng: np.random.Generator) -> Kept:
    rows = [{"epoch": e, "loss": 1 / e, "val_dice": 0.7, "seconds": 1.5} for e in range(1, 9)]
    write_rows(folder / EPOCHS, rows)
    if job.kind != "pretrain":
        score(folder, job, rng)
    return rows, {"val_dice": 0.81, "best_epoch": 6, "stop_reason": "all epochs", **cell_facts(job)}


def cell_facts(job: Job) -> dict[str, Any]:
    """A control's cell that nobody searched."""
    if job.name != "random":
        return {}
    genotype = discretise(simulate(np.random.default_rng(9), 1, 0.0), "shared").genotype
    return {"genotype_id": genotype.id, "genotype": genotype.to_json()}


def searched(folder: Path, job: Job, rng: np.random.Generator) -> Kept:
    count = FULL if job.name == "full" else LTH + 3 * (job.seed or 0)
    history = simulate(rng, count, 0.25)
    cell = discretise(history, "shared")
    live = len(TOPOLOGY.edges) * len(OPERATIONS)
    rows = [
        {
            "epoch": e,
            "val_dice": 0.7 + 0.1 * (1 - np.exp(-e / 10)),
            "cut_val_dice": None if e < 6 else 0.65 + 0.15 * (1 - np.exp(-e / 10)),
            "js_mean": float("nan") if e < 4 else 0.3 * np.exp(-e / 4),
            "js_max": float("nan") if e < 4 else 0.5 * np.exp(-e / 4),
            "entropy": 0.4 + 0.6 * np.exp(-e / 15),
            "live_operations": live if job.name == "full" else max(9, live - 5 * e),
            "undecided_edges": 1,
            "op_evaluations": 1000 * e,
            "full_epochs": float(e),
            "seconds": 4.0 + 0.1 * rng.random(),
        }
        for e in range(1, count + 1)
    ]
    write_rows(folder / EPOCHS, rows)
    write_cell(folder / GENOTYPE, cell, {"group": job.group, "arm": job.name, "seed": job.seed})
    write_json(folder / HISTORY, history.to_state())
    reason = "all epochs" if job.name == "full" else "converged: every edge has one operation"
    return rows, {
        "val_dice": rows[-1]["val_dice"],
        "best_epoch": count,
        "stop_reason": reason,
        "op_evaluations": 1000 * count,
        "full_epochs": float(count),
        "genotype_id": cell.genotype.id,
        "verdict": cell.distinction.verdict,
        "undecided": cell.distinction.undecided,
        "confidence": sum(edge.confidence for edge in cell.kept) / len(cell.kept),
        "discrete_val_dice": 0.76 + 0.01 * (job.seed or 0),
        "cell_parameters": 12000,
        "cell_macs": 3_400_000,
    }


def simulate(rng: np.random.Generator, epochs: int, step: float) -> ImportanceHistory:
    """A random walk with a drift of its own on every edge."""
    history = ImportanceHistory.start(TOPOLOGY)
    rows = len(TOPOLOGY.edges)
    alpha, drift = np.zeros((rows, len(OPERATIONS))), rng.normal(0, step, (rows, len(OPERATIONS)))
    drift[0] = 0.0
    for epoch in range(1, epochs + 1):
        samples = []
        for _ in range(3):
            alpha = alpha + drift + rng.normal(0, 0.05, alpha.shape)
            samples.append(np.exp(alpha) / np.exp(alpha).sum(axis=1, keepdims=True))
        history = history.observe(epoch, np.stack(samples), np.stack([edges()] * 3))
    return history


def edges() -> np.ndarray:
    """Equal weights of the incoming edges of every node."""
    incoming = [edge.target for edge in TOPOLOGY.edges]
    return np.array([1 / incoming.count(target) for target in incoming])


def scored(folder: Path, job: Job, rng: np.random.Generator) -> Kept:
    score(folder, job, rng)
    final = {"val_dice": 0.78, "stop_reason": "done"}
    return [{"epoch": 1, "val_dice": 0.78, "seconds": 1.0}], final


def score(folder: Path, job: Job, rng: np.random.Generator) -> None:
    model = ScoredModel(job.address, job.dataset, job.backbone, job.name, job.arm, job.seed)
    rows = patient_rows(job, rng)
    write_patients(folder / PATIENTS, patients_table(model, rows))
    write_overlays(folder / OVERLAYS, overlays(rows))


def patient_rows(job: Job, rng: np.random.Generator) -> list[CaseScore]:
    patients = np.random.default_rng(derive_seed(0, job.dataset)).normal(0, 0.05, 8)
    level = LEVELS.get(job.name, 0.77) + SHIFTS.get(job.variant, 0.0)
    return [
        CaseScore(
            patient_id=f"{job.dataset}_{number:03d}",
            case_id=f"{job.dataset}_{number:03d}_a",
            target=target,
            dice=float(np.clip(level + patient + rng.normal(0, 0.005), 0, 1)),
            hd95=5 - 2 * level + rng.random() if (number, target) != (7, "tumour") else np.nan,
            surface_dice=None,
            tolerance=None,
            label_ml=30.0,
            predicted_ml=31.0,
            phase=None,
            empty_policy="nan",
        )
        for number, patient in enumerate(patients)
        for target in ("organ", "tumour")
    ]


def overlays(rows: Sequence[CaseScore]) -> list[Overlay]:
    y, x = np.mgrid[:48, :40]
    label = (np.hypot(y - 24, x - 20) < 12).astype(np.uint8) + (np.hypot(y - 20, x - 22) < 5)
    return [
        Overlay(
            role=role,
            patient_id=rows[number].patient_id,
            case_id=rows[number].case_id,
            dice=0.9 if role == "best" else 0.5,
            slice_number=5,
            slices=10,
            spacing=(1.5, 1.5),
            classes={1: "organ", 2: "tumour"},
            image=(100 + 60 * label + 10 * np.sin(x)).astype(np.uint8),
            label=label.astype(np.uint8),
            predicted=np.roll(label, shift, axis=1).astype(np.uint8),
        )
        for role, number, shift in (("best", 0, 1), ("worst", 4, 6))
    ]


KINDS = {
    "prepare": prepared,
    "pretrain": trained,
    "search": searched,
    "retrain": trained,
    "baseline": trained,
    "evaluate": scored,
}
