"""What a sweep costs besides its jobs.

    python -m benchmarks.ray_overhead                       # both parts, about twelve minutes
    python -m benchmarks.ray_overhead --part bookkeeping    # without Ray, a minute

``sweeps``: scripted searches that take a known time, through a whole sweep on a Ray of this
machine: its wall-clock against the time of the searches alone, spread over the slots. Everything
counts: Ray's start, a process for each search (``fresh``) or for each slot (``reused``),
checkpoints, results, tables. The limit holds for searches of a minute.

``bookkeeping``: searcher, scheduler and journal driven as Ray drives them, for 100 to 10,000
searches in one group with five reports each, and the tables made from the journal after. No Ray is
running; its trials are its own stubs. Times are the processor's, so that a busy machine does not
look like a slow sweep. What a job costs must not grow with how many there are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from rich.console import Console
from rich.table import Table

from benchmarks.harness import options, write_result
from benchmarks.scripted import ScriptedWorkload
from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.config.sweep import KindResources, ResourceSettings, SweepSettings
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.run.collect import collect_run
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.tune.journal_keeper import JournalKeeper
from distributed_iac.tune.scheduler import StabilityScheduler, StopReasons
from distributed_iac.tune.searcher import JobSearcher
from distributed_iac.tune.sweep import Sweep

Part = Literal["all", "sweeps", "bookkeeping"]
Workers = Literal["fresh", "reused"]

SIZES = (100, 1_000, 10_000)
REPORTS = 5
AT_ONCE = 64
"""Trials that run at the same time in the bookkeeping part."""
GROWTH = 2.0
"""How much more a job may cost among 10,000 than among 1,000: twice, because caches get colder; ten
times would be quadratic."""
RATIO = 1.10
"""Limit of a sweep's wall-clock by its bare time, for searches of a minute."""


@dataclass(frozen=True)
class Overhead:
    """A real sweep.

    Args:
        workers: Whether processes are used for more than one search.
        wall: Seconds from the call to the tables.
        bare: Seconds of all searches, divided by the slots.
    """

    workers: Workers
    wall: float
    bare: float

    @property
    def ratio(self) -> float:
        """1 for a sweep that costs nothing."""
        return self.wall / self.bare


@dataclass(frozen=True)
class Bookkeeping:
    """Processor seconds of each part for a number of jobs.

    Args:
        jobs: How many.
        begin: Graph, searcher and plan.
        run: Everything from the first suggestion to the last job's end.
        tables: Reading the journal and making both tables of it.
    """

    jobs: int
    begin: float
    run: float
    tables: float

    @property
    def a_job(self) -> float:
        """Seconds for each job, all parts."""
        return (self.begin + self.run + self.tables) / self.jobs


def searches(count: int) -> tuple[Job, ...]:
    """Searches of one group that need nothing: as many as there are can start at once."""
    return tuple(Job("search", "data", "net", "lth", seed) for seed in range(count))


def sweep_overhead(
    workers: Workers, jobs: int, seconds: float, slots: int, folder: Path
) -> Overhead:
    """Run a sweep of searches that sleep, a second an epoch."""
    epochs = max(1, round(seconds))
    artifacts = str(folder / "artifacts")
    one = ResourceSettings(cpus=1.0, gpus=0.0)
    settings = SweepSettings(
        cpus=slots,
        resources=KindResources(**dict.fromkeys(get_args(JobKind), one)),
        workers=workers,
    )
    workload = ScriptedWorkload(searches(jobs), {"search": epochs}, artifacts, seconds / epochs)
    sweep = Sweep(workload, folder / "run", artifacts, settings, SchedulerSettings())
    begun = time.perf_counter()
    outcome = sweep.run()
    wall = time.perf_counter() - begun
    if outcome.counts["done"] != jobs:
        raise AssertionError(f"{outcome.counts} instead of {jobs} done")
    return Overhead(workers, wall, jobs * seconds / slots)


def report(epoch: int, outcome: str) -> dict[str, Any]:
    """An epoch as Ray hands it on."""
    return {
        "training_iteration": epoch,
        "epoch": epoch,
        "seconds": 3.5,
        "total_seconds": 3.5 * epoch,
        "val_dice": 0.7 + 0.01 * epoch,
        "js_mean": 0.02,
        "js_max": 0.05,
        "stable_edges": 9,
        "live_edges": 14,
        "op_evaluations": 1000 * epoch,
        "converged": False,
        "outcome": outcome,
        "digest": "0" * 64,
        "done": outcome == "done",
    }


class Tune:
    """Calls searcher, scheduler and callbacks in the order in which Ray Tune does.

    Args:
        searcher: Hands out jobs.
        run: Run folder.
    """

    def __init__(self, searcher: JobSearcher, run: SweepFolder) -> None:
        self._searcher = searcher
        self._scheduler = StabilityScheduler(SchedulerSettings())
        self._callbacks = (StopReasons(self._scheduler), JournalKeeper(run.journal))
        self._trials = 0

    def run(self) -> None:
        """From the first suggestion to the last job's end."""
        running: deque[Trial] = deque()
        while True:
            while len(running) < AT_ONCE and (trial := self._started()) is not None:
                running.append(trial)
            if not running:
                break
            trial = running.popleft()
            if not self._is_over(trial):
                running.append(trial)
        if not self._searcher.progress.finished or "contained" in self._scheduler.debug_string():
            raise AssertionError(self._scheduler.debug_string())

    def _started(self) -> Trial | None:
        self._trials += 1
        name = f"{self._trials:08d}"
        config = self._searcher.suggest(name)
        if not isinstance(config, dict):
            return None
        trial = Trial("__fake", stub=True, config=config, trial_id=name)
        self._scheduler.on_trial_add(None, trial)
        for callback in self._callbacks:
            callback.on_trial_start(0, [], trial)
        return trial

    def _is_over(self, trial: Trial) -> bool:
        epoch = int((trial.last_result or {}).get("epoch", 0)) + 1
        over = epoch == REPORTS
        result = report(epoch, "done" if over else "running")
        if not over and self._scheduler.on_trial_result(None, trial, result) != CONTINUE:
            raise AssertionError("stopped a trial that nothing stops")
        for callback in self._callbacks:
            callback.on_trial_result(epoch, [], trial, dict(result))
        trial.run_metadata.last_result = result
        if over:
            self._scheduler.on_trial_complete(None, trial, result)
            self._searcher.on_trial_complete(trial.trial_id, result=result)
        return over


CONTINUE = FIFOScheduler.CONTINUE


def bookkeeping(count: int, folder: Path) -> Bookkeeping:
    """Drive a number of jobs, in a folder of its own."""
    kinds: tuple[JobKind, ...] = get_args(JobKind)
    marks = [time.process_time()]
    workload = ScriptedWorkload(searches(count), {}, str(folder / "artifacts"))
    searcher, run = JobSearcher(workload), SweepFolder(folder / "run")
    run.path.mkdir(parents=True)
    reserved = {kind: Reserved(1.0) for kind in kinds}
    run.describe(SweepPlan(workload.graph, workload.artifacts, reserved))
    marks.append(time.process_time())
    Tune(searcher, run).run()
    marks.append(time.process_time())
    tables = collect_run(run.path)
    marks.append(time.process_time())
    if tables.epochs.num_rows != REPORTS * count:
        raise AssertionError(f"{tables.epochs.num_rows} epochs instead of {REPORTS * count}")
    begin, driven, read = (later - before for before, later in pairwise(marks))
    return Bookkeeping(count, begin, driven, read)


def measured_bookkeeping(console: Console) -> list[Bookkeeping]:
    """All sizes, with their table."""
    found = []
    for count in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            found.append(bookkeeping(count, Path(scratch)))
    table = Table(title="Processor milliseconds a job, without Ray")
    for heading in ("jobs", "begin", "run", "tables", "all"):
        table.add_column(heading, justify="right")
    for one in found:
        parts = (one.begin / one.jobs, one.run / one.jobs, one.tables / one.jobs, one.a_job)
        table.add_row(f"{one.jobs:,}", *(f"{1e3 * part:.3f}" for part in parts))
    console.print(table)
    growth = found[-1].a_job / found[-2].a_job
    verdict = "within" if growth <= GROWTH else "ABOVE"
    print(f"a job among {SIZES[-1]:,} costs {growth:.2f} times one among {SIZES[-2]:,}: {verdict}")
    return found


def measured_sweeps(jobs: int, seconds: float, slots: int, console: Console) -> list[Overhead]:
    """Both ways to use processes, with their table."""
    found = []
    for workers in get_args(Workers):
        with tempfile.TemporaryDirectory() as scratch:
            found.append(sweep_overhead(workers, jobs, seconds, slots, Path(scratch)))
    table = Table(title=f"{jobs} searches of {seconds:g} s on {slots} slots")
    table.add_column("processes")
    for heading in ("wall-clock, s", "bare, s", "ratio"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(one.workers, f"{one.wall:.1f}", f"{one.bare:.1f}", f"{one.ratio:.3f}")
    console.print(table)
    for one in found:
        verdict = "within" if one.ratio <= RATIO else "ABOVE"
        print(f"{one.workers}: {verdict} the limit of {RATIO:g}")
    return found


def parts(given: argparse.Namespace, console: Console) -> Iterator[tuple[str, Any]]:
    """What was asked for, measured."""
    if given.part in ("all", "bookkeeping"):
        yield (
            "bookkeeping",
            [asdict(one) | {"a_job": one.a_job} for one in measured_bookkeeping(console)],
        )
    if given.part in ("all", "sweeps"):
        found = measured_sweeps(given.jobs, given.seconds, given.slots, console)
        yield "sweeps", [asdict(one) | {"ratio": one.ratio} for one in found]


def main() -> None:
    """Measure, print tables, write the result."""
    parser = options(__doc__)
    parser.add_argument("--part", choices=get_args(Part), default="all")
    parser.add_argument("--jobs", type=int, default=8, help="searches of a sweep")
    parser.add_argument("--seconds", type=float, default=60.0, help="a search takes")
    parser.add_argument("--slots", type=int, default=2, help="searches at the same time")
    given = parser.parse_args()
    results = dict(parts(given, Console()))
    name = "ray_overhead" if given.part == "all" else f"ray_overhead_{given.part}"
    settings = {
        "sweeps": {"jobs": given.jobs, "seconds": given.seconds, "slots": given.slots},
        "bookkeeping": {"sizes": SIZES, "reports": REPORTS, "at_once": AT_ONCE},
        "limits": {"ratio": RATIO, "growth": GROWTH},
    }
    print(write_result(name, settings=settings, results=results, packages=("ray",)))


if __name__ == "__main__":
    main()
