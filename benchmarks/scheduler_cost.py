"""What a report costs the scheduler, as trials add up.

    python -m benchmarks.scheduler_cost

Microseconds that one ``on_trial_result`` takes with 10 to 10,000 trials in one group and arm, which
is the worst case for the rules that compare trials. Every trial has a past of 30 reports. Trials
are Ray's own stubs; no Ray is running, so this is the scheduler's part alone. Ray's own part
(``FIFOScheduler``, which decides nothing) is timed beside it, and so is ``debug_string``, which
reporters call every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Summary, as_json, measure, write_result
from distributed_iac.config.scheduler import ConsensusSettings, DominatedSettings, SchedulerSettings
from distributed_iac.tune.scheduler import StabilityScheduler

TRIALS = (10, 100, 1_000, 10_000)
PAST = 30
CALLS = 2_000
REPETITIONS = 15
LIMIT = 100.0
"""Microseconds a report may cost with 10,000 trials: with the 424 results a second that Ray was
seen to handle on two cores, that is 4 % of its time."""

SETTINGS = {
    "default rules": SchedulerSettings(),
    "all rules": SchedulerSettings(
        collapse=3,
        consensus=ConsensusSettings(seeds=3),
        dominated=DominatedSettings(rivals=10_001),
    ),
}


def report(epoch: int, score: float) -> dict[str, Any]:
    """A search epoch as this project's stages report it; nothing settles."""
    return {
        "epoch": epoch,
        "total_seconds": 3.5 * epoch,
        "weight_loss": 0.7,
        "architecture_loss": 0.8,
        "val_dice": score,
        "best_val_dice": score,
        "js_mean": 0.02,
        "js_max": 0.05,
        "stable_edges": 9,
        "undecided_edges": 2,
        "live_operations": 63,
        "live_edges": 14,
        "entropy": 0.8,
        "op_evaluations": 1000 * epoch,
        "collapsed": False,
        "converged": None,
        "genotype_id": "a41f",
        "genotype": "{}",
        "done": False,
    }


def filled(schedule: FIFOScheduler, trials: list[Trial]) -> Callable[[], object]:
    """A scheduler with trials that have a past; each call is the next report of the next trial."""
    scores = np.random.default_rng(0).normal(0.7, 0.05, len(trials)).tolist()
    for trial in trials:
        schedule.on_trial_add(None, trial)
    for epoch in range(1, PAST + 1):
        for trial, score in zip(trials, scores, strict=True):
            schedule.on_trial_result(None, trial, report(epoch, score))
    # Made beforehand: a million results would be the benchmark's memory, not the scheduler's.
    turns = count()
    template = [report(0, score) for score in scores]

    def next_report() -> str:
        turn = next(turns)
        number = turn % len(trials)
        result = template[number]
        result["epoch"] = PAST + 1 + turn // len(trials)
        decision: str = schedule.on_trial_result(None, trials[number], result)
        return decision

    return next_report


def require_open(candidates: dict[str, Callable[[], object]]) -> None:
    """A scheduler that contained an error, or stopped a trial, did not do the work."""
    for name, candidate in candidates.items():
        if candidate() != FIFOScheduler.CONTINUE:
            raise AssertionError(f"{name} stopped a trial that nothing stops")


def main() -> None:
    """Measure all sizes, print a table, write the result."""
    table = Table(title="Microseconds a report (median, quartiles)")
    for heading in ("trials", "Ray's FIFO", *SETTINGS, "debug_string, ms"):
        table.add_column(heading, justify="right")
    results: dict[str, Any] = {}
    for size in TRIALS:
        trials = [Trial("__fake", stub=True, config={"arm": "lth"}) for _ in range(size)]
        schedules = {name: StabilityScheduler(settings) for name, settings in SETTINGS.items()}
        candidates = {"FIFO": filled(FIFOScheduler(), trials)} | {
            name: filled(schedule, trials) for name, schedule in schedules.items()
        }
        require_open(candidates)
        timings = measure(candidates, repetitions=REPETITIONS, calls=CALLS)
        told = measure({"debug_string": schedules["all rules"].debug_string}, repetitions=5)
        if "contained" in schedules["all rules"].debug_string():
            raise AssertionError(schedules["all rules"].debug_string())
        results[str(size)] = as_json(timings, "FIFO") | {
            "debug_string": {"microseconds": 1e6 * told["debug_string"].median}
        }
        cells = [Summary.of(1e6 * np.array(timing.seconds)) for timing in timings.values()]
        table.add_row(
            f"{size:,}",
            *(f"{one.median:.1f} ({one.lower:.1f} - {one.upper:.1f})" for one in cells),
            f"{1e3 * told['debug_string'].median:.2f}",
        )
    Console().print(table)
    worst = max(results[str(TRIALS[-1])][name]["microseconds"]["median"] for name in SETTINGS)
    verdict = "within" if worst <= LIMIT else "ABOVE"
    print(f"{worst:.1f} microseconds with {TRIALS[-1]:,} trials: {verdict} the limit of {LIMIT:g}")
    path = write_result(
        "scheduler_cost",
        settings={"trials": TRIALS, "past": PAST, "calls": CALLS, "repetitions": REPETITIONS},
        results={"a report": results, "limit_microseconds": LIMIT, "worst_median": worst},
        packages=("ray",),
    )
    print(path)


if __name__ == "__main__":
    main()
