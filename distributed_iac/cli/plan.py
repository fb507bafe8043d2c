"""``distributed-iac plan``: the jobs that a sweep would run, and what they would take."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distributed_iac.cli.configuration import tell_doubts
from distributed_iac.cli.measuring import GIGABYTE, fitted, measured_kinds, named, probe_for
from distributed_iac.cli.plan_simulation import STARTUP, Assumptions, show_simulation
from distributed_iac.errors import RunError

if TYPE_CHECKING:
    from rich.table import Table

    from distributed_iac.cli.measuring import Probes
    from distributed_iac.config.run import RunConfig
    from distributed_iac.jobs.graph import JobGraph
    from distributed_iac.jobs.job import JobKind


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
    probes, failed = measured_kinds(settings, graph) if here else ({}, {})
    settings, said = fitted(settings, graph, probes)
    console.print(_table(settings, graph, probes))
    typer.echo(f"{len(graph)} jobs in {settings.folder}")
    for sentence in (
        *said,
        *_growth(probes),
        *_overrides(settings, graph),
        *_what_is_moved(settings),
    ):
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
    frozen = "stays as it is, to the bit: retrain.unfreeze is cells"
    moved = "is trained on: retrain.unfreeze is {}; cells would leave it as it is, to the bit"
    found: dict[str, list[str]] = {}
    for place, view in config.views.items():
        unfreeze = view.retrain.unfreeze
        said = frozen if unfreeze == "cells" else moved.format(unfreeze)
        found.setdefault(said, []).append(place)
    return [
        f"{one.key} comes trained and {said}"
        + ("" if len(found) == 1 else f" ({', '.join(places)})")
        for one in config.backbones
        if one.is_trained
        for said, places in found.items()
    ]


def _overrides(config: RunConfig, graph: JobGraph) -> list[str]:
    """What data sets and variants have to themselves."""
    from distributed_iac.config.overrides import described

    told = [
        f"settings of {one.name}: {described(one.settings)}" for one in config.data if one.settings
    ]
    told += [
        f"variant {name}: {described(config.variants[name]) or 'the run as it is'}"
        for name in (config.variant_names if config.variants else ())
    ]
    return [*told, *(_shared(graph) if config.variants else ())]


def _shared(graph: JobGraph) -> list[str]:
    """What several variants share, by who they are."""
    found: dict[tuple[str, ...], Counter[str]] = {}
    for job in graph.jobs():
        found.setdefault(job.variants, Counter())[job.kind] += 1
    return [
        f"done once for {' and '.join(variants) or 'all variants'}: "
        + ", ".join(f"{count} {kind}" for kind, count in counts.items())
        for variants, counts in found.items()
        if len(variants) != 1
    ]


def _headroom(config: RunConfig, graph: JobGraph, path: Path) -> str:
    """What would say beforehand whether the searches can be worth it."""
    from distributed_iac.jobs.plan import plan_jobs
    from distributed_iac.jobs.settings import retrained_alike

    run = config.headroom_run()
    asked = [job for job in plan_jobs(run).jobs() if job.kind == "retrain"]
    ours = {job.address for job in graph.jobs() if retrained_alike(config, run, job)}
    shared = sum(job.key in ours for job in asked)
    return (
        f"can a search be worth its cost here? `distributed-iac headroom {path}` says so first"
        f"{config.asked_beside_variants}: {len(asked)} retrainings of random cells, {shared} of "
        "them jobs of this sweep too"
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


def _growth(probes: Probes) -> list[str]:
    """What a slice more in the batch takes of a GPU."""
    told = [
        f"{one.memory.each / 1e6:.0f} MB a {named(kind, variant)}"
        for (kind, variant), one in probes.items()
        if one.gpu_bytes
    ]
    return [f"GPU memory of every slice more in a batch: {', '.join(told)}"] if told else []


def _table(config: RunConfig, graph: JobGraph, probes: Probes) -> Table:
    from rich.table import Table

    from distributed_iac.cli.live_progress import duration
    from distributed_iac.jobs.settings import epochs_by_job

    table = Table(box=None, pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for name in ("jobs", "reserved", "epochs", "an epoch", "a job", "memory", "GPU memory"):
        table.add_column(name, justify="right")
    kinds, headed = list(dict.fromkeys(job.kind for job in graph.jobs())), set[str]()
    epochs: dict[tuple[JobKind, str], set[int]] = {}
    for key, planned in epochs_by_job(config, graph).items():
        epochs.setdefault((graph[key].kind, graph[key].variant), set()).add(planned)
    rows = Counter((job.kind, job.variant) for job in graph.jobs())
    for (kind, variant), count in sorted(rows.items(), key=lambda row: kinds.index(row[0][0])):
        one, most = probes.get((kind, variant)), max(epochs[kind, variant])
        measured = ("", "", "", "", "")
        if one is not None:
            measured = (
                " to ".join(map(str, sorted({min(epochs[kind, variant]), most}))),
                f"{one.epoch_seconds:.2g} s",
                duration(one.epoch_seconds * most),
                f"{one.peak_bytes / GIGABYTE:.1f} GB",
                f"{one.gpu_bytes / GIGABYTE:.1f} GB" if one.gpu_bytes else "",
            )
        if not variant:
            table.add_row(kind, str(count), _reserved(config, kind), *measured)
            continue
        if kind not in headed:
            table.add_row(kind, "", _reserved(config, kind))
        headed.add(kind)
        table.add_row(f"  @{variant}", str(count), "", *measured)
    return table


def _reserved(config: RunConfig, kind: JobKind) -> str:
    one = getattr(config.sweep.resources, kind)
    parts = [f"{one.cpus:g} CPU"]
    if one.gpus:
        parts.append("GPU if any" if one.gpus == "auto" else f"{one.gpus:g} GPU")
    if one.memory_gb is not None:
        parts.append(f"{one.memory_gb:g} GB")
    return ", ".join(parts)


def _estimate(config: RunConfig, graph: JobGraph, probes: Probes) -> str:
    """All work one after another, and what no number of machines makes shorter."""
    from distributed_iac.cli.live_progress import duration
    from distributed_iac.jobs.settings import epochs_by_job

    epochs, seconds = epochs_by_job(config, graph), {}
    for job in graph.jobs():
        one = probe_for(job, probes)
        seconds[job.key] = 0.0 if one is None else one.epoch_seconds * epochs[job.key]
    chain = max(graph.longest_ways(seconds).values())
    backbones = len(config.data) * len(config.backbones)
    own = any("batches" in one.settings for one in config.data)
    besides = ", each with its own epochs but as if with these batches" if own else ""
    return (
        f"at most {duration(sum(seconds.values()))} one after another, at least {duration(chain)} "
        f"on any number of machines; measured with {config.data[0].name}, taken to hold for all "
        f"{backbones} groups{besides}; without preparing, evaluating, and what early stops save"
    )
