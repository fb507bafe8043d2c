"""``distributed-iac export``: a finished network leaves its run.

::

    distributed-iac export runs/acdc                                   # what there is
    distributed-iac export runs/acdc acdc/basic_unet-tiny/retrain/lth/seed0 models/acdc
    distributed-iac export runs/acdc --cell b1946ac9 models/acdc       # the best one with this cell
    distributed-iac export runs/b b/unet/retrain/lth/seed0 models/acdc --as hospital-b
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distributed_iac.errors import ConfigError

if TYPE_CHECKING:
    from distributed_iac.deploy.from_run import FinishedModel


def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or the run's configuration.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL OUT",
            help="Key of a finished network, and a new folder; with --cell the folder alone. "
            "Without them, the finished networks are listed.",
            show_default=False,
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="Id of a cell, or its beginning: the best network that has it."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--as", help="Add the cell alone, by this name, to the exported network in OUT."
        ),
    ] = None,
) -> None:
    """Write a finished network as a folder: genotype, weights, and all that images need.

    The folder needs nothing of the run: `distributed-iac predict` and three lines of Python load
    it, on any machine. With --as, a cell of a frozen network, or a module in its place, is added to
    that network's folder, as a small file beside those of other hospitals; `predict --cell` picks
    one of them, or none.
    """
    wanted = what or []
    _require_pair(wanted, cell)
    if name is not None and not wanted:
        raise ConfigError(
            "--as adds a cell to an exported network",
            came=f"--as {name} without them",
            remedy="name the model, and the folder of the network",
        )
    from distributed_iac.deploy.from_run import FinishedRun, choose_model

    finished = FinishedRun.open(run)
    models, lost = finished.models(), finished.lost()
    if not wanted:
        _list(models)
    if lost and (not wanted or cell is not None):
        typer.echo(f"warning: {lost.sentence}", err=True)
    if not wanted:
        return
    lost.require(wanted[0])
    out = Path(wanted[-1])
    model = choose_model(models, key=wanted[0], cell=cell)
    if name is not None:
        finished.add_cell(model, out, name)
        typer.echo(f"added the cell {name} of {model.job.key} to {out}")
        return
    finished.export(model, out)
    typer.echo(f"{model.job.key} exported to {out}; see {out / 'README.md'}")


def _require_pair(wanted: Sequence[str], cell: str | None) -> None:
    expected = 2 if cell is None else 1
    if len(wanted) == expected or (not wanted and cell is None):
        return
    raise ConfigError(
        "export takes RUN MODEL OUT, or RUN OUT --cell ID, or RUN alone",
        came=f"RUN {' '.join(wanted)}".rstrip() + ("" if cell is None else f" --cell {cell}"),
        remedy="name a new folder to export to",
    )


def _list(models: Sequence[FinishedModel]) -> None:
    if not models:
        typer.echo("no finished network yet", err=True)
        return
    width = max(len(model.job.key) for model in models)
    typer.echo(f"{'MODEL':{width}}  val Dice  cell")
    for model in models:
        implanted = model.genotype_id or model.module or "-"
        typer.echo(f"{model.job.key:{width}}  {model.val_dice:8.4f}  {implanted}")
