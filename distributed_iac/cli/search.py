"""``distributed-iac search``: one search in this process, no Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distributed_iac.errors import ConfigError


def search(
    config: Annotated[Path, typer.Argument(help="Run configuration (YAML).")],
    dataset: Annotated[str | None, typer.Option(help="Data set; default: the first.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Backbone; default: the first.")] = None,
    arm: Annotated[str, typer.Option(help="Way to search.")] = "lth",
    variant: Annotated[str | None, typer.Option(help="Variant; default: the first.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default: the run's first.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Search one cell in one trained backbone; prepares and pre-trains first if it must.

    Leaves genotype.json, epochs.parquet, decisions.json and figures in the run folder; the same
    command continues an interrupted search.
    """
    from distributed_iac.cli.configuration import choose, compare_stores, load_settled, tell_doubts
    from distributed_iac.cli.live_progress import StageProgress
    from distributed_iac.jobs.plan import plan_jobs
    from distributed_iac.report.cell_drawing import draw_discretisation
    from distributed_iac.report.search_curves import search_curves
    from distributed_iac.run.cells import read_search
    from distributed_iac.run.local_sweep import LocalSweep
    from distributed_iac.run.sweep_folder import SweepFolder

    settings = load_settled(config, overrides or [])
    data = choose("data sets", dataset, {entry.name: entry for entry in settings.data})
    network = choose("backbones", backbone, {entry.key: entry for entry in settings.backbones})
    choose("arms", arm, settings.arms)
    wanted = None if seed is None else str(seed)
    number = choose("seeds", wanted, {str(entry): entry for entry in settings.seeds})
    if variant is not None and not settings.variants:
        raise ConfigError("this run has no variants", came=variant, remedy="leave --variant out")
    chosen = choose("variants", variant, {name: name for name in settings.variant_names})
    graph = plan_jobs(settings)
    place = {"kind": "search", "dataset": data.name, "backbone": network.key}
    (job,) = graph.of_variant(chosen, **place, name=arm, seed=number)
    told = tell_doubts(settings)
    compare_stores(settings.model_copy(update={"data": (data,)}))
    with SweepFolder(settings.folder).claimed():
        with StageProgress() as progress:
            sweep = LocalSweep(settings, graph, progress.observe)
            result = read_search(sweep.result(job.key))
            lost = sweep.conclude()
        search_curves(arm, result.rows).savefig(result.folder / "curves.png", dpi=120)
        draw_discretisation(result.cell).savefig(result.folder / "cell.png", dpi=150)
    tell_doubts(settings, told)
    if lost:
        typer.echo(f"warning: the tables stay as they are: {lost.sentence}", err=True)
    typer.echo(result.describe())
