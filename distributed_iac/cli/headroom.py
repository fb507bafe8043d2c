"""``distributed-iac headroom``: could a search find anything here, asked of random cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def headroom(
    config: Annotated[Path, typer.Argument(help="Run configuration (YAML).")],
    out: Annotated[Path | None, typer.Option(help="Folder of run folders.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join: auto or HOST:PORT.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Say before a search whether one can be worth its cost: random cells, several seeds each.

    Retrains headroom.cells random cells with headroom.seeds seeds in a run of its own,
    NAME-headroom, and says how much of the differences is the cell's, the most that any search
    could gain, and which differences the run could show. Shares its jobs with the sweep of the
    same configuration. Looks at val patients only.
    """
    from distributed_iac.cli.configuration import load_settled
    from distributed_iac.cli.sweep import all_overrides, drive
    from distributed_iac.cli.sweep_report import leave_report
    from distributed_iac.report.headroom_files import write_headroom

    asked = load_settled(config, all_overrides(out, address, overrides))
    settings = asked.headroom_run()
    outcome = drive(settings)
    answer = write_headroom(settings.folder)
    leave_report(settings.folder)
    typer.echo(f"\nasked of random cells{asked.asked_beside_variants}:\n" if asked.variants else "")
    typer.echo(answer)
    if outcome.failed:
        raise typer.Exit(4)
