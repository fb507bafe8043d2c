"""Time and GPU hours of the whole sweep on 1 to 1,024 virtual GPUs, replayed from recorded jobs.

    python -m benchmarks.scaling --traces runs/NAME [--traces ...] [--gpu-speed 20]

The sweep is ``configs/sweep_all.yaml`` in one variant: four data sets, two backbones, full and lth,
three seeds.
Job graph, order and stopping rules are the real ones, the clock is not
(:mod:`distributed_iac.simulation`). Jobs are ordered by the number of GPUs where it is known, as on
one machine; what that is worth is measured as well. Recorded sweeps that ran in one piece are also
replayed as they were, on as many slots as they kept busy, and the time so found is compared with
the time they took.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Literal, get_args

from rich.console import Console

from benchmarks.harness import options, write_result
from distributed_iac.cli.plan_simulation import (
    STARTUP,
    Assumptions,
    assumptions,
    findings,
    recorded_scenario,
    scaling_table,
)
from distributed_iac.config.load import load_config
from distributed_iac.run.journal import Event
from distributed_iac.run.run_folder import stored_config
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.simulation.occupancy import Schedule
from distributed_iac.simulation.scaling import enough, scale
from distributed_iac.simulation.simulate import PaperSweep, simulate

CONFIG = Path("configs/sweep_all.yaml")
FEW = (1, 2, 4, 8, 16, 32)
"""GPUs, up to where a sweep of this size has one for everything."""


@dataclass(frozen=True)
class Replayed:
    """A recorded sweep against its own replay.

    Args:
        run: Name of its folder.
        slots: Most jobs that it ran at a time.
        recorded: Seconds from its first job's start to its last one's end.
        simulated: The same, on paper.
    """

    run: str
    slots: int
    recorded: float
    simulated: float


def replay(run: Path, startup: float) -> Replayed | None:
    """Simulate a recorded sweep on the slots that it had.

    Args:
        run: Its folder.
        startup: Seconds that a process takes before it works.

    Returns:
        None for one that was interrupted, lost workers or found results of earlier runs: its
        journal does not tell how long it would have taken.
    """
    events = list(takewhile(lambda event: event.kind != "close", SweepFolder(run).journal.read()))
    starts = [event for event in events if event.kind == "start"]
    ends = [event for event in events if event.kind == "end"]
    scenario = recorded_scenario(stored_config(run), [run], {}, Assumptions(1.0, startup))
    whole = {job.key for job in scenario.sweep.graph.jobs()}
    if not sorted(one.job for one in starts) == sorted(one.job for one in ends) == sorted(whole):
        return None
    slots = _most_at_a_time(events)
    shares = dict.fromkeys(scenario.sweep.shares, 1.0)
    schedule = simulate(replace(scenario.sweep, shares=shares), slots)
    recorded = ends[-1].at - starts[0].at
    return Replayed(run.name, slots, recorded, schedule.makespan - startup)


@dataclass(frozen=True)
class Early:
    """When results come, by whether the sweep knows how many GPUs there are.

    Args:
        slots: GPUs.
        size: Whether it knows.
        first_group: Hours until a data set and backbone has all its results.
        mean_group: The same, mean over all.
        whole: Hours until everything is done.
    """

    slots: int
    size: Literal["known", "unknown"]
    first_group: float
    mean_group: float
    whole: float


def early(sweep: PaperSweep) -> list[Early]:
    """Simulate both orders on few GPUs."""
    found = []
    for slots in FEW:
        for size in get_args(Literal["known", "unknown"]):
            schedule = simulate(replace(sweep, size=size), slots)
            ends: dict[str, float] = {}
            for span in schedule.spans:
                job = sweep.graph[span.job]
                if job.kind != "prepare":
                    ends[job.group] = max(ends.get(job.group, 0.0), span.end / 3600)
            times = sorted(ends.values())
            mean = sum(times) / len(times)
            found.append(Early(slots, size, times[0], mean, schedule.makespan / 3600))
    return found


def summed(schedule: Schedule) -> dict[str, float]:
    """A schedule without its spans; times in seconds, work in slot-seconds."""
    names = ("slots", "makespan", "busy", "paid", "utilisation", "critical", "searching")
    return {name: getattr(schedule, name) for name in names}


def _most_at_a_time(events: Sequence[Event]) -> int:
    running = most = 0
    for event in events:
        running += (event.kind == "start") - (event.kind == "end")
        most = max(most, running)
    return most


def main() -> None:
    """Simulate, print the table, write the result."""
    parser = options(__doc__)
    parser.add_argument("--traces", type=Path, action="append", required=True)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--gpu-speed", type=float, default=1.0)
    parser.add_argument("--startup", type=float, default=STARTUP)
    given = parser.parse_args()
    config = load_config(given.config, ["variants={}"])
    assumed = Assumptions(given.gpu_speed, given.startup)
    scenario = recorded_scenario(config, given.traces, {}, assumed)
    begun = time.process_time()
    study = scale(scenario.sweep, tuple(config.arms))
    took = time.process_time() - begun
    told = [*findings(study, scenario.unit), *assumptions(scenario, given.traces, assumed)]
    orders = early(scenario.sweep)
    replays = [one for run in given.traces if (one := replay(run, given.startup)) is not None]
    console = Console()
    console.print(scaling_table(study, scenario.unit))
    for line in told:
        console.print(line, highlight=False, soft_wrap=True)
    for order in orders:
        print(
            f"{order.slots} GPUs, {order.size}: first group after {order.first_group:.1f} h, "
            f"a group after {order.mean_group:.1f} h in the mean, all after {order.whole:.1f} h"
        )
    for one in replays:
        print(f"{one.run} took {one.recorded:.0f} s; on paper {one.simulated:.0f} s")
    path = write_result(
        "scaling",
        settings={
            "config": str(given.config),
            "traces": [run.name for run in given.traces],
            "recorded_seconds_per_second": assumed.speed,
            "startup_seconds": given.startup,
        },
        results={
            "jobs": len(scenario.sweep.graph),
            "sizes": {name: [summed(one) for one in rows] for name, rows in study.items()},
            "enough": {name: enough(rows).slots for name, rows in study.items()},
            "said": told,
            "orders": [asdict(one) for one in orders],
            "recorded_against_replayed": [asdict(one) for one in replays],
            "simulation_cpu_seconds": took,
        },
        packages=(),
    )
    print(path)


if __name__ == "__main__":
    main()
