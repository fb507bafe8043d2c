"""The scheduler on a real local Ray: reasons in every record, rewinds, restores."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.config.scheduler import (
    ConsensusSettings,
    ConvergenceSettings,
    SchedulerSettings,
)

pytestmark = [pytest.mark.usefixtures("local_ray"), pytest.mark.slow]

Trainable = Callable[[dict[str, Any]], None]


def scripted_search() -> Trainable:
    """A search that settles after two reports; told to, it dies once, or while a file exists.

    Defined inside a function, so that workers get it by value.
    """

    def scripted(config: dict[str, Any]) -> None:
        import json
        import tempfile
        from pathlib import Path

        from ray import tune

        checkpoint, done = tune.get_checkpoint(), 0
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                done = json.loads((Path(folder) / "state.json").read_text())
        if Path(config.get("dies_while", "/nonexistent")).exists():
            raise RuntimeError("planned")
        for iteration in range(done + 1, 8):
            report = {
                "epoch": iteration,
                "js_max": 0.5 if iteration <= 2 else 0.001,
                "stable_edges": 0 if iteration <= 2 else 14,
                "live_edges": 14,
                "genotype_id": config.get("genotype", "a"),
            }
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "state.json").write_text(json.dumps(iteration))
                saves = config.get("saves", (1, 2, 3, 4, 5, 6, 7))
                tune.report(
                    report,
                    checkpoint=tune.Checkpoint(folder) if iteration in saves else None,
                )
            once = Path(config.get("dies_once_at_4", "/nonexistent"))
            if iteration == 4 and once.exists():
                once.unlink()
                raise RuntimeError("planned")

    return scripted


def settings(**more: Any) -> SchedulerSettings:
    return SchedulerSettings(convergence=ConvergenceSettings(grace=0, patience=3), **more)


def tuner(
    trainable: Trainable, jobs: list[dict[str, Any]], schedule: SchedulerSettings, folder: Path
) -> Any:
    from ray import tune

    from distributed_iac.tune.scheduler import StabilityScheduler, StopReasons

    scheduler = StabilityScheduler(schedule)
    return tune.Tuner(
        trainable,
        param_space=tune.grid_search(jobs),
        tune_config=tune.TuneConfig(scheduler=scheduler),
        run_config=tune.RunConfig(
            name="run",
            storage_path=str(folder),
            verbose=0,
            callbacks=[StopReasons(scheduler)],
            failure_config=tune.FailureConfig(max_failures=1),
        ),
    )


def by_job(grid: Any) -> dict[str, Any]:
    return {result.config["job"]: result for result in grid}


def logged(result: Any) -> tuple[list[Any], list[Any]]:
    """Stop codes in the JSON and the CSV log."""
    lines = (Path(result.path) / "result.json").read_text().splitlines()
    with (Path(result.path) / "progress.csv").open() as file:
        table = [row["stop_code"] or None for row in csv.DictReader(file)]
    return [json.loads(line)["stop_code"] for line in lines], table


def test_the_reason_reaches_result_and_logs_and_others_pass_untouched(
    tmp_path: Path,
) -> None:
    scripted = scripted_search()
    flag = tmp_path / "dies_once"
    flag.touch()
    search = {"kind": "search", "group": "g", "saves": (2,)}
    jobs = [
        {"job": "lth", "arm": "lth", **search},
        {"job": "flaky", "arm": "lth", "dies_once_at_4": str(flag), **search},
        {"job": "full", "arm": "full", **search},
        {"job": "pretrain", "kind": "pretrain", "group": "g"},
    ]
    found = by_job(tuner(scripted, jobs, settings(), tmp_path / "ray").fit())

    lth = found["lth"].metrics
    assert (lth["training_iteration"], lth["stop_code"]) == (5, "converged")
    assert lth["stop_reason"] == "js_max 0.001 at or below 0.01 bits for 3 reports, 14 edges stable"
    assert logged(found["lth"]) == ([None] * 4 + ["converged"], [None] * 4 + ["converged"])
    for untouched in ("full", "pretrain"):
        assert found[untouched].metrics["training_iteration"] == 7
        assert found[untouched].metrics["stop_code"] is None
    # Died after 4, went on from 2: iterations 1, 2, 3, 4, 3, 4, 5. Counted twice, 3 and 4 would
    # have stopped it at 3.
    assert not flag.exists()
    flaky = found["flaky"]
    assert (flaky.metrics["training_iteration"], flaky.metrics["stop_code"]) == (5, "converged")


def test_a_restored_experiment_remembers_who_agreed_and_why_they_stopped(
    tmp_path: Path,
) -> None:
    from ray import tune

    scripted = scripted_search()
    flag = tmp_path / "dies"
    flag.touch()
    seeds = [{"job": f"seed{seed}", "arm": "lth", "seed": seed} for seed in range(2)]
    late = {"job": "late", "arm": "lth", "seed": 2, "dies_while": str(flag)}
    schedule = settings(consensus=ConsensusSettings(seeds=2))
    first = tuner(scripted, [late, *seeds], schedule, tmp_path / "ray").fit()
    assert len(first.errors) == 1

    flag.unlink()
    restored = tune.Tuner.restore(str(tmp_path / "ray" / "run"), scripted, resume_errored=True)
    found = by_job(restored.fit())
    for seed in ("seed0", "seed1"):
        assert found[seed].metrics["stop_code"] == "converged"
        assert found[seed].metrics["training_iteration"] == 5
    assert found["late"].metrics["training_iteration"] == 1
    assert found["late"].metrics["stop_code"] == "consensus"
    assert found["late"].metrics["stop_reason"] == ("2 of 2 converged searches have the genotype a")
    assert logged(found["late"]) == (["consensus"], ["consensus"])
