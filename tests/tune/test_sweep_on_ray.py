"""Whole sweeps on a real Ray: of scripted jobs, and of real training over several nodes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster

from benchmarks.endings import Ending
from benchmarks.rehearsal import expected_checksums, small_settings
from benchmarks.scripted import ScriptedWorkload, checksum
from distributed_iac.config.load import load_config
from distributed_iac.config.scheduler import BudgetSettings, SchedulerSettings
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.phantom import make_phantom
from distributed_iac.run.collect import collect_run
from distributed_iac.run.journal import Event
from distributed_iac.run.local_sweep import LocalSweep
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.tune.sweep import Sweep

PATIENCE = 480.0
"""Seconds until a test that waits gives up: many times what it takes, for crowded machines."""

STORE = 80 * 1024**2
"""Bytes of a node's object store: the least that Ray takes, rounded up."""


def group(dataset: str) -> list[Job]:
    prepare = Job("prepare", dataset)
    search = Job("search", dataset, "net", "lth", 0, (prepare.key,))
    full = Job("search", dataset, "net", "full", 0, (prepare.key,))
    return [prepare, search, full, Job("retrain", dataset, "net", "lth", 0, (search.key,))]


def by_key(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in collect_run(folder).jobs.to_pylist()}


@pytest.mark.slow
def test_stops_failures_and_results_that_are_there_already(local_ray: Any, tmp_path: Path) -> None:
    assert local_ray.is_initialized()
    jobs, artifacts = (*group("a"), Job("prepare", "b")), str(tmp_path / "artifacts")
    fails = {"b/prepare": 1}
    workload = ScriptedWorkload(jobs, {"search": 5}, artifacts, fails=fails)
    scheduler = SchedulerSettings(budget=BudgetSettings(epochs=3))
    sweep = Sweep(workload, tmp_path / "run", artifacts, small_settings(), scheduler)
    outcome = sweep.run()
    rows = by_key(tmp_path / "run")

    stopped, full = rows["a/net/search/lth/seed0"], rows["a/net/search/full/seed0"]
    assert (stopped["status"], stopped["stop_code"], stopped["epochs"]) == ("done", "budget", 3)
    assert (full["status"], full["stop_code"], full["epochs"]) == ("done", None, 5)
    assert rows["a/net/retrain/lth/seed0"]["status"] == "done"
    (failed,) = outcome.failed
    assert failed.job.key == "b/prepare"
    assert "script says" in str(failed.error)
    result = workload.finished(workload.graph["a/net/search/lth/seed0"])
    assert result is not None
    assert result["checksum"] == checksum("a/net/search/lth/seed0", 3)

    other = Sweep(
        ScriptedWorkload(tuple(group("a")), {}, artifacts),
        tmp_path / "other",
        artifacts,
        small_settings(),
        scheduler,
    )
    assert other.run().counts == {"done": 4}
    assert not (tmp_path / "other" / "ray").exists(), "nothing was left to do"


def wait_for(folder: Path, driver: subprocess.Popen[bytes], seen: Callable[[Event], bool]) -> None:
    """Wait until the journal has an event."""
    end = time.monotonic() + PATIENCE
    while not any(seen(event) for event in SweepFolder(folder).journal.read()):
        assert driver.poll() is None, "the driver ended early"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.rehearsal", str(folder), *options]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def workers(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = psutil.Process(driver.pid).children(recursive=True)
    return [child for child in children if "Trainable" in " ".join(child.cmdline()[:1])]


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_driver_change_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    driver = start(folder)
    try:
        wait_for(folder, driver, lambda event: event.values.get("epoch") == 3)
        victims = workers(driver)
        assert victims
        victims[0].kill()
        wait_for(folder, driver, lambda event: event.kind == "again")
        wait_for(folder, driver, lambda event: event.values.get("epoch") == 6)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()

    again = start(folder)
    try:
        assert again.wait(PATIENCE) == 0
    finally:
        again.kill()
        again.wait()

    rows = by_key(folder)
    assert {row["status"] for row in rows.values()} == {"done"}
    assert sum(row["losses"] for row in rows.values()) >= 1
    folders = collect_run(folder).folders
    found = {key: last_checksum(path) for key, path in folders.items()}
    assert found == expected_checksums(1)
    opened = [event for event in SweepFolder(folder).journal.read() if event.kind == "open"]
    assert [event.values.get("restored") for event in opened] == [None, True]


@pytest.mark.slow
def test_an_interrupted_run_goes_on_wherever_it_is_copied_or_moved_to(tmp_path: Path) -> None:
    """The copy is used beside the original, which it must neither write nor read."""
    original = tmp_path / "original" / "run"
    driver = start(original)
    try:
        wait_for(original, driver, lambda event: event.values.get("epoch") == 6)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    (original / "driver.lock").write_text("")  # what a kill leaves in it is nobody's
    before = everything(original)
    shutil.copytree(original.parent, tmp_path / "copy")
    complete(tmp_path / "copy" / "run")
    assert everything(original) == before
    original.parent.rename(tmp_path / "moved")
    complete(tmp_path / "moved" / "run")
    assert not original.exists()


def everything(folder: Path) -> dict[Path, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def complete(folder: Path) -> None:
    """Start a sweep again that was killed elsewhere; nothing is lost or done twice."""
    there = list(SweepFolder(folder).journal.read())
    again = start(folder)
    try:
        assert again.wait(PATIENCE) == 0
    finally:
        again.kill()
        again.wait()
    events = list(SweepFolder(folder).journal.read())
    here = [event for event in events[len(there) :] if event.kind == "report"]
    assert not [event for event in events if event.kind == "again"], "no worker was lost"
    done = {event.job for event in there if event.kind == "end"}
    assert done
    assert not done & {event.job for event in here}, "results came along"
    kept = {event.job for event in there if event.values.get("epoch") == 2}
    assert kept
    assert all(event.values["epoch"] > 1 for event in here if event.job in kept), "checkpoints too"
    opened = [event.values for event in events if event.kind == "open"]
    assert [one["experiment"] for one in opened] == ["sweep-001", "sweep-001", "sweep-002"]
    assert "original" in opened[1]["unreadable"]
    assert opened[2]["storage"] == str(folder / "ray")
    folders = collect_run(folder).folders
    assert {path.is_relative_to(folder) for path in folders.values()} == {True}
    assert {key: last_checksum(path) for key, path in folders.items()} == expected_checksums(1)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A Ray cluster on this machine whose head runs no jobs."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE}
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()


REAL = """
name: run
out: {folder}
stores: {folder}/stores
device: cpu
threads: 1
data: [{{name: acdc, source: {root}/raw, preprocess: {{workers: 1, patch: [32, 32]}}}}]
backbones: [{{name: basic_unet, features: [4, 4, 4, 4, 4, 4]}}]
cell: {{nodes: 1, partial_channels: 1}}
batches: {{batch_size: 2, steps_per_epoch: 1}}
pretrain: {{epochs: 1}}
arms: {{lth: {{policy: js}}}}
search: {{epochs: 8, warmup_epochs: 1, validate_every: 8}}
retrain: {{epochs: 1}}
controls: []
evaluation: {{metrics: [dice]}}
sweep: {{workers: reused, checkpoint_epochs: 2}}
"""
DRIVE = """
import sys
from pathlib import Path
from distributed_iac.config.load import load_config
from distributed_iac.tune.launch import run_sweep
outcome = run_sweep(load_config(Path(sys.argv[1]), [f"sweep.address={sys.argv[2]}"]))
sys.exit(int(set(outcome.counts) != {"done"}))
"""


@pytest.mark.slow
def test_a_lost_node_changes_no_weight_no_score_and_no_selection(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Real training on two nodes one after the other, against the same without Ray."""
    make_phantom("acdc", tmp_path / "raw", patients=6, seed=0, size="tiny")
    for name in ("calm", "lossy"):
        text = REAL.format(root=tmp_path, folder=tmp_path / name)
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    calm = load_config(tmp_path / "calm.yaml")
    lost = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    command = [sys.executable, "-c", DRIVE, str(tmp_path / "lossy.yaml"), cluster.address]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    driver = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    folder = tmp_path / "lossy" / "run"
    try:
        wait_for(folder, driver, lambda event: event.values.get("epoch") == 5)  # of a search
        cluster.remove_node(lost, allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
        assert driver.wait(PATIENCE) == 0
    finally:
        driver.kill()
        driver.wait()
    assert set(LocalSweep(calm, plan_jobs(calm), lambda *_: None).run().counts) == {"done"}

    ending = Ending.read(folder)
    assert ending.losses >= 1
    assert ending.differences(Ending.read(calm.folder)) == []
    assert {"weights", "selections"} <= {name for name, rows in ending.tables.items() if rows}
    opened = [event for event in SweepFolder(folder).journal.read() if event.kind == "open"]
    assert len(opened) == 1, "the driver lived"


def last_checksum(folder: Path) -> int:
    content = json.loads((folder / "result.json").read_text())
    return int(content["checksum"])
