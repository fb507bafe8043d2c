"""``distributed-iac report``: tables, figures and the page of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from distributed_iac.report.page.blocks import Page

SHOWN = 5
"""Warnings that are printed; the page has all of them."""


def report(
    run: Annotated[Path, typer.Argument(help="Run folder, such as runs/NAME.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report, where the run's is read-only.")
    ] = None,
) -> None:
    """Make tables, figures and report.html of a run again, from its folder and kept results alone.

    Works at any time: on a finished sweep, on a running one, after a crash, after everything that
    a report writes was deleted. The same run gives the same bytes.
    """
    from distributed_iac.report.rebuild import rebuild

    tell_page(out or run, rebuild(run, out))


def tell_page(folder: Path, page: Page) -> None:
    """Print a page's headlines, where it is, and its first warnings.

    Args:
        folder: Where it lies.
        page: As it was made.
    """
    from distributed_iac.report.rebuild import PAGE

    for one in page.headlines:
        value = " ".join(filter(None, (one.value, one.interval))) or "unknown"
        typer.echo(f"{one.label}: {value}. {one.sentence}")
    typer.echo(f"{folder / PAGE}: {page.progress}")
    for warning in page.warnings[:SHOWN]:
        typer.echo(f"  - {warning}")
    if len(page.warnings) > SHOWN:
        typer.echo(f"  - and {len(page.warnings) - SHOWN} more, all on the page")
