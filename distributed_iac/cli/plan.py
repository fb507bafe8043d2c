"""``distributed-iac plan``: the jobs that a sweep would run, and what they would take."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from distributed_iac.cli.configuration import tell_doubts
from distributed_iac.cli.plan_simulation import STARTUP, Assumptions, show_simulation
from distributed_iac.errors import RunError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from distributed_iac.config.run import RunConfig
    from distributed_iac.jobs.graph import JobGraph
    from distributed_iac.jobs.job import JobKind
    from distributed_iac.run.probe import Probe

GIGABYTE = 1e9


def plan(
    config: Annotated[Path, typer.Argument(help="Run configuration (YAML).")],
    measure: Annotated[
        bool, typer.Option(help="Measure memory and time of each kind on a few batches.")
    ] = True,
    jobs: Annotated[bool, typer.Option("--jobs", help="List every job with its needs.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Replay the sweep on 1 to 1,024 virtual GPUs.")
    ] = False,
    traces: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="Sweep to replay jobs of; repeat for more."),
    ] = None,
    gpu_speed: Annotated[
        float, typer.Option(help="Recorded seconds that a planned GPU does in one.")
    ] = 1.0,
    startup: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a process takes to start.")
    ] = STARTUP,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Show what a sweep would do; runs none of it.

    Memory and time are measured with the first data set, once its store is prepared; exits with
    4 if a kind of job cannot run here, and with 2 if it reserves more than this machine has.
    --no-measure plans for another one. A simulation replays the jobs that --traces holds; without,
    what was measured here.
    """
    from rich.console import Console

    from distributed_iac.cli.configuration import load_settled
    from distributed_iac.jobs.plan import plan_jobs

    settings = load_settled(config, overrides or [])
    graph = plan_jobs(settings)
    console = Console()
    tell_doubts(settings)
    if jobs:
        for job in graph.jobs():
            typer.echo(f"{job.key}  <- {', '.join(job.needs) or 'nothing'}")
    here = measure and not traces
    if here and settings.sweep.address is None:
        _require_fit(settings)
    probes, failed = _probes(settings, graph) if here else ({}, {})
    console.print(_table(settings, graph, probes))
    typer.echo(f"{len(graph)} jobs in {settings.folder}")
    for sentence in _what_is_moved(settings):
        typer.echo(sentence)
    if settings.question == "comparison":
        typer.echo(_headroom(settings, graph, config))
    if probes and not failed:
        typer.echo(_estimate(settings, graph, probes))
    for error in failed.values():
        typer.echo(f"error: {error}", err=True)
    if failed:
        raise typer.Exit(RunError.exit_code)
    if simulate or traces:
        show_simulation(console, settings, traces or [], probes, Assumptions(gpu_speed, startup))


def _what_is_moved(config: RunConfig) -> list[str]:
    """Of every backbone that comes trained, whether it is still itself beside its cells."""
    unfreeze = config.retrain.unfreeze
    frozen = "stays as it is, to the bit: retrain.unfreeze is cells"
    moved = (
        f"is trained on: retrain.unfreeze is {unfreeze}; cells would leave it as it is, to the bit"
    )
    said = frozen if unfreeze == "cells" else moved
    return [f"{one.key} comes trained and {said}" for one in config.backbones if one.is_trained]


def _headroom(config: RunConfig, graph: JobGraph, path: Path) -> str:
    """What would say beforehand whether the searches can be worth it."""
    from distributed_iac.jobs.plan import plan_jobs

    asked = [job for job in plan_jobs(config.headroom_run()).jobs() if job.kind == "retrain"]
    shared = sum(job.key in graph for job in asked)
    return (
        f"can a search be worth its cost here? `distributed-iac headroom {path}` says so first: "
        f"{len(asked)} retrainings of random cells, {shared} of them jobs of this sweep too"
    )


def _require_fit(config: RunConfig) -> None:
    """Refuse what a sweep would refuse once it has started Ray on this machine.

    Raises:
        ConfigError: A kind of job reserves more than there is.
    """
    from distributed_iac.tune.resources import Capacity, require_fit, reserve

    cpus = float(config.sweep.cpus or os.cpu_count() or 1)
    wanted = reserve(config.sweep.resources, Capacity(cpus, 0.0, math.inf), config.device)
    gpus = 0.0
    if any(one.gpus for one in wanted.values()):
        import torch

        gpus = float(torch.cuda.device_count())
    require_fit(wanted, Capacity(cpus, gpus, math.inf))


def _probes(
    config: RunConfig, graph: JobGraph
) -> tuple[dict[JobKind, Probe], dict[JobKind, RunError]]:
    """One measurement for each kind that trains, and why some could not be made.

    Both are empty while there is no store.
    """
    from distributed_iac.run.probe import ProbedKind, probe

    kinds = {job.kind for job in graph.jobs()}
    found: dict[JobKind, Probe] = {}
    failed: dict[JobKind, RunError] = {}
    for kind in [one for one in get_args(ProbedKind) if one in kinds]:
        typer.echo(f"measuring a few batches: {kind}", err=True)
        try:
            found[kind] = probe(config, kind)
        except RunError as error:
            failed[kind] = error
        except StoreError as error:
            typer.echo(f"memory and time are unknown: {error}", err=True)
            return {}, {}
    return found, failed


def _table(config: RunConfig, graph: JobGraph, probes: Mapping[JobKind, Probe]) -> Table:
    from rich.table import Table

    from distributed_iac.cli.live_progress import duration

    table = Table(box=None, pad_edge=False)
    table.add_column("kind")
    for name in ("jobs", "reserved", "epochs", "an epoch", "a job", "memory", "GPU memory"):
        table.add_column(name, justify="right")
    for kind, count in Counter(job.kind for job in graph.jobs()).items():
        one = probes.get(kind)
        measured = ("", "", "", "", "")
        if one is not None:
            measured = (
                str(one.epochs),
                f"{one.epoch_seconds:.2g} s",
                duration(one.seconds),
                f"{one.peak_bytes / GIGABYTE:.1f} GB",
                f"{one.gpu_bytes / GIGABYTE:.1f} GB" if one.gpu_bytes else "",
            )
        table.add_row(kind, str(count), _reserved(config, kind), *measured)
    return table


def _reserved(config: RunConfig, kind: JobKind) -> str:
    one = getattr(config.sweep.resources, kind)
    parts = [f"{one.cpus:g} CPU"]
    if one.gpus:
        parts.append("GPU if any" if one.gpus == "auto" else f"{one.gpus:g} GPU")
    if one.memory_gb is not None:
        parts.append(f"{one.memory_gb:g} GB")
    return ", ".join(parts)


def _estimate(config: RunConfig, graph: JobGraph, probes: Mapping[JobKind, Probe]) -> str:
    """All work one after another, and what no number of machines makes shorter."""
    from distributed_iac.cli.live_progress import duration

    seconds: dict[JobKind, float] = {kind: one.seconds for kind, one in probes.items()}
    total = sum(seconds.get(job.kind, 0.0) for job in graph.jobs())
    chain = max(graph.critical_seconds(seconds).values())
    backbones = len(config.data) * len(config.backbones)
    return (
        f"at most {duration(total)} one after another, at least {duration(chain)} on any number of "
        f"machines; measured with {config.data[0].name}, taken to hold for all {backbones} groups; "
        "without preparing, evaluating, and what early stops save"
    )
