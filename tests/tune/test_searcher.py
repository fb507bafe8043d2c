from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from benchmarks.scripted import ScriptedWorkload
from distributed_iac.config.sweep import KindResources
from distributed_iac.jobs.job import Job
from distributed_iac.tune.resources import Capacity, Room, reserve
from distributed_iac.tune.searcher import JobSearcher

PREPARE = Job("prepare", "a")
PRETRAIN = Job("pretrain", "a", "net", needs=(PREPARE.key,))
SEARCH = Job("search", "a", "net", "lth", 0, needs=(PRETRAIN.key,))
PLAIN = Job("evaluate", "a", "net", "plain", needs=(PRETRAIN.key,))
RETRAIN = Job("retrain", "a", "net", "lth", 0, needs=(PRETRAIN.key, SEARCH.key))
ONE_CORE = Capacity(cpus=1, gpus=0, memory=1e9)
JOBS = (PREPARE, PRETRAIN, PLAIN, SEARCH, RETRAIN)


@pytest.fixture
def workload(tmp_path: Path) -> ScriptedWorkload:
    return ScriptedWorkload(JOBS, {}, str(tmp_path / "artifacts"))


def keep(workload: ScriptedWorkload, job: Job, folder: Path) -> None:
    work = workload.open(job)
    row = dict(work.stage.step().values)
    folder.mkdir(parents=True)
    workload.keep(job, folder, [row], work.finish(folder, [row]))


def handed_out(searcher: JobSearcher, trial: str) -> dict[str, object]:
    config = searcher.suggest(trial)
    assert isinstance(config, dict)
    return config


def advance(searcher: JobSearcher, *jobs: Job) -> None:
    """Hand out and finish jobs that are ready one at a time."""
    for job in jobs:
        assert handed_out(searcher, job.key)["job"] == job.key
        searcher.on_trial_complete(job.key, {"outcome": "done"})


def test_a_job_is_handed_out_once_all_that_it_needs_is_done(workload: ScriptedWorkload) -> None:
    searcher = JobSearcher(workload)
    assert handed_out(searcher, "t1")["job"] == PREPARE.key
    assert searcher.suggest("t2") is None
    searcher.on_trial_complete("t1", {"outcome": "done"})
    assert handed_out(searcher, "t3")["job"] == PRETRAIN.key


def test_a_cheap_answer_goes_first(workload: ScriptedWorkload) -> None:
    searcher = JobSearcher(workload)
    advance(searcher, PREPARE, PRETRAIN)
    order = [handed_out(searcher, trial)["job"] for trial in ("t3", "t4")]
    assert order == [PLAIN.key, SEARCH.key]


def test_a_job_is_chosen_when_there_is_room_for_it(workload: ScriptedWorkload) -> None:
    """Chosen ahead, it would start before what becomes ready until then."""
    room = Room(reserve(KindResources(), ONE_CORE, "cpu"), ONE_CORE)
    searcher = pickle.loads(pickle.dumps(JobSearcher(workload, slots=1, room=room)))
    advance(searcher, PREPARE, PRETRAIN)
    assert handed_out(searcher, "t3")["job"] == PLAIN.key
    assert searcher.suggest("t4") is None
    searcher.on_trial_complete("t3", {"outcome": "done"})
    assert handed_out(searcher, "t4")["job"] == SEARCH.key


def test_the_searcher_is_finished_when_every_job_is(workload: ScriptedWorkload) -> None:
    searcher = JobSearcher(workload)
    advance(searcher, PREPARE, PRETRAIN, PLAIN, SEARCH, RETRAIN)
    assert searcher.suggest("t9") == Searcher.FINISHED


@pytest.mark.parametrize(
    "end", [{"result": {"outcome": "failed", "error": "it diverged"}}, {"error": True}]
)
def test_a_failed_job_costs_what_needs_it_and_nothing_else(
    workload: ScriptedWorkload, end: dict[str, Any]
) -> None:
    searcher = JobSearcher(workload)
    advance(searcher, PREPARE, PRETRAIN, PLAIN)
    assert handed_out(searcher, "t3")["job"] == SEARCH.key
    searcher.on_trial_complete("t3", **end)
    assert searcher.progress.status(SEARCH.key) == "failed"
    assert searcher.progress.status(RETRAIN.key) == "skipped"
    assert searcher.progress.status(PLAIN.key) == "done"


def test_a_job_that_a_scheduler_stopped_is_concluded_where_it_was_stopped(
    workload: ScriptedWorkload,
) -> None:
    searcher = JobSearcher(workload)
    advance(searcher, PREPARE, PRETRAIN, PLAIN)
    handed_out(searcher, "t3")
    searcher.on_trial_complete("t3", {"outcome": "running", "epoch": 7, "stop_code": "dominated"})
    config = handed_out(searcher, "t4")
    assert (config["job"], config["kind"], config["until"]) == (SEARCH.key, "conclude", 7)
    assert searcher.progress.status(SEARCH.key) == "running"
    searcher.on_trial_complete("t4", {"outcome": "done"})
    assert searcher.progress.status(SEARCH.key) == "done"


def test_results_that_are_kept_are_not_made_again(
    workload: ScriptedWorkload, tmp_path: Path
) -> None:
    for job in (PREPARE, PRETRAIN, PLAIN):
        keep(workload, job, tmp_path / job.kind)
    assert handed_out(JobSearcher(workload), "t1")["job"] == SEARCH.key


def snapshot(folder: Path, searcher: JobSearcher, trials: dict[str, tuple[str, str]]) -> Path:
    """Save the searcher beside what Tune writes of its trials: job and status by trial."""
    data = [
        [json.dumps({"trial_id": trial, "config": {"job": job}, "status": status}), "{}"]
        for trial, (job, status) in trials.items()
    ]
    (folder / "experiment_state-1.json").write_text(json.dumps({"trial_data": data}))
    path = folder / "searcher-state.pkl"
    searcher.save(str(path))
    return path


def test_after_a_restart_running_trials_keep_their_jobs(
    workload: ScriptedWorkload, tmp_path: Path
) -> None:
    keep(workload, PREPARE, tmp_path / "prepare")
    searcher = JobSearcher(workload)
    handed_out(searcher, "t2")
    path = snapshot(tmp_path, searcher, {"t2": (PRETRAIN.key, "RUNNING")})
    again = JobSearcher(workload)
    again.restore(str(path))
    assert again.suggest("t3") is None
    again.on_trial_complete("t2", {"outcome": "done"})
    assert handed_out(again, "t4")["job"] == PLAIN.key


def test_a_job_whose_trial_tune_does_not_know_is_handed_out_again(
    workload: ScriptedWorkload, tmp_path: Path
) -> None:
    keep(workload, PREPARE, tmp_path / "prepare")
    searcher = JobSearcher(workload)
    handed_out(searcher, "t2")
    path = snapshot(tmp_path, searcher, {"t1": (PREPARE.key, "TERMINATED")})
    again = JobSearcher(workload)
    again.restore(str(path))
    assert handed_out(again, "t3")["job"] == PRETRAIN.key


def test_a_job_that_finished_after_the_snapshot_counts_as_finished(
    workload: ScriptedWorkload, tmp_path: Path
) -> None:
    keep(workload, PREPARE, tmp_path / "prepare")
    searcher = JobSearcher(workload)
    handed_out(searcher, "t2")
    path = snapshot(tmp_path, searcher, {"t2": (PRETRAIN.key, "TERMINATED")})
    keep(workload, PRETRAIN, tmp_path / "pretrain")
    again = JobSearcher(workload)
    again.restore(str(path))
    assert handed_out(again, "t3")["job"] == PLAIN.key


def test_a_stop_that_was_not_concluded_survives_a_restart(
    workload: ScriptedWorkload, tmp_path: Path
) -> None:
    for job in (PREPARE, PRETRAIN, PLAIN):
        keep(workload, job, tmp_path / job.kind)
    searcher = JobSearcher(workload)
    handed_out(searcher, "t3")
    searcher.on_trial_complete("t3", {"outcome": "running", "epoch": 5})
    path = snapshot(tmp_path, searcher, {"t3": (SEARCH.key, "TERMINATED")})
    again = JobSearcher(workload)
    again.restore(str(path))
    config = handed_out(again, "t4")
    assert (config["job"], config["until"]) == (SEARCH.key, 5)
    again.on_trial_complete("t4", {"outcome": "done"})
    assert again.progress.status(SEARCH.key) == "done"
