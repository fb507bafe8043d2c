"""Every call that Ray makes of a scheduler, made by a double of its controller.

Trials are Ray's own, as stubs; no Ray is running.
"""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import pytest
from ray import cloudpickle
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.utils import flatten_dict

from distributed_iac.config.scheduler import ConvergenceSettings, SchedulerSettings
from distributed_iac.tune.scheduler import StabilityScheduler, StopReasons

CONTINUE, STOP = FIFOScheduler.CONTINUE, FIFOScheduler.STOP
CALM = {"js_max": 0.001}
MOVING = {"js_max": 0.5}


def scheduler(**settings: Any) -> StabilityScheduler:
    fast = ConvergenceSettings(grace=0, patience=2)
    return StabilityScheduler(
        SchedulerSettings.model_validate({"convergence": fast, **settings}),
    )


class Controller:
    """Keeps trials and calls the scheduler in the order in which Ray 2.60 does."""

    def __init__(self, schedule: StabilityScheduler) -> None:
        self.schedule = schedule
        self.trials: list[Trial] = []
        self.callback = StopReasons(schedule)

    def get_trials(self) -> list[Trial]:
        return self.trials

    def add(self, **config: Any) -> Trial:
        """A new trial; it waits."""
        trial = Trial("__fake", stub=True, config={"arm": "lth", **config})
        self.trials.append(trial)
        self.schedule.on_trial_add(self, trial)
        return trial

    def run(self, **config: Any) -> Trial:
        """A new trial that runs."""
        trial = self.add(**config)
        trial.set_status(Trial.RUNNING)
        return trial

    def report(self, trial: Trial, epoch: int, values: dict[str, Any]) -> str:
        """Let a trial report; if that stops it, it is complete."""
        result = {"epoch": epoch, "total_seconds": 1.0 * epoch, **values}
        decision = self.schedule.on_trial_result(self, trial, flatten_dict(result))
        if decision == STOP:
            result["done"] = True
        self.callback.on_trial_result(0, self.trials, trial, result)
        trial.update_last_result(result)
        trial.get_json_state()  # Ray caches a snapshot between a report and the stop it causes
        if decision == STOP:
            self.complete(trial)
        return decision

    def complete(self, trial: Trial) -> None:
        self.schedule.on_trial_complete(self, trial, flatten_dict(trial.last_result))
        trial.set_status(Trial.TERMINATED)

    def fail(self, trial: Trial) -> None:
        self.schedule.on_trial_error(self, trial)
        trial.set_status(Trial.ERROR)

    def retry(self, trial: Trial) -> None:
        """Recover a failed trial: Ray reports the error, then adds the trial again."""
        self.schedule.on_trial_error(self, trial)
        trial.set_status(Trial.PENDING)
        self.schedule.on_trial_add(self, trial)
        trial.set_status(Trial.RUNNING)


@pytest.fixture
def controller() -> Controller:
    return Controller(scheduler())


def decisions(controller: Controller, trial: Trial, values: list[dict[str, Any]]) -> str:
    """Decisions on consecutive reports, up to the stop: c for continue, s for stop."""
    said = ""
    for iteration, one in enumerate(values, start=1):
        said += {CONTINUE: "c", STOP: "s"}[controller.report(trial, iteration, one)]
        if said.endswith("s"):
            break
    return said


def test_a_settled_search_stops_and_its_last_result_says_why(controller: Controller) -> None:
    trial = controller.run()
    assert decisions(controller, trial, [MOVING, CALM, CALM]) == "ccs"
    assert trial.last_result["stop_code"] == "converged"
    assert trial.last_result["stop_reason"] == "js_max 0.001 at or below 0.01 bits for 2 reports"


def test_without_the_callback_the_reason_is_in_the_result_and_in_the_snapshot() -> None:
    one = Controller(scheduler())
    one.callback = StopReasons(scheduler())  # of another scheduler: it knows of no verdict
    trial = one.run()
    assert decisions(one, trial, [CALM, CALM]) == "cs"
    assert trial.last_result["stop_code"] == "converged"
    assert json.loads(trial.get_json_state()[1])["last_result"]["stop_code"] == "converged"


def test_nothing_is_inferred_in_the_grace_period() -> None:
    one = Controller(scheduler(convergence={"grace": 5, "patience": 1}))
    assert decisions(one, one.run(), [CALM] * 9) == "cccccs"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_stop_a_search_protected_or_not(
    controller: Controller, value: float
) -> None:
    for arm in ("lth", "full"):
        trial = controller.run(arm=arm)
        assert decisions(controller, trial, [MOVING, {"loss": value}, {"loss": value}]) == "ccs"
        assert trial.last_result["stop_code"] == "diverged"


def test_searches_that_never_settle_are_never_stopped(controller: Controller) -> None:
    for values in (MOVING, {}, {"js_max": None}, {"js_max": "text"}, {"converged": False, **CALM}):
        assert decisions(controller, controller.run(), [values] * 200) == "c" * 200


def test_a_failed_trial_leaves_the_others_alone_and_can_come_back(controller: Controller) -> None:
    failed, other = controller.run(), controller.run()
    controller.report(failed, 1, CALM)
    controller.report(other, 1, CALM)
    controller.fail(failed)
    assert controller.report(other, 2, CALM) == STOP
    controller.retry(failed)
    assert controller.report(failed, 2, CALM) == STOP


def test_rewound_epochs_count_once(controller: Controller) -> None:
    trial = controller.run()
    for iteration in (1, 2, 3):
        assert controller.report(trial, iteration, MOVING) == CONTINUE
    assert controller.report(trial, 4, CALM) == CONTINUE
    controller.retry(trial)
    assert controller.report(trial, 3, MOVING) == CONTINUE
    assert controller.report(trial, 4, CALM) == CONTINUE
    controller.retry(trial)
    assert controller.report(trial, 4, CALM) == CONTINUE
    assert controller.report(trial, 5, CALM) == STOP


def test_a_trial_that_ends_early_by_itself_has_no_stop_code(controller: Controller) -> None:
    trial = controller.run()
    controller.report(trial, 1, MOVING)
    controller.complete(trial)
    assert trial.last_result["stop_code"] is None
    silent = controller.run()
    controller.complete(silent)
    assert "stop_code" not in silent.last_result


def test_trials_added_after_others_stopped_start_afresh(controller: Controller) -> None:
    assert decisions(controller, controller.run(), [CALM, CALM]) == "cs"
    assert decisions(controller, controller.run(), [MOVING, CALM, CALM]) == "ccs"


def test_a_clock_that_jumps_ends_a_budget_once() -> None:
    one = Controller(scheduler(budget={"seconds": 1000.0}))
    trial = one.run()
    jumps = [{"total_seconds": seconds} for seconds in (1.0, 900.0, 2.0, 1e9)]
    assert decisions(one, trial, jumps) == "cccs"
    assert trial.last_result["stop_code"] == "budget"


def test_a_removed_trial_is_forgotten_and_an_unknown_one_is_taken_in(
    controller: Controller,
) -> None:
    waiting = controller.add()
    controller.schedule.on_trial_remove(controller, waiting)
    assert "lth: " not in controller.schedule.debug_string()
    controller.schedule.on_trial_remove(controller, waiting)
    assert decisions(controller, waiting, [CALM, CALM]) == "cs"
    assert "lth: 1 converged" in controller.schedule.debug_string()


def test_other_jobs_and_protected_arms_pass_through(controller: Controller) -> None:
    for config in ({"kind": "pretrain"}, {"arm": "full"}):
        trial = controller.run(**config)
        assert decisions(controller, trial, [{**CALM, "converged": True}] * 20) == "c" * 20


def test_a_scheduler_pickled_in_the_middle_goes_on_where_it_was(controller: Controller) -> None:
    trial = controller.run()
    controller.report(trial, 1, CALM)
    copy, callback = cloudpickle.loads(
        cloudpickle.dumps((controller.schedule, controller.callback))
    )
    controller.schedule, controller.callback = copy, callback
    assert controller.report(trial, 2, CALM) == STOP
    assert trial.last_result["stop_code"] == "converged"


def test_a_new_scheduler_takes_in_what_trials_last_said(controller: Controller) -> None:
    done, running, failed = controller.run(), controller.run(), controller.run()
    decisions(controller, done, [CALM, CALM])
    controller.report(running, 1, CALM)
    controller.report(failed, 1, MOVING)
    controller.fail(failed)
    running.set_status(Trial.PENDING)
    after = scheduler()
    for trial in controller.trials:
        after.on_trial_add(controller, trial)
    assert after.debug_string() == controller.schedule.debug_string()
    controller.schedule = after
    assert controller.report(running, 2, CALM) == STOP


def test_trials_start_in_the_order_they_came(controller: Controller) -> None:
    first, second = controller.add(), controller.add()
    assert controller.schedule.choose_trial_to_run(controller) is first
    first.set_status(Trial.RUNNING)
    assert controller.schedule.choose_trial_to_run(controller) is second


class Broken(StabilityScheduler):
    """Its rules always fail."""

    def __init__(self) -> None:
        super().__init__()
        self._judge.rules = (BrokenRule(),)


class BrokenRule:
    reach = "all"

    def judge(self, *_: object) -> None:
        raise ZeroDivisionError("planned")


def test_an_error_inside_is_logged_once_counted_and_the_trial_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Controller(Broken())
    with caplog.at_level(logging.ERROR, logger="distributed_iac"):
        assert decisions(one, one.run(), [CALM] * 5) == "ccccc"
    assert [record.getMessage() for record in caplog.records] == [
        "contained ZeroDivisionError in on_trial_result, the trial goes on"
    ]
    assert caplog.records[0].exc_info is not None
    assert "5 x contained ZeroDivisionError in on_trial_result" in one.schedule.debug_string()


@pytest.mark.parametrize("garbage", [None, 7, "text"])
def test_no_call_of_rays_raises_or_answers_none_whatever_comes(
    controller: Controller, garbage: Any
) -> None:
    schedule = controller.schedule
    trial = controller.run()
    assert schedule.on_trial_result(controller, trial, garbage) == CONTINUE
    assert schedule.on_trial_result(controller, garbage, {}) == CONTINUE
    schedule.on_trial_add(controller, garbage)
    schedule.on_trial_complete(controller, trial, garbage)
    schedule.on_trial_error(controller, garbage)
    schedule.on_trial_remove(controller, garbage)
    assert "contained" in schedule.debug_string()
