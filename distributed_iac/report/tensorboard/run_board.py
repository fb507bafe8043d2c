"""The TensorBoard folder of a run, kept up to date from its journal and its jobs' results.

::

    board = RunBoard(Path("runs/acdc"))
    board.update()                          # again whenever something may have happened
    write_tensorboard(Path("runs/acdc"), drawings, tables)   # once, with the comparison

What is there already is left alone, so that updating a finished run costs next to nothing, and
doing it in two processes at once does no harm.

Names of runs are made for TensorBoard's filter: ``/lth/`` picks all LTH searches, ``seed0$`` one
seed, ``acdc/`` a data set, ``@augmented/`` a variant. Each arm's means over its seeds have a run of
their own, ``means/lth``, so that each has a colour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from distributed_iac.jobs.job import Job
from distributed_iac.report.drawing import Drawing
from distributed_iac.report.tables import Table, markdown
from distributed_iac.report.tensorboard.event_folder import EventFolder
from distributed_iac.report.tensorboard.job_files import read_job_files, read_rows
from distributed_iac.report.tensorboard.job_records import job_records
from distributed_iac.report.tensorboard.means import SearchMeans, layout_record
from distributed_iac.report.tensorboard.record import Record, digest, image, text
from distributed_iac.report.tensorboard.trials import experiment, trial_settings, variant_of
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.replay import JobHistory, Replay
from distributed_iac.run.run_folder import MARK
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.run.work.contract import WEIGHTS
from distributed_iac.transient import patiently

TENSORBOARD = "tensorboard"
SUMMARY = "summary"
"""Run that holds what is said about all of them: columns of trials, and how to lay out charts."""
COMPARISON = "summary/comparison"
"""Run that holds a report's figures and tables."""
_TAKEN = re.compile(r"(pretrain|baseline|evaluate-.*|retrain-.*|search-.*)")
"""What other jobs' runs are called within a group."""


class RunBoard:
    """Follows a run.

    Args:
        folder: The run folder.
        into: Folder of the event files; default: that in the run folder.

    Raises:
        RunError: It is not one of a sweep.
    """

    def __init__(self, folder: Path, into: Path | None = None) -> None:
        run = SweepFolder(folder)
        plan = patiently(run.plan)
        self._journal, self._replay = run.journal, Replay(plan.graph, without=frozenset())
        self._artifacts = Artifacts(plan.artifacts)
        self._jobs = [job for job in plan.graph.jobs() if job.kind != "prepare"]
        self._means = SearchMeans(plan.graph)
        self._events = EventFolder(into or folder / TENSORBOARD)
        arms = _arms(folder)
        varied = any(job.variants for job in self._jobs)
        self._settings = {
            job.key: trial_settings(job, arms) | ({"variant": variant_of(job)} if varied else {})
            for job in self._jobs
        }
        self._due: dict[str, None] = {}

    def update(self) -> None:
        """Show what has happened since the last update.

        Raises:
            RunError: The journal is damaged.
            CheckpointError: A kept result is damaged.
            OSError: Disk full or folder unwritable; the next update makes good for it.
        """
        touched = self._replay.follow(self._journal)
        self._due |= {key: None for key in touched if key in self._settings}
        if not self._due:
            return
        with self._events.claimed():
            for key in self._due:
                self._write(self._replay[key])
            self._summarise()
        self._due = {}

    @property
    def last_event(self) -> float:
        """When the last thing happened that is shown; 0 before the first."""
        times = (self._replay[job.key].last_event for job in self._jobs)
        return max((at for at in times if at is not None), default=0.0)

    def _write(self, history: JobHistory) -> None:
        job, stamp = history.job, history.stamp
        folder = None
        if history.status == "done" and history.digest is not None:
            folder = self._artifacts.fetch(history.digest, without=(WEIGHTS,))
        if not self._events.is_current(run_name(job), stamp):
            kept = None if folder is None else read_job_files(folder)
            records = job_records(history, kept, self._settings[job.key])
            self._events.sync(run_name(job), records, stamp)
        if job.kind == "search":
            rows = None if folder is None else read_rows(folder)
            self._means.take(job, history.dated_epochs(rows), history.status)
        if folder is not None:
            history.epochs.clear()  # of a finished job its own table says the same

    def _summarise(self) -> None:
        began = self._replay.began or 0.0
        records = [
            experiment(self._settings.values(), began),
            layout_record(self._means.arms, began),
        ]
        self._events.sync(SUMMARY, records, stamp="")
        for arm, means in self._means.records().items():
            self._events.sync(f"means/{arm}", means, stamp="")


def write_tensorboard(
    folder: Path,
    drawings: Iterable[Drawing],
    tables: Mapping[str, Table],
    into: Path | None = None,
) -> None:
    """Bring a run's TensorBoard folder up to date, the comparison included.

    Args:
        folder: The run folder.
        drawings: Figures that compare jobs; shown as images of the run ``summary/comparison``.
        tables: By name; shown as texts there.
        into: Folder of the event files; default: that in the run folder.

    Raises:
        RunError: It is not the folder of a sweep, or its journal is damaged.
        CheckpointError: A kept result is damaged.
        OSError: Disk full or folder unwritable.
    """
    board = RunBoard(folder, into)
    board.update()
    at = board.last_event
    records = [_figure(one, at) for one in drawings]
    records += [
        text(f"comparison/{name}", 0, at, markdown(table)) for name, table in tables.items()
    ]
    events = EventFolder(into or folder / TENSORBOARD)
    with events.claimed():
        events.sync(COMPARISON, records, stamp="")


def _figure(one: Drawing, at: float) -> Record:
    return image(f"comparison/{one.name}", 0, at, digest(one.png), lambda: one.png)


def run_name(job: Job) -> str:
    """The job's run, such as ``acdc/basic_unet/retrain-lth/seed0``; each job has another one.

    An arm that is called like another kind of job gets the prefix ``search-``.
    """
    seed = "" if job.seed is None else f"seed{job.seed}"
    return "/".join(part for part in (job.group, _middle(job), seed) if part)


def _middle(job: Job) -> str:
    if job.kind == "search":
        return f"search-{job.name}" if _TAKEN.fullmatch(job.name) else job.name
    if job.kind in ("retrain", "evaluate"):
        return f"{job.kind}-{job.name}"
    return job.kind


def _arms(folder: Path) -> dict[str, Any]:
    """How each arm prunes; nothing where a run folder holds no configuration."""
    mark = folder / MARK
    if not mark.exists():
        return {}
    arms: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8")).get("arms", {})
    return arms
