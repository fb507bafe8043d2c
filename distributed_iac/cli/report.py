"""``distributed-iac report``: tables, figures and the page of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHOWN = 5
"""Warnings that are printed; the page has all of them."""


def report(
    run: Annotated[Path, typer.Argument(help="Run folder, such as runs/NAME.")],
) -> None:
    """Make tables, figures and report.html of a run again, from its folder and kept results alone.

    Works at any time: on a finished sweep, on a running one, after a crash, after everything that
    a report writes was deleted. The same run gives the same bytes.
    """
    from distributed_iac.report.rebuild import PAGE, rebuild

    page = rebuild(run)
    typer.echo(f"{run / PAGE}: {page.progress}")
    for warning in page.warnings[:SHOWN]:
        typer.echo(f"  - {warning}")
    if len(page.warnings) > SHOWN:
        typer.echo(f"  - and {len(page.warnings) - SHOWN} more, all on the page")
