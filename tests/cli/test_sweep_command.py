"""``distributed-iac sweep`` on a real Ray: once from raw files to tables, then again and again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from distributed_iac.phantom import make_phantom
from distributed_iac.run.cells import read_search
from distributed_iac.run.collect import collect_run
from distributed_iac.run.result import read_result

PATIENCE = 900.0
"""Seconds; many times what it takes, for crowded machines."""

CONFIG = """
name: {name}
out: {root}/runs
stores: {root}/stores
device: cpu
threads: 1
data:
- {{name: hearts, source: {root}/raw, split: {split},
    preprocess: {{spacing: [2.4, 2.0], patch: [48, 48], workers: 1}}}}
backbones: [{{name: basic_unet, features: [4, 4, 4, 8, 8, 4], label: unet}}]
cell: {{nodes: 1, partial_channels: 2}}
batches: {{batch_size: 4, steps_per_epoch: 2, augmentation: none}}
pretrain: {{epochs: 1}}
search: {{epochs: 3, warmup_epochs: 0}}
retrain: {{epochs: 1}}
scheduler: {{budget: {{epochs: 2}}}}
sweep: {{cpus: 2, workers: reused}}
"""
SPLIT = "{fractions: {weights: 0.4, architecture: 0.3, val: 0.15, test: 0.15}}"

BROKEN = "{name: broken, source: %s, format: acdc}"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def sweep(config: Path, *options: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", "sweep", str(config), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def write_config(root: Path, name: str) -> Path:
    path = root / f"{name}.yaml"
    path.write_text(CONFIG.format(root=root, name=name, split=SPLIT), encoding="utf-8")
    return path


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in pq.read_table(folder / "jobs.parquet").to_pylist()}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    make_phantom("acdc", folder / "raw", patients=6, seed=0, size="tiny")
    return folder


@pytest.fixture(scope="session")
def first(root: Path) -> Done:
    return sweep(write_config(root, "first"))


@pytest.mark.slow
def test_every_job_of_a_first_sweep_is_done(root: Path, first: Done) -> None:
    assert first.code == 0, first.err
    assert "9/9 jobs done" in first.out
    table = rows(root / "runs" / "first")
    assert {row["status"] for row in table.values()} == {"done"}
    assert {row["kind"] for row in table.values()} == {
        *("prepare", "pretrain", "search", "retrain", "evaluate")
    }
    assert all(row["losses"] == 0 for row in table.values())


@pytest.mark.slow
def test_a_sweep_that_ends_leaves_its_report_and_prints_the_headlines(
    root: Path, first: Done
) -> None:
    assert first.code == 0, first.err
    folder = root / "runs" / "first"
    assert f"{folder / 'report.html'}: complete: 9 jobs" in first.out
    for headline in ("Search time, full over lth: ", "Test Dice, lth less full: "):
        assert headline in first.out
    assert (folder / "report.html").read_text().endswith("</html>\n")
    assert (folder / "selection.json").exists()
    assert list((folder / "tables").glob("*.md"))
    assert list((folder / "figures").glob("*.svg"))


@pytest.mark.slow
def test_lth_is_stopped_with_a_reason_and_full_never(root: Path, first: Done) -> None:
    assert first.code == 0, first.err
    table = rows(root / "runs" / "first")
    lth, full = (table[f"hearts/unet/search/{arm}/seed0"] for arm in ("lth", "full"))
    assert (lth["stop_code"], lth["epochs"]) == ("budget", 2)
    assert "2" in lth["stop_reason"]
    assert (full["stop_code"], full["epochs"]) == (None, 3)


@pytest.mark.slow
def test_cells_and_scores_of_patients_are_kept(root: Path, first: Done) -> None:
    assert first.code == 0, first.err
    folders = collect_run(root / "runs" / "first").folders
    result = read_result(folders["hearts/unet/search/lth/seed0"])
    search = read_search(folders["hearts/unet/search/lth/seed0"])
    assert search.genotype.id == result["genotype_id"]
    for model in ("lth", "full", "random", "plain_extra"):
        table = pq.read_table(folders[f"hearts/unet/retrain/{model}/seed0"] / "patients.parquet")
        assert table.num_rows
        assert all(0 <= dice <= 1 for dice in table.column("dice").to_pylist() if dice == dice)


@pytest.mark.slow
def test_a_second_start_does_nothing_and_a_report_that_fails_costs_nothing(
    root: Path, first: Done
) -> None:
    assert first.code == 0, first.err
    folder = root / "runs" / "first"
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    before = {one: one.stat().st_mtime_ns for one in (folder / "ray").rglob("*")}
    lines = (folder / "journal.jsonl").read_text().splitlines()
    again = sweep(root / "first.yaml")
    (folder / "report.html").rmdir()
    assert again.code == 0, again.err
    assert "warning: no report was made; all results are kept" in again.err
    assert "report.html" in again.err
    assert "9/9 jobs done" in again.out
    assert {one: one.stat().st_mtime_ns for one in (folder / "ray").rglob("*")} == before
    since = (folder / "journal.jsonl").read_text().splitlines()[len(lines) :]
    assert not [line for line in since if '"start"' in line or '"report"' in line]


@pytest.mark.slow
def test_a_run_of_another_name_takes_over_what_is_done_and_fails_alone(
    root: Path, first: Done
) -> None:
    """Two failures of its own: a data set without files, and retrainings that diverge."""
    assert first.code == 0, first.err
    (root / "empty").mkdir()
    text = write_config(root, "second").read_text()
    text = text.replace("backbones:", f"- {BROKEN % (root / 'empty')}\nbackbones:")
    text = text.replace(
        "\nretrain: {epochs: 1}",
        "\nretrain: {epochs: 1, optimiser: {kind: sgd, learning_rate: 1.0e+30}}",
    )
    (root / "second.yaml").write_text(text)
    done = sweep(root / "second.yaml")
    assert done.code == 4, done.err
    assert "Traceback" not in done.err
    assert "error: broken/prepare: " in done.err
    assert "error: hearts/unet/retrain/lth/seed0: " in done.err
    assert "diverged" in done.err

    table = rows(root / "runs" / "second")
    old = rows(root / "runs" / "first")
    taken_over = [
        "hearts/prepare",
        "hearts/unet/pretrain",
        "hearts/unet/evaluate/plain",
        "hearts/unet/search/lth/seed0",
        "hearts/unet/search/full/seed0",
    ]
    for key in taken_over:
        assert (table[key]["status"], table[key]["digest"]) == ("done", old[key]["digest"])
    journal = (root / "runs" / "second" / "journal.jsonl").read_text().splitlines()
    started = [line for line in journal if '"start"' in line]
    assert not [line for line in started if any(f'"{key}"' in line for key in taken_over)]
    assert table["broken/prepare"]["status"] == "failed"
    assert (root / "runs" / "second" / "report.html").exists(), "of what is there"
    skipped = {key for key, row in table.items() if row["status"] == "skipped"}
    assert skipped == {key for key in table if key.startswith("broken/unet/")}
