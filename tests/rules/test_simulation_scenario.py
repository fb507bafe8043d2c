"""From configuration and traces to the table of cluster sizes."""

from __future__ import annotations

from typing import Any

import pytest

from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.simulation.scaling import ALL, NEAR, SIZES, enough, only, scale
from distributed_iac.simulation.scenario import Scenario, plan_scenario, slot_shares, slot_unit
from distributed_iac.simulation.trace import Trace, traces_from_rows
from distributed_iac.verdict.report import Report


def planned(**changes: Any) -> RunConfig:
    """Two data sets, two arms, three seeds."""
    return RunConfig.model_validate(
        {
            "name": "paper",
            "data": [{"name": name, "source": name, "format": "acdc"} for name in ("a", "b")],
            "seeds": [0, 1, 2],
            "pretrain": {"epochs": 20},
            "search": {"epochs": 40, "warmup_epochs": 4},
            "retrain": {"epochs": 10},
            **changes,
        }
    )


def searched(arm: str, epochs: int) -> Trace:
    reports = tuple(Report(one, converged=one == epochs) for one in range(1, epochs + 1))
    return Trace("search", "a", "net", arm, 0, (6.0,) * epochs, 20, reports)


TRACES = (
    Trace("prepare", "a", "", "", None, (50.0,), 1),
    Trace("pretrain", "a", "net", "", None, (2.0,) * 10, 10),
    searched("full", 20),
    searched("lth", 9),
    Trace("retrain", "a", "net", "full", 0, (3.0,) * 10, 10, closing=7.0),
)


def scenario(config: RunConfig, speed: float = 1.0, startup: float = 0.0) -> Scenario:
    return plan_scenario(config, TRACES, speed=speed, startup=startup)


def test_work_on_one_gpu_is_that_of_the_traces_stretched_to_the_plan() -> None:
    config = planned(controls=[])
    study = scale(scenario(config, startup=1.0).sweep, ("full", "lth"), (1,))
    shared = 2 * (1 + 20 * 2.0)
    retraining = 6 * (1 + 2 * 10 * 3.0 + 7.0)
    full, fast = 6 * (1 + 40 * 6.0), 6 * (1 + 17 * 6.0)  # epoch 17 is the first that replays 9
    assert study["full"][0].busy == pytest.approx(shared + retraining + full)
    assert study["lth"][0].busy == pytest.approx(shared + retraining + fast)
    assert study["lth"][0].searching == pytest.approx(fast)
    assert study[ALL][0].busy == pytest.approx(shared + 2 * retraining + full + fast)


def test_a_chain_of_one_group_is_what_no_cluster_beats() -> None:
    study = scale(scenario(planned(), startup=1.0).sweep, ("full", "lth"))
    chain = (1 + 50.0) + (1 + 20 * 2.0) + (1 + 40 * 6.0) + (1 + 2 * 10 * 3.0 + 7.0)
    last = study["full"][-1]
    assert last.critical == pytest.approx(chain)
    assert last.makespan == pytest.approx(chain)
    assert [one.slots for one in study["full"]] == list(SIZES)


def test_preparing_holds_no_gpu() -> None:
    assert slot_shares(planned(), "GPU")["prepare"] == 0.0
    assert slot_unit(planned()) == "GPU"


def test_on_a_cpu_jobs_compete_for_cores() -> None:
    resources = {"search": {"cpus": 4}, "prepare": {"cpus": 16}}
    config = planned(device="cpu", sweep={"resources": resources})
    assert slot_unit(config) == "core"
    assert slot_shares(config, "core")["search"] == 4
    study = scale(scenario(config).sweep, ("full", "lth"))
    assert [one.slots for one in study["lth"]] == [size for size in SIZES if size >= 16]


def test_two_jobs_on_a_gpu_halve_what_they_hold() -> None:
    kinds = ("pretrain", "search", "retrain", "baseline", "evaluate")
    halves = {kind: {"gpus": 0.5} for kind in kinds}
    whole = scale(scenario(planned()).sweep, ("lth",), (1,))["lth"][0]
    half = scale(scenario(planned(sweep={"resources": halves})).sweep, ("lth",), (1,))["lth"][0]
    assert half.busy == pytest.approx(whole.busy / 2)
    assert half.makespan < whole.makespan


def test_speed_shortens_work_but_not_starts() -> None:
    slow = scale(scenario(planned(), 1.0).sweep, ("lth",), (1,))["lth"][0]
    fast = scale(scenario(planned(), 4.0, startup=3.0).sweep, ("lth",), (1,))["lth"][0]
    on_gpus = [job for job in only(plan_jobs(planned()), "lth").jobs() if job.kind != "prepare"]
    assert fast.busy == pytest.approx(slow.busy / 4 + 3.0 * len(on_gpus))


def test_one_arm_takes_along_what_every_sweep_has() -> None:
    graph = plan_jobs(planned())
    parts = [{job.key for job in only(graph, arm).jobs()} for arm in ("full", "lth")]
    assert parts[0] | parts[1] == {job.key for job in graph.jobs()}
    assert {graph[key].arm for key in parts[0] & parts[1]} == {None}


def test_enough_is_the_smallest_size_near_the_best() -> None:
    outcomes = scale(scenario(planned()).sweep, ("full",))["full"]
    best = enough(outcomes)
    shortest = min(one.makespan for one in outcomes)
    assert best.makespan <= NEAR * shortest
    assert all(one.makespan > NEAR * shortest for one in outcomes if one.slots < best.slots)


def test_a_sweep_without_traces_of_an_arm_is_refused() -> None:
    with pytest.raises(ConfigError, match="with the arm lth"):
        plan_scenario(planned(), (*TRACES[:3], TRACES[-1]), speed=1.0, startup=0.0)


JOB = {"kind": "search", "dataset": "a", "backbone": "net", "name": "lth", "seed": 0}
EPOCHS = [
    {"key": "s", "epoch": 2, "seconds": 2.0, "converged": True, "js_max": 0.1, "total_seconds": 3},
    {"key": "s", "epoch": 1, "seconds": 1.0, "converged": None, "js_max": None},
    {"key": "r", "epoch": 1, "seconds": 5.0},
    {"key": "p", "epoch": 1, "seconds": None},
]


def test_tables_become_traces_in_order_of_epochs() -> None:
    jobs = [
        {"key": "s", "status": "done", **JOB},
        {"key": "r", "status": "running", **JOB},
        {"key": "p", "status": "done", **JOB, "kind": "prepare"},
        {"key": "q", "status": "done", **JOB, "kind": "prepare"},
    ]
    (trace,) = traces_from_rows(jobs, EPOCHS, {"s": 40, "p": 1, "q": 1}, {"s": 4.0})
    assert (trace.epoch_seconds, trace.planned, trace.closing) == ((1.0, 2.0), 40, 4.0)
    assert [report.converged for report in trace.reports] == [None, True]
    assert trace.reports[1].seconds == 3.0
