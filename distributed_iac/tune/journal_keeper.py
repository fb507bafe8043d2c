"""Tune's events become lines of the sweep's journal.

::

    scheduler = StabilityScheduler(...)
    callbacks = [StopReasons(scheduler), JournalKeeper(SweepFolder(run).journal)]

The only logger of a sweep: Tune's own (CSV, JSON, TensorBoard) are switched off, because they
write the whole configuration with every result and nothing that the journal lacks.
"""

from __future__ import annotations

from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from distributed_iac.errors import DistributedIacError
from distributed_iac.run.journal import Journal
from distributed_iac.tune.ray_internals import TUNES_OWN, written_error
from distributed_iac.tune.trial_config import TrialConfig


class JournalKeeper(Callback):  # type: ignore[misc]  # Ray's classes are untyped
    """Writes down what happens to jobs.

    Args:
        journal: Where.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker has taken up a job."""
        del iteration, trials, info
        self._journal.write("start", _job(trial), {"trial": trial.trial_id})

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch is over; perhaps the job as well."""
        del iteration, trials, info
        row = {name: value for name, value in result.items() if name not in TUNES_OWN}
        self._journal.write_row(_job(trial), row)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker was lost; Tune starts the job again."""
        del iteration, trials, info
        self._journal.write("again", _job(trial), {"error": _last_error(trial)})

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker was lost once too often."""
        del iteration, trials, info
        self._journal.write("failed", _job(trial), {"error": _last_error(trial)})


def _job(trial: Trial) -> str:
    return TrialConfig.read(trial.config).job


def _last_error(trial: Trial) -> str:
    """What a worker died of: one line, or an error of ours as it is."""
    error = written_error(trial)
    cause = getattr(error, "cause", None)  # Ray's wrapper of what a worker raised
    if isinstance(cause, DistributedIacError):
        return str(cause)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # A remote traceback ends with what was raised; a lost actor begins with what happened.
    return lines[-1] if "Traceback" in str(error) or "ray::" in lines[0] else lines[0]
