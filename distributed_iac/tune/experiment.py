"""The Ray Tune experiment of a sweep: a new one, or one that is taken up again.

::

    experiment = Experiment(storage="runs/acdc/ray", trainable=..., begin=new_parts, ...)
    experiment.run(journal)

The journal knows whether the last experiment came to its end. If it did not, Tune restores it from
its snapshot. A snapshot that cannot be read (none was written before the kill, it is damaged, or
pickled by another version of this package) is passed over, with a line in the journal: a new
experiment finds every finished job and every checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from distributed_iac.training.sweep.journal import Journal
from distributed_iac.tune.experiment_state import snapshot_problem
from distributed_iac.tune.trial_config import TrialConfig
from distributed_iac.versions import SNAPSHOT, versioned

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What Tune consults in an experiment.

    Args:
        searcher: Hands out jobs.
        scheduler: Stops trials.
        callbacks: Are told of everything, in this order.
    """

    searcher: Searcher
    scheduler: TrialScheduler
    callbacks: tuple[Callback, ...]


@dataclass(frozen=True)
class Experiment:
    """An experiment that survives its driver.

    Args:
        storage: Folder or URI of experiments, that all nodes reach.
        trainable: With its resources and parameters.
        begin: Makes the parts of a new experiment.
        max_failures: How often a trial is started again.
        workers: Whether a process may run several trials.
    """

    storage: str
    trainable: Any
    begin: Callable[[], Parts]
    max_failures: int
    workers: Literal["fresh", "reused"] = "fresh"

    def run(self, journal: Journal) -> None:
        """Run to the end, or to an interrupt.

        Args:
            journal: Of the sweep; gets the names of experiments.
        """
        opened = [event for event in journal.read() if event.kind in ("open", "close")]
        if opened and opened[-1].kind == "open" and self._continue(opened[-1].values, journal):
            return
        names = {event.values["experiment"] for event in opened if event.kind == "open"}
        name = f"sweep-{len(names) + 1:03d}"
        journal.write("open", values=versioned(SNAPSHOT, {"experiment": name}))
        self._new(name).fit()

    def _continue(self, opened: Mapping[str, Any], journal: Journal) -> bool:
        """Take up again what the journal says was opened; False if that cannot be done."""
        name = str(opened["experiment"])
        path = f"{self.storage}/{name}"
        try:
            if not tune.Tuner.can_restore(path):
                return False
            if (problem := _foreign(opened) or snapshot_problem(path)) is not None:
                LOGGER.warning("a new Ray Tune experiment replaces %s: %s", path, problem)
                journal.write("open", values={"experiment": name, "unreadable": problem})
                return False
            tuner = tune.Tuner.restore(path, self.trainable, resume_errored=True)
            values = versioned(SNAPSHOT, {"experiment": name, "restored": True})
            journal.write("open", values=values)
            tuner.fit()
        except Exception as error:  # whatever a snapshot of another day may hold
            LOGGER.warning("cannot continue the Ray Tune experiment %s", path, exc_info=True)
            journal.write("open", values={"experiment": name, "unreadable": _one_line(error)})
            return False
        return True

    def _new(self, name: str) -> tune.Tuner:
        parts = self.begin()
        return tune.Tuner(
            self.trainable,
            tune_config=tune.TuneConfig(
                search_alg=parts.searcher,
                scheduler=parts.scheduler,
                num_samples=-1,
                reuse_actors=self.workers == "reused",
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=self.storage,
                verbose=0,
                callbacks=list(parts.callbacks),
                failure_config=tune.FailureConfig(max_failures=self.max_failures),
            ),
        )


def _foreign(opened: Mapping[str, Any]) -> str | None:
    """Why this release does not continue an experiment of another one; None if it is its own."""
    version = opened.get(SNAPSHOT.key, 1)
    if version == SNAPSHOT.version:
        return None
    return f"its {SNAPSHOT.key} is {version}, and this release continues {SNAPSHOT.version} only"


def _name(trial: Trial) -> str:
    """A trial's name and folder: readable, and its own."""
    return f"{TrialConfig.read(trial.config).job.replace('/', '_')}-{trial.trial_id}"


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
