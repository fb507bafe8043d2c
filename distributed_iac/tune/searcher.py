"""The job graph as a Ray Tune searcher: a sweep is one experiment without barriers.

::

    searcher = JobSearcher(workload)
    tune.Tuner(trainable, tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1))

Tune asks for a configuration whenever it could start a trial: it gets the next ready job
(:mod:`distributed_iac.jobs.ready`), ``None`` while nothing is ready, FINISHED at the end. So one
data set's searches run while another still pre-trains. Tune asks ahead, and starts jobs in the
order in which it got them; where it is known what fits, it gets a job when there is room for it, so
that what becomes ready meanwhile has its turn.

A trial is not a job: a job counts as finished when its result is kept. A trial that a scheduler
stopped before that is followed by one that concludes the job; a trial that found the result there
finishes its job at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from distributed_iac.jobs.job import Job
from distributed_iac.jobs.progress import Progress
from distributed_iac.run.workload import Workload
from distributed_iac.tune.ray_internals import resuming_trials
from distributed_iac.tune.resources import Room
from distributed_iac.tune.trial_config import TrialConfig


class JobSearcher(Searcher):  # type: ignore[misc]  # Ray's classes are untyped
    """Hands out jobs.

    Args:
        workload: The jobs; asked whether a result is there already.
        slots: How many jobs run at the same time, for the order of ready jobs; None: nobody knows.
        room: What fits; None: nobody knows, as on a cluster that may grow.
    """

    def __init__(
        self, workload: Workload, slots: float | None = None, room: Room | None = None
    ) -> None:
        super().__init__()
        self._workload, self._slots, self._room = workload, slots, room
        self._trials: dict[str, str] = {}
        self._until: dict[str, int] = {}

    @cached_property
    def progress(self) -> Progress:
        """The state of all jobs; the kept results are read when it is first asked for."""
        return self._begin(())

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial's configuration; None while nothing is ready; FINISHED at the end."""
        if self.progress.finished:
            finished: str = Searcher.FINISHED
            return finished
        trial = self._next()
        if trial is None:
            return None
        self._trials[trial_id] = trial.job
        return trial.to_dict()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Note how a trial ended.

        Args:
            trial_id: The trial.
            result: Its last result.
            error: It failed more often than allowed.
        """
        key = self._trials.pop(trial_id, None)
        if key is None or self.progress.status(key) != "running":
            return  # its job was finished by another trial
        outcome = (result or {}).get("outcome")
        if outcome in ("done", "reused"):
            self._until.pop(key, None)
            self.progress.finish(key)
        elif outcome == "failed" or error:
            self.progress.fail(key)
        else:
            self._until[key] = int((result or {}).get("epoch") or 0)

    def save(self, checkpoint_path: str) -> None:
        """Write which trial carries out which job, and where stopped jobs end."""
        state = {"trials": self._trials, "until": self._until}
        Path(checkpoint_path).write_text(json.dumps(state), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Continue: what is finished is told by the results that are kept, the rest by the trials.

        Tune's snapshots of trials and searcher are separate files, and a kill may come between
        them; so a job counts as running only if Tune is going to resume a trial of it.

        Args:
            checkpoint_path: What :meth:`save` wrote, beside Tune's own experiment state.
        """
        path = Path(checkpoint_path)
        state = json.loads(path.read_text(encoding="utf-8"))
        self._trials = resuming_trials(path.parent)
        until = {key: int(epoch) for key, epoch in state["until"].items()}
        self.progress = self._begin({*self._trials.values(), *until})
        self._until = {
            key: epoch for key, epoch in until.items() if self.progress.status(key) == "running"
        }

    def _next(self) -> TrialConfig | None:
        """A job that waits for its conclusion, else the next of those that are ready."""
        for key, until in self._until.items():
            if key not in self._trials.values():
                return TrialConfig.of(self._workload.graph[key]).concluding(until)
        ready = self.progress.next_ready()
        if ready is None or not self._has_room(ready):
            return None
        self.progress.start(ready.key)
        return TrialConfig.of(ready)

    def _has_room(self, job: Job) -> bool:
        """Whether a job fits beside those that were handed out."""
        if self._room is None:
            return True
        running = [self._workload.graph[key].kind for key in self._trials.values()]
        return self._room.has([*running, job.kind])

    def _begin(self, taken_up: Collection[str]) -> Progress:
        """The state of all jobs as the kept results tell it.

        Args:
            taken_up: Jobs that have a trial already, or are going to be concluded by one.
        """
        progress = Progress(self._workload.graph, self._slots)
        for job in self._workload.graph.jobs():
            if any(progress.status(need) != "done" for need in job.needs):
                continue  # its digest may not even be known
            finished = self._workload.finished(job) is not None
            if finished or job.key in taken_up:
                progress.start(job.key)
            if finished and job.key not in self._trials.values():
                progress.finish(job.key)
        return progress
