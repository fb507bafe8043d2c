"""``distributed-iac search``: one search in this process, no Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def search(
    config: Annotated[Path, typer.Argument(help="Run configuration (YAML).")],
    dataset: Annotated[str | None, typer.Option(help="Data set; default: the first.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Backbone; default: the first.")] = None,
    arm: Annotated[str, typer.Option(help="Way to search.")] = "lth",
    seed: Annotated[int | None, typer.Option(help="Seed; default: the run's first.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Search one cell in one trained backbone; pre-trains the backbone first if it must.

    Leaves genotype.json, epochs.parquet, decisions.json and figures in the run folder; the same
    command continues an interrupted search.
    """
    from distributed_iac.cli.chosen import choose
    from distributed_iac.cli.progress import StageProgress
    from distributed_iac.config.load import load_config
    from distributed_iac.report.cell_drawing import draw_discretisation
    from distributed_iac.report.search_curves import search_curves
    from distributed_iac.training.chain import Chain
    from distributed_iac.training.group import Group

    settings = load_config(config, overrides or [])
    group = Group.open(
        settings,
        choose("data sets", dataset, {entry.name: entry for entry in settings.data}),
        choose("backbones", backbone, {entry.key: entry for entry in settings.backbones}),
    )
    choose("arms", arm, settings.arms)
    number = settings.seeds[0] if seed is None else seed
    with StageProgress() as progress:
        result = Chain(group, progress.observe).search(arm, number)
    search_curves({arm: result.rows}).savefig(result.folder / "curves.png", dpi=120)
    draw_discretisation(result.cell).savefig(result.folder / "cell.png", dpi=150)
    typer.echo(result.describe())
