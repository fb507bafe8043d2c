"""The Ray Tune experiment of a sweep: a new one, or one that is taken up again.

::

    experiment = Experiment("/my/runs/acdc/ray", results="/my/runs/artifacts", ...)
    experiment.run(journal, replay.opened)

The journal knows whether the last experiment came to its end. If it did not, Tune restores its
trials from its snapshot; whom it asks is of today, as the settings may be. A snapshot that cannot
be read (none was written before the kill, it is damaged, or pickled by another version of this
package) is passed over, with a line in the journal: a new experiment finds every finished job and
every checkpoint. So is one that was written in another place: the paths in it are absolute, and of
a run that was copied they are those of the original.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from distributed_iac.run.journal import Journal
from distributed_iac.tune.ray_internals import ask_others, snapshot_problem
from distributed_iac.tune.trial_config import TrialConfig
from distributed_iac.versions import SNAPSHOT, versioned

LOGGER = logging.getLogger(__name__)
PLACES = ("storage", "results")
"""Fields of an experiment of which its snapshot holds the absolute paths."""


@dataclass(frozen=True)
class TuneParts:
    """What Tune consults in an experiment.

    Args:
        searcher: Hands out jobs.
        scheduler: Stops trials.
        callbacks: Are told of everything, in this order.
        begun: Called once they are those of a new experiment.
    """

    searcher: Searcher
    scheduler: TrialScheduler
    callbacks: tuple[Callback, ...]
    begun: Callable[[], None]


@dataclass(frozen=True)
class Experiment:
    """An experiment that survives its driver.

    Args:
        storage: Absolute folder or URI of experiments, that all nodes reach.
        results: Absolute folder or URI of finished jobs' results.
        trainable: With its resources and parameters.
        parts: Makes them, for this start.
        max_failures: How often a trial is started again.
        workers: Whether a process may run several trials.
    """

    storage: str
    results: str
    trainable: Any
    parts: Callable[[], TuneParts]
    max_failures: int
    workers: Literal["fresh", "reused"] = "fresh"

    def run(self, journal: Journal, past: Sequence[Mapping[str, Any] | None]) -> None:
        """Run to the end, or to an interrupt.

        Args:
            journal: Of the sweep; gets the names of experiments.
            past: The experiments so far, as the journal has them; the last is None if the sweep
                came to its end.
        """
        opened = [None if one is None else _Opened.read(one) for one in past]
        if opened and opened[-1] is not None:
            restored = self._restored(opened[-1], journal)
            if restored is not None:
                restored.fit()
                return
        name = f"sweep-{len({one.name for one in opened if one is not None}) + 1:03d}"
        journal.write("open", values=self._opening(name))
        self._new(name).fit()

    @property
    def _places(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in PLACES}

    def _opening(self, name: str) -> dict[str, Any]:
        return versioned(SNAPSHOT, {"experiment": name, **self._places})

    def _restored(self, last: _Opened, journal: Journal) -> tune.Tuner | None:
        """An experiment as its snapshot knows it; None if it cannot be taken up again."""
        path = f"{self.storage}/{last.name}"
        if not tune.Tuner.can_restore(path):
            return None
        problem = _foreign(last) or self._elsewhere(last) or snapshot_problem(path)
        if problem is None:
            try:
                tuner = tune.Tuner.restore(path, self.trainable, resume_errored=True)
            except OSError:  # says nothing about the snapshot
                raise
            except Exception as error:  # whatever a snapshot of another day may hold
                problem = _one_line(error)
            else:
                parts = self.parts()
                ask_others(tuner, self._tune_config(parts), self._run_config(last.name, parts))
                journal.write("open", values=self._opening(last.name) | {"restored": True})
                return tuner
        LOGGER.warning("a new Ray Tune experiment replaces %s: %s", path, problem)
        values = {"experiment": last.name, **last.places, "unreadable": problem}
        journal.write("open", values=values)
        return None

    def _elsewhere(self, last: _Opened) -> str | None:
        """Where an experiment was begun, if that is not here."""
        if last.places == self._places:
            return None
        there, here = (
            ", ".join(one.values()) or "nobody knows" for one in (last.places, self._places)
        )
        return f"it was begun in {there}, not in {here}"

    def _new(self, name: str) -> tune.Tuner:
        parts = self.parts()
        parts.begun()
        return tune.Tuner(
            self.trainable,
            tune_config=self._tune_config(parts),
            run_config=self._run_config(name, parts),
        )

    def _tune_config(self, parts: TuneParts) -> tune.TuneConfig:
        return tune.TuneConfig(
            search_alg=parts.searcher,
            scheduler=parts.scheduler,
            num_samples=-1,
            reuse_actors=self.workers == "reused",
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        )

    def _run_config(self, name: str, parts: TuneParts) -> tune.RunConfig:
        return tune.RunConfig(
            name=name,
            storage_path=self.storage,
            verbose=0,
            callbacks=list(parts.callbacks),
            failure_config=tune.FailureConfig(max_failures=self.max_failures),
        )


@dataclass(frozen=True)
class _Opened:
    """An experiment that was begun, and in which places."""

    name: str
    places: Mapping[str, str]
    version: object

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> _Opened:
        """Read the values of the journal's event."""
        places = {name: values[name] for name in PLACES if name in values}
        return cls(str(values["experiment"]), places, values.get(SNAPSHOT.key, 1))


def _foreign(last: _Opened) -> str | None:
    """Why this release does not continue an experiment of another one; None if it is its own."""
    if last.version == SNAPSHOT.version:
        return None
    return (
        f"its {SNAPSHOT.key} is {last.version}, and this release continues {SNAPSHOT.version} only"
    )


def _name(trial: Trial) -> str:
    """A trial's name and folder: readable, and its own."""
    return f"{TrialConfig.read(trial.config).job.replace('/', '_')}-{trial.trial_id}"


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
