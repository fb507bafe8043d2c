"""``distributed-iac plan --simulate``: time and cost of a sweep on 1 to 1,024 virtual GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from distributed_iac.config.run import RunConfig
    from distributed_iac.jobs.job import JobKind
    from distributed_iac.run.probe import Probe
    from distributed_iac.simulation.occupancy import Schedule
    from distributed_iac.simulation.scenario import Scenario, Unit
    from distributed_iac.simulation.trace import Trace

HOUR = 3600.0

STARTUP = 15.0
"""Seconds from a job's end to the first work of the next in its place: a fresh process starts,
imports torch and monai, opens its data. Seen in sweeps with Ray on two busy cores: 10 to 21 s."""


@dataclass(frozen=True)
class Assumptions:
    """What no trace tells.

    Args:
        speed: Recorded seconds that are one second on the planned hardware, above 0.
        startup: Seconds that every process takes before it works, at least 0.
    """

    speed: float
    startup: float


def show_simulation(
    console: Console,
    config: RunConfig,
    runs: Sequence[Path],
    probes: Mapping[tuple[JobKind, str], Probe],
    given: Assumptions,
) -> None:
    """Simulate a sweep, and print a table with everything that was assumed.

    Args:
        console: Where to.
        config: The planned sweep.
        runs: Run folders of sweeps whose finished jobs are replayed.
        probes: What was measured here; replayed if there are no runs.
        given: What no trace tells.

    Raises:
        ConfigError: There is nothing to replay, or not for every kind and arm; a speed of 0.
        RunError: A folder is not one of a sweep.
    """
    from distributed_iac.simulation.scaling import scale

    scenario = recorded_scenario(config, runs, probes, given)
    searched = {job.name for job in scenario.sweep.graph.jobs() if job.kind == "search"}
    study = scale(scenario.sweep, tuple(arm for arm in config.arms if arm in searched))
    console.print(scaling_table(study, scenario.unit))
    for line in (*findings(study, scenario.unit), *assumptions(scenario, runs, given)):
        console.print(line, highlight=False, soft_wrap=True)


def recorded_scenario(
    config: RunConfig,
    runs: Sequence[Path],
    probes: Mapping[tuple[JobKind, str], Probe],
    given: Assumptions,
) -> Scenario:
    """Read what is to be replayed in place of the planned jobs; raises as above."""
    from distributed_iac.errors import ConfigError
    from distributed_iac.run.traces import read_traces
    from distributed_iac.simulation.scenario import plan_scenario

    if given.speed <= 0:
        raise ConfigError("--gpu-speed is above 0", came=f"{given.speed:g}")
    if runs:
        traces = [trace for run in runs for trace in read_traces(run)]
    else:
        traces = list(_steady(config, probes))
    if not traces:
        raise ConfigError(
            "a simulation replays finished jobs, or what was measured here",
            came="neither",
            remedy="give the folder of a sweep, however small (--traces RUN), or prepare the first "
            "data set, so that one epoch of each kind can be measured",
        )
    return plan_scenario(config, traces, speed=given.speed, startup=given.startup)


def scaling_table(study: Mapping[str, Sequence[Schedule]], unit: Unit) -> Table:
    """A row a cluster size: time, what it is rented for, how much of that is used."""
    from rich.table import Table

    longest = max(one.makespan for outcomes in study.values() for one in outcomes)
    clock, divisor = ("h:min", 60) if longest >= HOUR else ("min:s", 1)
    table = Table(box=None, pad_edge=False)
    table.add_column(f"\n{unit}s", justify="right", no_wrap=True)
    for name in study:
        for heading in (f"{name}\n{clock}", f"\n{unit} h", "\nused"):
            table.add_column(heading, justify="right", no_wrap=True)
    for row in zip(*study.values(), strict=True):
        cells = [cell for one in row for cell in _cells(one, divisor)]
        table.add_row(f"{row[0].slots:,}", *cells)
    return table


def _cells(one: Schedule, divisor: int) -> tuple[str, str, str]:
    """Time in units of ``divisor`` seconds, and sixties of them."""
    large, small = divmod(round(one.makespan / divisor), 60)
    hours = one.paid / HOUR
    paid = f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}"
    return f"{large}:{small:02d}", paid, f"{100 * one.utilisation:.0f} %"


def findings(study: Mapping[str, Sequence[Schedule]], unit: Unit) -> Iterator[str]:
    """What the table says, for each way to search, and between the first two."""
    from distributed_iac.cli.live_progress import duration
    from distributed_iac.simulation.scaling import enough

    for name, outcomes in study.items():
        best, last = enough(outcomes), outcomes[-1]
        yield (
            f"{name}: {last.busy / HOUR:.1f} {unit} hours of work, {last.searching / HOUR:.1f} of "
            f"them searches; never under {duration(last.critical)}; more than {best.slots:,} "
            f"{unit}s gain less than 5 %"
        )
    if {"full", "lth"} <= set(study):
        full, fast = study["full"][0], study["lth"][0]
        yield (
            f"full takes {full.searching / fast.searching:.2f} times the {unit} hours of lth in "
            f"the searches, {full.busy / fast.busy:.2f} times in all"
        )


def assumptions(scenario: Scenario, runs: Sequence[Path], given: Assumptions) -> Iterator[str]:
    """What a reader has to believe."""
    from distributed_iac.simulation.stand_in import told

    if runs:
        yield f"jobs replayed: {told(scenario.stand_ins.values())}"
        yield "a search stops at the share of its epochs at which the recorded one stopped"
    else:
        yield (
            "no traces: every job runs all its epochs at the pace measured here, so nothing is "
            "saved by early stops; preparing and evaluating take no time"
        )
    yield (
        f"recorded seconds are divided by {given.speed:g} (--gpu-speed); every process takes "
        f"{given.startup:g} s to start (--startup)"
    )
    yield "not simulated: lost workers, too few CPU cores or too little memory, the network"


def _steady(config: RunConfig, probes: Mapping[tuple[JobKind, str], Probe]) -> Iterator[Trace]:
    """A measured epoch, over and over; the same for every arm."""
    from distributed_iac.simulation.trace import Trace

    for (kind, variant), one in probes.items():
        names = tuple(config.arms) if kind == "search" else ("",)
        for name in names:
            seconds = (one.epoch_seconds,) * one.epochs
            yield Trace(kind, "", "", name, None, seconds, one.epochs, variant=variant)
