"""A Ray Tune scheduler that stops architecture searches once they have settled.

::

    scheduler = StabilityScheduler()
    tuner = tune.Tuner(
        trainable,                       # reports js_max, stable_edges, ... or converged
        tune_config=tune.TuneConfig(scheduler=scheduler, num_samples=8),
        run_config=tune.RunConfig(callbacks=[StopReasons(scheduler)]),
    )
    tuner.fit()[0].metrics["stop_reason"]       # "js_max 0.004 at or below 0.01 bits for 3 reports"

Any trainable will do that reports its ``epoch``, and what else
:class:`~distributed_iac.verdict.report.Report` reads; none of that is required. What a trial is is
read from its configuration, :class:`~distributed_iac.verdict.role.Role`; a trial whose ``kind`` is
there and is not ``search`` passes through untouched. TuneConfig needs no metric, and should have
none where kinds of work are mixed: Ray aborts an experiment in which one trial does not report it.
The rules themselves know nothing of Ray: :mod:`distributed_iac.verdict`.

What Ray 2.60 makes of a scheduler shapes this one:

* A decision of None hangs a trial and an exception aborts the experiment. Every call is contained:
  an error is logged with its traceback, once for each kind, and the trial continues.
* The result that a scheduler sees is a copy. Why a trial was stopped is written into
  ``trial.last_result`` when it completes, which is what ``ResultGrid``, searchers and later
  restores read. Loggers ran before that: :class:`StopReasons`, first among the callbacks, writes
  the same two columns into every result for them.
* Scheduler state is never saved. It is rebuilt from the trials' last results, which Ray hands
  over after ``Tuner.restore`` one by one.
* After a failure, epochs are reported again; the last report of an epoch counts.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.utils import flatten_dict

from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.tune.ray_internals import note_in_last_result
from distributed_iac.verdict.judge import Judge
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.verdict import STOP_CODE, STOP_REASON, Verdict, stored_verdict

LOGGER = logging.getLogger(__name__)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _contained(
    fallback: Answer,
) -> Callable[
    [Callable[Concatenate[StabilityScheduler, Given], Answer]],
    Callable[Concatenate[StabilityScheduler, Given], Answer],
]:
    """Answer Ray's call with ``fallback`` where the method fails, and note the error."""

    def decorate(
        method: Callable[Concatenate[StabilityScheduler, Given], Answer],
    ) -> Callable[Concatenate[StabilityScheduler, Given], Answer]:
        @functools.wraps(method)
        def call(self: StabilityScheduler, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
            try:
                return method(self, *args, **kwargs)
            except Exception as error:
                self.note(method.__name__, error)
                return fallback

        return call

    return decorate


class StabilityScheduler(FIFOScheduler):  # type: ignore[misc]  # Ray's classes are untyped
    """Stops searches that have converged, diverged or spent their budget; see the module.

    Trials start in the order they come. Nothing is paused, and no trial is reached for before it
    reports.

    Args:
        settings: What is stopped, and which arms never are.
    """

    def __init__(self, settings: SchedulerSettings | None = None) -> None:
        super().__init__()
        self._judge = Judge.from_settings(settings or SchedulerSettings())
        self._errors: Counter[str] = Counter()

    @_contained(None)
    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Expect reports; after a restore or a failure, remember the trial's last result."""
        del tune_controller
        self._judge.add(trial.trial_id, Role.read(trial.config))
        result = trial.last_result
        if "epoch" in result:  # else it has not reported yet
            self._judge.recall(
                trial.trial_id,
                Report.read(flatten_dict(result)),
                _PHASES.get(trial.status, "open"),
                stored_verdict(result),
            )

    @_contained(FIFOScheduler.CONTINUE)
    def on_trial_result(self, tune_controller: Any, trial: Trial, result: Mapping[str, Any]) -> str:
        """Decide after a report."""
        if trial.trial_id not in self._judge:
            self.on_trial_add(tune_controller, trial)
        verdict = self._judge.report(trial.trial_id, Report.read(result))
        decision: str = FIFOScheduler.CONTINUE if verdict is None else FIFOScheduler.STOP
        return decision

    @_contained(None)
    def on_trial_complete(
        self, tune_controller: Any, trial: Trial, result: Mapping[str, Any]
    ) -> None:
        """Write why the trial was stopped into its last result, if it was from here."""
        del tune_controller
        if trial.trial_id not in self._judge:
            return
        verdict = self._judge.end(trial.trial_id, Report.read(result))
        if verdict is not None:
            note_in_last_result(trial, verdict.to_result())

    @_contained(None)
    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note a failure; Ray adds the trial again if it is to be retried."""
        del tune_controller
        if trial.trial_id in self._judge:
            self._judge.fail(trial.trial_id)

    @_contained(None)
    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Forget a trial that was withdrawn while it waited."""
        del tune_controller
        self._judge.remove(trial.trial_id)

    @_contained("StabilityScheduler")
    def debug_string(self) -> str:
        """How the searches of each group stand, and what went wrong."""
        statuses = self._judge.statuses()
        lines = [f"StabilityScheduler: {len(statuses)} groups of searches"]
        lines += [f"  {status.line()}" for status in statuses]
        lines += [f"  {count} x contained {what}" for what, count in self._errors.items()]
        return "\n".join(lines)

    def verdict(self, trial_id: str) -> Verdict | None:
        """Why a trial is being, or was, stopped; None if nothing here stops it."""
        return self._judge.verdict(trial_id)

    def note(self, hook: str, error: Exception) -> None:
        """Count an error, and log the first of its kind with its traceback."""
        what = f"{type(error).__name__} in {hook}"
        if not self._errors[what]:
            LOGGER.error("contained %s, the trial goes on", what, exc_info=error)
        self._errors[what] += 1


class StopReasons(Callback):  # type: ignore[misc]  # Ray's classes are untyped
    """Writes ``stop_code`` and ``stop_reason`` into every result, for the loggers behind it.

    Put it first among the callbacks. Both are None except in the report that a trial is stopped
    after. Every report has them, because CSV files take their columns from the first.

    Args:
        scheduler: The one that decides; shared with TuneConfig, also across a restore.
    """

    def __init__(self, scheduler: StabilityScheduler) -> None:
        self._scheduler = scheduler

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_: Any
    ) -> None:
        """Add the two columns in place."""
        del iteration, trials
        verdict = self._scheduler.verdict(trial.trial_id)
        no_verdict = {STOP_CODE: None, STOP_REASON: None}
        result.update(no_verdict if verdict is None else verdict.to_result())


_PHASES: Mapping[str, Any] = {Trial.TERMINATED: "ended", Trial.ERROR: "failed"}
